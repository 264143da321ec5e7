"""Which machines advance in a window, and how far: each to a horizon of its own, or, where there are many, all to one time.

A pace is told the time before which all has happened, and the *settled* time: nothing is done to the cluster before it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from netswap.actors.network.arriving import NOTHING
from netswap.actors.network.network import Network
from netswap.cluster.engine import horizons
from netswap.cluster.engine.orders import Answer, Exchange, Order
from netswap.cluster.engine.shard import FaultChange, Step, Told, Window
from netswap.protocol.units import seconds

AHEAD_NS: Final = seconds(1)
"""A machine may be ahead of the others by this at least, or by a lookahead if that is longer; by twice as much at most."""
AHEAD_BYTES: Final = 4 << 20
"""While a machine is ahead it announces no more bytes than this, and what it announces in one advance."""


Tallies = dict[str, dict[str, Any]]
"""What `Network.tallies` gives."""


class Passed(NamedTuple):
    """What a window has come to. Times in ns."""

    now_ns: int
    """All that lies before has happened."""
    farthest_ns: int
    """No machine is beyond."""
    anybody: bool
    """Whether a machine advanced."""


class Pace(Protocol):
    """Decides about windows, and has them happen. Times in ns."""

    def window(self, now_ns: int, settled_ns: int) -> Passed:
        """One window: which machines advance, how far, and what they have sent."""

    def bring(self, until_ns: int) -> None:
        """Let all machines stand at this time, before which all has happened, and all that has been sent be on its links."""

    def settle(self) -> None:
        """Let all that has been sent be on its links, where it can be seen."""

    def begin(self, verb: str, args: dict[str, Any], now_ns: int) -> int:
        """A fault begins; the number by which it is ended."""

    def end(self, fault: int, now_ns: int) -> None:
        """That fault ends."""

    def tallies(self) -> Tallies:
        """See `Network.tallies`: of the links that are here."""


class Apart:
    """Each machine advances until something unknown could reach it."""

    def __init__(self, network: Network, exchange: Exchange, first: Sequence[Answer]) -> None:
        """`first`: what each machine promised before anything has happened."""
        self._network = network
        self._exchange = exchange
        self._next = [answer.next_ns for answer in first]
        self._silent = [answer.silent_until_ns for answer in first]
        self._ways = network.ways()
        self._answers = horizons.answers(self._ways)
        self._told: list[list[int] | None] = [None for _ in first]
        self._announced = [0 for _ in first]
        """Bytes that each machine has announced since it was not ahead of the others."""
        self._limit_ns = 0
        self._found: list[int] = []
        """When each machine does something, as found when the last window was closed; empty if it may be otherwise by now."""

    def window(self, now_ns: int, settled_ns: int) -> Passed:
        """See `Pace.window`."""
        orders = self._orders(now_ns, settled_ns)
        answers = self._exchange(orders) if orders else {}
        farthest_ns = max((order.until_ns for order in orders.values()), default=0)
        return Passed(self._take(answers, now_ns, settled_ns), farthest_ns, bool(orders))

    def bring(self, until_ns: int) -> None:
        """See `Pace.bring`."""
        self._exchange({index: Order(until_ns, b"") for index in range(len(self._next))})

    def settle(self) -> None:
        """See `Pace.settle`. It always is."""

    def begin(self, verb: str, args: dict[str, Any], now_ns: int) -> int:
        """See `Pace.begin`."""
        number = self._network.begin(verb, args, now_ns)
        self._doubt(now_ns)
        return number

    def end(self, fault: int, now_ns: int) -> None:
        """See `Pace.end`."""
        self._network.end(fault, now_ns)
        self._doubt(now_ns)

    def tallies(self) -> Tallies:
        """See `Pace.tallies`."""
        return self._network.tallies()

    def _orders(self, now_ns: int, settled_ns: int) -> dict[int, Order]:
        """Open a window: which machines advance."""
        acts = self._found or self._acts()
        step_ns = max(AHEAD_NS, self._network.lookahead_ns)
        # In steps: a limit that slides would wake all in each window.
        self._limit_ns = min(settled_ns, (now_ns // step_ns + 2) * step_ns)
        reached = self._reached(acts)
        ahead_ns = now_ns + self._network.lookahead_ns
        orders: dict[int, Order] = {}
        for index, at_ns in enumerate(acts):
            if at_ns < ahead_ns:
                self._announced[index] = 0
            if at_ns < reached[index] and self._announced[index] <= AHEAD_BYTES:
                inbound = self._network.collect_for(index, reached[index])
                if inbound is not NOTHING or self._next[index] < reached[index]:
                    orders[index] = Order(reached[index], inbound.batch, self._news(index), inbound.handed)
        return orders

    def _acts(self) -> list[int]:
        """When each machine does something, as far as is known."""
        return list(map(min, self._next, self._network.earliest_ns()))

    def _reached(self, acts: list[int]) -> list[int]:
        """How far each machine may advance."""
        network = self._network
        reached, sends = horizons.look(self._ways, acts, self._silent, self._limit_ns)
        if network.arriving.has_ports:
            # What comes late to a port would have gone before others: the machine's own sends bound it, made or not.
            for index, row in enumerate(self._answers):
                reached[index] = min(reached[index], sends[index] + min(row))
        for to, arrives_ns in network.undecided_ns():
            reached[to] = min(reached[to], arrives_ns)
        return reached

    def _news(self, index: int) -> list[int] | None:
        """When this machine could be answered, unless it knows."""
        row = self._answers[index]
        if row == self._told[index]:
            return None
        self._told[index] = row
        return row

    def _take(self, answers: Mapping[int, Answer], now_ns: int, settled_ns: int) -> int:
        """Close it: what they have sent; before the time that is returned, settled at most, all has happened."""
        network = self._network
        for index, answer in answers.items():
            self._next[index] = answer.next_ns
            self._silent[index] = answer.silent_until_ns
            self._announced[index] += len(answer.outbound)
        frames = (frame for index in sorted(answers) for frame in answers[index].frames())
        network.accept(frames, now_ns, settled_ns)
        acts = self._acts()
        if network.undecided():
            sends = horizons.look(self._ways, acts, self._silent, self._limit_ns).sends
            network.place(sends, settled_ns)
            acts = self._acts()
        self._found = acts
        return min(settled_ns, *acts)

    def _doubt(self, now_ns: int) -> None:
        """A fault has begun or ended: what was promised whatever happens was promised without it. Latencies may be others."""
        self._silent = [now_ns for _ in self._silent]
        self._found = []
        ways = self._network.ways()
        if ways != self._ways:
            self._ways = ways
            self._answers = horizons.answers(ways)


class Together:
    """All machines advance to the first time at which something unknown could be felt anywhere.

    Where there are many, another one always sends soon. A window costs what has to be done in it, not what there is. The
    machines and their links are in shards, which are told what to do and say one number each.
    """

    def __init__(
        self,
        steps: Callable[[Sequence[Step]], Sequence[Told]],
        first_ns: Sequence[int],
        lookahead_ns: int,
        tallies: Callable[[], Tallies],
    ) -> None:
        """`steps`: has each shard do its step. `first_ns`: before which each sends nothing, as in `Told`."""
        self._steps = steps
        self._lookahead_ns = lookahead_ns
        self._tallies = tallies
        self._first_ns = min(first_ns)
        self._before = Window(0, 0)
        self._changes: list[FaultChange] = []
        self._begun = 0
        """Faults that have begun so far."""
        self._foreign: list[list[bytes]] = [[] for _ in first_ns]
        """For each shard, what the others have sent to its machines."""

    def window(self, now_ns: int, settled_ns: int) -> Passed:
        """See `Pace.window`."""
        # What a fault does at once is not in what the shards have said.
        first_ns = now_ns if self._changes else self._first_ns
        end_ns = max(min(settled_ns, first_ns + self._lookahead_ns), now_ns + 1)
        self._step(Window(end_ns, settled_ns))
        return Passed(end_ns, end_ns, anybody=True)

    def bring(self, until_ns: int) -> None:
        """See `Pace.bring`."""
        self._step(Window(until_ns, until_ns), everybody=True)
        self.settle()

    def settle(self) -> None:
        """See `Pace.settle`. In a window that is over nothing else happens any more."""
        if self._changes or any(self._foreign):
            self._step(self._before)

    def _step(self, window: Window, *, everybody: bool = False) -> None:
        foreign, changes = self._foreign, self._changes
        self._foreign, self._changes = [[] for _ in foreign], []
        told = self._steps([Step(window, self._before, changes, batches, everybody) for batches in foreign])
        for one in told:
            for batches, batch in zip(self._foreign, one.away, strict=True):
                if batch:
                    batches.append(batch)
        self._first_ns = min(one.first_ns for one in told)
        self._before = window

    def begin(self, verb: str, args: dict[str, Any], now_ns: int) -> int:
        """See `Pace.begin`. The shards hear of it in the next window."""
        self._begun += 1
        self._changes.append(FaultChange(True, self._begun, verb, args, now_ns))
        return self._begun

    def end(self, fault: int, now_ns: int) -> None:
        """See `Pace.end`."""
        self._changes.append(FaultChange(False, fault, "", {}, now_ns))

    def tallies(self) -> Tallies:
        """See `Pace.tallies`."""
        return self._tallies()
