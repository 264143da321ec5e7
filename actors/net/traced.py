"""Card and protocol layers that tell the fate of each frame: a check for each frame would be felt where no trace listens."""

from typing import Any

from netswap.actors.kernels.udp import UdpMem
from netswap.actors.net.board import NetBoard
from netswap.actors.net.buffers import Buffer
from netswap.actors.net.input_queue import InputQueue
from netswap.actors.net.nic import Nic
from netswap.actors.net.reassembly import Incomplete, Reassembly, RefusingReassembly
from netswap.actors.net.stack import Stack
from netswap.actors.net.udp_limits import LimitedStack
from netswap.actors.net.virtio import VirtioNic
from netswap.actors.teller import Teller
from netswap.actors.trace import Frames
from netswap.protocol.frame import A_AT, A_COUNT, A_FIRST, A_GAP, Arrival, Raw

Key = tuple[int, int]
"""Which datagram: its source, and the number that this gave it."""


def teller_of(net: NetBoard) -> Teller:
    """The teller of this machine, which has one."""
    teller = net.board.teller
    assert teller is not None, "parts that tell are made where somebody listens"
    return teller


# -- reassembly -------------------------------------------------------------------------------------------------------


class Kept:
    """Which frames the buffers of a fragment cache hold, in their order there."""

    def __init__(self, teller: Teller) -> None:
        self.teller = teller
        self.frames: dict[Key, list[tuple[Raw, int]]] = {}
        self.forgotten: list[tuple[Raw, int]] = []
        """Frames of the datagram that has just been taken out of the cache."""

    def forget(self, key: Key) -> None:
        """A datagram is taken out: because it is complete, or to be dropped."""
        self.forgotten = self.frames.pop(key, [])

    def added(self, key: Key, cache: Reassembly) -> None:
        """The current frame has been given to the cache, which may have kept it."""
        self.forgotten = []
        entry = cache.incomplete.get(key)
        kept = self.frames.get(key)
        if entry is None or len(entry.buffers) == (0 if kept is None else len(kept)):
            return
        frames = self.teller.current(1)
        self.frames.setdefault(key, []).append((frames.frame, frames.first))
        self.teller.queued(frames, "reassembly")

    def dropped(self, count: int, cause: str) -> None:
        """Tell that `count` frames have been lost: those of the datagram that was taken out, or else from the current one on."""
        forgotten, self.forgotten = self.forgotten, []
        if not forgotten:
            self.teller.dropped(self.teller.current(count), cause)
        for frame, first in forgotten:
            self.teller.dropped(Frames(self.teller.now(), frame, first, 1), cause)


class TracedReassembly(Reassembly):
    """As `Reassembly`."""

    __slots__ = ("kept",)

    def __init__(self, net: NetBoard, kept: Kept, drop: Any) -> None:
        super().__init__(net.board.events, net.board.kernel, net.mtu, drop)
        self.kept = kept

    def add(self, key: Key, offset: int, payload: int, buffer: Buffer) -> tuple[Buffer, ...] | None:
        """As there."""
        whole = super().add(key, offset, payload, buffer)
        self.kept.added(key, self)
        return whole

    def _forget(self, key: Key) -> Incomplete:
        self.kept.forget(key)
        return super()._forget(key)


class TracedRefusingReassembly(RefusingReassembly):
    """As `RefusingReassembly`."""

    __slots__ = ("kept",)

    def __init__(self, net: NetBoard, kept: Kept, drop: Any) -> None:
        super().__init__(net.board.events, net.board.kernel, net.mtu, drop)
        self.kept = kept

    def add(self, key: Key, offset: int, payload: int, buffer: Buffer) -> tuple[Buffer, ...] | None:
        """As there."""
        whole = super().add(key, offset, payload, buffer)
        self.kept.added(key, self)
        return whole

    def _forget(self, key: Key) -> Incomplete:
        self.kept.forget(key)
        return super()._forget(key)


# -- the protocol layers ----------------------------------------------------------------------------------------------


