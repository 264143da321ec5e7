"""Linux 6.11: where it differs from 2.6.22."""

from dataclasses import replace
from typing import Final

from netswap.actors.kernels.linux_2_6_22 import LINUX_2_6_22
from netswap.actors.kernels.oom import OomRules
from netswap.actors.kernels.tcp import MIB
from netswap.protocol.frame import ARP, IPV6, QINQ, VLAN
from netswap.protocol.units import milliseconds, seconds

LINUX_6_11: Final = replace(
    LINUX_2_6_22,
    name="linux-6.11",
    doc="the kernel of 2024, with what Linux 3.6 took in",
    min_free_kib_max=262_144,
    has_thp=True,
    watermark_scale=10,
    oom_victim_half=True,
    oom=OomRules(
        fruitless_scans=0,
        fruitless_attempts=16,
        by_memory=True,
        wakes_killed=True,
        reaper_delay_ns=seconds(2),
    ),
    realtime_half=True,
    memalloc_in_softirq=True,
    halves_floor=False,
    sets_blocks_aside=True,
    watermark_boost=15_000,
    memalloc_sockets=True,
    kswapd_gives_up=16,
    scan_least=0,
    kswapd_by_node=True,
    sleeps_for_slot=True,
    naps_each_pass=False,
    retry_wait_ns=milliseconds(4),
    spares_mapped=False,
    dirty_ratio=20,
    dirty_background_ratio=10,
    dirty_ratio_floor=0,
    dirty_limits_adapt=False,
    writers_write=False,
    throttles_writeout=False,
    skb_head_charge=256,
    rx_truesize=2048 + 256,
    rx_refill_batch=1,
    page_frag_harder=False,
    copy_truesize=1024 + 256,
    short_data=1024,
    copies=((704 - 64, 1024, 1024 + 256),),
    small_head=640,
    nbd_queues=True,
    nbd_sends_memalloc=True,
    rpc_slots_max=65_536,
    route_entries=0,
    neighbour_entry=512,
    neighbour_queue=212_992 // (2048 + 256),
    emergency_links=frozenset({ARP, IPV6, VLAN, QINQ}),
    fragment_high=4 * 1024 * 1024,
    fragment_low=3 * 1024 * 1024,
    refuses_fragments=True,
    rmem_default=212_992,
    limits_udp=True,
    count_batch=256,
    jumbo_in_pages=True,
    tcp=replace(
        LINUX_2_6_22.tcp,
        initial_rto_ns=seconds(1),
        syn_retries=6,
        initial_window=10,
        window_share=(1200, 4096 + 256 + 320),  # TCP_DEFAULT_SCALING_RATIO, include/net/tcp.h
        measures_share=True,
        rmem=(4096, 131_072, 6 * MIB),
        segment_charge=256 + 1024,
        ram_share=False,
        low_inclusive=True,
        exempts_marked=False,
        forced_on_empty=True,
        closes_on_drop=True,
    ),
)
