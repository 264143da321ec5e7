"""The runs of a search of `netswap ask`: each ends as soon as its verdict is known, and has its share of what is left."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from netswap.cluster.judge.verdict import Verdict
from netswap.cluster.scenario.overrides import Override
from netswap.cluster.study.failure import needed
from netswap.cluster.study.minimum import Answer, Question, Try, runs_at_most
from netswap.cluster.study.pool import Pool
from netswap.cluster.study.remedies import Patient, Tried, Under
from netswap.cluster.study.subject import Job, Outcome, Subject, Traffic, outlived

WIDTH: Final = 2
"""Values that a search tries at a time, however many processors there are."""


class Trials:
    """Runs of one subject under one outage and one kind of traffic, for `left_s` of work in all."""

    def __init__(self, subject: Subject, outage_s: int, traffic: Traffic, left_s: float, pool: Pool) -> None:
        self.outcomes: list[Outcome] = []
        self._cell = (subject, outage_s, traffic)
        self._left_s = left_s
        self._pool = pool

    @property
    def cpu_s(self) -> float:
        """What they took here."""
        return sum(one.cpu_s for one in self.outcomes)

    @property
    def work_s(self) -> float:
        """What they are reckoned at."""
        return sum(one.work_s for one in self.outcomes)

    @property
    def cut(self) -> bool:
        """Whether one of them was over before its verdict was known."""
        return any(one.cut for one in self.outcomes)

    def make(self, settings: Sequence[tuple[Override, ...]], still: int) -> Iterator[tuple[int, Outcome]]:
        """A run with each of these overrides, as they come; `still`: how many runs there are at most, with those to follow."""
        limit_s = max(0.0, self._left_s - self.work_s) / max(still, len(settings))
        jobs = [Job(*self._cell, limit_s, more) for more in settings]
        for number, found in self._pool.as_they_come(outlived, jobs):
            outcome = needed(found)
            self.outcomes.append(outcome)
            yield number, outcome


def values_of(trials: Trials, question: Question, answer: Answer, more: tuple[Override, ...] = ()) -> Try:
    """Runs with values of the question's key, for `narrow`; `more`: overrides of all of them."""

    def under(values: Sequence[int]) -> Iterator[tuple[int, bool]]:
        still = runs_at_most(question, answer, WIDTH) - len(answer.tried)
        settings = [(*more, (question.of, f"{value}{question.unit}" if question.unit else value)) for value in values]
        for number, outcome in trials.make(settings, still):
            wedged = outcome.verdict == Verdict.WEDGED
            yield values[number], wedged != (" is not " in question.until)

    return under


def parts_of(trials: Trials, patient: Patient, runs: int) -> Under:
    """Runs of a patient under other safeguards, for `remedies.search`; there are about `runs` of them."""
    left = [runs]

    def under(safeguards: Iterable[list[str]]) -> list[Tried]:
        names = list(safeguards)
        found = dict(trials.make([patient.settings(one) for one in names], left[0]))
        left[0] -= len(names)
        (name,) = patient.ill
        return [
            Tried(one, {name: found[number].verdict}, found[number].after_ns, 0) for number, one in enumerate(names)
        ]

    return under
