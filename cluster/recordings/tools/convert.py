"""From a tool's output to a trace: in two passes over the file, in memory that grows with stretches of pages and not with lines.

Pages are numbered densely, in the order of their addresses: what lies next to each other in the program does so in the trace, up
to where a stretch ends that is never touched. Times begin at 0.
"""

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, NamedTuple

from netswap.cluster.recordings.files import RecordingError, opened
from netswap.cluster.recordings.tools import damon, lackey, perf
from netswap.cluster.recordings.tools.access import Access, Lines
from netswap.cluster.recordings.trace import PAGES_MAX

TOOLS: Final[dict[str, Callable[[Lines], Iterator[Access]]]] = {
    "perf": perf.accesses,
    "damon": damon.accesses,
    "lackey": lackey.accesses,
}
_LOOK: Final = 1 << 16
"""Stretches that are kept before those that touch are joined."""


class Converted(NamedTuple):
    """What a trace has come to."""

    touches: int
    pages: int
    last_ns: int


class _Pages:
    """Which pages are ever touched: stretches, apart from each other, in order."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._before: list[int] = []
        """Pages in the stretches before each."""
        self._new: set[tuple[int, int]] = set()
        self.count = 0

    def add(self, first: int, last: int) -> None:
        """Note the pages of an access."""
        self._new.add((first, last))
        if len(self._new) >= _LOOK:
            self.join()

    def join(self) -> None:
        """Make one stretch of those that touch, and number all."""
        starts, ends = list[int](), list[int]()
        known = zip(self._starts, [end - 1 for end in self._ends], strict=True)
        for first, last in sorted([*known, *self._new]):
            if ends and first <= ends[-1]:
                ends[-1] = max(ends[-1], last + 1)
            else:
                starts.append(first)
                ends.append(last + 1)
        self._new.clear()
        self._starts, self._ends, self._before, self.count = starts, ends, [], 0
        for start, end in zip(starts, ends, strict=True):
            self._before.append(self.count)
            self.count += end - start

    def number(self, page: int) -> int:
        """The number of a page that has been added."""
        place = bisect_right(self._starts, page) - 1
        return self._before[place] + page - self._starts[place]


def convert(tool: str, source: Path, out: Path) -> Converted:
    """Write the trace of what a tool has recorded. Raises RecordingError with the line of the file, or OSError."""
    pages, first_ns, before_ns = _Pages(), None, 0
    with opened(source) as file:
        for access in TOOLS[tool](file):
            first_ns = access.at_ns if first_ns is None else min(first_ns, access.at_ns)
            pages.add(access.first, access.last)
    pages.join()
    if first_ns is None:
        raise RecordingError("there is no access to memory in it", "record for longer, or name another file")
    if pages.count > PAGES_MAX:
        raise RecordingError(f"these are {pages.count:,} pages", f"a trace has {PAGES_MAX:,} at most")
    part = out.with_name(f"{out.name}.part")
    touches = 0
    try:
        with opened(source) as file, part.open("w", encoding="ascii") as to:
            to.write(f"# TIME_NS PAGE [r|w]: made by netswap trace {tool}, {pages.count} pages in order of address\n")
            touches, before_ns = _write(TOOLS[tool](file), pages, first_ns, to)
        os.replace(part, out)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    return Converted(touches, pages.count, before_ns)


def _write(found: Iterator[Access], pages: _Pages, first_ns: int, to: "IO[str]") -> tuple[int, int]:
    """Write the lines, but for those that touch the same pages as the one before; how many, and the last time.

    A tool that collects from several CPUs may be out of order by a little: then a line has the time of the one before.
    """
    touches = at_ns = 0
    said: tuple[int, int, str] | None = None
    for access in found:
        first, last = pages.number(access.first), pages.number(access.last)
        if said == (first, last, access.how):
            continue
        said = (first, last, access.how)
        at_ns = max(at_ns, access.at_ns - first_ns)
        span = f"{first}-{last}" if last > first else f"{first}"
        to.write(f"{at_ns} {span} {access.how}".rstrip() + "\n")
        touches += 1
    return touches, at_ns
