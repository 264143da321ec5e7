"""Rows 56 to 59: what one stall does to a job of many ranks, and what several swap servers and a disk do to a stall."""

from typing import Any, Final

from netswap.actors.kernels.kernel import Kernel
from netswap.cluster.claims import formulas
from netswap.cluster.claims.claim import Evidence, row
from netswap.cluster.claims.scenes import as_expected, run_to, scene
from netswap.cluster.lab.cluster import Cluster
from netswap.protocol.frame import F_BODY, F_KIND, FRAGMENT, PAGE_OUT, cut

RANKS: Final = 8
SIGMAS: Final = 3
DATA, PARITY = 4, 2
FAILOVER_S: Final = 1.1
LINK_S: Final = 0.002
JITTER_S: Final = 0.004
RPC: Final = 128 + 8
"""Headers of a call or a reply, and UDP's."""
PACKET: Final = 20 + 38
"""IP's header and the frame around it."""


@row(
    56,
    "One wedged rank: no collective of all ranks is ever completed again; one stall of s: all ranks are late by s",
    "Widener, Levy, Ferreira and Hoefler, on collectives and noise; Zijlstra, 15 August 2007",
)
def one_rank(kernel: Kernel) -> Evidence:
    """A step takes as long as its slowest rank: the others wait, and blame the one that is wedged."""
    evidence = Evidence()
    with scene("row-56", kernel) as cluster:
        before = {name: one.progress for name, one in run_to(cluster, 4.5).views().items()}
        as_expected(cluster, evidence)
        steps = [cluster[f"N{rank}"].progress - before[f"N{rank}"] for rank in range(RANKS - 1)]
        evidence.equal("pages touched by the others after the heal", [0] * (RANKS - 1), steps)
        evidence.equal("the last of them waits for a page of A", True, cluster["N6"].waits_for("a reply from C"))
    steps_s = [_ends_s(kernel, timeline) for timeline in _TIMELINES]
    with scene("row-56", kernel, **_job(None)) as cluster:
        stall_s = cluster.run()["A"].stalled_ns / 1e9
    evidence.at_least("A's stall, s", 3, stall_s)
    late_s = min(fault - control for fault, control in zip(*steps_s, strict=True))
    return evidence.at_least("the least that any rank is late, s", round(stall_s - STEP_S, 3), late_s)


_TIMELINES: Final[tuple[list[Any] | None, ...]] = (None, [])
"""The timeline of the scenario, and an empty timeline."""
STEP_S: Final = 0.1
"""Far more than a step of row 56 takes: where in the step the stall begins makes no more difference than this."""


def _job(timeline: list[Any] | None) -> dict[str, Any]:
    """The ranks of row 56 with an end, and without the flood."""
    steps = {f"machines.{name}.programs.0.rank.steps": 170 for name in "AN"}
    keys: dict[str, Any] = {"set": {**steps, "machines.B.programs": []}, "stop": "9s", "expect": []}
    return keys if timeline is None else {**keys, "timeline": timeline}


def _ends_s(kernel: Kernel, timeline: list[Any] | None) -> list[float]:
    """When each rank is through."""
    with scene("row-56", kernel, **_job(timeline)) as cluster:
        machines = cluster.run().state().machines
        ranks = [one.programs[0] for one in machines if one.name[0] in "AN"]
        assert all(rank.finished for rank in ranks), "they finish"
        return [rank.last_ns / 1e9 for rank in ranks]


@row(
    57,
    "If each of N ranks stalls in a step with probability p, the step is delayed with probability 1 - (1 - p)^N",
    "arithmetic; Lipman and Stout, 2006",
)
def independent_stalls(kernel: Kernel) -> Evidence:
    """4 page-ins a step, 3 frames each, of which 1 in 250 is lost: p = 1 - 0.996^12. Within three deviations."""
    evidence = Evidence()
    stall = 1 - (1 - 0.004) ** (4 * formulas.nfs_fragments(1))
    for ranks in (1, RANKS - 1):
        with scene("row-57", kernel, set={"machines.A.count": ranks}) as cluster:
            steps, delayed = _steps(run_to(cluster, 1))
            last = _steps(cluster.run())
            as_expected(cluster, evidence)
        share = formulas.delayed_share(stall, ranks)
        trials = last[0] - steps
        within = SIGMAS * formulas.binomial_deviation(share, trials)
        evidence.near(f"{ranks} ranks: share of {trials} steps", share, (last[1] - delayed) / trials, within)
    return evidence


