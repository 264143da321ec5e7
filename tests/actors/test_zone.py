"""Pages and floors: the watermarks of both kernels by their formulas, and who gets how far down."""

from math import isqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netswap.actors.kernels import LINUX_2_6_22, LINUX_6_11, Kernel
from netswap.actors.memory.zone import Zone, floors

MIB_PAGES = 256
TABLE = {
    256: (2048, 512, 640, 768, 192),
    512: (2896, 724, 905, 1086, 272),
    1024: (4096, 1024, 1280, 1536, 384),
    2048: (5792, 1448, 1810, 2172, 543),
    4096: (8192, 2048, 2560, 3072, 768),
    8192: (11585, 2896, 3620, 4344, 1086),
    16384: (16384, 4096, 5120, 6144, 1536),
    65536: (32768, 8192, 10240, 12288, 3072),
}
"""RAM in MiB: min_free in KiB; min, low, high and the atomic floor in pages (linux-2.6.22, one zone)."""
MARKS_6_11 = {512: (905, 1086), 2048: (1972, 2496), 8192: (4993, 7090), 65536: (24969, 41746)}
"""RAM in MiB: low and high in pages (linux-6.11, one zone)."""
BOTH = pytest.mark.parametrize("kernel", [LINUX_2_6_22, LINUX_6_11], ids=lambda kernel: kernel.name)

mins = st.integers(0, 1 << 20)
pools = st.integers(0, 1 << 16)


