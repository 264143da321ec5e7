"""Slab caches: objects in pages. A page comes back when its last object is freed.

An object that is freed is handed out again without asking the watermarks, unless the slab rule forbids it: objects of a
page that came from the reserve go only to requests that are entitled to the reserve. As in Zijlstra's series the whole
cache is marked until it gets its next ordinary page, so that an object allocation fails whenever a page allocation with
the same rights would (mm/slab.c and mm/slub.c of that series).
"""

from actors.memory.zone import Zone
from protocol.rpc import PAGE


class Slab:
    """One page of objects."""

    __slots__ = ("cache", "free", "from_reserve")

    def __init__(self, cache: "SlabCache", free: int, from_reserve: bool) -> None:
        self.cache = cache
        self.free = free
        self.from_reserve = from_reserve


class SlabCache:
    """Objects of one size. `take` hands out the slab that the object stands in; give that slab back."""

    __slots__ = ("_partial", "_zone", "guarded", "in_use", "name", "per_slab", "reserved", "size", "slabs")

    def __init__(self, zone: Zone, name: str, size: int, *, guarded: bool) -> None:
        if not 0 < size <= PAGE:
            raise ValueError(f"{name}: objects of {size} bytes do not fit into a page of {PAGE}")
        self.name = name
        self.size = size
        self.per_slab = PAGE // size
        self.guarded = guarded
        """Whether the slab rule is on."""
        self.reserved = False
        """Whether the newest page came from the reserve."""
        self.in_use = 0
        self.slabs = 0
        self._zone = zone
        self._partial: dict[Slab, None] = {}

    def take(self, floor: int) -> Slab | None:
        """An object for a request that may go down to `floor` free pages and has no right to the reserve."""
        if self._partial and not (self.reserved and self.guarded):
            return self._pop()
        if not self._zone.take(floor):
            return None
        self.reserved = False
        return self._grow(from_reserve=False)

    def take_entitled(self, floor: int) -> Slab | None:
        """An object for a request that ignores the watermarks where `floor` refuses it."""
        slab = self.take(floor)
        if slab is not None:
            return slab
        if self._partial:
            return self._pop()
        if not self._zone.take_ignoring_watermarks():
            return None
        self.reserved = True
        return self._grow(from_reserve=True)

    def give(self, slab: Slab) -> None:
        """Free one object of this slab."""
        self.in_use -= 1
        slab.free = free = slab.free + 1
        if free == self.per_slab:
            self._partial.pop(slab, None)
            self.slabs -= 1
            if slab.from_reserve:
                self._zone.give_back_reserve()
            else:
                self._zone.give()
        elif free == 1:
            self._partial[slab] = None

    def _pop(self) -> Slab:
        slab, _ = self._partial.popitem()
        slab.free -= 1
        if slab.free:
            self._partial[slab] = None
        self.in_use += 1
        return slab

    def _grow(self, *, from_reserve: bool) -> Slab:
        slab = Slab(self, self.per_slab - 1, from_reserve)
        if slab.free:
            self._partial[slab] = None
        self.in_use += 1
        self.slabs += 1
        return slab
