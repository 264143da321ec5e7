"""What became of each machine, and why that and nothing else can be said.

A machine's verdict is its worst program's. *Wedged* is only said when it can be: all faults have ended, no progress was
made since, and every timer that could still help has fired after that without effect; otherwise a stalled machine is
*undecided*. So is a machine that is down or paused. Programs of one that is down neither get on nor stall, and nobody has
recovered from what a crash has ended; those of a paused one stall as any other that does not get on.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median
from typing import Any, Final

import networkx

from cluster.engine import State


class Verdict(StrEnum):
    """From worst to best."""

    OOM_KILLED = "oom-killed"
    WEDGED = "wedged"
    LIVELOCKED = "livelocked"
    BLOCKED = "blocked"
    UNDECIDED = "undecided"
    RECOVERED = "recovered"
    SLOW = "slow"
    HEALTHY = "healthy"
    FINISHED = "finished"


_ORDER: Final = list(Verdict)
BAD: Final = (Verdict.OOM_KILLED, Verdict.WEDGED, Verdict.LIVELOCKED)
_LAST_CHANCES: Final = 2
"""Replies that came within so many of the longest time-outs before the end say that packets still move."""


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
    alone = {machine["name"]: _machine(machine, state.now_ns, stall_after_ns, phase) for machine in state.machines}
    if all(one.verdict is not Verdict.WEDGED for one in alone.values()):
        return alone
    graph = wait_graph(state)
    late = {
        machine["name"]
        for machine in state.machines
        if _has_timer_to_come(machine, state.now_ns, stall_after_ns, phase)
    }
    return {name: _among_others(graph, name, alone, late) for name in alone}


def wait_graph(state: State) -> "networkx.DiGraph[str]":
    """Who waits for whom, over the whole cluster; each node carries its `sentence` and `quantities`."""
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    for machine in state.machines:
        for node in machine["waits"]:
            graph.add_node(node["node"], sentence=node["sentence"], quantities=node["quantities"])
    for machine in state.machines:
        for node in machine["waits"]:
            graph.add_edges_from((node["node"], target) for target in node["waits_for"])
    return graph


def _machine(machine: dict[str, Any], now_ns: int, stall_after_ns: int, phase: Recovery) -> Judgement:
    programs = machine["programs"]
    verdicts = [_program(machine, program, now_ns, stall_after_ns, phase) for program in programs]
    if machine["down"] or machine["paused"]:
        verdicts = [Verdict.UNDECIDED]
    stalls = [tuple(stall) for program in programs for stall in program["stalls"] + program["unended"]]
    stalls += [(program["stalled_since_ns"], now_ns) for program in programs if program["stalled_since_ns"] is not None]
    longest = max(stalls, key=lambda stall: (stall[1] - stall[0], -stall[0]), default=None)
    resumed = [
        end - phase.healed_ns
        for program in programs
        for begin, end in program["stalls"]
        if phase.healed_ns is not None and begin <= phase.healed_ns <= end
    ]
    return Judgement(
        verdict=min(verdicts, key=_ORDER.index, default=Verdict.HEALTHY),
        stalled_at_ns=longest[0] if longest else None,
        stalled_ns=longest[1] - longest[0] if longest else 0,
        recovered_after_ns=min(resumed, default=None),
    )


def _program(
    machine: dict[str, Any], program: dict[str, Any], now_ns: int, stall_after_ns: int, phase: Recovery
) -> Verdict:
    if program["killed_ns"] is not None:
        return Verdict.OOM_KILLED
    if program["finished"]:
        return Verdict.FINISHED
    stalled_since = program["stalled_since_ns"]
    if stalled_since is None:
        if not program["idle"] and not _has_moved(program, phase):
            return Verdict.UNDECIDED
        if any(_outlasted(begin, end, phase) for begin, end in program["stalls"]):
            return Verdict.RECOVERED
        return Verdict.SLOW if _is_slow(program["slots"], stall_after_ns, phase) else Verdict.HEALTHY
    if phase.healed_ns is None:
        return Verdict.UNDECIDED
    if all(node["node"] != f"{machine['name']}/{program['name']}" for node in machine["waits"]):
        return Verdict.UNDECIDED  # it waits for nothing but time: its own timer is still to come
    since = max(phase.healed_ns, stalled_since)
    if not all(_has_fired(last, previous, since, now_ns, stall_after_ns) for _, last, previous in machine["timers"]):
        return Verdict.UNDECIDED
    replied = machine["last_reply_ns"]
    if replied is not None and replied >= max(since, now_ns - _LAST_CHANCES * machine["longest_wait_ns"]):
        return Verdict.LIVELOCKED
    return Verdict.WEDGED if now_ns - since >= stall_after_ns else Verdict.UNDECIDED


def _outlasted(begin_ns: int, end_ns: int, phase: Recovery) -> bool:
    """Whether a stall ended only after a fault had: what ends while the fault lasts is no recovery from it."""
    after_all = phase.healed_ns is not None and end_ns >= phase.healed_ns
    return after_all or any(begin_ns <= healed_ns <= end_ns for healed_ns in phase.ends_ns)


def _has_moved(program: dict[str, Any], phase: Recovery) -> bool:
    """Whether it got on, or had nothing to do, in the last phase (that of the fault, or that after all faults).

    Otherwise it may be standing still already, and nobody can tell yet.
    """
    edge_ns = phase.first_fault_ns if phase.healed_ns is None else phase.healed_ns
    last_ns: int = program["last_ns"]
    return last_ns >= (edge_ns or 0) and (last_ns > 0 or program["progress"] > 0)


def _has_fired(last_ns: int, previous_ns: int, since_ns: int, now_ns: int, patience_ns: int) -> bool:
    """Whether a timer has fired since, and what it did has had time to help."""
    return previous_ns >= since_ns or (last_ns >= since_ns and now_ns - last_ns >= patience_ns)


def _is_slow(slots: list[int], slot_ns: int, phase: Recovery) -> bool:
    """Under half the rate before the first fault: by medians, since a warm start's first touches cost nothing."""
    if phase.first_fault_ns is None:
        return False
    edge = phase.first_fault_ns // slot_ns
    before, since = slots[:edge], slots[edge:]
    return bool(before) and bool(since) and 2 * median(since) < median(before)


