"""UDP sockets under the limits of 6.11: each takes at least one datagram, all together no more than udp_mem.

Source: net/ipv4/udp.c and net/core/sock.c of 6.11. A socket accepts a datagram iff what the socket holds already does not
exceed its receive buffer. Memory is charged in whole pages for each socket; above udp_mem[2] every further page is refused.
"""

from netswap.actors.net.board import NetBoard
from netswap.actors.net.sockets import Datagram, Socket
from netswap.actors.net.stack import Stack
from netswap.protocol.rpc import PAGE


class LimitedStack(Stack):
    """The protocol layers of one machine with the UDP limits of 6.11."""

    __slots__ = ("pages_max", "udp_pages")

    def __init__(
        self,
        net: NetBoard,
        pages_max: int | None = None,
    ) -> None:
        """`pages_max`: `udp_mem[2]`; None for the kernel's own."""
        super().__init__(net)
        self.udp_pages = 0
        """Pages that all UDP sockets are charged."""
        board = net.board
        self.pages_max = board.kernel.udp_mem_max(board.zone.total) if pages_max is None else pages_max
        """Pages that all UDP sockets may be charged at most (udp_mem[2])."""

    def open(self, socket: Socket) -> None:
        """Let a program's socket take what comes to its port, as far as the limits allow."""
        socket.room = 0  # every datagram is asked about: the limit on all sockets may refuse any
        super().open(socket)

    def read(self, socket: Socket, datagram: Datagram) -> None:
        """A program has copied a datagram out of its socket."""
        charged = socket.charged
        super().read(socket, datagram)
        self.udp_pages -= _pages(charged) - _pages(socket.charged)

    def _refuses(self, socket: Socket, truesize: int) -> bool:
        """Whether one of both limits is exceeded; if neither is, the pages are charged."""
        if self.is_full(socket, truesize):
            return True
        self.udp_pages = self._pages_with(socket, truesize)
        return False

    def is_full(self, socket: Socket, truesize: int) -> bool:
        """Whether a socket takes no datagram of this truesize, and none that is larger."""
        return socket.charged > socket.rcvbuf or self._pages_with(socket, truesize) > self.pages_max

    def _pages_with(self, socket: Socket, truesize: int) -> int:
        """Pages that all sockets are charged once this one takes so much."""
        return self.udp_pages + _pages(socket.charged + truesize) - _pages(socket.charged)

    def state(self) -> tuple[int, ...]:
        """What a frame may change here, but for its socket's own."""
        return (*super().state(), self.udp_pages)


def _pages(size: int) -> int:
    return -(-size // PAGE)
