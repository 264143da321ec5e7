"""What is wrong with a scenario, and where."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake; str() is `file:line:column: what is wrong; what would be right`. Lines and columns count from 1."""

    file: str
    line: int
    column: int
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}; {self.hint}"


class ScenarioError(ValueError):
    """All that is wrong with a scenario, in the order of the file and then of the overrides."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = list(problems)