class TracedStack(Stack):
    """As `Stack`."""

    __slots__ = ("kept", "teller")

    def __init__(self, net: NetBoard) -> None:
        super().__init__(net)
        self.teller = teller_of(net)
        self.kept = Kept(self.teller)
        self.reassembly = _reassembly(net, self.kept, self.drop)

    def input(self, frame: Raw, index: int, buffer: Buffer) -> None:
        """As there."""
        before = self._counters.delivered
        self.teller.begin(frame, index)
        super().input(frame, index, buffer)
        if self._counters.delivered != before:
            self.teller.delivered(self._counters.delivered - before)

    def input_whole(self, frame: Raw, fragments: list[Buffer]) -> None:
        """As there."""
        before = self._counters.delivered
        self.teller.begin(frame, 0)
        super().input_whole(frame, fragments)
        if self._counters.delivered != before:
            self.teller.delivered(self._counters.delivered - before)

    def _datagram(self, frame: Raw, index: int, body: tuple[Any, ...], buffers: tuple[Buffer, ...]) -> None:
        self.teller.begin(frame, index)
        super()._datagram(frame, index, body, buffers)

    def drop(self, buffers: tuple[Buffer, ...], cause: str) -> None:
        """As there."""
        super().drop(buffers, cause)
        self.kept.dropped(len(buffers), cause)


class TracedLimitedStack(LimitedStack):
    """As `LimitedStack`."""

    __slots__ = ("kept", "teller")

    def __init__(self, net: NetBoard, limits: UdpMem | None = None) -> None:
        super().__init__(net, limits)
        self.teller = teller_of(net)
        self.kept = Kept(self.teller)
        self.reassembly = _reassembly(net, self.kept, self.drop)

    def input(self, frame: Raw, index: int, buffer: Buffer) -> None:
        """As there."""
        before = self._counters.delivered
        self.teller.begin(frame, index)
        super().input(frame, index, buffer)
        if self._counters.delivered != before:
            self.teller.delivered(self._counters.delivered - before)

    def input_whole(self, frame: Raw, fragments: list[Buffer]) -> None:
        """As there."""
        before = self._counters.delivered
        self.teller.begin(frame, 0)
        super().input_whole(frame, fragments)
        if self._counters.delivered != before:
            self.teller.delivered(self._counters.delivered - before)

    def _datagram(self, frame: Raw, index: int, body: tuple[Any, ...], buffers: tuple[Buffer, ...]) -> None:
        self.teller.begin(frame, index)
        super()._datagram(frame, index, body, buffers)

    def drop(self, buffers: tuple[Buffer, ...], cause: str) -> None:
        """As there."""
        super().drop(buffers, cause)
        self.kept.dropped(len(buffers), cause)


def _reassembly(net: NetBoard, kept: Kept, drop: Any) -> Reassembly:
    """The fragment cache of this kernel."""
    if net.board.kernel.refuses_fragments:
        return TracedRefusingReassembly(net, kept, drop)
    return TracedReassembly(net, kept, drop)


# -- the card ---------------------------------------------------------------------------------------------------------


class Coming:
    """The train that a card receives, for those of its steps that see only a part of it."""

    def __init__(self, teller: Teller) -> None:
        self.teller = teller
        self.again = False
        """Whether frames are served that have been received before."""
        self.arrival: Arrival | None = None

    def frames(self, first: int, count: int, at_ns: int) -> Frames:
        """The `count` frames of the train from number `first` on."""
        assert self.arrival is not None, "a train is being received"
        _, _, _, copy, _, gap_ns, _, flags, frame = self.arrival
        return Frames(at_ns, frame, first, count, gap_ns if count > 1 else 0, copy, flags)

    def one(self, frame: Raw, index: int) -> None:
        """A frame is looked at, which comes now unless it has been in the ring already."""
        self.teller.begin(frame, index)
        if not self.again:
            self.teller.received(self.frames(index, 1, self.teller.now()))

    def whole(self) -> None:
        """All frames of a datagram come, one after the other."""
        assert self.arrival is not None, "a train is being received"
        self.teller.received(self.frames(0, self.arrival[A_COUNT], self.arrival[A_AT]))

    def lost(self, at_ns: int, left: int, count: int) -> None:
        """Tell that `count` frames find the ring empty, the first at `at_ns`; `left`: frames of the train from that on."""
        assert self.arrival is not None, "a train is being received"
        frames = self.frames(self.arrival[A_FIRST] + self.arrival[A_COUNT] - left, count, at_ns)
        self.teller.received(frames)
        self.teller.dropped(frames, "ring-empty")

    def kept(self, frames: int, kept: int) -> None:
        """Tell that `frames` frames come while the machine stands still, and `kept` of them find room in the ring."""
        assert self.arrival is not None, "a train is being received"
        at_ns, first, gap_ns = self.arrival[A_AT], self.arrival[A_FIRST], self.arrival[A_GAP]
        self.teller.received(self.frames(first, frames, at_ns))
        if kept:
            self.teller.queued(self.frames(first, kept, at_ns), "ring")
        if kept < frames:
            self.teller.dropped(self.frames(first + kept, frames - kept, at_ns + kept * gap_ns), "ring-empty")


