"""The rule books: what one kernel does, as data.

Nothing in a machine asks for a year; it asks its kernel. Every number names the source file it was read from.
"""

from dataclasses import dataclass
from math import isqrt
from typing import Final

from protocol.units import milliseconds, seconds


@dataclass(frozen=True, slots=True)
class Kernel:
    """The numbers and the few rules in which kernels differ. Sizes in bytes unless the name says pages."""

    name: str
    min_free_kib_max: int
    """Upper clamp of min_free_kbytes (mm/page_alloc.c)."""
    swap_cluster_max: int
    """Pages a reclaimer wants to free or start in one go (include/linux/swap.h)."""
    reclaim_wait_ns: int
    """congestion_wait in reclaim (mm/vmscan.c)."""
    def_priority: int
    """First scan priority; a pass looks at LRU >> priority pages (include/linux/mmzone.h)."""
    dirty_ratio_floor: int
    """Least effective dirty ratio, percent; in force when all memory is mapped (mm/page-writeback.c)."""
    skb_head: int
    """An sk_buff's slab object (include/linux/skbuff.h)."""
    skb_head_charge: int
    """sizeof(struct sk_buff), which truesize counts."""
    rx_data: int
    """The slab object of a card's receive buffer (drivers/net/e1000: 1912 bytes come from kmalloc-2048)."""
    rx_truesize: int
    """What a socket is charged for a received frame: the aligned buffer and the head, not the shared info."""
    rx_refill_batch: int
    """Descriptors are refilled so many at a time (E1000_RX_BUFFER_WRITE)."""
    copybreak: int
    """Frames shorter than this are copied into a small buffer (drivers/net/e1000, tg3)."""
    copy_data: int
    """The slab object of such a copy: up to 255 bytes, 18 of padding and 312 of shared info do not fit into 512."""
    copy_truesize: int
    tx_header: int
    """The slab object of a transmitted segment's headers; its data is sent from the page itself."""
    rpc_request: int
    """The slab object of an RPC request under way: 8 to a page."""
    rpc_slots_max: int
    """The largest slot table, for which the reserve is sized (net/sunrpc/xprt.c)."""
    route_entry: int
    """The slab object of a route cache entry: 12 to a page."""
    route_entries: int
    """Entries the IPv4 route cache may hold (net/ipv4/route.c: 16 for each hash bucket, 1024 buckets)."""
    route_gc_ns: int
    """Under pressure, entries unused for this long are collected (net/ipv4/route.c, ip_rt_gc_min_interval)."""
    fragment_high: int
    fragment_low: int
    """Reassembly limits in truesize (net/ipv4/ip_fragment.c)."""
    fragment_timeout_ns: int
    rmem_default: int
    """A socket's receive buffer: 256 * (sk_buff + 256) (net/core/sock.c)."""
    watchdog_ns: int
    """The e1000 watchdog forces a receive interrupt this often (drivers/net/e1000/e1000_main.c)."""
    kmalloc_orders: tuple[int, ...]
    """Page order of each kmalloc cache with objects below a page: ten caches of one page, one of two."""

    def min_free_kib(self, memory_pages: int) -> int:
        """min_free_kbytes of a machine of one zone (mm/page_alloc.c, init_per_zone_pages_min)."""
        return max(128, min(isqrt(16 * memory_pages * 4), self.min_free_kib_max))


LINUX_2_6_22: Final = Kernel(
    name="linux-2.6.22",
    min_free_kib_max=65_536,
    swap_cluster_max=32,
    reclaim_wait_ns=milliseconds(100),
    def_priority=12,
    dirty_ratio_floor=5,
    skb_head=256,
    skb_head_charge=232,
    rx_data=2048,
    rx_truesize=1600 + 232,
    rx_refill_batch=16,
    copybreak=256,
    copy_data=1024,
    copy_truesize=256 + 232,
    tx_header=512,
    rpc_request=512,
    rpc_slots_max=128,
    route_entry=320,
    route_entries=16_384,
    route_gc_ns=milliseconds(500),
    fragment_high=256 * 1024,
    fragment_low=192 * 1024,
    fragment_timeout_ns=seconds(30),
    rmem_default=256 * (232 + 256),
    watchdog_ns=seconds(2),
    kmalloc_orders=(0,) * 10 + (1,),
)

KERNELS: Final = {LINUX_2_6_22.name: LINUX_2_6_22}
