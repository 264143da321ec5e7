"""Experiments: one scenario or several, run with every combination of some settings.

An experiment is YAML too: `scenario` (a path, or a list of paths, relative to the file), `set` (overrides for all runs),
`vary` (dotted keys, each with a list of values) and `show` (what to tell of each run, as `A.verdict`). Of a counted name
the worst verdict, the longest time and the sum of a counter are told. Two things are told in comparison with the first run:
`cost_gib`, the memory kept from programs, and `slow_down`, by which factor less was done.
"""

import csv
import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from cluster.expectations import COUNTERS, JUDGED, look_up
from cluster.lab import open_scenario
from cluster.runs import folder_for, write_json
from cluster.scenario import Problem, Scenario, ScenarioError, load
from cluster.scenario.files import read
from cluster.scenario.models import Words
from cluster.scenario.overrides import override_label
from cluster.scenario.resolve import cast_of
from cluster.scenario.source import Document, parse
from cluster.scenario.translate import validate
from cluster.scenario.words import Title, nearest
from cluster.side_by_side import side_by_side
from cluster.surroundings import noise_to
from cluster.verdict import Verdict
from cluster.views import MachineView
from protocol.rpc import PAGE
from protocol.units import shortened

COST = "cost_gib"
SLOW_DOWN = "slow_down"
SHOWN = ("verdict", *COUNTERS, COST, SLOW_DOWN)
_BEHIND = {COST: "kept_pages", SLOW_DOWN: "progress"}
"""The counters that the two are made of."""
GIB = 1 << 30


class ExperimentWords(Words):
    """An experiment as written."""

    title: Title = Field(examples=["outage by policy"])
    scenario: str | list[str] = Field(examples=["../three-machines.yaml"])
    set: dict[str, Any] = Field(default={}, description="overrides for every run")
    vary: dict[str, list[Any]] = Field(default={}, description="dotted keys, each with its values")
    show: list[str] = Field(min_length=1, examples=["[A.verdict, A.recovered_after_ns]"])


@dataclass(frozen=True, slots=True)
class Run:
    """One combination: what is varied, by name, and the scenario that comes of it."""

    varied: dict[str, Any]
    scenario: Scenario


class Row(NamedTuple):
    """What became of one run. `met`: whether all its expectations were."""

    varied: dict[str, Any]
    shown: dict[str, Any]
    met: bool
    digest: str


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment without mistakes."""

    title: str
    axes: tuple[str, ...]
    show: tuple[str, ...]
    runs: tuple[Run, ...]


def load_experiment(path: str | PathLike[str]) -> Experiment:
    """Read an experiment and every scenario that comes of it. Raises `ScenarioError` with all that is wrong."""
    document = parse(*read(Path(path)))
    words = validate(document, ExperimentWords)
    if words is None:
        raise ScenarioError(document.problems)
    scenarios = [words.scenario] if isinstance(words.scenario, str) else words.scenario
    several = {"scenario": scenarios} if len(scenarios) > 1 else {}
    axes: dict[str, list[Any]] = {**several, **words.vary}
    runs = [
        Run(varied, scenario)
        for values in itertools.product(*axes.values())
        for varied in [dict(zip(axes, values, strict=True))]
        for scenario in [_scenario(document, Path(path), words, varied, scenarios[0])]
        if scenario is not None
    ]
    _check_shown(document, words, runs)
    if document.problems:
        raise ScenarioError(document.problems)
    return Experiment(words.title, tuple(axes), tuple(words.show), tuple(runs))


def _scenario(
    document: Document, path: Path, words: ExperimentWords, varied: dict[str, Any], only: str
) -> Scenario | None:
    """One combination's scenario; what is wrong with it is reported where the experiment says it."""
    settings = {key: value for key, value in varied.items() if key != "scenario"}
    file = path.parent / varied.get("scenario", only)
    try:
        return load(file, overrides=[*words.set.items(), *settings.items()])
    except ScenarioError as error:
        for problem in error.problems:
            moved = _moved(document, words, settings, problem)
            if moved not in document.problems:
                document.problems.append(moved)
        return None


