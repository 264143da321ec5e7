"""Programs that use a file: one reads it over and over, one writes it, each a block at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from netswap.actors.programs.system import System
from netswap.actors.programs.talks import NOBODY, Talks
from netswap.actors.programs.task import Program, SystemCall
from netswap.protocol.rpc import PAGE
from netswap.protocol.units import seconds

BLOCK: Final = 32
"""Pages that are read or written in one go."""


@dataclass(slots=True)
class Reader:
    """`file` in bytes, `rate` at most, in bytes per second; its progress is pages read.

    A warm one finds as much of its file in memory as there is room for.
    """

    file: int
    rate: int
    start: str = "warm"
    on: str = "disk"
    """The disk: the machine's own, or the swap server's."""
    mapped: bool = False
    """Whether it reads the file by mmap: its pages count as mapped memory."""
    io_flusher: bool = False
    realtime: bool = False

    def talks(self) -> Talks:
        """The program sends to no machine unasked."""
        return NOBODY

    def file_pages(self) -> int:
        """Pages of its file."""
        return -(-self.file // PAGE)

    def run(self, system: System) -> Program:
        """Go through the file from the first page to the last, and again."""
        return _through(system, self.file_pages(), self.rate, system.read)


@dataclass(slots=True)
class Writer:
    """`file` in bytes, `rate` at most, in bytes per second; its progress is pages written, each of them whole."""

    file: int
    rate: int
    on: str = "disk"
    """The disk: the machine's own, or the swap server's."""
    io_flusher: bool = False
    realtime: bool = False

    def talks(self) -> Talks:
        """The program sends to no machine unasked."""
        return NOBODY

    def file_pages(self) -> int:
        """Pages of its file."""
        return -(-self.file // PAGE)

    def run(self, system: System) -> Program:
        """Go through the file from the first page to the last, and again."""
        return _through(system, self.file_pages(), self.rate, system.write)


def _through(system: System, pages: int, rate: int, use: Callable[[int, int], SystemCall]) -> Program:
    """Use a file block by block, for ever, at `rate` bytes per second at most; `use`: the call for (first page, pages)."""
    first = 0
    while True:
        count = min(BLOCK, pages - first)
        yield use(first, count)
        yield system.sleep_until(system.now_ns + count * PAGE * seconds(1) // rate)
        first = (first + count) % pages
