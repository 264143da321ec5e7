"""The closed forms that predictions are computed from: arithmetic on the kernel's published numbers, never on a run.

Pages of 4096 bytes, times in seconds, rates in frames per second.
"""

from collections.abc import Sequence
from math import ceil, exp, factorial, isqrt, log2, sqrt
from typing import Final

PAGE: Final = 4096
"""Bytes on the wire of a 1500-byte packet."""

FRAME_REAL_2007: Final = 2048 + 256
"""Bytes of memory that a full frame takes: an object of kmalloc-2048, and a head of 256."""
FRAME_CHARGED_2007: Final = 1600 + 232
"""What a socket is charged for it: the shared info and the rounding are not counted."""
RMEM_2007: Final = 256 * (232 + 256)
FRAMES_PER_PAGE_2007: Final = 1 / (1 / 2 + 1 / 16)
"""Two data objects or sixteen heads fill a page: 16/9."""
RING_E1000: Final = 256

NFS_TIMEOUT_S: Final = 1.1
NFS_CAP_S: Final = 8.8
TCP_RTO_MIN_S: Final = 0.2
TCP_RTO_MAX_S: Final = 120.0
TCP_RETRIES: Final = 15
SYN_RTO_S: Final = {"linux-2.6.22": 3, "linux-6.1": 1, "linux-6.11": 1}
SYN_RETRIES: Final = {"linux-2.6.22": 5, "linux-6.1": 6, "linux-6.11": 6}
TCP_RMEM: Final = {"linux-2.6.22": 87_380, "linux-6.1": 131_072, "linux-6.11": 131_072}
"""Receive buffer of a TCP socket, as it begins."""
FRAGMENT_TIMEOUT_S: Final = 30.0
FRAGMENT_HIGH_2007: Final = 256 * 1024
FRAGMENT_LOW_2007: Final = 192 * 1024
FRAGMENT_HIGH_6_11: Final = 4 * 1024 * 1024
"""Reassembly limits, bytes of truesize."""


def pages(mib: int) -> int:
    """Pages of `mib` MiB."""
    return mib * 256


MIN_FREE_KIB_MAX_6: Final = 262_144
"""Since 5.8 (init_per_zone_wmark_min in mm/page_alloc.c)."""


def min_free_kib(memory_pages: int, most: int) -> int:
    """min_free_kbytes: isqrt(16 KiB), clamped."""
    return max(128, min(isqrt(16 * memory_pages * 4), most))


def watermarks_2_6_22(minimum: int) -> tuple[int, int, int]:
    """(min, low, high), by the kernel's integers."""
    return minimum, minimum + minimum // 4, minimum + minimum // 2


