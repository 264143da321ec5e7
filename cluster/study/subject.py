"""The machine that is asked about, and one run that answers: does it outlive this outage of its swap server, and this traffic?"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from time import process_time
from typing import Final, NamedTuple

from netswap.cluster.judge.state import State
from netswap.cluster.judge.verdict import BAD, Judgement, Verdict, judge
from netswap.cluster.lab.cluster import Cluster, open_scenario
from netswap.cluster.scenario import Problem, Scenario, ScenarioError, cost, load
from netswap.cluster.scenario.models import Machine
from netswap.cluster.scenario.overrides import Override
from netswap.cluster.scenario.resolve import cast_of, flood_address, servers_of
from netswap.cluster.study.lulls import Lulls
from netswap.protocol.units import milliseconds, seconds

OUTAGE_AT_S: Final = 2
FLOOD_AT_S: Final = 2
"""Traffic begins this far into the outage, or in the middle of a shorter one: after a while without it a service is cold."""
LATER_S: Final = 30
"""After an outage a run goes on for this and as long again as the outage: then TCP has tried again at least once."""
STEP_S: Final = 1
STEP_MIN_NS: Final = milliseconds(5)
STEP_MAX_NS: Final = milliseconds(250)
LOOK_WORK_S: Final = 0.25
"""Work between two looks while traffic comes, about."""
SETTLED_S: Final = 5
SETTLED_FRAMES: Final = 400_000
"""After the outage, or received since it went on, before a machine is said to have outlived it: whichever comes first."""
TRAFFIC_FRAMES: Final = 1_000_000
"""Frames received before a machine is said to have outlived its traffic, where there is no outage that could harm it."""
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
    serves_itself: bool
    """Whether it keeps its own pages in a process."""
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

    def begins_ns(self, outage_s: int) -> int:
        """When traffic begins."""
        return seconds(OUTAGE_AT_S) + min(seconds(FLOOD_AT_S), outage_s * seconds(1) // 2)

    def senders(self, scenario: Scenario) -> list[str]:
        """The machines of the floods, if all their floods are among these, and none is a recording; otherwise none."""
        found = list(dict.fromkeys(name for name, _ in self.floods))
        sent = [
            (name, place, program.flood)
            for name in found
            for place, program in enumerate(scenario.words.machines[name].programs)
            if program.flood is not None
        ]
        own = all((name, place) in self.floods and flood.pcap is None for name, place, flood in sent)
        return found if own else []

    def _traffic(self, outage_s: int, traffic: Traffic) -> Iterator[str]:
        begins_ms = self.begins_ns(outage_s) // milliseconds(1)
        for name, place in self.floods:
            key = f"machines.{name}.programs.{place}.flood"
            yield f"{key}.from={'10000h' if traffic is Traffic.IDLE else f'{begins_ms}ms'}"
            if traffic is Traffic.LINE:
                yield f"{key}.rate={max(1, self.line_bps // len(self.floods))}bit/s"
        if traffic is Traffic.LINE:
            for name in dict.fromkeys(name for name, _ in self.floods):
                yield f"machines.{name}.nic.rate={self.line_bps}bit/s"


class Job(NamedTuple):
    """One run, in whatever process, which gives up after `limit_s` of work (`cost.reckoned_s`), the same on every computer."""

    subject: Subject
    outage_s: int
    traffic: Traffic
    limit_s: float
    more: tuple[Override, ...] = ()
    """Overrides beyond those of the outage and the traffic."""


class Outcome(NamedTuple):
    """What became of the machine. Times in ns of virtual time; `cut`: its share was over before anything was decided.

    `cpu_s` is what it took here, `work_s` what it is reckoned at, in seconds: the same on every computer.
    """

    verdict: str
    stalled_ns: int
    after_ns: int | None
    at_ns: int
    stop_ns: int
    cpu_s: float
    work_s: float
    cut: bool
    left_out_ns: int = 0
    """How long traffic stood still where it would have changed nothing."""

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
    return Subject(scenario, overrides, name, others, bool(servers) and not others, floods, _line_bps(loaded, words))


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
    """Run until the verdict is known, the scenario's end has come, or the run's share of work is done.

    Traffic that changes nothing is left out: see `lulls`.
    """
    began_s = process_time()
    scenario = load(job.subject.scenario, overrides=[*job.subject.settings(job.outage_s, job.traffic), *job.more])
    with open_scenario(scenario) as cluster:
        asked = _Asked(cluster, scenario, job)
        cut = False
        while not asked.is_over() and not cut:
            asked.go_on()
            cut = asked.work_s > job.limit_s and not asked.is_over()
        view = asked.worst
        return Outcome(
            str(view.verdict),
            view.stalled_ns or 0,
            view.recovered_after_ns,
            cluster.now_ns,
            asked.stop_ns,
            process_time() - began_s,
            asked.work_s,
            cut,
            asked.lulls.left_out_ns,
        )


class _Asked:
    """A run under way, looked at every `STEP_S`, and as long as traffic comes after about `LOOK_WORK_S` of work."""

    def __init__(self, cluster: Cluster, scenario: Scenario, job: Job) -> None:
        subject, cast = job.subject, cast_of(scenario.words)
        self.stop_ns = scenario.resolved().stop_ns
        self.work_s = 0.0
        self._cluster = cluster
        self._stall_after_ns = scenario.resolved().stall_after_ns
        self._members = [cast.names[at] for at in cast.indexes(subject.machine)]
        servers = [cast.names[at] for name in subject.servers for at in cast.indexes(name)]
        self._heals_ns = seconds(OUTAGE_AT_S + job.outage_s)
        self._settled = SETTLED_FRAMES if job.outage_s else TRAFFIC_FRAMES
        self._floods_ns = self.stop_ns if job.traffic is Traffic.IDLE else subject.begins_ns(job.outage_s)
        senders = [] if job.traffic is Traffic.IDLE else subject.senders(scenario)
        freeze = (lambda: cluster.freeze(senders, "flood").heal) if senders else None
        self.lulls = Lulls(self._members, servers, self._heals_ns, freeze)
        self._step_ns = STEP_MIN_NS
        self._well_at: int | None = None
        """Frames that had come when it was seen to be well again."""
        self.worst = self._worst(cluster.state())

    def is_over(self) -> bool:
        """Whether the end has come, or the verdict is known."""
        if self._cluster.now_ns >= self.stop_ns or self.worst.verdict in BAD:
            return True
        if self._well_at is None:
            return False
        return (
            self._cluster.now_ns >= self._heals_ns + seconds(SETTLED_S)
            or self._delivered() - self._well_at >= self._settled
        )

    def go_on(self) -> None:
        """Run to the next look, or past a lull."""
        cluster = self._cluster
        lull_ns = self.lulls.look(cluster.state()) if cluster.now_ns > self._floods_ns else 0
        cluster.run_to(min(self.stop_ns, lull_ns or self._next_look_ns()))
        state, before_s = cluster.state(), self.work_s
        self.work_s = _work_s(cluster)
        spent_s = self.work_s - before_s
        if spent_s > 2 * LOOK_WORK_S:
            self._step_ns = max(STEP_MIN_NS, self._step_ns // 2)
        elif spent_s < LOOK_WORK_S and not lull_ns:
            self._step_ns = min(STEP_MAX_NS, self._step_ns * 2)
        self.worst = self._worst(state)
        if cluster.now_ns < self._heals_ns or self.worst.verdict not in _GOOD:
            self._well_at = None
        elif self._well_at is None:
            self._well_at = self._delivered()

    def _next_look_ns(self) -> int:
        now_ns = self._cluster.now_ns
        if now_ns < self._floods_ns:
            return min(now_ns + seconds(STEP_S), self._floods_ns)
        return now_ns + self._step_ns

    def _delivered(self) -> int:
        return sum(one.counters["delivered"] for one in self._cluster.state().machines if one.name in self._members)

    def _worst(self, state: State) -> Judgement:
        judged = judge(self.lulls.without(state), self._stall_after_ns)
        return min((judged[name] for name in self._members), key=lambda one: _ORDER.index(one.verdict))


def _work_s(cluster: Cluster) -> float:
    state, frames = cluster.state(), cluster.frames()
    return cost.reckoned_s(frames["sent"], frames["delivered"], state.windows, len(state.machines))
