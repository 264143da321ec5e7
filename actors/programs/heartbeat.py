"""A watchdog of user space: every so often it uses its pages, and that is a beat."""

from dataclasses import dataclass
from typing import ClassVar

from netswap.actors.programs.system import System
from netswap.actors.programs.talks import NOBODY, Talks
from netswap.actors.programs.task import Program
from netswap.protocol.rpc import PAGE


@dataclass(slots=True)
class Heartbeat:
    """`every` in ns, `maps` in bytes; its progress is beats.

    At a beat it uses `touch` of its pages, drawn at random, or all; then it maps `maps` of new memory, uses it and unmaps it.
    """

    every: int
    pages: int = 1
    touch: int | None = None
    maps: int | None = None
    unkillable: bool = False
    io_flusher: bool = False
    realtime: bool = False
    counts_pages: ClassVar[bool] = False

    def talks(self) -> Talks:
        """The program sends to no machine unasked."""
        return NOBODY

    def mapped_pages(self) -> int:
        """Pages that it maps at a beat, beside its own."""
        return -(-(self.maps or 0) // PAGE)

    def run(self, system: System) -> Program:
        """Beat for ever; a beat that comes late is not made up for."""
        draw = system.random("pages").randrange
        mapped = self.mapped_pages()
        while True:
            if self.touch is None:
                yield system.touch(0, self.pages)
            else:
                for _ in range(self.touch):
                    yield system.touch(draw(self.pages))
            if mapped:
                yield system.touch(self.pages, mapped)
                system.unmap(self.pages, mapped)
            system.progress.add(1)
            yield system.sleep_until((system.now_ns // self.every + 1) * self.every)
