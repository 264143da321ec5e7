"""What a run leaves behind: one JSON object, and the folder it stands in."""

from importlib.metadata import version
from typing import Any, Final, NamedTuple

from netswap.actors.machine_report import MachineReport, WaitNode
from netswap.cluster.judge import explain, rates
from netswap.cluster.judge.digest import digest
from netswap.cluster.judge.expectations import Expectation, judge_all
from netswap.cluster.judge.state import State
from netswap.cluster.judge.verdict import BAD, Judgement, Verdict, judge, recovery, wait_graph
from netswap.cluster.judge.views import MachineView
from netswap.cluster.scenario import Scenario
from netswap.cluster.scenario.resolved import Resolved

UNDECIDED: Final = str(Verdict.UNDECIDED)
"""The verdict on a run that was cut short."""
CUT_SHORT: Final = 5
"""The exit status of a run that was cut short."""


class Outcome(NamedTuple):
    """Whether an expectation was met, and what was seen."""

    text: str
    met: bool
    seen: Any


class Result(NamedTuple):
    """A finished run."""

    scenario: Scenario
    resolved: Resolved
    state: State
    judgements: dict[str, Judgement]
    expectations: list[Outcome]
    verdict: str
    digest: str

    @property
    def exit_status(self) -> int:
        """0 if all expectations were met; 1 if not, or if the run proves nothing; 5 if it has been cut short."""
        if self.verdict == UNDECIDED:
            return CUT_SHORT
        return 0 if self.verdict == "ok" and all(outcome.met for outcome in self.expectations) else 1


def conclude(scenario: Scenario, resolved: Resolved, state: State, *, cut_short: bool = False) -> Result:
    """Judge a run that has come to its end; of one that was cut short nothing is said but what was seen so far."""
    judgements = judge(state, resolved.stall_after_ns)
    graph = wait_graph(state)
    views = {machine.name: MachineView(machine, judgements[machine.name], graph) for machine in state.machines}
    outcomes = check(scenario.expectations, views)
    verdict = "vacuous" if _is_vacuous(scenario.expectations, resolved, views) else "ok"
    if cut_short:
        verdict = UNDECIDED
    return Result(scenario, resolved, state, judgements, outcomes, verdict, digest(state))


def check(expectations: list[Expectation], views: dict[str, MachineView]) -> list[Outcome]:
    """Judge expectations; without any, no machine may be wedged, livelocked or killed."""
    if not expectations:
        bad = {name: str(view.verdict) for name, view in views.items() if view.verdict in BAD}
        return [Outcome("no machine is wedged, livelocked or killed", not bad, bad or "none is")]
    return [Outcome(expectation.text, *judge_all(expectation, views)) for expectation in expectations]


def _is_vacuous(expectations: list[Expectation], resolved: Resolved, views: dict[str, MachineView]) -> bool:
    """Whether something is claimed of a reserve that no machine named there ever needed."""
    guarded = {one.name for one in resolved.machines if one.swap and one.policy.reserve_access}
    claims = [expectation for expectation in expectations if _claims_reserve(expectation)]
    named = {name for expectation in claims for name in expectation.machines} & guarded
    return bool(named) and not any(views[name].used_reserve for name in named)


def _claims_reserve(expectation: Expectation) -> bool:
    """Whether it says that a machine got over something, or speaks of the reserve."""
    if expectation.kind == "counter":
        return expectation.attribute.startswith(("reserve_used", "emergency_"))
    survives = expectation.verdict == Verdict.RECOVERED and not expectation.negated
    return survives or (expectation.negated and expectation.verdict in BAD)


def frames(state: State) -> dict[str, Any]:
    """Sent + duplicated = delivered + dropped + under way, over the whole cluster."""
    links = state.links.values()
    dropped: dict[str, int] = {}
    for counted in [link["dropped"] for link in links] + [machine.dropped for machine in state.machines]:
        for cause, count in counted.items():
            dropped[cause] = dropped.get(cause, 0) + count
    return {
        "sent": sum(link["sent"] for link in links),
        "duplicated": sum(link["duplicated"] for link in links),
        "delivered": sum(machine.counters["delivered"] for machine in state.machines),
        "under_way": sum(link["under_way"] for link in links)
        + sum(machine.counters["held"] for machine in state.machines),
        "dropped": {cause: count for cause, count in sorted(dropped.items()) if count},
    }


def as_json(result: Result, engine: str, wall_s: float, run: str, command: str) -> dict[str, Any]:
    """The one JSON object of a run."""
    state = result.state
    phase = recovery(state)
    return {
        "scenario": result.resolved.title,
        "engine": engine,
        "seed": result.resolved.seed,
        "version": version("netswap"),
        "verdict": result.verdict,
        "digest": result.digest,
        "virtual_ns": state.now_ns,
        "windows": state.windows,
        "wall_s": round(wall_s, 3),
        "run": run,
        "frames": frames(state),
        "machines": {
            machine.name: {
                "verdict": str(judgement.verdict),
                "stalled_at_ns": judgement.stalled_at_ns,
                "stalled_ns": judgement.stalled_ns,
                "recovered_after_ns": judgement.recovered_after_ns,
                "counters": {**machine.counters, "dropped": machine.dropped},
                "waits": [_node(node) for node in machine.waits],
                "reason": explain.reason(state, machine.name, judgement, phase),
                "programs": _programs(state, machine, judgement),
            }
            for machine in state.machines
            for judgement in [result.judgements[machine.name]]
        },
        "expectations": [
            {
                "text": outcome.text,
                "met": None if result.verdict == UNDECIDED else outcome.met,
                "seen": _plain(outcome.seen),
            }
            for outcome in result.expectations
        ],
        "command": command,
    }


def _node(node: WaitNode) -> dict[str, Any]:
    return {
        "node": node.id.name,
        "sentence": node.sentence,
        "waits_for": [target.name for target in node.waits_for],
        "quantities": node.quantities,
    }


def _programs(state: State, machine: MachineReport, judgement: Judgement) -> list[dict[str, Any]]:
    """Each program's verdict, how fast it got on in each phase (progress a second), and where its time went (percent)."""
    return [
        {
            "name": program.name,
            "verdict": str(finding.verdict),
            "progress": program.progress,
            "rates": rates.rates(program, state.intervals(), state.now_ns)._asdict(),
            "waited": rates.waited(program),
        }
        for program, finding in zip(machine.programs, judgement.programs, strict=True)
    ]


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | dict) or value is None else str(value)
