"""The machine that is asked about, and one run that answers: does it outlive this outage of its swap server, and this traffic?"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from time import process_time
from typing import Final, NamedTuple

from netswap.cluster.judge.verdict import BAD, Verdict
from netswap.cluster.judge.views import MachineView
from netswap.cluster.lab import Cluster, open_scenario
from netswap.cluster.scenario import Problem, Scenario, ScenarioError, load
from netswap.cluster.scenario.models import Machine
from netswap.cluster.scenario.resolve import cast_of, flood_address, servers_of
from netswap.protocol.units import seconds

OUTAGE_AT_S: Final = 2
FLOOD_AT_S: Final = 2
"""Traffic begins so long into the outage, or in the middle of a shorter one: after a while without it a service is cold."""
LATER_S: Final = 30
"""After an outage a run goes on for this and as long again as the outage: then TCP has tried again at least once."""
STEP_S: Final = 1
SETTLED_S: Final = 5
"""After the outage, before a machine is said to have outlived it."""
_GOOD: Final = (Verdict.RECOVERED, Verdict.SLOW, Verdict.HEALTHY, Verdict.FINISHED)
_ORDER: Final = list(Verdict)


class Traffic(StrEnum):
    """What other machines send to the one that is asked about."""

    IDLE = "idle"
    OWN = "its traffic as the file has it"
    LINE = "its traffic at line rate"


@dataclass(frozen=True, slots=True)
class Subject:
    """A machine of a scenario; its swap servers but for itself, and the floods that go to it, as (machine, program's place)."""

    scenario: str
    overrides: tuple[str, ...]
    machine: str
    servers: tuple[str, ...]
    swaps: bool
    floods: tuple[tuple[str, int], ...]
    line_bps: int

    def settings(self, outage_s: int, traffic: Traffic) -> tuple[str, ...]:
        """Overrides for one run; no outage for 0 seconds, or without a server that could be away."""
        away = f"[{{at: {OUTAGE_AT_S}s, partition: [{', '.join(self.servers)}], for: {outage_s}s}}]"
        timeline = away if outage_s and self.servers else "[]"
        stop = OUTAGE_AT_S + 2 * outage_s + LATER_S
        return (
            *self.overrides,
            f"timeline={timeline}",
            f"stop={stop}s",
            "expect=[]",
            *self._traffic(outage_s, traffic),
        )

    def _traffic(self, outage_s: int, traffic: Traffic) -> Iterator[str]:
        begins_ms = OUTAGE_AT_S * 1000 + min(FLOOD_AT_S * 1000, outage_s * 500)
        for name, place in self.floods:
            key = f"machines.{name}.programs.{place}.flood"
            yield f"{key}.from={'10000h' if traffic is Traffic.IDLE else f'{begins_ms}ms'}"
            if traffic is Traffic.LINE:
                yield f"{key}.rate={max(1, self.line_bps // len(self.floods))}bit/s"
        if traffic is Traffic.LINE:
            for name in dict.fromkeys(name for name, _ in self.floods):
                yield f"machines.{name}.nic.rate={self.line_bps}bit/s"


class Job(NamedTuple):
    """One run, in whatever process, which gives up after so much CPU time."""

    subject: Subject
    outage_s: int
    traffic: Traffic
    limit_s: float
    more: tuple[str, ...] = ()
    """Overrides beyond those of the outage and the traffic."""


class Outcome(NamedTuple):
    """What became of the machine. Times in ns of virtual time; `cut`: the CPU time was over before anything was decided."""

    verdict: str
    stalled_ns: int
    after_ns: int | None
    at_ns: int
    stop_ns: int
    cpu_s: float
    cut: bool

    @property
    def ill(self) -> bool:
        """Whether it is wedged, livelocked or killed."""
        return self.verdict in BAD

    @property
    def well(self) -> bool:
        """Whether it is known to have outlived the outage."""
        return self.verdict in _GOOD and not self.cut


def subject_of(scenario: str, overrides: tuple[str, ...], machine: str | None = None) -> Subject:
    """The machine that is asked about: the one that is named, else the first that swaps, else the first. Raises ScenarioError."""
    loaded = load(scenario, overrides=overrides)
    machines = loaded.words.machines
    if machine is not None and machine not in machines:
        what = f'there is no machine "{machine[:60]}"'
        raise ScenarioError([Problem("--machine", 1, 1, what, f"name one of {', '.join(list(machines)[:10])}")])
    name = machine or next((one for one, words in machines.items() if words.swap is not None), next(iter(machines)))
    words = machines[name]
    cast = cast_of(loaded.words)
    servers = [] if words.swap is None else [cast.written_of(cast.names[at]) for at in servers_of(words.swap, cast)]
    others = tuple(one for one in dict.fromkeys(servers) if one != name)
    floods = tuple(_floods_to(loaded, name))
    return Subject(scenario, overrides, name, others, words.swap is not None, floods, _line_bps(loaded, words))


def _floods_to(loaded: Scenario, name: str) -> Iterator[tuple[str, int]]:
    cast = cast_of(loaded.words)
    for source, machine in loaded.words.machines.items():
        for place, program in enumerate(machine.programs):
            if program.flood is not None and cast.written_of(flood_address(program.flood)[0]) == name:
                yield source, place


def _line_bps(loaded: Scenario, machine: Machine) -> int:
    """What can reach the machine: its card's rate, or that of its links or its switch port where they are slower."""
    network = loaded.words.network
    port = network.port.bandwidth if network.port is not None else None
    return min(rate for rate in (machine.nic.rate, network.bandwidth, port) if rate is not None)


def outlived(job: Job) -> Outcome:
    """Run until the verdict is known, the scenario's end has come, or the CPU time is over."""
    began_s = process_time()
    scenario = load(job.subject.scenario, overrides=[*job.subject.settings(job.outage_s, job.traffic), *job.more])
    stop_ns = scenario.resolved().stop_ns
    decided_ns = seconds(OUTAGE_AT_S + job.outage_s + SETTLED_S)
    cut = False
    with open_scenario(scenario) as cluster:
        members = [cast_of(scenario.words).names[at] for at in cast_of(scenario.words).indexes(job.subject.machine)]
        while cluster.now_ns < stop_ns and not cut:
            cluster.run_for(min(seconds(STEP_S), stop_ns - cluster.now_ns))
            if cluster.now_ns >= decided_ns and _worst(cluster, members).verdict in (*BAD, *_GOOD):
                break
            cut = process_time() - began_s > job.limit_s and cluster.now_ns < stop_ns
        view = _worst(cluster, members)
        cpu_s = process_time() - began_s
        return Outcome(
            str(view.verdict), view.stalled_ns or 0, view.recovered_after_ns, cluster.now_ns, stop_ns, cpu_s, cut
        )


def _worst(cluster: Cluster, members: list[str]) -> MachineView:
    views = cluster.views()
    return min((views[name] for name in members), key=lambda view: _ORDER.index(view.verdict))
