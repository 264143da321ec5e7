"""How a command ends when it cannot give a result: a place, a sentence, and the exit status that says what kind it was."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import typer

from cluster.engine import InfrastructureError
from cluster.scenario import Problem, Scenario, ScenarioError, load

Loaded = TypeVar("Loaded")

INPUT_IS_WRONG: Final = 2
INFRASTRUCTURE_FAILED: Final = 3
INTERRUPTED: Final = 130


def loaded_scenario(scenario: str, overrides: Sequence[str], as_json: bool) -> Scenario:
    """The scenario, or all its errors on standard error and exit status 2."""
    return checked(lambda: load(Path(scenario), overrides=overrides), as_json)


def checked(loaded: Callable[[], Loaded], as_json: bool) -> Loaded:
    """What was loaded, or all errors on standard error and exit status 2."""
    try:
        return loaded()
    except ScenarioError as error:
        raise wrong(error.problems, as_json) from None


def folder_made(made: Callable[[], Path], asked: Path | None, as_json: bool) -> Path:
    """The run's folder, made; or why it cannot be, and exit status 2."""
    try:
        return made()
    except OSError as error:
        label = f"--run-dir {asked or 'runs'}"
        problem = Problem(label, 1, 1, f"this cannot be a folder: {error.strerror}", "name one that can be written to")
        raise wrong([problem], as_json) from None


def wrong(problems: list[Problem], as_json: bool) -> typer.Exit:
    """Say what is wrong with the input."""
    for problem in problems:
        print(problem, file=sys.stderr)
    if as_json:
        fields = ("file", "line", "column", "message", "hint")
        print(json.dumps({"errors": [{name: getattr(problem, name) for name in fields} for problem in problems]}))
    return typer.Exit(INPUT_IS_WRONG)


def failed(error: InfrastructureError, folder: Path, as_json: bool) -> int:
    print(f"Ray failed, which is no result: {error}; its logs are in {folder / 'ray'}", file=sys.stderr)
    if as_json:
        print(json.dumps({"verdict": "infrastructure failed", "error": str(error), "run": str(folder)}))
    return INFRASTRUCTURE_FAILED
