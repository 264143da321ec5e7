"""A TCP connection within one machine, over its loopback device: two sockets with charges, windows, timers and ACKs of their own.

Source: drivers/net/loopback.c (loopback_xmit: what is sent is received at once, by a softirq), net/ipv4/tcp_output.c (a segment
goes out as the clone that lies beside it, SKB_FCLONE), net/core/filter.c. What is received is the sender's own buffer: nothing
has to be allocated for it, and the pages of its payload are free once the sender has been acknowledged *and* the reader has
read. In linux-6.11 a segment whose payload came from the reserve is marked, and dropped at a socket that does not serve the
swap (PFMEMALLOCDROP); the sender sends it again at its time-outs.
"""

from collections import deque
from typing import Any, Final

from netswap.actors.events import NEVER, Timer
from netswap.actors.memory.slab import Run, Slab, SlabCache
from netswap.actors.net.board import NetBoard
from netswap.actors.net.buffers import B_CHARGE, B_DATA, B_HEAD, Buffer, Buffers
from netswap.actors.net.local import RESET, LocalSocket, PairUser
from netswap.actors.net.tcp_connection import CLOSED, ESTABLISHED, Connection, Layer
from netswap.actors.net.tcp_memory import TcpMemory
from netswap.protocol.tcp import FIRST_BYTE, Body, Message, Record, mss

MTU: Final = 65_536
"""The MTU of the loopback device since Linux 3.6 (drivers/net/loopback.c; 16436 before, more than a request all the same)."""
_FLAGGED: Final = 1
"""The fourth field of a buffer whose payload came from the reserve."""


class SharedPages(SlabCache):
    """Pages of payload that a sender and a reader hold at the same time: the last of them frees a page."""

    __slots__ = ("_cache", "_others")

    def __init__(self, cache: SlabCache) -> None:
        self._cache = cache
        self._others: dict[Slab, int] = {}
        """The pages that have several holders, each with how many there are beside the first."""
        self.size = cache.size

    def take(self, floor: int) -> Slab | None:
        """Allocate a page."""
        return self._cache.take(floor)

    def take_memalloc(self, floor: int) -> Slab | None:
        """Allocate a page for a request that ignores the watermarks."""
        return self._cache.take_memalloc(floor)

    def hold(self, page: Slab) -> None:
        """Hold a page that another holds already."""
        self._others[page] = self._others.get(page, 0) + 1

    def give(self, slab: Slab, count: int = 1) -> None:
        """Let a page go; the page is free if no other holder is left."""
        others = self._others.get(slab, 0)
        if not others:
            self._cache.give(slab)
        elif others == 1:
            del self._others[slab]
        else:
            self._others[slab] = others - 1


class Clone(Slab):
    """The payload of a segment that has been received over the loopback: pages that its sender holds as well."""

    __slots__ = ("pages",)

    def __init__(self, cache: SlabCache, pages: list[Slab]) -> None:
        super().__init__(cache, 0, False)
        self.pages = pages


class LoopbackBuffers(Buffers):
    """The machine's buffers, for sockets that share what they send and receive."""

    __slots__ = ("shared",)

    def __init__(self, of: Buffers) -> None:
        self.kernel, self.zone = of.kernel, of.zone
        self.heads, self.tx_headers = of.heads, of.tx_headers
        self.pages = self.shared = SharedPages(of.pages)
        self._atomic, self._reserve = of.zone.floors.atomic, None

    def free(self, buffer: Buffer) -> None:
        """Free what has been received."""
        data = buffer[B_DATA]
        if isinstance(data, Clone):
            for page in data.pages:
                self.shared.give(page)
        else:
            data.cache.give(data)
            head = buffer[B_HEAD]
            head.cache.give(head)