def _has_timer_to_come(machine: dict[str, Any], now_ns: int, patience_ns: int, phase: Recovery) -> bool:
    """Whether a timer of this machine has not fired since the last heal: it may yet help whoever waits for the machine."""
    since = phase.healed_ns
    return since is None or not all(
        _has_fired(last, previous, since, now_ns, patience_ns) for _, last, previous in machine["timers"]
    )


def _among_others(graph: "networkx.DiGraph[str]", name: str, alone: dict[str, Judgement], late: set[str]) -> Judgement:
    """A machine that looks wedged, in view of those that it waits for.

    It is only blocked if it is in no loop of its own and one of them is wedged, or has lost a program to the OOM killer; it
    is undecided if one of them is, or has a timer that may still help.
    """
    judgement = alone[name]
    if judgement.verdict is not Verdict.WEDGED:
        return judgement
    mine = [node for node in graph if node.startswith(f"{name}/")]
    behind = {other.split("/")[0] for node in mine for other in networkx.descendants(graph, node)} & alone.keys() - {
        name
    }
    wedged = {other for other in behind if alone[other].verdict in (Verdict.WEDGED, Verdict.OOM_KILLED)}
    if wedged and not _is_in_loop(graph, mine):
        return replace(judgement, verdict=Verdict.BLOCKED, recovered_after_ns=None)
    if behind & late or any(alone[other].verdict is Verdict.UNDECIDED for other in behind):
        return replace(judgement, verdict=Verdict.UNDECIDED)
    return judgement


def _is_in_loop(graph: "networkx.DiGraph[str]", nodes: list[str]) -> bool:
    reached = graph.subgraph({other for node in nodes for other in {node, *networkx.descendants(graph, node)}})
    loops = [part for part in networkx.strongly_connected_components(reached) if len(part) > 1]
    return any(node in loop for loop in loops for node in nodes)


def _in_order(graph: "networkx.DiGraph[str]", name: str, programs: list[dict[str, Any]]) -> list[str]:
    """The nodes of one machine as a story: each program, then what it waits for, and on."""
    told: dict[str, None] = {}
    for program in programs:
        task = f"{name}/{program['name']}"
        if task in graph:
            told.update(dict.fromkeys([task, *(node for _, node in networkx.bfs_edges(graph, task))]))
    return [node for node in told if "sentence" in graph.nodes[node]]


def _kills(programs: list[dict[str, Any]]) -> list[str]:
    """Who has been killed for want of memory, in order, and what came of it."""
    killed = sorted((one for one in programs if one["killed_ns"] is not None), key=lambda one: one["killed_ns"])
    return [
        f"  {one['name']} was killed for want of memory, and died at {one['killed_ns'] / 1e9:.3f} s:"
        f" {one['freed_pages']} pages were free at once"
        for one in killed
    ]


def explain(state: State, name: str, judgement: Judgement, phase: Recovery) -> list[str]:
    """The verdict on a machine that is not well, in sentences, with quantities; the loop first, then who waits outside."""
    machine = next(machine for machine in state.machines if machine["name"] == name)
    head = f"{name} {judgement.verdict}"
    if judgement.stalled_at_ns is not None:
        head += f" at {judgement.stalled_at_ns / 1e9:.3f} s"
    if phase.healed_ns:
        head += f"; the last fault ended at {phase.healed_ns / 1e9:.3f} s"
    graph = wait_graph(state)
    loop = {node for part in networkx.strongly_connected_components(graph) if len(part) > 1 for node in part}
    lines = [head, *_kills(machine["programs"])]
    for node in _in_order(graph, name, machine["programs"]):
        outside = "" if node in loop or not loop else "  (outside the loop)"
        lines.append(f"  {graph.nodes[node]['sentence']}{outside}")
    dropped = {cause: count for cause, count in machine["dropped"].items() if count}
    if dropped:
        lines.append("  frames dropped here: " + ", ".join(f"{count} {cause}" for cause, count in dropped.items()))
    counters = machine["counters"]
    if counters["tx_no_memory"]:
        lines.append(f"  {counters['tx_no_memory']} transmissions failed for want of memory")
    return lines
