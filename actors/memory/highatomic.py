"""Pages set aside for atomic requests of more than one page (MIGRATE_HIGHATOMIC).

Source: mm/page_alloc.c of 6.11 (reserve_highatomic_pageblock, rmqueue_buddy). When an atomic request for a block is met
from ordinary memory, its block is set aside: from then on it goes only to such requests, up to a hundredth of the zone,
rounded up to a pageblock. While they are free, these pages count for requests that may go below min, and cannot be had
by a request for a single page: part of the reserve is there and useless.
"""

from typing import Final

from netswap.actors.counters import FIRST, Tally
from netswap.actors.kernels import LINUX_6_11, Kernel
from netswap.actors.memory.zone import Block, Zone

PAGEBLOCK: Final = 512
"""Pages of a pageblock (x86-64)."""


class HighAtomicZone(Zone):
    """Free pages of one machine under 6.11. `free` leaves out those that are set aside."""

    __slots__ = ("aside", "aside_max")

    def __init__(
        self, total: int, min_pages: int, emergency: int = 0, kernel: Kernel = LINUX_6_11, tally: Tally = FIRST
    ) -> None:
        super().__init__(total, min_pages, emergency, kernel, tally)
        self.aside = 0
        """Pages of all blocks that are set aside, free or not."""
        self.aside_max = -(-(total // 100) // PAGEBLOCK) * PAGEBLOCK

    def take(self, floor: int) -> bool:
        """Take a page if more than `floor` pages are free, and one of them is not set aside."""
        return Zone.take(self, self._reached(floor))

    def take_many(self, floor: int, wanted: int) -> int:
        """Take up to `wanted` pages, leaving `floor`; the number taken."""
        return Zone.take_many(self, self._reached(floor), wanted)

    def take_block(self, order: int, floor: int) -> Block | None:
        """Take a block of 2^order pages; if the request is atomic, one that is set aside, or will be."""
        if floor != self.floors.atomic:
            return super().take_block(order, floor)
        pages = 1 << order
        if self.aside_free >= pages and self.free + self.aside_free - (pages - 1) > floor:
            self.aside_free -= pages
            return Block(order, aside=True)
        block = super().take_block(order, self._reached(floor))
        if block is not None and self.aside + pages <= self.aside_max:
            self.aside += pages
            block.aside = True
        return block

    def give_block(self, block: Block) -> None:
        """Free a block; one that is set aside stays so."""
        if block.aside:
            self.aside_free += 1 << block.order
        else:
            super().give_block(block)

    def _reached(self, floor: int) -> int:
        """The floor in ordinary pages: the kernel's test counts the pages set aside as well for requests that go below min."""
        return floor if floor >= self.floors.kernel else max(0, floor - self.aside_free)
