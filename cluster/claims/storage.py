"""Rows 46 to 60: storage, the whole system, the cluster."""

from typing import Any, Final

from netswap.actors.kernels.kernel import Kernel
from netswap.cluster.claims import formulas
from netswap.cluster.claims.claim import NEWER, Evidence, row
from netswap.cluster.claims.scenes import run_to, scene

BATCH: Final = 32
"""Pages that a reclaimer writes before it looks at the limits again."""
MIN_PAGES: Final = 1024
MEMORY_MIB: Final = 64
CROWD: Final = 24
"""Programs of row 51, after the min mark and the memory of their machine."""
RECLAIMERS: Final = 4 + 1
"""The ranks of row 60, and kswapd. Over NFS of 2012 a reclaimer waits for the call of its page-out, so no more are under way."""
NBD_QUEUE: Final = 128
"""Requests that NBD takes at a time (BLKDEV_MAX_RQ of include/linux/blkdev.h, and the module's queue depth since)."""


@row(47, "A page under writeback is not free until its reply has been processed", "Brown's review of the series, 2008")
def under_writeback(kernel: Kernel) -> Evidence:
    """Held back on their way, answers free nothing; released, they do, and every version is right."""
    evidence = Evidence()
    with scene("row-01", kernel, timeline=[], set={"machines.B.programs": []}) as cluster:
        run_to(cluster, 1)
        with cluster.hold("C", "A", only="page-out-reply"):
            run_to(cluster, 2)
            held = cluster["A"].pages_out
            evidence.equal("page-outs answered while held", 0, run_to(cluster, 3)["A"].pages_out - held)
            evidence.at_most("free pages while held", cluster["A"].free_pages, run_to(cluster, 4)["A"].free_pages)
        evidence.at_least("answered after", 1, run_to(cluster, 5)["A"].pages_out - held)
        evidence.equal("pages with another version", 0, cluster["A"].lost_pages)
    return evidence


def _cold(mib: int) -> dict[str, Any]:
    """A rank that touches all its memory once."""
    return {"rank": {"working_set": f"{mib}MiB", "touch": f"{mib}MiB", "compute": "1h", "start": "cold"}}


@row(
    51,
    "Many reclaimers exhaust the reserve together, without any flood; throttled, they do not",
    "Zijlstra, 1187813025.5463.85.camel@lappy; Gorman, 1342075232-29267-1-git-send-email-mgorman@suse.de",
)
def crowd(kernel: Kernel) -> Evidence:
    """Programs stop at min, and below it is what reclaimers send.

    That is 1.1 times the dirty limit of 5 %, and a batch for each but the first. A page-out takes three heads, three headers
    and an RPC request, 11/16 of a page, until the card has sent it. The throttle stops each task that comes below half of min;
    tasks that are already there finish their batch.
    """
    evidence = Evidence()
    each = formulas.transmit_pages_nfs()
    limit = formulas.pages(MEMORY_MIB) * 5 // 100 * 11 // 10
    for reclaimers in (8, CROWD):
        keys = {"machines.A.programs": [_cold(60), *[_cold(1)] * reclaimers]}
        left = MIN_PAGES - (limit + BATCH * (reclaimers - 1)) * each
        with scene("row-51", kernel, set=keys, expect=[]) as cluster:
            seen = cluster.run()["A"].free_pages_min
            evidence.near(f"{reclaimers}: fewest free pages", max(0, left), seen, within=BATCH)
            evidence.equal(f"{reclaimers}: exhausted", left < 0, seen == 0)
    with scene("row-51", kernel, safeguards=["reclaim-throttle"], expect=[]) as cluster:
        least = MIN_PAGES // 2 - 8 * BATCH * each
        evidence.at_least(f"{CROWD}, throttled: fewest free pages", least, cluster.run()["A"].free_pages_min)
    return evidence


@row(55, "The same seed and the same inputs give the same trace of events", "an invariant")
def determinism(kernel: Kernel) -> Evidence:
    """In one go, and paused."""
    evidence = Evidence()
    with scene("row-01", kernel) as whole, scene("row-01", kernel) as paused:
        run_to(whole, 9)
        for at_s in (0.7, 2, 2.0001, 4.44, 7.3, 9):
            run_to(paused, at_s)
        evidence.equal("digest", whole.digest(), paused.digest())
    return evidence


@row(
    60,
    "Swap over NFS is about twice as slow as over NBD in a stress test: by order of magnitude",
    "Gorman, 1342075266-29593-1-git-send-email-mgorman@suse.de",
    eras=NEWER,
)
def nfs_beside_nbd(kernel: Kernel) -> Evidence:
    """Twice, give or take half an order of magnitude (a factor of 10^0.5, so from 1, where NFS is no slower, to 6.3)."""
    evidence = Evidence()
    took = {}
    for transport, in_flight in (("nfs", RECLAIMERS), ("nbd", NBD_QUEUE)):
        keys = {"machines.A.swap.transport": transport, "machines.A.swap.in_flight": in_flight}
        with scene("row-60", kernel, set=keys) as cluster:
            evidence.equal(f"{transport} gets to the end", True, cluster.run_until("A is finished"))
            took[transport] = cluster.now_ns
    ratio = took["nfs"] / took["nbd"]
    evidence.at_least("times slower", 1.0, ratio)
    return evidence.at_most("times slower than NBD", 2 * 10**0.5, ratio)