class TracedNic(Nic):
    """As `Nic`."""

    def __init__(
        self, net: NetBoard, stack: Stack | InputQueue, index: int, rate_bps: int, ring: int, refill: str
    ) -> None:
        self.coming = Coming(teller_of(net))
        super().__init__(net, stack, index, rate_bps, ring, refill)

    def receive(self, arrival: Arrival, limit_ns: int) -> Arrival | None:
        """As there."""
        self.coming.arrival = arrival
        return super().receive(arrival, limit_ns)

    def keep(self, arrival: Arrival, frames: int) -> None:
        """As there."""
        self.coming.arrival = arrival
        before = self.unserved
        super().keep(arrival, frames)
        self.coming.kept(frames, self.unserved - before)

    def _lose(self, at_ns: int, frames: int, gap_ns: int, limit_ns: int) -> int:
        lost = super()._lose(at_ns, frames, gap_ns, limit_ns)
        self.coming.lost(at_ns, frames, lost)
        return lost

    def _serve(self, argument: object) -> None:
        self.coming.again = True
        super()._serve(argument)
        self.coming.again = False

    def _datagram(self, frame: Raw) -> None:
        self.coming.whole()
        super()._datagram(frame)

    def _frame(self, frame: Raw, index: int, flags: int) -> None:
        self.coming.one(frame, index)
        super()._frame(frame, index, flags)

    def _refuse(self, cause: str) -> None:
        super()._refuse(cause)
        self.coming.teller.dropped(self.coming.teller.current(1), cause)


class TracedVirtioNic(VirtioNic):
    """As `VirtioNic`."""

    def __init__(
        self, net: NetBoard, stack: Stack | InputQueue, index: int, rate_bps: int, ring: int, refill: str
    ) -> None:
        self.coming = Coming(teller_of(net))
        super().__init__(net, stack, index, rate_bps, ring, refill)

    def receive(self, arrival: Arrival, limit_ns: int) -> Arrival | None:
        """As there."""
        self.coming.arrival = arrival
        return super().receive(arrival, limit_ns)

    def keep(self, arrival: Arrival, frames: int) -> None:
        """As there."""
        self.coming.arrival = arrival
        before = self.unserved
        super().keep(arrival, frames)
        self.coming.kept(frames, self.unserved - before)

    def _lose(self, at_ns: int, frames: int, gap_ns: int, limit_ns: int) -> int:
        lost = super()._lose(at_ns, frames, gap_ns, limit_ns)
        self.coming.lost(at_ns, frames, lost)
        return lost

    def _serve(self, argument: object) -> None:
        self.coming.again = True
        super()._serve(argument)
        self.coming.again = False

    def _frame(self, frame: Raw, index: int, flags: int) -> None:
        before = self.unserved
        self.coming.one(frame, index)
        super()._frame(frame, index, flags)
        if self.unserved > before:
            self.coming.teller.queued(self.coming.teller.current(1), "ring")

    def _datagram(self, frame: Raw) -> None:
        self.coming.whole()
        super()._datagram(frame)

    def _refuse(self, cause: str) -> None:
        super()._refuse(cause)
        self.coming.teller.dropped(self.coming.teller.current(1), cause)


def held_frames(nic: Nic, stack: Stack, queue: InputQueue | None) -> list[tuple[Raw, int, int]]:
    """The frames that a machine holds, each stretch as (train, its first, how many): they are lost if it goes down."""
    held = [(frame, first, count) for frame, first, count, _ in nic.waiting_in_ring()]
    held += [(frame, index, 1) for frame, index in (queue.held() if queue is not None else ())]
    if isinstance(stack, TracedStack | TracedLimitedStack):
        held += [(frame, index, 1) for kept in stack.kept.frames.values() for frame, index in kept]
    return held
