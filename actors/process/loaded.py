"""A program under way: what the loader makes, and what processes, reports and recorders look at."""

from typing import Any, NamedTuple

from netswap.actors.memory.anonymous import AddressSpace
from netswap.actors.process.traits import Traits
from netswap.actors.programs.system import System
from netswap.actors.programs.task import Task


class Loaded(NamedTuple):
    """A program under way."""

    place: int
    """The program's place among the machine's programs."""
    kind: str
    program: Any
    traits: Traits
    system: System
    task: Task

    @property
    def is_workload(self) -> bool:
        """Whether it is one of the ranks, which daemons and what they need in memory come before."""
        return self.kind == "rank"

    @property
    def space(self) -> AddressSpace:
        """The program's anonymous memory."""
        return self.system.space
