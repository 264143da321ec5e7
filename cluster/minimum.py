"""The smallest value of a setting with which an expectation is met: bisection over runs in this machine's processes.

The answer is worth what monotony is worth: all values that were tried above it meet the expectation and all below do
not, or the search says where that is not so.
"""

import os
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from typing import Any

from cluster.lab import open_scenario
from cluster.scenario import Scenario, ScenarioError, load
from cluster.scenario.overrides import override_label
from protocol.units import shortened


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


def search(question: Question, most: int, processes: int | None = None) -> Answer:
    """The least whole number, up to `most`, that is enough."""
    workers = processes or os.cpu_count() or 1
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return narrow(question, Answer(most), pool, workers)


def narrow(question: Question, answer: Answer, pool: Executor, workers: int) -> Answer:
    """Cut what is between the largest value that fails and the smallest that does not into workers + 1 parts."""
    fails, meets = question.least - 1, answer.most + 1
    values: Sequence[int] = [question.least, answer.most]
    while values:
        answer.tried.update(zip(values, pool.map(is_met, [question] * len(values), values), strict=True))
        meets = min((value for value, met in answer.tried.items() if met), default=meets)
        fails = max((value for value, met in answer.tried.items() if not met and value < meets), default=fails)
        values = _between(fails, meets, workers) if meets <= answer.most else []
    answer.minimum = meets if meets <= answer.most else None
    return answer


def _between(low: int, high: int, parts: int) -> list[int]:
    """Up to so many values strictly between the two, evenly."""
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
