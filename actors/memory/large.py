"""Objects larger than a page: a block of pages in a row for each, or a small object with single pages beside it.

Source: mm/slab.c, include/linux/kmalloc_sizes.h of 2.6.22; drivers/net/ethernet/intel/e1000e of 6.11. No other object shares
such a block, so there is nothing that the slab rule would have to guard.
"""

from netswap.actors.memory.sizes import order_of
from netswap.actors.memory.slab import Slab, SlabCache
from netswap.actors.memory.zone import Block, Zone
from netswap.protocol.rpc import PAGE


class LargeObject(Slab):
    """One object, and the block that it fills."""

    __slots__ = ("block",)

    def __init__(self, cache: SlabCache, block: Block, *, from_reserve: bool) -> None:
        super().__init__(cache, 0, from_reserve)
        self.block = block


class LargeCache(SlabCache):
    """Objects that are blocks of 2^order pages."""

    __slots__ = ("order",)

    def __init__(self, zone: Zone, name: str, size: int) -> None:
        super().__init__(zone, name, PAGE, guarded=False)
        self.size = size
        self.order = order_of(size)

    def take(self, floor: int) -> Slab | None:
        """Allocate an object for a request that may go down to `floor` free pages."""
        block = self._zone.take_block(self.order, floor)
        return None if block is None else self._made_of(block, from_reserve=False)

    def take_memalloc(self, floor: int) -> Slab | None:
        """Allocate an object for a request that ignores the watermarks where `floor` refuses it, if there is a block at all."""
        slab = self.take(floor)
        if slab is not None:
            return slab
        block = self._zone.take_block_ignoring_watermarks(self.order)
        return None if block is None else self._made_of(block, from_reserve=True)

    def _made_of(self, block: Block, *, from_reserve: bool) -> LargeObject:
        self.slabs += 1
        return LargeObject(self, block, from_reserve=from_reserve)

    def give(self, slab: Slab, count: int = 1) -> None:
        """Free an object."""
        assert isinstance(slab, LargeObject), "it came from here"
        self.slabs -= 1
        if slab.from_reserve:
            self._zone.give_back_reserve_block(slab.block)
        else:
            self._zone.give_block(slab.block)


class PagedObject(Slab):
    """A small object, and which of its pages came from the reserve."""

    __slots__ = ("header", "reserved")

    def __init__(self, cache: SlabCache, header: Slab, reserved: int) -> None:
        super().__init__(cache, 0, header.from_reserve or reserved > 0)
        self.header = header
        self.reserved = reserved


class PagedCache(SlabCache):
    """Objects of `headers`, each with `pages` single pages beside it."""

    __slots__ = ("_headers", "_pages")

    def __init__(self, zone: Zone, headers: SlabCache, pages: int) -> None:
        super().__init__(zone, f"{headers.name} and {pages} pages", PAGE, guarded=False)
        self.size = headers.size + pages * PAGE
        self._headers = headers
        self._pages = pages

    def take(self, floor: int) -> Slab | None:
        """Allocate an object with its pages, or nothing, for a request that may go down to `floor` free pages."""
        header = self._headers.take(floor)
        if header is None:
            return None
        got = sum(self._zone.take_unmovable(floor) for _ in range(self._pages))
        return self._whole(PagedObject(self, header, 0), got)

    def take_memalloc(self, floor: int) -> Slab | None:
        """Allocate an object with its pages, or nothing, for a request that ignores the watermarks where `floor` refuses it."""
        header = self._headers.take_memalloc(floor)
        if header is None:
            return None
        zone = self._zone
        got = reserved = 0
        for _ in range(self._pages):
            if zone.take_unmovable(floor):
                got += 1
            elif zone.take_ignoring_watermarks():
                got += 1
                reserved += 1
        return self._whole(PagedObject(self, header, reserved), got)

    def _whole(self, slab: PagedObject, got: int) -> PagedObject | None:
        self.slabs += 1
        if got == self._pages:
            return slab
        self._give(slab, got)
        return None

    def give(self, slab: Slab, count: int = 1) -> None:
        """Free an object with its pages."""
        assert isinstance(slab, PagedObject), "it came from here"
        self._give(slab, self._pages)

    def _give(self, slab: PagedObject, pages: int) -> None:
        self.slabs -= 1
        slab.header.cache.give(slab.header)
        for _ in range(slab.reserved):
            self._zone.give_back_reserve()
        if pages > slab.reserved:
            self._zone.give_unmovable(pages - slab.reserved)
