"""What the real machine did and what ours does, cell by cell."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from typing import Any, Final

from netswap.cluster.scenario import load
from netswap.cluster.study.failure import Failure
from netswap.cluster.study.pool import Pool, Watch
from netswap.cluster.validate import mapping, trial
from netswap.cluster.validate.cells import Cell
from netswap.cluster.validate.trial import Job, Seen
from netswap.cluster.validate.verdicts import known

FACTOR: Final = 1.5
"""Within which a time to recover agrees."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A cell, and its runs."""

    cell: Cell
    seen: tuple[Seen, ...]
    notes: tuple[str, ...]
    """What is only approximate, or why there is no run."""
    failures: tuple[Failure, ...] = ()
    """Why runs gave no result."""

    @property
    def real(self) -> list[str]:
        """The verdicts of the cell, each once."""
        return list(dict.fromkeys(known(one) for one in self.cell.verdicts))

    @property
    def failed(self) -> str:
        """Why runs gave no result, as one sentence; empty if all did."""
        return "; ".join(dict.fromkeys(one.reason for one in self.failures))

    @property
    def ours(self) -> list[str]:
        """Ours, each once."""
        return list(dict.fromkeys(one.verdict for one in self.seen))

    @property
    def ours_s(self) -> float | None:
        """The median of our times to recover."""
        times = [one.recovered_s for one in self.seen if one.recovered_s is not None]
        return median(times) if times else None

    @property
    def share(self) -> float | None:
        """The share of our runs whose verdict reality had too; None if one of the two is not known."""
        if not self.seen or not self.real:
            return None
        return sum(one.verdict in self.real for one in self.seen) / len(self.seen)

    @property
    def agrees(self) -> bool | None:
        """Whether all of them have; None as above."""
        return None if self.share is None else self.share == 1

    @property
    def time_agrees(self) -> bool | None:
        """Whether the times agree; None where not both recovered, and of a machine that was never cut off."""
        real, ours = self.cell.real_s, self.ours_s
        if real is None or ours is None or not self.cell.number("partition_s"):
            return None
        return real <= ours * FACTOR and ours <= real * FACTOR

    def told(self) -> dict[str, Any]:
        """As one object."""
        return {
            "cell": self.cell.name,
            "real": self.real,
            "ours": self.ours,
            "real_s": self.cell.real_s,
            "ours_s": self.ours_s,
            "share": self.share,
            "agrees": self.agrees,
            "time_agrees": self.time_agrees,
            "notes": list(self.notes),
            "failed": self.failed,
            "runs": [asdict(one) for one in self.seen],
        }


def check(cells: Iterable[Cell]) -> None:
    """Make the scenario of each. Raises ScenarioError for what is wrong in any."""
    for cell in cells:
        load(mapping.scenario(cell).text())


def compare(
    cells: Sequence[Cell], seeds: Sequence[int], watch: Watch, processes: int | None = None
) -> Iterator[Compared]:
    """Run each cell with each seed, and tell of each as soon as its runs have ended, in the order of the cells."""
    jobs = [Job(cell, seed) for cell in cells for seed in seeds]
    done: dict[int, Seen | Failure] = {}
    told = 0
    with Pool(watch, processes) as pool:
        for number, outcome in pool.as_they_come(trial.run, jobs):
            done[number] = outcome
            mine = partial(range, told * len(seeds), (told + 1) * len(seeds))
            while told < len(cells) and all(one in done for one in mine()):
                yield _of(cells[told], [done.pop(one) for one in mine()])
                told += 1
                mine = partial(range, told * len(seeds), (told + 1) * len(seeds))


def _of(cell: Cell, outcomes: Sequence[Seen | Failure]) -> Compared:
    failures = tuple(one for one in outcomes if isinstance(one, Failure))
    seen = tuple(one for one in outcomes if isinstance(one, Seen))
    return Compared(cell, seen, tuple(mapping.scenario(cell).notes), failures)


def summed(compared: Sequence[Compared]) -> dict[str, Any]:
    """All of them as one object."""
    verdicts = [one.agrees for one in compared if one.agrees is not None]
    times = [one.time_agrees for one in compared if one.time_agrees is not None]
    return {
        "cells": [one.told() for one in compared],
        "agree": sum(verdicts),
        "of": len(verdicts),
        "times_agree": sum(times),
        "times_of": len(times),
    }
