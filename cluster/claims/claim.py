"""What a claim is: a row of the checklist, what the facts predict, what a run shows, and whether the two agree."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from netswap.actors.kernels.kernel import Kernel

ERA_2_6_22: Final = "linux-2.6.22"
ERA_6_1: Final = "linux-6.1"
ERA_6_11: Final = "linux-6.11"
NEWER: Final = (ERA_6_1, ERA_6_11)
"""Kernels with what Linux 3.6 took in."""
EVERY: Final = (ERA_2_6_22, *NEWER)


@dataclass(slots=True)
class Evidence:
    """What was predicted and what was seen, by name; `holds` until the two part."""

    predicted: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)
    holds: bool = True

    def equal(self, name: str, predicted: object, seen: object) -> "Evidence":
        """Both must be the same."""
        return self._note(name, predicted, seen, predicted == seen)

    def near(self, name: str, predicted: float, seen: float, within: float) -> "Evidence":
        """They may differ by `within`, in their own unit."""
        said = f"{_short(predicted)} +- {_short(within)}"
        return self._note(name, said, _short(seen), abs(predicted - seen) <= within)

    def at_most(self, name: str, bound: float, seen: float) -> "Evidence":
        """What is seen stays within the bound."""
        return self._note(name, f"at most {_short(bound)}", _short(seen), seen <= bound)

    def at_least(self, name: str, bound: float, seen: float) -> "Evidence":
        """What is seen reaches the bound."""
        return self._note(name, f"at least {_short(bound)}", _short(seen), seen >= bound)

    def _note(self, name: str, predicted: object, seen: object, agrees: bool) -> "Evidence":
        self.predicted[name] = predicted
        self.seen[name] = seen
        self.holds = self.holds and agrees
        return self


Show = Callable[[Kernel], Evidence]


@dataclass(frozen=True, slots=True)
class Claim:
    """One row of the checklist under one kernel's rules."""

    row: int
    era: str
    text: str
    source: str
    show: Show


CLAIMS: Final[dict[tuple[int, str], Claim]] = {}
"""By row and era; filled by `row` as the modules beside this one are imported."""


def row(number: int, text: str, source: str, *, eras: tuple[str, ...] = (ERA_2_6_22,)) -> Callable[[Show], Show]:
    """Declare how a row is shown: a function of the kernel that returns its evidence."""

    def declare(show: Show) -> Show:
        for era in eras:
            key = (number, era)
            assert key not in CLAIMS, f"row {number} has two claims for {era}"
            CLAIMS[key] = Claim(number, era, text, source, show)
        return show

    return declare


def _short(value: float) -> float:
    """Seconds and shares to three digits after the point; whole numbers as they are."""
    return value if isinstance(value, int) else round(value, 3)
