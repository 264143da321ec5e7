"""The numbers of the peers' workloads: W1 a flood, W2 page-outs, W3 both. Times in ns, sizes in bytes of an IP packet."""

from typing import Final

BANDWIDTH_BPS: Final = 1_000_000_000
LATENCY_NS: Final = 100_000
FLOOD_FRAMES: Final = 1_000_000
FLOOD_SIZE: Final = 1500
PAGE_OUTS: Final = 200_000
IN_FLIGHT: Final = 32
PAGE_FRAGMENTS: Final = (1500, 1500, 1180)
"""4096 bytes are 1472 + 1472 + 1152, and 28 of headers each."""
ACK_SIZE: Final = 92
SERVICE_NS: Final = 100_000
"""At the server, from the last fragment to the acknowledgement; requests in parallel."""
RECEIVE_LIMIT: Final = 256
"""W3: pages that A lends to received packets."""
RECEIVE_NS: Final = 13_000
"""W3: A's work for each packet, first in first out; then its page is free."""


def wire_ns(size: int) -> int:
    """Serialisation time on a link."""
    return size * 8 * 1_000_000_000 // BANDWIDTH_BPS
