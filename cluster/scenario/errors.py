"""What is wrong with a scenario, and where."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from netswap.protocol.units import SHOWN_MAX

MESSAGE_MAX: Final = 300
HINT_MAX: Final = 1500
_LONG_WORD: Final = re.compile(rf"\S{{{SHOWN_MAX + 5},}}")  # longer than a value in quotes, and a comma


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake; str() is `file:line:column: what is wrong; what would be right`. Lines and columns count from 1.

    Message and hint stay on one line, whatever the scenario has for names.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", _on_one_line(self.message, MESSAGE_MAX))
        object.__setattr__(self, "hint", _on_one_line(self.hint, HINT_MAX))

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}; {self.hint}"


class ScenarioError(ValueError):
    """All that is wrong with a scenario, in the order of the file and then of the overrides."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = list(problems)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems,)


def _on_one_line(text: str, most: int) -> str:
    """The text without what does not print, its long words shortened, and itself if need be."""
    text = _LONG_WORD.sub(lambda word: f"{word[0][: SHOWN_MAX - 1]}…", text[: 4 * most])
    text = "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)
    return text if len(text) <= most else f"{text[: most - 1]}…"
