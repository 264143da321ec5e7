"""`netswap match`: what a kernel's log shows of the loop."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, NoReturn

import typer

from netswap.cluster.command.options import Json
from netswap.cluster.command.status import standard_output, tell, wrong
from netswap.cluster.match.answer import answer, as_text
from netswap.cluster.match.log import Log, parsed
from netswap.cluster.match.meminfo import MemInfo
from netswap.cluster.match.reading import NotText
from netswap.cluster.match.ring import Ring, ring_of
from netswap.cluster.match.scenario import chosen, scenario_of
from netswap.cluster.recordings.packed import DAMAGED, unpacked
from netswap.cluster.scenario.errors import Problem

_STANDARD_INPUT = "-"


def match(
    log: Annotated[
        str, typer.Argument(metavar="LOG", help="a kernel's log, as dmesg or a journal; - is standard input")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="write a scenario with the memory of the log's Mem-Info block"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a log of a machine that hangs shows: ring complete, part of a ring, symptom only, or not this.

    Exit status: 0 whatever the grade is, 2 the log cannot be read, or it has no Mem-Info block and --out wants one.
    """
    found = _read(log, as_json)
    ring, block = ring_of(found), chosen(found)
    if out is not None:
        _written(log, found, ring, block, out, as_json)
    told = answer(log, found, ring, block) | {"out": str(out) if out else None}
    if as_json:
        tell(told)
        return
    with standard_output():
        print(as_text(told))
        if out is not None:
            print(f"\na scenario with this memory is written to {out}; `netswap run {out}` runs it")


def _read(name: str, as_json: bool) -> Log:
    """The log, or the end with status 2."""
    try:
        with _opened(name) as stream:
            found = parsed(stream)
    except NotText as error:
        hint = "name the text that dmesg, journalctl -k or the syslog daemon writes"
        raise wrong([Problem(name, error.line, 1, str(error), hint)], as_json) from None
    except IsADirectoryError:
        _refuse(name, "this is a folder", "name a file, as /var/log/kern.log", as_json)
    except (FileNotFoundError, NotADirectoryError):
        _refuse(name, "there is no such file", "name a log, or - for standard input", as_json)
    except PermissionError:
        _refuse(name, "this may not be read", "copy it as root: dmesg > FILE", as_json)
    except ValueError as error:
        _refuse(name, f"this is no path: {error}", "name a log, or - for standard input", as_json)
    except (*DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        _refuse(name, f"this is packed, and damaged or cut off: {error}", "unpack it as far as it goes", as_json)
    if not found.reading.size:
        _refuse(name, "this is empty", "name a log that has something in it", as_json)
    return found


@contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    if name == _STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    with open(name, "rb") as file, unpacked(file) as stream:
        yield stream


def _written(name: str, log: Log, ring: Ring, block: MemInfo | None, out: Path, as_json: bool) -> None:
    """The scenario is in its file, or the end."""
    if block is None:
        label = f"--out {out}"
        _refuse(
            label, f"{name} has no whole Mem-Info block", "collect one: echo m > /proc/sysrq-trigger; dmesg", as_json
        )
    try:
        out.write_text(scenario_of(name, log, block, ring.transport), encoding="utf-8")
    except (IsADirectoryError, FileNotFoundError, NotADirectoryError) as error:
        _refuse(f"--out {out}", f"this cannot be a file: {error.strerror}", "name one that can be written to", as_json)


def _refuse(name: str, message: str, hint: str, as_json: bool) -> NoReturn:
    raise wrong([Problem(name, 1, 1, message, hint)], as_json)
