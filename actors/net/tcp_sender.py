"""The sending half of a TCP connection: what is sent when, and what is sent again.

A sender does no I/O and allocates nothing: it decides, and asks its `Wire` to transmit. Loss is found in the order of
transmission: a segment is lost once three that were sent after it have arrived, be it a first transmission or a later one
(RFC 6675 for the former, net/ipv4/tcp_input.c tcp_mark_lost_retrans for the latter). Recovery keeps the pipe as full as
half the window (NewReno's window, SACK's choice of segments); after a time-out everything counts as lost and the window
opens again from one segment (RFC 5681, 6298).
"""

from collections import deque
from typing import Any, Final, Protocol

from netswap.actors.events import NEVER
from netswap.actors.kernels.tcp import TcpRules
from netswap.actors.net.round_trip import RoundTrip
from netswap.protocol.tcp import FIRST_BYTE, RECORDS_MAX, Message, Range, Record

FLYING: Final = 0
"""Sent, and not known to be lost."""
SACKED: Final = 1
"""The receiver has it, out of order."""
LOST: Final = 2
"""To be sent again."""

OPEN: Final = 0
RECOVERY: Final = 1
"""Losses that selective acknowledgements have told of."""
LOSS: Final = 2
"""A time-out."""

_LEAST_SSTHRESH: Final = 2


class Segment:
    """One segment of the write queue: bytes [seq, end), and the messages that end in them."""

    __slots__ = ("end", "memory", "order", "records", "sent_ns", "seq", "state", "transmissions")

    def __init__(self, seq: int, memory: Any) -> None:
        self.seq = seq
        self.end = seq
        self.records: tuple[Record, ...] = ()
        self.memory = memory
        """The memory that holds it, allocated and freed by the connection."""
        self.state = FLYING
        self.order = 0
        """Number of its latest transmission, of all of this connection."""
        self.sent_ns = 0
        self.transmissions = 0


class Wire(Protocol):
    """The connection, as its sender sees it: it puts segments on the wire."""

    def transmit(self, segment: Segment) -> bool:
        """Send it; False if there is no memory for that."""

    def transmit_new(self, segments: list[Segment]) -> None:
        """Send segments for the first time, which needs no memory."""

    def sent_again(self) -> None:
        """Note that this segment had been sent before."""

    def probe(self) -> None:
        """Send an old byte number, to be told about the window, if there is memory for that."""

    def another(self) -> Any:
        """Memory for one more segment of the write queue; None if there is none."""


