"""Page-out and page-in as remote procedure calls: NFS over UDP, reduced to what moves pages.

Sizes and time-outs as in Linux 2.6.22 (fs/nfs/client.c, net/sunrpc/xprt.c): a request that is not answered is sent again
after 1.1 s, then after twice that, three doublings long; after this *major* time-out (8.8 s) the interval starts again
at 1.1 s. A hard mount retries for ever.
"""

from typing import Final

from netswap.protocol.errors import LocalProtocolError
from netswap.protocol.units import milliseconds

PAGE: Final = 4096
HEADER: Final = 128
"""RPC and NFS headers of a call or a reply, bytes (about)."""
CALL_PORT: Final = 800
"""The client's port: a reserved one, as NFS asks for."""
SERVER_PORT: Final = 2049
TIMEOUT_NS: Final = milliseconds(1100)
DOUBLINGS: Final = 3
VERSION_MAX: Final = 0xFFFFFFFF
"""Versions are kept in four bytes."""


REQUEST_PAGES: Final = 8
"""Most pages that one call writes or reads: 32 KiB (rsize and wsize)."""

_FIRST_VERSION: Final = 2
_MESSAGE_MIN: Final = _FIRST_VERSION + 1
_MESSAGE_MAX: Final = _FIRST_VERSION + REQUEST_PAGES

Message = tuple[int, int, tuple[int, ...]]
"""What a call or a reply says about pages that follow each other: (xid, number of the first page in the client's swap space,
versions). On the wire the versions stand one by one.

A version says which contents a page has: the one that it carried when it was written. In a call to read it is 0, or how many
bytes are asked for of a page of which the server keeps a part.
"""


def message(value: object) -> Message:
    """The message in a datagram's body; raises `LocalProtocolError` if it is none."""
    if type(value) is tuple:
        if len(value) == _MESSAGE_MIN:
            xid, page, version = value
            if type(xid) is type(page) is type(version) is int and xid >= 0 <= page and 0 <= version <= VERSION_MAX:
                return xid, page, (version,)
        elif _MESSAGE_MIN < len(value) <= _MESSAGE_MAX and {*map(type, value)} == {int} and min(value) >= 0:
            versions = value[_FIRST_VERSION:]
            if max(versions) <= VERSION_MAX:
                return value[0], value[1], versions
    raise _no_message(value)


def _no_message(value: object) -> LocalProtocolError:
    return LocalProtocolError(f"an RPC message is (xid, page, version, ...), not {value!r:.60}")


def retry_interval(attempt: int, timeout_ns: int = TIMEOUT_NS) -> int:
    """Nanoseconds between transmission `attempt` (from 0) and the next."""
    return timeout_ns << attempt % (DOUBLINGS + 1)
