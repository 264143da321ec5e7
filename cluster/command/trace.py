"""`netswap trace`: a trace of pages, for a rank to follow, from what another tool has recorded."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from netswap.cluster.command.options import Json
from netswap.cluster.command.status import checked, standard_output, tell
from netswap.cluster.recordings.files import RecordingError
from netswap.cluster.recordings.tools.convert import Converted, convert
from netswap.cluster.scenario.errors import Problem, ScenarioError


class Tool(StrEnum):
    """Whose output is read."""

    PERF = "perf"
    DAMON = "damon"
    LACKEY = "lackey"


def trace(
    tool: Annotated[Tool, typer.Argument(help="perf: page faults of perf script; damon; lackey: of valgrind")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="what it has printed, plain or packed with gzip")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="TRACE", help="the trace to write")],
    as_json: Json = False,
) -> None:
    """Make a trace of pages, for `rank: {trace: FILE}`, of what another tool has recorded.

    Exit status: 0 it is written, 2 the input is wrong, 3 the disk or the output failed, 4 netswap failed.
    """
    made = checked(lambda: _converted(tool, file, out), as_json)
    if as_json:
        tell({"tool": str(tool), "out": str(out), **made._asdict()})
        return
    with standard_output():
        print(f"{made.touches:,} touches of {made.pages:,} pages in {made.last_ns / 1e9:.6f} s, written to {out}")


def _converted(tool: Tool, file: Path, out: Path) -> Converted:
    try:
        return convert(tool, file, out)
    except RecordingError as error:
        raise ScenarioError([Problem(str(file), error.line or 1, 1, error.message, error.hint)]) from error
