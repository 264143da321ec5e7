"""Rows 49, 50, 52 and 68: what becomes of the swap when a process of user space stands in its way."""

from typing import Any, Final

from netswap.actors.kernels.kernel import Kernel
from netswap.cluster.claims.claim import ERA_2_6_22, ERA_6_1, ERA_6_11, EVERY, NEWER, Evidence, row
from netswap.cluster.claims.scenes import as_expected, scene

EXEMPT: Final = "exempt-daemons"
KERNEL_PART: Final = {ERA_2_6_22: "reserve", ERA_6_1: "merged", ERA_6_11: "merged"}
"""The policy that gets the kernel's part right."""


STEPS: Final = {ERA_2_6_22: 10, ERA_6_1: 16, ERA_6_11: 16}
"""Steps of ranks, only the last of which swap: the reserve of 2007 is memory that the ranks have not got."""
BOTH_ENDS: Final = ("A", "B")


def _direct(place: int) -> dict[str, Any]:
    """No proxy: in its place on A is something that does nothing."""
    return {"machines.A.swap.via": "none", f"machines.A.programs.{place}": {"heartbeat": {"every": "1h"}}}


@row(
    49,
    "A proxy or server that can be swapped out or throttled deadlocks although the kernel's part is right; locked and exempt "
    "it does not",
    "Phillips, 200709181140.58256.phillips@phunq.net; Verhelst, 20070918081111.GA4847@country.grep.be; nbd-client(8)",
    eras=EVERY,
)
def locked_and_exempt(kernel: Kernel) -> Evidence:
    """Unlocked, its pages leave, and come back only through itself. Not exempt, it waits for memory that it alone can free.

    The requests that the kernel leaves with it (up to 128 of 1.5 pages) take more than min and high are apart (64). In
    2.6.22 with the reserve they are 20, bounded, and that is less: so there it is without the reserve that it matters.
    """
    evidence = Evidence()
    right = KERNEL_PART[kernel.name]
    policies = (right, "none") if kernel.name == ERA_2_6_22 else (right,)
    for policy in policies:
        bounded = policy == "reserve"
        for exempt in (False, True):
            for lock in (False, True):
                on = [policy] if policy != "none" else []
                steps = STEPS[kernel.name] if bounded else 16
                keys = {"machines.A.programs.1.proxy.lock": lock, "machines.A.programs.0.rank.steps": steps}
                with scene("row-68", kernel, safeguards=[*on, *([EXEMPT] if exempt else [])], set=keys) as cluster:
                    well = lock and (exempt or bounded)
                    name = f"{policy}, {'locked' if lock else 'swappable'}, {'exempt' if exempt else 'throttled'}"
                    evidence.equal(name, "healthy" if well else "wedged", str(cluster.run()["A"].verdict))
    return _mutual(kernel, evidence)


def _mutual(kernel: Kernel, evidence: Evidence) -> Evidence:
    """Two machines that swap to each other: a page of one's server is on the other, whose server's page is on the one."""
    steps = {f"machines.{name}.programs.0.rank.steps": STEPS[kernel.name] for name in BOTH_ENDS}
    policy = [KERNEL_PART[kernel.name], EXEMPT]
    for lock in (False, True):
        keys = steps | {f"machines.{name}.programs.1.swap-server.lock": lock for name in BOTH_ENDS}
        with scene("row-49", kernel, safeguards=policy, set=keys) as cluster:
            seen = [str(cluster.run()[name].verdict) for name in BOTH_ENDS]
            predicted = "healthy" if lock else "wedged"
            evidence.equal(f"servers {'locked' if lock else 'swappable'}", [predicted] * 2, seen)
    return evidence


@row(
    50,
    "A proxy's socket on the wire is not marked: replies are dropped at demux, and the deadlock returns",
    "nbd-client(8); Machek, 20091025063040.GB1480@ucw.cz",
    eras=EVERY,
)
def unmarked(kernel: Kernel) -> Evidence:
    """Although the proxy is locked and exempt. The same machine without it recovers, and so does it without a flood."""
    policy = [KERNEL_PART[kernel.name], "rx-head", EXEMPT]
    evidence = Evidence()
    with scene("row-50", kernel, safeguards=policy) as cluster:
        as_expected(cluster, evidence)
        waits = cluster["A"].waits_for("a receive buffer that is not from the reserve")
        evidence.equal("waits for an ordinary buffer", True, waits)
    for name, keys in (("without the proxy", _direct(2)), ("without a flood", {"machines.B.programs": []})):
        with scene("row-50", kernel, safeguards=policy, set=keys, stop="14s", expect=[]) as cluster:
            evidence.equal(name, "recovered", str(cluster.run()["A"].verdict))
    return evidence


@row(
    52,
    "A limit on requests under way does not cure a deadlock that the dirty limit of a helper makes; exempting the helper does; "
    "since 3.2 there is none, as the helper's own disk is clean",
    "Snitzer, 170fa0d20709172027g3b83d606 (mail.gmail.com); Phillips, 200709181140.58256.phillips@phunq.net; "
    "balance_dirty_pages in mm/page-writeback.c",
    eras=EVERY,
)
def dirty_limit(kernel: Kernel) -> Evidence:
    """Each machine's writer dirties up to the limit, so each machine's server is above it, and only the other can clean.

    A server that may go on where its own device is clean cleans for the other.
    """
    evidence = Evidence()
    if not kernel.writers_write:
        with scene("row-52", kernel, stop="3s", expect=[]) as cluster:
            run = cluster.run()
            for name in BOTH_ENDS:
                evidence.equal(f"since 3.2: {name}", "healthy", str(run[name].verdict))
        return evidence
    for in_flight in (128, 10):
        keys = {f"machines.{name}.swap.in_flight": in_flight for name in BOTH_ENDS}
        with scene("row-52", kernel, set=keys) as cluster:
            as_expected(cluster, evidence)
            for name in BOTH_ENDS:
                node = cluster.waits().nodes[f"{name}/dirty limit"]["quantities"]
                evidence.at_least(f"{in_flight}: {name} has dirty", node["limit"] - in_flight, node["dirty"])
            at_most = cluster.waits().nodes["A/page-outs"]["quantities"]["under_way"]
            evidence.at_most(f"{in_flight}: under way", in_flight, at_most)
    with scene("row-52", kernel, safeguards=[EXEMPT], stop="1500ms", expect=[]) as cluster:
        evidence.equal("128, and exempt", "healthy", str(cluster.run()["A"].verdict))
    return evidence


@row(
    68,
    "Swap through a proxy wedges without any flood: its own allocations reclaim; locked memory does not help",
    "seen on Linux 6.1; nbd-client(8)",
    eras=NEWER,
)
def own_allocations(kernel: Kernel) -> Evidence:
    """What the kernel leaves with the proxy takes memory below min; the proxy may not. Without it the rank gets to its end."""
    evidence = Evidence()
    for lock in (False, True):
        with scene("row-68", kernel, set={"machines.A.programs.1.proxy.lock": lock}) as cluster:
            as_expected(cluster, evidence)
            evidence.equal(f"lock {lock}: frames dropped", 0, sum(cluster["A"].dropped.values()))
            waits = cluster["A"].waits_for("a free page for what it sends")
            evidence.equal(f"lock {lock}: the proxy waits for memory", True, waits)
    with scene("row-68", kernel, set=_direct(1), expect=[]) as cluster:
        evidence.equal("without the proxy", "healthy", str(cluster.run()["A"].verdict))
    return evidence
