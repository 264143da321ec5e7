"""Why a machine is judged as it is, in sentences with quantities.

Of one that is not well: the wait-for graph as a story. Of one that is slow: where its time goes. Of one that was under
pressure and did not wedge: which link of the loop was open.
"""

from collections.abc import Sequence
from typing import Final

import networkx

from netswap.actors.machine_report import MachineReport, NodeId, NodeKind, ProgramReport
from netswap.cluster.judge import open_link, rates
from netswap.cluster.judge.state import State
from netswap.cluster.judge.verdict import BAD, Finding, Judgement, Recovery, Verdict, wait_graph

_ILL: Final = (*BAD, Verdict.BLOCKED, Verdict.UNDECIDED)


def reason(state: State, name: str, judgement: Judgement, phase: Recovery) -> list[str]:
    """Why this machine's verdict is what it is; nothing where there is nothing to explain."""
    machine = next(machine for machine in state.machines if machine.name == name)
    if judgement.verdict in _ILL:
        return _of_the_ill(state, machine, judgement, phase)
    lines = [_slowness(machine, finding, phase, state) for finding in judgement.programs if _is_slow(finding)]
    open_ = open_link.sentence(machine)
    if open_:
        lines.append(f"{name} was under pressure and did not wedge: {open_}")
    return lines


def _is_slow(finding: Finding) -> bool:
    return finding.verdict is Verdict.SLOW


def _slowness(machine: MachineReport, finding: Finding, phase: Recovery, state: State) -> str:
    """How much slower a program is than before, and what it waits for."""
    program = next(one for one in machine.programs if one.name == finding.name)
    seen = rates.rates(program, state.intervals(), state.now_ns)
    now = seen.during if seen.after is None else seen.after
    when = "while the fault lasts" if seen.after is None else "after the last heal"
    shares = rates.told(rates.waited_since(program, finding.slow_since))
    return (
        f"{finding.name} is slow: it gets on by {now or 0:,.1f} a second {when}, by {seen.before or 0:,.1f} "
        f"before the first fault; since then it has waited {shares}"
    )


def _of_the_ill(state: State, machine: MachineReport, judgement: Judgement, phase: Recovery) -> list[str]:
    """The loop first, then the tasks that wait outside."""
    name = machine.name
    head = f"{name} {judgement.verdict}"
    if judgement.stalled_at_ns is not None:
        head += f" at {judgement.stalled_at_ns / 1e9:.3f} s"
    if phase.healed_ns:
        head += f"; the last fault ended at {phase.healed_ns / 1e9:.3f} s"
    graph = wait_graph(state)
    loop = {node for part in networkx.strongly_connected_components(graph) if len(part) > 1 for node in part}
    lines = [head, *_kills(machine.programs)]
    if judgement.hope:
        lines.append(f"  {judgement.hope}")
    for node in _in_order(graph, name, machine.programs):
        outside = "" if node in loop or not loop else "  (outside the loop)"
        lines.append(f"  {graph.nodes[node]['sentence']}{outside}")
    dropped = {cause: count for cause, count in machine.dropped.items() if count}
    if dropped:
        lines.append("  frames dropped here: " + ", ".join(f"{count} {cause}" for cause, count in dropped.items()))
    counters = machine.counters
    if counters["tx_no_memory"]:
        lines.append(f"  {counters['tx_no_memory']} transmissions failed for want of memory")
    return lines


def _in_order(graph: "networkx.DiGraph[str]", name: str, programs: Sequence[ProgramReport]) -> list[str]:
    """The nodes of one machine as a story: each program, then what it waits for, and on."""
    told: dict[str, None] = {}
    for program in programs:
        task = NodeId(name, NodeKind.TASK, program.name).name
        if task in graph:
            told.update(dict.fromkeys([task, *(node for _, node in networkx.bfs_edges(graph, task))]))
    return [node for node in told if "sentence" in graph.nodes[node]]


_WHY: Final = {
    "": "for want of memory",
    "oom": "for want of memory",
    "sigbus": "by a SIGBUS, since a page of it could not be read",
}


def _kills(programs: Sequence[ProgramReport]) -> list[str]:
    """The programs that have been killed, in order, and what that freed."""
    killed = [(one.killed_ns, one) for one in programs if one.killed_ns is not None]
    return [
        f"  {one.name} was killed {_WHY[one.killed_by]}, and died at {killed_ns / 1e9:.3f} s:"
        f" {one.freed_pages} pages were free at once"
        for killed_ns, one in sorted(killed, key=lambda entry: entry[0])
    ]
