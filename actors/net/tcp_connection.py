"""One TCP connection: handshake, acknowledgements, timers, and the memory of what it sends.

The two halves decide (`tcp_sender`, `tcp_receiver`); this joins them to the machine's clock, its slabs and its card.
Left out: closing by FIN, keepalive, and the backlog of a socket whose lock is held.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from netswap.actors.events import NEVER
from netswap.actors.kernels.tcp import TcpMem
from netswap.actors.memory.slab import Run, Slab
from netswap.actors.net.board import NetBoard
from netswap.actors.net.buffers import Buffer
from netswap.actors.net.tcp_memory import Account, TcpMemory
from netswap.actors.net.tcp_receiver import EARLY, IN_ORDER, OLD, Receiver
from netswap.actors.net.tcp_sender import Segment, Sender
from netswap.protocol.rpc import PAGE
from netswap.protocol.tcp import ACK, FIRST_BYTE, RST, SYN, Body, Message, Range, Record, mss

CALLING: Final = "syn-sent"
CALLED: Final = "syn-received"
ESTABLISHED: Final = "established"
CLOSED: Final = "closed"

REFUSED: Final = "refused"
"""No program listens there."""
UNREACHABLE: Final = "no answer"
"""The SYN has not been answered."""
TIMED_OUT: Final = "timed out"
"""Retransmissions have been given up."""
RESET: Final = "reset"
"""The other side knows nothing of this connection."""

KILLED: Final = "killed"
"""The connection's program is no more."""

_SNDBUF_WINDOWS: Final = 2
_LEAST_WINDOW: Final = 4


class Callbacks(Protocol):
    """The user of a connection: what sk_data_ready and its kind call. All calls come from within its machine's events."""

    def opened(self, connection: "Connection") -> None:
        """The other side has answered."""

    def readable(self, connection: "Connection") -> None:
        """Bytes have come in order."""

    def writable(self, connection: "Connection") -> None:
        """There is room for more to send, or memory may be had again."""

    def closed(self, connection: "Connection", why: str) -> None:
        """The connection is gone, and all that it held."""


class Reader(Protocol):
    """A program that owns connections and waits for a message: it does nothing about bytes of which none is the last of one."""

    def reads_on(self) -> bool:
        """Whether it would read such bytes at once, do nothing else, and wait as before."""

    def has_read_on(self) -> None:
        """Note that it has run for that."""


class Layer:
    """The TCP of a machine, as its connections see it."""

    def __init__(self, net: NetBoard, limits: TcpMem | None) -> None:
        """`limits`: `tcp_mem`, None for the kernel's own."""
        board = net.board
        pages = board.zone.total
        self.events = board.events
        self.teller = board.teller
        self.buffers = net.buffers
        self.rules = board.kernel.tcp
        self.mss = mss(net.mtu)
        self.window_mss = self.mss
        """The segment size in whole multiples of which windows are offered."""
        self.floor = board.zone.floors.atomic
        """How far down its allocations go (GFP_ATOMIC)."""
        self.woken: list[Callable[[], None]] | None = None
        """What runs once the card has been served, where that is before all else of this moment."""
        self.memory = TcpMemory(board.kernel, limits, pages, exempts=board.policy.tcp_exemption)
        self.reserve_access = board.policy.reserve_access

    def transmit(
        self,
        connection: "Connection",
        flags: int,
        seq: int,
        payload: int,
        records: tuple[Record, ...],
        *,
        closed: bool = False,
        own: bool = False,
    ) -> bool:
        """Send one segment of a connection; False if there is no memory for it.

        `closed`: with a window of zero. `own`: from its own buffers, whose second head serves the card (SKB_FCLONE).
        """
        raise NotImplementedError

    def transmit_new(self, connection: "Connection", segments: list[Segment]) -> None:
        """Send segments for the first time, from their own buffers: there is memory for that."""
        for segment in segments:
            self.transmit(connection, ACK, segment.seq, segment.end - segment.seq, segment.records, own=True)

    def reset(self, peer: int, peer_port: int, port: int) -> None:
        """Tell the other side that there is no such connection."""
        raise NotImplementedError

    def confirm(self, peer: int) -> None:
        """A machine has acknowledged something new: its address is right."""
        raise NotImplementedError

    def count(self, connection: "Connection") -> None:
        """Keep the number of frames that wait in ordinary sockets."""
        raise NotImplementedError

    def forget(self, connection: "Connection") -> None:
        """This connection is closed."""
        raise NotImplementedError


