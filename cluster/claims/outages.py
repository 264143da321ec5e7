"""When A is back after an outage of its swap server, and when its transport's grid of time-outs says that it is."""

from collections.abc import Callable

from netswap.actors.kernels.kernel import Kernel
from netswap.cluster.claims import formulas
from netswap.cluster.claims.scenes import inline_machine, scene
from netswap.cluster.claims.streams import rto_s
from netswap.cluster.lab.cluster import Cluster
from netswap.protocol.units import milliseconds, seconds

_A, _C = 0, 2
_CUT_S = 2


def times_of_nfs(cluster: Cluster) -> list[float]:
    """When a request is sent again, from its first transmission on: whatever has been measured."""
    return formulas.nfs_times_s(20)


def times_of_tcp(cluster: Cluster) -> list[float]:
    """When one of both ends of A's connection to C sends again, by the round trips that it has measured: each may be lost."""
    ends = [next(iter(inline_machine(cluster, index).tcp.connections.values())) for index in (_A, _C)]
    return sorted(at_s for end in ends if end.sender.flight for at_s in formulas.tcp_times_s(rto_s(end)))


def next_and_recovered_s(
    kernel: Kernel, transport: str, outage_s: float, times: Callable[[Cluster], list[float]]
) -> tuple[float, float]:
    """How long after the heal the next transmission is due, by the times of all, and how long after it A gets on."""
    timeline = [{"at": f"{_CUT_S}s", "partition": ["C"], "for": f"{outage_s}s"}]
    keys = {"machines.A.swap.transport": transport}
    with scene("row-02", kernel, timeline=timeline, stop="300s", set=keys) as cluster:
        # What was under way at the cut has come, and no time-out is over.
        cluster.run_to(seconds(_CUT_S) + milliseconds(50))
        next_s = next(at_s for at_s in times(cluster) if at_s > outage_s) - outage_s
        cluster.run_to(seconds(_CUT_S) + round((outage_s + next_s + 2) * seconds(1)))
        return next_s, recovered_s(cluster)


def recovered_s(cluster: Cluster) -> float:
    """How long after the heal A gets on; 1000 if it has not yet."""
    return (cluster["A"].recovered_after_ns or seconds(1000)) / 1e9
