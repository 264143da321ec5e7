"""Rows 1 to 20: the message of August 2007, and what it claims."""

from typing import Final

from netswap.actors.kernels.kernel import Kernel
from netswap.actors.memory.reserve import kmalloc_pages, object_pages, transmit_pages
from netswap.actors.memory.slab import SlabCache
from netswap.actors.memory.zone import Zone
from netswap.cluster.claims import formulas
from netswap.cluster.claims.claim import EVERY, Evidence, row
from netswap.cluster.claims.scenes import as_expected, inline_machine, run_to, scene
from netswap.cluster.lab.cluster import Cluster
from netswap.protocol.units import milliseconds, seconds

MEMORY_MIB: Final = 64
RATE: Final = 2000
"""Frames per second of the flood in these scenarios."""
OUTAGE_S: Final = 5
SILENT: Final[dict[str, object]] = {"machines.B.programs": []}
ROUND_TRIP_S: Final = 0.01
SLAB_ROUNDS: Final = 200
IN_FLIGHT: Final = 16


def min_pages(kernel: Kernel, mib: int = MEMORY_MIB) -> int:
    """The min watermark, in pages, of a machine of `mib` MiB."""
    return formulas.min_free_kib(formulas.pages(mib), kernel.min_free_kib_max) // 4


@row(
    1,
    "Without a policy A wedges in the outage, and does not recover when C is back while the flood goes on",
    "Zijlstra, 15 August 2007",
)
def wedge(kernel: Kernel) -> Evidence:
    """Flat for longer than every timer after the heal; without the flood the same outage is survived."""
    evidence = Evidence()
    with scene("row-01", kernel) as cluster:
        run_to(cluster, 2 + OUTAGE_S)
        before = cluster["A"].progress
        as_expected(cluster, evidence)
        evidence.equal("progress after the heal", 0, cluster["A"].progress - before)
    with scene("row-01", kernel, set=SILENT) as control:
        evidence.equal("without the flood", "recovered", str(control.run()["A"].verdict))
    return evidence


@row(2, "With the reserve A resumes by itself after C returns, by the next retransmission", "Zijlstra, 15 August 2007")
def recovery(kernel: Kernel) -> Evidence:
    """However long the outage: within min(D + 1.1 s, 8.8 s) and a round trip."""
    evidence = Evidence()
    for outage_s in (OUTAGE_S, 40):
        timeline = [{"at": "2s", "partition": ["C"], "for": f"{outage_s}s"}]
        with scene("row-02", kernel, timeline=timeline, stop=f"{2 + outage_s + 12}s") as cluster:
            as_expected(cluster, evidence)
            wait_s = formulas.longest_wait_s(outage_s, formulas.NFS_TIMEOUT_S, formulas.NFS_CAP_S)
            seen_s = (cluster["A"].recovered_after_ns or seconds(1000)) / 1e9
            evidence.at_most(f"resumed after the heal of {outage_s} s, s", wait_s + ROUND_TRIP_S, seen_s)
    return evidence


@row(
    3,
    "With the reserve, what non-critical packets hold of it is bounded, for any number of packets",
    "Zijlstra, 15 August 2007",
)
def bounded(kernel: Kernel) -> Evidence:
    """The peak of emergency bytes is the same after 3 s and after 80 s of flood, and within the limit on receive buffers."""
    evidence = Evidence()
    with scene("row-03", kernel) as cluster:
        early = run_to(cluster, 5)["A"].emergency_bytes_max
        late = run_to(cluster, 81)["A"].emergency_bytes_max
        evidence.equal("peak after 80 s as after 3 s, bytes", early, late)
        most = fragment_cache_bytes(kernel) + 3 * (kernel.rx_data + kernel.skb_head)
        evidence.at_most("peak, bytes", most, late)
        return as_expected(cluster, evidence)


