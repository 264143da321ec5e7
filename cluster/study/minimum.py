"""The smallest value of a setting with which an expectation is met: bisection over runs in this machine's processes.

The answer is worth what monotony is worth: all values that were tried above it meet the expectation and all below do
not, or the search says where that is not so.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from netswap.cluster.lab.cluster import open_scenario
from netswap.cluster.scenario import Scenario, ScenarioError, load
from netswap.cluster.scenario.overrides import override_label
from netswap.cluster.study.failure import needed
from netswap.cluster.study.pool import Pool
from netswap.protocol.units import shortened


@dataclass(frozen=True, slots=True)
class Question:
    """`of`: a dotted key of the scenario; `until`: an expectation; `unit` is written behind each number."""

    scenario: str
    overrides: tuple[str, ...]
    of: str
    until: str
    unit: str = ""
    least: int = 0
    """The smallest value to try."""

    def load(self, value: int) -> Scenario:
        """The scenario with this value. Raises `ScenarioError`, in the words of the question."""
        written: object = f"{value}{self.unit}" if self.unit else value
        try:
            return load(self.scenario, overrides=[*self.overrides, (self.of, written)], expect=[self.until])
        except ScenarioError as error:
            labels = {
                override_label((self.of, written)): f"--of {shortened(self.of)}",
                override_label(("expect", [self.until])): "--until",
            }
            problems = [replace(one, file=labels.get(one.file, one.file)) for one in error.problems]
            raise ScenarioError(problems) from None


@dataclass(slots=True)
class Answer:
    """`minimum` is None if not even `most` was enough; `tried`: each value and whether it met the expectation."""

    most: int
    minimum: int | None = None
    tried: dict[int, bool] = field(default_factory=dict)

    @property
    def is_monotone(self) -> bool:
        """Whether no value that was enough is below one that was not."""
        met = [self.tried[value] for value in sorted(self.tried)]
        return met == sorted(met)


def is_met(question: Question, value: int) -> bool:
    """Run the scenario with this value to its end, and look."""
    with open_scenario(question.load(value)) as cluster:
        return all(outcome.met for outcome in cluster.run().outcomes())


Try = Callable[[Sequence[int]], Iterator[tuple[int, bool]]]
"""Runs the scenario with each of some values, and gives each back with whether it was enough, as they come."""


def tries(question: Question, pool: Pool) -> Try:
    """Runs in the processes of a pool, which raise `RunFailedError`."""

    def under(values: Sequence[int]) -> Iterator[tuple[int, bool]]:
        for number, met in pool.as_they_come(partial(is_met, question), values):
            yield values[number], needed(met)

    return under


def narrow(question: Question, answer: Answer, under: Try, workers: int) -> Iterator[int]:
    """Cut what is between the largest value that fails and the smallest that does not into workers + 1 parts.

    The answer is filled in; after each run the number of runs is given back that there will be at most.
    """
    bound = runs_at_most(question, answer, workers)
    values: Sequence[int] = sorted({question.least, answer.most})
    while values:
        for value, met in under(values):
            answer.tried[value] = met
            if answer.tried.keys() >= set(values):
                bound = runs_at_most(question, answer, workers)
            yield bound
        fails, meets = edges(question, answer)
        values = _between(fails, meets, workers) if meets <= answer.most else []
    answer.minimum = meets if meets <= answer.most else None


def edges(question: Question, answer: Answer) -> tuple[int, int]:
    """The largest value known to fail below the smallest known to be enough, and that; beyond the ends if none is known."""
    meets = min((value for value, met in answer.tried.items() if met), default=answer.most + 1)
    fails = max((value for value, met in answer.tried.items() if not met and value < meets), default=question.least - 1)
    return fails, meets


def runs_at_most(question: Question, answer: Answer, workers: int) -> int:
    """How many runs there will be at most, with those that have been made; nothing is under way."""
    fails, meets = edges(question, answer)
    if not answer.tried:
        ends = len({question.least, answer.most})
        return ends + _runs_between(answer.most - question.least, workers)
    between = _runs_between(meets - fails, workers) if meets <= answer.most else 0
    return len(answer.tried) + between


def _runs_between(gap: int, workers: int) -> int:
    runs = 0
    while gap > 1:
        runs += min(workers, gap - 1)
        gap = -(-gap // (workers + 1))
    return runs


def _between(low: int, high: int, parts: int) -> list[int]:
    """Up to this many values strictly between the two, evenly spaced."""
    return sorted({low + (high - low) * part // (parts + 1) for part in range(1, parts + 1)} - {low, high})


def as_json(question: Question, answer: Answer) -> dict[str, Any]:
    """The search as one object."""
    return {
        "scenario": question.scenario,
        "of": question.of,
        "until": question.until,
        "minimum": answer.minimum,
        "unit": question.unit,
        "monotone": answer.is_monotone,
        "tried": [{"value": value, "met": met} for value, met in sorted(answer.tried.items())],
    }
