"""Reception as it is since Linux 3.6: two allocations, each with a right of its own, and a mark on each page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import RESERVE, SERVICE, Host, host, udp

from netswap.actors.kernels import LINUX_2_6_22, LINUX_6_11
from netswap.actors.kernels.udp import UdpMem
from netswap.actors.memory.reserve import cover_tree, held_fragments, kmalloc_pages, object_pages, transmit_pages
from netswap.actors.memory.slab import PageMarkedCache, SlabCache
from netswap.actors.memory.zone import Zone
from netswap.actors.net.memalloc import BULK, FLAGGED, MemallocBuffers
from netswap.actors.net.udp_limits import LimitedStack

MERGED = frozenset({"reserve-access", "memalloc-processing", "drop-at-demux", "slab-rule", "reclaim-throttle"})
TRUESIZE = 2048 + 256
RCVBUF = 212_992


def linux_6_11(*switches: str, ring: int = 32, refill: str = "e1000e") -> Host:
    """A machine of 6.11 with 16 MiB, min 256 and therefore a floor of 96."""
    return host(*switches, ring=ring, refill=refill, kernel=LINUX_6_11)


def buffers(a: Host) -> MemallocBuffers:
    """Its buffers, by the rules of 6.11."""
    assert isinstance(a.buffers, MemallocBuffers)
    return a.buffers


def at_the_floor(*switches: str) -> Host:
    """Reception finds no page, no free object and no cached head any more."""
    a = linux_6_11(*switches)
    a.drain_to_the_atomic_floor()
    buffers(a)._cached_heads.clear()
    return a


# -- two rights ------------------------------------------------------------------------------------------------------


def test_above_the_floor_a_packet_is_not_flagged() -> None:
    """Being allowed to ignore the watermarks is not having had to."""
    a = linux_6_11(*MERGED)
    buffer = a.buffers.allocate(a.buffers.receive, TRUESIZE)
    assert buffer is not None
    assert (buffer[3], a.zone.reserve_used) == (0, 0)


def test_at_the_floor_the_data_may_use_the_reserve_and_the_head_may_not() -> None:
    """Facts R1: so every packet dies in the driver, and the data is given back."""
    a = at_the_floor(*MERGED)
    assert a.buffers.allocate(a.buffers.receive, TRUESIZE) is None
    assert (a.zone.free, a.zone.reserve_used, a.zone.reserve_used_max) == (96, 0, 1)


def test_with_rx_head_both_may_and_the_packet_is_flagged() -> None:
    """The twin: one page for data, one for heads, both below the floor."""
    a = at_the_floor(*MERGED, "rx-head")
    buffer = a.buffers.allocate(a.buffers.receive, TRUESIZE)
    assert buffer is not None
    assert (buffer[3], a.zone.free, a.zone.reserve_used) == (FLAGGED, 96 - 2, 2)


def test_the_reserve_goes_down_to_nothing_and_nothing_is_charged() -> None:
    """__GFP_MEMALLOC has floor 0, and there is no accounting: 96 pages hold 2 frames each, less the pages of heads.

    d pages of data and h of heads with d + h = 96 and 2d <= 16h: h = ceil(96 / 9) = 11, d = 85, 170 frames.
    """
    a = at_the_floor(*MERGED, "rx-head")
    frames = 0
    while a.buffers.allocate(a.buffers.receive, TRUESIZE) is not None:
        frames += 1
    heads = -(-96 // 9)
    assert (frames, a.zone.free) == (2 * (96 - heads), 0)


def test_without_a_marked_swap_socket_the_reserve_stays_whole() -> None:
    """The twin: no reserve-access; rx-head alone gives nothing."""
    a = at_the_floor("rx-head")
    assert a.buffers.allocate(a.buffers.receive, TRUESIZE) is None
    assert (a.zone.free, a.zone.reserve_used_max) == (96, 0)


@pytest.mark.parametrize("cached", [0, 1, 5, BULK - 1])
def test_the_heads_that_the_cpu_still_has_let_so_many_packets_through(cached: int) -> None:
    """The remainder of the last refill, of 16: each lets one packet in after the floor is reached."""
    a = at_the_floor(*MERGED)
    a.zone.give(1)
    first = a.buffers.allocate(a.buffers.receive, TRUESIZE)
    assert first is None, "the page went to data, and no head was left"
    a.zone.give(1)
    slab = a.buffers.heads.take(96)
    assert slab is not None
    buffers(a)._cached_heads.extend([slab] * cached)
    passed = 0
    while a.buffers.allocate(a.buffers.receive, TRUESIZE) is not None:
        passed += 1
    assert passed == cached


def test_flagged_packets_for_ordinary_sockets_are_dropped_at_demux_and_their_pages_come_back() -> None:
    """rx-head on, at the floor: what was in the ring is delivered, every frame after that is dropped; 32 need 18 pages."""
    a = at_the_floor(*MERGED, "rx-head")
    a.open(sockets=8)
    a.receive(udp(32, ports=8, flows=8))
    assert (a.counters.delivered, a.dropped()) == (32, {})
    a.receive(udp(1000, ports=8, flows=8))
    assert (a.counters.delivered, a.dropped()) == (32, {"demux": 1000})
    assert a.zone.free == 96 - 32 // 2 - 32 // 16


# -- the slab rule, page by page ---------------------------------------------------------------------------------------


def marked() -> tuple[Zone, PageMarkedCache]:
    """A zone of 100 pages at the atomic floor of min 40, which is 15, and an empty cache of two objects a page."""
    zone = Zone(100, 40, kernel=LINUX_6_11)
    zone.take_many(15, 100)
    return zone, PageMarkedCache(zone, "kmalloc-2048", 2048, guarded=True)


def test_objects_of_a_marked_page_go_only_to_memalloc_requests() -> None:
    """Row 16's rule, with the mark on the page."""
    zone, cache = marked()
    critical = cache.take_memalloc(15)
    assert critical is not None
    assert cache.take(15) is None
    assert cache.take_memalloc(15) is critical
    cache.give(critical, 2)
    assert (zone.free, zone.reserve_used, cache.slabs, cache.in_use) == (15, 0, 0, 0)


