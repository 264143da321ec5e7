"""`netswap export`."""

from collections.abc import Callable
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final, NamedTuple, NoReturn

import typer
from rich.console import Console

from netswap.cluster.command.options import Json
from netswap.cluster.command.status import checked, standard_output, tell, wrong
from netswap.cluster.export import exports, window
from netswap.cluster.export.exports import Asked, Told, Watch
from netswap.cluster.export.folder import Original, opened
from netswap.cluster.scenario.errors import Problem
from netswap.cluster.show.progress import ProgressLine
from netswap.protocol.units import UnitError, parse_size, parse_time

SNAP: Final = 192
"""Bytes of each frame: all headers, those of a call of NFS too."""


class Format(StrEnum):
    """What `netswap export` writes."""

    PERFETTO = "perfetto"
    PCAPNG = "pcapng"
    PROC = "proc"


_NAMES: Final = {Format.PERFETTO: "trace.pftrace", Format.PCAPNG: "frames.pcapng", Format.PROC: "proc"}
_LIBRARIES: Final = {Format.PERFETTO: "perfetto", Format.PCAPNG: "pcapng"}
_EXPORTS: Final[dict[Format, Callable[[Original, Asked, Watch | None], Told]]] = {
    Format.PERFETTO: exports.to_perfetto,
    Format.PCAPNG: exports.to_pcapng,
    Format.PROC: exports.to_proc,
}


Run = Annotated[Path, typer.Argument(metavar="RUN", help="the folder of a run that has ended")]
Out = Annotated[Path | None, typer.Option(help="the file, or of proc the folder; default: in RUN")]
From = Annotated[str | None, typer.Option("--from", metavar="TIME", help="leave out what lies before")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="leave out what lies after")]
Around = Annotated[
    str | None, typer.Option(metavar="TIME|wedge", help="a second before and after a time, or the first stall")
]
Machines = Annotated[list[str], typer.Option("--machine", metavar="NAME", help="only this machine; may be repeated")]
Links = Annotated[
    list[str], typer.Option("--link", metavar="A:C", help="pcapng: only frames between these two; may be repeated")
]
At = Annotated[list[str], typer.Option(metavar="TIME", help="proc: a snapshot then; may be repeated")]
Every = Annotated[str, typer.Option(metavar="TIME", help="perfetto: time between two looks at the counters")]
Snap = Annotated[int, typer.Option(min=0, help="pcapng: bytes of each frame that are kept; 0 for all")]
Size = Annotated[str, typer.Option(metavar="SIZE", help="sample frames where the file would be larger")]


class Words(NamedTuple):
    """The options that say which part of a run is wanted."""

    from_: str | None
    until: str | None
    around: str | None
    machines: list[str]
    links: list[str]
    at: list[str]
    every: str
    snap: int
    size: str


def export(
    run: Run,
    to: Annotated[Format, typer.Option("--to", help="what to write")],
    out: Out = None,
    from_: From = None,
    until: Until = None,
    around: Around = None,
    machine: Machines = [],  # noqa: B006  (typer copies it)
    link: Links = [],  # noqa: B006
    at: At = [],  # noqa: B006
    every: Every = "10ms",
    snap: Snap = SNAP,
    size: Size = "256MiB",
    as_json: Json = False,
) -> None:
    """Write a run in the format of another tool: Perfetto, Wireshark, or as a machine's /proc.

    The run is run again, in this process, and has to come out the same.

    Exit status: 0 it is written, 2 the input is wrong (or the run comes out otherwise, as another version wrote it), 3 the disk
    or the output failed, 4 netswap failed.
    """
    _library(to, as_json)
    original = checked(lambda: opened(run), as_json)
    words = Words(from_, until, around, machine, link, at, every, snap, size)
    asked = checked(lambda: _asked(original, to, out or run / _NAMES[to], words), as_json)
    told = checked(lambda: _written(original, asked, to), as_json)
    _said(told, to, asked.out, as_json)


def _asked(original: Original, to: Format, out: Path, words: Words) -> Asked:
    """What the options say. Raises ScenarioError."""
    for option, said, only in (("--link", words.links, Format.PCAPNG), ("--at", words.at, Format.PROC)):
        if said and to is not only:
            _refuse(option, f"this says nothing about {to}", f"leave it out, or write --to {only}")
    for option, word in (("--from", words.from_), ("--until", words.until), ("--around", words.around)):
        if word is not None and to is Format.PROC:
            _refuse(option, "a snapshot is of one moment", "name it, as --at 10s")
    return Asked(
        out=out,
        window=window.window_of(original, words.from_, words.until, words.around),
        machines=frozenset(window.machine_of(original, "--machine", name) for name in words.machines),
        links=tuple(window.ends_of(original, one) for one in words.links),
        at_ns=tuple(window.moment_of(original, "--at", one) for one in words.at),
        every_ns=_above_nothing("--every", words.every, parse_time),
        snap=words.snap,
        most=_above_nothing("--size", words.size, parse_size),
    )


def _said(told: Told, to: Format, out: Path, as_json: bool) -> None:
    """Say what has been written, and where."""
    if as_json:
        tell({"to": str(to), "out": str(out), "written": told.sentence, "note": told.note or None})
        return
    with standard_output():
        print(f"{told.sentence}, written to {out}")
        if told.note:
            print(told.note)


def _written(original: Original, asked: Asked, to: Format) -> Told:
    """Do it, with what can be seen meanwhile on standard error."""
    resolved = original.resolved
    console = Console(stderr=True)
    with ProgressLine(console, resolved.title, original.end_ns, resolved.stall_after_ns) as progress:
        return _EXPORTS[to](original, asked, progress)


def _library(to: Format, as_json: bool) -> None:
    """What writes the format is installed; otherwise the end, with status 2."""
    name = _LIBRARIES.get(to)
    if name is not None and find_spec(name) is None:
        what = f"the library that writes {to} is not installed"
        raise wrong([Problem(f"--to {to}", 1, 1, what, "it comes with the extra netswap[see]")], as_json)


def _above_nothing(option: str, text: str, parse: Callable[[object], int]) -> int:
    try:
        value = parse(text)
    except UnitError as error:
        _refuse(option, error.message, error.hint)
    if value <= 0:
        _refuse(option, f'"{text}" is nothing', "write more than that")
    return value


def _refuse(option: str, message: str, hint: str) -> NoReturn:
    raise window.wrong(option, message, hint)