@pytest.mark.parametrize(("mib", "row"), TABLE.items())
def test_watermarks_follow_from_the_size_of_memory(mib: int, row: tuple[int, ...]) -> None:
    """isqrt(16 KiB) KiB; min = that / 4, low = min + min/4, high = min + min/2 (rows 21, 22)."""
    min_free = isqrt(16 * mib * 1024)
    least = min_free * 1024 // 4096
    half = least - least // 2
    assert (min_free, least, least + least // 4, least + least // 2, half - half // 4) == row
    assert LINUX_2_6_22.min_free_kib(mib * MIB_PAGES) == min_free
    zone = Zone(mib * MIB_PAGES, least)
    assert (zone.floors.kernel, zone.low_mark, zone.high_mark, zone.floors.atomic) == row[1:]


@pytest.mark.parametrize(("mib", "row"), MARKS_6_11.items())
def test_in_6_11_the_marks_are_a_thousandth_of_the_zone_apart_at_least(mib: int, row: tuple[int, int]) -> None:
    """d = max(min/4, pages * 10/10000); low = min + d, high = min + 2d (row 22)."""
    pages = mib * MIB_PAGES
    least = LINUX_6_11.min_free_kib(pages) * 1024 // 4096
    distance = max(least // 4, pages * 10 // 10_000)
    assert (least + distance, least + 2 * distance) == row
    zone = Zone(pages, least, kernel=LINUX_6_11)
    assert (zone.low_mark, zone.high_mark) == row
    assert (zone.floors.kernel, zone.floors.atomic) == (least, TABLE[mib][4])


@BOTH
def test_integer_arithmetic_matters(kernel: Kernel) -> None:
    """min 724: 724 - 362 = 362, 362 - 90 = 272; three eighths as a fraction would be 271.5."""
    got = floors(kernel, 724, 512 * MIB_PAGES)
    assert (got.low, got.kernel, got.nowait, got.high, got.atomic, got.memalloc) == (905, 724, 543, 362, 272, 0)


@pytest.mark.parametrize(("kernel", "most"), [(LINUX_2_6_22, 65_536), (LINUX_6_11, 262_144)])
@pytest.mark.parametrize("kib", [4, 1023, 1024, 1100, 256 << 20, 257 << 20, 4 << 30, 5 << 30, 1 << 40])
def test_min_free_is_clamped(kernel: Kernel, most: int, kib: int) -> None:
    """isqrt(16 * 1024) = 128 is the least; isqrt(16 * 2^28) = 65536 was the most, isqrt(16 * 2^32) is (row 21)."""
    assert kernel.min_free_kib(kib // 4) == min(max(isqrt(16 * kib), 128), most)


@BOTH
@given(mins)
def test_floors_are_the_kernels_fractions_of_min(kernel: Kernel, least: int) -> None:
    """GFP_KERNEL min, NOWAIT min - min/4, high min - min/2, atomic that minus a quarter of it, PF_MEMALLOC 0."""
    got = floors(kernel, least, 2 * least)
    half = least - least // 2
    expected = (least + least // 4, least, least - least // 4, half, half - half // 4, 0)
    assert (got.low, got.kernel, got.nowait, got.high, got.atomic, got.memalloc) == expected
    assert got.low >= got.kernel >= got.nowait >= got.high >= got.atomic >= got.memalloc


@given(mins, pools)
def test_softirq_has_the_rights_of_pf_memalloc_only_in_6_11(least: int, pool: int) -> None:
    """Row 10: in 2.6.22 it falls back to the atomic floor, pool included; in 6.11 it ignores the watermarks."""
    then, now = (floors(kernel, least, 2 * least, pool) for kernel in (LINUX_2_6_22, LINUX_6_11))
    assert then.memalloc_softirq == then.atomic == now.atomic
    assert now.memalloc_softirq == now.memalloc == 0


@given(mins, pools)
def test_victims_and_real_time_tasks_have_had_other_rights(least: int, pool: int) -> None:
    """An OOM victim: everything in 2.6.22, half of min in 6.11. A real-time task: three quarters, then half."""
    then, now = (floors(kernel, least, 2 * least, pool) for kernel in (LINUX_2_6_22, LINUX_6_11))
    half = least - least // 2 + pool
    assert (then.oom_victim, then.realtime) == (0, least - least // 4 + pool)
    assert (now.oom_victim, now.realtime) == (half, half)


@BOTH
@given(st.integers(1, 1 << 20), pools)
def test_the_emergency_pool_raises_every_floor_but_zero(kernel: Kernel, least: int, pool: int) -> None:
    """floor' = floor + E; the marks shift by E too, so their distances stay (row 25)."""
    total = least + pool + 1
    plain, raised = Zone(total, least, kernel=kernel), Zone(total, least, pool, kernel)
    assert raised.floors == tuple(floor + pool if floor else 0 for floor in plain.floors)
    assert raised.floors.memalloc == 0
    assert raised.low_mark == plain.low_mark + pool
    assert raised.high_mark == plain.high_mark + pool


@BOTH
@given(mins, pools)
def test_at_its_floor_a_request_fails_and_one_page_above_it_succeeds(kernel: Kernel, least: int, pool: int) -> None:
    """free <= floor fails: strict (row 23)."""
    zone = Zone(2 * least + pool + 2, least, pool, kernel)
    for floor in zone.floors:
        zone.free = floor
        assert not zone.take(floor)
        assert zone.take_many(floor, 1) == 0
        zone.free = floor + 1
        assert zone.take(floor)
        assert zone.free == floor


def test_reclaim_gets_the_pages_below_the_atomic_floor_and_reception_does_not() -> None:
    """512 MiB: 272 pages that only PF_MEMALLOC reaches; reception has had 724 - 272 = 452 since user space stopped."""
    zone = Zone(512 * MIB_PAGES, 724)
    assert zone.take_many(zone.floors.kernel, zone.total) == zone.total - 724
    assert not zone.take(zone.floors.kernel)
    received = 0
    while zone.take(zone.floors.atomic):
        received += 1
    assert received == 724 - 272
    reclaimed = 0
    while zone.take(zone.floors.memalloc):
        reclaimed += 1
    assert reclaimed == 272
    assert zone.free == zone.free_min == 0


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 200))
def test_taking_many_is_taking_one_by_one(free: int, floor: int, wanted: int) -> None:
    """min(wanted, free - floor), never below 0."""
    many, single = Zone(300, 0), Zone(300, 0)
    many.free = single.free = free
    taken = many.take_many(floor, wanted)
    assert taken == sum(single.take(floor) for _ in range(wanted))
    assert (many.free, many.free_min) == (single.free, single.free_min)


@given(st.lists(st.sampled_from(("take", "last", "give", "give back")), max_size=60))
def test_pages_are_conserved_and_the_lowest_point_is_kept(calls: list[str]) -> None:
    """free + taken = total; what is out below the watermarks by right is counted apart."""
    zone = Zone(20, 8, 4)
    ordinary = last = most = 0
    lowest = 20
    for call in calls:
        if call == "take":
            ordinary += zone.take(zone.floors.kernel)
        elif call == "last":
            last += zone.take_ignoring_watermarks()
        elif call == "give" and ordinary:
            zone.give()
            ordinary -= 1
        elif call == "give back" and last:
            zone.give_back_reserve()
            last -= 1
        most, lowest = max(most, last), min(lowest, zone.free)
        assert zone.free + ordinary + last == zone.total
    assert (zone.reserve_used, zone.reserve_used_max, zone.free_min) == (last, most, lowest)


def test_whoever_waits_is_woken_by_each_page_and_nobody_else_is() -> None:
    """The waker is asked only while a task waits."""
    zone = Zone(20, 0)
    woken: list[int] = []
    zone.on_free_with_waiters(lambda: woken.append(zone.free))
    zone.take_many(0, 20)
    zone.give()
    zone.waiters = ["somebody"]
    zone.give()
    zone.give(2)
    assert woken == [2, 4]


@pytest.mark.parametrize(("least", "pool"), [(100, 0), (0, 100), (60, 40), (-1, 0)])
def test_a_reserve_that_does_not_fit_into_memory_is_refused(least: int, pool: int) -> None:
    """min + E < total; no zone is built."""
    with pytest.raises(ValueError, match="do not fit"):
        Zone(100, least, pool)
