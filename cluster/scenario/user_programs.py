"""A user's own program, named in a scenario as package.module:Class. To import it is to run its code."""

from dataclasses import dataclass
from typing import Any

from netswap.actors.process import loader
from netswap.actors.settings import SettingsError
from netswap.protocol.units import UnitError, parse_quantity, shortened


@dataclass(frozen=True, slots=True)
class ProgramProblem:
    """Why a class cannot be had, and what would be right."""

    message: str
    hint: str


def problem_with_name(name: str) -> ProgramProblem | None:
    """Why `name` cannot be that of a class; None if it can. Imports nothing."""
    module_name, _, class_name = name.partition(":")
    if not all(part.isidentifier() for part in (*module_name.split("."), class_name)):
        return ProgramProblem(f'"{shortened(name)}" names no class', "write package.module:Class")
    return None


def problem_with_class(name: str) -> ProgramProblem | None:
    """Why `name` cannot be used as a program; None if it can. Imports its module, and makes nothing of the class."""
    try:
        loader.own_program(name)
    except SettingsError as error:
        return ProgramProblem(error.message, error.hint)
    return None


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
