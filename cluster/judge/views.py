"""What tests, expectations and conditions see of one machine."""

from dataclasses import asdict
from typing import Any

import networkx

from netswap.actors.machine_report import MachineReport, NodeId, NodeKind
from netswap.cluster.judge.verdict import Judgement, Verdict


class MachineView:
    """One machine at the moment it was looked at. Counters are attributes: `view.free_pages`, `view.pages_out`."""

    def __init__(self, report: MachineReport, judgement: Judgement, graph: "networkx.DiGraph[str]") -> None:
        self._report = report
        self._graph = graph
        self.name = report.name
        self.verdict: Verdict = judgement.verdict
        self.stalled_at_ns = judgement.stalled_at_ns
        self.stalled_ns = judgement.stalled_ns
        self.recovered_after_ns = judgement.recovered_after_ns
        self.dropped = report.dropped
        drops = {f"dropped.{cause}": count for cause, count in self.dropped.items()}
        self.counters: dict[str, int] = {**report.counters, **drops}

    @property
    def down(self) -> bool:
        """Whether it has crashed, and not been restarted."""
        return self._report.down

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        return self._report.paused

    @property
    def used_reserve(self) -> bool:
        """Whether anything was ever taken from its reserve."""
        return self.counters["reserve_used_max"] > 0 or self.counters["emergency_bytes_max"] > 0

    @property
    def free_blocks(self) -> list[int]:
        """Free blocks of each order, from single pages on; empty where pages are only counted."""
        return list(self._report.free_blocks)

    def waits_for(self, text: str) -> bool:
        """Whether a path in the wait-for graph leads from a task of this machine to a node that says `text`."""
        tasks = [NodeId(self.name, NodeKind.TASK, program.name).name for program in self._report.programs]
        waiting = [task for task in tasks if task in self._graph]
        reached = {node for task in waiting for node in {task, *networkx.descendants(self._graph, task)}}
        return any(text in self._graph.nodes[node].get("sentence", "") for node in reached)

    @property
    def programs(self) -> dict[str, dict[str, Any]]:
        """Each program's progress, stalls and state, by name ("rank 0")."""
        return {program.name: asdict(program) for program in self._report.programs}

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["counters"][name]
        except KeyError:
            raise AttributeError(f"a machine has no counter {name!r}") from None
