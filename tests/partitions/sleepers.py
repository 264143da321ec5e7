"""Programs that stories name, as `sleepers:Sleeper`."""

from dataclasses import dataclass

from netswap.actors.programs.system import System
from netswap.actors.programs.task import Program


@dataclass(slots=True)
class Sleeper:
    """It accepts TCP connections on one port and reads nothing before `until`."""

    port: int
    until: int

    def run(self, system: System) -> Program:
        """Sleep, then read for ever."""
        system.listen(self.port)
        yield system.sleep_until(self.until)
        while True:
            yield system.receive_message()
            system.progress.add(1)


@dataclass(slots=True)
class Spinner:
    """It never blocks."""

    def run(self, system: System) -> Program:
        """A computation of no time at all, again and again."""
        while True:
            yield system.compute(0)


@dataclass(slots=True)
class Sleepless:
    """It blocks, and is woken in the same instant."""

    def run(self, system: System) -> Program:
        """What it polls for has always just happened."""
        while True:
            system.call_at(system.now_ns, lambda _: system.streams.wake())
            yield system.poll()
