"""`netswap sweep`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from netswap.cluster.command.options import Address, EngineName, Json, address_checked
from netswap.cluster.command.status import (
    INFRASTRUCTURE_FAILED,
    checked,
    folder_made,
    in_a_process_of_its_own,
    tell,
    wrong,
)
from netswap.cluster.command.studies import STATUS, line, say, study
from netswap.cluster.engine.engine import InfrastructureError
from netswap.cluster.lab.runs import How, terminal
from netswap.cluster.scenario.errors import Problem
from netswap.cluster.show.progress import Progress
from netswap.cluster.study import present
from netswap.cluster.study import sweep as sweeping
from netswap.cluster.study.experiment import Experiment, load_experiment
from netswap.cluster.study.journal import FILE, BusyError, UnwrittenError
from netswap.cluster.study.sweep import Row, Sweep


def sweep(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="a YAML file")],
    engine: Annotated[
        EngineName | None,
        typer.Option(help="each run in a process here, or as a task on Ray; default: on Ray with --address"),
    ] = None,
    address: Address = None,
    as_json: Json = False,
    run_dir: Annotated[
        Path | None,
        typer.Option(help="the folder for results; one with rows in it is gone on with; default runs/TITLE-N"),
    ] = None,
) -> None:
    """Run a scenario with every combination of some settings.

    Each row is written when it is there: the same command with the same --run-dir goes on, and runs nothing twice.

    Exit status: 0 all expectations of all runs met, 1 one was not, 2 the input is wrong, 3 Ray, a process or the disk
    failed, 4 netswap failed, 130 interrupted. A run that failed goes before one that missed an expectation.
    """
    if engine is None:
        engine = EngineName.INLINE if address is None else EngineName.RAY
    address_checked(address, as_json, engine)
    loaded = checked(lambda: load_experiment(experiment), as_json)
    folder = folder_made(lambda: sweeping.results_folder(loaded, run_dir), run_dir, as_json)
    if engine is EngineName.RAY:
        in_a_process_of_its_own(folder)
    how = How(engine=str(engine), address=address)
    again = line(
        "sweep", experiment, engine=None if engine == EngineName.INLINE else engine, address=address, json=as_json,
        run_dir=folder,
    )  # fmt: skip
    rows = _swept(loaded, folder, how, again, bool(run_dir), as_json)
    raise typer.Exit(_told(loaded, rows, folder, again, as_json))


def _swept(loaded: Experiment, folder: Path, how: How, again: str, named: bool, as_json: bool) -> list[Row]:
    """All rows of the experiment; `named`: whether the user has named the folder. Raises typer.Exit."""
    try:
        with sweeping.sweep_in(folder, loaded) as begun, study(as_json, lambda: _standing(begun, folder, again)):
            _announce(begun, folder, None if named else again)
            try:
                _perform(begun, how, folder)
            except UnwrittenError as error:
                raise _unwritten(str(error), folder, _standing(begun, folder, again), as_json) from None
            except InfrastructureError:
                say(_standing(begun, folder, again))
                raise
            return begun.rows()
    except BusyError:
        busy = Problem(
            f"--run-dir {folder}", 1, 1, "another sweep writes to this folder", "wait for it, or name another"
        )
        raise wrong([busy], as_json) from None
    except UnwrittenError as error:
        raise _unwritten(str(error), folder, "nothing has been run", as_json) from None


def _announce(begun: Sweep, folder: Path, again: str | None) -> None:
    """What is there already, and, where the same command would begin anew, the line that goes on."""
    if begun.known:
        say(f"{begun.known} of {begun.total} runs are in {folder / FILE} already")
    if begun.strange:
        say(f"{begun.strange} rows there are of no run of this experiment, as it is now, and are left alone")
    if begun.journal.unreadable:
        say(f"{begun.journal.unreadable} lines there are no rows, and are left alone")
    if again is not None:
        say(f"each row goes to {folder / FILE}; should this be interrupted, go on with: {again}")


def _perform(begun: Sweep, how: How, folder: Path) -> None:
    with (
        terminal(how, folder) as screen,
        Progress(Console(file=screen.err), begun.total, begun.known) as progress,
        sweeping.performers(how.engine, how.address, folder, progress.look, begun.modules()) as outcomes,
    ):
        for _ in begun.perform_left(outcomes):
            progress.one_more()


def _standing(begun: Sweep, folder: Path, again: str) -> str:
    return f"{begun.known} of {begun.total} runs are in {folder / FILE}; to go on: {again}"


def _unwritten(why: str, folder: Path, standing: str, as_json: bool) -> typer.Exit:
    said = f"the results folder {folder} cannot be written to: {why}"
    say(f"{said}; {standing}")
    if as_json:
        tell({"verdict": "infrastructure failed", "error": said, "run": str(folder)})
    return typer.Exit(INFRASTRUCTURE_FAILED)


def _told(loaded: Experiment, rows: list[Row], folder: Path, again: str, as_json: bool) -> int:
    """Show the rows, then write them; the exit status."""
    if as_json:
        tell(sweeping.as_json(loaded, rows))
    else:
        present.sweep(Console(), loaded, rows, folder)
    try:
        sweeping.write_results(folder, loaded, rows)
    except OSError as error:
        say(f"the results folder {folder} cannot be written to: {error.strerror or error}; to try again: {again}")
        return INFRASTRUCTURE_FAILED
    failures = [STATUS[row.failed.kind] for row in rows if row.failed]
    return max(failures, default=int(not all(row.met for row in rows)))
