"""Two machines' TCP with nothing between them but a wire that may lose, double and reorder; no card, no programs."""

from collections.abc import Callable
from typing import Any, NamedTuple

from netswap.actors.counters import Counters
from netswap.actors.events import Events
from netswap.actors.kernels import LINUX_2_6_22, Kernel
from netswap.actors.kernels.tcp import TcpMem
from netswap.actors.memory.board import Board
from netswap.actors.memory.zone import Zone
from netswap.actors.net.board import NetBoard
from netswap.actors.net.buffers import Buffers
from netswap.actors.net.nic import Packets
from netswap.actors.net.tcp import Tcp
from netswap.actors.net.tcp_connection import Connection
from netswap.actors.policy import Policy
from netswap.protocol.frame import TCP, VERSION
from netswap.protocol.tcp import S_PAYLOAD, Body, Message
from netswap.protocol.units import microseconds, seconds

LATENCY_NS = microseconds(100)
PORT = 9000
GIGABIT = 1_000_000_000
FRAMING = 38
MTU = 1500
COPYBREAK = 256


class Sent(NamedTuple):
    """A frame that has left a card."""

    at_ns: int
    source: int
    body: Any
    wire: int


Fate = Callable[[int, Sent], list[int]]
"""What becomes of frame n: the latencies (ns) after which it and its copies arrive; none if it is lost."""


class Card:
    """Stands for a `Nic`: it sends at a rate and hands frames to the wire."""

    def __init__(
        self, events: Events, index: int, carry: Callable[[Sent], None], rate_bps: int, release: Callable[..., None]
    ) -> None:
        self.sent = 0
        self._events = events
        self._index = index
        self._carry = carry
        self._rate_bps = rate_bps
        self._release = release
        self._idle_ns = 0

    def transmit(self, memory: Any, to: int, packets: Packets, *, memalloc: bool = False) -> None:
        """As the real one."""
        _, port, _, wire, _, body = packets
        self._idle_ns = max(self._events.now, self._idle_ns) + wire * 8 * seconds(1) // self._rate_bps
        self.sent += 1
        self._carry(Sent(self._idle_ns, self._index, (port, body), wire))
        self._events.at(self._idle_ns, self._release, memory)

    def send_segments(self, to: int, port: int, overhead: int, bodies: list[Body], *, memalloc: bool = False) -> None:
        """As the real one."""
        for body in bodies:
            wire = body[S_PAYLOAD] + overhead
            self.transmit([], to, (TCP, port, 1, wire, wire, body))

    def confirm(self, index: int) -> None:
        """As the real one: an answer means nothing to it."""


class End:
    """One machine's TCP, and the owner of its connections: what its reader has got, and what became of them."""

    def __init__(self, pair: "Pair", index: int, kernel: Kernel, mem: TcpMem | None, switches: frozenset[str]) -> None:
        events = pair.events
        self.zone = Zone(65_536, 1024, kernel=kernel)
        self.counters = Counters()
        self.buffers = Buffers(self.zone, kernel, None, guarded=False)
        card: Any = Card(events, index, pair.carry, pair.rate_bps, self.buffers.release)
        self.board = Board(events, self.zone, kernel, self.counters, Policy.of(switches))
        self.tcp = Tcp(NetBoard(self.board, self.buffers, FRAMING, MTU), card, self._hold, mem)
        self.held = 0
        """Frames that wait in sockets which do not serve the swap."""
        self.reads = True
        """Whether the reader reads at once."""
        self.got: list[tuple[int, Message]] = []
        """Each message with its size."""
        self.writable_calls = 0
        self.closed_why: list[tuple[int, str]] = []
        self.connection: Connection | None = None
        self._events = events
        self._kernel = kernel

    def _hold(self, frames: int) -> None:
        self.held += frames

    def receive(self, frame: Any) -> None:
        """A frame has come into a buffer of the card."""
        wire = frame[5]
        buffers = self.buffers
        small = wire < COPYBREAK
        cache = buffers.copies if small else buffers.receive
        buffer = buffers.allocate(cache, self._kernel.copy_truesize if small else self._kernel.rx_truesize)
        assert buffer is not None
        cause = self.tcp.input(frame, buffer)
        if cause:
            self.counters.dropped[cause] += 1
            buffers.free(buffer)

    def write(self, size: int, message: tuple[int, ...] | None = None) -> int:
        """As a process does."""
        assert self.connection is not None
        return self.connection.write(size, message, floor=self.zone.floors.kernel)

    def read_all(self) -> None:
        """The reader reads what there is."""
        assert self.connection is not None
        while self.connection.receiver.ready:
            self.got += self.connection.read()

    def opened(self, connection: Connection) -> None:
        """The owner's call."""
        self.connection = connection

    def readable(self, connection: Connection) -> None:
        """The owner's call."""
        if self.reads:
            while connection.receiver.ready:
                self.got += connection.read()

    def writable(self, connection: Connection) -> None:
        """The owner's call."""
        self.writable_calls += 1

    def closed(self, connection: Connection, why: str) -> None:
        """The owner's call."""
        self.closed_why.append((self._events.now, why))

    def account_pages(self) -> int:
        """Pages charged now, as the sockets say."""
        return sum(one.account.pages for one in self.tcp.connections.values())


class Pair:
    """End 0 calls end 1."""

    def __init__(
        self,
        fate: Fate | None = None,
        *,
        kernel: Kernel = LINUX_2_6_22,
        mem: TcpMem | None = None,
        switches: frozenset[str] = frozenset(),
        rcvbuf: int | None = None,
        rate_bps: int = GIGABIT,
        marked: bool = False,
    ) -> None:
        self.events = Events()
        self.rate_bps = rate_bps
        self.log: list[Sent] = []
        self.fate: Fate = fate or (lambda number, sent: [LATENCY_NS])
        self.ends = [End(self, index, kernel, mem if index else None, switches) for index in (0, 1)]
        self.ends[1].tcp.listen(PORT, lambda connection: self.ends[1], rcvbuf, marked=marked)
        self.connection = self.ends[0].tcp.connect(1, PORT, self.ends[0])

    def carry(self, sent: Sent) -> None:
        """A frame leaves: decide what becomes of it."""
        number = len(self.log)
        self.log.append(sent)
        for latency_ns in self.fate(number, sent):
            self.events.at(sent.at_ns + latency_ns, self._arrive, sent)

    def _arrive(self, sent: Sent) -> None:
        port, body = sent.body
        to = 1 - sent.source
        frame = (VERSION, sent.at_ns, sent.source, 0, to, sent.wire, sent.wire, 6, port, 1, 0, body)
        self.ends[to].receive(frame)

    def run_until(self, time_ns: int) -> None:
        """Let all events before that time happen."""
        while self.events.next_ns() < time_ns:
            self.events.step()
        self.events.now = max(self.events.now, time_ns)

    def run_for(self, duration_ns: int) -> None:
        """Let all events of that time happen."""
        self.run_until(self.events.now + duration_ns)

    def data(self, source: int = 0) -> list[Sent]:
        """The frames of one end that carry payload."""
        return [sent for sent in self.log if sent.source == source and sent.body[1][5]]
