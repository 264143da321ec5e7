"""Free pages as blocks of page frames: a zone that can have pages enough, and no block.

Source: mm/page_alloc.c of 2.6.22 and 6.11. Free frames lie in lists by order. A request takes the smallest block that is
large enough, and what is left over of it goes back in halves; a block that comes back joins its buddy, the one whose
address differs in the bit of its order, as long as that is free too. Blocks that are asked for keep their frames. Single
pages are counts for their owners, so here is the one thing that has to be assumed: a page that comes back is any of
the single pages in use, drawn from a stream of its own. Programs' pages lie scattered, and reclaim does not look where.

Only a machine that asks for more than a page at a time has such a zone; a single page never fails for want of a block.
"""

from array import array
from collections.abc import Iterator
from random import Random
from typing import Final

from netswap.actors.counters import FIRST, Tally
from netswap.actors.kernels.kernel import Kernel
from netswap.actors.kernels.linux_2_6_22 import LINUX_2_6_22
from netswap.actors.memory.zone import Block, Zone

ORDERS: Final = 11
"""Blocks have up to 2^10 pages, 4 MiB (MAX_ORDER)."""


class FrameBlock(Block):
    """2^order page frames from `frame` on."""

    __slots__ = ("frame",)

    def __init__(self, order: int, frame: int) -> None:
        super().__init__(order)
        self.frame = frame


class FreeLists:
    """The free blocks of each order, by their first frame; the one that came last is taken first."""

    __slots__ = ("_lists",)

    def __init__(self) -> None:
        self._lists: list[dict[int, None]] = [{} for _ in range(ORDERS)]

    def counts(self) -> list[int]:
        """Free blocks of each order (nr_free)."""
        return [len(blocks) for blocks in self._lists]

    def unusable(self, order: int) -> Iterator[int]:
        """Pages in the blocks of each lower order."""
        for lower in range(order):
            yield len(self._lists[lower]) << lower

    def has(self, order: int) -> bool:
        """Whether any block is that large."""
        return any(self._lists[order:])

    def take(self, order: int) -> int:
        """The first frame of a block of this order; there must be one that is large enough."""
        lists = self._lists
        larger = order
        while not lists[larger]:
            larger += 1
        frame = lists[larger].popitem()[0]
        while larger > order:
            larger -= 1
            lists[larger][frame + (1 << larger)] = None
        return frame

    def take_pages(self, pages: int) -> Iterator[range]:
        """Take `count` single pages, as `take` would find them one by one; there must be as many."""
        lists = self._lists
        while pages:
            order = next(order for order in range(ORDERS) if lists[order])
            while 1 << order > pages:
                order -= 1
            frame = self.take(order)
            pages -= 1 << order
            yield range(frame, frame + (1 << order))

    def give(self, frame: int, order: int, end: int) -> None:
        """Free a block in memory of `end` frames; it joins its buddies."""
        lists = self._lists
        while order < ORDERS - 1:
            buddy = frame ^ (1 << order)
            if buddy not in lists[order]:
                break
            del lists[order][buddy]
            frame &= buddy
            order += 1
        assert frame + (1 << order) <= end, "no buddy beyond the last frame is ever free"
        lists[order][frame] = None


class BuddyZone(Zone):
    """Free pages of a machine that asks for several in a row."""

    __slots__ = ("_held", "_lists", "_random", "kswapd_order")

    def __init__(
        self,
        total: int,
        min_pages: int,
        emergency: int = 0,
        kernel: Kernel = LINUX_2_6_22,
        tally: Tally = FIRST,
        *,
        stream: str = "frames",
    ) -> None:
        """`stream`: the name of the stream that says which frame a single page leaves free."""
        super().__init__(total, min_pages, emergency, kernel, tally)
        self._lists = FreeLists()
        self._held = array("I")
        """The frames of all single pages in use."""
        self._random = Random(stream).random
        self.kswapd_order = 0
        """kswapd works until a request of this order would meet the high mark (pgdat->kswapd_max_order)."""
        self._free_from(0, total)

    def _free_from(self, frame: int, end: int) -> None:
        """Add free frames, in as few blocks as possible."""
        while frame < end:
            order = min(ORDERS - 1, (frame & -frame).bit_length() - 1 if frame else ORDERS - 1)
            while frame + (1 << order) > end:
                order -= 1
            self._lists.give(frame, order, self.total)
            frame += 1 << order

    def free_blocks(self) -> list[int]:
        """Free blocks of each order, from single pages on (nr_free)."""
        return self._lists.counts()

    def settle(self) -> None:
        """Let the single pages in use lie anywhere, as if the machine had run for long."""
        if not self._held:
            return
        for one in self._lists.take_pages(self.free):
            self._held.extend(one)
        for _ in range(self.free):
            self._lists.give(self._let_go(), 0, self.total)

    def _let_go(self) -> int:
        """One of the frames in use, by chance."""
        held = self._held
        chosen = int(self._random() * len(held))
        frame = held[chosen]
        held[chosen] = held[-1]
        held.pop()
        return frame

    # -- single pages -----------------------------------------------------------------------------------------------

    def take(self, floor: int) -> bool:
        """Take a page if more than `floor` pages are free."""
        if not super().take(floor):
            return False
        self._held.append(self._lists.take(0))
        return True

    def take_many(self, floor: int, wanted: int) -> int:
        """Take up to `wanted` pages, leaving `floor`; the number taken."""
        taken = super().take_many(floor, wanted)
        for one in self._lists.take_pages(taken):
            self._held.extend(one)
        return taken

    def give(self, pages: int = 1) -> None:
        """Free single pages: any of those in use."""
        for _ in range(pages):
            self._lists.give(self._let_go(), 0, self.total)
        super().give(pages)

    # -- blocks -----------------------------------------------------------------------------------------------------

    def suits(self, order: int, floor: int) -> bool:
        """Whether a request of this order passes the test of the watermark (zone_watermark_ok).

        In 2.6.22 the pages of each lower order do not count, and half as many have to be left at each. In 6.11 one block
        that is large enough will do.
        """
        free = self.free - (1 << order) + 1
        if free <= floor:
            return False
        if not self.kernel.halves_floor or not floor:
            return self._lists.has(order)
        emergency = min(self.emergency, floor)
        least = floor - emergency
        for pages in self._lists.unusable(order):
            free -= pages
            least >>= 1
            if free <= least + emergency:
                return False
        return True

    def take_block(self, order: int, floor: int) -> Block | None:
        """Take a block of 2^order pages if the request passes the test; where it fails at the low mark, wake kswapd for it."""
        if not self.suits(order, self.floors.low):
            self.kswapd_order = max(self.kswapd_order, order)
            self.press()
        if not self.suits(order, floor) and not (self.rescued(floor) and self.suits(order, floor)):
            self.no_block += self.free - (1 << order) + 1 > floor
            return None
        self.free -= 1 << order
        self.free_min = min(self.free_min, self.free)
        return FrameBlock(order, self._lists.take(order))

    def give_block(self, block: Block) -> None:
        """Free a block, at its place."""
        assert isinstance(block, FrameBlock), "it came from here"
        self._lists.give(block.frame, block.order, self.total)
        super().give(1 << block.order)

    def kswapd_goal(self) -> int:
        """As for single pages; a cluster more than now until the order that it was woken for is met, and then forgotten."""
        goal = super().kswapd_goal()
        if self.kswapd_order and not self.suits(self.kswapd_order, self.high_mark):
            return max(goal, self.free + self.kernel.swap_cluster_max)
        self.kswapd_order = 0
        return goal
