"""`netswap claims`."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console

from cluster import present
from cluster.command.options import Json
from cluster.command.status import tell, wrong
from cluster.scenario import Problem

if TYPE_CHECKING:
    from cluster.claims.ablation import Ablated
    from cluster.claims.prove import Shown

Tested = TypeVar("Tested", "Shown", "Ablated")


class EraName(StrEnum):
    """Whose rules."""

    LINUX_2_6_22 = "linux-2.6.22"
    LINUX_6_11 = "linux-6.11"


def claims(
    only: Annotated[list[int], typer.Option("--only", metavar="ROW", help="this row; may be given again")] = [],  # noqa: B006
    era: Annotated[EraName | None, typer.Option(help="only the rules of this kernel")] = None,
    ablation: Annotated[bool, typer.Option("--ablation", help="take away each part of the reserve instead")] = False,
    as_json: Json = False,
) -> None:
    """Put every claim of the argument to the test: what is predicted, and what is seen.

    Exit status: 0 all hold, 1 one does not, 2 there is no such row.
    """
    from cluster.claims import prove  # every scenario of it is read by then

    try:
        chosen = prove.choose(only, era)
    except prove.UnknownRow as error:
        raise wrong([Problem("--only", 1, 1, *error.args)], as_json) from None
    if ablation:
        raise _prove("ablation", prove.ablations(), None if as_json else present.ablated)
    raise _prove("claims", prove.prove(chosen), None if as_json else present.claim)


def _prove(name: str, tested: Iterator[Tested], show: Callable[[Console, Tested], None] | None) -> typer.Exit:
    """Show each as it comes, or all as one object."""
    console = Console()
    shown = []
    for one in tested:
        shown.append(one)
        if show is not None:
            show(console, one)
    hold = sum(one.holds for one in shown)
    if show is None:
        tell({name: [one._asdict() for one in shown], "hold": hold, "fail": len(shown) - hold})
    else:
        print(f"{hold} hold, {len(shown) - hold} fail")
    return typer.Exit(hold < len(shown))
