"""UDP sockets under the limits of 6.x: each takes at least one datagram, all together no more than udp_mem.

Source: net/ipv4/udp.c (__udp_enqueue_schedule_skb) and net/core/sock.c (__sk_mem_raise_allocated) of 6.1 and 6.11. A socket
accepts a datagram iff what the socket holds already does not exceed its receive buffer. Memory is charged in whole pages for
each socket. Above udp_mem[0] a page is granted only to a socket that holds less than udp_rmem_min, the datagram included, and
above udp_mem[2] to none: the pressure between the two means nothing to UDP (facts 13.3).
"""

from netswap.actors.kernels.udp import UdpMem
from netswap.actors.net.board import NetBoard
from netswap.actors.net.shared_count import SharedCount
from netswap.actors.net.sockets import Datagram, Socket
from netswap.actors.net.stack import Stack
from netswap.protocol.rpc import PAGE


class LimitedStack(Stack):
    """The protocol layers of one machine with the UDP limits of 6.x."""

    __slots__ = ("_count", "_least", "limits")

    def __init__(self, net: NetBoard, limits: UdpMem | None = None) -> None:
        """`limits`: `udp_mem`; None for the kernel's own."""
        super().__init__(net)
        board = net.board
        self.limits = limits or board.kernel.udp_mem(board.zone.total)
        self._count = SharedCount(board.kernel.count_batch)
        self._least = board.kernel.udp_rmem_min

    @property
    def udp_pages(self) -> int:
        """Pages that all UDP sockets are charged."""
        return self._count.pages

    def open(self, socket: Socket) -> None:
        """Let a program's socket take what comes to its port, as far as the limits allow."""
        socket.room = 0  # every datagram is asked about: the limit on all sockets may refuse any
        super().open(socket)

    def read(self, socket: Socket, datagram: Datagram) -> None:
        """A program has copied a datagram out of its socket."""
        charged = socket.charged
        super().read(socket, datagram)
        self._count.add(_pages(socket.charged) - _pages(charged))

    def _refuses(self, socket: Socket, truesize: int) -> bool:
        """Whether one of both limits is exceeded; if neither is, the pages are charged."""
        if socket.charged > socket.rcvbuf:
            return True
        pages = _pages(socket.charged + truesize) - _pages(socket.charged)
        if not pages or not self._exceeds(self._count.add(pages), socket.charged + truesize):
            return False
        self._count.add(-pages)
        return True

    def is_full(self, socket: Socket, truesize: int) -> bool:
        """Whether a socket takes no datagram of this truesize, and none that is larger."""
        if socket.charged > socket.rcvbuf:
            return True
        pages = _pages(socket.charged + truesize) - _pages(socket.charged)
        return pages > 0 and self._exceeds(self._count.seen_with(pages), socket.charged + truesize)

    def _exceeds(self, seen: int, charged: int) -> bool:
        """Whether `seen` pages of all sockets are too many for a socket that would be charged `charged` bytes."""
        return seen > self.limits.low and (seen > self.limits.high or charged >= self._least)

    def state(self) -> tuple[int, ...]:
        """What a frame may change here, but for its socket's own."""
        return (*super().state(), *self._count.state())


def _pages(size: int) -> int:
    return -(-size // PAGE)
