"""What daemons on the path of the swap have in common: they write in their own name, and wait for memory where it takes them."""

from collections.abc import Generator
from typing import Any, Final

from netswap.actors.net.loopback import PairEnd
from netswap.actors.net.tcp_connection import ESTABLISHED, Connection
from netswap.actors.programs.system import System
from netswap.actors.programs.task import SystemCall
from netswap.protocol.tcp import Message

_PAGES_MAX: Final = 3
"""New pages that a segment takes at most: its payload, its head, its headers."""


def write(system: System, line: Connection | PairEnd, left: int, message: Message) -> Generator[SystemCall, Any, int]:
    """Write as much of a message as there is room for, and reclaim where memory is missing; the number of bytes left.

    A daemon with PF_MEMALLOC does not reclaim: without any memory at all it is told when to try again.
    """
    pages = 1
    while left and line.state == ESTABLISHED and line.has_send_room():
        wrote = _write(system, line, left, message)
        left -= wrote
        if wrote:
            pages = 1
        elif system.exempt or pages > _PAGES_MAX:
            break
        else:
            yield system.allocate(pages, "for what it sends")
            pages += 1
    return left


def _write(system: System, line: Connection | PairEnd, left: int, message: Message) -> int:
    return system.streams.write(line, left, message)


class Ears:
    """Owns a daemon's end of a pair to its own kernel: anything new there wakes the daemon."""

    def __init__(self, system: System) -> None:
        self._streams = system.streams

    def readable(self, connection: PairEnd) -> None:
        """The kernel has written a message."""
        self._streams.wake()

    def writable(self, connection: PairEnd) -> None:
        """The kernel has read."""
        self._streams.wake()

    def closed(self, connection: PairEnd, why: str) -> None:
        """The kernel has closed it: what was asked is forgotten."""
        self._streams.wake()
