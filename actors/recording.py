"""What a program repeats that was recorded elsewhere: read once, where the scenario is resolved, and carried as compact bytes.

A recording is a header and then records, each a msgpack array of whole numbers, one after another. A program that plays it goes
through it as often as it likes, and holds one record at a time. Times are ns since the recording began, and never go back.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final, NamedTuple

import msgpack

CAPTURE: Final = "pcap"
TRACE: Final = "trace"
WHOLE: Final = 1_000_000
"""A speed in parts per million: as fast as it was recorded."""
READ: Final = 1
WRITE: Final = 2
"""How a page is touched; 0 where the recording does not say it."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A file that was read. Two of the same file, hash and selection are the same, and the bytes follow from these."""

    kind: str
    """`CAPTURE` or `TRACE`."""
    path: str
    sha256: str
    """SHA-256 of the file as it lies there, hex."""
    only: dict[str, Any] = field(default_factory=dict)
    """What was taken of it, if not all."""
    packed: bytes = field(default=b"", repr=False)

    def header(self) -> Any:
        """The first thing that it says."""
        return next(_unpacked(self.packed))

    def records(self) -> Iterator[Any]:
        """What follows, from the beginning."""
        records = _unpacked(self.packed)
        next(records)
        return records


class CaptureHeader(NamedTuple):
    """What stands before the packets of a capture."""

    ports: list[int]
    """Destination ports, in the order in which they appear; what packets say is a place in this list."""
    hosts: int
    """How many destination addresses appear."""
    pieces: list[list[int]]
    """Kinds of frames: place of the port, of the address, source port, payload, number of the fragment (-1: whole)."""
    last_ns: int
    frames: int


class CaptureRecord(NamedTuple):
    """Equal frames at equal gaps."""

    after_ns: int
    """From the frame before to the first of these."""
    piece: int
    frames: int
    gap_ns: int
    datagram: int
    """0: each is all that there is of its datagram. Else its fragments have the same number, the last of them negative."""


class TraceHeader(NamedTuple):
    """What stands before the touches of a trace."""

    pages: int
    """The highest page plus one."""
    last_ns: int
    touches: int
    touched: int
    """Pages, each as often as it is touched."""


class TraceRecord(NamedTuple):
    """Pages that follow each other, touched in turn."""

    after_ns: int
    first: int
    pages: int
    access: int
    """`READ`, `WRITE`, or 0."""


def scaled(time_ns: int, speed_ppm: int) -> int:
    """A recorded time at another speed: whole ns, rounded down."""
    return time_ns * WHOLE // speed_ppm


def period_ns(last_ns: int, records: int) -> int:
    """From one round to the next: after the last record as much time as lies between two of them on average."""
    return last_ns + (last_ns // (records - 1) if records > 1 else 0)


def _unpacked(packed: bytes) -> Iterator[Any]:
    return iter(msgpack.Unpacker(BytesIO(packed), max_buffer_size=len(packed) + 1))
