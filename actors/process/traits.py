"""What a program says of the process that runs it: read once, from its keys or from its class, which may say nothing."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(slots=True)
class Traits:
    """Attributes of a program, with what holds for one that has not got them."""

    counts_pages: bool = True
    """Whether its progress counts the pages that it touches."""
    unkillable: bool = False
    """The OOM killer passes it by."""
    io_flusher: bool = False
    realtime: bool = False
    lock: bool = False
    """The program's pages may not leave."""
    on_swap_path: bool = False
    """The program is a daemon of user space that page-outs, of this machine or another, have to go through."""
    mapped: bool = False
    """The program's file is read through a mapping."""
    on: str = "disk"
    """Where its file is: "disk" or "swap"."""
    text_on: str = "disk"
    start: str = "cold"
    """Whether its memory, or its file, is there from the beginning: "warm"."""


def traits_of(program: Any) -> Traits:
    """The traits of a program."""
    said: dict[str, Any] = {}
    for one in fields(Traits):
        default: Any = one.default
        said[one.name] = type(default)(getattr(program, one.name, default))
    return Traits(**said)
