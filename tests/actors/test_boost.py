"""The boost of the watermarks: when it comes, how high it goes, whom it binds, and how it goes away.

Facts 13.6; mm/page_alloc.c of 6.1: steal_suitable_fallback, boost_watermark, zone_watermark_fast; mm/vmscan.c, balance_pgdat.
"""

from dataclasses import replace

import pytest

from netswap.actors.kernels import LINUX_2_6_22, LINUX_6_1, LINUX_6_11, Kernel
from netswap.actors.memory.highatomic import HighAtomicZone
from netswap.actors.memory.throttle import Throttle
from netswap.actors.memory.zone import Zone

TOTAL = 20_480
"""80 MiB, as the guest of section 12 has."""
MIN = 268
HIGH = MIN + 2 * (MIN // 4)
PAGEBLOCK = 512
BOOST = max(PAGEBLOCK, HIGH * 3 // 2)
SCATTERED = 1000
"""Free pages of a machine that has swapped for long."""


def zone_of(kernel: Kernel = LINUX_6_1, total: int = TOTAL) -> HighAtomicZone:
    """A zone whose memory has all been used once: no pageblock is free as a whole."""
    zone = HighAtomicZone(total, MIN, kernel=kernel)
    zone.take_many(0, total - HIGH)
    zone.settle()
    zone.give(SCATTERED - HIGH)
    assert (zone.free, zone.boost) == (SCATTERED, 0)
    return zone


@pytest.mark.parametrize("kernel", [LINUX_6_1, LINUX_6_11])
def test_an_unmovable_page_from_among_movable_ones_raises_the_marks_by_a_pageblock(kernel: Kernel) -> None:
    """Low, min and high; and kswapd is woken though more is free than low."""
    zone = zone_of(kernel)
    woken: list[int] = []
    zone.on_pressure(lambda: woken.append(zone.free))
    low = zone.low_mark
    assert zone.take_unmovable(0)
    assert zone.boost == PAGEBLOCK
    assert (zone.low_mark, zone.floors.kernel, zone.high_mark) == (low + PAGEBLOCK, MIN + PAGEBLOCK, HIGH + PAGEBLOCK)
    assert woken == [SCATTERED - 1]


def test_the_pages_that_came_with_it_are_used_first() -> None:
    """1000 of 20,480 pages are free, 24 of a pageblock: the next steal is after those."""
    zone = zone_of()
    zone.take_unmovable(0)
    zone.boost = 0
    beside = PAGEBLOCK * (SCATTERED - 1) // TOTAL
    for _ in range(beside):
        zone.take_unmovable(0)
    assert zone.boost == 0
    zone.take_unmovable(0)
    assert zone.boost == PAGEBLOCK


def test_it_goes_up_to_one_and_a_half_of_high() -> None:
    """watermark_boost_factor 15000, and one pageblock at least."""
    zone = zone_of()
    for _ in range(SCATTERED):
        zone.take_unmovable(0)
    assert zone.boost == BOOST


def test_a_single_page_for_an_atomic_request_ignores_it() -> None:
    """Three eighths of min, as ever; who may wait stops at the raised min."""
    zone = zone_of()
    atomic = zone.floors.atomic
    zone.take_unmovable(0)
    assert zone.floors.atomic == atomic == MIN - MIN // 2 - (MIN - MIN // 2) // 4
    zone.take_many(0, zone.free - (MIN + PAGEBLOCK))
    assert not zone.take(zone.floors.kernel)
    assert zone.take(atomic)


def test_kswapd_takes_back_what_it_found_when_it_began() -> None:
    """What was boosted meanwhile stays."""
    zone = zone_of()
    zone.take_unmovable(0)
    began = zone.boost
    for _ in range(SCATTERED // 2):
        zone.take_unmovable(0)
    assert zone.boost == BOOST
    zone.take_back_boost((began,))
    assert zone.boost == BOOST - PAGEBLOCK
    zone.take_back_boost(zone.boosts())
    assert (zone.boost, zone.high_mark, zone.floors.kernel) == (0, HIGH, MIN)


def test_throttled_reclaimers_compare_with_half_of_the_boosted_min() -> None:
    """Facts 13.6, seen on the guest."""
    zone = zone_of()
    throttle = Throttle(zone, lambda: 1, on=True)
    zone.take_many(0, zone.free - (MIN // 2 + 1))
    assert not throttle.holds()
    zone.take_unmovable(0)
    assert zone.boost == PAGEBLOCK
    assert throttle.holds()


def quiet(kernel: Kernel, total: int = TOTAL) -> Zone:
    """A zone of which an unmovable page has been taken."""
    zone = zone_of(kernel, total)
    zone.take_unmovable(0)
    return zone


def test_the_twins_no_factor_a_small_zone_and_2007_do_not_boost() -> None:
    """The factor is a sysctl; less than four pageblocks are left alone; and there was none before 5.0."""
    assert quiet(replace(LINUX_6_1, watermark_boost=0)).boost == 0
    assert quiet(LINUX_6_1, 4 * PAGEBLOCK - 1).boost == 0
    assert quiet(LINUX_6_1, 4 * PAGEBLOCK).boost == PAGEBLOCK
    assert LINUX_2_6_22.boost_max(TOTAL, HIGH) == 0


def test_memory_that_has_never_been_used_gives_whole_pageblocks() -> None:
    """The twin: the kernel's pages are kept together, and nothing is boosted."""
    zone = HighAtomicZone(TOTAL, MIN, kernel=LINUX_6_1)
    for _ in range(2 * PAGEBLOCK + 1):
        assert zone.take_unmovable(0)
    assert zone.boost == 0
    assert zone.grouping()[0] == 3 * PAGEBLOCK


def test_a_movable_page_boosts_once_its_own_lists_are_empty() -> None:
    """24 pages are on the unmovable lists after a steal: the last movable one is followed by one of those."""
    zone = zone_of()
    zone.take_unmovable(0)
    zone.take_back_boost(zone.boosts())
    spare = PAGEBLOCK * (SCATTERED - 1) // TOTAL
    assert zone.take_many(0, zone.free - spare) == SCATTERED - 1 - spare
    assert zone.boost == 0
    assert zone.take(0)
    assert zone.boost == PAGEBLOCK


def test_a_page_of_an_unmovable_pageblock_comes_back_to_its_kind() -> None:
    """And serves the next request of its kind without a boost."""
    zone = HighAtomicZone(TOTAL, MIN, kernel=LINUX_6_1)
    for _ in range(PAGEBLOCK):
        zone.take_unmovable(0)
    zone.take_many(0, zone.free - HIGH)
    zone.settle()
    zone.give_unmovable(10)
    for _ in range(10):
        zone.take_unmovable(0)
    assert zone.boost == 0
    zone.take_unmovable(0)
    assert zone.boost == PAGEBLOCK


def test_movable_pages_in_unmovable_pageblocks_come_back_to_the_unmovable_lists() -> None:
    """Half a pageblock is lent to programs: all that is freed brings it back."""
    zone = HighAtomicZone(TOTAL, MIN, kernel=LINUX_6_1)
    for _ in range(PAGEBLOCK // 2):
        zone.take_unmovable(0)
    zone.take_many(0, zone.free)
    zone.settle()
    assert zone.grouping()[:2] == (PAGEBLOCK, 0)
    for _ in range(TOTAL - PAGEBLOCK // 2):
        zone.give()
    assert zone.grouping()[:2] == (PAGEBLOCK, PAGEBLOCK // 2)
