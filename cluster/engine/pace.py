"""Who advances in a window, and how far: each machine to a horizon of its own, or, where there are many, all to one time.

A pace is told the time before which all has happened, and the *settled* time: nothing is done to the cluster before it.
"""

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple, Protocol

from netswap.actors.events import NEVER
from netswap.actors.network.network import Network
from netswap.cluster.engine import horizons
from netswap.protocol.units import seconds

AHEAD_NS: Final = seconds(1)
"""A machine may be ahead of the others by this at least, or by a lookahead if that is longer; by twice as much at most."""
AHEAD_BYTES: Final = 4 << 20
"""And while it is ahead it announces no more than this, and what it announces in one advance."""


class Order(NamedTuple):
    """What a machine is told to do."""

    until_ns: int
    """How far it may advance."""
    inbound: bytes
    answers: list[int] | None = None
    """When it could be answered, as in `Machine.advance`, if that is not what it has been told before."""


class Answer(NamedTuple):
    """What a machine gives back when it has advanced."""

    next_ns: int
    """Nothing leaves before then unless something arrives."""
    silent_until_ns: int
    """Nothing leaves before then whatever arrives."""
    outbound: bytes


class Pace(Protocol):
    """Decides about windows. Times in ns."""

    def orders(self, now_ns: int, settled_ns: int) -> dict[int, Order]:
        """Open a window: who advances."""

    def take(self, answers: Mapping[int, Answer], now_ns: int, settled_ns: int) -> int:
        """Close it: what they have sent; before the time that is returned, settled at most, all has happened."""

    def doubt(self, now_ns: int) -> None:
        """A fault has begun or ended: what was promised whatever happens was promised without it."""


class Apart:
    """Each machine advances until something unknown could reach it."""

    def __init__(self, network: Network, first: Sequence[Answer]) -> None:
        """`first`: what each machine promised before anything has happened."""
        self._network = network
        self._next = [answer.next_ns for answer in first]
        self._silent = [answer.silent_until_ns for answer in first]
        self._ways = network.ways()
        self._answers = horizons.answers(self._ways)
        self._told: list[list[int] | None] = [None for _ in first]
        self._announced = [0 for _ in first]
        """Bytes that each machine has announced since it was not ahead of the others."""
        self._limit_ns = 0

    def orders(self, now_ns: int, settled_ns: int) -> dict[int, Order]:
        """See `Pace.orders`."""
        acts = self._acts()
        step_ns = max(AHEAD_NS, self._network.lookahead_ns)
        self._limit_ns = min(
            settled_ns, (now_ns // step_ns + 2) * step_ns
        )  # one that slides would wake all in each window
        reached = self._reached(acts)
        ahead_ns = now_ns + self._network.lookahead_ns
        orders: dict[int, Order] = {}
        for index, at_ns in enumerate(acts):
            if at_ns < ahead_ns:
                self._announced[index] = 0
            if at_ns < reached[index] and self._announced[index] <= AHEAD_BYTES:
                inbound = self._network.deliver_to(index, reached[index])
                if inbound or self._next[index] < reached[index]:
                    orders[index] = Order(reached[index], inbound, self._news(index))
        return orders

    def _acts(self) -> list[int]:
        """When each machine does something, as far as is known."""
        return list(map(min, self._next, self._network.earliest_ns()))

    def _reached(self, acts: list[int]) -> list[int]:
        """How far each machine may advance."""
        network = self._network
        reached, sends = horizons.look(self._ways, acts, self._silent, self._limit_ns)
        if network.has_ports:
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

    def take(self, answers: Mapping[int, Answer], now_ns: int, settled_ns: int) -> int:
        """See `Pace.take`."""
        network = self._network
        for index, (next_ns, silent_until_ns, outbound) in answers.items():
            self._next[index] = next_ns
            self._silent[index] = silent_until_ns
            self._announced[index] += len(outbound)
        network.accept([answers[index].outbound for index in sorted(answers)], now_ns, settled_ns)
        acts = self._acts()
        if network.undecided():
            sends = horizons.look(self._ways, acts, self._silent, self._limit_ns).sends
            network.place(sends, settled_ns)
            acts = self._acts()
        return min(settled_ns, *acts)

    def doubt(self, now_ns: int) -> None:
        """See `Pace.doubt`. Latencies may be others, too."""
        self._silent = [now_ns for _ in self._silent]
        ways = self._network.ways()
        if ways != self._ways:
            self._ways = ways
            self._answers = horizons.answers(ways)


_UNKNOWN: Final = -1
"""Stands for the promise of a machine that is advancing."""


class Together:
    """All machines advance to the first time at which something unknown could be felt anywhere.

    Where there are many, another one always sends soon. A window costs what has to be done in it, not what there is.
    """

    def __init__(self, network: Network, first: Sequence[Answer]) -> None:
        """`first`: what each machine promised before anything has happened."""
        self._network = network
        self._next = [answer.next_ns for answer in first]
        self._wakes = [(answer.next_ns, index) for index, answer in enumerate(first)]
        """A heap of what the machines promised; those whose `_next` is another have been overtaken."""
        heapify(self._wakes)
        self._end_ns = 0

    def orders(self, now_ns: int, settled_ns: int) -> dict[int, Order]:
        """See `Pace.orders`."""
        network = self._network
        sends_ns = min(self._wakes_ns(), network.first_ns(), network.leaving_ns())
        self._end_ns = end_ns = max(min(settled_ns, sends_ns + network.lookahead_ns), now_ns + 1)
        orders = {index: Order(end_ns, batch) for index, batch in network.deliver(end_ns).items()}
        while self._wakes_ns() < end_ns:
            _, index = heappop(self._wakes)
            self._next[index] = _UNKNOWN
            orders.setdefault(index, Order(end_ns, b""))
        return orders

    def take(self, answers: Mapping[int, Answer], now_ns: int, settled_ns: int) -> int:
        """See `Pace.take`."""
        for index, answer in answers.items():
            if answer.next_ns != self._next[index]:
                self._next[index] = answer.next_ns
                heappush(self._wakes, (answer.next_ns, index))
        batches = [answers[index].outbound for index in sorted(answers)]
        self._network.accept(batches, self._end_ns, settled_ns)
        return self._end_ns

    def doubt(self, now_ns: int) -> None:
        """See `Pace.doubt`. No such promise has been used."""

    def _wakes_ns(self) -> int:
        """When the first machine does something unless something arrives."""
        wakes = self._wakes
        while wakes and self._next[wakes[0][1]] != wakes[0][0]:
            heappop(wakes)
        return wakes[0][0] if wakes else NEVER
