"""`netswap remedies`."""

import json
from typing import Annotated

import typer
from rich.console import Console

from cluster import present
from cluster.command.options import Json, Path_, Set
from cluster.command.status import checked
from cluster.remedies import Patient, search
from cluster.remedies import as_json as remedies_found


def remedies(
    scenario: Path_,
    override: Set = [],  # noqa: B006  (typer copies it)
    seed: Annotated[int | None, typer.Option(help="the number all chance comes from")] = None,
    as_json: Json = False,
) -> None:
    """Find out what would have helped, by running the scenario under every proposal and under parts of the reserve.

    Exit status: 0 something helps, or nobody needs help; 1 nothing does; 2 the input is wrong.
    """
    overrides = (*override, *([f"seed={seed}"] if seed is not None else []))
    patient = Patient(scenario, overrides)
    checked(patient.load, as_json)
    screen = Console(stderr=True, quiet=as_json)
    found = checked(lambda: search(patient, lambda tried: present.counted(screen, tried)), as_json)
    if as_json:
        print(json.dumps(remedies_found(patient, found)))
    else:
        present.remedies(Console(), found)
    helps = not found.as_is.ill or found.fewest or any(one.helps for one in found.presets)
    raise typer.Exit(not helps)
