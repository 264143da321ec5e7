"""A proxy of user space between the kernel's swap socket and the swap server: TLS, or a VPN.

It reads messages at one end, works on them in pages of its own, and writes them at the other. The kernel's socket may be
marked as one that serves the swap; the socket on the wire is the proxy's, and is not.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from netswap.actors.net.loopback import PairEnd
from netswap.actors.net.tcp_connection import ESTABLISHED, Connection
from netswap.actors.programs import daemon
from netswap.actors.programs.system import System
from netswap.actors.programs.talks import NOBODY, Talks
from netswap.actors.programs.task import Program, SystemCall
from netswap.protocol import nbd
from netswap.protocol.tcp import Message
from netswap.protocol.units import seconds

_RECONNECT_NS: Final = seconds(1)

Line = Connection | PairEnd
Next = Callable[[], tuple[int, Message] | None]


@dataclass(slots=True)
class Proxy:
    """`pages` of its own, one of which it touches at random for each message; `work` in ns for each.

    Its progress is messages relayed.
    """

    pages: int = 64
    lock: bool = False
    work: int = 0
    io_flusher: bool = False
    realtime: bool = False
    socket: str = "unix"
    """The pair that it shares with the kernel: "unix", or "tcp" over the loopback."""
    counts_pages: ClassVar[bool] = False
    on_swap_path: ClassVar[bool] = True
    unkillable: ClassVar[bool] = True
    """Whether the OOM killer leaves it alone: nbd-client protects itself, and so its proxy."""

    def talks(self) -> Talks:
        """The program sends to no machine but the swap server, to which the machine would also send without the program."""
        return NOBODY

    def wire(self, system: System) -> None:
        """Listen at its end of the pair before any program runs: the kernel may have something to say at once."""
        assert system.kernel_end is not None, "only a machine that swaps through a proxy has one"
        system.kernel_end.owner = daemon.Ears(system)

    def run(self, system: System) -> Program:
        """Connect, relay until either side is closed, and start over."""
        end = system.kernel_end
        assert end is not None, "only a machine that swaps through a proxy has one"
        while True:
            wire = yield system.connect(end.server, nbd.PORT)
            if wire is not None:
                yield from self._relay(system, end, wire)
                end.close()
            yield system.sleep_until(system.now_ns + _RECONNECT_NS)

    def _relay(self, system: System, end: PairEnd, wire: Connection) -> Program:
        """Relay both ways in turn; where one is blocked the other goes on."""
        draw = system.random("pages").random

        def said() -> tuple[int, Message] | None:
            while end.ready:
                for read in end.read():
                    return read
            return None

        def answered() -> tuple[int, Message] | None:
            delivery = system.streams.next_message()
            return None if delivery is None else (delivery.size, delivery.message)

        up, down = _Way(said, wire), _Way(answered, end)
        while wire.state == end.state == ESTABLISHED:
            moved = False
            for way in (up, down):
                if way.take():
                    moved = True
                    if self.pages:
                        yield system.touch(int(draw() * self.pages))
                    if self.work:
                        yield system.compute(self.work)
                moved = (yield from way.give(system)) or moved
            if not moved:
                yield system.poll(end.server if up.left or down.left else None)


class _Way:
    """One direction: the current message, and its destination."""

    __slots__ = ("_message", "_next", "_to", "left")

    def __init__(self, following: Next, to: Line) -> None:
        self._next = following
        self._to = to
        self._message: Message = ()
        self.left = 0
        """Bytes of the current message that have not been written yet."""

    def take(self) -> bool:
        """Take the next message, if there is one; whether there was."""
        if self.left:
            return False
        found = self._next()
        if found is None:
            return False
        self.left, self._message = found
        return True

    def give(self, system: System) -> Generator[SystemCall, Any, bool]:
        """Write as much of the current message as there is room for; whether there was any."""
        before = self.left
        if not before:
            return False
        self.left = yield from daemon.write(system, self._to, before, self._message)
        if not self.left:
            system.progress.add(1)
        return self.left < before