def _moved(document: Document, words: ExperimentWords, settings: dict[str, Any], problem: Problem) -> Problem:
    """A problem of an override, at its place in the experiment."""
    for place, values in (("set", words.set), ("vary", settings)):
        for key, value in values.items():
            if problem.file == override_label((key, value)):
                file, line, column = document.position((place, key), key=True)
                return replace(
                    problem,
                    file=file,
                    line=line,
                    column=column,
                    message=f"{problem.file.removeprefix('--set ')}: {problem.message}",
                )
    return problem


def _check_shown(document: Document, words: ExperimentWords, runs: list[Run]) -> None:
    """What is to be shown exists, in every scenario."""
    known = [set(cast_of(run.scenario.words).known()) for run in runs]
    names = sorted(set.intersection(*known)) if known else []
    for index, name in enumerate(words.show):
        machine, dot, attribute = name.partition(".")
        if not dot:
            hint = "write MACHINE.verdict, or MACHINE.counter"
        elif attribute not in SHOWN:
            hint = nearest(attribute, SHOWN)
        elif machine not in names and known:
            hint = nearest(machine, names)
        else:
            continue
        document.report(("show", index), f'"{shortened(name)}" cannot be shown', hint)


def perform(job: tuple[Run, tuple[str, ...]]) -> Row:
    """Run one combination to its end, in this process."""
    run, show = job
    with open_scenario(run.scenario) as cluster:
        views = cluster.run().views()
        cast = cast_of(run.scenario.words)
        shown = {name: _seen([views[one] for one in cast.members(name.partition(".")[0])], name) for name in show}
        met = all(outcome.met for outcome in cluster.outcomes())
        return Row(run.varied, shown, met, cluster.digest())


def _seen(views: Sequence[MachineView], name: str) -> Any:
    """What is to be told of one machine, or of all that have one name."""
    attribute = name.partition(".")[2]
    if attribute == "verdict":
        return str(min((view.verdict for view in views), key=list(Verdict).index))
    seen: list[Any] = [look_up(view, _BEHIND.get(attribute, attribute)) for view in views]
    if attribute not in JUDGED:
        return sum(seen)
    return max((time_ns for time_ns in seen if time_ns is not None), default=None)


def _compared(rows: Iterator[Row]) -> Iterator[Row]:
    """Each run beside the first."""
    first: Row | None = None
    for row in rows:
        first = first or row
        yield row._replace(shown={name: _beside(name, first.shown[name], row.shown[name]) for name in row.shown})


def _beside(name: str, first: Any, seen: Any) -> Any:
    attribute = name.partition(".")[2]
    if attribute == COST:
        return round((seen - first) * PAGE / GIB, 3)
    if attribute == SLOW_DOWN:
        return round(first / seen, 3) if seen else None
    return seen


@contextmanager
def performed(experiment: Experiment, engine: str, address: str | None, folder: Path) -> Iterator[Iterator[Row]]:
    """All runs in order as they end: each in a process here, or with engine "ray" as a task.

    Raises `InfrastructureError`.
    """
    jobs = [(run, experiment.show) for run in experiment.runs]
    if engine == "inline":
        yield _compared(side_by_side(perform, jobs))
        return
    from cluster.on_ray import session, tasks

    (folder / "ray").mkdir(exist_ok=True)
    processes = os.cpu_count() or 1
    with noise_to(folder / "ray" / "terminal.txt"), session(processes=processes, address=address, logs=folder / "ray"):
        yield _compared(tasks(perform, jobs))


def results_folder(experiment: Experiment, asked: Path | None) -> Path:
    """Makes the folder that the results go to. Raises OSError."""
    return folder_for(experiment.title, None, asked)


def write_results(folder: Path, experiment: Experiment, rows: list[Row]) -> None:
    """The results as JSON, and as a table of values separated by commas."""
    write_json(folder / "results.json", as_json(experiment, rows))
    with (folder / "results.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow([*experiment.axes, *experiment.show, "met", "digest"])
        table.writerows([*row.varied.values(), *row.shown.values(), row.met, row.digest] for row in rows)


def as_json(experiment: Experiment, rows: list[Row]) -> dict[str, Any]:
    """An experiment and what came of it as one object."""
    return {"experiment": experiment.title, "axes": list(experiment.axes), "runs": [row._asdict() for row in rows]}
