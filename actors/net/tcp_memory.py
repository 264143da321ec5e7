"""TCP's memory accounting: what each socket is charged, in whole pages, and the limit on all of them together.

Source: net/core/stream.c of 2.6.22 (sk_stream_mem_schedule), net/core/sock.c of 6.11 (__sk_mem_raise_allocated). A socket
takes whole pages ahead of what it needs (*forward alloc*), for what waits to be read and what waits to be acknowledged
alike. One step is folded: pages that are no longer needed go back at once; 2.6.22 waits for the socket's next timer.
"""

from typing import Final

from netswap.actors.kernels.kernel import Kernel
from netswap.actors.kernels.tcp import TcpMem
from netswap.actors.net.shared_count import SharedCount

QUANTUM: Final = 4096
_SHIFT: Final = 12
_LEAST_SNDBUF: Final = 2048
"""SOCK_MIN_SNDBUF."""


class TcpMemory:
    """`tcp_mem` of one machine: pages charged to all its sockets, and the limits on them."""

    __slots__ = (
        "exempts_marked",
        "exempts_reserve",
        "limits",
        "pressure",
        "rcvbuf_max",
        "refused",
        "rules",
        "sndbuf_max",
        "sockets",
        "_count",
    )

    def __init__(self, kernel: Kernel, limits: TcpMem | None, memory_pages: int, *, exempts: bool) -> None:
        """`limits`: None for the kernel's own; `exempts`: whether the switch tcp-exemption is on.

        The kernel's rule says whether that is for sockets or for segments.
        """
        rules = kernel.tcp
        self.rules = rules
        self.limits = limits or kernel.tcp_mem(memory_pages)
        self.rcvbuf_max, self.sndbuf_max = kernel.tcp_buffers_max(memory_pages)
        self.exempts_marked = exempts and rules.exempts_marked
        """Whether sockets that serve the swap are never refused."""
        self.exempts_reserve = exempts and not rules.exempts_marked
        """Whether segments that came from the reserve are never refused."""
        self._count = SharedCount(kernel.count_batch)
        self.sockets = 0
        self.pressure = False
        self.refused = 0
        """Charges refused so far."""

    @property
    def total(self) -> int:
        """Pages that all sockets are charged."""
        return self._count.pages

    def add(self, pages: int) -> int:
        """Charge pages, or with a negative number give some back; how many the limits see then."""
        return self._count.add(pages)

    def lend(self, pages: int) -> bool:
        """Charge pages below the low limit and give them back at once; False, and nothing is done, where that is not simple."""
        if not 0 <= self._count.lend(pages) < self.limits.low:
            return False
        self.pressure = False
        return True

    def roomy(self) -> bool:
        """Whether one socket may be given more than its share."""
        return not self.pressure and self._count.seen() < self.limits.low

    def admits(self, total: int) -> bool | None:
        """Whether the limits let the total, as they see it, grow to this; None if that depends on the socket."""
        low, pressure, high = self.limits
        if total < low or (total == low and self.rules.low_inclusive):
            self.pressure = False
            return True
        if total > pressure:
            self.pressure = True
        return False if total > high else None


