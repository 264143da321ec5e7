"""`netswap sweep`."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cluster import present
from cluster.command.options import EngineName, Json
from cluster.command.status import checked, failed, folder_made, wrong
from cluster.engine import InfrastructureError
from cluster.experiment import as_json as sweep_as_json
from cluster.experiment import load_experiment, performed, results_folder, write_results
from cluster.scenario import ScenarioError


def sweep(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="a YAML file")],
    engine: Annotated[
        EngineName, typer.Option(help="each run as a task on Ray, or in a process here")
    ] = EngineName.INLINE,
    address: Annotated[str | None, typer.Option(help="an existing Ray cluster; default: a private one")] = None,
    as_json: Json = False,
    run_dir: Annotated[Path | None, typer.Option(help="the folder for results; default runs/TITLE-N")] = None,
) -> None:
    """Run a scenario with every combination of some settings.

    Exit status: 0 all expectations of all runs met, 1 one was not, 2 the input is wrong, 3 Ray failed.
    """
    loaded = checked(lambda: load_experiment(experiment), as_json)
    folder = folder_made(lambda: results_folder(loaded, run_dir), run_dir, as_json)
    try:
        with performed(loaded, str(engine), address, folder) as rows:
            done = list(present.counted(Console(stderr=True, quiet=as_json), rows, len(loaded.runs)))
    except ScenarioError as error:  # of classes that a scenario names, which nobody has imported until now
        raise wrong(error.problems, as_json) from None
    except InfrastructureError as error:
        raise typer.Exit(failed(error, folder, as_json)) from None
    write_results(folder, loaded, done)
    if as_json:
        print(json.dumps(sweep_as_json(loaded, done)))
    else:
        present.sweep(Console(), loaded, done, folder)
    raise typer.Exit(not all(row.met for row in done))
