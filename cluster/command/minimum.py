"""`netswap minimum`."""

import json
from typing import Annotated

import typer
from rich.console import Console

from cluster import present
from cluster.command.options import Json, Path_, Set
from cluster.command.status import checked
from cluster.minimum import Question, search
from cluster.minimum import as_json as searched


def minimum(
    scenario: Path_,
    of: Annotated[str, typer.Option("--of", metavar="KEY", help="a dotted key whose value is a number")],
    until: Annotated[str, typer.Option("--until", metavar="EXPECTATION", help='as "A is recovered"')],
    override: Set = [],  # noqa: B006  (typer copies it)
    least: Annotated[int, typer.Option(min=0, help="the smallest value to try")] = 0,
    most: Annotated[int, typer.Option(min=1, help="the largest value to try")] = 65_536,
    unit: Annotated[str, typer.Option(help="written behind each value, as KiB")] = "",
    seed: Annotated[int | None, typer.Option(help="the number all chance comes from")] = None,
    as_json: Json = False,
) -> None:
    """Find the smallest value with which an expectation is met, by running the scenario again and again.

    Exit status: 0 found, 1 not even the largest value is enough, 2 the input is wrong.
    """
    overrides = (*override, *([f"seed={seed}"] if seed is not None else []))
    question = Question(scenario, overrides, of, until, unit, min(least, most))
    for value in (question.least, most):
        checked(lambda value=value: question.load(value), as_json)  # type: ignore[misc]
    answer = checked(lambda: search(question, most), as_json)
    if as_json:
        print(json.dumps(searched(question, answer)))
    else:
        present.minimum(Console(), question, answer)
    raise typer.Exit(answer.minimum is None)
