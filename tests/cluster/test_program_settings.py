"""What a scenario hands to the programs is of the types that they declare, which compiled modules insist on."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import pytest
from pydantic import TypeAdapter

from netswap.actors.process.loader import PROGRAMS
from netswap.cluster.scenario import load

CONFIGS = Path(__file__).parents[2] / "configs"
SCENARIOS = [path for path in sorted(CONFIGS.rglob("*.yaml")) if "\nmachines:" in path.read_text(encoding="utf-8")]


def handed(scenario: Path) -> Iterator[tuple[str, str, object]]:
    """Kind, name and value of each setting of each program, one machine of a count standing for all."""
    for kind, settings in {
        str(one): one for machine in load(scenario).resolved().machines for one in machine.programs
    }.values():
        for name, value in settings.items():
            yield kind, name, value


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.relative_to(CONFIGS).as_posix())
def test_settings_are_of_the_types_that_programs_declare(scenario: Path) -> None:
    for kind, name, value in handed(scenario):
        if kind in PROGRAMS:
            TypeAdapter(get_type_hints(PROGRAMS[kind])[name]).validate_python(value, strict=True)
