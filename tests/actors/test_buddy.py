"""Free pages as blocks: splitting, joining, the watermark test of an order, and what kswapd does for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netswap.actors.kernels import LINUX_2_6_22, LINUX_6_11, Kernel
from netswap.actors.memory.buddy import ORDERS, BuddyZone, FrameBlock
from netswap.actors.memory.large import LargeCache, PagedCache
from netswap.actors.memory.sizes import kmalloc_size, order_of, pages_of
from netswap.actors.memory.slab import SlabCache
from netswap.actors.memory.zone import Zone

TOTAL = 4096
MIN = 256
ATOMIC = 96
BOTH = pytest.mark.parametrize("kernel", [LINUX_2_6_22, LINUX_6_11], ids=lambda kernel: kernel.name)


def zone_of(total: int = TOTAL, kernel: Kernel = LINUX_2_6_22, stream: str = "1") -> BuddyZone:
    """All pages free."""
    return BuddyZone(total, MIN, kernel=kernel, stream=stream)


def block_of(zone: Zone, order: int, floor: int = 0) -> FrameBlock:
    """A block that can be had."""
    block = zone.take_block(order, floor)
    assert isinstance(block, FrameBlock)
    return block


def pages_in(counts: list[int]) -> int:
    """Pages of so many blocks of each order."""
    return sum(count << order for order, count in enumerate(counts))


def apart(singles: int, blocks: int = 0, kernel: Kernel = LINUX_2_6_22) -> BuddyZone:
    """So many free pages without a free neighbour, and so many free blocks of order 2, which have none either."""
    zone = zone_of(kernel=kernel)
    ones = [block_of(zone, 0) for _ in range(2048)]
    fours = [block_of(zone, 2) for _ in range(512)]
    for one in (*ones[: 2 * singles : 2], *fours[: 2 * blocks : 2]):
        zone.give_block(one)
    assert zone.free_blocks()[:4] == [singles, 0, blocks, 0]
    zone.kswapd_order = 0
    return zone


def test_memory_begins_as_the_largest_blocks_that_fit() -> None:
    """4096 pages are four blocks of order 10; 1027 are one of it, one of order 1 and a page."""
    assert zone_of().free_blocks() == [0] * 10 + [4]
    assert zone_of(1027).free_blocks() == [1, 1] + [0] * 8 + [1]


def test_a_block_is_split_in_halves_and_joined_by_its_buddies_address() -> None:
    """A page of 1024 leaves one block of each order; what comes back joins all of them."""
    zone = zone_of(1024)
    page = block_of(zone, 0)
    assert zone.free_blocks() == [1] * 10 + [0]
    following = block_of(zone, 0)
    assert (following.frame ^ page.frame, zone.free_blocks()[:2]) == (1, [0, 1])
    zone.give_block(page)
    assert zone.free_blocks() == [1] * 10 + [0]
    zone.give_block(following)
    assert zone.free_blocks() == [0] * 10 + [1]


def test_a_neighbour_that_is_no_buddy_does_not_join() -> None:
    """Frames 1 and 2 lie beside each other and differ in two bits."""
    zone = zone_of(1024)
    frames = {block.frame: block for block in (block_of(zone, 0) for _ in range(1024))}
    zone.give_block(frames[1])
    zone.give_block(frames[2])
    assert zone.free_blocks()[:2] == [2, 0]


def test_the_smallest_block_that_will_do_is_taken() -> None:
    """A single page comes from the one block of four; the others stay whole."""
    zone = apart(0, blocks=1)
    assert zone.take(0)
    assert zone.free_blocks()[:3] == [1, 1, 0]


@BOTH
@given(
    steps=st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 1 << 30)), max_size=120),
    total=st.integers(MIN + 1, 3000),
)
def test_pages_are_conserved_and_no_two_buddies_are_free(kernel, steps, total) -> None:
    """Whatever is taken and given back, in whatever order: at the end all of it is as in the beginning."""
    zone = zone_of(total, kernel)
    first = zone.free_blocks()
    out: list[FrameBlock] = []
    singles = 0
    for order, takes, which in steps:
        if takes and order == 4:
            singles += zone.take_many(0, which % 97)
        elif takes:
            taken = zone.take_block(order, 0)
            out += [taken] if isinstance(taken, FrameBlock) else []
        elif out:
            zone.give_block(out.pop(which % len(out)))
        elif singles:
            zone.give()
            singles -= 1
        counts = zone.free_blocks()
        held = singles + sum(1 << block.order for block in out)
        assert zone.free == pages_in(counts) == total - held
        frames = [frame for block in out for frame in range(block.frame, block.frame + (1 << block.order))]
        assert len(set(frames)) == len(frames)
        assert not frames or max(frames) < total
    for block in out:
        zone.give_block(block)
    zone.give(singles)
    assert zone.free_blocks() == first


def test_pages_enough_and_no_block() -> None:
    """900 single pages: for one page they are plenty, for four in a row they are nothing, and it is counted."""
    zone = apart(900)
    assert zone.take_block(2, ATOMIC) is None
    assert (zone.no_block, zone.free) == (1, 900)
    assert zone.take(ATOMIC)


def test_too_few_pages_are_not_counted_as_a_missing_block() -> None:
    """At the floor nothing can be had anyway: free - (2^order - 1) > floor."""
    zone = apart(ATOMIC + 3)
    assert zone.take_block(2, ATOMIC) is None
    assert zone.no_block == 0


@pytest.mark.parametrize(
    ("singles", "blocks", "passes"), [(900, 12, False), (900, 13, True), (0, 25, True), (0, 24, False)]
)
def test_in_2007_half_of_the_floor_must_be_left_at_each_order(singles: int, blocks: int, passes: bool) -> None:
    """Floor 96: singles + 4 blocks - 3 > 96, then 4 blocks - 3 > 48, then > 24."""
    free = singles + 4 * blocks - 3
    assert passes == (free > ATOMIC and 4 * blocks - 3 > ATOMIC // 2)
    assert apart(singles, blocks).suits(2, ATOMIC) is passes


def test_in_6_11_one_block_is_enough() -> None:
    """Where the mark is met for single pages (mm/page_alloc.c of 6.11)."""
    assert apart(900, 1, LINUX_6_11).suits(2, ATOMIC)
    assert not apart(900, 0, LINUX_6_11).suits(2, ATOMIC)
    assert not apart(ATOMIC, 0, LINUX_6_11).suits(0, ATOMIC)


def test_the_pool_is_added_at_each_order_and_not_halved() -> None:
    """Zijlstra's pool stands under every test: 4 blocks - 3 > 48 + 8."""
    for blocks, passes in ((14, False), (15, True)):
        zone = apart(900, blocks)
        assert zone.resize_reserve(8)
        assert zone.floors.atomic == ATOMIC + 8
        assert zone.suits(2, zone.floors.atomic) is passes


