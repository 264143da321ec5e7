"""An MPI-style rank: it touches a share of its working set, computes, exchanges messages with others, and starts over."""

from collections.abc import Sequence
from dataclasses import dataclass

from netswap.actors.programs.exchange import Exchange
from netswap.actors.programs.system import System
from netswap.actors.programs.talks import Talks, asks
from netswap.actors.programs.task import Program
from netswap.protocol.rpc import PAGE


@dataclass(slots=True)
class Rank:
    """Sizes in bytes, times in ns; its progress is the pages it has touched."""

    working_set: int
    touch: int
    compute: int = 0
    pattern: str = "cyclic"
    access: str = "write"
    start: str = "warm"
    exchange: str = "none"
    message: int | None = None
    steps: int | None = None
    text: int | None = None
    unkillable: bool = False
    text_on: str = "disk"
    start_ns: int = 0
    io_flusher: bool = False
    realtime: bool = False
    place: int = 0
    ranks: int = 1
    partners: Sequence[Sequence[int]] = ()
    """Rank and machine of all partners of this rank, number `place` of `ranks`."""

    def talks(self) -> Talks:
        """To its partners."""
        return asks(machine for _, machine in self.partners)

    def pages(self) -> int:
        """Anonymous pages it uses."""
        return -(-self.working_set // PAGE)

    def text_pages(self) -> int:
        """Pages of program text that every step runs through."""
        return -(-(self.text or 0) // PAGE)

    def run(self, system: System) -> Program:
        """Touch, compute and exchange, step by step."""
        count = min(-(-self.touch // PAGE), system.space.pages)
        write = self.access == "write"
        chance = system.random("pattern")
        first = 0
        step = 0
        if self.start_ns:
            yield system.sleep_until(self.start_ns)
        exchange = self._exchange(system)
        if exchange is not None:
            yield exchange.opening()
        while self.steps is None or step < self.steps:
            if self.pattern == "random":
                first = chance.randrange(system.space.pages - count + 1)
                yield system.touch(first, count, write=write)
            else:
                fits = min(count, system.space.pages - first)
                yield system.touch(first, fits, write=write)
                if fits < count:
                    yield system.touch(0, count - fits, write=write)
                first = (first + count) % system.space.pages
            if self.text:
                yield system.touch_text()
            if self.compute:
                yield system.compute(self.compute)
            if exchange is not None:
                yield exchange
            step += 1

    def _exchange(self, system: System) -> Exchange | None:
        if self.exchange == "none":
            return None
        partners = {rank: machine for rank, machine in self.partners}  # noqa: C416  (pairs that a scenario holds are lists)
        return Exchange(system, self.exchange, self.place, self.ranks, self.message or 0, partners)
