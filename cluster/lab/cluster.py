"""A cluster to hold in one's hands: what tests and notebooks work with.

    from netswap import open_cluster, seconds

    with open_cluster("configs/three-machines.yaml", safeguards="reserve", timeline=[]) as cluster:
        cluster.run_for(seconds(5))
        with cluster.partition({"C"}):
            cluster.run_for(seconds(10))
        cluster.run_for(seconds(45))
        print(cluster["A"].verdict)

Faults are verbs. Each returns what ends it: a context manager, or something to call `heal()` on.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import networkx

from netswap.actors.programs.task import ProgramError
from netswap.actors.trace import Trace
from netswap.cluster.engine import results
from netswap.cluster.engine.engine import EXCHANGES, Engine
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.engine.results import Outcome, Result
from netswap.cluster.judge import expectations
from netswap.cluster.judge.digest import digest, first_difference
from netswap.cluster.judge.state import State
from netswap.cluster.judge.verdict import judge, wait_graph
from netswap.cluster.judge.views import MachineView
from netswap.cluster.record import store
from netswap.cluster.record.plan import Plan
from netswap.cluster.record.record import Record
from netswap.cluster.scenario import Scenario, load
from netswap.cluster.scenario.resolve import cast_of
from netswap.cluster.show import html
from netswap.protocol.frame import KIND_NAMES
from netswap.protocol.units import PARTS_PER_MILLION, milliseconds

Condition = str | Callable[["Cluster"], bool]
Names = str | Iterable[str]


class Undo:
    """A fault that is in force; `heal()` it, or use it as a context manager."""

    def __init__(self, end: Callable[[], None]) -> None:
        self._end: Callable[[], None] | None = end

    def heal(self) -> None:
        """End the fault now; a second time does nothing."""
        end, self._end = self._end, None
        if end is not None:
            end()

    mend = release = restart = resume = heal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.heal()


class Cluster:
    """A scenario under way. Times in whole ns, names as in the scenario; a counted NAME means all of them."""

    def __init__(self, scenario: Scenario, engine: Engine) -> None:
        self.scenario = scenario
        self.engine = engine
        self._resolved = scenario.resolved()
        self._cast = cast_of(scenario.words)
        self._names = self._cast.names
        self._seen: tuple[Any, State] | None = None
        self._begun: list[tuple[str, int, Undo]] = []

    # -- time -------------------------------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """The cluster's clock."""
        return self.engine.now_ns

    def run_for(self, duration_ns: int) -> Self:
        """Advance every machine by `duration_ns`; stops before the events of that moment."""
        return self.run_to(self.now_ns + duration_ns)

    def run_to(self, time_ns: int) -> Self:
        """Advance every machine to a time."""
        if time_ns < self.now_ns:
            raise ValueError(f"cannot run back to {time_ns} ns; it is {self.now_ns} ns")
        self._seen = None
        try:
            self.engine.run(time_ns)
        except ProgramError as error:
            raise self.scenario.located(error) from error
        return self

    def run(self) -> Self:
        """Advance to the scenario's `stop`."""
        return self.run_to(max(self.now_ns, self._resolved.stop_ns))

    def run_until(self, condition: Condition, *, within: int | None = None, every: int = milliseconds(10)) -> bool:
        """Advance until a condition holds, looking every `every` ns; False if it does not hold within `within` ns.

        A condition is a text (`"A is wedged"`, `"A.free_pages < 300"`) or a function of the cluster. Without `within`
        the scenario's `stop` is the end.
        """
        if every < 1:
            raise ValueError(f"cannot look every {every} ns: time has to pass between two looks")
        end = self._resolved.stop_ns if within is None else self.now_ns + within
        holds = self._condition(condition)
        while not holds(self):
            if self.now_ns >= end:
                return False
            self.run_to(min(end, self.now_ns + every))
        return True

    # -- faults -----------------------------------------------------------------------------------------------------

    def partition(self, *groups: Names) -> Undo:
        """Keep groups of machines apart; those that are not named are a group too."""
        lists = [self._indexes(group) for group in groups]
        named = [index for group in lists for index in group]
        if len(named) != len(set(named)):
            raise ValueError("a machine is in two groups: put each into one")
        rest = [index for index in range(len(self._names)) if index not in named]
        lists += [rest] if rest else []
        if len(lists) < 2:
            raise ValueError("nobody is on the other side: leave a machine out, or name several groups")
        return self._begin("partition", {"groups": lists})

    def cut(self, source: Names, to: Names) -> Undo:
        """Lose all that goes in this direction."""
        return self._begin("cut", self._ends(source, to))

    def hold(self, source: Names, to: Names, *, only: str | None = None) -> Undo:
        """Keep back what goes in this direction, or only one kind of it; released in order."""
        if only is not None and only not in KIND_NAMES.values():
            raise ValueError(f"there is no kind of packet {only!r}, only {', '.join(KIND_NAMES.values())}")
        return self._begin("hold", {**self._ends(source, to), "only": only})

    def slow(
        self,
        source: Names,
        to: Names,
        *,
        latency: int | None = None,
        jitter: int | None = None,
        bandwidth: int | None = None,
    ) -> Undo:
        """Change a direction's latency and jitter (ns) or bandwidth (bit/s); latency not below the lookahead."""
        change = {"latency_ns": latency, "jitter_ns": jitter, "bandwidth_bps": bandwidth}
        if latency is jitter is bandwidth is None:
            raise ValueError("this changes nothing: add latency, jitter or bandwidth")
        if (jitter is not None and jitter < 0) or (bandwidth is not None and bandwidth < 1):
            raise ValueError(
                f"jitter {jitter} ns, bandwidth {bandwidth} bit/s: jitter is 0 or more, bandwidth 1 or more"
            )
        least = self._resolved.network.lookahead_ns
        if latency is not None and latency < least:
            raise ValueError(
                f"latency {latency} ns is below the smallest in the scenario, {least} ns: use that or more"
            )
        return self._begin("slow", {**self._ends(source, to), **change})

    def lossy(self, source: Names, to: Names, *, rate_ppm: int) -> Undo:
        """Lose a share of the frames, in parts per million."""
        return self._begin("lossy", self._share(source, to, rate_ppm))

    def duplicate(self, source: Names, to: Names, *, rate_ppm: int) -> Undo:
        """Deliver a share of the frames twice, in parts per million."""
        return self._begin("duplicate", self._share(source, to, rate_ppm))

    def reorder(self, source: Names, to: Names, *, rate_ppm: int) -> Undo:
        """Let a share of the frames be overtaken, in parts per million."""
        return self._begin("reorder", self._share(source, to, rate_ppm))

    def corrupt(self, source: Names, to: Names, *, rate_ppm: int) -> Undo:
        """Damage a share of the frames, in parts per million; the receiver finds out and drops them."""
        return self._begin("corrupt", self._share(source, to, rate_ppm))

    def crash(self, machines: Names) -> Undo:
        """Switch machines off; at the end they start anew, with nothing but what is on their disks."""
        return self._begin("crash", {"machines": self._indexes(machines)})

    def pause(self, machines: Names) -> Undo:
        """Let machines stand still; their cards keep what comes as long as there is room."""
        return self._begin("pause", {"machines": self._indexes(machines)})

    def freeze(self, machines: Names, program: str | None = None) -> Undo:
        """Let programs stand still, those of this name or all, while the kernels of their machines live."""
        faults = []
        for index in self._indexes(machines):
            places = [at for at, one in enumerate(self._resolved.machines[index].programs) if program in (None, one[0])]
            if not places:
                what = "programs" if program is None else f"program {program!r}"
                raise ValueError(f"{self._names[index]} has no {what}: name another machine, or another program")
            faults.append({"machines": [index], "programs": places})
        undone = [self._begin("freeze", args) for args in faults]

        def end() -> None:
            for one in undone:
                one.heal()

        return Undo(end)

    def slow_disk(self, machines: Names, *, latency: int) -> Undo:
        """Give the disks of swap servers another latency (ns)."""
        if latency < 0:
            raise ValueError(f"latency {latency} ns: a disk answers after 0 or more")
        indexes = self._indexes(machines)
        for index in indexes:
            machine = self._resolved.machines[index]
            on_disk = machine.swap is not None and machine.swap.on == "disk"
            if not on_disk and not any(kind == "swap-server" for kind, _ in machine.programs):
                raise ValueError(f"{self._names[index]} has no disk: name a machine with a swap-server")
        return self._begin("slow-disk", {"machines": indexes, "latency_ns": latency})

    def heal(self) -> None:
        """End every fault that was applied by hand and is still in force."""
        for undo in self._begun:
            undo[2].heal()
        self._begun.clear()

    # -- what can be seen -------------------------------------------------------------------------------------------

    def state(self) -> State:
        """Everything, as plain data."""
        key = (self.now_ns, len(self._begun))
        if self._seen is None or self._seen[0] != key:
            self._seen = (key, self.engine.state())
        return self._seen[1]

    def __getitem__(self, name: str) -> MachineView:
        """One machine as it is now."""
        if name not in self._names:
            raise KeyError(self._unknown(name))
        return self.views()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def views(self) -> Mapping[str, MachineView]:
        """All machines as they are now, in scenario order."""
        state = self.state()
        judged = judge(state, self._resolved.stall_after_ns)
        graph = wait_graph(state)
        return {machine.name: MachineView(machine, judged[machine.name], graph) for machine in state.machines}

    def waits(self) -> "networkx.DiGraph[str]":
        """The wait-for graph: what each task waits for; nodes carry a `sentence` and `quantities`."""
        return wait_graph(self.state())

    def frames(self) -> dict[str, Any]:
        """Sent, duplicated, delivered, dropped by cause and under way, over the whole cluster."""
        return results.frames(self.state())

    def links(self) -> dict[str, dict[str, Any]]:
        """Frames, as in `frames`, of each directed link that carried anything: "B>A"."""
        return self.state().links

    def digest(self) -> str:
        """SHA-256 over what was sent, the fates and the counters so far."""
        return digest(self.state())

    def outcomes(self) -> list[Outcome]:
        """Judge the scenario's expectations now."""
        return results.check(self.scenario.expectations, dict(self.views()))

    def check(self) -> list[Outcome]:
        """As `outcomes`; raises AssertionError that says which is not met."""
        outcomes = self.outcomes()
        missed = [f"{outcome.text}: {outcome.seen}" for outcome in outcomes if not outcome.met]
        if missed:
            raise AssertionError("; ".join(missed))
        return outcomes

    def result(self) -> Result:
        """The run as it would end now."""
        return results.conclude(self.scenario, self._resolved, self.state())

    def sent(self) -> list[bytes]:
        """What each machine has sent so far; only of an in-process cluster opened with `record=True`."""
        if not isinstance(self.engine, InlineEngine):
            raise ValueError("only the in-process engine records what is sent")
        return [self.engine.outbound(index) for index in range(len(self._names))]

    def assert_same_as(self, other: "Cluster") -> None:
        """Raise AssertionError that names the first frame in which two recorded runs differ."""
        if self.digest() != other.digest():
            difference = first_difference(self._names, self.sent(), other.sent())
            raise AssertionError(f"the runs differ: {difference or 'in their counters only'}")

    def series(self, table: str = "series") -> Any:
        """What has been recorded so far, as a pandas frame; only of a cluster opened with `series=True`.

        `table`: one of `netswap.cluster.record.columns.TABLES`, as `programs` or `moments`. Raises ValueError, or ImportError
        where the libraries of `netswap[see]` are missing.
        """
        return store.frame(Record(self.engine.recorded(), self._names), self.scenario.plan or Plan(), table)

    def _repr_html_(self) -> str:
        """The cluster as it is now, for notebooks."""
        return html.of_result(results.as_json(self.result(), self.engine.name, 0, "", ""))

    def close(self) -> None:
        """Give the engine back."""
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- within -----------------------------------------------------------------------------------------------------

    def _begin(self, verb: str, args: dict[str, Any]) -> Undo:
        self._seen = None
        number = self.engine.begin(verb, args)

        def end() -> None:
            self._seen = None
            self.engine.end(number)

        undo = Undo(end)
        self._begun.append((verb, number, undo))
        return undo

    def _condition(self, condition: Condition) -> Callable[["Cluster"], bool]:
        if callable(condition):
            return condition
        claim = expectations.parse(condition)
        machines = [self._names[index] for index in self._indexes(claim.machines)]
        return lambda cluster: expectations.judge_all(claim.about(machines), cluster.views())[0]

    def _indexes(self, names: Names) -> list[int]:
        """The machines that these names stand for, in the order of the scenario."""
        listed = [names] if isinstance(names, str) else list(names)
        for name in listed:
            if name not in self._cast:
                raise ValueError(self._unknown(name))
        return sorted({index for name in listed for index in self._cast.indexes(name)})

    def _unknown(self, name: str) -> str:
        return f"there is no machine {name!r} in this cluster, which has {', '.join(self._cast.known())}"

    def _ends(self, source: Names, to: Names) -> dict[str, Any]:
        ends = {"from": self._indexes(source), "to": self._indexes(to)}
        if len({*ends["from"], *ends["to"]}) < 2:
            raise ValueError("both ends are the same machine: name another")
        return ends

    def _share(self, source: Names, to: Names, rate_ppm: int) -> dict[str, Any]:
        if not 0 <= rate_ppm <= PARTS_PER_MILLION:
            raise ValueError(f"{rate_ppm} is no share in parts per million: from 0 to {PARTS_PER_MILLION}")
        return {**self._ends(source, to), "rate_ppm": rate_ppm}


