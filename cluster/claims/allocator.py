"""Rows 9 and 10, and 21 to 29: watermarks, floors, and how far down each kind of request goes."""

from collections.abc import Iterator
from typing import Final

from netswap.actors.kernels.kernel import Kernel
from netswap.actors.memory.buddy import BuddyZone
from netswap.actors.memory.throttle import Throttle
from netswap.actors.memory.zone import Zone
from netswap.cluster.claims import formulas
from netswap.cluster.claims.claim import ERA_2_6_22, EVERY, NEWER, Evidence, row
from netswap.cluster.claims.scenes import as_expected, inline_machine, run_to, scene, unboosted
from netswap.protocol.units import milliseconds

SIZES_MIB: Final = (256, 512, 1024, 2048, 4096, 8192, 16384, 65536)
CLAMP_KIB: Final = {ERA_2_6_22: 65_536}
"""Upper clamp of min_free_kbytes in 2.6.22; that of 6.11 is four times as much."""
CLAMP_6_11_KIB: Final = 262_144
SMALL: Final = 4096
"""Pages of a zone for tests of single requests."""
ATOMIC_4MIB: Final = formulas.atomic_floor(1024)
STANDARD_FRAMES: Final[dict[str, object]] = {"network.mtu": "1500B", "machines.B.programs.0.flood.payload": "1472B"}


def _clamp(kernel: Kernel) -> int:
    return CLAMP_KIB.get(kernel.name, CLAMP_6_11_KIB)


def _minima(kernel: Kernel) -> Iterator[tuple[int, int, int]]:
    """(MiB, pages, min) of machines of many sizes."""
    for mib in SIZES_MIB:
        total = formulas.pages(mib)
        yield mib, total, formulas.min_free_kib(total, _clamp(kernel)) // 4


@row(9, "Reclaim gets pages below the atomic floor, reception does not", "mm/page_alloc.c", eras=EVERY)
def below_the_floor(kernel: Kernel) -> Evidence:
    """PF_MEMALLOC goes down to 0, GFP_ATOMIC to three eighths of min."""
    evidence = Evidence()
    zone = Zone(SMALL, 724, kernel=kernel)
    taken = _drain(zone, zone.floors.atomic)
    evidence.equal("free where reception stops", formulas.atomic_floor(724), SMALL - taken)
    return evidence.equal("pages left to reclaim", formulas.atomic_floor(724), _drain(zone, zone.floors.memalloc))


@row(
    10,
    "PF_MEMALLOC does not count in softirq in 2007; it does in 6.11",
    "mm/page_alloc.c, kernel/softirq.c",
    eras=EVERY,
)
def in_softirq(kernel: Kernel) -> Evidence:
    """The floor of a request that is made while packets are received, by a context with the flag."""
    expected = formulas.atomic_floor(724) if kernel.name == ERA_2_6_22 else 0
    return Evidence().equal("floor", expected, Zone(SMALL, 724, kernel=kernel).floors.memalloc_softirq)


