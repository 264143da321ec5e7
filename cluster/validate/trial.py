"""One run of a cell, looked at every half second as the experiment looked at the real machine."""

from dataclasses import dataclass
from typing import Final

from netswap.cluster.lab.cluster import Cluster, open_scenario
from netswap.cluster.scenario import load
from netswap.cluster.validate import mapping
from netswap.cluster.validate.cells import Cell
from netswap.cluster.validate.verdicts import SLOT_S, STEADY_SLOTS, judged, steady_from
from netswap.protocol.units import seconds

_SLOT_NS: Final = seconds(SLOT_S)


@dataclass(frozen=True, slots=True)
class Job:
    """A cell to be run with a seed. Picklable."""

    cell: Cell
    seed: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of a run."""

    seed: int
    verdict: str
    recovered_s: float | None
    """From the heal to the end of the first of the half seconds in which the heartbeat is steady, which is when a look at the
    beats since the last look can tell; None if it never is."""
    free_before: int
    """Free pages at the fault."""
    free_min: int
    pages_per_s: float
    """To and from the swap, from the heal on while it was watched."""
    oom_kills: int
    demux_drops: int
    retransmissions: int
    digest: str


def run(job: Job) -> Seen:
    """Run it until the heartbeat is steady again, or to the end of the watch. Raises ScenarioError."""
    said = mapping.scenario(job.cell, seed=job.seed)
    with open_scenario(load(said.text())) as cluster:
        cluster.run_to(seconds(said.heal_s - job.cell.number("partition_s")))
        free_before = _counters(cluster)["free_pages"]
        cluster.run_to(seconds(said.heal_s))
        moved = _moved(cluster)
        beats = _beats_until_steady(cluster, seconds(said.flood_end_s))
        counters = _counters(cluster)
        watched_s = (cluster.now_ns - seconds(said.heal_s)) / seconds(1)
        per_s = (_moved(cluster) - moved) / watched_s
        steady = steady_from(beats)
        return Seen(
            seed=job.seed,
            verdict=judged(steady, per_s, killed=counters["oom_kills"] > 0, fault=said.fault),
            recovered_s=None if steady is None else (steady + 1) * SLOT_S,
            free_before=free_before,
            free_min=counters["free_pages_min"],
            pages_per_s=round(per_s, 1),
            oom_kills=counters["oom_kills"],
            demux_drops=cluster.state().machines[0].dropped["demux"],
            retransmissions=counters["retransmissions"],
            digest=cluster.digest(),
        )


def _beats_until_steady(cluster: Cluster, end_ns: int) -> list[int]:
    """Beats in each half second from now on, until they are steady; those that began before the end may become so after it."""
    beats: list[int] = []
    count = _beat_count(cluster)
    while steady_from(beats) is None and cluster.now_ns < end_ns + (STEADY_SLOTS - 1) * _SLOT_NS:
        if cluster.now_ns >= end_ns and not beats[-1]:
            break
        cluster.run_for(_SLOT_NS)
        before, count = count, _beat_count(cluster)
        beats.append(count - before)
    return beats


def _beat_count(cluster: Cluster) -> int:
    return next(one.progress for one in cluster.state().machines[0].programs if one.name == "heartbeat 0")


def _moved(cluster: Cluster) -> int:
    counters = _counters(cluster)
    return counters["pages_in"] + counters["pages_out"]


def _counters(cluster: Cluster) -> dict[str, int]:
    return cluster.state().machines[0].counters
