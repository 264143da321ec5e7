"""The reserve: the published example line by line, and what charging means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netswap.actors.kernels import LINUX_2_6_22 as KERNEL
from netswap.actors.memory.reserve import (
    Node,
    charge_of,
    find,
    kmalloc_pages,
    machine_tree,
    object_pages,
    receive_charge,
    receive_limit,
    transmit_pages,
    walk,
)

PAGE = 4096
FRAGMENTS = 262_144
ROUTES_PER_PAGE, REQUESTS_PER_PAGE = 12, 8
PUBLISHED = {
    "protocol TX pages": 32 + (128 // 8 + 1),
    "IPv6 route cache": -(-4096 // 12) + 1,
    "IPv4 route cache": -(-16_384 // 12) + 1,
    "IPv4 fragment cache": 128 + 10 * 1 + 1 * 2,
    "IPv6 fragment cache": 128 + 10 * 1 + 1 * 2,
    "SKB data": 2 * 140,
    "network RX": 343 + 1367 + 280,
    "total": 49 + 1990,
}
KIB = {
    "protocol TX pages": 196,
    "IPv6 route cache": 1372,
    "IPv4 route cache": 5468,
    "IPv4 fragment cache": 560,
    "IPv6 fragment cache": 560,
    "SKB data": 1120,
    "network RX": 7960,
    "total": 8156,
}


def published_tree() -> Node:
    """The tree of the patch's own example, one CPU, sized by the module's formulas."""
    transmit = Node("protocol TX pages", transmit_pages() + object_pages(128, REQUESTS_PER_PAGE))
    fragments = [Node(f"IPv{version} fragment cache", kmalloc_pages(FRAGMENTS, KERNEL)) for version in (4, 6)]
    data = Node("SKB data", limit=2 * FRAGMENTS, children=fragments)
    routes = [
        Node("IPv6 route cache", object_pages(4096, ROUTES_PER_PAGE)),
        Node("IPv4 route cache", object_pages(16_384, ROUTES_PER_PAGE)),
    ]
    return Node("total", children=[transmit, Node("network RX", children=[*routes, data])])


# -- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", PUBLISHED)
def test_the_published_example_comes_out_line_by_line(line: str) -> None:
    """2039 pages = 49 + 343 + 1367 + 140 + 140; each line in pages and in the KiB of the patch."""
    assert find(published_tree(), line).pages == PUBLISHED[line]
    assert PUBLISHED[line] * PAGE == KIB[line] * 1024


def test_transmission_is_the_largest_packet_twice() -> None:
    """ceil(2 * 65536 / 4096) = 32 pages, for each transport."""
    assert transmit_pages() == 32


@pytest.mark.parametrize("cpus", [1, 2, 8])
def test_kmalloc_space_is_twice_the_bytes_and_a_slab_of_each_cache_for_each_cpu(cpus: int) -> None:
    """ceil(2N / 4096) + cpus (10 * 1 + 1 * 2)."""
    for size in (1, 2047, 2048, 2049, FRAGMENTS):
        assert kmalloc_pages(size, KERNEL, cpus) == -(-2 * size // PAGE) + 12 * cpus


@given(st.integers(1, 10_000), st.integers(1, 64), st.integers(1, 16), st.integers(0, 3))
def test_objects_take_their_slabs_and_one_for_each_cpu_unless_a_slab_holds_one(
    objects: int, per_slab: int, cpus: int, order: int
) -> None:
    """(ceil(n / per slab) + cpus [if per slab > 1]) 2^order."""
    spare = cpus if per_slab > 1 else 0
    assert object_pages(objects, per_slab, cpus, order) == (-(-objects // per_slab) + spare) * 2**order


@given(st.integers(0, 1000), st.sampled_from(list(PUBLISHED)))
def test_a_size_propagates_to_the_root(extra: int, line: str) -> None:
    """A node grown by x pages: it, and all above it, have x more."""
    tree = published_tree()
    find(tree, line).own_pages += extra
    assert tree.pages == 2039 + extra
    assert find(tree, line).pages == PUBLISHED[line] + extra


# -- charges ---------------------------------------------------------------------------------------------------------


@given(st.integers(1, 1 << 30))
def test_a_charge_is_the_next_power_of_two(size: int) -> None:
    """The smallest 2^k that is not below the size."""
    charge = charge_of(size)
    assert charge & (charge - 1) == 0
    assert size <= charge < 2 * size


def test_a_full_receive_buffer_is_charged_what_it_really_takes() -> None:
    """1912 bytes from kmalloc-2048 and a head of 232 from 256: 2048 + 256 = 2304."""
    assert charge_of(1912) + charge_of(232) == 2304 == receive_charge(KERNEL)


@given(st.integers(1, 10_000), st.lists(st.integers(1, 5000), max_size=30))
def test_the_limit_is_strict(limit: int, charges: list[int]) -> None:
    """Charged iff usage + charge < limit; what is refused changes nothing."""
    node = Node("SKB data", limit=limit)
    usage = most = 0
    for size in charges:
        fits = usage + size < limit
        assert node.charge(size) == fits
        usage += size if fits else 0
        most = max(most, usage)
        assert (node.usage, node.usage_max) == (usage, most)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5000)), max_size=40))
def test_usage_is_never_negative(calls: list[tuple[bool, int]]) -> None:
    """Giving back more than was charged leaves 0."""
    node = Node("SKB data", limit=20_000)
    for give_back, size in calls:
        before = node.usage
        if give_back:
            node.uncharge(size)
            assert node.usage == max(0, before - size)
        else:
            node.charge(size)
    assert node.usage >= 0


def test_a_charge_does_not_propagate() -> None:
    """Sizes do, charges do not: only the node that was charged shows it."""
    tree = published_tree()
    data = find(tree, "SKB data")
    assert data.charge(2304)
    assert [node.name for node in walk(tree) if node.usage] == ["SKB data"]
    assert tree.pages == 2039


def test_an_unknown_node_is_a_key_error() -> None:
    """With its name."""
    with pytest.raises(KeyError, match="IPv5"):
        find(published_tree(), "IPv5 route cache")


# -- what a machine of the model really has --------------------------------------------------------------------------


@pytest.mark.parametrize("cpus", [1, 4])
def test_a_machines_tree_has_the_nodes_it_needs(cpus: int) -> None:
    """IPv4 only: TX 32 + (16 + cpus), routes 1366 + cpus, fragments 128 + 12 cpus, and a reply of 3 frames."""
    tree = machine_tree(KERNEL, cpus, cover_fragments=True, parked=0, reply_frames=3, transports=(128,))
    assert find(tree, "network TX").pages == 32 + 128 // REQUESTS_PER_PAGE + cpus
    assert find(tree, "IPv4 route cache").pages == -(-16_384 // ROUTES_PER_PAGE) + cpus
    assert find(tree, "IPv4 fragment cache").pages == 128 + 12 * cpus
    assert find(tree, "receive ring").pages == 2 + 1
    assert tree.pages == sum(node.own_pages for node in walk(tree))


def test_two_transports_have_rx_once_and_tx_twice() -> None:
    """Row 53: R = RX + the sum of TX; 32 pages each, and 17 for the slots of NFS."""

    def pages(*transports: int) -> int:
        tree = machine_tree(KERNEL, 1, cover_fragments=True, parked=0, reply_frames=3, transports=transports)
        return tree.pages

    nfs, nbd = 128, 0
    assert pages(nfs, nbd) - pages(nfs) == 32
    assert pages(nfs, nbd) - pages(nbd) == 32 + 17
    assert pages(nbd, nbd, nbd) - pages(nbd) == 2 * 32


def test_without_cover_the_tree_has_no_fragment_cache() -> None:
    """Its 140 pages, and what short fragments take beyond them, are what the switch costs."""
    covered, bare = (
        machine_tree(KERNEL, 1, cover_fragments=on, parked=0, reply_frames=3, transports=(128,)) for on in (True, False)
    )
    short = 262_144 // KERNEL.copy_truesize + 2
    assert covered.pages - bare.pages == max(140, -(-short // 4) + -(-short // 16))
    assert "IPv4 fragment cache" not in [node.name for node in walk(bare)]


def charges_that_fit(node: Node, charge: int) -> int:
    """How many charges of this size a node takes."""
    fitting = 0
    while node.charge(charge):
        fitting += 1
    return fitting


@pytest.mark.parametrize("cover", [True, False])
@pytest.mark.parametrize("parked", [0, 200])
def test_the_limit_is_what_fragments_may_hold_the_ring_parks_and_a_reply_takes(cover: bool, parked: int) -> None:
    """Cache: floor(262144 / truesize) + 1 held and one in hand, of full (2304 B) or short (1280 B) fragments."""
    held = max((262_144 // 1832 + 2) * 2304, (262_144 // 488 + 2) * 1280) if cover else 0
    limit = receive_limit(KERNEL, cover_fragments=cover, parked=parked, reply_frames=3)
    assert limit == held + (parked + 3) * 2304
    tree = machine_tree(KERNEL, 1, cover_fragments=cover, parked=parked, reply_frames=3, transports=(128,))
    assert charges_that_fit(find(tree, "SKB data"), 2304) == limit // 2304


@pytest.mark.parametrize("parked", [0, 200])
def test_the_pages_hold_all_receive_buffers_that_the_limit_allows(parked: int) -> None:
    """The bytes of the limit, in pages, are no more than the node has."""
    tree = machine_tree(KERNEL, 1, cover_fragments=True, parked=parked, reply_frames=3, transports=(128,))
    data = find(tree, "SKB data")
    assert charges_that_fit(data, 2304) * 2304 <= data.pages * PAGE


@pytest.mark.parametrize(
    ("truesize", "real"),
    [
        pytest.param(1832, 2048 + 256, id="full fragments"),
        pytest.param(KERNEL.copy_truesize, KERNEL.copy_data + 256, id="short fragments"),
    ],
)
def test_a_cache_full_of_fragments_leaves_room_for_the_reply(truesize: int, real: int) -> None:
    """floor(262144 / truesize) + 1 fragments are held, and one is in hand, before any is evicted; then 3 of a reply."""
    data = find(machine_tree(KERNEL, 1, cover_fragments=True, parked=0, reply_frames=3, transports=(128,)), "SKB data")
    held = 262_144 // truesize + 2
    assert sum(data.charge(real) for _ in range(held)) == held
    assert sum(data.charge(2304) for _ in range(3)) == 3
