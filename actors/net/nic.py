"""The card: a ring of receive buffers, and one transmitter.

Two rules for the ring, each with the numbers of its drivers (`drivers`). `e1000`, `e1000e`: received buffers are passed
up, and once 16 descriptors are empty, or all, they are refilled (6.11: at the end of each poll); where that fails they
stay empty, the ring drains, and a watchdog tries again every 2 s. `tg3`, `8139cp`: the replacement is allocated first;
where that fails the frame is dropped and its buffer stays in the ring, which never drains. All but 8139cp copy short
frames into a buffer of their own. The third rule is that of `virtio`.

The ring's buffers are outside free memory: they are allocated when the card is brought up.
"""

from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from netswap.actors.events import NEVER
from netswap.actors.memory.slab import Run, SlabCache
from netswap.actors.net.board import NetBoard
from netswap.actors.net.buffers import B_CHARGE, B_TRUESIZE, Buffer
from netswap.actors.net.drivers import DRIVERS
from netswap.actors.net.input_queue import InputQueue
from netswap.actors.net.stack import Stack
from netswap.protocol.frame import (
    A_AT,
    A_FIRST,
    A_FLAGS,
    A_FRAME,
    A_GAP,
    CORRUPT,
    F_BODY,
    F_COUNT,
    F_KIND,
    F_TAIL,
    F_WIRE,
    FRAGMENT,
    TCP,
    VERSION,
    Arrival,
    Raw,
    encode,
    is_burst,
)
from netswap.protocol.ip import ETHERNET, LINK_HEADER, MTU
from netswap.protocol.tcp import S_PAYLOAD, Body
from netswap.protocol.units import seconds

_SECOND: Final = seconds(1)
bursts = True
"""Whether segments of TCP that leave together are announced together, and received in fewer steps than frame by frame.

In machines that are made from now on. It makes no other difference: tests compare.
"""
_STANDARD: Final = MTU + ETHERNET
"""Bytes on the wire of the largest frame for the ring of small buffers."""

Packets = tuple[int, int, int, int, int, tuple[object, ...]]
"""What a datagram or a segment becomes on the wire: kind, port, number of packets, bytes on the wire of each packet but the
last, those of the last, body."""


@lru_cache(maxsize=256)
def _wire_ns(wire: int, rate_bps: int) -> int:
    """How long a card of this rate takes for `wire` bytes."""
    return wire * 8 * _SECOND // rate_bps


def _copying(net: NetBoard, copybreak: int) -> tuple[int, int, list[tuple[SlabCache, int]]]:
    """What is asked of each frame that with its link header is shorter than `copybreak`, 0 for no such frame.

    Bytes on the wire that the driver does not see (preamble, checksum, gap; less than none without framing), the limit on the
    wire, and cache and truesize of the copy by the length that the driver sees.
    """
    beside = net.framing - LINK_HEADER
    return beside, copybreak + beside if copybreak else 0, net.buffers.copies_by_length(copybreak)


def _passes_short(net: NetBoard, stack: Stack | InputQueue) -> Stack | None:
    """The stack that may take short frames without a buffer, if there is one: a trace may want to hear of each step."""
    return stack if isinstance(stack, Stack) and net.board.of_steps is None else None


def _bursts(net: NetBoard, stack: Stack | InputQueue, *, keeps_ring: bool) -> tuple[bool, Stack | None]:
    """Whether segments are announced in bursts, of which a trace that hears of frames is not told; the stack that takes them."""
    announces = bursts and net.board.of_frames is None
    return announces, stack if announces and not keeps_ring and isinstance(stack, Stack) else None


