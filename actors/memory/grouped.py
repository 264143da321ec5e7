"""Pages grouped by mobility, and the boost of the watermarks that follows when the groups mix (Linux 5.0 and later).

Source: mm/page_alloc.c of 6.1 and 6.11 (__rmqueue_fallback, steal_suitable_fallback, boost_watermark, zone_watermark_fast); facts
13.6. Pages of the kernel's own (a slab's, a card's) are unmovable, and have lists of free pages of their own, those of their
pageblocks; a page goes back to the list of its pageblock. A request whose own lists are empty takes from the others. Where an
unmovable one does so, a pageblock that is free as a whole becomes one of its kind, or else what is free beside the page goes to
the unmovable lists with it. On a machine that swaps both kinds of lists run empty all the time. Each time the watermarks are
raised by a pageblock, up to watermark_boost_factor of high, and kswapd is woken; it works up to the raised mark, and takes back
what it found raised when it began. A single page for an atomic request is refused at the mark that is not raised.

Simplifications (ours): movable pages, free or in use, lie evenly over pageblocks; memory that has never been used, what was free
above the high mark at the worst of times, is whole pageblocks; a machine that begins warm has not boosted yet.
"""

from netswap.actors.counters import FIRST, Tally
from netswap.actors.kernels.kernel import PAGEBLOCK, Kernel
from netswap.actors.memory.zone import Wake, Zone


class GroupedZone(Zone):
    """Free pages of one machine that keeps unmovable ones together."""

    __slots__ = ("_boost_max", "_claimed", "_high", "_moved", "_part", "_pinned", "_raised", "_settled", "_spare")

    def __init__(self, total: int, min_pages: int, emergency: int, kernel: Kernel, tally: Tally = FIRST) -> None:
        super().__init__(total, min_pages, emergency, kernel, tally)
        self._high = kernel.marks(min_pages, total)[1]
        self._boost_max = kernel.boost_max(total, self._high)
        self._claimed = 0
        """Pages of pageblocks that hold unmovable ones first."""
        self._spare = 0
        """Free pages on the unmovable lists; the other free ones are on the movable lists."""
        self._pinned = 0
        """Unmovable pages in use: they lie in those pageblocks as far as there is room."""
        self._part = 0
        """What movable pages that were freed have not yet brought to the unmovable lists, in parts of a page."""
        self._settled = False
        """Whether the machine runs."""
        self._raised: Wake | None = None
        """Told of a boost in kswapd's place."""
        self._moved: Wake | None = None
        """Told of marks that have moved otherwise."""

    def settle(self) -> None:
        """From here on the machine runs; what its programs had at the start has been taken from either list."""
        super().settle()
        self._spare = min(self._spare, self.free)
        self._settled = True

    def take_unmovable(self, floor: int) -> bool:
        """As `take`, for a page that cannot be moved: one of the kernel's own."""
        spare = self._spare
        self._spare = max(0, spare - 1)  # it is this request that takes it
        if not self.take(floor):
            self._spare = spare
            return False
        self._lay(was_spare=spare > 0)
        return True

    def take_many_unmovable(self, floor: int, wanted: int) -> int:
        """As `take_many`, for such pages."""
        taken = 0
        while taken < wanted and self.take_unmovable(floor):
            taken += 1
        return taken

    def fall_back(self) -> None:
        """Movable pages have been taken from the unmovable lists, since their own were empty."""
        self._spare = self.free
        self._raise()

    def give_unmovable(self, pages: int = 1) -> None:
        """Free such pages: to the unmovable lists, as far as they lie in unmovable pageblocks."""
        self._unpin(pages)
        self.give(pages)

    def _unpin(self, pages: int) -> None:
        self._pinned -= pages
        self._spare += min(pages, max(0, self._claimed - self._pinned - self._spare))

    def bring_back(self, pages: int) -> None:
        """Give to the unmovable lists the share of freed movable pages that lies in unmovable pageblocks."""
        there = self._claimed - self._pinned - self._spare
        if there <= 0:
            return
        in_use = max(1, self.total - self.free - self._pinned)
        self._part += pages * there
        back = min(self._part // in_use, there, pages)
        self._part -= back * in_use
        self._spare += back

    def pin(self) -> None:
        """A page that has been taken is unmovable: see where it lies."""
        spare = self._spare
        self._spare = max(0, spare - 1)
        self._lay(was_spare=spare > 0)

    def _lay(self, *, was_spare: bool) -> None:
        """An unmovable page has been taken: from the unmovable lists, or else from the others."""
        self._pinned += 1
        if was_spare:
            return
        if self.free_min - self._high >= PAGEBLOCK:
            self._claimed += PAGEBLOCK
            self._spare += PAGEBLOCK - 1
        else:
            self._spare += min(self.free - self._spare, PAGEBLOCK * self.free // self.total)
            self._raise()

    def _raise(self) -> None:
        """Boost the watermarks, as far as may be, and wake kswapd."""
        if not self._boost_max or not self._settled:
            return
        boost = min(self.boost + PAGEBLOCK, self._boost_max)
        if boost != self.boost:
            self.boost = boost
            self.set_marks()
        (self._raised or self.press)()

    def on_marks(self, raised: Wake, moved: Wake) -> None:
        """Call `raised` instead of waking kswapd when the marks are boosted, and `moved` when they move otherwise."""
        self._raised, self._moved = raised, moved

    def take_back_boost(self, boosts: tuple[int, ...]) -> None:
        """kswapd has ended its work, and takes back what was boosted when it began."""
        if self.boost and boosts[0]:
            self.boost = max(0, self.boost - boosts[0])
            self.set_marks()

    def grouping(self) -> tuple[int, ...]:
        """Where unmovable pages lie, as numbers that tell equal states."""
        return (self._claimed, self._spare, self._pinned, self._part, self.boost)