def test_who_ignores_the_watermarks_needs_a_block_all_the_same() -> None:
    """PF_MEMALLOC, and what comes from the reserve."""
    assert apart(900).take_block_ignoring_watermarks(2) is None
    zone = apart(10, 1)
    block = zone.take_block_ignoring_watermarks(2)
    assert block is not None
    assert (zone.reserve_used, zone.free) == (4, 10)
    zone.give_back_reserve_block(block)
    assert (zone.reserve_used, zone.free, zone.free_blocks()[2]) == (0, 14, 1)


def test_a_single_page_never_fails_for_want_of_a_block() -> None:
    """The same requests, one by one, are met by a zone that only counts."""
    buddy, plain = zone_of(), Zone(TOTAL, MIN)
    for _ in range(TOTAL + 5):
        assert buddy.take(ATOMIC) == plain.take(ATOMIC)
    assert (buddy.free, buddy.no_block) == (plain.free, 0) == (ATOMIC, 0)


def test_a_machine_that_has_run_for_long_has_its_pages_anywhere() -> None:
    """Of 4096 pages 400 are free: about 400 / 4096 of the pairs are whole, and hardly any block of eight."""
    zone = zone_of()
    zone.take_many(0, TOTAL - 400)
    assert zone.free_blocks()[7] == 1
    zone.settle()
    counts = zone.free_blocks()
    assert (pages_in(counts), zone.free) == (400, 400)
    pairs = 2048 * (400 / 4096) ** 2
    assert abs(counts[1] - pairs) < 5 * pairs**0.5
    assert sum(counts[3:]) == 0


