"""UDP sockets under the limits of today: each takes at least one datagram, all together no more than udp_mem.

Source: net/ipv4/udp.c and net/core/sock.c of 6.11. A socket accepts a datagram iff what it holds already does not exceed
its receive buffer. Memory is charged in whole pages for each socket; above udp_mem[2] every further page is refused.
"""

from netswap.actors.counters import Counters
from netswap.actors.events import Events
from netswap.actors.kernels import Kernel
from netswap.actors.memory.zone import Zone
from netswap.actors.net.buffers import Buffers
from netswap.actors.net.sockets import Datagram, Socket
from netswap.actors.net.stack import Stack
from netswap.actors.policy import Policy
from netswap.protocol.rpc import PAGE


class LimitedStack(Stack):
    """The protocol layers of one machine of today."""

    __slots__ = ("pages_max", "udp_pages")

    def __init__(
        self,
        events: Events,
        zone: Zone,
        kernel: Kernel,
        buffers: Buffers,
        counters: Counters,
        mtu: int,
        policy: Policy,
    ) -> None:
        super().__init__(events, zone, kernel, buffers, counters, mtu, policy)
        self.udp_pages = 0
        """Pages that all UDP sockets are charged."""
        self.pages_max = kernel.udp_mem_max(zone.total)
        """What they may be charged at most (udp_mem[2])."""

    def open(self, socket: Socket) -> None:
        """Let a program's socket take what comes to its port, as far as the limits allow."""
        socket.room = 0
        super().open(socket)

    def read(self, socket: Socket, datagram: Datagram) -> None:
        """A program has copied a datagram out of its socket."""
        charged = socket.charged
        super().read(socket, datagram)
        self.udp_pages -= _pages(charged) - _pages(socket.charged)

    def _refuses(self, socket: Socket, truesize: int) -> bool:
        """Whether one of both limits is exceeded; if not, the pages are charged."""
        charged = socket.charged
        if charged > socket.rcvbuf:
            return True
        pages = self.udp_pages + _pages(charged + truesize) - _pages(charged)
        if pages > self.pages_max:
            return True
        self.udp_pages = pages
        return False


def _pages(size: int) -> int:
    return -(-size // PAGE)
