"""The system calls: what a program can ask its machine for, and what it waits for meanwhile.

A call that may take time is a request to be yielded (`yield system.touch(...)`); the others act at once. Requests that use
memory stand in `memory_calls`, those of TCP in `streams`.
"""

from collections.abc import Callable
from functools import lru_cache
from random import Random
from typing import Any, Final, NamedTuple, Protocol

from netswap.actors.disk import Disk
from netswap.actors.events import Events
from netswap.actors.memory.anonymous import AddressSpace
from netswap.actors.memory.files import File
from netswap.actors.memory.page_faults import PageFaults
from netswap.actors.memory.writeback import Limits, Writeback
from netswap.actors.net.arp import Output
from netswap.actors.net.board import NetBoard
from netswap.actors.net.loopback import PairEnd
from netswap.actors.net.sockets import Queues, Reader
from netswap.actors.net.stack import Handler, Stack
from netswap.actors.net.tcp import Accept, Tcp
from netswap.actors.net.tcp_connection import Connection
from netswap.actors.programs.memory_calls import Allocate, Touch, Write
from netswap.actors.programs.streams import Connect, Poll, ReceiveMessage, SendMessage, Streams
from netswap.actors.programs.task import Need, Progress, Reason, Task
from netswap.actors.wait import MESSAGE, NOTHING
from netswap.protocol.arp import REQUEST
from netswap.protocol.arp import wire as link_wire
from netswap.protocol.frame import ARP, FRAGMENT, UDP
from netswap.protocol.ip import datagram_wire

_wire: Final = lru_cache(datagram_wire)


class Line(Protocol):
    """The connection of a swap device, as a process sees it that opens another when it is gone."""

    is_gone: bool
    """Whether the connection is gone, and the opening of another has not begun."""
    when_gone: Callable[[object], None] | None
    """Called once the connection is gone."""

    def leave_to_client(self) -> None:
        """Open no other by itself from now on."""

    def call_again(self) -> None:
        """Open another, after a while."""


class Host(NamedTuple):
    """The parts of a machine that its programs use, each through its own `System`."""

    name: str
    seed: int
    stall_after_ns: int
    net: NetBoard
    faults: PageFaults
    stack: Stack
    nic: Output
    disk: Disk
    writeback: Writeback
    tcp: Tcp
    kernel_end: PairEnd | None
    """The proxy's end of the pair to the kernel: requests to the swap server come out here, and answers go in."""
    daemon_end: PairEnd | None = None
    """The daemon's end of such a pair, for a swap-server of this machine that the machine's own pages go to."""
    line: Line | None = None
    """The connection of the swap device, if it has one to another machine."""


class Sleep:
    """Nothing until `until_ns`; to compute is to sleep without being idle."""

    __slots__ = ("_began_ns", "_events", "_frozen_ns", "_stood_ns", "_until_ns", "idle")

    def __init__(self, events: Events, until_ns: int, *, idle: bool) -> None:
        self._began_ns = events.now
        self._events = events
        self._until_ns = until_ns
        self._stood_ns = events.stood_ns
        self._frozen_ns = -1
        """For how long the task had been frozen when it was looked at last."""
        self.idle = idle

    def begin(self, task: Task) -> Any:
        """Over once the time has come; time in which the machine or the program stood still has computed nothing."""
        events = self._events
        if self._frozen_ns != task.frozen_ns:
            if self._frozen_ns >= 0 and not self.idle:
                self._until_ns += task.frozen_ns - self._frozen_ns
            self._frozen_ns = task.frozen_ns
        if events.stood_ns != self._stood_ns and not self.idle:
            self._until_ns += events.stood_ns - self._stood_ns
            self._stood_ns = events.stood_ns
        if events.now < self._until_ns:
            events.at(self._until_ns, task.wake)
            return task.block(NOTHING)
        progress = task.progress
        progress.add(0)
        if not self.idle:
            progress.cpu_ns += self._until_ns - self._began_ns
        return None

    def reason(self) -> Reason:
        """Time."""
        return Reason(Need.NOTHING, f"{self._until_ns} ns")

    def is_over(self) -> bool:
        """Whether the time has passed, but for what the machine stood still."""
        return self._events.now > self._until_ns + self._events.stood_ns - self._stood_ns


class Pause:
    """Nothing, for ever (pause(2)): a process that waits for a signal, which no process sends."""

    __slots__ = ()
    idle = True

    def begin(self, task: Task) -> Any:
        """Wait; nothing ends it."""
        return task.block(NOTHING)

    def reason(self) -> Reason:
        """No reason."""
        return Reason(Need.NOTHING, "a signal, which nobody sends")

    def is_over(self) -> bool:
        """Never."""
        return False


