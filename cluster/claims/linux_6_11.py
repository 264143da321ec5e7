"""Rows 61 to 70: what a real kernel (Linux 6.1) showed, under the rules that Linux 3.6 took in."""

from math import ceil
from typing import Final

from netswap.actors.kernels.kernel import Kernel
from netswap.cluster.claims import formulas
from netswap.cluster.claims.claim import NEWER, Evidence, row
from netswap.cluster.claims.scenes import run_to, scene
from netswap.cluster.lab.cluster import Cluster

RATE: Final = 2000
"""Frames per second of the flood in these scenarios."""
HEALED_S: Final = 7
MERGED: Final = "Gorman's series of 2012, on an unmodified Linux 6.1"
RX_HEAD: Final = ["merged", "rx-head"]
MEMORY_MIB: Final = 64
SLOTS: Final = 16


def _ring_pages(descriptors: int) -> float:
    """Two data buffers or sixteen heads to a page."""
    return descriptors / 2 + descriptors / 16


def _min_pages(mib: int) -> int:
    return formulas.min_free_kib(formulas.pages(mib), 262_144) // 4


def _drops_per_second(cluster: Cluster, from_s: float, to_s: float) -> float:
    """Frames that demux drops."""
    before = run_to(cluster, from_s)["A"].dropped["demux"]
    return (run_to(cluster, to_s)["A"].dropped["demux"] - before) / (to_s - from_s)


@row(
    61,
    "As merged, answers die in the driver for want of a head; with heads from the reserve, demux drops the flood and A resumes",
    MERGED,
    eras=NEWER,
)
def two_allocations(kernel: Kernel) -> Evidence:
    """The heads that the CPU still has (16 at most) let as many frames through to demux."""
    evidence = Evidence()
    with scene("row-61", kernel) as cluster:
        evidence.equal("merged", "wedged", str(cluster.run()["A"].verdict))
        evidence.at_most("merged: demux drops", 16, cluster["A"].dropped["demux"])
        evidence.at_least("merged: A's transmissions go on", 1, cluster["A"].retransmissions)
    with scene("row-61", kernel, safeguards=RX_HEAD) as cluster:
        evidence.near("rx-head: demux drops per second", RATE, _drops_per_second(cluster, 4, HEALED_S), within=2)
        evidence.equal("rx-head", "recovered", str(run_to(cluster, HEALED_S + formulas.NFS_CAP_S)["A"].verdict))
    return evidence


@row(62, "As merged, raising min_free_kbytes changes only where free memory stands still", MERGED, eras=NEWER)
def stands_still(kernel: Kernel) -> Evidence:
    """At three eighths of min, for every value."""
    evidence = Evidence()
    for written, minimum in (("1MiB", 256), ("5%", 16384 // 20), ("20%", 16384 // 5)):
        with scene("row-62", kernel, set={"machines.A.min_free": written}) as cluster:
            evidence.equal(f"min_free {written}", "wedged", str(cluster.run()["A"].verdict))
            floor = formulas.atomic_floor(minimum)
            evidence.near(f"min_free {written}: free pages", floor, cluster["A"].free_pages, within=1)
    return evidence


@row(
    63,
    "One pool is shared by ring, transmission and reassembly: where the ring takes all, every drop is right and A is wedged",
    MERGED,
    eras=NEWER,
)
def one_pool(kernel: Kernel) -> Evidence:
    """Three eighths of min 256 are 96 pages: 176 descriptors take 99; 144 take 81, and 16 requests 9 more."""
    evidence = Evidence()
    reserve = formulas.atomic_floor(_min_pages(MEMORY_MIB))
    transmit = ceil(3 * SLOTS / 16) + ceil(3 * SLOTS / 8)
    for ring in (144, 176):
        fits = _ring_pages(ring) + transmit <= reserve
        with scene("row-63", kernel, set={"machines.A.nic.ring": ring}) as cluster:
            rate = _drops_per_second(cluster, 4, HEALED_S)
            evidence.near(f"ring {ring}: demux drops per second", RATE, rate, within=2)
            a = run_to(cluster, HEALED_S + formulas.NFS_CAP_S)["A"] if fits else cluster.run()["A"]
            evidence.equal(f"ring {ring}", "recovered" if fits else "wedged", str(a.verdict))
            evidence.equal(f"ring {ring}: transmissions fail", not fits, a.tx_no_memory > 0)
    return evidence


@row(
    64,
    "The refill rule decides what happens when memory comes back: virtio stays dead, e1000e and 8139cp receive again",
    MERGED,
    eras=NEWER,
)
def refill(kernel: Kernel) -> Evidence:
    """Same inputs: fragments take all pages down to the floor, and time out 30 s later."""
    evidence = Evidence()
    for rule, verdict in (("e1000e", "recovered"), ("8139cp", "recovered"), ("virtio", "wedged")):
        with scene("row-64", kernel, set={"machines.A.nic.refill": rule}) as cluster:
            a = cluster.run()["A"]
            evidence.equal(rule, verdict, str(a.verdict))
            floor = formulas.atomic_floor(_min_pages(MEMORY_MIB))
            evidence.at_least(f"{rule}: free pages at the end", floor + 1, a.free_pages)
    return evidence


@row(
    65,
    "Incomplete fragments are held before demux: above the reserve their limit wedges A, below it A recovers",
    MERGED,
    eras=NEWER,
)
def fragments(kernel: Kernel) -> Evidence:
    """4 MiB of truesize are 1821 fragments in 1025 pages: more than three eighths of 2304, less than those of 3072."""
    evidence = Evidence()
    held = _ring_pages(kernel.fragment_high // kernel.rx_truesize + 1)
    for mib in (9, 12):
        room = formulas.atomic_floor(mib * 256) - held - _ring_pages(64)
        with scene("row-65", kernel, set={"machines.A.min_free": f"{mib}MiB"}) as cluster:
            before = run_to(cluster, 11)["A"].dropped["demux"]
            a = cluster.run()["A"] if room < 0 else run_to(cluster, 14 + formulas.NFS_CAP_S)["A"]
            evidence.equal(f"min {mib} MiB: the rank resumes", room > 0, a.recovered_after_ns is not None)
            if room < 0:
                evidence.equal(f"min {mib} MiB", "wedged", str(a.verdict))
                evidence.equal(f"min {mib} MiB: demux drops", 0, a.dropped["demux"] - before)
    return evidence
