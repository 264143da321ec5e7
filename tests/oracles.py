"""What tests expect, computed from published numbers and formulas by code of its own: the product has no part in it.

Files of Linux 2.6.22.19 and 6.11 are named where the numbers stand.
"""

from collections.abc import Iterator
from itertools import cycle
from typing import Final

PAGE: Final = 4096
FULL_REAL_2007: Final = 2048 + 256
"""Memory of a full frame, in bytes: kmalloc-2048 for its 1856 bytes, and a head of 256 (mm/slab.c)."""
FULL_TRUESIZE_2007: Final = 1600 + 232
"""What a socket is charged for it (net/core/skbuff.c, alloc_skb)."""
SHORT_REAL_2007: Final = 1024 + 256
"""The same of a frame that has been copied, because it is shorter than 256 bytes (drivers/net/e1000, copybreak)."""
SHORT_TRUESIZE_2007: Final = 256 + 232
FRAGMENT_CACHE_2007: Final = 256 * 1024
"""sysctl_ipfrag_high_thresh, bytes of truesize (net/ipv4/ip_fragment.c)."""


def retransmissions(first_ns: int, most_ns: int, retries: int) -> list[int]:
    """When a segment that is never acknowledged is sent again, ns after its first transmission; last, when it is given up.

    The time-out doubles up to a limit: `icsk_rto = min(icsk_rto << 1, TCP_RTO_MAX)` (net/ipv4/tcp_timer.c).
    """
    waits = [min(first_ns << attempt, most_ns) for attempt in range(retries + 1)]
    return [sum(waits[: count + 1]) for count in range(len(waits))]


def transmission_times(timeout_ns: int = 1_100_000_000) -> Iterator[int]:
    """When a request over UDP that is never answered is sent, ns after the first time; 1.1 s is the time-out of a mount.

    Each time-out is twice the one before, until three times doubled; then all begins anew (net/sunrpc/clnt.c, call_timeout;
    net/sunrpc/timer.c), on a hard mount for ever.
    """
    at_ns = 0
    for wait in cycle((1, 2, 4, 8)):
        yield at_ns
        at_ns += wait * timeout_ns


def receive_limit_2007(reply_frames: int) -> int:
    """Bytes of receive buffers that a reserve has to provide for: a full fragment cache, and the frames of one reply.

    The cache is tested before a fragment is added, so it holds one more than fit, and the next is in hand; short
    fragments take more memory for their truesize than full ones.
    """
    cached = max(
        (FRAGMENT_CACHE_2007 // truesize + 2) * real
        for truesize, real in ((FULL_TRUESIZE_2007, FULL_REAL_2007), (SHORT_TRUESIZE_2007, SHORT_REAL_2007))
    )
    return cached + reply_frames * FULL_REAL_2007
