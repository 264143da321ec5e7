"""Programs that use a file: one reads it over and over, one writes it, each a block at a time."""

from dataclasses import dataclass
from typing import Final

from netswap.actors.programs.system import System
from netswap.actors.programs.talks import NOBODY, Talks
from netswap.actors.programs.task import Program
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
        """To nobody unasked."""
        return NOBODY

    def file_pages(self) -> int:
        """Pages of its file."""
        return -(-self.file // PAGE)

    def run(self, system: System) -> Program:
        """Go through the file from the first page to the last, and again."""
        pages = self.file_pages()
        first = 0
        while True:
            count = min(BLOCK, pages - first)
            yield system.read(first, count)
            yield system.sleep_until(system.now_ns + count * PAGE * seconds(1) // self.rate)
            first = (first + count) % pages


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
        """To nobody unasked."""
        return NOBODY

    def file_pages(self) -> int:
        """Pages of its file."""
        return -(-self.file // PAGE)

    def run(self, system: System) -> Program:
        """Go through the file from the first page to the last, and again."""
        pages = self.file_pages()
        first = 0
        while True:
            count = min(BLOCK, pages - first)
            yield system.write(first, count)
            yield system.sleep_until(system.now_ns + count * PAGE * seconds(1) // self.rate)
            first = (first + count) % pages
