"""`netswap kernels`."""

from typing import Annotated

import typer
from rich.console import Console

from netswap.actors.kernels import KERNELS, Kernel
from netswap.cluster.command.options import Json
from netswap.cluster.command.status import tell, wrong
from netswap.cluster.kernels.rules import as_json as plain
from netswap.cluster.kernels.rules import as_text, differences
from netswap.cluster.scenario.errors import Problem
from netswap.cluster.scenario.words import nearest
from netswap.cluster.show.tables import listing, table


def kernels(
    one: Annotated[str | None, typer.Argument(metavar="[A", help="a kernel, as linux-6.1")] = None,
    other: Annotated[str | None, typer.Argument(metavar="B]", help="another one")] = None,
    as_json: Json = False,
) -> None:
    """List the kernels, or tell in what two of them differ, rule by rule.

    Exit status: 0, or 2 if there is no such kernel.
    """
    if one is None:
        _list(as_json)
        return
    if other is None:
        hint = f"name another one: netswap kernels {one} {next(name for name in KERNELS if name != one)}"
        raise wrong([Problem("kernels", 1, 1, "one kernel differs from nothing", hint)], as_json)
    _differences(_kernel(one, as_json), _kernel(other, as_json), as_json)


def _kernel(name: str, as_json: bool) -> Kernel:
    if name not in KERNELS:
        raise wrong([Problem("kernels", 1, 1, f'there is no kernel "{name}"', nearest(name, KERNELS))], as_json)
    return KERNELS[name]


def _list(as_json: bool) -> None:
    if as_json:
        tell({"kernels": [{"name": name, "doc": kernel.doc} for name, kernel in KERNELS.items()]})
    else:
        listing(Console(), [(name, kernel.doc) for name, kernel in KERNELS.items()])


def _differences(one: Kernel, other: Kernel, as_json: bool) -> None:
    found = differences(one, other)
    if as_json:
        rules = [
            {"name": each.name, "rule": each.rule, one.name: plain(each.values[0]), other.name: plain(each.values[1])}
            for each in found
        ]
        tell({"kernels": [one.name, other.name], "differences": rules})
        return
    rows = [[each.name, *(as_text(each.name, value) for value in each.values), each.rule] for each in found]
    console = Console()
    if rows:
        table(console, ("rule", one.name, other.name, "what it says"), rows, folds="what it says")
    print(f"{len(rows)} rules differ")