class Nic:
    """One machine's network card."""

    def __init__(
        self, net: NetBoard, stack: Stack | InputQueue, index: int, rate_bps: int, ring: int, refill: str
    ) -> None:
        """`index`: the machine's, in the scenario. `ring`: descriptors. `refill`: the name of a driver."""
        board, buffers, kernel = net.board, net.buffers, net.board.kernel
        self.ring_size = ring
        self.sent = board.tally.frames
        """Frames given to the network so far, those of trains under way included."""
        self.idle_ns = 0
        """Nothing that is sent from now on leaves before then."""
        self.watchdog_ns: list[int] = []
        """When the watchdog ran last, and before that."""
        self._events = board.events
        self._kernel = kernel
        self._buffers = buffers
        self._stack = stack
        self._passes_short = _passes_short(net, stack)
        self._counters = board.counters
        self._teller = board.teller
        self._index, self._rate_bps = index, rate_bps
        self._out: list[tuple[Raw, bytes]] = []
        driver = DRIVERS[refill]
        self._keeps_ring = driver.keeps_ring
        self._refill_batch = kernel.rx_refill_batch
        self._beside, self._copybreak, self._copies = _copying(net, driver.copybreak)
        self._bursts, self._passes_bursts = _bursts(net, stack, keeps_ring=driver.keeps_ring)
        self._cleaned = 0
        """Descriptors emptied since the last refill."""
        self._ring: deque[Buffer] = deque()
        self._unserved: list[tuple[Raw, int, int, int]] = []
        """(frame, first, frames, flags) that lie in the ring while the machine stands still."""
        self.unserved = 0
        """The number of frames in `_unserved`."""
        self._standard = buffers.standard
        self._truesize = kernel.rx_standard[1] if kernel.rx_standard is not None else kernel.rx_truesize
        self._jumbo: deque[Buffer] = deque()
        """The ring for frames above 1500 bytes, of a card that has one."""
        self._fill()
        self._fill_jumbo(driver.jumbo_ring)

    # -- out --------------------------------------------------------------------------------------------------------

    def wire_ns(self, wire: int) -> int:
        """How long the card takes for `wire` bytes."""
        return _wire_ns(wire, self._rate_bps)

    def transmit(self, memory: list[Run], destination: int, packets: Packets, *, memalloc: bool = False) -> None:
        """Put packets on the wire behind all others. The card itself needs no memory, so `memalloc` is nothing to it.

        They are sent as one train on the beat of the full packets; its last packet is exact. `memory`, their transmit
        buffers, is free when that has left.
        """
        kind, port, count, wire, tail, body = packets
        rate_bps = self._rate_bps
        sent_ns = self._events.now
        if sent_ns < self.idle_ns:
            sent_ns = self.idle_ns
        sent_ns += _wire_ns(tail, rate_bps)
        number = self.sent
        self.sent = number + count
        gap = 0 if count == 1 else _wire_ns(wire, rate_bps)
        frame: Any = (VERSION, sent_ns, self._index, number, destination, wire, tail, kind, port, count, gap, body)
        data = encode(frame)
        self._out.append((frame, data))
        self._events.sent(sent_ns, destination, len(data))
        self.idle_ns = idle_ns = sent_ns + (count - 1) * gap
        if memory:
            if idle_ns < self._events.quiet_ns and self._lent is None:
                self._lent = (idle_ns, self._events.reserve(), memory)
            else:
                self._events.at(idle_ns, self._buffers.release, memory)

    def send_segments(
        self, destination: int, port: int, overhead: int, bodies: list[Body], *, memalloc: bool = False
    ) -> None:
        """Put segments of one connection on the wire behind all others, `overhead` bytes more each than their payload.

        What of them leaves at one distance is announced at once, as a burst (`netswap.protocol.frame.is_burst`).
        """
        first = 0
        while first < len(bodies):
            payload, last = bodies[first][S_PAYLOAD], first + 1
            while last < len(bodies) and bodies[last][S_PAYLOAD] == payload:
                last += 1
            wire = payload + overhead
            if last - first == 1 or not self._bursts:
                self.transmit([], destination, (TCP, port, 1, wire, wire, bodies[first]))
                first += 1
            else:
                self._send_burst(destination, port, wire, bodies[first:last])
                first = last

    def _send_burst(self, destination: int, port: int, wire: int, bodies: list[Body]) -> None:
        events, index, number = self._events, self._index, self.sent
        gap = _wire_ns(wire, self._rate_bps)
        first_ns = sent_ns = max(events.now, self.idle_ns) + gap
        parts: list[bytes] = []
        for body in bodies:
            parts.append(encode((VERSION, sent_ns, index, number, destination, wire, wire, TCP, port, 1, 0, body)))
            sent_ns += gap
            number += 1
        data, count = b"".join(parts), len(bodies)
        all_of_them = tuple(bodies)
        frame: Any = (VERSION, first_ns, index, self.sent, destination, wire, wire, TCP, port, count, gap, all_of_them)
        self.sent = number
        self.idle_ns = sent_ns - gap
        self._out.append((frame, data))
        events.sent(first_ns, destination, len(data))

    def send_train(
        self, destination: int, kind: int, port: int, count: int, gap_ns: int, wire: int, body: tuple[object, ...]
    ) -> None:
        """Let `count` equal packets leave from now on, `gap_ns` apart; other packets find the wire busy for one of them."""
        self.idle_ns = first = max(self._events.now, self.idle_ns) + _wire_ns(wire, self._rate_bps)
        frame: Any = (VERSION, first, self._index, self.sent, destination, wire, wire, kind, port, count, gap_ns, body)
        data = encode(frame)
        self._out.append((frame, data))
        self._events.sent(first, destination, len(data))
        self.sent += count

    def confirm(self, index: int) -> None:
        """A machine has answered, which a card does not care about; a neighbour table before it does."""

    def take_out(self) -> list[tuple[Raw, bytes]]:
        """All that has been sent since the last call, each frame with its bytes."""
        out, self._out = self._out, []
        return out

    @property
    def watching(self) -> bool:
        """Whether a refill has failed, and the watchdog will try again."""
        return self.watchdog_due_ns != NEVER

    # -- in ---------------------------------------------------------------------------------------------------------

    def filled(self) -> int:
        """Descriptors that hold a buffer."""
        return len(self._ring)

    def receives(self) -> bool:
        """Whether there is a buffer for a frame that came now."""
        return bool(self._ring)

    def receive(self, arrival: Arrival, limit_ns: int) -> Arrival | None:
        """Receive the frames of a train, up to `limit_ns` or the next event; the rest of the train."""
        at_ns, _, _, _, count, gap, index, flags, frame = arrival
        events = self._events
        woken = self._stack.woken
        if count == 1:  # by far the most common: none of the bookkeeping of a train
            events.now = at_ns
            if self._bursts:
                events.quiet_ns = limit_ns
            self._counters.received += 1
            self._frame(frame, index, flags)
            while woken:
                woken.pop(0)()
            events.quiet_ns = 0
            if self._lent is not None:
                self._return_lent()
            return None
        heap = events.heap
        # Fragments that come whole, with no event in between and memory for all, need no look at each of them: nothing in
        # the machine can tell the difference.
        if frame[F_KIND] & FRAGMENT and count == frame[F_COUNT] and not flags:
            last_ns = at_ns + (count - 1) * gap
            if last_ns < limit_ns and not (heap and heap[0][0] <= last_ns) and self._is_easy(frame):
                events.now = last_ns
                self._datagram(frame)
                while woken:
                    woken.pop(0)()
                return None
        if frame[F_KIND] == TCP and self._passes_bursts is not None and not flags and is_burst(frame):
            return self._receive_burst(self._passes_bursts, arrival, limit_ns)
        return self.receive_each(arrival, limit_ns)

    def _receive_burst(self, stack: Stack, arrival: Arrival, limit_ns: int) -> Arrival | None:
        """As `receive_each`, for a connection whose owner reads each segment at once: as far as nothing else is to be done."""
        at_ns, source, number, copy, count, gap, first, flags, frame = arrival
        to = stack.express(frame)
        if to is None or frame[F_WIRE] < self._copybreak:
            return self.receive_each(arrival, limit_ns)
        events, ring, bodies = self._events, self._ring, frame[F_BODY]
        heap, soon, free = events.heap, events.soon, self._buffers.free
        index, end = first, first + count
        while ring and not ring[0][B_CHARGE]:
            events.now = at_ns
            next_ns = at_ns + gap
            events.quiet_ns = limit_ns if index + 1 == end or limit_ns < next_ns else next_ns
            if not to.pass_on(bodies[index], ring[0][B_TRUESIZE]):
                events.now = at_ns - gap if index > first else at_ns
                break
            buffer = ring.popleft()
            self._cleaned += 1
            self._counters.received += 1
            stack.passed_on()
            if self._cleaned >= self._refill_batch or not ring:
                self._fill()
            free(buffer)
            to.passed_on()
            if self._lent is not None:
                self._return_lent()
            index, at_ns = index + 1, next_ns
            if index == end or at_ns >= limit_ns or soon or (heap and heap[0][0] <= at_ns):
                break
        events.quiet_ns = 0
        done = index - first
        if not done:  # the first frame is received whatever else comes at this very time: else nothing would ever go on
            return self.receive_each(arrival, limit_ns)
        to.ends_passing()
        if index == end:
            return None
        rest: Any = (at_ns, source, number + done, copy, count - done, gap, index, flags, frame)
        if at_ns >= limit_ns or soon or (heap and heap[0][0] <= at_ns):
            return rest  # type: ignore[no-any-return]
        return self.receive_each(rest, limit_ns)

    def receive_each(self, arrival: Arrival, limit_ns: int) -> Arrival | None:
        """As `receive`, each frame by itself, but for those that find the ring empty."""
        at_ns, source, number, copy, count, gap, index, flags, frame = arrival
        events, counters, ring = self._events, self._counters, self._ring
        heap, soon, woken = events.heap, events.soon, self._stack.woken
        end = index + count
        while True:
            frames = 1
            if not ring and self._is_dry():
                frames = self._lose(at_ns, end - index, gap, limit_ns)
            else:
                events.now = at_ns
                if self._bursts:
                    next_ns = at_ns + gap
                    events.quiet_ns = limit_ns if index + 1 == end or limit_ns < next_ns else next_ns
                counters.received += 1
                self._frame(frame, index, flags)
                while woken:  # a process runs after the softirq, and may free what the next frame needs
                    woken.pop(0)()
                events.quiet_ns = 0
                if self._lent is not None:
                    self._return_lent()
            index += frames
            at_ns += frames * gap
            if index == end:
                return None
            # An event that is due may change what the next frame finds, and another arrival may come before it.
            if at_ns >= limit_ns or soon or (heap and heap[0][0] <= at_ns):
                done = index - arrival[A_FIRST]
                left = count - done
                return (at_ns, source, number + done, copy, left, gap, index, flags, frame)  # type: ignore[return-value]  # a plain tuple

    _lent: tuple[int, int, list[Run]] | None = None
    """When transmit buffers are free that have been given while a frame is received, as which event, and the buffers."""

    def _return_lent(self) -> None:
        """Free transmit buffers at once if nothing can see that they are free some moments early, else in time."""
        assert self._lent is not None, "buffers have been given"
        idle_ns, number, memory = self._lent
        self._lent = None
        events = self._events
        heap = events.heap
        if not events.soon and not (heap and heap[0][0] <= idle_ns):
            for slab, count in memory:
                if slab.free + count >= slab.cache.per_slab:  # a page would come back, which others may wait for
                    break
            else:
                self._buffers.release(memory)
                return
        events.put(idle_ns, number, self._buffers.release, memory)

    @property
    def ring(self) -> Sequence[Buffer]:
        """The buffers of its descriptors; the first is filled next."""
        return self._ring

    @property
    def cleaned(self) -> int:
        """Descriptors emptied since the last refill."""
        return self._cleaned

    def _is_dry(self) -> bool:
        """Whether no frame could be received, however small."""
        return not self._ring

    def _lose(self, at_ns: int, frames: int, gap_ns: int, limit_ns: int) -> int:
        """Drop those of `frames` frames that come before `limit_ns` and the next event; how many.

        Nothing but an event fills an empty ring, and a frame that is lost touches nothing else: all of them are one step.
        """
        events, counters = self._events, self._counters
        end_ns = min(limit_ns, events.heap[0][0]) if events.heap else limit_ns
        if gap_ns:
            frames = min(frames, max(1, -(-(end_ns - at_ns) // gap_ns)))
        elif end_ns <= at_ns:
            frames = 1
        events.now = at_ns + (frames - 1) * gap_ns
        counters.received += frames
        self._count_drops("ring-empty", frames, at_ns)
        return frames

    def keep(self, arrival: Arrival, frames: int) -> None:
        """Take the first `frames` of a train while the machine stands still: they fill the ring, the others are dropped."""
        kept = min(frames, self.filled() - self.unserved)
        self._counters.received += frames
        if frames > kept:
            self._count_drops("ring-empty", frames - kept, arrival[A_AT] + kept * arrival[A_GAP])
        self.unserved += kept
        if kept:
            self._unserved.append((arrival[A_FRAME], arrival[A_FIRST], kept, arrival[A_FLAGS]))

    def waiting_in_ring(self) -> Sequence[tuple[Raw, int, int, int]]:
        """(frame, first, frames, flags) that have been received and not been served."""
        return self._unserved

    def go_on(self, since_ns: int) -> None:
        """Go on after a pause that began at `since_ns`, by which each packet leaves later; what lies in the ring is received."""
        now = self._events.now
        if self.idle_ns > since_ns:
            self.idle_ns += now - since_ns
        self._events.at(now, self._serve)

    def _serve(self, _: object) -> None:
        unserved, self._unserved = self._unserved, []
        self.unserved = 0
        for frame, first, count, flags in unserved:
            for index in range(first, first + count):
                self._frame(frame, index, flags)
        woken = self._stack.woken
        while woken:
            woken.pop(0)()

    def _is_easy(self, frame: Raw) -> bool:
        """Whether the fragments of this datagram need nothing but the ring's own buffers, and these are there.

        A refill among them is no matter as long as there is plenty of memory.
        """
        count, ring = frame[F_COUNT], self._ring
        return (
            not self._keeps_ring
            and count < len(ring)
            and frame[F_TAIL] >= self._copybreak
            and (
                self._cleaned + count <= self._refill_batch
                or (count < self._refill_batch and self._buffers.plenty(2 * (self.ring_size - len(ring) + count)))
            )
            and self._stack.expects(frame)
        )

    def receive_whole(self, arrival: Arrival, last_ns: int) -> bool:
        """Receive a datagram that comes in several pieces from `arrival` to `last_ns`, nothing else in between.

        Only if no fragment needs a look of its own, as in `receive`; else False, and nothing is done.
        """
        frame = arrival[A_FRAME]
        if not self._is_easy(frame):
            return False
        self._events.now = last_ns
        self._datagram(frame)
        woken = self._stack.woken
        while woken:
            woken.pop(0)()
        return True

    def _datagram(self, frame: Raw) -> None:
        """Receive all fragments of a datagram at once, with the result of one after the other."""
        count, take, batch = frame[F_COUNT], self._ring.popleft, self._refill_batch
        self._counters.received += count
        buffers: list[Buffer] = []
        cleaned = self._cleaned
        for _ in range(count):
            if cleaned == batch:
                self._fill()
                cleaned = 0
            cleaned += 1
            buffers.append(take())
        self._cleaned = cleaned
        self._stack.input_whole(frame, buffers)
        if cleaned >= batch:
            self._fill()

    def _frame(self, frame: Raw, index: int, flags: int) -> None:
        ring = self._ring
        if not ring:
            self._refuse("ring-empty")
            return
        wire = frame[F_TAIL] if index == frame[F_COUNT] - 1 else frame[F_WIRE]
        buffer: Buffer | None
        if wire < self._copybreak:
            passes, length = self._passes_short, wire - self._beside
            if passes is not None and not flags and passes.pass_short(frame, self._copies[length][0]):
                return
            buffer = self._copy(length)
        elif self._keeps_ring:
            buffer = self._replace(wire)
        else:
            buffer = ring.popleft()
            self._cleaned += 1
        if buffer is None:
            self._refuse("no-memory")
            return
        if flags & CORRUPT:
            self._stack.drop((buffer,), "corrupt")
        else:
            self._stack.input(frame, index, buffer)
        if self._cleaned >= self._refill_batch or (self._cleaned and not ring):
            self._fill()

    def _refuse(self, cause: str) -> None:
        """Drop a frame that there is no buffer for."""
        self._count_drops(cause, 1, self._events.now)

    def _count_drops(self, cause: str, frames: int, at_ns: int) -> None:
        """Note that `frames` frames are lost, the first of them at `at_ns`."""
        dropped = self._counters.dropped
        if self._teller is not None and not dropped[cause]:
            self._teller.first_dropped(at_ns, cause)
        dropped[cause] += frames

    def _copy(self, length: int) -> Buffer | None:
        """A buffer of its own for a short frame; without one, the ring's buffer itself if the driver gives it away."""
        buffer = self._buffers.allocate(*self._copies[length])
        if buffer is None and not self._keeps_ring:
            self._cleaned += 1
            return self._ring.popleft()
        return buffer

    def _replace(self, wire: int) -> Buffer | None:
        """The next buffer of the frame's ring, or None: this driver passes a buffer up only if it can put another there."""
        ring, cache, truesize = self._ring, self._standard, self._truesize
        if self._jumbo and wire > _STANDARD:
            ring, cache, truesize = self._jumbo, self._buffers.receive, self._kernel.rx_truesize
        new = self._buffers.allocate(cache, truesize)
        if new is None:
            return None
        ring.append(new)
        return ring.popleft()

    def _fill_jumbo(self, descriptors: int) -> None:
        """Fill the ring of large buffers, if any, when the card is brought up, as far as there are blocks: fewer will do."""
        if self._kernel.rx_standard is None:
            return
        for _ in range(descriptors):
            buffer = self._buffers.allocate(self._buffers.receive, self._kernel.rx_truesize)
            if buffer is None:
                return
            self._jumbo.append(buffer)

    def _fill(self) -> None:
        """Refill all empty descriptors; where memory is missing, leave it to the next batch or to the watchdog."""
        ring = self._ring
        self._cleaned = 0
        missing = self.ring_size - len(ring)
        if self._buffers.plenty(2 * missing):
            ring.extend(self._buffers.allocate_plenty(missing))
            return
        for _ in range(missing):
            buffer = self._buffers.allocate(self._standard, self._truesize)
            if buffer is None:
                self._watch()
                return
            ring.append(buffer)

    def _watch(self) -> None:
        """Have the watchdog look at its next beat, unless that is due already."""
        beat = self._kernel.watchdog_ns
        due = (self._events.now // beat + 1) * beat
        if self.watchdog_due_ns != due:
            self.watchdog_due_ns = due
            self._events.at(due, self._watchdog)

    watchdog_due_ns = NEVER

    def _watchdog(self, _: object) -> None:
        self.watchdog_due_ns = NEVER
        self.watchdog_ns = [self._events.now, *self.watchdog_ns[:1]]
        if len(self._ring) < self.ring_size:
            self._fill()
