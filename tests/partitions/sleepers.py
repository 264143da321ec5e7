"""Programs that stories name: `sleepers:Sleeper`."""

from dataclasses import dataclass

from actors.programs.system import System
from actors.programs.task import Program


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
