"""TCP of one machine: its connections by their other end, its listeners, and the way to the card.

Source: net/ipv4/tcp_ipv4.c of 2.6.22 with Zijlstra's netvm patches. The parts: `kernels.tcp` (numbers of each kernel),
`tcp_memory` (what sockets are charged), `tcp_sender` and `tcp_receiver` (the two halves), `tcp_connection`.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from netswap.actors.events import NEVER, Timer
from netswap.actors.kernels.tcp import TcpMem
from netswap.actors.memory.slab import Run
from netswap.actors.net.arp import Output
from netswap.actors.net.board import NetBoard
from netswap.actors.net.buffers import B_CHARGE, Buffer
from netswap.actors.net.stack import Express
from netswap.actors.net.tcp_connection import KILLED, Callbacks, Connection, Layer
from netswap.actors.net.tcp_sender import Segment
from netswap.protocol.frame import F_BODY, F_PORT, F_SOURCE, TCP, Raw
from netswap.protocol.tcp import ACK, RST, S_PAYLOAD, S_PORT, SYN, Body, Record, segment_wire

_FIRST_PORT: Final = 32_768
"""Where the ports begin that callers are given (ip_local_port_range)."""
_PORTS: Final = 28_233

Accept = Callable[[Connection], Callbacks]
"""Called with a connection that another machine has opened; returns its owner."""


class Listener(NamedTuple):
    """A port that accepts connections."""

    accept: Accept
    rcvbuf: int | None
    marked: bool


class Tcp(Layer):
    """All connections of one machine."""

    def __init__(
        self,
        net: NetBoard,
        output: Output,
        hold: Callable[[int], None],
        limits: TcpMem | None = None,
    ) -> None:
        """`hold` is called with the number of frames that have come to wait in sockets which do not serve the swap.

        `limits`: `tcp_mem`, None for the kernel's own.
        """
        super().__init__(net, limits)
        board = net.board
        self.connections: dict[tuple[int, int, int], Connection] = {}
        """By the other machine, its port, and the port here."""
        self._hold = hold
        self._listeners: dict[int, Listener] = {}
        self._output = output
        self._counters = board.counters
        self._framing = net.framing
        self._overhead = segment_wire(0, net.framing)
        self._drop_at_demux = board.policy.drop_at_demux
        self.calls = board.tally.calls
        """Connections that have been opened from here."""

    # -- connections ------------------------------------------------------------------------------------------------

    def listen(self, port: int, accept: Accept, rcvbuf: int | None = None, *, marked: bool = False) -> None:
        """Accept connections on a port; their receive buffers in bytes of truesize (default: the kernel's)."""
        if port in self._listeners:
            raise ValueError(f"port {port} is taken")
        self._listeners[port] = Listener(accept, rcvbuf, marked)

    def abandon(self, owner: Callbacks, ports: list[int]) -> None:
        """Close the ports of a program that has ended, and reset its connections (tcp_close, unread data)."""
        for port in ports:
            del self._listeners[port]
        for connection in [one for one in self.connections.values() if one.owner is owner]:
            self.reset(connection.peer, connection.peer_port, connection.port)
            connection.close(KILLED)

    def connect(
        self, peer: int, port: int, owner: Callbacks, rcvbuf: int | None = None, *, marked: bool = False
    ) -> Connection:
        """Send a SYN to another machine; the owner is called when it has been answered."""
        connection = Connection(self, peer, port, self._free_port(peer, port), owner, rcvbuf, marked=marked)
        self.connections[peer, port, connection.port] = connection
        connection.call()
        return connection

    def forget(self, connection: Connection) -> None:
        """Remove a connection that has been closed."""
        self.count(connection)
        del self.connections[connection.peer, connection.peer_port, connection.port]

    def _free_port(self, peer: int, peer_port: int) -> int:
        while True:
            port = _FIRST_PORT + self.calls % _PORTS
            self.calls += 1
            if (peer, peer_port, port) not in self.connections:
                return port

    # -- in ---------------------------------------------------------------------------------------------------------

    def input(self, frame: Raw, buffer: Buffer) -> str:
        """A segment has been received into `buffer`, which is taken; else the cause for which it must be dropped."""
        segment: Body = frame[F_BODY]
        connection = self.connections.get((frame[F_SOURCE], segment[S_PORT], frame[F_PORT]))
        if connection is None:
            return self._unconnected(frame[F_SOURCE], frame[F_PORT], segment, buffer)
        if buffer[B_CHARGE] and self._drop_at_demux and not connection.account.marked:
            return "demux"
        cause = connection.input(segment, buffer)
        if segment[S_PAYLOAD]:  # only payload waits in a socket
            self.count(connection)
        return cause

    def acknowledge(self, frame: Raw) -> bool:
        """Take a segment that only acknowledges, and lets nothing be sent; else False, and nothing is done."""
        segment: Body = frame[F_BODY]
        connection = self.connections.get((frame[F_SOURCE], segment[S_PORT], frame[F_PORT]))
        return connection is not None and connection.only_acknowledges(segment)

    def express(self, frame: Raw) -> Express | None:
        """The connection that a burst is for, if its owner reads at once, and no segment of it needs a look of its own."""
        connection = self.connections.get((frame[F_SOURCE], frame[F_BODY][0][S_PORT], frame[F_PORT]))
        if connection is None or self.woken is None or connection.account.marked or not connection.may_pass():
            return None
        return connection

    def _unconnected(self, peer: int, port: int, segment: Body, buffer: Buffer) -> str:
        """Answer a segment of no connection: a SYN may open one, anything else is reset."""
        peer_port, flags, _, _, window, _, _, _ = segment
        listener = self._listeners.get(port)
        if buffer[B_CHARGE] and self._drop_at_demux and not (listener and listener.marked):
            return "demux"
        if listener is None or flags & (SYN | ACK) != SYN:
            if not flags & RST:
                self.reset(peer, peer_port, port)
            return "no-socket"
        connection = Connection(self, peer, peer_port, port, _NOBODY, listener.rcvbuf, marked=listener.marked)
        self.connections[peer, peer_port, port] = connection
        connection.owner = listener.accept(connection)
        self.buffers.free(buffer)
        connection.answer(window)
        return ""

    def confirm(self, peer: int) -> None:
        """As there."""
        self._output.confirm(peer)

    def count(self, connection: Connection) -> None:
        """Bring the number of frames up to date that wait in ordinary sockets."""
        frames = connection.receiver.frames
        if frames != connection.counted and not connection.account.marked:
            self._hold(frames - connection.counted)
            connection.counted = frames

    def unread(self, owner: Callbacks) -> tuple[int, int]:
        """(connections, frames that wait in them) of one owner."""
        frames = [one.receiver.frames for one in self.connections.values() if one.owner is owner]
        return len(frames), sum(frames)

    def timers(self) -> list[Timer]:
        """Every retransmission timer or probe under way."""
        senders = [one.sender for one in self.connections.values()]
        return [
            Timer("TCP retransmission", one.fired_ns, one.previous_ns, one.due_ns)
            for one in senders
            if one.due_ns != NEVER
        ]

    # -- out --------------------------------------------------------------------------------------------------------

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
        """Send one segment of a connection; False if there is no memory for it.

        `closed`: with a window of zero. `own`: from its own buffers, whose second head serves the card (SKB_FCLONE).
        """
        memalloc = connection.memalloc or connection.writer_memalloc
        memory: list[Run] = [] if own else self._memory_to_send(memalloc=memalloc)
        if not (own or memory):
            return False
        receiver = connection.receiver
        blocks = receiver.blocks() if receiver.early else ()
        window = 0 if closed else receiver.window()
        wire = segment_wire(payload, self._framing, len(blocks)) if blocks else payload + self._overhead
        body = (connection.port, flags, seq, receiver.nxt, window, payload, blocks, records)
        peer_port = connection.peer_port
        self._output.transmit(memory, connection.peer, (TCP, peer_port, 1, wire, wire, body), memalloc=memalloc)
        connection.acknowledging()
        return True

    def transmit_new(self, connection: Connection, segments: list[Segment]) -> None:
        """As there; those of one size are announced together."""
        receiver = connection.receiver
        if receiver.early or len(segments) == 1:
            super().transmit_new(connection, segments)
            return
        port, acknowledged, window = connection.port, receiver.nxt, receiver.window()
        bodies: list[Body] = [
            (port, ACK, one.seq, acknowledged, window, one.end - one.seq, (), one.records) for one in segments
        ]
        memalloc = connection.memalloc or connection.writer_memalloc
        self._output.send_segments(connection.peer, connection.peer_port, self._overhead, bodies, memalloc=memalloc)
        connection.acknowledging(len(bodies))

    def _memory_to_send(self, *, memalloc: bool) -> list[Run]:
        memory = self.buffers.transmit(1, self.floor, memalloc=memalloc)
        if memory is None:
            self._counters.tx_no_memory += 1
            return []
        return memory

    def reset(self, peer: int, peer_port: int, port: int) -> None:
        """Tell the other side that there is no such connection."""
        memory = self._memory_to_send(memalloc=False)
        if memory:
            wire = self._overhead
            self._output.transmit(memory, peer, (TCP, peer_port, 1, wire, wire, (port, RST, 0, 0, 0, 0, (), ())))


class _Nobody:
    """Owns a connection until a program has accepted it."""

    def opened(self, connection: Connection) -> None:
        """Do nothing."""

    def readable(self, connection: Connection) -> None:
        """Do nothing."""

    def writable(self, connection: Connection) -> None:
        """Do nothing."""

    def closed(self, connection: Connection, why: str) -> None:
        """Do nothing."""


_NOBODY: Final = _Nobody()
