"""The last checks: whether the machines of a scenario without other mistakes can be built.

A user's own program is code, which a scenario that is only read must not run; and to build a machine may take any time
and memory. So what is built when a scenario is loaded are machines without such programs that are not large; all others
are built by `check_whole`, just before a run.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Final

from netswap.actors.machine.door import Machine
from netswap.actors.programs.rank import Rank
from netswap.actors.settings import MachineSettings, SettingsError
from netswap.cluster.scenario import cost
from netswap.cluster.scenario.cast import Cast
from netswap.cluster.scenario.errors import Problem, ScenarioError
from netswap.cluster.scenario.source import Document, Place
from netswap.cluster.scenario.user_programs import problem_with_class
from netswap.cluster.scenario.written import is_own_program

TABLES_MAX: Final = 256 << 20
"""Bytes of tables from which on a machine is not built when its scenario is only read."""
Position = tuple[str, int, int]


def check_build(document: Document, cast: Cast, machines: Sequence[MachineSettings]) -> None:
    """Build one machine of each kind, and report on those that do not hold together. Imports nothing."""
    for name, index in kinds(cast).items():
        settings = machines[index]
        kept = [place for place, (kind, _) in enumerate(settings.programs) if not is_own_program(kind)]
        if cost.tables_bytes(settings) <= TABLES_MAX:
            programs = tuple(settings.programs[place] for place in kept)
            error = _wrong(replace(settings, programs=programs), is_whole=programs == settings.programs)
            if error is not None:
                program = None if error.program is None else kept[error.program]
                document.report(place_of(name, program), error.message, error.hint, key=True)


def check_whole(cast: Cast, machines: Sequence[MachineSettings], positions: Mapping[Place, Position]) -> None:
    """Import what is named, and build what `check_build` left out. Raises ScenarioError with all that is wrong.

    What modules print goes to standard error.
    """
    problems: list[Problem] = []
    with redirect_stdout(sys.stderr):
        for name, index in kinds(cast).items():
            settings = machines[index]
            own = {place: kind for place, (kind, _) in enumerate(settings.programs) if is_own_program(kind)}
            wrong = [(place, found) for place, kind in own.items() if (found := problem_with_class(kind)) is not None]
            problems += [Problem(*positions[place_of(name, at)], found.message, found.hint) for at, found in wrong]
            if not wrong and (own or cost.tables_bytes(settings) > TABLES_MAX):
                error = _wrong(settings)
                if error is not None:
                    problems.append(Problem(*positions[place_of(name, error.program)], error.message, error.hint))
    if problems:
        raise ScenarioError(problems)


def positions_of(document: Document, names: Iterable[str]) -> dict[Place, Position]:
    """Where each machine and each of its programs stands, for mistakes that only show when they are built."""
    positions = {}
    for name in names:
        programs = document.at(("machines", name, "programs"))
        positions[place_of(name, None)] = document.position(place_of(name, None), key=True)
        for index, item in enumerate(programs if isinstance(programs, list) else []):
            place = place_of(name, index)
            positions[place] = document.position((*place, *item), key=True)
    return positions


def kinds(cast: Cast) -> dict[str, int]:
    """The written names, in the order of the scenario, each with its first machine."""
    found: dict[str, int] = {}
    for index, name in enumerate(cast.names):
        found.setdefault(cast.written_of(name), index)
    return found


def place_of(name: str, program: int | None) -> Place:
    """Where a machine stands in a scenario, or one of its programs."""
    machine: Place = ("machines", name)
    return machine if program is None else (*machine, "programs", program)


def _wrong(settings: MachineSettings, *, is_whole: bool = True) -> SettingsError | None:
    """Why a machine cannot be built, or cannot run; without programs of a user's own the latter cannot be known."""
    try:
        machine = Machine(settings)
    except SettingsError as error:
        return error
    return _stands_still(machine) if is_whole else None


def _stands_still(machine: Machine) -> SettingsError | None:
    """The first rank for which no time can pass: all that is to be in the machine's memory has room there.

    A rank that neither computes nor ever waits would run for ever at one instant.
    """
    missing = sum(one.space.pages - one.space.resident for one in machine.programs)
    if missing > machine.zone.free - machine.zone.high_mark + machine.reclaim.scan.cache.clean():
        return None  # a program that runs comes to wait for a page, again and again
    for one in machine.programs:
        if isinstance(one.program, Rank) and _never_waits(one.program):
            wrong = f"{one.space.name} fits into memory and computes for 0ns: no time would pass"
            return SettingsError(wrong, "write compute: 1ms, or another time above 0ns", one.place)
    return None


def _never_waits(rank: Rank) -> bool:
    return not rank.compute and rank.exchange == "none" and rank.steps is None
