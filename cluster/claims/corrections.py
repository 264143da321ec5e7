"""Rows 73 to 81: corrections of the law that a real 6.1 showed, and words of machines that people have."""

from typing import Any, Final

from netswap.actors.kernels.kernel import Kernel
from netswap.actors.net.round_trip import RoundTrip
from netswap.cluster.claims import formulas
from netswap.cluster.claims.claim import EVERY, NEWER, Evidence, row
from netswap.cluster.claims.outages import recovered_s
from netswap.cluster.claims.scenes import inline_machine, run_to, scene
from netswap.protocol.units import seconds

SWAP: Final = "machines.A.swap"
SERVICE: Final = "machines.A.programs.1.service"
ROUND_TRIP_S: Final = 0.02
"""Round trip of a request: the way, the disk, the wire."""
PAGEBLOCK: Final = 512
CPU_BATCH: Final = 256
"""Pages that a CPU charges to sockets before others see it (SK_MEMORY_PCPU_RESERVE)."""


@row(
    73,
    "The least retransmission time-out is one of the variation's part: srtt + max(4 mdev, 0.2 s), doubled up to 120 s",
    "net/ipv4/tcp_input.c (tcp_rtt_estimator, tcp_set_rto)",
    eras=EVERY,
)
def time_out(kernel: Kernel) -> Evidence:
    """One measurement r gives srtt r and mdev r/2; many equal ones leave no variation."""
    evidence = Evidence()
    for rtt_s in (0.001, 0.1, 0.4):
        trip = RoundTrip(kernel.tcp)
        trip.measure(seconds(rtt_s))
        first = formulas.tcp_rto_s(rtt_s, rtt_s / 2)
        evidence.near(f"round trip {rtt_s} s, once (s)", first, trip.timeout_ns(0) / 1e9, within=1e-6)
        for _ in range(200):
            trip.measure(seconds(rtt_s))
        steady = rtt_s + formulas.TCP_RTO_MIN_S
        evidence.near(f"{rtt_s} s, always (s)", steady, trip.timeout_ns(0) / 1e9, within=1e-6)
        evidence.near(f"{rtt_s} s, doubled thrice (s)", 8 * steady, trip.timeout_ns(3) / 1e9, within=1e-5)
        evidence.equal(f"{rtt_s} s, the most (s)", formulas.TCP_RTO_MAX_S, trip.timeout_ns(20) / 1e9)
    return evidence


