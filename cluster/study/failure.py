"""A run that gave no result: of which kind that is, and why. A failure is never a verdict."""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from netswap.actors.programs.task import ProgramError
from netswap.cluster.engine.engine import InfrastructureError
from netswap.cluster.scenario.errors import Problem, ScenarioError

Done = TypeVar("Done")


class Kind(StrEnum):
    """What a failure is the fault of."""

    INPUT = "input"
    """The fault of the scenario, or of a program of the user's own."""
    INFRASTRUCTURE = "infrastructure"
    """The fault of Ray, of the disk, of the memory of this computer, or of what killed the process."""
    INTERNAL = "internal"
    """The fault of netswap itself."""


@dataclass(frozen=True, slots=True)
class Failure:
    """`trace`: the traceback of an internal failure; `problems`: what is wrong with the input, each with its place."""

    kind: Kind
    reason: str
    trace: str = ""
    problems: tuple[Problem, ...] = ()


class RunFailedError(Exception):
    """A study cannot go on without the result of a run that failed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


def needed(outcome: Done | Failure) -> Done:
    """A result without which a study cannot go on. Raises `RunFailedError`."""
    if isinstance(outcome, Failure):
        raise RunFailedError(outcome)
    return outcome


def failure_of(error: Exception) -> Failure:
    """What an exception that ended a run says of it."""
    if isinstance(error, ScenarioError):
        return _wrong(error.problems)
    if isinstance(error, ProgramError):
        return _wrong([Problem(error.file, error.line, 1, error.message, "repair it")])
    if isinstance(error, MemoryError):
        return Failure(Kind.INFRASTRUCTURE, "this computer has not enough memory for it")
    if isinstance(error, InfrastructureError | OSError):
        return Failure(Kind.INFRASTRUCTURE, str(error))
    trace = "".join(traceback.format_exception(error))
    return Failure(Kind.INTERNAL, f"netswap failed: {type(error).__name__}: {error}", trace)


def _wrong(problems: Sequence[Problem]) -> Failure:
    return Failure(Kind.INPUT, str(problems[0]), problems=tuple(problems))
