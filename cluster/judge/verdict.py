"""What became of each machine, and why that and nothing else can be said.

A machine's verdict is its worst program's, or *lost data*, which no program need have noticed. *Wedged* is only said when
it can be: all faults have ended, no progress was made since, and every timer that could still help has fired after that
without effect; otherwise a stalled machine is *undecided*. So is a machine that is down or paused. Programs of one that is
down neither get on nor stall, and no program has recovered from what a crash has ended; those of a paused one stall as any other
that does not get on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil
from statistics import median, median_low
from typing import Final, NamedTuple

import networkx

from netswap.actors.events import NEVER, Timer
from netswap.actors.machine_report import MachineReport, NodeKind, ProgramReport
from netswap.actors.wait import MESSAGE
from netswap.cluster.judge.state import State


class Verdict(StrEnum):
    """From worst to best."""

    LOST_DATA = "lost-data"
    OOM_KILLED = "oom-killed"
    KILLED = "killed"
    WEDGED = "wedged"
    LIVELOCKED = "livelocked"
    BLOCKED = "blocked"
    UNDECIDED = "undecided"
    RECOVERED = "recovered"
    SLOW = "slow"
    HEALTHY = "healthy"
    FINISHED = "finished"


_ORDER: Final = list(Verdict)
BAD: Final = (Verdict.LOST_DATA, Verdict.OOM_KILLED, Verdict.KILLED, Verdict.WEDGED, Verdict.LIVELOCKED)
_DEAD: Final = (Verdict.OOM_KILLED, Verdict.KILLED)
"""What became of a program that has been killed."""
_STEADY_SLOTS: Final = 2
"""Whole slots before the first fault that say how fast a program was: the first holds a warm start's touches."""
_TELLING_SLOTS: Final = 3
"""Whole slots after it has got on again that say whether a program crawls."""


