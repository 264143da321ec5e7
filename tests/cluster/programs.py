"""A user's own programs, as scenarios of these tests name them: `programs:Gossip`."""

from collections.abc import Iterable
from dataclasses import dataclass

from netswap.actors.programs.system import System
from netswap.actors.programs.task import Program
from netswap.protocol.units import milliseconds

PERIOD_NS = milliseconds(10)


@dataclass(slots=True)
class Gossip:
    """Every period it tells each friend something: friend i of the list is port `port + i` of machine `to`.

    The mistake is planted: it walks a set of texts, whose order is another in every process.
    """

    friends: list[str]
    to: int
    port: int

    def order(self) -> Iterable[str]:
        """Who is told first."""
        return set(self.friends)

    def run(self, system: System) -> Program:
        """Once round, and again."""
        while True:
            for friend in self.order():
                system.send(self.to, self.port + self.friends.index(friend), 100)
            system.progress.add(len(self.friends))
            yield system.sleep_until(system.now_ns + PERIOD_NS)


@dataclass(slots=True)
class Fails:
    """It reads a list too far, or yields what is no request."""

    after: int
    confused: bool = False

    def run(self, system: System) -> Program:
        """Sleep, then fail."""
        yield system.sleep_until(self.after)
        if self.confused:
            yield 42  # type: ignore[misc]
        yield system.sleep_until([self.after][1])  # the failing line


class OrderlyGossip(Gossip):
    """The same without the mistake: the set is sorted before it is walked."""

    def order(self) -> Iterable[str]:
        """In the order of the alphabet."""
        return sorted(set(self.friends))


@dataclass(slots=True)
class Listener:
    """It reads what comes to one UDP port, and counts the datagrams."""

    port: int

    def run(self, system: System) -> Program:
        """Read for ever."""
        system.open(self.port)
        while True:
            yield system.receive()
            system.progress.add(1)


@dataclass(slots=True)
class Teller:
    """Every period a message to one machine, whichever: nothing says beforehand to whom."""

    to: int
    port: int

    def run(self, system: System) -> Program:
        """For ever."""
        while True:
            system.send(self.to, self.port, 100)
            system.progress.add(1)
            yield system.sleep_until(system.now_ns + PERIOD_NS // 20)