class Sender:
    """Write queue, congestion window, retransmission and zero-window timer of one connection. Times in ns."""

    __slots__ = (
        "_counted",
        "_first",
        "_order",
        "_second",
        "_third",
        "_wire",
        "backoff",
        "cwnd",
        "due_ns",
        "edge",
        "end",
        "fired_ns",
        "flight",
        "heard_ns",
        "high_seq",
        "limited",
        "lost",
        "mss",
        "pipe",
        "previous_ns",
        "probes",
        "queue",
        "retransmissions",
        "retries",
        "round_trip",
        "rules",
        "ssthresh",
        "state",
        "una",
    )

    def __init__(self, rules: TcpRules, mss: int, wire: Wire) -> None:
        self.rules = rules
        self.mss = mss
        self.queue: deque[Segment] = deque()
        """Not sent yet."""
        self.flight: deque[Segment] = deque()
        """Sent, and not acknowledged."""
        self.una = FIRST_BYTE
        """The first byte that is not acknowledged."""
        self.end = FIRST_BYTE
        """Behind the last byte written."""
        self.edge = FIRST_BYTE
        """Behind the last byte that the receiver has room for."""
        self.state = OPEN
        self.cwnd = rules.initial_window
        self.ssthresh = NEVER
        self.limited = False
        """Whether it was the congestion window that stopped the sender last."""
        self.pipe = 0
        """Segments that are on their way."""
        self.lost = 0
        """Segments to be sent again."""
        self.high_seq = FIRST_BYTE
        """Recovery ends when everything before this is acknowledged."""
        self.round_trip = RoundTrip(rules)
        self.backoff = self.retries = 0
        """Doublings of the time-out, and retransmissions, since the receiver has acknowledged anything new."""
        self.probes = 0
        """Zero-window probes since the receiver has said anything."""
        self.due_ns = NEVER
        """When the timer fires."""
        self.fired_ns = self.previous_ns = -1
        """When it fired last, and before that."""
        self.heard_ns = self.retransmissions = 0
        self._wire = wire
        self._order = 0
        self._first = self._second = self._third = -1
        """The latest three transmissions that have arrived."""
        self._counted = 0
        """Segments acknowledged towards the next step of congestion avoidance."""

    # -- what is to be sent -----------------------------------------------------------------------------------------

    @property
    def nxt(self) -> int:
        """The next byte to be sent for the first time."""
        return self.queue[0].seq if self.queue else self.end

    def open_tail(self) -> Segment | None:
        """The last segment, if more can be appended to it."""
        if not self.queue:
            return None
        tail = self.queue[-1]
        return tail if tail.end - tail.seq < self.mss and len(tail.records) < RECORDS_MAX else None

    def begin(self, memory: Any) -> Segment:
        """A new segment at the end of the queue."""
        segment = Segment(self.end, memory)
        self.queue.append(segment)
        return segment

    def append(self, segment: Segment, size: int, message: Message | None) -> None:
        """Put `size` more bytes into the last segment, and the message that ends there."""
        self.end = segment.end = segment.end + size
        if message is not None:
            segment.records = (*segment.records, (segment.end, message))

    def push(self, now: int) -> None:
        """Send all that may be sent: first what was lost, then what is new."""
        self.limited = False
        if self.lost:
            self._repair(now)
        queue = self.queue
        if queue and queue[0].end <= self.edge:
            self._push_new(now)
        if self.due_ns == NEVER and (self.flight or queue):  # what found no memory, too, is tried again only then
            self.due_ns = now + self.round_trip.timeout_ns(self.backoff)

    def _push_new(self, now: int) -> None:
        """Send what has never been sent, as far as both windows let it: it has its memory, so that cannot fail."""
        queue, edge, room = self.queue, self.edge, self.cwnd - self.pipe
        order = self._order
        new: list[Segment] = []
        while queue and queue[0].end <= edge:
            if len(new) >= room:
                self.limited = True
                break
            segment = queue.popleft()
            new.append(segment)
            order += 1
            segment.order = order
            segment.sent_ns = now
        if new:
            self._wire.transmit_new(new)
            self._order = order
            for segment in new:
                segment.transmissions = 1
            self.flight += new
            self.pipe += len(new)

    def _repair(self, now: int) -> None:
        """Send lost segments again; the first of them even if the pipe is full when recovery begins."""
        for segment in self.flight:
            if segment.state == LOST:
                if self.pipe >= self.cwnd and segment is not self.flight[0]:
                    self.limited = True
                    return
                if not self._transmit(segment, now):
                    return
                segment.state = FLYING
                self.pipe += 1
                self.lost -= 1
                if not self.lost:
                    return

    def _transmit(self, segment: Segment, now: int) -> bool:
        if not self._wire.transmit(segment):
            return False
        self._order += 1
        segment.order = self._order
        segment.sent_ns = now
        if segment.transmissions:
            self.retransmissions += 1
            self._wire.sent_again()
        segment.transmissions += 1
        return True

    # -- what the receiver says -------------------------------------------------------------------------------------

    def acknowledge(self, ack: int, window: int, blocks: tuple[Range, ...], now: int) -> list[Segment]:
        """Take an acknowledgement of the bytes before `ack` and in `blocks`; the segments that it frees."""
        if ack > self.nxt:
            return []
        self.heard_ns = now
        self.probes = 0
        freed = self._free(ack, now) if ack > self.una else []
        self._move_edge(ack, window, bool(freed))
        if blocks:
            self._mark(blocks)
        if self.state != OPEN and self.una >= self.high_seq:
            self._end_recovery()
        if self.lost and self.state == OPEN:
            self._begin_recovery()
        if freed and self.state != RECOVERY and self.limited:
            self._grow(len(freed))
        return freed

    def _free(self, ack: int, now: int) -> list[Segment]:
        """Take acknowledged segments off the flight."""
        flight = self.flight
        freed: list[Segment] = []
        while flight and flight[0].end <= ack:
            segment = flight.popleft()
            if segment.state != SACKED:
                self._arrived(segment)
            freed.append(segment)
        self.una = ack
        if freed and freed[-1].transmissions == 1:
            self.round_trip.measure(now - freed[-1].sent_ns)
        self.backoff = self.retries = 0
        self.due_ns = now + self.round_trip.timeout_ns(self.backoff) if flight else NEVER
        return freed

    def _move_edge(self, ack: int, window: int, newer: bool) -> None:
        """Believe the window of a newer acknowledgement, a wider one of the same, or that it has been closed."""
        if ack < self.una:
            return
        edge = ack + window
        if newer or edge > self.edge or (not window and self.rules.closes_on_drop):
            if edge > self.edge and not self.flight:
                self.backoff, self.due_ns = 0, NEVER
            self.edge = edge

    def _arrived(self, segment: Segment) -> None:
        """Count a transmission that has reached the receiver."""
        if segment.state == FLYING:
            self.pipe -= 1
        else:
            self.lost -= 1
        order = segment.order
        if order > self._first:
            self._first, self._second, self._third = order, self._first, self._second
        elif order > self._second:
            self._second, self._third = order, self._second
        elif order > self._third:
            self._third = order

    def _mark(self, blocks: tuple[Range, ...]) -> None:
        """Note what has arrived out of order, and what must be lost since three later transmissions have arrived."""
        for segment in self.flight:
            if segment.state != SACKED and any(start <= segment.seq and segment.end <= end for start, end in blocks):
                self._arrived(segment)
                segment.state = SACKED
        third = self._third
        for segment in self.flight:
            if segment.state == FLYING and segment.order < third:
                segment.state = LOST
                self.pipe -= 1
                self.lost += 1

    def _begin_recovery(self) -> None:
        self.state = RECOVERY
        self.high_seq = self.nxt
        self.ssthresh = self.cwnd = max(self.cwnd // 2, _LEAST_SSTHRESH)
        self._counted = 0

    def _end_recovery(self) -> None:
        if self.state == RECOVERY:
            self.cwnd = self.ssthresh
        self.state = OPEN

    def _grow(self, segments: int) -> None:
        """Slow start below the threshold, one segment a window above."""
        if self.cwnd < self.ssthresh:
            self.cwnd += segments
            return
        self._counted += segments
        while self._counted >= self.cwnd:
            self._counted -= self.cwnd
            self.cwnd += 1

    # -- time -------------------------------------------------------------------------------------------------------

    def fire(self, now: int) -> bool:
        """Act on the timer, which has fired; False if the connection is given up."""
        self.due_ns = NEVER
        self.previous_ns, self.fired_ns = self.fired_ns, now
        if self.flight:
            return self._time_out(now)
        return self._probe(now) if self.queue else True

    def _time_out(self, now: int) -> bool:
        """Count everything in flight as lost, and send the first segment again."""
        if self.retries >= self.rules.retries and not self._is_closed_but_alive(now):
            return False
        if self.state != LOSS:
            self.ssthresh = max(self.cwnd // 2, _LEAST_SSTHRESH)
        self.state = LOSS
        self.high_seq = self.nxt
        self.cwnd = 1
        self._counted = 0
        self.pipe = 0
        self.lost = len(self.flight)
        for segment in self.flight:
            segment.state = LOST
        self._repair(now)
        self._back_off(now)
        return True

    def _is_closed_but_alive(self, now: int) -> bool:
        """A receiver that closed its window after all and still answers is waited for."""
        return self.edge <= self.una and now - self.heard_ns <= self.rules.max_rto_ns

    def _probe(self, now: int) -> bool:
        """Send what fits of the next segment into the window, or ask whether the window is still closed."""
        if self.probes >= self.rules.retries:
            return False
        self.probes += 1
        segment = self.queue[0]
        if self.edge <= segment.seq:
            self._wire.probe()
        elif segment.end <= self.edge or self._split(segment, self.edge):
            self.push(now)
        if not self.flight:
            self._back_off(now)
        return True

    def _split(self, segment: Segment, at: int) -> bool:
        """Cut the next segment in two; False if there is no memory for that."""
        memory = self._wire.another()
        if memory is None:
            return False
        rest = Segment(at, memory)
        rest.end, segment.end = segment.end, at
        rest.records = tuple(record for record in segment.records if record[0] > at)
        segment.records = tuple(record for record in segment.records if record[0] <= at)
        self.queue.insert(1, rest)
        return True

    def _back_off(self, now: int) -> None:
        """Wait twice as long, also where nothing could be sent for want of memory (facts 13.1).

        Only a positive error, of a full local queue, is waited for less (tcp_retransmit_timer in net/ipv4/tcp_timer.c,
        tcp_send_probe0 in net/ipv4/tcp_output.c).
        """
        self.retries += 1
        self.backoff = min(self.backoff + 1, 16)
        self.due_ns = now + self.round_trip.timeout_ns(self.backoff)
