"""`netswap claims`."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console

from netswap.actors.kernels import KERNELS
from netswap.cluster.command.options import Json
from netswap.cluster.command.status import tell, wrong
from netswap.cluster.command.studies import STATUS, line, study
from netswap.cluster.scenario.errors import Problem
from netswap.cluster.scenario.words import nearest
from netswap.cluster.show.progress import Progress
from netswap.cluster.study.pool import Watch

if TYPE_CHECKING:
    from netswap.cluster.claims.shown import Ablated, Shown

Tested = TypeVar("Tested", "Shown", "Ablated")


def claims(
    only: Annotated[list[int], typer.Option("--only", metavar="ROW", help="this row; may be given again")] = [],  # noqa: B006
    era: Annotated[str | None, typer.Option(metavar="|".join(KERNELS), help="only the rules of this kernel")] = None,
    ablation: Annotated[bool, typer.Option("--ablation", help="take away each part of the reserve instead")] = False,
    as_json: Json = False,
) -> None:
    """Put every claim of the argument to the test: what is predicted, and what is seen.

    Exit status: 0 all hold, 1 one does not, 2 there is no such row or kernel, 3 or 4 one could not be shown.
    """
    if era is not None and era not in KERNELS:
        raise wrong([Problem("--era", 1, 1, f'there is no kernel "{era}"', nearest(era, KERNELS))], as_json)
    from netswap.cluster.claims import prove  # every scenario of it is read by then

    try:
        chosen = prove.choose(only, era)
    except prove.UnknownRow as error:
        raise wrong([Problem("--only", 1, 1, *error.args)], as_json) from None
    from netswap.cluster.claims import present
    from netswap.cluster.claims.ablation import ABLATIONS

    if ablation:
        again = line("claims", ablation=True, json=as_json)
        raise _prove("ablation", prove.ablations, len(ABLATIONS), None if as_json else present.ablated, lambda _: again)

    def rest(done: int) -> str:
        rows = sorted({claim.row for claim in chosen[done:]})
        return line("claims", only=rows if done or only else [], era=era, json=as_json)

    def proved(watch: Watch) -> Iterator["Shown"]:
        return prove.prove(chosen, watch)

    raise _prove("claims", proved, len(chosen), None if as_json else present.claim, rest)


def _prove(
    name: str,
    tested: Callable[[Watch], Iterator[Tested]],
    total: int,
    show: Callable[[Console, Tested], None] | None,
    rest: Callable[[int], str],
) -> typer.Exit:
    """Show each as it comes, or all as one object; `rest`: the command line for the claims that are left after the first n."""
    console = Console()
    shown: list[Tested] = []
    with (
        study(show is None, lambda: f"{len(shown)} of {total} have been shown; for the others: {rest(len(shown))}"),
        Progress(Console(stderr=True), total, what=name) as progress,
    ):
        for one in tested(progress.look):
            shown.append(one)
            progress.one_more()
            if show is not None:
                show(console, one)
    hold = sum(one.holds for one in shown)
    if show is None:
        tell({name: [one.told() for one in shown], "hold": hold, "fail": len(shown) - hold})
    else:
        print(f"{hold} hold, {len(shown) - hold} fail")
    failures = [STATUS[one.failed] for one in shown if one.failed is not None]
    return typer.Exit(max(failures, default=int(hold < len(shown))))