def _steps(cluster: Cluster) -> tuple[int, int]:
    """Steps done, and how many of them were delayed, as seen by a rank that loses nothing."""
    rank = cluster["O"].programs["rank 0"]
    return rank["progress"] // 4, len(rank["stalls"])


@row(
    58,
    "Pages coded k + r survive the loss of any r servers, read as fast as the k-th of k + extra, at (k + r) / k times the cost",
    "Lee et al., Hydra, FAST 2022",
)
def coded(kernel: Kernel) -> Evidence:
    """Answers are late by 0 to 4 ms, independently: the k-th of n takes k / (n + 1) of that on average."""
    evidence = Evidence()
    for extra in range(PARITY + 1):
        with scene("row-58", kernel, set={"machines.A.swap.extra": extra}) as cluster:
            before = run_to(cluster, 3)["A"].pages_in
            as_expected(cluster, evidence)
            reads = cluster["A"].pages_in - before
        mean, deviation = formulas.kth_of_uniform(DATA, DATA + extra)
        calls_s = (DATA + extra) * formulas.wire_s(RPC + PACKET)
        reply_s = formulas.wire_s(4096 // DATA + RPC + PACKET)
        read_ms = 1e3 * (2 * LINK_S + JITTER_S * mean + calls_s / 2 + reply_s)
        within = 1e3 * (SIGMAS * JITTER_S * deviation / reads**0.5 + calls_s / 2)
        evidence.near(f"{DATA} of {DATA + extra}: a read, ms", round(read_ms, 3), 5000 / reads, within)
    for lost in (("C0", "C1"), ("C0", "C3"), ("C2", "C5"), ("C4", "C5")):
        evidence.equal(f"without {' and '.join(lost)} it reads on, and loses no page", (True, 0), _reads(kernel, lost))
    evidence.equal("without one more it reads nothing", (False, 0), _reads(kernel, ("C0", "C1", "C3")))
    with scene("row-58", kernel, record=True) as cluster:
        written = 4096 * run_to(cluster, 4)["A"].pages_out
        evidence.equal("bytes written for each byte of a page", (DATA + PARITY) / DATA, _page_outs(cluster) / written)
    return evidence


def _reads(kernel: Kernel, lost: tuple[str, ...]) -> tuple[bool, int]:
    """Whether pages are read a failover after these servers have gone for good; and how many were lost."""
    timeline = [{"at": "1s", "partition": list(lost), "for": "ever"}]
    with scene("row-58", kernel, timeline=timeline, stop="5s") as cluster:
        before = run_to(cluster, 4)["A"].pages_in
        a = cluster.run()["A"]
        return a.pages_in > before, a.lost_pages


def _page_outs(cluster: Cluster) -> int:
    """Bytes of pages that have left A."""
    out = [raw for raw, _ in cut(cluster.sent()[0]) if raw[F_KIND] & ~FRAGMENT == PAGE_OUT]
    return sum((raw[F_BODY][2] if raw[F_KIND] & FRAGMENT else raw[F_BODY])[1] - (RPC - 8) for raw in out)


@row(
    59,
    "With a copy of each page on disk, reads after the loss of the server have the disk's latency; without, none is answered",
    "Gu et al., Infiniswap, NSDI 2017",
)
def backup(kernel: Kernel) -> Evidence:
    """1 ms each way and the wire before; 5 ms and 4096 bytes at 50 MB/s after; one failover between the two."""
    evidence = Evidence()
    with scene("row-59", kernel) as cluster:
        counts = [run_to(cluster, at_s)["A"].pages_in for at_s in (2, 4, 6, 10)]
        as_expected(cluster, evidence)
        stall_s = cluster["A"].stalled_ns / 1e9
    before_s = 0.002 + formulas.wire_s(RPC + PACKET) + formulas.wire_s(4096 + RPC + 3 * PACKET)
    after_s = 0.005 + 4096 / 50e6
    evidence.near("a read before, ms", round(1e3 * before_s, 3), 2000 / (counts[1] - counts[0]), within=0.01)
    evidence.near("a read after, ms", round(1e3 * after_s, 3), 4000 / (counts[3] - counts[2]), within=0.01)
    evidence.near("the stall between, s", FAILOVER_S + after_s, stall_s, within=before_s)
    with scene("row-59", kernel, set={"machines.A.swap.backup": "none"}) as cluster:
        at_loss = run_to(cluster, 4.1)["A"].pages_in
        evidence.equal("pages read after it without a copy", 0, cluster.run()["A"].pages_in - at_loss)
    return evidence
