"""Slab caches: objects in pages. A page comes back when its last object is freed.

An object that is freed is handed out again without asking the watermarks, unless the slab rule forbids it: objects of a
page that came from the reserve go only to requests that may use the reserve. In Zijlstra's series the whole
cache is marked until it gets its next ordinary page, so that an object allocation fails whenever a page allocation with
the same rights would (mm/slab.c and mm/slub.c of that series). Since Linux 3.6 the mark is on each page (mm/slub.c).
"""

from collections.abc import Iterable

from netswap.actors.memory.zone import Zone
from netswap.protocol.rpc import PAGE


class Slab:
    """One page of objects."""

    __slots__ = ("cache", "free", "from_reserve")

    def __init__(self, cache: "SlabCache", free: int, from_reserve: bool) -> None:
        self.cache = cache
        self.free = free
        self.from_reserve = from_reserve


Run = tuple[Slab, int]
"""A slab, and a number of objects of it."""


class SlabCache:
    """Objects of one size. `take` returns the slab that the object lies in; `give` wants that slab back."""

    __slots__ = ("_partial", "_top", "_zone", "guarded", "name", "per_slab", "reserved", "size", "slabs")

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
        self.slabs = 0
        self._zone = zone
        self._top = Slab(self, 0, False)
        """The slab whose first object was freed last. It stays on top without a free object: one may come back at once."""
        self._partial: dict[Slab, None] = {}
        """The other slabs with free objects, in the order in which their first object was freed."""

    @property
    def in_use(self) -> int:
        """The number of allocated objects."""
        return self.slabs * self.per_slab - self._top.free - sum(slab.free for slab in self._partial)

    @property
    def top(self) -> Slab:
        """The slab whose first object was freed last; it may have none left."""
        return self._top

    @property
    def partial(self) -> Iterable[Slab]:
        """The other slabs with free objects, in the order in which their first object was freed."""
        return self._partial

    def take(self, floor: int) -> Slab | None:
        """Allocate an object for a request that may go down to `floor` free pages and may not use the reserve."""
        slab = self._top
        if not slab.free and self._partial:
            self._top = slab = self._partial.popitem()[0]
        if slab.free and not (self.reserved and self.guarded):
            slab.free -= 1
            return slab
        if not self._zone.take_unmovable(floor):
            return None
        self.reserved = False
        return self._grow(from_reserve=False)

    def take_many(self, count: int, floor: int) -> list[Run]:
        """Allocate `count` objects, each as by `take`, for a request that finds more than `count` pages above its floor."""
        slab = self._top
        if slab.free < count or (self.reserved and self.guarded):
            return self._take_from_several(count, floor)
        slab.free -= count
        return [(slab, count)]

    def _take_from_several(self, count: int, floor: int) -> list[Run]:
        """Allocate `count` objects, more than the top slab has or may give."""
        runs: list[Run] = []
        if self.reserved and self.guarded:
            runs += self._take_new(1, floor)
            count -= 1
        slab, partial = self._top, self._partial
        while count:
            free = slab.free
            if count <= free:
                slab.free = free - count
                runs.append((slab, count))
                break
            if free:
                slab.free = 0
                runs.append((slab, free))
                count -= free
            if not partial:
                self._top = slab
                return runs + self._take_new(count, floor)
            slab = partial.popitem()[0]
        self._top = slab
        return runs

    def _take_new(self, count: int, floor: int) -> list[Run]:
        """Allocate `count` objects in new ordinary pages; the last page comes to the top if it has free objects left."""
        self.reserved = False
        per_slab = self.per_slab
        if count < per_slab:
            took = self._zone.take_unmovable(floor)
            assert took, f"{self.name}: an object more than there are pages for"
            self.slabs += 1
            slab = Slab(self, per_slab - count, False)
            self._cover(slab)
            return [(slab, count)]
        pages = -(-count // per_slab)
        got = self._zone.take_many_unmovable(floor, pages)
        assert got == pages, f"{self.name}: {count} objects more than there are pages for"
        self.slabs += pages
        runs = [(Slab(self, 0, False), per_slab) for _ in range(pages)]
        left = pages * per_slab - count
        if left:
            last = runs[-1][0]
            last.free = left
            self._cover(last)
            runs[-1] = (last, per_slab - left)
        return runs

    def take_memalloc(self, floor: int) -> Slab | None:
        """Allocate an object for a request that ignores the watermarks where `floor` refuses it (__GFP_MEMALLOC)."""
        slab = self.take(floor)
        if slab is not None:
            return slab
        slab = self._top
        if slab.free:
            slab.free -= 1
            return slab
        if not self._zone.take_ignoring_watermarks():
            return None
        self.reserved = True
        return self._grow(from_reserve=True)

    def give(self, slab: Slab, count: int = 1) -> None:
        """Free objects of this slab."""
        slab.free = free = slab.free + count
        if free == self.per_slab:
            self._return(slab)
        elif free == count:
            top = self._top
            if top is not slab:
                if top.free:
                    self._partial[top] = None
                self._top = slab

    def lend(self, floor: int) -> None:
        """Do what to allocate an object and to free it again at once does, for a request that finds a page above its floor."""
        if self.has_object():
            return
        if self._top.free or self._partial:
            slab = self.take(floor)
            assert slab is not None, f"{self.name}: there is a page for it"
            self.give(slab)
            return
        # A page of one's own, for this moment. As an empty slab it comes to the top and stays there.
        zone = self._zone
        took = zone.take_unmovable(floor)
        assert took, f"{self.name}: there is a page for it"
        self.reserved = False
        self._top = Slab(self, 0, False)
        zone.give_unmovable()

    def has_object(self) -> bool:
        """Whether `take` finds an object in the slab on top."""
        return self._top.free > 0 and not (self.reserved and self.guarded)

    def _return(self, slab: Slab) -> None:
        """Give back a page whose last object has been freed."""
        slab.free = 0
        if slab is not self._top:
            self._partial.pop(slab, None)
        self.slabs -= 1
        if slab.from_reserve:
            self._zone.give_back_reserve()
        else:
            self._zone.give_unmovable()

    def _grow(self, *, from_reserve: bool) -> Slab:
        slab = Slab(self, self.per_slab - 1, from_reserve)
        self.slabs += 1
        if slab.free:
            self._cover(slab)
        return slab

    def _cover(self, slab: Slab) -> None:
        """Put a slab on top whose first object has been freed."""
        if self._top.free:
            self._partial[self._top] = None
        self._top = slab


class PageMarkedCache(SlabCache):
    """The slab rule of Linux 3.6 and later: the pages that came from the reserve are marked, each by itself.

    So the free objects of ordinary pages go to every request, whatever pages came from the reserve meanwhile.
    """

    __slots__ = ("_marked",)

    def __init__(self, zone: Zone, name: str, size: int, *, guarded: bool) -> None:
        super().__init__(zone, name, size, guarded=guarded)
        self._marked: dict[Slab, None] = {}
        """The marked slabs with free objects, in the order in which their first object was freed."""

    @property
    def in_use(self) -> int:
        """The number of allocated objects."""
        return super().in_use - sum(slab.free for slab in self._marked)

    @property
    def marked(self) -> Iterable[Slab]:
        """The marked slabs with free objects, in the order in which their first object was freed."""
        return self._marked

    def take_memalloc(self, floor: int) -> Slab | None:
        """Allocate an object for a request that ignores the watermarks, and the marks, where `floor` refuses it."""
        slab = self.take(floor)
        if slab is not None:
            return slab
        if self._marked:
            slab = next(reversed(self._marked))
            slab.free -= 1
            if not slab.free:
                del self._marked[slab]
            return slab
        return self._grow(from_reserve=True) if self._zone.take_ignoring_watermarks() else None

    def _cover(self, slab: Slab) -> None:
        if slab.from_reserve and self.guarded:
            self._marked[slab] = None
        else:
            super()._cover(slab)

    def give(self, slab: Slab, count: int = 1) -> None:
        """Free objects of this slab."""
        if not slab.from_reserve or not self.guarded:
            SlabCache.give(self, slab, count)
            return
        slab.free += count
        if slab.free == self.per_slab:
            self._return(slab)
        else:
            self._marked[slab] = None

    def _return(self, slab: Slab) -> None:
        self._marked.pop(slab, None)
        super()._return(slab)
