"""Page-out and page-in as remote procedure calls: NFS over UDP, reduced to what moves pages.

Sizes and time-outs as in Linux 2.6.22 (fs/nfs/client.c, net/sunrpc/xprt.c): a request that is not answered is sent again
after 1.1 s, then after twice that, three doublings long; after this *major* time-out (8.8 s) the interval starts again
at 1.1 s. A hard mount retries for ever.
"""

from collections.abc import Iterator
from itertools import count
from typing import Final, NamedTuple

from protocol.errors import LocalProtocolError
from protocol.units import milliseconds

PAGE: Final = 4096
HEADER: Final = 128
"""RPC and NFS headers of a call or a reply, bytes (about)."""
CALL_PORT: Final = 800
"""The client's port: a reserved one, as NFS asks for."""
SERVER_PORT: Final = 2049
TIMEOUT_NS: Final = milliseconds(1100)
DOUBLINGS: Final = 3
STAMP_MAX: Final = 0xFFFFFFFF
"""Stamps are kept in four bytes."""


_MESSAGE: Final = (int, int, int)
_named: Final = tuple.__new__
"""Names the fields of a tuple that is complete already (four times as fast as the named tuple's own constructor)."""


class Message(NamedTuple):
    """What a call or a reply says about one page."""

    xid: int
    page: int
    """Page number in the client's swap space."""
    stamp: int
    """Which contents: the stamp that the page carried when it was written."""


def message(value: object) -> Message:
    """The message in a datagram's body; raises `LocalProtocolError` if it is none."""
    whole = type(value) is tuple and tuple(map(type, value)) == _MESSAGE
    if not whole or min(value) < 0 or value[2] > STAMP_MAX:  # type: ignore[call-overload,index]  # a tuple of int by now
        raise LocalProtocolError(f"an RPC message is (xid, page, stamp), not {value!r:.60}")
    return _named(Message, value)  # type: ignore[arg-type]  # it is a tuple by now


def retry_interval(attempt: int, timeout_ns: int = TIMEOUT_NS) -> int:
    """Nanoseconds between transmission `attempt` (from 0) and the next."""
    return timeout_ns << attempt % (DOUBLINGS + 1)


def transmission_times(timeout_ns: int = TIMEOUT_NS) -> Iterator[int]:
    """When a request that is never answered is sent, ns after the first time."""
    at_ns = 0
    for attempt in count():
        yield at_ns
        at_ns += retry_interval(attempt, timeout_ns)
