"""`netswap run`."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from actors.programs.task import ProgramError
from cluster import present
from cluster.command.beforehand import may_begin
from cluster.command.options import EngineName, Json, MachinesPerActor, Path_, Set
from cluster.command.status import INTERRUPTED, failed, folder_made, loaded_scenario, wrong
from cluster.engine import InfrastructureError
from cluster.remedies import command_line as remedies_line
from cluster.runs import How, command_line, folder_for, terminal
from cluster.runs import run as run_scenario
from cluster.scenario import Problem


class ExchangeName(StrEnum):
    """How batches travel between actors on Ray."""

    GRAPH = "graph"
    CALLS = "calls"


def run(
    scenario: Path_,
    engine: Annotated[EngineName, typer.Option(help="on Ray, or all in this process")] = EngineName.RAY,
    machines_per_actor: MachinesPerActor = 1,
    address: Annotated[
        str | None, typer.Option(help="an existing Ray cluster (auto, host:port); default: a private one")
    ] = None,
    exchange: Annotated[
        ExchangeName, typer.Option(help="on Ray: through a compiled graph, or by plain calls")
    ] = ExchangeName.GRAPH,
    override: Set = [],  # noqa: B006  (typer copies it)
    seed: Annotated[int | None, typer.Option(help="the number all chance comes from")] = None,
    as_json: Json = False,
    run_dir: Annotated[Path | None, typer.Option(help="the run's folder; default runs/TITLE-SEED-N")] = None,
    ray_logs: Annotated[bool, typer.Option("--ray-logs", help="show Ray's own messages")] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="begin, however much memory and time it may take")] = False,
) -> None:
    """Run a scenario and judge it.

    Exit status: 0 all expectations met, 1 one was not (or the run proves nothing), 2 the input is wrong, 3 Ray failed.
    """
    overrides = [*override, *([f"seed={seed}"] if seed is not None else [])]
    loaded = loaded_scenario(scenario, overrides, as_json)
    may_begin(loaded, None if engine == EngineName.INLINE else machines_per_actor, address is None, anyway, as_json)
    how = How(str(engine), machines_per_actor, str(exchange), address, ray_logs)
    folder = folder_made(lambda: folder_for(loaded.title, loaded.seed, run_dir), run_dir, as_json)
    resolved = loaded.resolved()
    line = command_line(scenario, how, override, seed)
    try:
        with (
            terminal(how, folder) as screen,
            present.ProgressLine(
                Console(file=screen.err, quiet=as_json), loaded.title, resolved["stop_ns"], resolved["stall_after_ns"]
            ) as progress,
        ):
            finished = run_scenario(loaded, how, folder, line, progress)
    except ProgramError as error:
        problem = Problem(error.file, error.line, 1, error.message, f"repair it; what there is stands in {folder}")
        raise wrong([problem], as_json) from None
    except InfrastructureError as error:
        raise typer.Exit(failed(error, folder, as_json)) from None
    except KeyboardInterrupt:
        print(f"interrupted; what there is stands in {folder}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print(json.dumps(finished.summary))
    else:
        present.show(Console(), finished.summary, remedies_line(scenario, overrides))
    raise typer.Exit(finished.result.exit_status)