def test_ordinary_pages_of_the_cache_go_on_being_handed_out() -> None:
    """With the mark of 2007, which is on the whole cache, the same request fails (the twin)."""
    for kind, granted in ((PageMarkedCache, True), (SlabCache, False)):
        zone = Zone(100, 40)
        zone.take_many(16, 100)
        cache = kind(zone, "kmalloc-2048", 2048, guarded=True)
        first, second = cache.take(15), cache.take(15)
        assert first is second is not None
        assert cache.take_memalloc(15) is not None
        cache.give(first)
        assert (cache.take(15) is first) == granted


@given(st.lists(st.sampled_from(("take", "memalloc", "give", "give memalloc")), max_size=80))
def test_a_marked_cache_conserves_pages_and_never_leaks_the_reserve(calls: list[str]) -> None:
    """free + pages of the cache = total; an ordinary object never stands in a marked page."""
    zone = Zone(20, 8, kernel=LINUX_6_11)
    cache = PageMarkedCache(zone, "cache", 1024, guarded=True)
    ordinary, memalloc = [], []
    for call in calls:
        if call == "take" and (slab := cache.take(zone.floors.atomic)):
            assert not slab.from_reserve
            ordinary.append(slab)
        elif call == "memalloc" and (slab := cache.take_memalloc(zone.floors.atomic)):
            memalloc.append(slab)
        elif call == "give" and ordinary:
            cache.give(ordinary.pop(0))
        elif call == "give memalloc" and memalloc:
            cache.give(memalloc.pop(0))
        assert zone.free + cache.slabs == zone.total
        assert cache.in_use == len(ordinary) + len(memalloc)
    for slab in ordinary + memalloc:
        cache.give(slab)
    assert (zone.free, zone.reserve_used, cache.slabs) == (zone.total, 0, 0)


# -- what a frame costs, and what a socket takes -----------------------------------------------------------------------


def test_in_6_11_a_socket_is_charged_what_a_frame_really_takes() -> None:
    """2048 + 256 (row 33), against 1832 in 2.6.22."""
    assert LINUX_6_11.rx_truesize == LINUX_6_11.rx_data + LINUX_6_11.skb_head == TRUESIZE
    assert LINUX_2_6_22.rx_truesize < LINUX_2_6_22.rx_data + LINUX_2_6_22.skb_head


