"""`netswap explain`: the story of a machine, told again."""

import json
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from netswap.cluster.command.looking import opened
from netswap.cluster.command.status import standard_output, wrong
from netswap.cluster.judge import waits
from netswap.cluster.report.opened import open_run
from netswap.cluster.scenario.errors import Problem
from netswap.cluster.show.present import worst_first


class Form(StrEnum):
    """How it is told."""

    TEXT = "text"
    DOT = "dot"
    SVG = "svg"
    JSON = "json"


def explain(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="the folder of a run")],
    machine: Annotated[str | None, typer.Option(help="whose story; default: the worst machine's")] = None,
    form: Annotated[Form, typer.Option("--as", help="sentences, or the wait-for graph")] = Form.TEXT,
) -> None:
    """Tell again why a machine is what it is: as sentences, or as the wait-for graph at the end.

    Exit status: 0, 2 there is no such run or machine, or the libraries for pictures are missing.
    """
    try:
        result = open_run(run).result
    except FileNotFoundError as error:
        raise wrong(
            [Problem(str(run), 1, 1, str(error), "name the folder of a run, as runs/TITLE-1-1")], False
        ) from None
    name = machine or worst_first(result)[0][0]
    if name not in result["machines"]:
        known = ", ".join(list(result["machines"])[:12])
        raise wrong([Problem("--machine", 1, 1, f"there is no machine {name!r}", f"name one of {known}")], False)
    if form is Form.SVG:
        opened([run])
    with standard_output():
        print(_told(result, name, form))


def _told(result: dict[str, Any], name: str, form: Form) -> str:
    graph = waits.of_machine(result, name)
    if form is Form.DOT:
        return waits.as_dot(graph)
    if form is Form.JSON:
        return json.dumps({"machine": name, **waits.as_json(graph), "reason": result["machines"][name]["reason"]})
    if form is Form.SVG:
        from netswap.cluster.report.graph import picture

        drawn = picture(result, name)
        return str(import_module("vl_convert").vegalite_to_svg(drawn)) if drawn else ""
    reason = result["machines"][name]["reason"]
    return "\n".join(reason) or f"{name} is {result['machines'][name]['verdict']}, and there is nothing to explain"
