"""`netswap run`."""

from enum import StrEnum
from math import inf
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from netswap.cluster.command import looking
from netswap.cluster.command.beforehand import may_begin
from netswap.cluster.command.options import (
    Address,
    EngineName,
    Json,
    MachinesPerActor,
    Path_,
    Record,
    Seed,
    Set,
    WallLimit,
    address_checked,
    duration_checked,
)
from netswap.cluster.command.status import folder_made, in_a_process_of_its_own, loaded_scenario, standard_output, tell
from netswap.cluster.lab.runs import Finished, How, command_line, folder_for, terminal, write_result
from netswap.cluster.lab.runs import run as run_scenario
from netswap.cluster.scenario import Scenario
from netswap.cluster.show import present
from netswap.cluster.show.progress import ProgressLine
from netswap.cluster.study.remedies import command_line as remedies_line


class ExchangeName(StrEnum):
    """How batches travel between actors on Ray."""

    CONNECTIONS = "connections"
    CALLS = "calls"


def run(
    scenario: Path_,
    engine: Annotated[EngineName, typer.Option(help="on Ray, or all in this process")] = EngineName.RAY,
    machines_per_actor: MachinesPerActor = None,
    address: Address = None,
    exchange: Annotated[
        ExchangeName, typer.Option(help="on Ray: over connections of the actors' own, or by plain calls")
    ] = ExchangeName.CONNECTIONS,
    override: Set = [],  # noqa: B006  (typer copies it)
    seed: Seed = None,
    as_json: Json = False,
    run_dir: Annotated[Path | None, typer.Option(help="the run's folder; default runs/TITLE-SEED-N")] = None,
    ray_logs: Annotated[bool, typer.Option("--ray-logs", help="show Ray's own messages")] = False,
    wall_limit: WallLimit = None,
    record: Record = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="begin, however much memory and time it may take")] = False,
) -> None:
    """Run a scenario and judge it.

    Exit status: 0 all expectations met, 1 one was not (or the run proves nothing), 2 the input is wrong, 3 Ray, the disk or
    the output failed, 4 netswap itself failed, 5 the wall time was over.
    """
    overrides = [*override, *([f"seed={seed}"] if seed is not None else [])]
    address_checked(address, as_json, engine)
    limit_s = inf if wall_limit is None else duration_checked("--wall-limit", wall_limit, as_json) / 1e9
    loaded = loaded_scenario(scenario, [*overrides, *looking.asked(record)], as_json)
    how = How(str(engine), machines_per_actor, str(exchange), address, ray_logs, limit_s)
    may_begin(loaded, how, anyway, as_json)
    folder = folder_made(lambda: folder_for(loaded.title, loaded.seed, run_dir), run_dir, as_json)
    if engine is EngineName.RAY:
        in_a_process_of_its_own(folder)
    finished = _watched(loaded, how, folder, command_line(scenario, how, override, seed))
    _told(finished, loaded, folder, remedies_line(scenario, overrides), as_json)
    raise typer.Exit(finished.result.exit_status)


def _told(finished: Finished, loaded: Scenario, folder: Path, remedy: str, as_json: bool) -> None:
    """Tell the result and keep it. One that cannot be told can be read, and one that cannot be kept has been told."""
    try:
        if as_json:
            tell(finished.summary)
        else:
            with standard_output():
                present.show(Console(), finished.summary, remedy, finished.record)
    finally:
        write_result(folder, finished)
        looking.keep(folder, loaded, finished)
    if as_json:
        return
    path = looking.reported(folder)
    if path is not None:
        with standard_output():
            present.say(Console(), f"to look at: {path}")


def _watched(loaded: Scenario, how: How, folder: Path, line: str) -> Finished:
    """Run it, with what can be seen meanwhile on standard error."""
    resolved = loaded.resolved()
    plan = looking.plan_of(loaded)
    with (
        terminal(how, folder) as screen,
        ProgressLine(Console(file=screen.err), loaded.title, resolved.stop_ns, resolved.stall_after_ns) as progress,
    ):
        return run_scenario(loaded, how, folder, line, progress, plan)
