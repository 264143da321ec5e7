"""Fragments of pages: how many a block gives, when it comes back, and which of them are the reserve's.

mm/page_alloc.c (page_frag_alloc_align, __page_frag_cache_refill) and net/core/skbuff.c (__netdev_alloc_skb) of 6.1 and 6.11.
"""

import pytest

from netswap.actors.kernels import LINUX_2_6_22, LINUX_6_1, LINUX_6_11, Kernel
from netswap.actors.memory.fragments import Fragments, PageFragCache
from netswap.actors.memory.slab import PageMarkedCache
from netswap.actors.memory.zone import Zone
from netswap.actors.net.buffers import B_CHARGE, B_TRUESIZE, Buffer
from netswap.actors.net.drivers import on_link
from netswap.actors.net.memalloc import MemallocBuffers

SIZE = 1920
"""1522 + 64 + 320, in lines of 64."""
BLOCK = 32 * 1024 // SIZE
TOTAL = 4096


def zone_with(free: int, kernel: Kernel = LINUX_6_11) -> Zone:
    """min 64, the atomic floor 24."""
    zone = Zone(TOTAL, 64, kernel=kernel)
    zone.free = free
    return zone


@pytest.mark.parametrize("kernel", [LINUX_6_1, LINUX_6_11])
def test_a_full_buffer_of_e1000e_is_a_fragment_of_1920_bytes(kernel: Kernel) -> None:
    """A frame with a VLAN tag (1522), the padding of the stack (64), shared info (320); truesize with the head (256)."""
    lines = -(-(1522 + 64 + 320) // 64)
    assert lines * 64 == SIZE
    book = on_link(kernel, "e1000e", 1500, page_frags=True)
    assert (book.rx_data, book.rx_truesize, 4096 << book.rx_frag_order) == (SIZE, SIZE + 256, 32 * 1024)
    buffers = MemallocBuffers(zone_with(1000, kernel), book, access=False, rx_head=False, guarded=True)
    assert isinstance(buffers.receive, PageFragCache)
    buffer = buffers.allocate(buffers.receive, book.rx_truesize)
    assert buffer is not None
    assert buffer[B_TRUESIZE] == SIZE + 256


def test_the_twins_2_6_22_other_drivers_and_small_heads_come_from_kmalloc() -> None:
    """704 bytes with their padding or less are no fragments of this cache: with jumbo frames the head is that small."""
    assert on_link(LINUX_2_6_22, "e1000e", 1500, page_frags=True) == LINUX_2_6_22
    for refill, mtu, on in (
        ("e1000", 1500, True),
        ("8139cp", 1500, True),
        ("e1000e", 9000, True),
        ("e1000e", 1500, False),
    ):
        book = on_link(LINUX_6_11, refill, mtu, page_frags=on)
        assert book.rx_frag_order == 0
        buffers = MemallocBuffers(zone_with(1000), book, access=False, rx_head=False, guarded=True)
        assert not isinstance(buffers.receive, PageFragCache)


def test_a_block_comes_back_when_its_last_fragment_has() -> None:
    """17 of 32 KiB: one that is kept keeps eight pages. The twin, kmalloc, keeps one."""
    zone = zone_with(1000)
    cache = PageFragCache(zone, SIZE, 3)
    first = [cache.take(24) for _ in range(BLOCK)]
    assert (BLOCK, zone.free) == (17, 1000 - 8)
    assert cache.take(24) is not None, "another block: of the first some are in use"
    assert zone.free == 1000 - 16
    for slab in first[1:]:
        cache.give(slab)
    assert zone.free == 1000 - 16
    cache.give(first[0])
    assert zone.free == 1000 - 8

    plain = zone_with(1000)
    kmalloc = PageMarkedCache(plain, "kmalloc-2048", 2048, guarded=True)
    objects = [kmalloc.take(24) for _ in range(BLOCK)]
    assert plain.free == 1000 - 9
    for slab in objects[1:]:
        assert slab is not None
        kmalloc.give(slab)
    assert plain.free == 1000 - 1


def test_a_block_that_has_come_back_as_a_whole_is_cut_again_without_asking() -> None:
    """page_ref_sub_and_test: nothing is in use, so it begins anew; even where no page could be had."""
    zone = zone_with(1000)
    cache = PageFragCache(zone, SIZE, 3)
    for _ in range(BLOCK):
        slab = cache.take(24)
        assert slab is not None
        cache.give(slab)
    assert zone.free == 1000 - 8
    zone.free = 0
    assert cache.take(24) is not None
    assert (zone.free, cache.in_use) == (0, 1)


def test_where_there_is_no_block_a_page_gives_two() -> None:
    """The atomic floor is 24: a block leaves more than that, or is not given."""
    zone = zone_with(30)
    cache = PageFragCache(zone, SIZE, 3)
    assert [cache.take(24) is not None for _ in range(3)] == [True] * 3
    assert zone.free == 28


def at_the_floor() -> tuple[Zone, Kernel, MemallocBuffers, Buffer]:
    """A machine at its atomic floor, and a buffer of e1000e that it has received into all the same."""
    zone = zone_with(24)
    book = on_link(LINUX_6_11, "e1000e", 1500, page_frags=True)
    buffers = MemallocBuffers(zone, book, access=True, rx_head=True, guarded=True)
    first = buffers.allocate(buffers.receive, book.rx_truesize)
    assert first is not None
    return zone, book, buffers, first


def test_all_fragments_of_a_page_from_the_reserve_are_the_reserves() -> None:
    """Also one that is asked for when there is memory again; a block is never asked for there (__GFP_NOMEMALLOC)."""
    zone, book, buffers, first = at_the_floor()
    assert (first[B_CHARGE], zone.reserve_used) == (1, 2), "a page for the data, and one for the head"
    zone.free = 1000
    second = buffers.allocate(buffers.receive, book.rx_truesize)
    third = buffers.allocate(buffers.receive, book.rx_truesize)
    assert second is not None
    assert third is not None
    assert (second[B_CHARGE], third[B_CHARGE]) == (1, 0)
    buffers.free(first)
    buffers.free(second)
    assert zone.reserve_used == 0


def test_where_there_is_plenty_the_rest_of_a_page_from_the_reserve_is_left_alone() -> None:
    """One frame at a time as well as many at once: each has a fragment of another page, and is nobody's charge."""
    zone, _, buffers, first = at_the_floor()
    zone.free = 1000
    assert buffers.plenty(2)
    more = [*buffers.allocate_plenty(1), *buffers.allocate_plenty(2)]
    assert [buffer[B_CHARGE] for buffer in more] == [0] * 3
    for buffer in (first, *more):
        buffers.free(buffer)
    assert zone.reserve_used == 0


def test_without_access_the_floor_is_the_end() -> None:
    """The twin: no socket is marked."""
    book = on_link(LINUX_6_11, "e1000e", 1500, page_frags=True)
    buffers = MemallocBuffers(zone_with(24), book, access=False, rx_head=True, guarded=True)
    assert buffers.allocate(buffers.receive, book.rx_truesize) is None


# -- virtio: the first bytes of a frame --------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [LINUX_6_1, LINUX_6_11])
def test_a_frame_of_virtio_has_a_quarter_of_a_page_beside_its_fragment(kernel: Kernel) -> None:
    """page_to_skb: napi_alloc_skb of 128 bytes is 1 KiB (page_frag_alloc_1k); 1536 are the ring's fragment, 256 the head."""
    assert on_link(kernel, "virtio", 1500).rx_truesize == 1536 + 1024 + 256


@pytest.mark.parametrize(("waits", "pages"), [({0, 4, 8, 12}, 4), ({0, 1, 2, 3}, 1)], ids=["one of each", "all of one"])
def test_a_quarter_that_waits_keeps_its_page(waits: set[int], pages: int) -> None:
    """16 frames take four pages: a frame of each page that waits in a socket keeps all four, four frames of one page keep one."""
    zone = zone_with(1000)
    quarters = Fragments(zone, 1024, 0)
    for index, one in enumerate([quarters.take(24) for _ in range(16)]):
        assert one is not None
        if index not in waits:
            quarters.give(one)
    assert zone.free == 1000 - pages
