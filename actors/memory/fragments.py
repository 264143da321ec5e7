"""Fragments of pages: pieces of one size cut from a block, which comes back when all of them have.

Source: net/core/sock.c (skb_page_frag_refill), for cards that hold bare fragments (virtio); mm/page_alloc.c
(page_frag_alloc_align, __page_frag_cache_refill) of 6.1 and 6.11, for buffers of netdev_alloc_skb and napi_alloc_skb. What has
been cut is not handed out again: so a buffer that waits in a socket keeps the pages beside it.
"""

from netswap.actors.memory.slab import Run, Slab, SlabCache
from netswap.actors.memory.zone import Block, Zone
from netswap.protocol.rpc import PAGE


class FragmentBlock(Slab):
    """A block of pages that fragments are cut from; `free`: not cut yet; `out`: cut and not returned."""

    __slots__ = ("block", "out")

    def __init__(self, cache: SlabCache, fragments: int, block: Block | None, *, from_reserve: bool = False) -> None:
        super().__init__(cache, fragments, from_reserve)
        self.block = block
        """The block, or None for a single page."""
        self.out = 0


class Fragments(SlabCache):
    """Fragments of one size. What has been cut is not handed out again: a block returns when all of it has come back."""

    __slots__ = ("_current", "_harder", "_order")

    def __init__(self, zone: Zone, size: int, order: int, *, harder: bool = False) -> None:
        """`order`: of the blocks that are asked for first; 0: single pages only.

        `harder`: a block is asked for with all the rights of GFP_ATOMIC; else with __GFP_NOMEMALLOC, which leaves half of min and
        what is set aside for blocks alone (gfp_to_alloc_flags).
        """
        super().__init__(zone, "page_frag", size, guarded=False)
        self._order = order
        self._harder = harder
        self._current: FragmentBlock | None = None

    def take(self, floor: int) -> FragmentBlock | None:
        """Cut the next fragment of the current block, or of a new block or page for a request with this floor."""
        current = self._current
        if current is None:
            block = self._block(floor)
            if block is not None:
                current = FragmentBlock(self, (PAGE << self._order) // self.size, block)
            elif self._zone.take_unmovable(floor):
                current = FragmentBlock(self, self.per_slab, None)
            else:
                return None
        return self._cut(current)

    def _block(self, floor: int) -> Block | None:
        if not self._order:
            return None
        zone = self._zone
        return zone.take_block(self._order, floor if self._harder else max(floor, zone.floors.high))

    def take_from_reserve(self) -> FragmentBlock | None:
        """Cut the first fragment of a page from the reserve, after an ordinary one has been refused."""
        if not self._zone.take_ignoring_watermarks():
            return None
        return self._cut(FragmentBlock(self, self.per_slab, None, from_reserve=True))

    def take_from_page(self) -> FragmentBlock:
        """Cut the first fragment of a page that has been taken already."""
        self._zone.pin()
        return self._cut(FragmentBlock(self, self.per_slab, None))

    def give(self, slab: Slab, count: int = 1) -> None:
        """Return fragments."""
        assert isinstance(slab, FragmentBlock), "only what has been cut comes back"
        slab.out -= count
        if slab.out:
            return
        if slab is self._current:
            self._current = None
        if slab.block is not None:
            self._zone.give_block(slab.block)
        elif slab.from_reserve:
            self._zone.give_back_reserve()
        else:
            self._zone.give_unmovable()

    def _cut(self, block: FragmentBlock) -> FragmentBlock:
        block.free -= 1
        block.out += 1
        self._current = block if block.free else None
        return block


class PageFragCache(Fragments):
    """The fragments of one CPU's page_frag_cache, as an allocator of receive buffers.

    Its block stays until it has been used up. If all of its fragments have come back by then it is cut again, without asking the
    zone, unless it is a page from the reserve. A block is asked for with __GFP_NOMEMALLOC, and only a single page also without
    watermarks; all fragments of such a page are the reserve's (pfmemalloc), whichever caller asks for them.
    """

    __slots__ = ("_out",)

    def __init__(self, zone: Zone, size: int, order: int) -> None:
        super().__init__(zone, size, order)
        self._out = 0
        """Fragments in use."""

    @property
    def in_use(self) -> int:
        """The number of fragments that have been cut and not returned."""
        return self._out

    @property
    def current(self) -> FragmentBlock | None:
        """The block that the next fragment is cut from, if there is one."""
        return self._current

    def of_blocks(self) -> tuple[int, int]:
        """The number of fragments of a block, and of a page."""
        return (PAGE << self._order) // self.size, self.per_slab

    def take(self, floor: int) -> FragmentBlock | None:
        """Cut an ordinary fragment; None where the next would be of a page from the reserve, or there is no page."""
        current = self._current
        if current is not None and current.free:
            return None if current.from_reserve else self._cut(current)
        if current is not None and not current.out and not current.from_reserve:
            current.free = self._fragments_of(current)
            return self._cut(current)
        self._leave()
        return super().take(floor)

    def take_memalloc(self, floor: int) -> FragmentBlock | None:
        """Cut a fragment for a request that ignores the watermarks where `floor` refuses it."""
        current = self._current
        if current is not None and current.free and current.from_reserve:
            return self._cut(current)
        found = self.take(floor)
        return self.take_from_reserve() if found is None else found

    def take_many(self, count: int, floor: int) -> list[Run]:
        """Cut `count` fragments, for a request that finds more than `count` pages above its floor."""
        runs: list[Run] = []
        for _ in range(count):
            slab = self.take(floor)
            if slab is None:  # what is left of a page from the reserve is left alone, where there is plenty
                self._leave()
                slab = super().take(floor)
            assert slab is not None, f"{self.name}: there is a page for it"
            runs.append((slab, 1))
        return runs

    def give(self, slab: Slab, count: int = 1) -> None:
        """Return fragments."""
        assert isinstance(slab, FragmentBlock), "only what has been cut comes back"
        self._out -= count
        if slab is self._current:
            slab.out -= count  # the cache has it still
        else:
            super().give(slab, count)

    def _leave(self) -> None:
        """Turn to another block; the one left is free if nothing of it is in use."""
        left, self._current = self._current, None
        if left is not None and not left.out:
            super().give(left, 0)

    def _fragments_of(self, block: FragmentBlock) -> int:
        return self.per_slab if block.block is None else (PAGE << block.block.order) // self.size

    def _cut(self, block: FragmentBlock) -> FragmentBlock:
        self._out += 1
        block.free -= 1
        block.out += 1
        self._current = block
        return block