def test_a_socket_accepts_as_long_as_it_holds_no_more_than_its_buffer() -> None:
    """The test comes before the frame is added (row 34): 212992 / 2304 = 92.4, so the 93rd is still accepted."""
    assert LINUX_6_11.rmem_default == RCVBUF
    a = linux_6_11()
    queues = a.open(rcvbuf=RCVBUF)
    a.receive(udp(200))
    assert queues.buffers == RCVBUF // TRUESIZE + 1
    assert a.dropped() == {"socket-full": 200 - RCVBUF // TRUESIZE - 1}


def test_a_socket_takes_at_least_one_datagram_in_6_11_and_none_in_2007() -> None:
    """Receive buffer of one byte."""
    for kernel, taken in ((LINUX_6_11, 1), (LINUX_2_6_22, 0)):
        a = host(kernel=kernel)
        queues = a.open(rcvbuf=1)
        a.receive(udp(10))
        assert queues.buffers == taken


def filled_evenly(limits: UdpMem, sockets: int) -> tuple[int, LimitedStack]:
    """Frames that so many sockets, which have room for more pages than there are, take in turn; and the stack."""
    a = host(kernel=LINUX_6_11, udp_mem=limits)
    queues = a.open(sockets=sockets, rcvbuf=60 * 4096)
    a.receive(udp(100 * sockets, ports=sockets, flows=sockets))
    assert isinstance(a.stack, LimitedStack)
    return queues.buffers, a.stack


def test_the_default_udp_mem_is_a_share_of_what_lies_above_the_high_mark() -> None:
    """16 MiB at boot: min 128, high = 128 + 2 * 32 = 192; a eighth of the rest is 488: 3/4, 1 and 3/2 of it."""
    assert LINUX_6_11.udp_mem(4096) == (488 // 4 * 3, 488, 488 // 4 * 6)


def test_all_sockets_together_stop_at_the_first_of_udp_mem() -> None:
    """Facts 13.3, as measured: udp_mem 1653 2204 3306, 64 sockets: 1792 or 1793 pages, never more.

    A CPU charges by 256 pages (SK_MEMORY_PCPU_RESERVE): the limit first sees more than 1653 pages at 7 * 256 = 1792.
    """
    _, stack = filled_evenly(UdpMem(1653, 2204, 3306), 64)
    assert 1792 - 1 <= stack.udp_pages <= 1793


def test_each_socket_is_granted_one_datagram_between_the_first_and_the_last_of_udp_mem() -> None:
    """It has less than udp_rmem_min, 4096 bytes, with it; above the last nothing is granted."""
    frames, stack = filled_evenly(UdpMem(0, 1, 1000), 64)
    assert (frames, stack.udp_pages) == (filled_evenly(UdpMem(255, 400, 1000), 64)[0], 255)
    a = host(kernel=LINUX_6_11, udp_mem=UdpMem(255, 256, 1000))
    first, late = a.open(rcvbuf=300 * 4096), a.open(port=SERVICE + 1, rcvbuf=300 * 4096)
    a.receive(udp(600))
    held = first.buffers
    a.receive(udp(10))
    assert first.buffers == held
    a.receive(udp(2, port=SERVICE + 1))
    assert late.buffers == 1


def test_what_is_read_is_taken_off_udp_mem() -> None:
    """All read, nothing charged."""
    a = linux_6_11()
    queues = a.open(sockets=3)
    a.receive(udp(50, ports=3, flows=3))
    stack = a.stack
    while queues.datagrams:
        stack.read(*queues.datagrams.popleft())
    assert getattr(stack, "udp_pages", None) == 0


# -- the card ----------------------------------------------------------------------------------------------------------


def test_in_6_11_the_ring_is_refilled_after_every_poll() -> None:
    """e1000e: no descriptor is empty once a frame has been received; e1000 of 2007 waits for 16."""
    for kernel, filled in ((LINUX_6_11, 32), (LINUX_2_6_22, 31)):
        a = host(ring=32, refill="e1000e", kernel=kernel)
        a.open()
        a.receive(udp(1))
        assert a.nic.filled() == filled


def test_an_8139cp_keeps_its_ring_and_drops_in_place() -> None:
    """At the floor every frame is dropped for want of a replacement, short ones too, and all descriptors stay full."""
    a = linux_6_11(*MERGED, ring=64, refill="8139cp")
    a.drain_to_the_atomic_floor()
    buffers(a)._cached_heads.clear()
    a.open()
    a.receive(udp(10))
    a.receive(udp(10, wire=100))
    assert (a.nic.filled(), a.dropped()) == (64, {"no-memory": 20})
    a.zone.give(100)
    a.receive(udp(1))
    assert a.counters.delivered == 1


# -- what a policy of 2007 sets aside ------------------------------------------------------------------------------------


def test_nothing_is_set_aside_unless_the_policy_covers_something() -> None:
    """Facts 3.1: marking a socket enlarges nothing."""
    assert cover_tree(LINUX_6_11, 1, cover_fragments=False, transports=None, buffers=259).pages == 0


def test_cover_is_what_fragments_may_hold_and_the_requests_and_ring_beside_them() -> None:
    """4 MiB: 2 * 4 MiB / 4096 + 12 = 2060; 32 pages a transport, 16 requests 8 to a page and one; 259 buffers: 130 + 17.

    Short fragments, 3278 of them at 1280 bytes, 4 to a page, and their heads take 820 + 205 pages: less than 2060.
    """
    tree = cover_tree(LINUX_6_11, 1, cover_fragments=True, transports=[16], buffers=259)
    cache = kmalloc_pages(4 << 20, LINUX_6_11)
    assert cache == 2 * 1024 + 12
    assert -(-held_fragments(LINUX_6_11, 1280) // 4) + -(-held_fragments(LINUX_6_11, 1280) // 16) < cache
    assert tree.pages == cache + transmit_pages() + object_pages(16, 8) + 130 + 17


def test_the_2007_preset_takes_heads_from_the_reserve_too() -> None:
    """In that series head and data are one allocation; RESERVE of the tests is the part that 2.6.22 asks for."""
    from netswap.actors.safeguards import PRESETS

    assert PRESETS["reserve"].switches == RESERVE | {"tcp-exemption", "rx-head"}