def fragment_cache_bytes(kernel: Kernel) -> int:
    """Real bytes of the most fragments the cache may hold, by whichever size of frame takes most for its truesize."""
    sizes = ((kernel.rx_truesize, kernel.rx_data), (kernel.copy_truesize, kernel.copy_data))
    return max((kernel.fragment_high // charged + 2) * (data + kernel.skb_head) for charged, data in sizes)


@row(
    4, "With the policy on and no pressure nothing is dropped by it, and throughput is the same", "Zijlstra, series v14"
)
def no_cost(kernel: Kernel) -> Evidence:
    """As many messages are read with the policy as without it."""
    evidence = Evidence()
    messages = {}
    for policy in ("reserve", "none"):
        with scene("row-04", kernel, safeguards=policy) as cluster:
            as_expected(cluster, evidence)
            messages[policy] = cluster["A"].programs["service 0"]["progress"]
    return evidence.near("messages read", messages["none"], messages["reserve"], within=2)


@row(
    5,
    "Raising min_free_kbytes alone makes the wedge come later, not never",
    "Gorman, 20120207132745.GH5938@suse.de",
)
def more_free_memory(kernel: Kernel) -> Evidence:
    """Reception has what is free above three eighths of min, and the ring: 16/9 frames a page."""
    evidence = Evidence()
    for share in (5, 20):
        with scene("row-05", kernel, set={"machines.A.min_free": f"{share}%"}) as cluster:
            minimum = formulas.pages(MEMORY_MIB) * share // 100
            run_to(cluster, 8)
            floor = formulas.atomic_floor(minimum)
            frames = formulas.frames_until_floor(cluster["A"].free_pages - 2, floor) + formulas.RING_E1000
            evidence.near(f"ring empty at {share} %, s", frames / RATE, _ring_empty_s(cluster) - 8, within=0.05)
            as_expected(cluster, evidence)
    return evidence


def _ring_empty_s(cluster: Cluster) -> float:
    cluster.run_until("A.dropped.ring-empty > 0", within=seconds(12), every=milliseconds(5))
    return cluster.now_ns / 1e9


@row(
    6,
    "With recursive reclaim alone A wedges iff fewer clean pages are left than it needs until it is answered",
    "Lameter, 20070814142103.204771292@sgi.com; Zijlstra, 15 August 2007",
)
def recursive(kernel: Kernel) -> Evidence:
    """The flood of 500 frames per second begins at 8 s; what was asked at 4 s is asked again 7.7 s later, and answered."""
    evidence = Evidence()
    needed = 500 * (formulas.nfs_times_s(4)[3] - 4)
    for text, clean in (("4MiB", 1024), ("none", 0)):
        with scene("row-06", kernel, set={"machines.A.programs.0.rank.text": text}) as cluster:
            free = run_to(cluster, 8)["A"].free_pages
            room = formulas.capacity_frames(free, _floor(kernel), IN_FLIGHT, formulas.RING_E1000, clean)
            verdict = "recovered" if room > needed else "wedged"
            evidence.equal(f"{clean} clean pages", verdict, str(cluster.run()["A"].verdict))
    return evidence


@row(
    7,
    "Where all memory is anonymous, reclaim that writes nothing frees nothing, and a free fifth costs a fifth",
    "Lameter, L2",
)
def all_anonymous(kernel: Kernel) -> Evidence:
    """The cost over a cluster: 0.2 x memory x nodes; 1000 nodes of 1 GiB lose 200 GiB."""
    evidence = Evidence()
    with scene("row-01", kernel) as cluster:
        machine = inline_machine(run_to(cluster, 1), 0)
        evidence.equal("pages freed without writing", 0, machine.reclaim.scan.drop_clean(32))
    with scene("row-01", kernel, safeguards="min-free-20") as cluster:
        kept = inline_machine(cluster, 0).zone.min
        evidence.equal("pages kept free", formulas.pages(MEMORY_MIB) // 5, kept)
        lost_gib = 1000 * kept / formulas.pages(MEMORY_MIB)
        evidence.near("1000 nodes of 1 GiB lose, GiB", 200, lost_gib, within=0.1)
    return evidence


def _floor(kernel: Kernel) -> int:
    return formulas.atomic_floor(min_pages(kernel))


@row(
    8,
    "A reserve exactly at the bound suffices, one unit below it does not: R = TX + RX, and RX overflows reassembly",
    "Zijlstra, 20071030160912.873260000@chello.nl, 20071214154441.337409000@chello.nl",
)
def bound(kernel: Kernel) -> Evidence:
    """2039 pages for the published example. The limit on receive buffers is one of its own.

    It is a reply's three frames without an adversary; with incomplete datagrams, as many frames as the fragment cache
    holds before it throws some away.
    """
    evidence = Evidence()
    example = transmit_pages() + object_pages(128, 8) + object_pages(4096, 12) + object_pages(16384, 12)
    cache = kmalloc_pages(formulas.FRAGMENT_HIGH_2007, kernel)
    evidence.equal("the published example, pages", (32 + 17) + 343 + 1367 + 2 * 140, example + 2 * cache)
    reply = formulas.nfs_fragments(1)
    for buffers in (reply, reply - 1):
        seen = _with_reserve("row-08", kernel, "45s", pages=0, buffers=buffers)
        said = "recovered" if buffers >= reply else "wedged"
        evidence.equal(f"no pool, {buffers} buffers, no fragments", (said, 0), seen[:2])
    held = formulas.held_fragments_2007()
    stop = f"{2 + formulas.FRAGMENT_TIMEOUT_S:g}s"
    enough, few = (_with_reserve("row-15", kernel, stop, buffers=buffers) for buffers in (held, held - 1))
    evidence.equal(f"{held} buffers, incomplete datagrams", ("recovered", 0), enough[:2])
    evidence.at_most(f"{held} buffers: stalled, s", OUTAGE_S + formulas.NFS_CAP_S, enough[2])
    return evidence.at_least(f"{held - 1} buffers: stalled, s", formulas.FRAGMENT_TIMEOUT_S, few[2])


def _with_reserve(name: str, kernel: Kernel, stop: str, **reserve: int) -> tuple[str, int, float]:
    """The verdict on A with this reserve, its lost pages, and how long it stood still (s)."""
    with scene(name, kernel, reserve=reserve, stop=stop) as cluster:
        a = cluster.run()["A"]
        return str(a.verdict), a.lost_pages, a.stalled_ns / 1e9


@row(
    15,
    "Below the limit of reassembly, incomplete datagrams hold the reserve until their time-out of 30 s; above it A proceeds",
    "net/ipv4/ip_fragment.c; Zijlstra, 20071214154441.337409000@chello.nl",
)
def fragment_limit(kernel: Kernel) -> Evidence:
    """256 KiB of truesize, and one fragment beyond: 144 buffers; a reply to a page-in takes 3 more.

    What holds the reserve is there for 30 s at least, and then a retransmission has to come.
    """
    evidence = Evidence()
    evidence.equal("truesize of a call of 32 KiB", 42_136, formulas.nfs_fragments(8) * kernel.rx_truesize)
    held = formulas.FRAGMENT_HIGH_2007 // formulas.FRAME_CHARGED_2007 + 1
    reply = formulas.nfs_fragments(1)
    for buffers, stop_s in ((held, 45), (held + reply, 17)):
        with scene("row-15", kernel, reserve={"buffers": buffers}, stop=f"{stop_s}s", expect=[]) as cluster:
            a = cluster.run()["A"]
            evidence.equal(f"{buffers} buffers: no page with another version", 0, a.lost_pages)
            if buffers == held:
                evidence.at_least(f"{buffers}: stalled, s", formulas.FRAGMENT_TIMEOUT_S, a.stalled_ns / 1e9)
            else:
                evidence.equal(f"{buffers}", "recovered", str(a.verdict))
                wait_s = formulas.longest_wait_s(OUTAGE_S, formulas.NFS_TIMEOUT_S, formulas.NFS_CAP_S)
                evidence.at_most(f"{buffers}: stalled, s", OUTAGE_S + wait_s + ROUND_TRIP_S, a.stalled_ns / 1e9)
    return evidence


@row(
    16,
    "Without the slab rule the reserve shrinks although its use returns to nothing; with it, it comes back whole",
    "Zijlstra, 1186424248.11797.66.camel@lappy",
    eras=EVERY,
)
def slab_rule(kernel: Kernel) -> Evidence:
    """At the floor critical objects overlap, and whenever one is freed an ordinary request comes; at last all are free."""
    evidence = Evidence()
    for guarded, name in ((True, "on"), (False, "off")):
        zone = Zone(4096, 256, kernel=kernel)
        zone.take_many(zone.floors.atomic, 4096)
        cache = SlabCache(zone, "kmalloc-512", 512, guarded=guarded)
        before = zone.free
        critical = cache.take_memalloc(zone.floors.atomic)
        for _ in range(SLAB_ROUNDS):
            following = cache.take_memalloc(zone.floors.atomic)
            assert critical is not None, "the reserve is larger than what leaks here"
            cache.give(critical)
            cache.take(zone.floors.atomic)
            critical = following
        assert critical is not None, "as above"
        cache.give(critical)
        lost = 0 if guarded else SLAB_ROUNDS // cache.per_slab
        evidence.equal(f"rule {name}: pages lost", lost, before - zone.free)
    return evidence


@row(17, "Transmission that is not bounded exhausts the reserve; bounded, it does not", "Zijlstra; Phillips, DP3")
def transmit_bound(kernel: Kernel) -> Evidence:
    """128 requests of 512 bytes, and the buffers of what the card has not sent yet, against all that may be dirty."""
    evidence = Evidence()
    with scene("row-17", kernel, safeguards=["reserve", "-tx-bound"]) as cluster:
        evidence.equal("unbounded: fewest free pages", 0, cluster.run()["A"].free_pages_min)
        evidence.at_least("unbounded: transmissions that failed", 1, cluster["A"].tx_no_memory)
    with scene("row-17", kernel) as cluster:
        as_expected(cluster, evidence)
        evidence.at_least("bounded: fewest free pages", 100, cluster["A"].free_pages_min)
    return evidence


@row(
    18,
    "What is under writeback stays below 1.1 times the dirty limit and a batch for each reclaimer",
    "mm/page-writeback.c",
)
def writeback(kernel: Kernel) -> Evidence:
    """5.5 % of memory where all of it is mapped or free; kswapd and the rank reclaim, in batches of 32."""
    evidence = Evidence()
    with scene("row-18", kernel) as cluster:
        as_expected(cluster, evidence)
        seen = cluster["A"].writeback_pages_max
    total = formulas.pages(MEMORY_MIB)
    evidence.at_most("most under writeback, pages", total * 55 // 1000 + 2 * 32, seen)
    return evidence.at_least("as much as the dirty limit", total * 50 // 1000, seen)


@row(
    19,
    "A slow server wedges A iff the flood fills memory before it answers",
    "Zijlstra, 15 August 2007",
)
def slow_server(kernel: Kernel) -> Evidence:
    """Fill rate times latency against what reception can take: 16/9 (free - floor) and the ring."""
    evidence = Evidence()
    for latency_ms in (200, 600):
        timeline = [{"at": "2s", "slow": {"from": "C", "to": "A", "latency": f"{latency_ms}ms"}, "for": "3s"}]
        with scene("row-19", kernel, timeline=timeline) as cluster:
            free = run_to(cluster, 2)["A"].free_pages
            floor = formulas.atomic_floor(min_pages(kernel))
            frames = formulas.capacity_frames(free, floor, IN_FLIGHT, formulas.RING_E1000)
            wedges = RATE * latency_ms / 1000 > frames
            evidence.equal(f"{latency_ms} ms: wedged", wedges, cluster.run()["A"].verdict == "wedged")
    return evidence


@row(
    69,
    "Clean pages delay the wedge by about their number; they do not prevent it",
    "seen on Linux 6.1; follows from the rules of 2.6.22",
)
def clean_pages(kernel: Kernel) -> Evidence:
    """16/9 more frames for each of them."""
    evidence = Evidence()
    for text, clean in (("none", 0), ("1MiB", 256), ("4MiB", 1024)):
        with scene("row-69", kernel, set={"machines.A.programs.0.rank.text": text}) as cluster:
            a = run_to(cluster, 8)["A"]
            floor = formulas.atomic_floor(min_pages(kernel))
            frames = formulas.capacity_frames(a.free_pages, floor, IN_FLIGHT, formulas.RING_E1000, clean)
            evidence.near(f"{clean} clean: ring empty, s", frames / RATE, _ring_empty_s(cluster) - 8, within=0.05)
            evidence.equal(f"{clean} clean", "wedged", str(cluster.run()["A"].verdict))
    return evidence


@row(
    20,
    "When B falls silent and C is still away, A resumes with C only if a receive buffer can be had",
    "follows from the rules of 2.6.22",
)
def silence(kernel: Kernel) -> Evidence:
    """A long flood uses up floor and ring; one of 0.1 s (200 frames) does not."""
    evidence = Evidence()
    with scene("row-20", kernel) as cluster:
        as_expected(cluster, evidence)
    with scene("row-20", kernel, set={"machines.B.programs.0.flood.for": "100ms"}) as cluster:
        evidence.equal("after 200 frames", "recovered", str(cluster.run()["A"].verdict))
    return evidence
