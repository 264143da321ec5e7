"""Pages set aside for atomic requests of more than one page (MIGRATE_HIGHATOMIC).

Source: mm/page_alloc.c of 6.1 and 6.11 (reserve_highatomic_pageblock, rmqueue_buddy, unreserve_highatomic_pageblock); facts
13.5. When an atomic request for a block fails at the low mark and is met from ordinary memory below it, its whole pageblock
is set aside: from then on what is free there, or becomes so, goes only to such requests. `Kernel.aside_max` says how much.
While they are free, these pages count for requests that may go below min, and cannot be had by a request for a single page:
part of the reserve is there and useless. All other requests leave out every page that is set aside, free or in use ("this
will over-estimate the size of the atomic reserve but it avoids a search"), and so does one with __GFP_NOMEMALLOC (the floor
`high`): what is in use there raises low, min and high for them. An atomic request for a block does not ignore the boost, as one
for a page does (zone_watermark_fast). A direct reclaimer that has made progress and still finds no page gives a pageblock back,
though not the last; before a program is killed, that too.

Simplification (ours): free pages, and those that are freed, lie evenly over pageblocks; but for a page that was taken below the
watermarks, when blocks had been set aside: it lies in none of them.
"""

from netswap.actors.counters import FIRST, Tally
from netswap.actors.kernels.kernel import PAGEBLOCK, Kernel
from netswap.actors.kernels.linux_6_11 import LINUX_6_11
from netswap.actors.memory.grouped import GroupedZone
from netswap.actors.memory.zone import Block, Zone, atomic_share


class HighAtomicZone(GroupedZone):
    """Free pages of one machine under 6.x. `free` leaves out those that are set aside."""

    __slots__ = ("_share", "_used", "aside", "aside_max")

    def __init__(
        self, total: int, min_pages: int, emergency: int = 0, kernel: Kernel = LINUX_6_11, tally: Tally = FIRST
    ) -> None:
        super().__init__(total, min_pages, emergency, kernel, tally)
        self.aside = 0
        """Pages of all pageblocks that are set aside, free or not."""
        self.aside_max = kernel.aside_max(total)
        self._used = 0
        """Pages of these that had been taken by others before, and are set aside once they are free."""
        self._share = 0
        """What pages that were freed have not yet brought of these, in parts of a page."""

    def take(self, floor: int) -> bool:
        """Take a page if more than `floor` pages are free, and one of them is not set aside."""
        taken = Zone.take(self, self._reached(floor))
        if self.free < self._spare:
            self.fall_back()
        return taken

    def take_many(self, floor: int, wanted: int) -> int:
        """Take up to `wanted` pages, leaving `floor`; the number taken."""
        taken = Zone.take_many(self, self._reached(floor), wanted)
        if self.free < self._spare:
            self.fall_back()
        return taken

    def give(self, pages: int = 1) -> None:
        """Free pages: of those that lie in a pageblock that is set aside, their share."""
        if self._settled:
            self.bring_back(pages)
        if not self._used:
            Zone.give(self, pages)
            return
        in_use = self.total - self.free - self.aside_free
        self._share += pages * self._used
        there = min(self._share // in_use, self._used, pages)
        self._share -= there * in_use
        self._used -= there
        self.aside_free += there
        if there:
            self._reckon()
        Zone.give(self, pages - there)

    def give_from_below(self) -> None:
        """Free a page that was taken below the watermarks.

        It lies in none of the pageblocks that are set aside: a single page is not taken from there, and they had been set aside
        when the low mark was reached.
        """
        self._unpin(1)
        Zone.give(self)

    def take_block(self, order: int, floor: int) -> Block | None:
        """Take a block of 2^order pages; if the request is atomic, one that is set aside, or will be."""
        pages = 1 << order
        if floor == self.floors.high != self.floors.atomic:
            return self._take_plain(order, floor + self.boost - self.boost // 2 + pages - 1)
        if floor != self.floors.atomic:
            return super().take_block(order, floor)
        if self.free - (pages - 1) > self.low_mark:
            return super().take_block(order, self.low_mark)
        self.press()
        floor += atomic_share(self.boost)
        if self.aside_free >= pages and self.free + self.aside_free - (pages - 1) > floor:
            self.aside_free -= pages
            self._pinned += pages
            self._reckon()
            return Block(order, aside=True)
        block = super().take_block(order, self._reached(floor))
        if block is not None and self.aside < self.aside_max:
            self._set_aside(pages)
            block.aside = True
        return block

    def _take_plain(self, order: int, floor: int) -> Block | None:
        """Take a block if more than `floor` pages are free without those set aside, for a request that tries no harder."""
        if self.free <= floor:
            self.press()
            return None
        return super().take_block(order, 0)

    def grouping(self) -> tuple[int, ...]:
        """Where unmovable pages lie, and what is still to be set aside, as numbers that tell equal states."""
        return (*super().grouping(), self.aside, self._used, self._share)

    def give_block(self, block: Block) -> None:
        """Free a block; one that is set aside stays so."""
        if block.aside and self.aside:
            self._pinned -= 1 << block.order
            self.aside_free += 1 << block.order
            self._reckon()
        else:
            super().give_block(block)

    def give_back_aside(self, *, last: bool) -> bool:
        """Give a pageblock back to all, the last one only if `last`; whether there was one."""
        if self.aside <= (0 if last else PAGEBLOCK):
            return False
        blocks = self.aside // PAGEBLOCK
        free, used = self.aside_free // blocks, self._used // blocks
        self.aside -= PAGEBLOCK
        self.aside_free -= free
        self._used -= used
        self._reckon()
        Zone.give(self, free)
        return True

    def _set_aside(self, pages: int) -> None:
        """Set the pageblock aside of which `pages` pages have been taken."""
        beside = PAGEBLOCK - pages
        free = min(self.free, beside * self.free // (self.total - pages))
        self.aside += PAGEBLOCK
        self.free -= free
        self.aside_free += free
        self._used += beside - free
        self._reckon()

    def _reckon(self) -> None:
        """Raise the marks by what is in use of the pages that are set aside."""
        unusable = self.aside - self.aside_free
        if unusable != self.unusable:
            self.unusable = unusable
            self.set_marks()
            if self._moved is not None:
                self._moved()

    def _reached(self, floor: int) -> int:
        """The floor in ordinary pages: the kernel's test counts the pages set aside as well for requests that go below min."""
        return floor if floor >= self.floors.kernel else max(0, floor - self.aside_free)
