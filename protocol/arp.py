"""ARP: which link address a machine has. Sizes, and the times after which a neighbour is asked again.

Source: net/ipv4/arp.c (arp_tbl) and include/net/neighbour.h; the same in Linux 2.6.22 and 6.11.
"""

from typing import Final

from netswap.protocol.errors import LocalProtocolError
from netswap.protocol.units import seconds

REQUEST: Final = 1
REPLY: Final = 2
PACKET: Final = 28
"""Bytes of a request or a reply for IPv4 over Ethernet."""
LEAST: Final = 46
"""Bytes to which Ethernet fills up a shorter payload."""
REACHABLE_NS: Final = seconds(30)
"""An answer is good for this long: a random time from half of it to one and a half, drawn anew every `DRAWN_NS`."""
DRAWN_NS: Final = seconds(300)
DELAY_NS: Final = seconds(5)
"""A neighbour that may have moved is used for this long before it is asked."""
RETRANSMIT_NS: Final = seconds(1)
PROBES: Final = 3
"""Questions before a neighbour is given up: to its address if that is known, else to all."""
STALE_NS: Final = seconds(60)
"""An entry that no packet has used for this long is forgotten."""


def wire(payload: int, framing: int) -> int:
    """Bytes on the wire of a frame that is no IPv4; `framing`: what the link layer adds to each, 0 without one."""
    return max(payload, LEAST) + framing if framing else payload


def operation(message: object) -> int:
    """`REQUEST` or `REPLY`; raises `LocalProtocolError` if the message is neither."""
    if type(message) is tuple and len(message) == 1 and type(message[0]) is int and message[0] in (REQUEST, REPLY):
        return message[0]
    raise LocalProtocolError(f"an ARP message is ({REQUEST},) or ({REPLY},), not {message!r:.60}")
