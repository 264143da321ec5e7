"""Swap over NBD: one TCP connection to the server, and requests sent one after the other by the tasks that make them.

Source: drivers/block/nbd.c of 2.6.22 and 6.11. The sender holds the connection's lock until its request lies in the send
buffer: if that is full, or memory is missing, every other task that has something to send waits behind it, kswapd too. Under
6.11 the sender is a thread of the block layer (kblockd), and tasks wait only for a free request. From 2.6.26 to 3.5 it was one of
the device's own (nbd_thread), which had no right below min, whoever had made the request (`sender: thread`). A page
is copied into the socket's buffers, and they are kept until TCP has acknowledged them. There is no time-out: TCP sends
again. When TCP gives up or is reset, the client connects again (nbd-client's `persist`), and requests that have not been
answered are sent again, in order.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from netswap.actors.events import NEVER, Timer
from netswap.actors.memory.board import Board
from netswap.actors.net.loopback import PairEnd
from netswap.actors.net.tcp import Tcp
from netswap.actors.net.tcp_connection import ESTABLISHED, Connection
from netswap.actors.swap.device import PageRequest, Remote, SwapDevice
from netswap.actors.wait import CONNECTION, REPLY
from netswap.protocol import nbd
from netswap.protocol.errors import LocalProtocolError
from netswap.protocol.rpc import PAGE
from netswap.protocol.units import microseconds, seconds

RECONNECT_NS: Final = seconds(1)
"""The time that nbd-client sleeps between two attempts to connect."""
READER_NS: Final = microseconds(125)
"""From a segment to when the client's kernel thread runs: cards gather interrupts, 8000 a second (DEFAULT_ITR in
drivers/net/e1000/e1000_param.c), and no process runs before the softirq has taken all that has come."""
TIMED_OUT: Final = "a request has timed out"
Line = Connection | PairEnd
"""The connection of a device: to the server itself, or to a process of this machine that passes requests on."""


class NbdDevice(SwapDevice):
    """Requests under way over one connection, which this device owns."""

    _reader_ns = READER_NS

    def __init__(
        self,
        board: Board,
        tcp: Tcp,
        remote: Remote,
    ) -> None:
        policy = board.policy
        super().__init__(board.events, board.counters, remote.server, remote.in_flight, board.tally.boots)
        self.connection: Line | None = None
        """The latest connection, open or not."""
        self.outbox: deque[tuple[PageRequest, bool]] = deque()
        """Requests that are not in the send buffer yet, with whether memory for them may ignore the watermarks. The first
        is being sent by the task that holds the lock."""
        self._left = 0
        """Bytes of the first request that are not in the send buffer; 0 if none of its bytes are there."""
        self._tcp = tcp
        self._unit = remote.unit
        self._timeout_ns = remote.timeout_ns
        self._persist = remote.persist
        self._marked = policy.reserve_access or policy.tcp_exemption
        self._queues = board.kernel.nbd_queues
        self._memalloc = policy.reserve_access or board.kernel.nbd_sends_memalloc
        self._floor = board.zone.floors.kernel
        self._teller = board.teller
        self._reader_runs = False
        """Whether the client's kernel thread will run soon."""
        self._called_ns = -1
        self._calls_ns = NEVER
        """When the client connects again; unknown while it is connecting."""
        self._called_before_ns = -1
        self.is_gone = False
        """Whether the connection is gone, and the client's process has not begun to open another."""
        self.when_gone: Callable[[object], None] | None = None
        """Told of that: the client's process."""
        self._left_to_client = False
        self._others: Sequence[NbdDevice] = ()
        """The devices of other connections to the same server."""
        board.events.after(0, self._call)

    # -- the connection ---------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return self.connection is not None and self.connection.state == ESTABLISHED

    def _call(self, _: object) -> None:
        self._called_before_ns, self._called_ns, self._calls_ns = self._called_ns, self._events.now, NEVER
        self.connection = self._tcp.connect(self.server, nbd.PORT, self, marked=self._marked)

    def opened(self, connection: Line) -> None:
        """Send all requests that have not been answered, in order, since the server has accepted."""
        self.connection = connection
        self._left = 0
        self.outbox = deque((request, self._memalloc) for request in self.under_way.values())
        for request, _ in self.outbox:
            self._note_attempt(request)
        self._pump()
        if self._queues or not self.outbox:
            self.owner.slot_free()

    def closed(self, connection: Line, why: str) -> None:
        """Connect again after a while, since the connection is gone, and all that was in it; or be lost (without persist)."""
        self._hand_over()
        if not self._persist:
            self.outbox.clear()
            self._lose()
            return
        if not self._left_to_client:
            self.call_again()
            return
        self.is_gone = True
        self._calls_ns = NEVER
        if self.when_gone is not None:
            self._events.after(0, self.when_gone)
            self.when_gone = None

    def share(self, first_handle: int, others: "Sequence[NbdDevice]") -> None:
        """Be one of several connections to a server, with handles of its own."""
        self._xid += first_handle
        self._others = others

    def _hand_over(self) -> None:
        """Let requests go on over another connection that is open, if there is one (nbd_requeue_cmd)."""
        heir = next((one for one in self._others if one.is_open), None)
        if heir is None:
            return
        requests = [*self.under_way.values(), *self.backlog]
        self.outbox.clear()
        self.under_way.clear()
        self.backlog.clear()
        for request in requests:
            if request.write:
                self.writeback -= len(request.versions)
                heir.writeback += len(request.versions)
            heir._start(request)

    def leave_to_client(self) -> None:
        """Open no connection anew but when the client's process says so."""
        self._left_to_client = True

    def call_again(self) -> None:
        """Open another connection after a while."""
        self.is_gone = False
        self._calls_ns = self._events.now + RECONNECT_NS
        self._events.at(self._calls_ns, self._call)

    def send_buffer(self) -> tuple[int, int]:
        """(bytes charged to the send buffer, its size)."""
        line = self.connection
        if line is None:
            return 0, 0
        return (line.account.wmem, line.account.sndbuf) if isinstance(line, Connection) else (line.wmem, line.sndbuf)

    def stage(self, number: int) -> int:
        """The kind of wait, as for any transport, or that for the connection."""
        stage = super().stage(number)
        if stage == REPLY and (not self.is_open or any(request.has(number) for request, _ in self.outbox)):
            return CONNECTION
        return stage

    def hindrance(self) -> str:
        """The wait of a page-out in words, as for any transport, or that for the connection or its lock."""
        if self.has_failed:
            return "a device that is not lost"
        if not self.is_open:
            return "a connection, which is not open"
        if self.outbox and not self._queues:
            return f"the connection, on which {len(self.outbox)} requests have to be sent first"
        return super().hindrance()

    # -- out --------------------------------------------------------------------------------------------------------

    def can_page_out(self) -> bool:
        """Whether another page-out may start, as for any transport; where tasks send, only while none holds the lock."""
        return self.is_open and (self._queues or not self.outbox) and super().can_page_out()

    def _send(self, request: PageRequest, *, reclaimer: bool = False) -> None:
        """Take the lock and send, or wait for it."""
        self.under_way[request.xid] = request
        if not self.is_open:
            return  # it is sent once there is a connection
        self._note_attempt(request)
        # A thread sends with its own rights, whoever has made the request.
        self.outbox.append((request, (reclaimer and not self._queues) or self._memalloc))
        if len(self.outbox) == 1:
            self._pump()

    def _said(self, request: PageRequest) -> tuple[int, ...]:
        """The message of a request in the stream."""
        number = request.space.base + request.page
        if request.write:
            return (nbd.WRITE, request.xid, number, request.versions[0])
        return (nbd.READ, request.xid, number, 0 if self._unit == PAGE else self._unit)

    def _note_attempt(self, request: PageRequest) -> None:
        if request.attempts:
            self._counters.retransmissions += 1
            if self._teller is not None:
                self._teller.retransmitted("nbd")
        request.attempts += 1
        request.previous_ns, request.last_ns = request.last_ns, self._events.now
        if self._timeout_ns is not None:
            self._events.after(self._timeout_ns, self._expire, (request, request.attempts))

    def _expire(self, attempt: tuple[PageRequest, int]) -> None:
        """End the connection over a request that is too old (nbd_xmit_timeout, sock_shutdown)."""
        request, number = attempt
        connection = self.connection
        if self.under_way.get(request.xid) is not request or request.attempts != number or connection is None:
            return
        if isinstance(connection, Connection):
            connection.close(TIMED_OUT)
        else:
            connection.close()

    def _pump(self) -> None:
        """Copy requests into the send buffer, in order, as far as there is room and memory for them."""
        connection, outbox = self.connection, self.outbox
        assert connection is not None, "a sender has a connection"
        while outbox:
            request, memalloc = outbox[0]
            left = self._left or nbd.request_size(request.write, self._unit)
            self._left = left - connection.write(left, self._said(request), floor=self._floor, memalloc=memalloc)
            if self._left:
                return
            outbox.popleft()
            if not request.write:
                self.owner.moved(request)

    def writable(self, connection: Line) -> None:
        """Let the sender go on; once it has let go of the lock, others may send."""
        if self.outbox:
            self._pump()
            if not self.outbox:
                self.owner.slot_free()

    # -- in ---------------------------------------------------------------------------------------------------------

    def readable(self, connection: Line) -> None:
        """Wake the client's kernel thread."""
        if not self._reader_runs:
            self._reader_runs = True
            self._events.after(self._reader_ns, self._read, connection)

    def _read(self, connection: Line) -> None:
        """Read all answers there are, as the kernel thread; it needs no memory for that."""
        self._reader_runs = False
        while connection.ready:
            for size, message in connection.read():
                self._reply(size, message)

    def _reply(self, size: int, message: tuple[int, ...]) -> None:
        """Take an answer of the server; a message that is none is ignored."""
        try:
            answer = nbd.reply(message)
        except LocalProtocolError:
            return
        request = self.under_way.get(answer.handle)
        if request is None or size != nbd.reply_size(request.write, self._unit):
            return
        if answer.error:
            self._refused(request)
            return
        del self.under_way[answer.handle]
        self._answered(request, (answer.version,))

    # -- time -------------------------------------------------------------------------------------------------------

    def timers(self) -> list[Timer]:
        """TCP's timers; between two connections the client's wait."""
        if self.has_failed or self.is_gone:
            return []
        if self.is_open:
            return self._timeouts()
        return [Timer("reconnection", self._called_ns, self._called_before_ns, self._calls_ns)]

    def _timeouts(self) -> list[Timer]:
        """The time-outs of requests under way, where the device has any."""
        patience = self._timeout_ns
        if patience is None:
            return []
        return [
            Timer("NBD time-out", one.previous_ns, -1, one.last_ns + patience)
            for one in self.under_way.values()
            if one.last_ns >= 0
        ]


class ProxiedNbdDevice(NbdDevice):
    """The kernel's socket is one end of a pair within the machine, and a process there relays what it finds at the other.

    That is what nbd-client does for TLS, and what any VPN of user space comes to: the socket that is marked is the local one.
    Source: nbd-client(8), and Machek's question 20091025063040.GB1480@ucw.cz.
    """

    _reader_ns = 0

    def __init__(self, board: Board, tcp: Tcp, remote: Remote, local: PairEnd) -> None:
        """`local`: the kernel's end."""
        super().__init__(board, tcp, remote)
        self._local = local

    def timers(self) -> list[Timer]:
        """The timers of the connection, and of the pair if it is one of TCP."""
        return super().timers() + self._local.timers()

    def _call(self, _: object) -> None:
        self._local.owner = self
        self._local.open()
        self.opened(self._local)
