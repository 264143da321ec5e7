"""Experiments: one scenario or several, to be run with every combination of some settings.

An experiment is YAML too: `scenario` (a path, or a list of paths, relative to the file), `set` (overrides for all runs),
`vary` (dotted keys, each with a list of values) and `show` (what to tell of each run, as `A.verdict`). Of a counted name
the worst verdict, the longest time and the sum of a counter are told. Two things are told in comparison with the first run:
`cost_gib`, the memory kept from programs, and `slow_down`, by which factor less was done.
"""

import itertools
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from pydantic import Field

from netswap.cluster.judge.expectations import COUNTERS
from netswap.cluster.scenario import Problem, Scenario, ScenarioError, load
from netswap.cluster.scenario.files import read
from netswap.cluster.scenario.models import Words
from netswap.cluster.scenario.overrides import override_label
from netswap.cluster.scenario.resolve import cast_of
from netswap.cluster.scenario.source import Document, parse
from netswap.cluster.scenario.translate import validate
from netswap.cluster.scenario.words import Title, nearest
from netswap.protocol.units import shortened

COST = "cost_gib"
SLOW_DOWN = "slow_down"
SHOWN = ("verdict", *COUNTERS, COST, SLOW_DOWN)
BEHIND = {COST: "kept_pages", SLOW_DOWN: "progress"}
"""The counters that the two are made of."""


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
