"""What a scenario claims about its machines: `A is wedged`, `A is not wedged`, `A lost data`, `A.lost_pages == 0`."""

import difflib
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from netswap.actors import counters
from netswap.protocol import units
from netswap.protocol.errors import HintedError
from netswap.protocol.units import UnitError

VERDICTS: tuple[str, ...] = (
    "lost-data",
    "oom-killed",
    "killed",
    "wedged",
    "livelocked",
    "blocked",
    "undecided",
    "recovered",
    "slow",
    "healthy",
    "finished",
)

# What the judgement of a machine tells beside its counters; None where it never came to that.
JUDGED = ("stalled_at_ns", "stalled_ns", "recovered_after_ns")

COUNTERS: tuple[str, ...] = (*counters.COUNTERS, *JUDGED, *(f"dropped.{cause}" for cause in counters.CAUSES))

OPERATORS: dict[str, Callable[[int, int], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}

TEXT_MAX = 200
"""Characters of an expectation."""
_NAME = r"(?P<name>[A-Za-z][A-Za-z0-9_-]*)"
_VERDICT = re.compile(_NAME + r"\s+is\s+(?P<negated>not\s+)?(?P<verdict>\S+)")
_LOSS = re.compile(_NAME + r"\s+lost\s+(?P<negated>no\s+)?data")
"""Another way to say that its verdict is, or is not, lost-data."""
_COMPARISON = re.compile(_NAME + r"\.(?P<attribute>[A-Za-z0-9_.-]+)\s*(?P<op>[<>=!]+)\s*(?P<value>\S.*)")


class ExpectationError(HintedError):
    """A text that is no expectation; `message` says why, `hint` what would be right."""


class MachineView(Protocol):
    """What is judged: a machine as the cluster shows it.

    `dropped` counts frames by cause. Other names of COUNTERS are looked up in `counters`, then on the view itself.
    """

    @property
    def verdict(self) -> str:
        """The word of the machine's verdict."""

    @property
    def counters(self) -> Mapping[str, int]:
        """The machine's counters, by name."""

    @property
    def dropped(self) -> Mapping[str, int]:
        """Frames, by cause."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One claim about every machine in `machines`.

    A `verdict` claim has `verdict` and `negated`; a `counter` claim has `attribute`, `op` and `value` (a count, or
    nanoseconds for an attribute that ends in `_ns`). The fields of the other kind are empty.
    """

    text: str
    machines: tuple[str, ...]
    kind: Literal["verdict", "counter"]
    negated: bool = False
    verdict: str = ""
    attribute: str = ""
    op: str = ""
    value: int = 0

    def about(self, machines: Sequence[str]) -> "Expectation":
        """The claim of this expectation, about these machines."""
        return replace(self, machines=tuple(machines))


def parse(text: str) -> Expectation:
    """The expectation of a text, about the machine as named there. Raises ExpectationError."""
    if len(text) > TEXT_MAX:
        raise ExpectationError(f'"{units.shortened(text)}" is too long', f"write at most {TEXT_MAX} characters")
    written = text.strip()
    if match := _VERDICT.fullmatch(written):
        return _verdict_claim(text, match)
    if match := _LOSS.fullmatch(written):
        return Expectation(text, (match["name"],), "verdict", negated=bool(match["negated"]), verdict="lost-data")
    if match := _COMPARISON.fullmatch(written):
        return _counter_claim(text, match)
    raise ExpectationError(
        f'"{units.shortened(text)}" is no expectation',
        "write NAME is [not] VERDICT, NAME lost [no] data, or NAME.counter == 0",
    )


def judge(expectation: Expectation, view: MachineView) -> tuple[bool, object]:
    """Whether one machine meets the claim, and what was seen: its verdict or the value (None where there is none)."""
    if expectation.kind == "verdict":
        return (view.verdict == expectation.verdict) != expectation.negated, view.verdict
    seen = look_up(view, expectation.attribute)
    if not isinstance(seen, int):
        return False, seen
    return OPERATORS[expectation.op](seen, expectation.value), seen


def judge_all(expectation: Expectation, views: Mapping[str, MachineView]) -> tuple[bool, object]:
    """Whether every machine of the claim meets it, and what was seen: by name if there are several machines."""
    results = {name: judge(expectation, views[name]) for name in expectation.machines}
    met = all(one_met for one_met, _ in results.values())
    if len(results) == 1:
        return met, next(seen for _, seen in results.values())
    return met, {name: seen for name, (_, seen) in results.items()}


def seen_text(seen: object) -> str:
    """What was seen, as `judge_all` tells it, in words: of several machines each with its name."""
    if isinstance(seen, Mapping):
        return ", ".join(f"{name} {one}" for name, one in seen.items())
    return str(seen)


def look_up(view: MachineView, attribute: str) -> object:
    """What a machine shows under this name of COUNTERS, or as an attribute of the view."""
    if attribute.startswith("dropped."):
        return view.dropped.get(attribute.removeprefix("dropped."), 0)  # one that never occurred need not be listed
    if attribute in view.counters:
        return view.counters[attribute]
    return getattr(view, attribute, None)


def _verdict_claim(text: str, match: re.Match[str]) -> Expectation:
    verdict = match["verdict"]
    if verdict not in VERDICTS:
        raise ExpectationError(f'there is no verdict "{units.shortened(verdict)}"', _nearest(verdict, VERDICTS))
    return Expectation(text, (match["name"],), "verdict", negated=bool(match["negated"]), verdict=verdict)


def _counter_claim(text: str, match: re.Match[str]) -> Expectation:
    attribute, op = match["attribute"], match["op"]
    if attribute not in COUNTERS:
        raise ExpectationError(f'there is no counter "{units.shortened(attribute)}"', _nearest(attribute, COUNTERS))
    if op not in OPERATORS:
        raise ExpectationError(f'"{units.shortened(op)}" does not compare', f"write one of {' '.join(OPERATORS)}")
    value = _value(attribute, match["value"])
    return Expectation(text, (match["name"],), "counter", attribute=attribute, op=op, value=value)


def _value(attribute: str, written: str) -> int:
    """A count, or for an attribute in nanoseconds a time."""
    try:
        value = units.parse_quantity(written)
    except UnitError as error:
        raise ExpectationError(error.message, error.hint) from None
    unit = units.unit_of(written)
    if attribute.endswith("_ns") and unit and unit not in units.TIME_UNITS:
        raise ExpectationError(f'{attribute} is a time, "{written}" is not', "write for example 10s")
    if unit and not attribute.endswith("_ns"):
        raise ExpectationError(f'{attribute} is a plain number, "{written}" is not', "write it without a unit")
    return value


def _nearest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f'did you mean "{near[0]}"?' if near else f"known are {', '.join(known)}"
