"""Options and arguments that several verbs share."""

import re
from enum import StrEnum
from typing import Annotated, Final

import typer

from netswap.cluster.command.completion import settings
from netswap.cluster.command.status import wrong
from netswap.cluster.scenario.errors import Problem
from netswap.protocol.units import UnitError, parse_time


class EngineName(StrEnum):
    """Where the actors run."""

    RAY = "ray"
    INLINE = "inline"


Path_ = Annotated[str, typer.Argument(metavar="SCENARIO", help="a YAML file")]
Set = Annotated[
    list[str],
    typer.Option(
        "--set", metavar="KEY=VALUE", help="override a key, dotted; the value is YAML", autocompletion=settings
    ),
]
MachinesPerActor = Annotated[
    int | None,
    typer.Option(
        min=1, help="machines in each Ray actor; default: 1 for up to 16 machines, beyond that an actor a core"
    ),
]
Address = Annotated[str | None, typer.Option(help="an existing Ray cluster (auto, host:port); default: a private one")]
Seed = Annotated[int | None, typer.Option(help="the number all chance comes from")]
WallLimit = Annotated[str | None, typer.Option(metavar="TIME", help="end after so much wall time, undecided; as 10min")]
Record = Annotated[
    str | None, typer.Option(metavar="MACHINES", help="whose series are kept: auto, all, none, or names as A,C")
]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")]

_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_][A-Za-z0-9._-]*):([0-9]{1,5})", re.ASCII)
PORT_MAX: Final = 65535


def address_checked(address: str | None, as_json: bool, engine: EngineName = EngineName.RAY) -> None:
    """What `--address` says could be a Ray cluster, and `--engine` goes there; otherwise the end, with status 2."""
    if address is None:
        return
    if engine is EngineName.INLINE:
        hint = "leave one of the two out"
        raise wrong([Problem("--address", 1, 1, "with --engine inline nothing runs on a cluster", hint)], as_json)
    if address == "auto":
        return
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match[2]) <= PORT_MAX:
        what = f"{address!r:.60} is no address of a Ray cluster"
        if address.startswith("ray://"):
            what = "ray:// leads to a server for Ray clients, which netswap does not use"
        hint = "write auto or HOST:PORT, as 127.0.0.1:6379, or leave it out and have a private cluster"
        raise wrong([Problem("--address", 1, 1, what, hint)], as_json)


def duration_checked(option: str, text: str, as_json: bool) -> int:
    """An option's time in ns, more than nothing; otherwise the end, with status 2."""
    try:
        time_ns = parse_time(text)
        if time_ns <= 0:
            raise UnitError(f'"{text}" is no time to do anything', "write 10s or 10min")
    except UnitError as error:
        raise wrong([Problem(option, 1, 1, error.message, error.hint)], as_json) from None
    return time_ns
