"""Pages set aside for atomic requests of several pages: who can have them, who only counts them, and how many there may be.

mm/page_alloc.c of 6.11: reserve_highatomic_pageblock and its limit, rmqueue_buddy, __zone_watermark_unusable_free.
"""

import pytest

from netswap.actors.kernels import LINUX_6_11
from netswap.actors.memory.highatomic import HighAtomicZone
from netswap.actors.memory.zone import Block, Zone

MIN = 1024
ATOMIC = 384
"""Three eighths of min."""
TOTAL = 100_000
PAGEBLOCK = 512
ORDER = 3
PAGES = 1 << ORDER


def zone_of(total: int = TOTAL) -> HighAtomicZone:
    """All pages free."""
    zone = HighAtomicZone(total, MIN)
    assert (zone.floors.kernel, zone.floors.atomic) == (MIN, ATOMIC)
    return zone


def left_with(zone: Zone, free: int) -> None:
    """Somebody takes all ordinary pages but so many."""
    zone.take_many(0, zone.free - free)
    assert zone.free == free


def atomic_block(zone: Zone) -> Block:
    """Eight pages for a request that may not wait."""
    block = zone.take_block(ORDER, ATOMIC)
    assert block is not None
    return block


def test_the_block_of_an_atomic_request_is_set_aside_and_comes_back_to_its_kind() -> None:
    """Free again it counts for its kind, not among the free pages of everybody."""
    zone = zone_of()
    block = atomic_block(zone)
    assert (block.aside, zone.aside, zone.free) == (True, PAGES, TOTAL - PAGES)
    zone.give_block(block)
    assert (zone.aside_free, zone.free) == (PAGES, TOTAL - PAGES)
    again = atomic_block(zone)
    assert (again.aside, zone.aside, zone.aside_free, zone.free) == (True, PAGES, 0, TOTAL - PAGES)


def test_the_block_of_a_request_that_may_wait_is_ordinary() -> None:
    """The twin: nothing is set aside, and the pages come back to all."""
    zone = zone_of()
    block = zone.take_block(ORDER, MIN)
    assert block is not None
    assert (block.aside, zone.aside) == (False, 0)
    zone.give_block(block)
    assert (zone.aside_free, zone.free) == (0, TOTAL)


@pytest.mark.parametrize(("total", "most"), [(TOTAL, 1024), (51_200, 512), (16_384, 512)])
def test_at_most_a_hundredth_of_the_zone_is_set_aside_in_whole_pageblocks(total: int, most: int) -> None:
    """1000 pages of 100,000 are two pageblocks, 512 of 51,200 one; what comes after that is ordinary."""
    zone = zone_of(total)
    blocks = [atomic_block(zone) for _ in range(most // PAGES + 3)]
    assert zone.aside == most == -(-(total // 100) // PAGEBLOCK) * PAGEBLOCK
    assert [block.aside for block in blocks[-4:]] == [True, False, False, False]


def test_pages_set_aside_are_there_and_of_no_use_to_a_single_page() -> None:
    """At the atomic floor: 384 free pages and 8 aside. One that may go there counts them, and takes ordinary ones only."""
    zone = zone_of()
    zone.give_block(atomic_block(zone))
    left_with(zone, ATOMIC)
    assert zone.take_many(ATOMIC, TOTAL) == PAGES
    assert not zone.take(ATOMIC)
    assert (zone.free, zone.aside_free) == (ATOMIC - PAGES, PAGES)


def test_what_is_set_aside_is_not_counted_for_who_stops_at_min() -> None:
    """A request that may wait sees 1024 free pages, and the floor is 1024."""
    zone = zone_of()
    zone.give_block(atomic_block(zone))
    left_with(zone, MIN)
    assert not zone.take(MIN)
    assert zone.take_many(MIN, 1) == 0
    assert zone.free == MIN


def test_when_all_ordinary_pages_are_gone_only_its_kind_is_served() -> None:
    """One with the right to all memory finds no page; an atomic block is there as long as the mark is passed."""
    zone = zone_of()
    blocks = [atomic_block(zone) for _ in range(PAGEBLOCK // PAGES)]
    for block in blocks:
        zone.give_block(block)
    left_with(zone, 0)
    assert not zone.take(0)
    served = 0
    while zone.take_block(ORDER, ATOMIC) is not None:
        served += 1
    assert served == (PAGEBLOCK - ATOMIC) // PAGES  # 512 pages, and 384 have to be left


def test_without_the_rule_the_same_pages_can_be_had_by_anybody() -> None:
    """The twin: the plain zone of the same kernel gives the eight pages to a single-page request."""
    zone = Zone(TOTAL, MIN, kernel=LINUX_6_11)
    zone.give_block(atomic_block(zone))
    left_with(zone, ATOMIC + PAGES)
    assert zone.take_many(ATOMIC, TOTAL) == PAGES
    assert zone.take(0)