@row(21, "min_free_kbytes is isqrt(16 KiB), clamped", "mm/page_alloc.c", eras=EVERY)
def min_free(kernel: Kernel) -> Evidence:
    """512 MiB: 2896; 16 GiB: 16384."""
    evidence = Evidence()
    for mib, total, minimum in _minima(kernel):
        evidence.equal(f"{mib} MiB, pages", minimum, kernel.min_free_kib(total) // 4)
    huge = formulas.pages(8 * 1024 * 1024)
    return evidence.equal("8 TiB, KiB", _clamp(kernel), kernel.min_free_kib(huge))


@row(22, "The watermarks follow from min by integer arithmetic", "mm/page_alloc.c, setup_per_zone_wmarks", eras=EVERY)
def watermarks(kernel: Kernel) -> Evidence:
    """2.6.22: min/4 apart; 6.11: at least a thousandth of the zone."""
    evidence = Evidence()
    for mib, total, minimum in _minima(kernel):
        old = kernel.name == ERA_2_6_22
        marks = formulas.watermarks_2_6_22(minimum) if old else formulas.watermarks_6_11(minimum, total)
        zone = Zone(total, minimum, kernel=kernel)
        evidence.equal(f"{mib} MiB: min, low, high", list(marks), [zone.min, zone.low_mark, zone.high_mark])
    return evidence


@row(23, "With free pages equal to the floor an allocation fails", "mm/page_alloc.c, zone_watermark_ok", eras=EVERY)
def strict(kernel: Kernel) -> Evidence:
    """The inequality is strict, for every kind of request."""
    evidence = Evidence()
    for name, floor in Zone(SMALL, 724, kernel=kernel).floors._asdict().items():
        zone = Zone(SMALL, 724, kernel=kernel)
        zone.take_many(0, SMALL - floor - 1)
        evidence.equal(
            f"{name}: one above the floor, at the floor", [True, False], [zone.take(floor), zone.take(floor)]
        )
    return evidence


@row(24, "kswapd wakes at the low mark and works up to the high mark", "mm/vmscan.c, mm/page_alloc.c", eras=EVERY)
def hysteresis(kernel: Kernel) -> Evidence:
    """Seen each millisecond of a second of swapping, not boosted: between the two, and both are touched."""
    evidence = Evidence()
    quiet: dict[str, object] = {"machines.B.programs": [], **unboosted(kernel)}
    with scene("row-04", kernel, safeguards="none", set=quiet) as cluster:
        minimum = formulas.min_free_kib(formulas.pages(64), _clamp(kernel)) // 4
        old = kernel.name == ERA_2_6_22
        marks = formulas.watermarks_2_6_22(minimum) if old else formulas.watermarks_6_11(minimum, formulas.pages(64))
        run_to(cluster, 2)
        free = [cluster.run_for(milliseconds(1))["A"].free_pages for _ in range(400)]
        wakes = cluster["A"].kswapd_wakes
    evidence.at_least("most free pages", marks[2], max(free))
    evidence.at_most("fewest free pages", marks[1], min(free))
    return evidence.at_least("times woken", 2, wakes)


@row(
    25,
    "With an emergency pool of E pages every floor but zero rises by E",
    "Zijlstra, 20070806103659.399233000@chello.nl",
)
def emergency_pool(kernel: Kernel) -> Evidence:
    """The low and high marks that kswapd keeps rise by E, too."""
    evidence = Evidence()
    plain, raised = Zone(SMALL, 256, kernel=kernel), Zone(SMALL, 256, 100, kernel=kernel)
    for name, floor in plain.floors._asdict().items():
        evidence.equal(name, floor + 100 if floor else 0, getattr(raised.floors, name))
    return evidence.equal("high mark", plain.high_mark + 100, raised.high_mark)


def _drain(zone: Zone, floor: int) -> int:
    """Take pages until a request with this floor fails; how many."""
    taken = 0
    while zone.take(floor):
        taken += 1
    return taken


@row(26, "A reserve that does not fit into memory any more is refused, and the old size kept", "Zijlstra, series v14")
def growing(kernel: Kernel) -> Evidence:
    """What is taken cannot be reserved; once it is free again, it can."""
    zone = Zone(SMALL, 256, 100, kernel=kernel)
    taken = zone.take_many(zone.floors.kernel, SMALL)
    evidence = Evidence().equal("growing to 2000 is granted", False, zone.resize_reserve(2000))
    evidence.equal("pages reserved still", 100, zone.emergency)
    zone.give(taken)
    evidence.equal("granted once pages are free", True, zone.resize_reserve(2000))
    return evidence.equal("pages reserved then", 2000, zone.emergency)


@row(
    27, "A request for 2^n pages fails although free pages are enough", "mm/page_alloc.c, zone_watermark_ok", eras=EVERY
)
def no_block(kernel: Kernel) -> Evidence:
    """First free lists by hand, between single pages that lie apart; then a card whose frames of 9000 bytes need 32 KiB."""
    evidence = Evidence()
    for blocks in (0, 1, 6, 7):
        zone = _scattered(kernel, singles=900 - 8 * blocks, blocks=blocks)
        for name, floor in (("atomic", zone.floors.atomic), ("min", zone.floors.kernel)):
            expected = formulas.passes_mark(kernel.name, [900 - 8 * blocks, 0, 0, blocks], 3, floor)
            evidence.equal(f"{blocks} blocks of 900 pages, {name}", expected, zone.suits(3, floor))
        evidence.equal(f"{blocks} blocks of 900 pages, a single one", True, zone.take(zone.floors.atomic))
    return _jumbo_frames(kernel, evidence)


def _scattered(kernel: Kernel, *, singles: int, blocks: int) -> BuddyZone:
    """A zone of 4096 pages: `singles` free pages without a free neighbour, and `blocks` free blocks of eight."""
    zone = BuddyZone(SMALL, 256, kernel=kernel)
    apart = [taken for taken in (zone.take_block(0, 0) for _ in range(2048)) if taken is not None]
    eights = [taken for taken in (zone.take_block(3, 0) for _ in range(256)) if taken is not None]
    for block in (*apart[: 2 * singles : 2], *eights[: 2 * blocks : 2]):
        zone.give_block(block)
    return zone


def _jumbo_frames(kernel: Kernel, evidence: Evidence) -> Evidence:
    """In 2.6.22 the ring runs dry with 9000 bytes, not with 1500; in 6.11 frames lie in single pages."""
    row_pages, truesize = formulas.jumbo_2007(9000)
    with scene("row-27", kernel) as cluster:
        a = cluster.run()["A"]
        if kernel.name != ERA_2_6_22:
            evidence.equal("MTU 9000", "recovered", str(a.verdict))
            return evidence.equal("MTU 9000: no block", 0, a.no_block)
        as_expected(cluster, evidence)
        evidence.equal(
            "pages in a row for each frame", row_pages, inline_machine(cluster, 0).buffers.receive.size // 4096
        )
        evidence.at_least("the sockets take more than the ring", 80, 20 * (formulas.RMEM_2007 // truesize))
        evidence.at_least("dropped at an empty ring", 1, a.dropped["ring-empty"])
        blocks = a.free_blocks
        evidence.equal("the test at the atomic floor", False, formulas.passes_mark(ERA_2_6_22, blocks, 3, ATOMIC_4MIB))
        evidence.equal("a single page", True, formulas.passes_mark(ERA_2_6_22, blocks, 0, 1024))
    with scene("row-27", kernel, set=STANDARD_FRAMES) as twin:
        free = run_to(twin, 8)["A"].free_pages
        room = formulas.capacity_frames(free, ATOMIC_4MIB, 16, 80)
        evidence.at_most("MTU 1500: the sockets take less than would wedge", room, 20 * formulas.socket_frames_2007())
        evidence.equal("MTU 1500", "recovered", str(twin.run()["A"].verdict))
        evidence.equal("MTU 1500: dropped at an empty ring", 0, twin["A"].dropped["ring-empty"])
    return evidence


@row(
    29,
    "In 6.x user tasks sleep iff no more than half of min is free, and kernel threads never do",
    "mm/vmscan.c",
    eras=NEWER,
)
def throttle(kernel: Kernel) -> Evidence:
    """The switch is reclaim-throttle; the test asks for a user task and for a kernel thread."""
    evidence = Evidence()
    zone = Zone(SMALL, 256, kernel=kernel)
    lists = [1]
    throttled = Throttle(zone, lambda: lists[0], on=True)
    for free in (129, 128, 127, 1):
        zone.free = free
        evidence.equal(f"{free} of min 256 free: sleeps", free <= 256 // 2, throttled.holds())
    lists[0] = 0
    evidence.equal("with nothing on the lists", False, throttled.holds())
    lists[0] = 1
    throttled.failures = 16
    return evidence.equal("after 16 failures of kswapd", False, throttled.holds())


@row(54, "When the last swap device goes the reserve is nothing again", "Zijlstra, 20071030160912.873260000@chello.nl")
def last_swap_off(kernel: Kernel) -> Evidence:
    """All floors are as they were."""
    plain, zone = Zone(SMALL, 256, kernel=kernel), Zone(SMALL, 256, 100, kernel=kernel)
    evidence = Evidence().equal("granted", True, zone.resize_reserve(0))
    return evidence.equal("floors", list(plain.floors), list(zone.floors))
