"""UDP's limit on all sockets."""

from typing import NamedTuple


class UdpMem(NamedTuple):
    """`udp_mem`: limits on what all UDP sockets of a machine are charged, in pages."""

    low: int
    """Up to it every charge is granted; above it only that of a socket below udp_rmem_min."""
    pressure: int
    """Means nothing to UDP, which has no state of memory pressure."""
    high: int
    """Above it every new charge is refused."""