class Receive:
    """The next datagram of this program's sockets, in the order of arrival."""

    __slots__ = ("_queues", "_stack")
    idle = True

    def __init__(self, queues: Queues, stack: Stack) -> None:
        self._queues = queues
        self._stack = stack

    def begin(self, task: Task) -> Any:
        """A `Datagram`."""
        queues = self._queues
        if not queues.datagrams:
            queues.wake = task.wake
            return task.block(MESSAGE)
        socket, datagram = queues.datagrams.popleft()
        self._stack.read(socket, datagram)
        return datagram

    def reason(self) -> Reason:
        """A datagram, which need not come."""
        return Reason(Need.NOTHING, "a message")

    def is_over(self) -> bool:
        """Whether a datagram has come."""
        return bool(self._queues.datagrams)


class Piece(NamedTuple):
    """What a frame is: a whole datagram of `payload` bytes, or one of its fragments, numbered from 0."""

    port: int
    source_port: int
    payload: int
    fragment: int | None = None


class System:
    """What one program sees of its machine. Times in ns, sizes in bytes."""

    frozen = False
    """Whether it stands still, as after SIGSTOP."""
    realtime = False
    """Whether it is scheduled in real time."""
    unkillable = False
    """Whether it is never killed; then a call at a time needs no look at whether the program still lives."""
    exempt = False
    """Whether it is a daemon on the path of the swap that is never held up (switch exempt-daemons)."""
    io_flusher = False
    """Whether what is allocated in its name neither starts a write nor waits for one (PR_SET_IO_FLUSHER)."""
    _reader: Reader | None = None
    """What reads its datagrams at once, kept while it stands still."""

    def __init__(
        self, host: Host, name: str, space: AddressSpace, progress: Progress, text: File | None, file: File | None
    ) -> None:
        self.name = name
        self.space = space
        """The program's anonymous memory."""
        self.text = text
        """The text of the program, if the scenario gives it any."""
        self.file = file
        """The file that it reads or writes."""
        self.queues = Queues()
        self.progress = progress
        net = host.net
        self.framing = net.framing
        """Bytes of the link layer for each packet."""
        self.mtu = net.mtu
        self._host = host
        self._events = net.board.events
        self._zone = net.board.zone
        self._faults = host.faults
        self._stack = host.stack
        self._nic = host.nic
        self._buffers = net.buffers
        self.disk = host.disk
        """What survives a crash."""
        self.kernel_end = host.kernel_end
        """A proxy's end of the pair whose other end the kernel swaps over."""
        self.line, self.daemon_end = host.line, host.daemon_end
        self._receive = Receive(self.queues, host.stack)
        self.streams = Streams(host.tcp, net.board.zone)
        """The program's TCP connections."""
        self._gone = False
        self.on_thaw: list[Callable[[], None]] = []
        """Called when it goes on: what kernel threads of the program had to leave meanwhile."""

    def exempt_from_throttling(self) -> None:
        """All that is done in its name has PF_MEMALLOC from here on, pages for the file that it writes included."""
        self.exempt = self.streams.memalloc = True
        self._faults.exempt |= {one for one in (self.space, self.text, self.file) if one is not None}

    def flush_only(self, task: Task) -> None:
        """What is allocated in this task's name neither starts a write nor waits for one, and it has dirty limits of its own.

        Source: kernel/sys.c, PR_SET_IO_FLUSHER: PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE.
        """
        self.io_flusher = True
        self._faults.flush_only(task)

    def schedule_in_real_time(self, task: Task) -> None:
        """All that this task allocates may go below min (rt_task, mm/page_alloc.c), and its dirty limits are higher."""
        self.realtime = self.streams.realtime = True
        self._faults.schedule_in_real_time(task)

    def freeze(self, task: Task) -> None:
        """Let the program stand still: it reads nothing, and answers no request, while the kernel lives (SIGSTOP)."""
        if self.frozen:
            return
        self.frozen = True
        self._reader, self.queues.reader = self.queues.reader, None
        task.freeze()

    def thaw(self, task: Task) -> None:
        """Let it go on, as soon as what is being done now has been done."""
        if self.frozen:
            self._events.after(0, self._thaw, task)

    def _thaw(self, task: Task) -> None:
        self.frozen = False
        self.queues.reader = self._reader
        for action in self.on_thaw:
            action()
        task.thaw()

    @property
    def now_ns(self) -> int:
        """The machine's clock."""
        return self._events.now

    def lend_page(self) -> bool:
        """Take a page of the machine's memory to lend it, if more are free than kswapd keeps; whether there was one."""
        return self._zone.take(self._zone.high_mark)

    def random(self, stream: str) -> Random:
        """A stream of chance of its own: the same in every run with this seed."""
        return Random(f"{self._host.seed}/machine/{self._host.name}/{self.name}/{stream}")

    def touch(self, first: int, count: int = 1, *, write: bool = True) -> Touch:
        """Use pages of the program's memory, numbered from 0; waits for those that are not resident."""
        return Touch(self._faults, self.space, first, count, write)

    def unmap(self, first: int, count: int) -> None:
        """Give pages of the program's memory back: the next use of one finds a new page. One that is being written stays."""
        self._faults.discard(self.space, first, first + count)

    def touch_text(self) -> Touch:
        """Run through the program's text; waits for those of its pages that have been dropped."""
        assert self.text is not None, f"{self.name} has no text of its own"
        return Touch(self._faults, self.text, 0, self.text.pages, False)

    def read(self, first: int, count: int = 1) -> Touch:
        """Read pages of the program's file, numbered from 0."""
        assert self.file is not None, f"{self.name} has no file"
        return Touch(self._faults, self.file, first, count, False)

    def write(self, first: int, count: int = 1) -> Write:
        """Write whole pages of the program's file."""
        assert self.file is not None, f"{self.name} has no file"
        host, limits = self._host, Limits(self.exempt or self.realtime, self.io_flusher)
        return Write(host.net.board, host.faults, host.writeback, self.file, (first, count), limits)

    def compute(self, duration_ns: int) -> Sleep:
        """Be busy for a while."""
        return Sleep(self._events, self._events.now + duration_ns, idle=False)

    def sleep_until(self, time_ns: int) -> Sleep:
        """Have nothing to do until then."""
        return Sleep(self._events, time_ns, idle=True)

    def pause(self) -> Pause:
        """Do nothing any more, and keep all that is open."""
        return Pause()

    def open(self, port: int, rcvbuf: int | None = None) -> None:
        """A UDP socket; its receive buffer in bytes of truesize (default: the kernel's)."""
        if port in self._stack.sockets:
            raise ValueError(f"port {port} of {self._host.name} is taken")
        size = self._buffers.kernel.rmem_default if rcvbuf is None else rcvbuf
        self._stack.open(self.queues.open(port, size))

    def receive(self) -> Receive:
        """The next `Datagram` from any of this program's sockets."""
        return self._receive

    def only_counts(self) -> None:
        """Promise to read each datagram at once, count one for it, and do nothing else: then many of them are one step."""
        self.queues.reader = self.progress

    def serve(self, port: int, handler: Handler) -> None:
        """Be the kernel's own user of a port: `handler` is called with each datagram."""
        self._stack.serve(port, handler)

    def send(
        self, to: int, port: int, payload: int, message: tuple[int, ...] = (), *, source_port: int = 0, kind: int = UDP
    ) -> bool:
        """Send a UDP datagram to the machine with index `to`; False if there was no memory to send it."""
        packets, wire, tail = _wire(payload, self.framing, self.mtu)
        floors = self._zone.floors
        floor = floors.realtime if self.realtime else floors.kernel
        memory = self._buffers.transmit(packets, floor, memalloc=False)
        if memory is None:
            return False
        body: tuple[object, ...] = (source_port, payload, 0, 1, 1, message)
        if packets > 1:
            kind |= FRAGMENT
            body = (self._nic.sent & 0xFFFF, 0, body)
        self._nic.transmit(memory, to, (kind, port, packets, wire, tail, body))
        return True

    def send_train(
        self,
        to: int,
        port: int,
        payload: int,
        count: int,
        gap_ns: int,
        *,
        flow: int = 0,
        flows: int = 1,
        ports: int = 1,
    ) -> None:
        """Send `count` datagrams, `gap_ns` apart, each within one packet; a train takes no transmit buffers.

        They belong to `flows` flows in turn, the first datagram to `flow`; flow i goes to port `port + i % ports`.
        """
        packets, wire, _ = datagram_wire(payload, self.framing, self.mtu)
        if packets > 1:
            raise ValueError(f"{payload} bytes do not fit into one packet of {self.mtu}")
        self._nic.send_train(to, UDP, port, count, gap_ns, wire, (0, payload, flow, flows, ports, ()))

    def send_first_fragments(self, to: int, port: int, payload: int, count: int, gap_ns: int) -> None:
        """Send the first fragments of `count` datagrams, `gap_ns` apart; the rest of them never comes."""
        packets, wire, _ = datagram_wire(payload, self.framing, self.mtu)
        if packets == 1:
            raise ValueError(f"{payload} bytes fit into one packet: there is nothing to leave out")
        body = (self._nic.sent & 0xFFFF, 1, (0, payload, 0, 1, 1, ()))
        self._nic.send_train(to, UDP | FRAGMENT, port, count, gap_ns, wire, body)

    def wire_of(self, piece: Piece) -> int:
        """Bytes on the wire of a frame. ValueError if it is a fragment of a datagram that has no such fragment."""
        packets, wire, tail = _wire(piece.payload, self.framing, self.mtu)
        if not (packets == 1 if piece.fragment is None else piece.fragment < packets > 1):
            raise ValueError(f"{piece.payload} bytes are {packets} packets of {self.mtu}")
        return tail if piece.fragment in (None, packets - 1) else wire

    def wire_ns(self, wire: int) -> int:
        """How long the card takes for `wire` bytes on the wire, ns."""
        return self._nic.wire_ns(wire)

    def card_is_busy(self) -> bool:
        """Whether what is sent now has to wait for what was sent before."""
        return self._nic.idle_ns > self._events.now

    def send_pieces(self, to: int, piece: Piece, count: int, gap_ns: int, ident: int | None = None) -> int:
        """Send `count` equal frames, `gap_ns` apart, each of a datagram of its own; they take no transmit buffers.

        `ident`: that of the datagram that a fragment belongs to, if another one of it has been sent. Returns the first's.
        """
        wire = self.wire_of(piece)
        body: tuple[object, ...] = (piece.source_port, piece.payload, 0, 1, 1, ())
        if piece.fragment is None:
            self._nic.send_train(to, UDP, piece.port, count, gap_ns, wire, body)
            return 0
        ident = self._nic.sent & 0xFFFF if ident is None else ident
        self._nic.send_train(to, UDP | FRAGMENT, piece.port, count, gap_ns, wire, (ident, piece.fragment + 1, body))
        return ident

    def send_link(self, to: int, link: int, payload: int, count: int, gap_ns: int) -> None:
        """Send `count` frames that are no IPv4, `gap_ns` apart; `link` is their kind. ARP asks for an address."""
        if payload > self.mtu:
            raise ValueError(f"{payload} bytes do not fit into one frame of {self.mtu}")
        message = (REQUEST,) if link == ARP else ()
        body = (0, payload, 0, 1, 1, message)
        self._nic.send_train(to, link, 0, count, gap_ns, link_wire(payload, self.framing), body)

    def accept(self, port: int, accept: Accept) -> None:
        """Be the kernel's own user of a TCP port: `accept` returns the owner of a connection that another machine has opened."""
        self._host.tcp.listen(port, accept)

    def listen(self, port: int, rcvbuf: int | None = None) -> None:
        """Accept TCP connections on a port; their receive buffers in bytes of truesize (default: the kernel's)."""
        self.streams.listen(port, rcvbuf)

    def connect(self, to: int, port: int) -> Connect:
        """Open a TCP connection to the machine with index `to`: a `Connection`, or None if there is no answer."""
        return Connect(self.streams, to, port)

    def send_message(self, connection: Connection, size: int, message: tuple[int, ...] = ()) -> SendMessage:
        """Put a message of `size` bytes into a connection; waits for room, False if the connection has broken."""
        return SendMessage(self.streams, connection, size, message)

    def receive_message(self) -> ReceiveMessage:
        """The next `Delivery` on any of this program's connections."""
        return ReceiveMessage(self.streams)

    def poll(self, peer: int | None = None) -> Poll:
        """Anything new on any of this program's connections; `peer`: the machine that cannot be written to meanwhile."""
        return Poll(self.streams, peer)

    def allocate(self, pages: int, what: str) -> Allocate:
        """Wait for `pages` free pages, for what the kernel does next in this program's name."""
        return Allocate(self._faults, pages, what)

    def call_at(self, time_ns: int, action: Callable[[Any], None], argument: Any = None) -> None:
        """Let `action(argument)` happen at that time, whatever the program does then."""
        if self.unkillable:
            self._events.at(time_ns, action, argument)
        else:
            self._events.at(time_ns, self._call, (action, argument))

    def _call(self, call: tuple[Callable[[Any], None], Any]) -> None:
        if not self._gone:
            action, argument = call
            action(argument)

    def exit(self) -> None:
        """Close all sockets and unmap the text of a program that has been killed, and has died."""
        self._gone = True
        self._stack.close(self.queues)
        self.streams.exit()
        if self.text is not None:
            self._faults.unmap(self.text)
