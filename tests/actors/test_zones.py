"""Several zones of one machine: where a request goes, what a lower zone keeps, and what is each zone's own.

Facts 13.6, 13.14 and the guest of section 12: DMA and DMA32 with 18,024 pages when the marks were set, 1074 KiB kept free.
"""

import pytest

from netswap.actors.kernels import LINUX_2_6_22, LINUX_6_1, LINUX_6_11, Kernel
from netswap.actors.memory.highatomic import HighAtomicZone
from netswap.actors.memory.throttle import Throttle
from netswap.actors.memory.zone import Zone
from netswap.actors.memory.zones import Part, ZonedZone, lowmem_reserve, shares

DMA = 3840
AT_BOOT = 18_024
DMA32 = AT_BOOT - DMA
MIN = 1074 // 4
PAGEBLOCK = 512
HIGH = 314
HIGH_DMA = 85
KEPT = 55
ATOMIC = 79
"""Three eighths of 210: 105, and 26 less."""
ATOMIC_DMA = 22
"""Three eighths of 57: 29, and 7 less."""


def zones_of(kernel: Kernel = LINUX_6_1, sizes: tuple[int, ...] = (DMA, DMA32), minimum: int = MIN) -> ZonedZone:
    """All pages free."""
    made = []
    of_kind = HighAtomicZone if kernel.sets_blocks_aside else Zone
    names = ("DMA", "DMA32", "Normal")
    for name, size, least, kept in zip(names, sizes, shares(minimum, sizes), lowmem_reserve(sizes), strict=False):
        zone = of_kind(size, least, kernel=kernel)
        zone.lowmem_reserve = kept
        zone.set_marks()
        made.append(Part(name, zone))
    return ZonedZone(made, kernel)


def left_with(zone: ZonedZone, *free: int) -> ZonedZone:
    """Programs have all pages but so many of each zone, the highest first, and the machine runs."""
    for part, pages in zip(zone.parts, free, strict=True):
        part.used[0] += part.zone.take_many(0, part.zone.free - pages)
    zone.settle()
    assert zone.free == sum(free)
    return zone


def free_of(zone: ZonedZone) -> list[int]:
    """Free pages of each zone, the highest first."""
    return [part.zone.free for part in zone.parts]


def drained(zone: ZonedZone, floor: int) -> ZonedZone:
    """One page after the other is taken at this floor until there is none."""
    while zone.take(floor):
        pass
    return zone


def test_the_marks_of_the_guest() -> None:
    """Facts, the description of the guest: 57/71/85 and 210/262/314 pages, 55 kept by DMA from requests for DMA32."""
    dma32, dma = (part.zone for part in zones_of().parts)
    assert (dma32.min, dma32.low_mark, dma32.high_mark) == (210, 262, HIGH)
    assert (dma.min, dma.low_mark - KEPT, dma.high_mark - KEPT) == (57, 71, HIGH_DMA)
    assert (dma32.lowmem_reserve, dma.lowmem_reserve) == (0, KEPT)


def test_2_6_22_shares_and_keeps_alike() -> None:
    """The same formulas: low a quarter and high a half above min, the share of 268 pages that a zone has of all."""
    dma32, dma = (part.zone for part in zones_of(LINUX_2_6_22).parts)
    assert (dma32.min, dma32.low_mark, dma32.high_mark) == (210, 262, 315)
    assert (dma.min, dma.low_mark, dma.high_mark) == (57, 57 + 14 + KEPT, 57 + 28 + KEPT)


