"""A user's own program, named in a scenario as package.module:Class."""

import importlib
from dataclasses import dataclass
from typing import Any

from cluster.scenario.words import nearest
from protocol.units import UnitError, parse_quantity


@dataclass(frozen=True, slots=True)
class ProgramProblem:
    """Why a class cannot be had, and what would be right."""

    message: str
    hint: str


def problem_with(name: str) -> ProgramProblem | None:
    """Why `name` cannot be used as a program; None if it can. Imports its module."""
    module_name, _, class_name = name.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), class_name)):
        return ProgramProblem(f'"{name}" names no class', "write package.module:Class")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        hint = "check the spelling, and that its folder is on PYTHONPATH"
        return ProgramProblem(f'there is no module "{error.name}"', hint)
    except Exception as error:  # a user's module may fail in any way; that is an error of the input, not ours
        return ProgramProblem(f"{module_name} cannot be imported: {type(error).__name__}: {error}", "repair the module")
    if isinstance(getattr(module, class_name, None), type):
        return None
    classes = [one for one, value in vars(module).items() if isinstance(value, type)]
    return ProgramProblem(f'there is no class "{class_name}" in {module_name}', nearest(class_name, classes))


def settings_of(value: Any) -> Any:
    """Settings with every text that is a quantity as a whole number, in lists and mappings too."""
    if isinstance(value, dict):
        return {key: settings_of(item) for key, item in value.items()}
    if isinstance(value, list):
        return [settings_of(item) for item in value]
    if not isinstance(value, str):
        return value
    try:
        return parse_quantity(value)
    except UnitError:
        return value
