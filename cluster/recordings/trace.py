"""Traces of pages: a text of two columns, when and which page, for a rank to follow.

    # TIME_NS PAGE [r|w]
    0 17 w
    1500 18-31 r

Times are whole ns since the beginning, and do not go back. A page is a number from 0, or several that follow each other, the
first and the last. What is left of a line behind # is a comment. gzip is unpacked.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple

import msgpack

from netswap.actors.recording import READ, TRACE, WRITE, Recording, TraceHeader, TraceRecord
from netswap.cluster.recordings.files import RecordingError, opened
from netswap.protocol.frame import TIME_MAX
from netswap.protocol.rpc import PAGE

PAGES_MAX: Final = (64 << 40) // PAGE
"""64 TiB, as the memory of a program may be."""
_ACCESS: Final = {b"r": READ, b"w": WRITE}
_HINT: Final = "a line is TIME_NS PAGE, or TIME_NS FIRST-LAST, and r or w if it is known"


class Touch(NamedTuple):
    """A line."""

    at_ns: int
    first: int
    last: int
    access: int


def touches(file: IO[bytes]) -> Iterator[Touch]:
    """The lines of a trace. Raises RecordingError with the line that is none."""
    before_ns = 0
    for number, line in enumerate(file, 1):
        fields = line.split(b"#", 1)[0].split()
        if not fields:
            continue
        touch = _touch(fields)
        if touch is None:
            shown = line.decode("ascii", "replace").strip()
            raise RecordingError(f'line {number}: "{shown:.40}" is no touch of a page', _HINT)
        if touch.at_ns < before_ns:
            raise RecordingError(
                f"line {number}: time goes back, from {before_ns} to {touch.at_ns} ns", "sort it by time"
            )
        before_ns = touch.at_ns
        yield touch


def _touch(fields: list[bytes]) -> Touch | None:
    if len(fields) not in (2, 3) or not fields[0].isdigit() or len(fields[0]) > 19:
        return None
    access = _ACCESS.get(fields[2]) if len(fields) == 3 else 0
    first, dash, last = fields[1].partition(b"-")
    last = last if dash else first
    if access is None or not first.isdigit() or not last.isdigit() or len(last) > 19:
        return None
    touch = Touch(int(fields[0]), int(first), int(last), access)
    return touch if touch.first <= touch.last < PAGES_MAX and touch.at_ns <= TIME_MAX else None


def take(path: Path, sha256: str) -> Recording:
    """Read a trace. Raises RecordingError with the line of the file if it cannot be read, or if there is nothing in it."""
    pack = msgpack.Packer(autoreset=True).pack
    packed = bytearray()
    pages = count = touched = last_ns = packed_ns = 0
    run: list[int] = []
    with opened(path) as file:
        for at_ns, first, last, access in touches(file):
            count += 1
            touched += last + 1 - first
            pages, last_ns = max(pages, last + 1), at_ns
            if run and run[0] == at_ns and run[1] + run[2] == first and run[3] == access:
                run[2] += last + 1 - first
                continue
            if run:
                packed += pack(TraceRecord(run[0] - packed_ns, *run[1:]))
                packed_ns = run[0]
            run = [at_ns, first, last + 1 - first, access]
    if not run:
        raise RecordingError("there is no touch of a page in it", _HINT)
    packed += pack(TraceRecord(run[0] - packed_ns, *run[1:]))
    return Recording(TRACE, str(path), sha256, {}, pack(TraceHeader(pages, last_ns, count, touched)) + bytes(packed))