class Finding(NamedTuple):
    """What became of one program."""

    name: str
    verdict: Verdict
    hope: str = ""
    """What keeps more from being said of a program that stands still, and how long a run would have to be."""
    slow_since: int = 0
    """The slot in which a slow program began to be slow."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One machine's verdict, with the times that go with it (ns; None where there is none)."""

    verdict: Verdict
    stalled_at_ns: int | None
    """When its longest stall began."""
    stalled_ns: int
    """How long that lasted."""
    recovered_after_ns: int | None
    """From the last heal to the first progress of a program that stood still then."""
    programs: tuple[Finding, ...] = ()
    """What became of each of its programs, in their order."""
    hope: str = ""
    """What keeps more from being said of an undecided machine."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """The phase in which a wedge can be judged."""

    first_fault_ns: int | None
    healed_ns: int | None
    """When the last fault ended; 0 without faults; None while one lasts."""
    ends_ns: tuple[int, ...] = ()
    """When faults ended, each of them."""


def recovery(state: State) -> Recovery:
    """When all faults had ended."""
    if not state.faults:
        return Recovery(None, 0)
    ends = [end for _, _, _, end in state.faults]
    healed = None if None in ends else max(end for end in ends if end is not None)
    return Recovery(
        min(begin for _, _, begin, _ in state.faults), healed, tuple(end for end in ends if end is not None)
    )


def judge(state: State, stall_after_ns: int) -> dict[str, Judgement]:
    """Every machine of the cluster."""
    phase = recovery(state)
    alone = {machine.name: _machine(machine, state.now_ns, stall_after_ns, phase) for machine in state.machines}
    if all(one.verdict is not Verdict.WEDGED for one in alone.values()):
        return {machine.name: _with_losses(machine, alone[machine.name]) for machine in state.machines}
    graph = wait_graph(state)
    late = {
        machine.name for machine in state.machines if _has_timer_to_come(machine, state.now_ns, stall_after_ns, phase)
    }
    among = {name: _among_others(graph, name, alone, late) for name in alone}
    return {machine.name: _with_losses(machine, among[machine.name]) for machine in state.machines}


def _with_losses(machine: MachineReport, judgement: Judgement) -> Judgement:
    """A machine that has lost data has done so whatever else became of it."""
    lost = machine.counters.get("lost_pages", 0)
    return replace(judgement, verdict=Verdict.LOST_DATA, hope="") if lost else judgement


def wait_graph(state: State) -> "networkx.DiGraph[str]":
    """Which task waits for which, over the whole cluster.

    Each node carries the name of its `machine`, and its `sentence` and `quantities` if its machine has said them.
    """
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    for machine in state.machines:
        for node in machine.waits:
            said = {"sentence": node.sentence, "quantities": node.quantities}
            graph.add_node(node.id.name, machine=machine.name, **said)
    for machine in state.machines:
        for node in machine.waits:
            for target in node.waits_for:
                graph.add_node(target.name, machine=target.machine)
                graph.add_edge(node.id.name, target.name)
    return graph


def _machine(machine: MachineReport, now_ns: int, stall_after_ns: int, phase: Recovery) -> Judgement:
    programs = machine.programs
    findings = tuple(_finding(machine, program, now_ns, stall_after_ns, phase) for program in programs)
    worst = min(findings, key=lambda finding: _ORDER.index(finding.verdict), default=Finding("", Verdict.HEALTHY))
    if machine.down or machine.paused:
        worst = Finding("", Verdict.UNDECIDED, f"the machine {'is down' if machine.down else 'stands still'}")
    stalls = [stall for program in programs for stall in program.stalls + program.unended]
    stalls += [(program.stalled_since_ns, now_ns) for program in programs if program.stalled_since_ns is not None]
    longest = max(stalls, key=lambda stall: (stall[1] - stall[0], -stall[0]), default=None)
    resumed = [
        end - phase.healed_ns
        for program in programs
        for begin, end in program.stalls
        if phase.first_fault_ns is not None and phase.healed_ns is not None and begin <= phase.healed_ns <= end
    ]
    return Judgement(
        verdict=worst.verdict,
        stalled_at_ns=longest[0] if longest else None,
        stalled_ns=longest[1] - longest[0] if longest else 0,
        recovered_after_ns=min(resumed, default=None),
        programs=findings,
        hope=worst.hope,
    )


def _finding(
    machine: MachineReport, program: ProgramReport, now_ns: int, stall_after_ns: int, phase: Recovery
) -> Finding:
    name = program.name
    if program.killed_ns is not None:
        return Finding(name, Verdict.KILLED if program.killed_by == "sigbus" else Verdict.OOM_KILLED)
    if program.finished:
        return Finding(name, Verdict.FINISHED)
    if program.stalled_since_ns is not None:
        return _of_stalled(machine, program, now_ns, stall_after_ns, phase)
    if not program.idle and not _has_moved(program, phase):
        since_ns = max(program.last_ns, phase.healed_ns or 0)
        return Finding(name, Verdict.UNDECIDED, f"{name} has not got on since{_long_enough(since_ns + stall_after_ns)}")
    outlasted = [end for begin, end in program.stalls if _outlasted(begin, end, phase)]
    slow_since = _slow_since(program, stall_after_ns, phase, min(outlasted, default=None))
    if slow_since is not None:
        return Finding(name, Verdict.SLOW, slow_since=slow_since)
    return Finding(name, Verdict.RECOVERED if outlasted else Verdict.HEALTHY)


def _of_stalled(
    machine: MachineReport, program: ProgramReport, now_ns: int, stall_after_ns: int, phase: Recovery
) -> Finding:
    """A program that stands still: wedged or livelocked, unless something may still help it."""
    name = program.name
    if phase.healed_ns is None:
        return Finding(name, Verdict.UNDECIDED, "a fault lasts for ever, and what would come after it is not known")
    if all((node.id.kind, node.id.detail) != (NodeKind.TASK, name) for node in machine.waits):
        return Finding(name, Verdict.UNDECIDED, f"{name} waits for nothing but time")
    since_ns = max(phase.healed_ns, program.stalled_since_ns or 0)
    pending = [timer for timer in machine.timers if not _has_fired(timer, since_ns, now_ns, stall_after_ns)]
    if pending:
        return Finding(name, Verdict.UNDECIDED, _named(pending, stall_after_ns))
    if now_ns - since_ns < stall_after_ns:
        return Finding(name, Verdict.UNDECIDED, f"{name} stalls{_long_enough(since_ns + stall_after_ns)}")
    moves = _moves(machine, since_ns, now_ns, stall_after_ns)
    return Finding(name, Verdict.LIVELOCKED if moves else Verdict.WEDGED)


def _moves(machine: MachineReport, since_ns: int, now_ns: int, patience_ns: int) -> bool:
    """Whether packets still move in the stretch that is judged: replies have come in it, and are not over.

    Those that come just when it begins were under way before, or are what the heal let through. They are over once each
    timer has fired after the last of them, with time to help, and without another reply.
    """
    replied_ns = machine.last_reply_ns
    if replied_ns is None or replied_ns < since_ns + patience_ns:
        return False
    if now_ns - replied_ns < patience_ns:
        return True
    return not all(_has_fired(timer, replied_ns, now_ns, patience_ns) for timer in machine.timers)


def _named(pending: Sequence[Timer], patience_ns: int) -> str:
    """The timers that keep a wedge from being said, when the last of them fires, and the stop that would be long enough."""
    names = ", ".join(sorted({timer.what for timer in pending}))
    dues = [timer.due_ns for timer in pending if timer.due_ns < NEVER]
    if not dues:
        return f"a timer may still help: {names}, which begins once the attempt under way has ended"
    several = f" the last of {len(pending)}" if len(pending) > 1 else ""
    due_ns = max(dues)
    return f"a timer may still help: {names},{several} fires at {_seconds(due_ns)}{_long_enough(due_ns + patience_ns)}"


def _long_enough(stop_ns: int) -> str:
    return f"; stop: {_seconds(stop_ns)} would be long enough to tell"


def _seconds(time_ns: int) -> str:
    return f"{ceil(time_ns / 1e6) / 1e3:g}s"


def _outlasted(begin_ns: int, end_ns: int, phase: Recovery) -> bool:
    """Whether a stall ended only after a fault had: what ends while the fault lasts is no recovery from it."""
    if phase.first_fault_ns is None:
        return False
    after_all = phase.healed_ns is not None and end_ns >= phase.healed_ns
    return after_all or any(begin_ns <= healed_ns <= end_ns for healed_ns in phase.ends_ns)


def _has_moved(program: ProgramReport, phase: Recovery) -> bool:
    """Whether it got on, or had nothing to do, in the last phase (that of the fault, or that after all faults).

    Otherwise it may be standing still already, which cannot be told yet.
    """
    edge_ns = phase.first_fault_ns if phase.healed_ns is None else phase.healed_ns
    return program.last_ns >= (edge_ns or 0) and (program.last_ns > 0 or program.progress > 0)


def _has_fired(timer: Timer, since_ns: int, now_ns: int, patience_ns: int) -> bool:
    """Whether a timer has fired since, and what it did has had time to help."""
    return timer.previous_ns >= since_ns or (timer.last_ns >= since_ns and now_ns - timer.last_ns >= patience_ns)


def _slow_since(program: ProgramReport, slot_ns: int, phase: Recovery, resumed_ns: int | None) -> int | None:
    """The slot from which on a program is slow, under half of its rate before the first fault; None if it is not.

    By medians, and of an even number of slots before the fault the lower one, since a warm start's first touches cost
    nothing. What stood still and got on again is looked at from then on, one that never did from the first fault on.
    """
    if phase.first_fault_ns is None or (resumed_ns is not None and _has_little_to_do(program)):
        return None
    slots = program.slots
    edge = phase.first_fault_ns // slot_ns
    begin = edge if resumed_ns is None else ceil(resumed_ns / slot_ns)
    before, since = slots[:edge], slots[begin:]
    needed = (1, 1) if resumed_ns is None else (_STEADY_SLOTS, _TELLING_SLOTS)
    enough = len(before) >= needed[0] and len(since) >= needed[1]
    return begin if enough and 2 * median(since) < median_low(before) else None


def _has_little_to_do(program: ProgramReport) -> bool:
    """Whether it is its callers that are slow: it waits for a message, and has for more than half of its time."""
    spent = program.waited_ns
    return program.idle and 2 * spent[MESSAGE] > sum(spent)


def _has_timer_to_come(machine: MachineReport, now_ns: int, patience_ns: int, phase: Recovery) -> bool:
    """Whether a timer of this machine has not fired since the last heal: it may yet help the tasks that wait for the machine."""
    since_ns = phase.healed_ns
    return since_ns is None or not all(_has_fired(timer, since_ns, now_ns, patience_ns) for timer in machine.timers)


def _among_others(graph: "networkx.DiGraph[str]", name: str, alone: dict[str, Judgement], late: set[str]) -> Judgement:
    """A machine that looks wedged, in view of those that it waits for.

    It is only blocked if it is in no loop of its own and one of them is wedged, or a program of it has been killed; it
    is undecided if one of them is, or has a timer that may still help.
    """
    judgement = alone[name]
    if judgement.verdict is not Verdict.WEDGED:
        return judgement
    machine_of: dict[str, str] = {node: data["machine"] for node, data in graph.nodes(data=True)}
    mine = [node for node, machine in machine_of.items() if machine == name]
    behind = {machine_of[other] for node in mine for other in networkx.descendants(graph, node)} - {name}
    wedged = {other for other in behind if alone[other].verdict in (Verdict.WEDGED, *_DEAD)}
    if wedged and not _is_in_loop(graph, mine):
        return replace(judgement, verdict=Verdict.BLOCKED, recovered_after_ns=None)
    open_ = sorted(other for other in behind if other in late or alone[other].verdict is Verdict.UNDECIDED)
    if open_:
        hopes = [alone[other].hope or "a timer of it may still help" for other in open_]
        return replace(judgement, verdict=Verdict.UNDECIDED, hope=f"it waits for {open_[0]}: {hopes[0]}")
    return judgement


def _is_in_loop(graph: "networkx.DiGraph[str]", nodes: list[str]) -> bool:
    reached = graph.subgraph({other for node in nodes for other in {node, *networkx.descendants(graph, node)}})
    loops = [part for part in networkx.strongly_connected_components(reached) if len(part) > 1]
    return any(node in loop for loop in loops for node in nodes)
