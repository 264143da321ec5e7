"""Pages grouped by mobility, and the boost of the watermarks that follows when the groups mix (Linux 5.0 and later).

Source: mm/page_alloc.c of 6.1 and 6.11 (__rmqueue_fallback, steal_suitable_fallback, boost_watermark, zone_watermark_fast); facts
13.6. A page of the kernel's own (a slab's, a card's) is unmovable and comes from a pageblock of such pages. Without a free one
there a pageblock that is free as a whole becomes one; or else, and always so on a machine that swaps, a page is taken from among
the movable ones, and what is free beside it in its pageblock goes to the unmovable lists with it. Each time the watermarks are
raised by a pageblock, up to watermark_boost_factor of high, and kswapd is woken; it works up to the raised mark, and takes back
what it found raised when it began. A single page for an atomic request is refused at the mark that is not raised.

Simplifications (ours): free pages lie evenly over pageblocks; memory that has never been used, what was free above the high mark
at the worst of times, is whole pageblocks.
"""

from netswap.actors.counters import FIRST, Tally
from netswap.actors.kernels import Kernel
from netswap.actors.kernels.kernel import PAGEBLOCK
from netswap.actors.memory.zone import Zone


class GroupedZone(Zone):
    """Free pages of one machine that keeps unmovable ones together."""

    __slots__ = ("_boost_max", "_claimed", "_high", "_pinned", "_spare")

    def __init__(self, total: int, min_pages: int, emergency: int, kernel: Kernel, tally: Tally = FIRST) -> None:
        super().__init__(total, min_pages, emergency, kernel, tally)
        self._high = kernel.marks(min_pages, total)[1]
        self._boost_max = kernel.boost_max(total, self._high)
        self._claimed = 0
        """Pages of pageblocks that hold unmovable ones only."""
        self._spare = 0
        """Free pages of other pageblocks that are on the unmovable lists."""
        self._pinned = 0
        """Unmovable pages in use."""

    def take_unmovable(self, floor: int) -> bool:
        """As `take`, for a page that cannot be moved: one of the kernel's own."""
        taken = self.take(floor)
        if taken:
            self.pin()
        return taken

    def take_many_unmovable(self, floor: int, wanted: int) -> int:
        """As `take_many`, for such pages."""
        taken = self.take_many(floor, wanted)
        for _ in range(taken):
            self.pin()
        return taken

    def give_unmovable(self, pages: int = 1) -> None:
        """Free such pages."""
        self._pinned -= pages
        self.give(pages)

    def pin(self) -> None:
        """A page that has been taken is unmovable: see where it lies."""
        if self._pinned >= self._claimed:
            if self._spare:
                self._spare -= 1
            elif self.free_min - self._high >= PAGEBLOCK:
                self._claimed += PAGEBLOCK
            else:
                self._spare = PAGEBLOCK * self.free // self.total
                self._raise()
        self._pinned += 1

    def _raise(self) -> None:
        """Boost the watermarks, as far as may be, and wake kswapd."""
        if not self._boost_max:
            return
        boost = min(self.boost + PAGEBLOCK, self._boost_max)
        if boost != self.boost:
            self.boost = boost
            self.set_marks()
        self.press()

    def balanced(self, boost: int) -> None:
        """kswapd has reached its goal, and takes back what was boosted when it began."""
        if self.boost and boost:
            self.boost = max(0, self.boost - boost)
            self.set_marks()

    def grouping(self) -> tuple[int, ...]:
        """Where unmovable pages lie, as numbers that tell equal states."""
        return (self._claimed, self._spare, self._pinned, self.boost)