@pytest.mark.parametrize("sizes", [(3840, 100_000, 400_000)])
def test_three_zones_keep_shares_of_all_that_is_above(sizes: tuple[int, ...]) -> None:
    """sysctl_lowmem_reserve_ratio is 256 for both: DMA keeps of 500,000 pages, DMA32 of 400,000."""
    assert lowmem_reserve(sizes) == [500_000 // 256, 400_000 // 256, 0]


def test_a_request_goes_to_the_highest_zone_down_to_low_then_to_the_next_and_then_below_low() -> None:
    """Both at their low marks: kswapd is woken first then, and the highest zone is the first to go below low."""
    zone = zones_of()
    woken: list[list[int]] = []
    zone.on_pressure(lambda: woken.append(free_of(zone)))
    zone.take_many(0, DMA32 - 263)
    assert zone.take(zone.floors.kernel)
    assert free_of(zone) == [262, DMA]
    assert zone.take(zone.floors.kernel)
    assert free_of(zone) == [262, DMA - 1]
    zone.take_many(zone.floors.low, DMA)
    assert free_of(zone) == [262, 71 + KEPT]
    woken.clear()
    assert zone.take(zone.floors.kernel)
    assert woken == [[262, 71 + KEPT]]
    assert free_of(zone) == [261, 71 + KEPT]


def test_reception_stands_still_at_three_eighths_of_both_mins_and_what_is_kept() -> None:
    """Facts 13.14: 79 + 22 + 55 pages; a request without watermarks takes these too."""
    zone = drained(zones_of(), zones_of().floors.atomic)
    assert free_of(zone) == [ATOMIC, ATOMIC_DMA + KEPT]
    assert zone.floors.atomic == ATOMIC + ATOMIC_DMA + KEPT == zone.free
    drained(zone, zone.floors.memalloc)
    assert zone.free == 0


def test_the_twin_of_one_zone_stands_still_elsewhere() -> None:
    """Three eighths of 268: 101 pages."""
    one = Zone(AT_BOOT, MIN, kernel=LINUX_6_1)
    while one.take(one.floors.atomic):
        pass
    assert one.free == 101


def test_a_page_in_one_zone_is_found_though_the_sum_is_below_the_floors() -> None:
    """DMA32 has been emptied by requests without watermarks, DMA has a page more than it keeps from reception."""
    zone = left_with(zones_of(LINUX_2_6_22), 0, ATOMIC_DMA + KEPT + 1)
    assert zone.free <= zone.floors.atomic
    assert zone.has(zone.floors.atomic)
    assert zone.take(zone.floors.atomic)
    assert not zone.take(zone.floors.atomic)


@pytest.mark.parametrize("kernel", [LINUX_6_1, LINUX_6_11])
def test_each_zone_is_boosted_by_itself_together_1024(kernel: Kernel) -> None:
    """A pageblock each: one and a half times high is less, 471 and 127 pages. One zone of the size is boosted by 603."""
    zone = left_with(zones_of(kernel), HIGH, HIGH_DMA + KEPT)
    woken: list[int] = []
    zone.on_pressure(lambda: woken.append(zone.boost))
    assert zone.take_unmovable(0)
    assert (zone.boosts(), zone.boost, woken) == ((PAGEBLOCK, 0), PAGEBLOCK, [PAGEBLOCK])
    while zone.boosts()[1] == 0:
        assert zone.take_unmovable(0)
    assert (zone.boosts(), zone.boost) == ((PAGEBLOCK, PAGEBLOCK), 2 * PAGEBLOCK)
    while zone.take_unmovable(0):
        pass
    assert zone.boost == 2 * PAGEBLOCK
    zone.take_back_boost((PAGEBLOCK, 0))
    assert zone.boosts() == (0, PAGEBLOCK)
    assert kernel.boost_max(AT_BOOT, MIN + 2 * (MIN // 4)) == (MIN + 2 * (MIN // 4)) * 3 // 2


def test_kswapd_rests_when_any_zone_is_above_its_high_mark() -> None:
    """pgdat_balanced: DMA at high and what it keeps is not enough, one page more is."""
    zone = left_with(zones_of(), 100, HIGH_DMA + KEPT)
    assert zone.kswapd_goal() == zone.free + 1
    assert left_with(zones_of(), 100, HIGH_DMA + KEPT + 1).kswapd_goal() == zone.free + 1


def test_in_2_6_22_kswapd_rests_when_every_zone_is_above_its_high_mark() -> None:
    """all_zones_ok: for the highest that is not, each below has to have what it keeps from it too; alone it has not."""
    marks = [min_ + min_ // 2 for min_ in (57, 210)]
    assert marks == [85, 315]
    lacks_both = left_with(zones_of(LINUX_2_6_22), 100, 85 + KEPT)
    assert lacks_both.kswapd_goal() == lacks_both.free + 216 + 1
    lacks_high = left_with(zones_of(LINUX_2_6_22), 100, 85 + KEPT + 1)
    assert lacks_high.kswapd_goal() == lacks_high.free + 216
    lacks_low = left_with(zones_of(LINUX_2_6_22), 316, 85)
    assert lacks_low.kswapd_goal() == lacks_low.free + 1
    enough = left_with(zones_of(LINUX_2_6_22), 316, 86)
    assert enough.kswapd_goal() == enough.free


def test_reclaimers_are_throttled_at_half_of_both_boosted_mins_without_what_is_kept() -> None:
    """allow_direct_reclaim adds up min and free pages of all zones: (210 + 57 + 512) // 2."""
    zone = zones_of()
    half = (210 + 57 + PAGEBLOCK) // 2
    zone.parts[0].zone.boost = PAGEBLOCK
    zone.set_marks()
    throttle = Throttle(zone, lambda: 1, on=True)
    zone.take_many(0, AT_BOOT - half - 1)
    assert not throttle.holds()
    zone.take_many(0, 1)
    assert throttle.holds()


def test_reclaim_goes_on_while_one_zone_could_come_above_its_min() -> None:
    """should_reclaim_retry looks at each zone by itself; the sum of the zones would say no, at 1000 pages to reclaim."""
    zone = left_with(zones_of(), 0, 0)
    for part in zone.parts:
        part.zone.boost = PAGEBLOCK
    zone.set_marks()
    assert [part.zone.floors.kernel for part in zone.parts] == [210 + PAGEBLOCK, 57 + PAGEBLOCK + KEPT]
    highest = 1000 * DMA32 // AT_BOOT
    assert 210 + PAGEBLOCK < highest < 1000 < 210 + 57 + 2 * PAGEBLOCK + KEPT
    assert zone.could_reach_min(1000)
    assert not zone.could_reach_min((210 + PAGEBLOCK) * AT_BOOT // DMA32)


def test_pages_come_back_to_the_zones_that_they_lie_in() -> None:
    """All are taken and given back: each zone is whole again, whatever order they come in."""
    zone = zones_of()
    assert zone.take_many(0, AT_BOOT - 1000) == AT_BOOT - 1000
    for _ in range(1000):
        assert zone.take_unmovable(0)
    zone.give(AT_BOOT - 1000)
    zone.give_unmovable(1000)
    assert free_of(zone) == [DMA32, DMA]


def test_a_block_comes_back_to_its_zone() -> None:
    """DMA32 is at its floor, so the eight pages are of DMA."""
    zone = left_with(zones_of(LINUX_2_6_22), 0, DMA)
    block = zone.take_block(3, zone.floors.atomic)
    assert block is not None
    assert free_of(zone) == [0, DMA - 8]
    zone.give_block(block)
    assert free_of(zone) == [0, DMA]


def test_what_may_not_be_dirtied_counts_what_is_kept() -> None:
    """totalreserve_pages, facts 13.7: both high marks and 55."""
    assert zones_of().totalreserve() == HIGH + HIGH_DMA + KEPT


def test_a_pass_of_kswapd_wants_the_high_marks_of_all_zones_with_their_boost() -> None:
    """kswapd_shrink_node: 314 + 85, and 512 for each zone that is boosted; a machine of one zone looks after each page."""
    zone = zones_of()
    assert zone.pass_pages() == HIGH + HIGH_DMA
    zone.parts[0].zone.boost = PAGEBLOCK
    zone.set_marks()
    assert zone.pass_pages() == HIGH + HIGH_DMA + PAGEBLOCK
    assert Zone(AT_BOOT, MIN, kernel=LINUX_6_1).pass_pages() == zones_of(LINUX_2_6_22).pass_pages() == 0
