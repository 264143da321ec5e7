"""UDP sockets that programs read: charged by truesize, while real memory is what the slabs say.

A socket accepts a datagram iff what the socket holds already plus the datagram's truesize stays below the receive buffer
(net/core/sock.c of 2.6.22; the rule of 6.11 is in `udp_limits`); otherwise the datagram is dropped and its memory is free at
once.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from netswap.actors.net.buffers import Buffer


class Datagram(NamedTuple):
    """A datagram that waits in a socket."""

    source: int
    """Index of the machine that sent it."""
    source_port: int
    port: int
    payload: int
    """Bytes."""
    message: Any
    buffers: tuple[Buffer, ...]
    truesize: int


class Reader(Protocol):
    """The progress of a program that reads each datagram at once, counts one for it, and does nothing else.

    So a datagram for it changes nothing but this count. Times in ns.
    """

    @property
    def count(self) -> int:
        """Datagrams that have been read."""

    @property
    def edge_ns(self) -> int:
        """The first count from then on ends a slot of its progress."""

    @property
    def slot_ns(self) -> int:
        """How long a slot is."""

    def skip(self, amount: int, edges: Sequence[tuple[int, int]]) -> None:
        """Count `amount` at once; `edges`: (how many had been counted by then, time) of the first count after each edge."""


class Socket:
    """One UDP port of a program. Sizes in bytes of truesize."""

    __slots__ = ("charged", "port", "queues", "rcvbuf", "room")

    def __init__(self, port: int, rcvbuf: int, queues: "Queues") -> None:
        self.port = port
        self.rcvbuf = rcvbuf
        self.room = rcvbuf
        """The charge from which on the stack is asked whether it accepts a datagram."""
        self.charged = 0
        self.queues = queues


class Queues:
    """The receive queues of all sockets of one program, read in the order of arrival."""

    __slots__ = ("buffers", "datagrams", "reader", "sockets", "wake")

    def __init__(self) -> None:
        self.sockets: dict[int, Socket] = {}
        self.datagrams: deque[tuple[Socket, Datagram]] = deque()
        self.buffers = 0
        """Frames that wait here."""
        self.wake: Callable[[], None] | None = None
        """Set while the program waits for a message."""
        self.reader: Reader | None = None
        """The program, if it reads each datagram at once and does nothing but count."""

    def open(self, port: int, rcvbuf: int) -> Socket:
        """Open a socket on this port."""
        socket = self.sockets[port] = Socket(port, rcvbuf, self)
        return socket
