"""Some machines with all links to them: what advances as one where there are many machines.

The network is made of shards, one for each group of destinations. With one machine an actor, and in process, one shard has
them all; where machines are packed, each actor has the shard of its own machines, so a frame between two of these never
leaves the actor, and what goes elsewhere travels as an opaque batch. The clock knows one number of each shard.
"""

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from typing import Any, Final, NamedTuple

import msgpack

from netswap.actors.events import NEVER
from netswap.actors.network.arriving import Inbound
from netswap.actors.network.network import Network
from netswap.cluster.engine.orders import Answer, Exchange, Order
from netswap.protocol.frame import F_COUNT, F_DESTINATION, F_GAP, F_SENT, Raw, cut

_UNKNOWN: Final = -1
"""Stands for the promise of a machine that is advancing."""


class Window(NamedTuple):
    """From which time on (ns) what leaves in a window may be felt, and before which no fault begins or ends."""

    end_ns: int
    settled_ns: int


class FaultChange(NamedTuple):
    """A fault that begins at `at_ns`, or ends; `number`: which one, counted by the clock."""

    begins: bool
    number: int
    verb: str
    args: dict[str, Any]
    at_ns: int


class Step(NamedTuple):
    """What a shard does in one window."""

    window: Window
    before: Window
    """The window before, in which other shards have sent `foreign`."""
    changes: list[FaultChange]
    foreign: list[bytes]
    """What other shards have sent to this one's machines, a batch of each that has."""
    everybody: bool
    """Whether machines with nothing to do advance too."""


class Told(NamedTuple):
    """What a shard gives back."""

    first_ns: int
    """Nothing that is not known to the shard of its destination is sent before; what has been sent is known from then on."""
    away: list[bytes]
    """For each shard, what has been sent to its machines."""


class Shard:
    """Machines, and the network as far as it leads to them."""

    def __init__(self, network: Network, exchange: Exchange, first: dict[int, Answer], owners: Sequence[int]) -> None:
        """`network`: with all links to these machines. `first`: what each promised before anything has happened.

        `owners`: for each machine of the cluster, which shard it is in.
        """
        self.network = network
        self._exchange = exchange
        self._owners = owners
        self._shards = max(owners) + 1
        self._own = owners[next(iter(first))]
        self._next = {index: answer.next_ns for index, answer in first.items()}
        self._wakes = [(answer.next_ns, index) for index, answer in first.items()]
        """A heap of what the machines promised; those whose `_next` is another have been overtaken."""
        heapify(self._wakes)
        self._numbers: dict[int, int] = {}

    def first_ns(self) -> int:
        """Nothing is sent before: see `Told`."""
        return min(self._wakes_ns(), self.network.first_ns(), self.network.leaving_ns())

    def step(self, step: Step) -> Told:
        """One window, from what the others have sent in the one before to what is sent to them.

        Raises `RemoteProtocolError` if a batch is no stream of frames.
        """
        network = self.network
        if step.foreign:
            bodies = network.arriving.hands_over  # else the machines look at them
            network.accept((frame for batch in step.foreign for frame in cut(batch, bodies=bodies)), *step.before)
        for one in step.changes:
            self._change(one)
        answers = self._exchange(self._orders(step))
        for index, answer in answers.items():
            if answer.next_ns != self._next[index]:
                self._next[index] = answer.next_ns
                heappush(self._wakes, (answer.next_ns, index))
        frames = (frame for index in sorted(answers) if answers[index].outbound for frame in answers[index].frames())
        if self._shards == 1:
            network.accept(frames, *step.window)
            return Told(self.first_ns(), [b""])
        away: list[list[bytes]] = [[] for _ in range(self._shards)]
        felt_ns = self._sort(frames, away, step.window)
        return Told(min(felt_ns, self.first_ns()), [b"".join(parts) for parts in away])

    def _change(self, one: FaultChange) -> None:
        if one.begins:
            self._numbers[one.number] = self.network.begin(one.verb, one.args, one.at_ns)
        else:
            self.network.end(self._numbers.pop(one.number), one.at_ns)

    def _orders(self, step: Step) -> dict[int, Order]:
        """The machines that advance: those that something reaches in the window, or that do something by themselves."""
        end_ns = step.window.end_ns
        if step.everybody:
            return {index: _order(end_ns, self.network.collect_for(index, end_ns)) for index in self._next}
        orders = {index: _order(end_ns, inbound) for index, inbound in self.network.collect(end_ns).items()}
        while self._wakes_ns() < end_ns:
            _, index = heappop(self._wakes)
            self._next[index] = _UNKNOWN
            orders.setdefault(index, Order(end_ns, b""))
        return orders

    def _sort(self, frames: Iterable[tuple[Raw, bytes]], away: list[list[bytes]], window: Window) -> int:
        """Accept what is for our own machines, and put the rest to the others'; when these could feel it first, as `first_ns`.

        Of a frame that leaves in the window it is known when it arrives at the earliest. What leaves later is bounded by its
        leaving, as if it were not sent yet: we do not know what its link does with it.
        """
        owners, own, network = self._owners, self._own, self.network
        end_ns, lookahead_ns = window.end_ns, network.lookahead_ns
        felt_ns = NEVER
        mine: list[tuple[Raw, bytes]] = []
        for frame, data in frames:
            owner = owners[frame[F_DESTINATION]]
            if owner == own:
                mine.append((frame, data))
                continue
            away[owner].append(data)
            sent_ns, count, gap_ns = frame[F_SENT], frame[F_COUNT], frame[F_GAP]
            if sent_ns < end_ns:
                felt_ns = min(felt_ns, sent_ns + lookahead_ns)
                if sent_ns + (count - 1) * gap_ns >= end_ns:
                    felt_ns = min(felt_ns, sent_ns - (sent_ns - end_ns) // gap_ns * gap_ns)
            else:
                felt_ns = min(felt_ns, sent_ns)
        network.accept(mine, *window)
        return felt_ns

    def _wakes_ns(self) -> int:
        """When the first machine does something unless something arrives."""
        wakes = self._wakes
        while wakes and self._next[wakes[0][1]] != wakes[0][0]:
            heappop(wakes)
        return wakes[0][0] if wakes else NEVER


def _order(end_ns: int, inbound: Inbound) -> Order:
    return Order(end_ns, inbound.batch, None, inbound.handed)


def pack_step(step: Step) -> bytes:
    """As it travels to an actor."""
    packed: bytes = msgpack.packb(step)
    return packed


def unpack_step(blob: bytes) -> Step:
    """What `pack_step` has packed."""
    window, before, changes, foreign, everybody = _unpack(blob)
    return Step(Window(*window), Window(*before), [FaultChange(*one) for one in changes], foreign, everybody)


def pack_told(told: Told) -> bytes:
    """As it travels back."""
    packed: bytes = msgpack.packb(told)
    return packed


def unpack_told(blob: bytes) -> Told:
    """What `pack_told` has packed."""
    return Told(*_unpack(blob))


def _unpack(blob: bytes) -> Any:
    return msgpack.unpackb(blob, max_bin_len=len(blob), max_array_len=len(blob), max_map_len=len(blob))
