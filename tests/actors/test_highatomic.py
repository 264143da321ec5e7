"""Pages set aside for atomic requests of several pages: who can have them, who only counts them, and how many there may be.

Facts 13.5; mm/page_alloc.c of 6.1 and 6.11: reserve_highatomic_pageblock and its limit, rmqueue_buddy,
__zone_watermark_unusable_free, unreserve_highatomic_pageblock.
"""

from dataclasses import replace

import pytest

from netswap.actors.kernels import LINUX_6_1, LINUX_6_11, Kernel
from netswap.actors.memory.fragments import Fragments
from netswap.actors.memory.highatomic import HighAtomicZone
from netswap.actors.memory.zone import Block, Zone

MIN = 1024
ATOMIC = 384
"""Three eighths of min."""
TOTAL = 100_000
PAGEBLOCK = 512
ORDER = 3
PAGES = 1 << ORDER
MIB = 256


def zone_of(total: int = TOTAL, kernel: Kernel = LINUX_6_11) -> HighAtomicZone:
    """All pages free, and less than low: the marks are as far apart as the zone is large."""
    zone = HighAtomicZone(total, MIN, kernel=replace(kernel, watermark_scale=10_000))
    assert (zone.floors.kernel, zone.floors.atomic) == (MIN, ATOMIC)
    return zone


def left_with(zone: Zone, free: int) -> None:
    """All ordinary pages but `free` are taken."""
    zone.take_many(0, zone.free - free)
    assert zone.free == free


def atomic_block(zone: Zone) -> Block:
    """Eight pages for a request that may not wait."""
    block = zone.take_block(ORDER, ATOMIC)
    assert block is not None
    return block


def test_the_whole_pageblock_of_an_atomic_request_is_set_aside_and_what_comes_back_stays_so() -> None:
    """All pages are free, so those beside the request's are: they go only to its kind, and are not among everybody's."""
    zone = zone_of()
    block = atomic_block(zone)
    assert (block.aside, zone.aside) == (True, PAGEBLOCK)
    assert zone.free + zone.aside_free == TOTAL - PAGES
    assert zone.aside_free == (PAGEBLOCK - PAGES)
    zone.give_block(block)
    assert (zone.aside_free, zone.free) == (PAGEBLOCK, TOTAL - PAGEBLOCK)
    again = atomic_block(zone)
    assert (again.aside, zone.aside, zone.free) == (True, PAGEBLOCK, TOTAL - PAGEBLOCK)


