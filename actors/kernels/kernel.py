"""The differences of kernels: numbers, each with the source file it was read from, and a few rules."""

from dataclasses import dataclass
from math import isqrt
from typing import Final

from netswap.actors.kernels.oom import OomRules
from netswap.actors.kernels.tcp import MIB, PAGE, TcpMem, TcpRules
from netswap.actors.kernels.udp import UdpMem

PAGEBLOCK: Final = 512
"""Pages of a pageblock (x86-64)."""


def _slab_keeps(size: int) -> int:
    """Pages of free objects of this size that a cache keeps (free_limit in mm/slab.c)."""
    limit = 8 if size > PAGE else 24 if size > 1024 else 54 if size > 256 else 120
    per_slab = max(1, PAGE // size)
    return (2 * ((limit + 1) // 2) + per_slab) // per_slab * max(1, size // PAGE)


def _list_keeps(zone_pages: int) -> int:
    """Pages on the list of single pages that a CPU has for a zone (zone_batchsize in mm/page_alloc.c)."""
    share = max(1, min(zone_pages // 1024, 128) // 4)
    return 6 * ((1 << ((share + share // 2).bit_length() - 1)) - 1)


@dataclass(frozen=True, slots=True)
class Kernel:
    """The numbers and the few rules in which kernels differ. Sizes in bytes unless the name says pages."""

    name: str
    doc: str
    """One line to choose a kernel by."""
    min_free_kib_max: int
    """Upper clamp of min_free_kbytes (mm/page_alloc.c)."""
    has_thp: bool
    """There are transparent huge pages (2.6.38 and later, mm/huge_memory.c)."""
    watermark_scale: int
    """Least distance between the marks, in 10,000ths of the zone: watermark_scale_factor; 0 where there is none."""
    oom_victim_half: bool
    """An OOM victim may take half of min (ALLOC_OOM); before, all of it, as with PF_MEMALLOC (mm/page_alloc.c)."""
    oom: OomRules
    """The OOM killer's own numbers and rules."""
    realtime_half: bool
    """A real-time task may take half of min; before, a quarter (rt_task in __alloc_pages)."""
    memalloc_in_softirq: bool
    """PF_MEMALLOC counts in softirq too, where it is set only for flagged packets (mm/page_alloc.c, net/core/dev.c)."""
    halves_floor: bool
    """A request for 2^n pages does without those of each lower order, and half as many have to be left at each; in 6.11 one
    free block that is large enough will do (zone_watermark_ok in mm/page_alloc.c)."""
    sets_blocks_aside: bool
    """Blocks that atomic requests have taken are set aside for such requests (mm/page_alloc.c, MIGRATE_HIGHATOMIC)."""
    highatomic_small: bool
    """A zone of which a hundredth is less than a pageblock sets blocks aside too: up to 6.8 (9cd20f3fe045)."""
    watermark_boost: int
    """How far the watermarks are boosted at most, in 10,000ths of high: watermark_boost_factor; 0 where there is none."""
    memalloc_sockets: bool
    """Reception for the swap may use what lies below the watermarks, and nothing is set aside for it (net/core/sock.c,
    net/core/skbuff.c); before, with Zijlstra's series, a pool is added under every watermark and its use is charged."""
    swap_cluster_max: int
    """Pages a reclaimer wants to free or start in one go (include/linux/swap.h)."""
    scan_least: int
    """Pages that a pass looks at at least: the shares of a small list add up until they are a cluster (nr_scan_inactive in
    shrink_zone). In 6.x a share is a share, and of a small list at a high priority none (get_scan_count in mm/vmscan.c)."""
    reclaim_wait_ns: int
    """congestion_wait in reclaim (mm/vmscan.c)."""
    kswapd_gives_up: int
    """Runs of kswapd in a row without progress after which it sleeps until a direct reclaimer has freed something
    (MAX_RECLAIM_RETRIES, balance_pgdat and wakeup_kswapd in mm/vmscan.c of 4.12 and later); 0: it never does."""
    kswapd_by_node: bool
    """kswapd looks at the marks only after it has reclaimed the high marks of all zones, or has looked at its share of the
    lists, and rests once any zone is above its own; before 4.8 after each few pages, until all zones are (balance_pgdat)."""
    sleeps_for_slot: bool
    """A task without a free request slot sleeps until there is one, uninterruptibly (block/blk-mq-tag.c, mm/mempool.c)."""
    def_priority: int
    """First scan priority; a pass looks at LRU >> priority pages (include/linux/mmzone.h)."""
    naps_each_pass: bool
    """A reclaimer naps after each pass from the fourth on; else once an attempt, if anything is under writeback."""
    retry_wait_ns: int
    """Rest of a reclaimer after a whole attempt without a nap: congestion_wait(HZ/50) (mm/page_alloc.c); in 6.11 a jiffy."""
    swappiness: int
    """How willingly mapped memory is swapped out, in percent (mm/vmscan.c, vm_swappiness)."""
    spares_mapped: bool
    """Mapped pages stay until swap_tendency is reached; else while there is a share of the cache to look at."""
    dirty_ratio: int
    """Percent of dirtyable memory that may be dirty or under writeback (mm/page-writeback.c)."""
    dirty_background_ratio: int
    """From this share on, percent, the flusher writes."""
    dirty_ratio_floor: int
    """Least effective dirty ratio, percent; in force when all memory is mapped (mm/page-writeback.c)."""
    dirty_limits_adapt: bool
    """All memory is dirtyable, and the ratio at most half of what is not mapped; else file pages and free ones only."""
    writers_write: bool
    """A writer above the dirty limit writes pages of its own device, and goes on when it has written enough; since 3.2 it only
    sleeps, and goes on if that device has hardly anything dirty (balance_dirty_pages in mm/page-writeback.c)."""
    flush_interval_ns: int
    """How often the flusher looks for pages that have been dirty for too long."""
    dirty_expire_ns: int
    """The age at which the flusher writes a dirty page (mm/page-writeback.c, dirty_expire_interval)."""
    throttles_writeout: bool
    """throttle_vm_writeout: reclaimers nap while more than 1.1 x the dirty threshold is under writeback."""
    file_readahead: int
    """Pages read around a file page that is missing: 128 KiB (VM_MAX_READAHEAD, include/linux/mm.h)."""
    block_queue: int
    """Requests that a block device takes before its queue is congested (include/linux/blkdev.h)."""
    skb_head: int
    """An sk_buff's slab object (include/linux/skbuff.h)."""
    skb_head_charge: int
    """sizeof(struct sk_buff), which truesize counts."""
    rx_data: int
    """The slab object of a card's receive buffer (drivers/net/e1000: 1912 bytes come from kmalloc-2048)."""
    rx_truesize: int
    """The charge to a socket for a received frame: the aligned buffer and the head, not the shared info."""
    rx_pages: int
    """Whole pages, beside that object, in each of the card's receive buffers."""
    rx_frag_order: int
    """Order of the blocks that the card's receive buffers are cut from (PAGE_FRAG_CACHE_MAX_ORDER, mm/page_alloc.c); 0: they are
    objects of kmalloc."""
    rx_standard: tuple[int, int] | None
    """Object and truesize of frames up to 1500 bytes where the card keeps a second ring, of buffers as above, for larger ones."""
    page_frag_order: int
    """Blocks from which page fragments are cut, where there are any: SKB_FRAG_PAGE_ORDER, 32 KiB (net/core/sock.c); 0: pages."""
    page_frag_harder: bool
    """A block for page fragments is asked for with all the rights of GFP_ATOMIC (skb_page_frag_refill); from 6.9 on with
    __GFP_NOMEMALLOC, as page_frag_alloc has always done."""
    rx_refill_batch: int
    """Empty descriptors that are refilled together (E1000_RX_BUFFER_WRITE); in 6.11 all, at the end of each poll."""
    copy_data: int
    """The slab object of a short frame's copy, where the frame with padding and shared info does not fit into a smaller one."""
    copy_truesize: int
    """The charge to a socket for such a copy, of those that take most for it."""
    short_data: int
    """The slab object of the shortest frames' copies, where there is one of its own."""
    copies: tuple[tuple[int, int, int], ...]
    """What copies of short frames take: (bytes of the frame at most, with its link header, object, truesize), ascending
    (__alloc_skb in net/core/skbuff.c). 2.6.22: NET_SKB_PAD and NET_IP_ALIGN before the frame, a multiple of 64, and 312 bytes
    of shared info. 6.x: a quarter of a page whatever they need (page_frag_alloc_1k in napi_alloc_skb)."""
    small_head: int
    """The object of short heads that do not come from napi_alloc_skb (skb_small_head_cache, 6.3 and later); 0: kmalloc's."""
    tx_header: int
    """The slab object of a transmitted segment's headers; its data is sent from the page itself."""
    nbd_queues: bool
    """Requests wait in the queue of the block device until a thread of its own sends them (BLK_MQ_F_BLOCKING in
    drivers/block/nbd.c, kblockd in block/blk-mq.c); before, the task that makes a request sends it, and holds up all others."""
    nbd_sends_memalloc: bool
    """NBD sends with PF_MEMALLOC in any task (memalloc_noreclaim_save in drivers/block/nbd.c, sock_xmit); before, with the
    rights of the task that makes the request."""
    rpc_request: int
    """The slab object of an RPC request under way: 8 to a page."""
    rpc_slots_max: int
    """The largest slot table, for which the reserve is sized (net/sunrpc/xprt.c)."""
    route_entry: int
    """The slab object of a route cache entry: 12 to a page."""
    route_entries: int
    """Entries the IPv4 route cache may hold (net/ipv4/route.c: 16 for each hash bucket, 1024 buckets); 0: there is none."""
    route_gc_ns: int
    """Under pressure, entries unused for this long are collected (net/ipv4/route.c, ip_rt_gc_min_interval)."""
    neighbour_entry: int
    """The slab object of a neighbour (include/net/neighbour.h; 2.6.22: arp_cache, 16 to a page; 6.11: kmalloc-512)."""
    neighbour_queue: int
    """Packets that may wait for a neighbour's address: 3; since 3.3 212,992 bytes, counted in full frames (net/ipv4/arp.c)."""
    emergency_links: frozenset[int]
    """Protocols of the link layer, beside IPv4, that an emergency packet may be of (net/core/dev.c)."""
    fragment_high: int
    """The limit of reassembly, in truesize (ipfrag_high_thresh, net/ipv4/ip_fragment.c)."""
    fragment_low: int
    """Down to which old datagrams are evicted, in truesize, where they are (ipfrag_low_thresh)."""
    fragment_timeout_ns: int
    """How long an incomplete datagram is kept (ipfrag_time)."""
    refuses_fragments: bool
    """Above the high limit every fragment is refused; before, old datagrams are evicted (net/ipv4/inet_fragment.c)."""
    rmem_default: int
    """A socket's receive buffer: 256 * (sk_buff + 256) (net/core/sock.c)."""
    limits_udp: bool
    """All UDP sockets together have a limit, udp_mem, and each takes at least one datagram (net/ipv4/udp.c)."""
    udp_rmem_min: int
    """What a socket may hold, in bytes of truesize, where all together hold more than udp_mem[0] (net/ipv4/udp.c)."""
    count_batch: int
    """Pages that a CPU charges to sockets before the others see it (SK_MEMORY_PCPU_RESERVE in include/net/sock.h); 1 before."""
    watchdog_ns: int
    """The e1000 watchdog forces a receive interrupt this often (drivers/net/e1000/e1000_main.c)."""
    jumbo_in_pages: bool
    """Cards receive frames of more than 1500 bytes into single pages; before, into one object (drivers/net/e1000)."""
    kmalloc_orders: tuple[int, ...]
    """Page order of each kmalloc cache with objects below a page: ten caches of one page, one of two."""
    tcp: TcpRules
    """TCP's own numbers and rules."""

    def min_free_kib(self, memory_pages: int) -> int:
        """min_free_kbytes of a machine of one zone (mm/page_alloc.c, init_per_zone_pages_min)."""
        return max(128, min(isqrt(16 * memory_pages * 4), self.min_free_kib_max))

    def thp_min_pages(self, zone_pages: int, min_pages: int, zones: int = 1) -> int:
        """The min watermark of a machine while transparent huge pages are on: raised, never lowered.

        For each zone a pageblock to spare and one in use, and one for each of three mobility types that may fall back to each of
        three, but no more than a twentieth of what lies above the high mark (mm/khugepaged.c, set_recommended_min_free_kbytes).
        """
        above_high = zone_pages - self.marks(min_pages, zone_pages)[1]
        return max(min_pages, min(PAGEBLOCK * zones * (2 + 3 * 3), above_high // 20))

    def marks(self, min_pages: int, zone_pages: int) -> tuple[int, int]:
        """The low and high watermarks of a zone, in pages (mm/page_alloc.c, setup_per_zone_wmarks)."""
        if not self.watermark_scale:
            return min_pages + min_pages // 4, min_pages + min_pages // 2
        distance = max(min_pages // 4, zone_pages * self.watermark_scale // 10_000)
        return min_pages + distance, min_pages + 2 * distance

    def aside_max(self, zone_pages: int) -> int:
        """Pages that may be set aside, in whole pageblocks (reserve_highatomic_pageblock in mm/page_alloc.c)."""
        most = zone_pages // 100
        if self.highatomic_small:
            most += PAGEBLOCK
        return 0 if most < PAGEBLOCK else -(-most // PAGEBLOCK) * PAGEBLOCK

    def boost_max(self, zone_pages: int, high: int) -> int:
        """How far the watermarks are raised at most; not in a zone of less than four pageblocks (boost_watermark)."""
        if not self.watermark_boost or zone_pages < 4 * PAGEBLOCK:
            return 0
        return max(PAGEBLOCK, high * self.watermark_boost // 10_000)

    def hardly_dirty(self, cpus: int) -> int:
        """Pages of a device, dirty or under writeback, up to which its writers are let go after a pause; -1: they never are.

        What the counts of all CPUs may be wrong by: a batch of 8 (1 + log2 of them) for each (wb_stat_error in
        include/linux/backing-dev.h).
        """
        return -1 if self.writers_write else cpus * 8 * cpus.bit_length()

    def buffer_pages(self, memory_pages: int) -> int:
        """What lies above the high mark when the machine is booted, in pages (nr_free_buffer_pages in mm/page_alloc.c)."""
        return memory_pages - self.marks(self.min_free_kib(memory_pages) // 4, memory_pages)[1]

    def udp_mem(self, memory_pages: int) -> UdpMem:
        """The default `udp_mem`: 9.37, 12.5 and 18.75 % of the buffer pages (net/ipv4/udp.c, udp_init)."""
        pressure = max(self.buffer_pages(memory_pages) // 8, 128)
        low = pressure // 4 * 3
        return UdpMem(low, pressure, 2 * low)

    def tcp_mem(self, memory_pages: int) -> TcpMem:
        """The default `tcp_mem`: 4.68, 6.25 and 9.37 % of the buffer pages (net/ipv4/tcp.c, tcp_init).

        2.6.22: 37.5, 50 and 75 % of memory from 256 MiB on.
        """
        pressure = self.buffer_pages(memory_pages) // 16
        if self.tcp.ram_share:
            mebibytes = memory_pages * PAGE // MIB
            pressure = min(mebibytes, 256) * mebibytes // 2
        pressure = max(pressure, 128)
        low = pressure // 4 * 3
        return TcpMem(low, pressure, 2 * low)

    def tcp_buffers_max(self, memory_pages: int) -> tuple[int, int]:
        """(receive, send): how far the TCP buffers of one socket may grow: 1/128 of a share of memory, within limits."""
        pages = self.tcp_mem(memory_pages).pressure if self.tcp.ram_share else self.buffer_pages(memory_pages)
        share = pages * PAGE // 128
        tcp = self.tcp
        receive, send = tcp.rmem[2], tcp.wmem[2]
        if tcp.rmem_by_memory:
            receive = max(tcp.rmem[1], min(receive, share))
        if tcp.wmem_by_memory:
            send = max(64 * 1024, min(send, share))
        return receive, send

    def frame_pages(self, frames: int) -> int:
        """Pages that `frames` full receive buffers fill, data and heads apart."""
        return -(-frames * self.rx_data // PAGE) + frames * self.rx_pages + -(-frames * self.skb_head // PAGE)

    def held_back(self, *zone_pages: int) -> int:
        """Pages that one CPU's allocators keep for their next request, so that a packet that comes and goes frees none.

        A list of single pages for each zone (6 x batch: zone_batchsize, setup_pageset in mm/page_alloc.c), and free objects of a
        receive buffer's two caches (free_limit: two batches and a slab; enable_cpucache in mm/slab.c).
        """
        return sum(map(_list_keeps, zone_pages)) + _slab_keeps(self.rx_data) + _slab_keeps(self.skb_head)