def test_what_was_never_used_stays_whole() -> None:
    """A machine with nothing in memory has nothing that could lie anywhere."""
    zone = zone_of()
    block = block_of(zone, 3)
    zone.settle()
    zone.give_block(block)
    assert zone.free_blocks() == [0] * 10 + [4]


def test_which_frame_comes_back_is_a_matter_of_the_stream_alone() -> None:
    """The same name, the same frames; another, others."""

    def blocks(stream: str) -> list[int]:
        zone = zone_of(stream=stream)
        zone.take_many(0, TOTAL)
        zone.give(600)
        return zone.free_blocks()

    assert blocks("1") == blocks("1") != blocks("2")


def test_kswapd_works_for_the_order_it_was_woken_for() -> None:
    """What fails at low sets the order; above the high mark kswapd goes on, a cluster at a time, until it is met."""
    zone = apart(900)
    woken: list[int] = []
    zone.on_pressure(lambda: woken.append(1))
    assert zone.kswapd_goal() == zone.high_mark + 1
    assert zone.take_block(2, ATOMIC) is None
    assert (woken, zone.kswapd_goal()) == ([1], 900 + LINUX_2_6_22.swap_cluster_max)
    full = apart(900, 200)
    full.kswapd_order = 2
    assert (full.kswapd_goal(), full.kswapd_order) == (full.high_mark + 1, 0)


# -- objects that are blocks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "given_size"),
    [(1, 32), (33, 64), (65, 96), (97, 128), (129, 192), (193, 256), (257, 512), (1912, 2048), (16_760, 32_768)],
)
def test_kmalloc_gives_the_next_of_its_sizes(size: int, given_size: int) -> None:
    """32, 64, 96, 128, 192, 256, and powers of two."""
    assert kmalloc_size(size) == kmalloc_size(given_size) == given_size


def test_pages_and_orders_of_objects() -> None:
    """Two of 2048 to a page; one of 32 KiB is eight pages, order 3."""
    assert [order_of(size) for size in (1, 4096, 4097, 8192, 16_384, 32_768)] == [0, 0, 1, 1, 2, 3]
    assert (pages_of(3, 2048), pages_of(3, 4096), pages_of(3, 32_768)) == (2, 3, 24)


def test_a_large_object_is_a_block_and_comes_back_as_one() -> None:
    """Entitled or not; in_use counts them."""
    zone = apart(900, 40)
    cache = LargeCache(zone, "kmalloc-16384", 16_384)
    ordinary = cache.take(ATOMIC)
    zone.take_many(ATOMIC, 4096)
    memalloc = cache.take_memalloc(ATOMIC)
    assert ordinary is not None
    assert memalloc is not None
    assert (cache.slabs, zone.reserve_used, memalloc.from_reserve) == (2, 4, True)
    free = zone.free
    cache.give(ordinary)
    cache.give(memalloc)
    assert (cache.slabs, zone.reserve_used, zone.free - free) == (0, 0, 8)
    assert len(zone.free_blocks()) == ORDERS


@pytest.mark.parametrize("memalloc", [False, True])
def test_a_paged_object_is_had_whole_or_not_at_all(memalloc: bool) -> None:
    """A header and three pages: at two pages above the floor only a request with `memalloc` gets it, down to 0."""
    zone = Zone(TOTAL, MIN)
    headers = SlabCache(zone, "kmalloc-1024", 1024, guarded=False)
    cache = PagedCache(zone, headers, 3)
    zone.take_many(ATOMIC + 2, TOTAL)
    slab = cache.take_memalloc(ATOMIC) if memalloc else cache.take(ATOMIC)
    assert (slab is not None, zone.reserve_used) == (memalloc, 2 if memalloc else 0)
    if slab is not None:
        assert zone.free == ATOMIC - 2
        cache.give(slab)
    assert (zone.free, headers.slabs, cache.slabs, zone.reserve_used) == (ATOMIC + 2, 0, 0, 0)