class Account:
    """The charge of one socket. Sizes in bytes of truesize."""

    __slots__ = ("_memory", "marked", "pages", "rcvbuf", "rmem", "sndbuf", "wmem")

    def __init__(self, memory: TcpMemory, rcvbuf: int | None, *, marked: bool) -> None:
        self._memory = memory
        self.rmem = 0
        """Bytes received and not read yet."""
        self.wmem = 0
        """Bytes written and not acknowledged yet."""
        self.pages = 0
        self.rcvbuf = memory.rules.rmem[1] if rcvbuf is None else rcvbuf
        self.sndbuf = memory.rules.wmem[1]
        self.marked = marked
        """Whether this socket serves the swap."""
        memory.sockets += 1

    def receive(self, size: int, *, forced: bool = False) -> bool:
        """Charge a segment that has arrived, `forced` whatever the limits say; False if it is refused."""
        memory = self._memory
        needed = ((self.rmem + self.wmem + size + QUANTUM - 1) >> _SHIFT) - self.pages
        if needed > 0:
            if forced:
                self._grow(needed)
            elif not self._admitted(needed, memory.rules.rmem[0], self.rmem):
                memory.refused += 1
                return False
        self.rmem += size
        return True

    def lend(self, size: int) -> bool:
        """Charge a segment and uncharge it at once, with nothing else waiting to be read.

        Only where the limits refuse nothing, and are as they were afterwards; else False, and nothing is done.
        """
        charged = (self.wmem + QUANTUM - 1) >> _SHIFT
        if self.rmem or charged != self.pages:
            return False
        needed = ((self.wmem + size + QUANTUM - 1) >> _SHIFT) - charged
        return needed <= 0 or self._memory.lend(needed)

    def read(self, size: int) -> None:
        """Uncharge `size` bytes of what has been received: they have been read, or dropped."""
        self.rmem -= size
        self._shrink()

    def send(self, size: int) -> bool:
        """Charge a segment to be sent; False if it is refused.

        At the limit the send buffer shrinks to half of what is queued; a socket that has more than that queued is let
        through, since the buffer itself will stop it.
        """
        memory = self._memory
        needed = ((self.rmem + self.wmem + size + QUANTUM - 1) >> _SHIFT) - self.pages
        if needed > 0 and not self._admitted(needed, memory.rules.wmem[0], self.wmem):
            self.sndbuf = max(_LEAST_SNDBUF, min(self.sndbuf, self.wmem // 2))
            if self.wmem + size < self.sndbuf and (self.wmem or not memory.rules.forced_on_empty):
                memory.refused += 1
                return False
            self._grow(needed)
        self.wmem += size
        return True

    def sent(self, size: int) -> None:
        """Uncharge `size` bytes of what was to be sent: they have been acknowledged, or could not be queued."""
        self.wmem -= size
        self._shrink()

    def has_send_room(self) -> bool:
        """Whether a writer may queue more."""
        return self.wmem < self.sndbuf

    def clamp(self) -> None:
        """Make the receive buffer as large as what has come beyond it, where memory is plentiful (tcp_clamp_window)."""
        memory = self._memory
        if self.rcvbuf < memory.rcvbuf_max and memory.roomy():
            self.rcvbuf = max(self.rcvbuf, min(self.rmem, memory.rcvbuf_max))

    def grow_sndbuf(self, wanted: int) -> None:
        """Let the send buffer hold `wanted` bytes, twice the congestion window, where memory allows."""
        memory = self._memory
        if wanted > self.sndbuf and memory.roomy():
            self.sndbuf = min(wanted, memory.sndbuf_max)

    def close(self) -> None:
        """Uncharge all that the socket held, and the socket itself."""
        self._memory.add(-self.pages)
        self._memory.sockets -= 1
        self.pages = self.rmem = self.wmem = 0

    def _admitted(self, needed: int, guaranteed: int, queued: int) -> bool:
        """Let the charge grow, if the tests allow it: limits, exemption, guaranteed minimum, fair share, in this order."""
        memory = self._memory
        verdict = memory.admits(memory.add(needed))
        if verdict is None:
            verdict = queued < guaranteed or not memory.pressure or self._is_modest(needed)
        if verdict or (self.marked and memory.exempts_marked):
            self.pages += needed
            return True
        memory.add(-needed)
        return False

    def _is_modest(self, needed: int) -> bool:
        """Whether the limit would still hold if every socket had as much."""
        return (self.pages + needed) * self._memory.sockets < self._memory.limits.high

    def _grow(self, pages: int) -> None:
        self.pages += pages
        self._memory.add(pages)

    def _shrink(self) -> None:
        spare = self.pages - ((self.rmem + self.wmem + QUANTUM - 1) >> _SHIFT)
        if spare > 0:
            self.pages -= spare
            self._memory.add(-spare)