def test_pages_of_the_pageblock_that_others_use_are_set_aside_when_they_are_free() -> None:
    """Three of four pages are in use: a quarter of the pageblock is there at once, the rest as all pages are freed."""
    zone = zone_of()
    left_with(zone, TOTAL // 4)
    atomic_block(zone)
    assert zone.aside_free == (PAGEBLOCK - PAGES) * (TOTAL // 4 - PAGES) // (TOTAL - PAGES)
    used = TOTAL - zone.free - zone.aside_free - PAGES
    for _ in range(used):
        zone.give()
    assert zone.aside_free == PAGEBLOCK - PAGES
    assert zone.free == TOTAL - PAGEBLOCK


def test_a_page_from_below_the_watermarks_comes_back_to_all() -> None:
    """It was taken after the pageblock had been set aside. The twin: of ordinary pages that come back some lie in it."""
    for from_below in (True, False):
        zone = zone_of()
        left_with(zone, MIN)
        atomic_block(zone)
        aside = zone.aside_free
        zone.take_many(0, zone.free)
        for _ in range(TOTAL // 4):
            zone.give()
        lay_there = zone.aside_free - aside
        assert lay_there > PAGEBLOCK // 8
        aside = zone.aside_free
        taken = sum(zone.take_ignoring_watermarks() for _ in range(TOTAL // 4 - lay_there))
        assert taken == TOTAL // 4 - lay_there
        for _ in range(taken):
            if from_below:
                zone.give_back_reserve()
            else:
                zone.give_unmovable()
        assert (zone.aside_free == aside, zone.free == taken) == (from_below, from_below)


def test_the_block_of_a_request_that_may_wait_is_ordinary() -> None:
    """The twin: nothing is set aside, and the pages come back to all."""
    zone = zone_of()
    block = zone.take_block(ORDER, MIN)
    assert block is not None
    assert (block.aside, zone.aside) == (False, 0)
    zone.give_block(block)
    assert (zone.aside_free, zone.free) == (0, TOTAL)


@pytest.mark.parametrize(
    ("kernel", "total", "most"),
    [
        (LINUX_6_11, TOTAL, 2),  # 1000 pages, rounded up to pageblocks
        (LINUX_6_11, 51_200, 1),  # 512: the smallest zone that has one, 200 MiB
        (LINUX_6_11, 51_100, 0),
        (LINUX_6_11, 64 * MIB, 0),
        (LINUX_6_1, TOTAL, 3),  # reserved while fewer than 1000 + 512 are
        (LINUX_6_1, 64 * MIB, 2),  # 163 + 512: a second one, since one is fewer than that
    ],
)
def test_how_many_pageblocks_are_set_aside(kernel: Kernel, total: int, most: int) -> None:
    """Up to 6.8 while there are fewer pages than 1 % and a pageblock; later 1 %, and none where that is less than one."""
    zone = zone_of(total, kernel)
    for _ in range((most + 2) * PAGEBLOCK // PAGES):
        atomic_block(zone)
    assert zone.aside == most * PAGEBLOCK


def test_pages_set_aside_are_there_and_of_no_use_to_a_single_page() -> None:
    """At the atomic floor: 384 ordinary pages and a pageblock aside. One that may go there counts them, and cannot have them."""
    zone = zone_of()
    zone.give_block(atomic_block(zone))
    left_with(zone, ATOMIC)
    assert zone.take_many(ATOMIC, TOTAL) == min(ATOMIC, PAGEBLOCK)
    assert not zone.take(ATOMIC)
    assert (zone.free, zone.aside_free) == (0, PAGEBLOCK)


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
    zone.give_block(atomic_block(zone))
    left_with(zone, 0)
    assert not zone.take(0)
    served = 0
    while zone.take_block(ORDER, ATOMIC) is not None:
        served += 1
    assert served == (PAGEBLOCK - ATOMIC) // PAGES  # 512 pages, and 384 have to be left


def test_a_reclaimer_in_need_gets_pageblocks_back_and_the_last_one_before_a_kill() -> None:
    """unreserve_highatomic_pageblock, without and with force."""
    zone = zone_of(kernel=LINUX_6_1)
    while zone.aside < 2 * PAGEBLOCK:
        zone.give_block(atomic_block(zone))
        left_with(zone, zone.free)
        while zone.aside_free >= PAGES and zone.aside < 2 * PAGEBLOCK:
            atomic_block(zone)
    there = zone.aside_free + zone.free
    assert zone.give_back_aside(last=False)
    assert zone.aside == PAGEBLOCK
    assert not zone.give_back_aside(last=False)
    assert zone.give_back_aside(last=True)
    assert (zone.aside, zone.aside_free, zone.free) == (0, 0, there)
    assert not zone.give_back_aside(last=True)


def test_without_the_rule_the_same_pages_can_be_had_by_anybody() -> None:
    """The twin: the plain zone of the same kernel gives the eight pages to a single-page request."""
    zone = Zone(TOTAL, MIN, kernel=LINUX_6_11)
    zone.give_block(atomic_block(zone))
    left_with(zone, ATOMIC + PAGES)
    assert zone.take_many(ATOMIC, TOTAL) == PAGES
    assert zone.take(0)


# -- a block for a request that tries no harder ------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [LINUX_6_1, LINUX_6_11])
def test_a_block_with_nomemalloc_leaves_half_of_min_and_what_is_set_aside_alone(kernel: Kernel) -> None:
    """gfp_to_alloc_flags: __GFP_HIGH alone, without ALLOC_HARDER. The twin: GFP_ATOMIC goes to what is set aside, just then."""
    zone = zone_of(kernel=kernel)
    zone.give_block(atomic_block(zone))
    assert zone.aside_free == PAGEBLOCK
    left_with(zone, MIN // 2 + PAGES)
    assert zone.take_block(ORDER, zone.floors.high) is not None
    assert (zone.free, zone.aside_free) == (MIN // 2, PAGEBLOCK)
    assert zone.take_block(ORDER, zone.floors.high) is None
    assert atomic_block(zone).aside


def test_it_minds_half_of_the_boost() -> None:
    """A test for a block is that of the raised min (zone_watermark_fast makes its exception for single pages only)."""
    zone = zone_of(kernel=LINUX_6_1)
    zone.boost = PAGEBLOCK
    zone.set_marks()
    left_with(zone, (MIN + PAGEBLOCK) // 2 + PAGES - 1)
    assert zone.take_block(ORDER, zone.floors.high) is None
    zone.give()
    assert zone.take_block(ORDER, zone.floors.high) is not None


@pytest.mark.parametrize(("kernel", "block"), [(LINUX_6_1, True), (LINUX_6_11, False)], ids=["6.1", "6.11"])
def test_fragments_of_virtio_had_the_right_to_it_until_6_9(kernel: Kernel, block: bool) -> None:
    """skb_page_frag_refill: between three eighths and half of min 6.1 still has a block, and then sets its pageblock aside."""
    zone = zone_of(kernel=kernel)
    left_with(zone, MIN // 2)
    fragments = Fragments(zone, 1536, ORDER, harder=kernel.page_frag_harder)
    first = fragments.take(zone.floors.atomic)
    assert first is not None
    assert (first.block is not None, zone.aside > 0) == (block, block)
