"""TCP segments: sizes, flags, and what stands in a frame's body.

Payload is never made: a stream is offsets, and *records* say where its messages end. They travel with the segment that
holds a message's last byte. Sequence numbers never wrap: the SYN is number 0, the first byte of a stream number 1.
"""

import itertools
from typing import Any, Final

from netswap.protocol.ip import IP_HEADER

TCP_HEADER: Final = 32
"""20 bytes, and 12 for the time stamps option."""
SACK_HEADER: Final = 4
SACK_BLOCK: Final = 8
SACK_BLOCKS: Final = 3
"""Blocks that fit beside the time stamps."""

SYN: Final = 0x02
RST: Final = 0x04
ACK: Final = 0x10
_FLAGS: Final = SYN | RST | ACK

FIRST_BYTE: Final = 1
RECORDS_MAX: Final = 15
"""Most messages that end in one segment."""
_OFFSET_MAX: Final = (1 << 62) - 1
_PORT_MAX: Final = (1 << 16) - 1
_BODY: Final = ((int,) * 6) + (tuple, tuple)

Range = tuple[int, int]
"""Bytes [first, second) of a stream."""
Message = tuple[int, ...]
Record = tuple[int, Message]
"""(where the message ends, the message)."""
Body = tuple[int, int, int, int, int, int, tuple[Range, ...], tuple[Record, ...]]
"""(source port, flags, sequence number, acknowledged, window, payload, selective acknowledgements, records)."""
S_PORT: Final = 0
S_PAYLOAD: Final = 5
"""The places in a `Body` that are looked at alone."""


def mss(mtu: int) -> int:
    """Bytes of payload in a full segment."""
    return mtu - IP_HEADER - TCP_HEADER


def segment_wire(payload: int, framing: int, blocks: int = 0) -> int:
    """Bytes on the wire of a segment that also carries `blocks` SACK blocks."""
    options = SACK_HEADER + blocks * SACK_BLOCK if blocks else 0
    return payload + IP_HEADER + TCP_HEADER + options + framing


def is_body(body: tuple[Any, ...]) -> bool:
    """Whether a frame's body is a segment: known flags, ranges that are some, records in order and within the payload."""
    if tuple(map(type, body)) != _BODY:
        return False
    port, flags, seq, ack, window, payload, blocks, records = body
    if not 0 <= (port | flags | seq | ack | window | payload) <= _OFFSET_MAX or port > _PORT_MAX or flags & ~_FLAGS:
        return False
    if blocks and not (len(blocks) <= SACK_BLOCKS and all(map(_is_range, blocks))):
        return False
    if not records:
        return True
    ends = [seq, *(record[0] for record in records if _is_record(record))]
    ordered = all(one < other for one, other in itertools.pairwise(ends))
    return len(ends) == len(records) + 1 <= RECORDS_MAX + 1 and ordered and bool(ends[-1] <= seq + payload)


def is_plain(body: Body) -> bool:
    """Whether a segment that our own TCP has made has nothing in it that a program has said: numbers of an open connection."""
    _, flags, _, _, _, _, blocks, records = body
    return flags == ACK and not blocks and not records


def _is_range(value: object) -> bool:
    return type(value) is tuple and tuple(map(type, value)) == (int, int) and 0 <= value[0] < value[1] <= _OFFSET_MAX


def _is_record(value: object) -> bool:
    return type(value) is tuple and tuple(map(type, value)) == (int, tuple) and {*map(type, value[1])} <= {int}
