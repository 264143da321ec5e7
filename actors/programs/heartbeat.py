"""A watchdog of user space: every so often it uses its pages, and that is a beat."""

from dataclasses import dataclass
from typing import ClassVar

from netswap.actors.programs.system import System
from netswap.actors.programs.talks import NOBODY, Talks
from netswap.actors.programs.task import Program


@dataclass(slots=True)
class Heartbeat:
    """`every` in ns; its progress is beats."""

    every: int
    pages: int = 1
    realtime: bool = False
    counts_pages: ClassVar[bool] = False

    def talks(self) -> Talks:
        """To nobody unasked."""
        return NOBODY

    def run(self, system: System) -> Program:
        """Beat for ever; a beat that comes late is not made up for."""
        while True:
            yield system.touch(0, self.pages)
            system.progress.add(1)
            yield system.sleep_until((system.now_ns // self.every + 1) * self.every)