class Loopback(Layer):
    """TCP over the loopback device, with the machine's own limits."""

    def __init__(self, net: NetBoard, memory: TcpMemory) -> None:
        """`memory`: what all TCP sockets of the machine are charged to."""
        super().__init__(net, memory.limits)
        self.memory = memory
        self.buffers = buffers = LoopbackBuffers(net.buffers)
        self._shared = buffers.shared
        self.mss = mss(MTU)
        self.window_mss = self.rules.min_rcv_mss
        self.dropped = 0
        """Segments that were dropped since they came from the reserve."""
        self._others: dict[Connection, Connection] = {}
        self._counters = net.board.counters
        self._drop_at_demux = net.board.policy.drop_at_demux
        self._marks = net.board.kernel.memalloc_sockets

    def connect(self, one: "LoopbackSocket", other: "LoopbackSocket") -> tuple[Connection, Connection]:
        """Open a connection between two sockets of this machine; the handshake has taken no time."""
        near, far = (Connection(self, 0, 0, 0, end, None, marked=end.marked) for end in (one, other))
        for this, that in ((near, far), (far, near)):
            self._others[this] = that
            this.state = ESTABLISHED
            this.sender.edge = FIRST_BYTE + that.receiver.window()
            this.sender.round_trip.measure(0)
        return near, far

    def transmit(
        self,
        connection: Connection,
        flags: int,
        seq: int,
        payload: int,
        records: tuple[Record, ...],
        *,
        closed: bool = False,
        own: bool = False,
    ) -> bool:
        """Send one segment, which the other end receives as soon as what is being done now has been done."""
        pages = connection.pages_of(seq, seq + payload) if payload else []
        buffer: Buffer | None
        cloned: Any
        if pages or own:
            for page in pages:
                self._shared.hold(page)
            flag = _FLAGGED if self._marks and any(page.from_reserve for page in pages) else 0
            clone = Clone(self._shared, pages)
            cloned = (clone, clone, payload + self.rules.segment_charge, flag)
            buffer = cloned
        else:
            buffer = self._control(memalloc=connection.memalloc or connection.writer_memalloc)
        if buffer is None:
            return False
        receiver = connection.receiver
        window = 0 if closed else receiver.window()
        blocks = receiver.blocks() if receiver.early else ()
        body: Body = (0, flags, seq, receiver.nxt, window, payload, blocks, records)
        self.events.after(0, self._receive, (connection, body, buffer))
        connection.acknowledging()
        return True

    def _control(self, *, memalloc: bool) -> Buffer | None:
        """A buffer for a segment without payload."""
        memory: list[Run] | None = self.buffers.transmit(1, self.floor, memalloc=memalloc)
        if memory is None:
            self._counters.tx_no_memory += 1
            return None
        (head, _), (header, _) = memory
        return (header, head, self.rules.segment_charge, 0)  # type: ignore[return-value]  # a plain tuple

    def _receive(self, sent: tuple[Connection, Body, Buffer]) -> None:
        """Hand a segment to the socket that it is for."""
        connection, body, buffer = sent
        other = self._others.get(connection)
        if other is None:
            self.buffers.free(buffer)
        elif buffer[B_CHARGE] and self._drop_at_demux and not other.account.marked:
            self.dropped += 1
            self.buffers.free(buffer)
        elif other.input(body, buffer):
            self.buffers.free(buffer)

    def reset(self, peer: int, peer_port: int, port: int) -> None:
        """Do nothing: no end of a pair is gone without the other."""

    def confirm(self, peer: int) -> None:
        """The loopback has no neighbours whose address could be confirmed."""

    def count(self, connection: Connection) -> None:
        """Do nothing: what waits here is no frame of the card's."""

    def forget(self, connection: Connection) -> None:
        """Close the other end as well."""
        other = self._others.pop(connection, None)
        if other is not None:
            self._others.pop(other, None)
            other.close(RESET)

    def timers(self) -> list[Timer]:
        """Every retransmission timer or probe under way."""
        senders = [one.sender for one in self._others]
        return [
            Timer("TCP retransmission over the loopback", one.fired_ns, one.previous_ns, one.due_ns)
            for one in senders
            if one.due_ns != NEVER
        ]


class LoopbackSocket:
    """One end of such a connection, which can be opened again: it is used as the end of a local pair is."""

    __slots__ = ("_layer", "_messages", "connection", "marked", "owner", "peer", "server")

    def __init__(self, layer: Loopback, server: int, *, marked: bool) -> None:
        """`server`: the swap server that the pair leads to. `marked`: it serves the swap."""
        self.server = server
        self.marked = marked
        self.owner: PairUser
        self.peer: LoopbackSocket = self
        self.connection: Connection | None = None
        self._layer = layer
        self._messages: deque[tuple[int, Message]] = deque()
        """Messages that have been read to their end, and not taken yet."""

    @property
    def state(self) -> str:
        """As a connection's."""
        return CLOSED if self.connection is None else self.connection.state

    @property
    def wmem(self) -> int:
        """Bytes charged to the send buffer."""
        return 0 if self.connection is None else self.connection.account.wmem

    @property
    def sndbuf(self) -> int:
        """Bytes of the send buffer."""
        return self._layer.rules.wmem[1] if self.connection is None else self.connection.account.sndbuf

    def open(self) -> None:
        """Let both ends be used from now on."""
        self.connection, self.peer.connection = self._layer.connect(self, self.peer)

    def close(self) -> None:
        """Forget all that has not been read, and tell the other end's owner."""
        if self.connection is not None and self.state != CLOSED:
            self._messages.clear()
            connection, self.connection = self.connection, None
            connection.close(RESET)

    def timers(self) -> list[Timer]:
        """TCP's timers of both ends."""
        return self._layer.timers()

    # -- what the user does -----------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether there is something to read."""
        return bool(self._messages) or (self.connection is not None and self.connection.ready)

    def read(self) -> list[tuple[int, Message]]:
        """Read the next piece; the message that has come to its end, with its size, if one has."""
        if not self._messages and self.connection is not None and self.connection.ready:
            self._messages.extend(self.connection.read())
        return [self._messages.popleft()] if self._messages else []

    def has_send_room(self) -> bool:
        """Whether a writer may write."""
        return self.connection is not None and self.connection.has_send_room()

    def has_room(self) -> bool:
        """Whether it is worth to wake a writer."""
        return self.connection is not None and self.connection.has_room()

    def write(self, size: int, message: Message, *, floor: int, memalloc: bool = False) -> int:
        """Write as much of a message as fits, as a connection does; the number of bytes written."""
        if self.connection is None:
            return 0
        return self.connection.write(size, message, floor=floor, memalloc=memalloc)

    # -- what the kernel says ---------------------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """Do nothing: the program that opens it knows."""

    def readable(self, connection: Connection) -> None:
        """Pass on that there is something to read."""
        self.owner.readable(self)

    def writable(self, connection: Connection) -> None:
        """Pass on that there is room."""
        self.owner.writable(self)

    def closed(self, connection: Connection, why: str) -> None:
        """Pass on that the connection is gone, unless it was this end that closed it."""
        self._messages.clear()
        if self.connection is connection:
            self.connection = None
            self.owner.closed(self, why)


PairEnd = LocalSocket | LoopbackSocket
"""An end of a pair within one machine."""


def loopback_pair(layer: Loopback, server: int, *, marked: bool) -> tuple[LoopbackSocket, LoopbackSocket]:
    """Two sockets that can be connected with each other; `marked`: the first serves the swap."""
    one, other = LoopbackSocket(layer, server, marked=marked), LoopbackSocket(layer, server, marked=False)
    one.peer, other.peer = other, one
    return one, other