def open_cluster(
    path: str | Path,
    *,
    engine: str = "inline",
    record: bool = False,
    machines_per_actor: int | None = None,
    exchange: str = EXCHANGES[0],
    trace: Trace | None = None,
    series: bool = False,
    set: Mapping[str, Any] | None = None,
    **top_level: Any,
) -> Cluster:
    """Open a scenario, by file or as a text of several lines.

    `set` are overrides by dotted path, as on the command line; other keywords replace top-level keys. Raises
    `ScenarioError` with all that is wrong, also with the classes that it names: they are imported. `engine="ray"` needs
    Ray to be started (`netswap.cluster.engine.on_ray.session`), and packs `machines_per_actor` (None for what is best), with
    an `exchange` over "connections" or by "calls". `series` records the
    series of the machines, for `Cluster.series`. `record` keeps what is sent, and `trace` is told what happens, in process
    only.
    """
    if engine not in ("inline", "ray"):
        raise ValueError(f'there is no engine "{engine}": write inline or ray')
    if exchange not in EXCHANGES:
        raise ValueError(f'there is no exchange "{exchange}": write {" or ".join(EXCHANGES)}')
    scenario = load(path, overrides=list((set or {}).items()), **top_level)
    if trace is not None and series:
        raise ValueError("series are recorded by a trace of their own: give one, or ask for the other")
    if engine == "inline":
        return open_scenario(scenario, record=record, trace=trace, series=series)
    if trace is not None:
        raise ValueError('a trace is told what happens in this process only: write engine="inline"')
    from netswap.cluster.engine.on_ray import RayEngine

    scenario.check_whole()
    resolved, plan = scenario.resolved(), _plan(scenario, series)
    placed = RayEngine(resolved, machines_per_actor=machines_per_actor, exchange=exchange, plan=plan)
    return Cluster(scenario, placed)


def open_scenario(
    scenario: Scenario, *, record: bool = False, trace: Trace | None = None, series: bool = False
) -> Cluster:
    """Open a scenario that has been loaded, in this process. Raises `ScenarioError`, as classes that it names are imported."""
    scenario.check_whole()
    return Cluster(
        scenario, InlineEngine(scenario.resolved(), record=record, trace=trace, plan=_plan(scenario, series))
    )


def _plan(scenario: Scenario, series: bool) -> Plan | None:
    return scenario.plan or Plan() if series else None
