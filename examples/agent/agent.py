"""A monitoring agent: a program that runs on a simulated machine, beside those that need its memory."""

from dataclasses import dataclass

from netswap import Program, System


@dataclass(slots=True)
class Agent:
    """Every `every` it reads one of its `pages` and reports to a port of the machine with index `to`."""

    to: int
    port: int
    every: int
    pages: int = 256

    def run(self, system: System) -> Program:
        """Its progress is reports. It yields what it asks of its machine, and goes on when that has been done."""
        chance = system.random("page")
        while True:
            yield system.touch(chance.randrange(self.pages), write=False)
            if system.send(self.to, self.port, payload=200):
                system.progress.add(1)
            yield system.sleep_until(system.now_ns + self.every)