class Connection:
    """One end of a connection. Times in ns, sizes in bytes."""

    __slots__ = (
        "_ack_event_ns",
        "_acked",
        "_called_ns",
        "_pages",
        "_pages_end",
        "_quick",
        "_rcv_mss",
        "_tcp",
        "_timer_event_ns",
        "_waiting",
        "account",
        "ack_due_ns",
        "counted",
        "memalloc",
        "in_line",
        "owner",
        "peer",
        "peer_port",
        "port",
        "reader",
        "receiver",
        "sender",
        "state",
        "syn_retries",
        "writer_memalloc",
    )

    def __init__(
        self, tcp: Layer, peer: int, peer_port: int, port: int, owner: Callbacks, rcvbuf: int | None, *, marked: bool
    ) -> None:
        """`marked`: it serves the swap of this machine."""
        self.peer = peer
        self.peer_port = peer_port
        self.port = port
        self.owner = owner
        self.reader: Reader | None = None
        """The owner, if it is one that may read on without being woken."""
        self.state = CLOSED
        self.memalloc = marked and tcp.reserve_access
        """Whether memory for what it sends may come from the reserve."""
        self.account = Account(tcp.memory, rcvbuf, marked=marked)
        self.sender = Sender(tcp.rules, tcp.mss, self)
        self.receiver = Receiver(tcp.window_mss, tcp.memory, self.account, tcp.buffers)
        self.syn_retries = 0
        self.ack_due_ns = NEVER
        """When a delayed acknowledgement leaves."""
        self.in_line = False
        """Whether its owner knows that there is something to read."""
        self.counted = 0
        """Frames kept here when the machine counted them last."""
        self._tcp = tcp
        self._called_ns = 0
        self._acked = FIRST_BYTE
        """The acknowledgement sent last."""
        self._quick = tcp.rules.quick_acks
        self._rcv_mss = tcp.rules.min_rcv_mss
        self._timer_event_ns = NEVER
        self._ack_event_ns = NEVER
        self._pages: deque[tuple[int, Slab]] = deque()
        """Pages that payload has been copied into, each with the end of what it holds."""
        self._pages_end = FIRST_BYTE
        self._waiting = False
        """Whether the owner is to be told when there is room."""
        self.writer_memalloc = False
        """Whether a reclaimer (PF_MEMALLOC) writes at this moment."""

    # -- opening and closing ----------------------------------------------------------------------------------------

    def call(self) -> None:
        """Send the SYN."""
        self.state = CALLING
        self._called_ns = self._tcp.events.now
        self._send_control(SYN)
        self._set_timer(self._tcp.events.now + self._tcp.rules.initial_rto_ns)

    def answer(self, window: int) -> None:
        """Answer a SYN. How long the third segment takes is its round trip (net/ipv4/tcp_input.c, tcp_synack_rtt_meas)."""
        self.state = CALLED
        self._called_ns = self._tcp.events.now
        self.sender.edge = FIRST_BYTE + window
        self._send_control(SYN | ACK)

    def close(self, why: str) -> None:
        """Forget everything, and tell the owner."""
        if self.state == CLOSED:
            return
        self.state = CLOSED
        self.sender.due_ns = self.ack_due_ns = NEVER
        self._release([*self.sender.flight, *self.sender.queue])
        self.sender.flight.clear()
        self.sender.queue.clear()
        for _, page in self._pages:
            self._tcp.buffers.pages.give(page)
        self._pages.clear()
        self.receiver.close()
        self.account.close()
        self._tcp.forget(self)
        self.owner.closed(self, why)

    def _open(self) -> None:
        self.state = ESTABLISHED
        if not self.syn_retries:
            self.sender.round_trip.measure(self._tcp.events.now - self._called_ns)
        self.sender.due_ns = NEVER
        self.owner.opened(self)

    # -- in ---------------------------------------------------------------------------------------------------------

    def input(self, segment: Body, buffer: Buffer) -> str:
        """Take a segment that has come in `buffer`; else the cause for which both must be dropped."""
        _, flags, seq, ack, window, payload, blocks, records = segment
        if (flags & (SYN | RST) or self.state != ESTABLISHED) and not self._handshake(flags, ack, window):
            self._tcp.buffers.free(buffer)
            return ""
        sender = self.sender
        if sender.flight or sender.queue or blocks or ack + window != sender.edge:
            self._acknowledged(ack, window, blocks)
        if self.state == CLOSED or not payload:
            self._tcp.buffers.free(buffer)
            if seq < self._acked and self.state != CLOSED:
                self._send_ack()
            return ""
        return self._data(seq, seq + payload, records, buffer)

    def only_acknowledges(self, segment: Body) -> bool:
        """Take a segment as `input` does if it has nothing but an acknowledgement, and nothing is to be sent; else False."""
        _, flags, seq, ack, window, payload, blocks, _ = segment
        sender = self.sender
        if (
            flags != ACK
            or payload
            or blocks
            or self.state != ESTABLISHED
            or sender.queue
            or sender.lost
            or seq < self._acked
            or self._waiting
        ):
            return False
        if sender.flight or ack + window != sender.edge:
            self._acknowledged(ack, window, blocks)
        return True

    def pass_on(self, segment: Body, truesize: int) -> bool:
        """Take a segment as `input` does, and read it as the owner does at once; False, and nothing is done, if not simply.

        Of the two it does all but what its buffer is needed for: no memory may be short, and no other segment missing.
        """
        _, flags, seq, ack, window, payload, blocks, records = segment
        receiver, sender = self.receiver, self.sender
        if (
            flags != ACK
            or not payload
            or records
            or blocks
            or seq != receiver.nxt
            or ack + window != sender.edge
            or not self.account.lend(truesize)
        ):
            return False
        if payload >= self._rcv_mss:
            self._rcv_mss = min(payload, self._tcp.mss)
            if self._tcp.rules.measures_share:
                receiver.share = payload, truesize
        receiver.nxt = seq + payload
        self.account.rmem = truesize  # the window that it is told is one with this unread
        self._consider_ack()
        self.account.rmem = 0
        return True

    def passed_on(self) -> None:
        """Tell the sender of the room, if that matters: as when the owner has read it."""
        self._say_room()

    def ends_passing(self) -> None:
        """Note that the owner has run for what has been passed on to it."""
        if self.reader is not None:
            self.reader.has_read_on()

    def may_pass(self) -> bool:
        """Whether the owner would read at once what comes next, and nothing waits here in either direction."""
        receiver, sender, reader = self.receiver, self.sender, self.reader
        return (
            self.state == ESTABLISHED
            and reader is not None
            and not (receiver.ready or receiver.early or sender.flight or sender.queue)
            and reader.reads_on()
        )

    def _handshake(self, flags: int, ack: int, window: int) -> bool:
        """Take a segment that opens or resets a connection; whether there may be more in the segment."""
        if flags & RST:
            self.close(REFUSED if self.state == CALLING else RESET)
        elif self.state == CALLING and flags & SYN and flags & ACK:
            self.sender.edge = FIRST_BYTE + window
            self._open()
            self._send_ack()
        elif self.state == CALLING:
            self._tcp.reset(self.peer, self.peer_port, self.port)  # it remembers an earlier life of ours
        elif self.state == CALLED and flags & SYN:
            self._called_ns = self._tcp.events.now  # a time stamp tells which answer the third segment is for
            self._send_control(SYN | ACK)
        elif self.state == CALLED and ack >= FIRST_BYTE:
            self._open()
            return True
        elif self.state == ESTABLISHED:
            self._send_ack()
        return False

    def _acknowledged(self, ack: int, window: int, blocks: tuple[Range, ...]) -> None:
        sender = self.sender
        freed = sender.acknowledge(ack, window, blocks, self._tcp.events.now)
        if freed:
            self._tcp.confirm(self.peer)
            self._release(freed)
            self._release_pages(ack)
            account = self.account
            segment = self._tcp.mss + self._tcp.rules.segment_charge
            account.grow_sndbuf(_SNDBUF_WINDOWS * max(_LEAST_WINDOW, sender.cwnd + 1) * segment)
        if sender.queue or sender.lost:
            sender.push(self._tcp.events.now)
        self._set_timer(sender.due_ns)
        if freed and self._waiting and self.has_room():
            self._waiting = False
            self.owner.writable(self)

    def _data(self, seq: int, end: int, records: tuple[Record, ...], buffer: Buffer) -> str:
        receiver = self.receiver
        if end - seq >= self._rcv_mss:
            self._rcv_mss = min(end - seq, self._tcp.mss)
            receiver.measure(end - seq, buffer)
        what = receiver.arrive(seq, end, records, buffer)
        if what == IN_ORDER:
            if not (self.reader is not None and not records and self._reads_on()):
                self.owner.readable(self)
            if self.state != CLOSED:
                self._consider_ack()
        elif what == EARLY:
            self._send_ack()
        elif what == OLD:
            self._tcp.buffers.free(buffer)
            self._quick = self._tcp.rules.quick_acks
            self._send_ack()
        else:
            if self._tcp.rules.closes_on_drop:
                self._send_ack(closed=True)
            return what
        return ""

    def _reads_on(self) -> bool:
        """Have the owner read what has just come without waking it, if it would do nothing else; whether it does."""
        tcp, reader = self._tcp, self.reader
        events, woken = tcp.events, tcp.woken
        if woken is None or woken or events.soon or not events.quiet_ns or len(self.receiver.ready) != 1:
            return False
        if reader is None or not reader.reads_on():
            return False
        woken.append(self._read_on)
        return True

    def _read_on(self) -> None:
        self.read()
        if self.reader is not None:
            self.reader.has_read_on()

    # -- acknowledging ----------------------------------------------------------------------------------------------

    def _consider_ack(self) -> None:
        """Acknowledge every second full segment at once, and whatever is out of the ordinary; the rest in a while."""
        if self._acked == self.receiver.nxt:
            return
        now = self._tcp.events.now
        if self._quick > 0 or self.receiver.early or self.receiver.nxt - self._acked > self._rcv_mss:
            self._send_ack()
        elif self.ack_due_ns == NEVER:
            self._set_ack_timer(now + self._tcp.rules.delayed_ack_ns)

    def _send_ack(self, *, closed: bool = False) -> None:
        if not self._tcp.transmit(self, ACK, self.sender.nxt, 0, (), closed=closed):
            self._set_ack_timer(self._tcp.events.now + self._tcp.rules.starved_ack_ns)

    def acknowledging(self, segments: int = 1) -> None:
        """Note that segments leave, each of which acknowledges all that has come."""
        self._acked = self.receiver.nxt
        self.ack_due_ns = NEVER
        if self._quick > 0:
            self._quick = max(0, self._quick - segments)

    def _send_control(self, flags: int) -> None:
        self._tcp.transmit(self, flags, 0, 0, ())

    # -- reading ----------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether there is something to read."""
        return bool(self.receiver.ready)

    def read(self) -> list[tuple[int, Message]]:
        """Copy the next piece out; the messages that end in it, each with its size.

        The sender hears of the room once it matters: when the window is half closed, and twice as wide now.
        """
        messages = self.receiver.read()
        self._tcp.count(self)
        self._say_room()
        return messages

    def _say_room(self) -> None:
        receiver = self.receiver
        twice = 2 * (receiver.edge - receiver.nxt)
        share, whole = receiver.share
        if twice * whole <= self.account.rcvbuf * share and receiver.room() >= max(twice, 1):
            self._send_ack()

    # -- writing ----------------------------------------------------------------------------------------------------

    def write(self, size: int, message: Message | None = None, *, floor: int, memalloc: bool = False) -> int:
        """Queue up to `size` bytes, and `message` at their end if all fit; how many did.

        `floor` is how far down the writer's allocations may go, `memalloc` whether they may ignore it. If not all
        fits, the owner is told when to go on.
        """
        done = 0
        while done < size and self.account.has_send_room():
            left = size - done
            took = self._append(left, message, floor, memalloc)
            if not took:
                break
            done += took
        self.writer_memalloc = memalloc
        if done:
            self.sender.push(self._tcp.events.now)
            self._set_timer(self.sender.due_ns)
        self.writer_memalloc = False
        if done < size:
            self._wait_to_write()
        return done

    def _append(self, left: int, message: Message | None, floor: int, memalloc: bool) -> int:
        """Append to the last segment, or to a new one; how many bytes, 0 if there is no memory."""
        sender = self.sender
        tail = sender.open_tail()
        room = self._tcp.mss if tail is None else self._tcp.mss - (tail.end - tail.seq)
        size = min(left, room)
        charge = size if tail is not None else size + self._tcp.rules.segment_charge
        if not self.account.send(charge):
            return 0
        if not self._reach(sender.end + size, floor, memalloc):
            self.account.sent(charge)
            return 0
        if tail is None:
            memory = self._tcp.buffers.transmit(1, floor, memalloc=memalloc)
            if memory is None:
                self.account.sent(charge)
                return 0
            tail = sender.begin(memory)
        sender.append(tail, size, message if size == left else None)
        return size

    def _reach(self, end: int, floor: int, memalloc: bool) -> bool:
        """Have pages for payload up to `end`."""
        pages = self._tcp.buffers.pages
        if not self._pages:
            self._pages_end = self.sender.end
        while self._pages_end < end:
            page = pages.take_memalloc(floor) if memalloc else pages.take(floor)
            if page is None:
                return False
            self._pages_end += PAGE
            self._pages.append((self._pages_end, page))
        return True

    def pages_of(self, seq: int, end: int) -> list[Slab]:
        """The pages that hold this part of what is to be sent."""
        return [page for until, page in self._pages if seq < until and until - PAGE < end]

    def _release(self, segments: list[Segment]) -> None:
        """Segments that are not needed any more."""
        buffers, charge = self._tcp.buffers, self._tcp.rules.segment_charge
        for segment in segments:
            buffers.release(segment.memory)
            self.account.sent(segment.end - segment.seq + charge)

    def _release_pages(self, ack: int) -> None:
        """Pages whose payload has been acknowledged; the last one too, once nothing is left to send."""
        pages = self._pages
        done = ack == self.sender.end
        while pages and (done or pages[0][0] <= ack):
            _, page = pages.popleft()
            self._tcp.buffers.pages.give(page)

    def has_send_room(self) -> bool:
        """Whether a writer may write."""
        return self.account.has_send_room()

    def has_room(self) -> bool:
        """Whether it is worth to wake a writer: a third of the send buffer is free (sk_stream_write_space)."""
        return 3 * self.account.wmem <= 2 * self.account.sndbuf

    def could_go_on(self) -> bool:
        """Whether a writer that waits for room should have been woken; one that waits for memory has a timer."""
        return self.has_room() and not self._waiting

    def _wait_to_write(self) -> None:
        """Tell the owner when to go on: when the buffer has room, or in a while if it was memory that was missing."""
        self._waiting = True
        if self.account.has_send_room():
            events = self._tcp.events
            events.at(events.now + self._tcp.rules.memory_wait_ns, self._look_again)

    def _look_again(self, _: object) -> None:
        if self._waiting and self.state == ESTABLISHED:
            self._waiting = False
            self.owner.writable(self)

    # -- what the sender asks for -----------------------------------------------------------------------------------

    def transmit(self, segment: Segment) -> bool:
        """Put a segment of the write queue on the wire."""
        payload = segment.end - segment.seq
        return self._tcp.transmit(self, ACK, segment.seq, payload, segment.records, own=not segment.transmissions)

    def transmit_new(self, segments: list[Segment]) -> None:
        """Put segments on the wire that have never been there."""
        self._tcp.transmit_new(self, segments)

    def sent_again(self) -> None:
        """Tell the trace, if one listens, that a segment has been sent again."""
        if self._tcp.teller is not None:
            self._tcp.teller.retransmitted("tcp")

    def probe(self) -> None:
        """An old number, which has to be answered (tcp_xmit_probe_skb)."""
        self._tcp.transmit(self, ACK, self.sender.una - 1, 0, ())

    def another(self) -> list[Run] | None:
        """Memory for the second half of a segment that is cut in two."""
        charge = self._tcp.rules.segment_charge
        if not self.account.send(charge):
            return None
        memory = self._tcp.buffers.transmit(1, self._tcp.floor, memalloc=self.memalloc)
        if memory is None:
            self.account.sent(charge)
        return memory

    # -- time -------------------------------------------------------------------------------------------------------

    def _set_timer(self, due_ns: int) -> None:
        """One event is under way for the timer; one that comes too early looks again."""
        self.sender.due_ns = due_ns
        if due_ns < self._timer_event_ns:
            self._timer_event_ns = due_ns
            self._tcp.events.at(due_ns, self._fire, due_ns)

    def _fire(self, event_ns: int) -> None:
        if event_ns != self._timer_event_ns:
            return
        self._timer_event_ns = NEVER
        due_ns = self.sender.due_ns
        now = self._tcp.events.now
        if due_ns > now:
            if due_ns != NEVER:
                self._set_timer(due_ns)
        elif self.state == CALLING:
            self._call_again(now)
        elif not self.sender.fire(now):
            self.close(TIMED_OUT)
        else:
            self._set_timer(self.sender.due_ns)

    def _call_again(self, now: int) -> None:
        rules = self._tcp.rules
        if self.syn_retries == rules.syn_retries:
            self.close(UNREACHABLE)
            return
        self.syn_retries += 1
        self.sender.previous_ns, self.sender.fired_ns = self.sender.fired_ns, now
        self._send_control(SYN)
        self._set_timer(now + min(rules.initial_rto_ns << self.syn_retries, rules.max_rto_ns))

    def _set_ack_timer(self, due_ns: int) -> None:
        self.ack_due_ns = due_ns
        if due_ns < self._ack_event_ns:
            self._ack_event_ns = due_ns
            self._tcp.events.at(due_ns, self._ack_late, due_ns)

    def _ack_late(self, event_ns: int) -> None:
        if event_ns != self._ack_event_ns:
            return
        self._ack_event_ns = NEVER
        if self.ack_due_ns > self._tcp.events.now:
            if self.ack_due_ns != NEVER:
                self._set_ack_timer(self.ack_due_ns)
        elif self.state == ESTABLISHED:
            self.ack_due_ns = NEVER
            self._send_ack()
