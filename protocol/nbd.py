"""The network block device: requests and replies in a TCP stream, with their sizes on the wire.

Source: include/linux/nbd.h, and the protocol's description (NetworkBlockDevice/nbd, proto.md). A request is 28 bytes (magic,
type, handle, offset, length), a reply 16 (magic, error, handle); the page follows a request to write, and the reply to one
to read. Replies may come in any order.
"""

from typing import Any, Final, NamedTuple

from netswap.protocol.errors import LocalProtocolError
from netswap.protocol.rpc import PAGE, VERSION_MAX

PORT: Final = 10_809
REQUEST: Final = 28
REPLY: Final = 16
READ: Final = 0
WRITE: Final = 1
ENOSPC: Final = 28
"""The error in a reply: there is no room for the page."""
TAGS: Final = 128
"""Most requests under way: the length of the block layer's queue, in 6.11 the depth of the tags."""

_REQUEST: Final = (int,) * 4
_REPLY: Final = (int,) * 3


class Request(NamedTuple):
    """What is asked about one page."""

    type: int
    """`READ` or `WRITE`."""
    handle: int
    page: int
    """Number of the page in the client's swap space: its offset in pages."""
    version: int
    """Which contents are written. In a request to read 0, or its length if the server keeps a part of each page."""


class Reply(NamedTuple):
    """What is answered."""

    error: int
    handle: int
    version: int
    """Which contents have been read; 0 in the reply to a request to write."""


def request_size(write: bool, unit: int = PAGE) -> int:
    """Bytes of a request in the stream: 28, or 4124 with the page; `unit` bytes of it if it is a part."""
    return REQUEST + unit if write else REQUEST


def reply_size(write: bool, unit: int = PAGE) -> int:
    """Bytes of a reply in the stream: 16, or 4112 with the page; `unit` bytes of it if it is a part."""
    return REPLY if write else REPLY + unit


def request(value: object) -> Request:
    """The request in a message of the stream; raises `LocalProtocolError` if it is none."""
    known = Request(*_checked(value, _REQUEST, "request is (type, handle, page, version)"))
    if known.type > WRITE:
        raise LocalProtocolError(f"an NBD request is of type 0 or 1, not {known.type}")
    return known


def request_of(size: int, value: object) -> tuple[Request, int]:
    """The request in a message of `size` bytes, and the bytes of the page that it is about: the whole page, or a part.

    Raises `LocalProtocolError` if it is none, or its size is another's.
    """
    known = request(value)
    write = known.type == WRITE
    unit = size - REQUEST if write else known.version or PAGE
    if not 0 < unit <= PAGE or size != request_size(write, unit):
        raise LocalProtocolError(f"an NBD request of type {known.type} does not have {size} bytes")
    return known, unit


def reply(value: object) -> Reply:
    """The reply in a message of the stream; raises `LocalProtocolError` if it is none."""
    return Reply(*_checked(value, _REPLY, "reply is (error, handle, version)"))


def _checked(value: object, types: tuple[type, ...], what: str) -> Any:
    if type(value) is not tuple or tuple(map(type, value)) != types or min(value) < 0 or value[-1] > VERSION_MAX:
        raise LocalProtocolError(f"an NBD {what}, not {value!r:.60}")
    return value
