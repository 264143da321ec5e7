"""`netswap validate`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from netswap.cluster.command.options import Json
from netswap.cluster.command.status import checked, standard_output, tell, wrong
from netswap.cluster.command.studies import STATUS, line, say, study
from netswap.cluster.scenario.errors import Problem
from netswap.cluster.scenario.words import nearest
from netswap.cluster.show.progress import Progress
from netswap.cluster.validate import cells as reading
from netswap.cluster.validate import compare, present, written
from netswap.cluster.validate.cells import Cell
from netswap.cluster.validate.compare import Compared

SEEDS_MAX = 1000


def validate(
    cell: Annotated[
        list[str] | None, typer.Argument(metavar="[CELL]...", help="only these, by name or beginning")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=SEEDS_MAX, help="runs of each, with seeds from 1 on")] = 3,
    cells: Annotated[Path | None, typer.Option(metavar="FILE", help="another csv with the same columns")] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="runs at a time; default: as many as processors")] = None,
    as_table: Annotated[bool, typer.Option("--markdown", help="print the table of docs/validation.md")] = False,
    write: Annotated[Path | None, typer.Option(metavar="FOLDER", help="write the scenarios, and run nothing")] = None,
    as_json: Json = False,
) -> None:
    """Hold the model against what a real kernel did: each cell of an experiment, run over seeds, beside its result.

    Exit status: 0 all agree, 1 one does not, 2 the input is wrong, 3 or 4 a run failed.
    """
    path = cells or reading.PUBLIC
    chosen = _chosen(path, cell or [], as_json)
    if write is not None:
        checked(lambda: written.write(chosen, write), as_json)
        return
    checked(lambda: compare.check(chosen), as_json)
    again = line("validate", *(cell or []), seeds=seeds, cells=cells, processes=processes, json=as_json)
    compared = _compared(chosen, seeds, processes, again, as_json)
    with standard_output():
        _tell(compared, as_json=as_json, as_table=as_table)
    failures = [STATUS[failure.kind] for one in compared for failure in one.failures]
    raise typer.Exit(max(failures, default=int(any(one.agrees is False for one in compared))))


def _chosen(path: Path, names: list[str], as_json: bool) -> list[Cell]:
    """The cells that are asked for, or all; otherwise the end, with status 2."""
    try:
        found, unknown = checked(lambda: reading.read(path), as_json)
    except OSError as error:
        hint = "name a csv with the columns of configs/validation/cells.csv"
        raise wrong([Problem(str(path), 1, 1, f"it cannot be read: {error.strerror}", hint)], as_json) from None
    if unknown:
        say(f"{path}: nothing here knows these columns: {', '.join(unknown)}")
    missing = [name for name in names if not any(one.name.startswith(name) for one in found)]
    if missing:
        hint = nearest(missing[0], dict.fromkeys(one.name for one in found))
        raise wrong([Problem(str(path), 1, 1, f'there is no cell "{missing[0]}"', hint)], as_json)
    return [one for one in found if not names or any(one.name.startswith(name) for name in names)]


def _compared(able: list[Cell], seeds: int, processes: int | None, again: str, as_json: bool) -> list[Compared]:
    """All runs, side by side."""
    done: list[Compared] = []
    with (
        study(as_json, lambda: f"{len(done)} of {len(able)} cells have been run; to begin again: {again}"),
        Progress(Console(stderr=True), len(able), what="cells") as progress,
    ):
        for one in compare.compare(able, range(1, seeds + 1), progress.look, processes):
            done.append(one)
            progress.one_more()
    return done


def _tell(compared: list[Compared], *, as_json: bool, as_table: bool) -> None:
    if as_json:
        tell(compare.summed(compared))
    elif as_table:
        seeds = max((len(one.seen) for one in compared), default=0)
        print(f"{datetime.now(UTC):%Y-%m-%d}, {seeds} seeds: {present.conclusion(compared)}.\n")
        print(present.markdown(compared))
    else:
        present.shown(Console(), compared)