@row(
    74,
    "In 6.x all UDP sockets together stop at udp_mem[0], as a CPU has charged it; in 2.6.22 each at its own buffer only",
    "net/core/sock.c (__sk_mem_raise_allocated), include/net/sock.h; net/ipv4/udp.c; seen on Linux 6.1",
    eras=EVERY,
)
def udp_limit(kernel: Kernel) -> Evidence:
    """The limit bites where charges become known: at the next whole batch above it, not at udp_mem[1] or [2]."""
    evidence = Evidence()
    sockets = 64
    if not kernel.limits_udp:
        with scene("row-74", kernel) as cluster:
            held = cluster.run()["A"].socket_frames
        return evidence.equal("frames in all sockets", sockets * formulas.socket_frames_2007(), held)
    for low in (400, 700):
        keys = {"machines.A.udp": {"mem": [low, 2000, 3000]}}
        with scene("row-74", kernel, set=keys) as cluster:
            held = cluster.run()["A"].socket_frames
        stop = (low // CPU_BATCH + 1) * CPU_BATCH
        charged = held * kernel.rx_truesize / 4096
        evidence.at_most(f"udp_mem[0] {low}: pages of truesize", stop + 1, charged)
        evidence.at_least(f"udp_mem[0] {low}: as much as that, but a part of a page of each", stop - sockets, charged)
    return evidence


@row(
    75,
    "Pageblocks set aside for atomic requests: up to 6.8 a hundredth of the zone and one block, from 6.9 on none of a small "
    "zone, in 2.6.22 none at all",
    "mm/page_alloc.c (reserve_highatomic_pageblock); 9cd20f3fe045",
    eras=EVERY,
)
def set_aside(kernel: Kernel) -> Evidence:
    """Another block is set aside as long as fewer pages are than the most."""
    evidence = Evidence()
    for mib in (64, 128, 512, 4096):
        hundredth = formulas.pages(mib) // 100
        most = {"linux-2.6.22": 0, "linux-6.1": hundredth + PAGEBLOCK}.get(
            kernel.name, hundredth if hundredth >= PAGEBLOCK else 0
        )
        blocks = -(-most // PAGEBLOCK)
        seen = kernel.aside_max(formulas.pages(mib)) if kernel.sets_blocks_aside else 0
        evidence.equal(f"{mib} MiB: pages at most", blocks * PAGEBLOCK, seen)
    return evidence


@row(
    76,
    "Network buffers among movable pages boost the watermarks: a swapping machine of 6.x stands above its high mark, and with "
    "watermark_boost_factor 0, or in 2.6.22, at it",
    "mm/page_alloc.c (boost_watermark, steal_suitable_fallback); seen on Linux 6.1",
    eras=EVERY,
)
def boosted(kernel: Kernel) -> Evidence:
    """kswapd reclaims up to the raised mark, which is at most 1.5 high above the other."""
    evidence = Evidence()
    minimum = formulas.min_free_kib(formulas.pages(64), kernel.min_free_kib_max) // 4
    high = kernel.marks(minimum, formulas.pages(64))[1]
    line = high + PAGEBLOCK // 4  # what kswapd may overshoot: less than what one boost adds
    factors = (0, None) if kernel.watermark_boost else (None,)
    for factor in factors:
        keys = {} if factor is None else {"machines.A.vm.watermark_boost_factor": factor}
        with scene("row-76", kernel, set=keys) as cluster:
            seen = sum(run_to(cluster, 2 + at / 10)["A"].free_pages for at in range(20)) / 20
        if factor is None and kernel.watermark_boost:
            evidence.at_least("boosted: free pages", line + 1, seen)
            evidence.at_most("boosted: free pages at most", high + formulas.boost_pages(formulas.pages(64), high), seen)
        else:
            evidence.at_most(f"factor {factor}: free pages", line, seen)
    return evidence


@row(
    77,
    "A server's process that stands still is followed by no wait: its kernel has acknowledged all, and nothing is sent again",
    "net/ipv4/tcp_input.c; seen on Linux 6.1",
    eras=EVERY,
)
def frozen(kernel: Kernel) -> Evidence:
    """The twin is a partition of the same length, which ends with the next point of the grid of time-outs."""
    evidence = Evidence()
    quiet: dict[str, Any] = {"machines.B.programs": [], SWAP + ".transport": "nbd"}
    for fault, waits in (("freeze", False), ("partition", True)):
        timeline = [{"at": "2s", fault: "C" if fault == "freeze" else ["C"], "for": "4s"}]
        with scene("row-02", kernel, timeline=timeline, stop="14s", set=quiet, expect=[]) as cluster:
            a = cluster.run()["A"]
            evidence.equal(f"{fault}", "recovered", str(a.verdict))
            evidence.equal(f"{fault}: a wait after its end", waits, recovered_s(cluster) > ROUND_TRIP_S)
            if not waits:
                evidence.equal(f"{fault}: sent again", 0, a.retransmissions)
    return evidence


@row(
    78,
    "A process that keeps its sockets and reads nothing does not hide that its machine has recovered",
    "follows from what a stall is",
    eras=EVERY,
)
def never_reads(kernel: Kernel) -> Evidence:
    """With the reserve; the same service that reads recovers too."""
    evidence = Evidence()
    never = {SERVICE: {"port": 9000, "sockets": 32, "reads": "never"}}
    for name, keys in (("never reads", never), ("reads", {})):
        with scene("row-02", kernel, set=keys) as cluster:
            evidence.equal(name, "recovered", str(cluster.run()["A"].verdict))
    return evidence


@row(
    79,
    "The same machine with its swap on a disk of its own does not wedge: no reply has to be received",
    "the control of Zijlstra's scenario; seen on Linux 6.1",
    eras=EVERY,
)
def local_swap(kernel: Kernel) -> Evidence:
    """Without any safeguard, where swapping to C it wedges."""
    evidence = Evidence()
    disk = {SWAP: {"on": "disk", "size": "256MiB"}}
    for name, keys, wedges in (("swap on C", {}, True), ("swap on a disk", disk, False)):
        with scene("row-01", kernel, set=keys, expect=[]) as cluster:
            evidence.equal(f"{name}: wedged", wedges, str(cluster.run()["A"].verdict) == "wedged")
    return evidence


@row(
    80,
    "Transparent huge pages raise min_free_kbytes to 5632 pages of a zone, a twentieth of memory at most, and never lower it",
    "mm/khugepaged.c (set_recommended_min_free_kbytes)",
    eras=NEWER,
)
def huge_pages(kernel: Kernel) -> Evidence:
    """A pageblock to spare and one in use, and one for each of three types and each of three to fall back to."""
    evidence = Evidence()
    for mib in (64, 1024):
        total = formulas.pages(mib)
        usual = formulas.min_free_kib(total, kernel.min_free_kib_max) // 4
        high = formulas.watermarks_6_11(usual, total)[2]
        predicted = max(usual, min(PAGEBLOCK * (2 + 3 * 3), (total - high) // 20))
        keys = {"machines.A.memory": f"{mib}MiB", "machines.A.thp": "on"}
        with scene("row-74", kernel, set=keys) as cluster:
            evidence.equal(f"{mib} MiB: min, pages", predicted, inline_machine(cluster, 0).zone.min)
    return evidence


@row(
    81,
    "Writes that failed and were taken to be done are lost data, a verdict above all others; kept dirty, none is lost",
    "net/sunrpc, mm/page_io.c (end_swap_bio_write); J. Marchand, linux-mm, 17 April 2013",
    eras=EVERY,
)
def lost_data(kernel: Kernel) -> Evidence:
    """A soft mount gives up during an outage in which nothing is read."""
    evidence = Evidence()
    for errors, verdict in (("ignored", "lost-data"), ("kept", "recovered")):
        with scene("row-81", kernel, set={SWAP + ".write_errors": errors}, expect=[]) as cluster:
            a = cluster.run()["A"]
            evidence.equal(errors, verdict, str(a.verdict))
            evidence.equal(f"{errors}: pages are lost", errors == "ignored", a.lost_pages > 0)
            evidence.at_least(f"{errors}: requests that failed", 1, a.counters["io_errors"])
    return evidence