def watermarks_6_11(minimum: int, zone_pages: int) -> tuple[int, int, int]:
    """(min, low, high) with watermark_scale_factor 10."""
    step = max(minimum // 4, zone_pages * 10 // 10_000)
    return minimum, minimum + step, minimum + 2 * step


def atomic_floor(minimum: int) -> int:
    """GFP_ATOMIC: half of min, less a quarter of what is left, by the kernel's integers."""
    high = minimum - minimum // 2
    return high - high // 4


def passes_mark(era: str, blocks: Sequence[int], order: int, floor: int) -> bool:
    """Whether 2^order pages may be taken from free blocks of each order: zone_watermark_ok, read from its source.

    2007: what lower orders hold does not count, and half of the floor has to be left at each. 6.11: one block will do.
    """
    free = sum(count << lower for lower, count in enumerate(blocks)) - 2**order + 1
    if era != "linux-2.6.22":
        return free > floor and any(blocks[order:])
    left = [free - sum(count << lower for lower, count in enumerate(blocks[:at])) for at in range(order + 1)]
    return all(pages > floor >> at for at, pages in enumerate(left))


def jumbo_2007(mtu: int) -> tuple[int, int]:
    """(pages in a row, truesize) of an e1000 buffer: a power of two for the frame, 18 bytes, 312 more, and again one."""
    aligned = ceil((_power_of_two(mtu + 18) + 18) / 64) * 64
    return _power_of_two(aligned + 312) // PAGE, aligned + 232


def _power_of_two(size: int) -> int:
    return 1 << ceil(log2(size))


def lost_to_full(load: float, buffers: int) -> float:
    """Share of frames that find all buffers in use, if they come at random and are processed one by one in equal times.

    M/D/1/K: with p0 the share of departures that leave nothing behind, 1 - 1 / (p0 + load). `load`: frames that come in the
    time of one; `buffers` counts the one being processed.
    """
    come = [exp(-load) * load**count / factorial(count) for count in range(buffers)]
    left = [1.0]
    for count in range(buffers - 1):
        known = sum(left[before] * come[count - before + 1] for before in range(1, count + 1))
        left.append((left[count] - left[0] * come[count] - known) / come[0])
    return 1 - 1 / (1 / sum(left) + load)


def nfs_fragments(pages_in_call: int) -> int:
    """IP packets of a call with `pages_in_call` pages: 1480 bytes each, the RPC header 128 and UDP's 8 (1: 3, 8: 23)."""
    return ceil((PAGE * pages_in_call + 128 + 8) / 1480)


def transmit_pages_nfs(pages_in_call: int = 1) -> float:
    """Memory of a call that is being sent: a head (16 to a page) and headers (8) for each packet, and its request (8)."""
    return nfs_fragments(pages_in_call) * (1 / 16 + 1 / 8) + 1 / 8


def socket_frames_2007() -> int:
    """Full frames that a UDP socket of the default size accepts: each must leave it below its limit."""
    return RMEM_2007 // FRAME_CHARGED_2007


def frames_until_floor(free: int, floor: int) -> float:
    """Full frames that fit into the pages between what is free and the floor."""
    return FRAMES_PER_PAGE_2007 * (free - floor)


def capacity_frames(free: int, floor: int, requests: int, ring: int, clean: int = 0) -> float:
    """q*: what the sockets must be able to take before nothing is received any more (requests: 8 to a page)."""
    return frames_until_floor(free + clean - ceil(requests / 8), floor) + ring


def longest_wait_s(outage_s: float, first_s: float, cap_s: float) -> float:
    """How long after the heal the next transmission comes at the latest."""
    return min(outage_s + first_s, cap_s)


def nfs_times_s(count: int) -> list[float]:
    """When one unanswered request is sent: doubled three times, then anew from the first interval."""
    times = [0.0]
    for attempt in range(count - 1):
        times.append(round(times[-1] + NFS_TIMEOUT_S * 2 ** (attempt % 4), 3))
    return times


def tcp_rto_s(smoothed_s: float, variation_s: float) -> float:
    """The retransmission time-out of a round trip that has been measured: the minimum is the variation's (facts 13.2)."""
    return smoothed_s + max(4 * variation_s, TCP_RTO_MIN_S)


def tcp_times_s(rto_s: float, retries: int = TCP_RETRIES) -> list[float]:
    """When a segment is sent again, from the first transmission on, and at the end when the connection is given up."""
    times = [0.0]
    for attempt in range(retries + 1):
        times.append(times[-1] + min(rto_s * 2**attempt, TCP_RTO_MAX_S))
    return times[1:]


def syn_times_s(era: str) -> list[int]:
    """When an unanswered SYN is sent again, and at the end when the call has failed: doubled each time."""
    first_s = SYN_RTO_S[era]
    return [first_s * (2**attempt - 1) for attempt in range(1, SYN_RETRIES[era] + 2)]


def tcp_mem(era: str, memory_pages: int) -> tuple[int, int, int]:
    """tcp_mem (low, pressure, high) in pages, from the source of tcp_init (net/ipv4/tcp.c), for all pages of the machine.

    2.6.22: the MiB, at most 256 of them, times the MiB, halved; at least 128. Later: a sixteenth of the pages above the high
    watermark (nr_free_buffer_pages).
    """
    mib = memory_pages // 256
    if era == "linux-2.6.22":
        pressure = max(128, min(mib, 256) * mib // 2)
    else:
        _, _, high = watermarks_6_11(min_free_kib(memory_pages, MIN_FREE_KIB_MAX_6) // 4, memory_pages)
        pressure = (memory_pages - high) // 16
    low = pressure // 4 * 3
    return low, pressure, 2 * low


def boost_pages(memory_pages: int, high: int) -> int:
    """How far 5.0 and later raise the marks at most: 150 % of high, a pageblock at least (facts 13.6)."""
    return max(512, high * 3 // 2) if memory_pages >= 4 * 512 else 0


def kth_of_uniform(k: int, n: int) -> tuple[float, float]:
    """Mean and standard deviation of the k-th smallest of n independent values, uniform from 0 to 1."""
    return k / (n + 1), sqrt(k * (n - k + 1) / ((n + 1) ** 2 * (n + 2)))


def delayed_share(stall: float, ranks: int) -> float:
    """The share of steps that are delayed, if each of `ranks` ranks stalls with probability `stall`, independently."""
    return 1 - (1 - stall) ** ranks


def binomial_deviation(share: float, trials: int) -> float:
    """Standard deviation of the share that is seen in this many independent trials."""
    return sqrt(share * (1 - share) / trials)


def held_fragments_2007() -> int:
    """Buffers of full frames that overflow the fragment cache: more than the limit, one to notice it."""
    return FRAGMENT_HIGH_2007 // FRAME_CHARGED_2007 + 2


def wire_s(bytes_on_wire: int, rate_bps: int = 1_000_000_000) -> float:
    """How long a card takes for them."""
    return bytes_on_wire * 8 / rate_bps
