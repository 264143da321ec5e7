"""Rows 28 and 66: when the OOM killer comes, when it does not, and when it comes in vain."""

from math import ceil
from typing import Final

from netswap.actors.kernels.kernel import Kernel
from netswap.cluster.claims import formulas
from netswap.cluster.claims.claim import ERA_2_6_22, EVERY, Evidence, row
from netswap.cluster.claims.scenes import run_to, scene

SMALL_MIB: Final = 16
"""A's memory in both scenarios."""
SLOTS: Final = 16
SERVICE_PAGES: Final = 64
HEARTBEAT_PAGES: Final = 4
POOL: Final = 400
"""Pages of row 66's reserve."""
FRUITLESS_SCANS: Final = 6
SCANNERS: Final = 2
"""kswapd, and the rank in direct reclaim."""
SCANS: Final = 2
"""How often an attempt looks at everything: 1 + 1/2 + 1/4 + ..., by priorities 0 to 12."""
ATTEMPT_S: Final = 10 * 0.1
AWAY_S: Final = 15


@row(
    28,
    "Direct reclaim without progress takes a second, and kills once all is unreclaimable; asleep for a slot it never does",
    "mm/page_alloc.c, mm/vmscan.c",
)
def in_vain(kernel: Kernel) -> Evidence:
    """Without a swap nothing can leave; with one whose server is away everything could, and everybody sleeps."""
    evidence = Evidence()
    attempts = ceil(FRUITLESS_SCANS / (SCANNERS * SCANS))
    with scene("row-28", kernel, set={"machines.A.swap": "none"}) as cluster:
        a = cluster.run()["A"]
        evidence.equal("no swap", "oom-killed", str(a.verdict))
        stood_s = (a.programs["rank 0"]["killed_ns"] - a.stalled_at_ns) / 1e9
        evidence.at_least("no swap: seconds in direct reclaim", ATTEMPT_S, stood_s)
        evidence.at_most("no swap: attempts of a second", attempts, stood_s / ATTEMPT_S)
    with scene("row-28", kernel) as cluster:
        asleep = run_to(cluster, AWAY_S)["A"].waits_for("kswapd waits for a request slot")
        evidence.equal("server away: asleep for a slot", True, asleep)
        a = cluster.run()["A"]
        evidence.equal("server away: kills", 0, a.oom_kills)
        evidence.equal("server away, and back", "recovered", str(a.verdict))
    return evidence


@row(
    66,
    "In the true deadlock nobody is killed; with unbounded sockets the largest program is, for nothing, then their owner",
    "the same on an unmodified Linux 6.1; mm/oom_kill.c",
    eras=EVERY,
)
def kills(kernel: Kernel) -> Evidence:
    """In 2007 the victim has to read a page from C before it dies: with a reserve it can; without, no other program is killed."""
    evidence = _silent(kernel)
    helps = "reserve" if kernel.name == ERA_2_6_22 else "none"
    with scene("row-66", kernel, safeguards=helps) as cluster:
        a = cluster.run()["A"]
        rank, service, heartbeat = (a.programs[name] for name in ("rank 0", "service 0", "heartbeat 0"))
        evidence.equal(f"{helps}: killed and died", (2, 2), (a.oom_kills, a.oom_deaths))
        evidence.equal(f"{helps}: the rank first", True, rank["killed_ns"] < service["killed_ns"])
        evidence.at_most(f"{helps}: pages free by the rank's death", SLOTS, rank["freed_pages"])
        # All that is above min, boosted or not, but for the pages of others and for what requests and routes take, a page each.
        least = formulas.pages(SMALL_MIB) - _floor(kernel, helps) - SERVICE_PAGES - HEARTBEAT_PAGES - SLOTS
        evidence.at_least(f"{helps}: pages free by the service's death", least, service["freed_pages"])
        evidence.equal(f"{helps}: the heartbeat goes on", None, heartbeat["stalled_since_ns"])
        evidence.equal(f"{helps}: lost pages", 0, a.lost_pages)
    if kernel.name == ERA_2_6_22:
        with scene("row-66", kernel, safeguards="none") as cluster:
            a = cluster.run()["A"]
            evidence.equal("none: killed and died", (1, 0), (a.oom_kills, a.oom_deaths))
            evidence.equal("none: the victim waits for C", True, a.waits_for("cannot die before that"))
            evidence.equal("none", "wedged", str(a.verdict))
    return evidence


def _silent(kernel: Kernel) -> Evidence:
    """C is away while a rank takes all memory down to min: it and kswapd sleep behind the page-outs, for good."""
    evidence = Evidence()
    with scene("row-62", kernel, safeguards="merged" if kernel.name != ERA_2_6_22 else "none") as cluster:
        a = cluster.run()["A"]
        evidence.equal("deadlock", "wedged", str(a.verdict))
        evidence.equal("deadlock: kills", 0, a.oom_kills)
        evidence.equal("deadlock: kswapd sleeps", True, a.waits_for("kswapd waits for a request slot"))
        if kernel.name != ERA_2_6_22:
            waiting = cluster.waits().nodes["A/free page"]["quantities"]
            evidence.equal("deadlock: all who wait sleep", waiting["waiters"], waiting["asleep"])
    return evidence


def _floor(kernel: Kernel, safeguards: str) -> int:
    """How far down user space may go: min, and the pool where there is one; min is boosted in 6.x."""
    memory = formulas.pages(SMALL_MIB)
    minimum = formulas.min_free_kib(memory, 262_144) // 4
    if kernel.name == ERA_2_6_22:
        return minimum + (POOL if safeguards == "reserve" else 0)
    return minimum + formulas.boost_pages(memory, formulas.watermarks_6_11(minimum, memory)[2])
