"""Frames of 9000 bytes: how large their buffers are, and a card that receives nothing while pages enough are free."""

import pytest

from netswap.actors.kernels import LINUX_2_6_22, LINUX_6_11
from netswap.actors.memory.sizes import order_of
from netswap.actors.net.drivers import merged, mtu_max, on_link, parked
from netswap.protocol.ip import datagram_wire
from netswap.protocol.units import seconds

ROW = "configs/claims/row-27.yaml"
STANDARD = {"network.mtu": "1500B", "machines.B.programs.0.flood.payload": "1472B"}


@pytest.mark.parametrize(("mtu", "length"), [(1501, 2048), (2030, 2048), (2031, 4096), (4078, 4096), (9000, 16_384)])
def test_an_e1000_buffer_of_2007_is_twice_a_power_of_two(mtu: int, length: int) -> None:
    """A power of two for mtu + 18, 18 bytes more aligned to 64, and 312 of shared info: the next power of two again."""
    aligned = (length + 18 + 63) // 64 * 64
    kernel = on_link(LINUX_2_6_22, "e1000", mtu)
    assert length < aligned + 312 < 2 * length
    assert (kernel.rx_data, kernel.rx_truesize, kernel.rx_pages) == (2 * length, aligned + 232, 0)


def test_jumbo_frames_take_blocks_of_order_3_in_2007_and_single_pages_in_6_11() -> None:
    """And 1500 bytes what they always took."""
    assert order_of(on_link(LINUX_2_6_22, "e1000", 9000).rx_data) == 3
    modern = on_link(LINUX_6_11, "e1000e", 9000)
    assert (order_of(modern.rx_data), modern.rx_pages, modern.rx_truesize) == (0, 3, 1024 + 256 + 3 * 4096)
    for kernel in (LINUX_2_6_22, LINUX_6_11):
        assert on_link(kernel, "e1000", 1500) is kernel


def test_the_tg3_has_a_second_ring_of_blocks_of_order_2() -> None:
    """9046 + 2 + 64 and 16 bytes, aligned to 64: 9152; with 312 of shared info kmalloc-16384. Its first ring is as ever."""
    kernel = on_link(LINUX_2_6_22, "tg3", 9000)
    aligned = -(-(9046 + 2 + 64 + 16) // 64) * 64
    assert (kernel.rx_data, kernel.rx_truesize) == (16_384, aligned + 232)
    assert kernel.rx_standard == (LINUX_2_6_22.rx_data, LINUX_2_6_22.rx_truesize)
    small, large = 2048 + 256, 16_384 + 256
    assert parked(kernel, "tg3", 200) == 100 + -(-200 * small // large)
    assert (parked(LINUX_2_6_22, "tg3", 200), parked(kernel, "e1000", 256)) == (200, 0)


def test_where_a_tg3_finds_no_block_it_drops_the_frame_and_receives_small_ones(netswap) -> None:
    """Large frames die (`no-memory`) though pages enough are free; replies to page-outs are small, and A resumes."""
    keys = {"machines.A.nic": {"refill": "tg3"}, "machines.A.programs.1.service.sockets": 40}
    with netswap(ROW, set=keys, expect=[]) as cluster:
        cluster.run_to(seconds(9.9))
        a = cluster["A"]
        assert a.dropped["no-memory"] > 0 == a.dropped["ring-empty"]
        assert a.no_block > 0
        assert a.free_pages > 1024
        cluster.run_to(seconds(45))
        assert cluster["A"].verdict == "recovered"


def test_a_jumbo_frame_fills_three_fragments_of_virtio(netswap) -> None:
    """9038 + 12 bytes; a frame of 1500 one. The ring of 80 has room for 26 of the large ones, and they come back whole.

    Each has a quarter of a page for its first bytes beside them.
    """
    kernel = on_link(LINUX_6_11, "virtio", 9000)
    assert [merged(wire) for wire in (1538, 4084, 4085, 9038)] == [1, 1, 2, 3]
    assert (kernel.rx_data, kernel.rx_pages, kernel.rx_truesize) == (4096, 2, 4096 + 1024 + 256)
    free = {}
    for payload in ("8972B", "1472B"):
        keys = {"machines.A.nic": {"refill": "virtio", "ring": 80}, "machines.B.programs.0.flood.payload": payload}
        keys |= {"machines.A.programs": [{"service": {"port": 9000, "work": "500ms"}}], "machines.A.swap": "none"}
        keys |= {"machines.B.programs.0.flood.for": "20ms", "machines.B.programs.0.flood.from": "1s"}
        with netswap(ROW, kernel="linux-6.11", set=keys, timeline=[], expect=[], stop="30s") as cluster:
            cluster.run_to(seconds(0.9))
            nic = cluster.engine.machine(0).nic
            assert nic.filled() == 26
            cluster.run_to(seconds(1.5))
            frames = cluster["A"].socket_frames
            charged = [socket.charged for socket in cluster.engine.machine(0).stack.sockets.values()]
            free[payload] = sum(charged) / frames
            cluster.run()
            assert cluster["A"].socket_frames == 0
    assert free == {"8972B": 3 * 4096 + 1024 + 256, "1472B": 4096 + 1024 + 256}


def test_a_tg3_of_6_11_takes_no_jumbo_frames() -> None:
    """Its blocks are modelled for 2.6.22 only."""
    assert [mtu_max("tg3", kernel) for kernel in (LINUX_2_6_22, LINUX_6_11)] == [9000, 1500]


def test_a_page_out_is_one_packet() -> None:
    """4096 + 128 bytes: 3 fragments of 1500, 1 of 9000."""
    assert (datagram_wire(4096 + 128)[0], datagram_wire(4096 + 128, mtu=9000)[0]) == (3, 1)


def test_the_ring_runs_dry_with_pages_enough_and_says_why(netswap) -> None:
    """The frames of 1500 bytes on the same machine never find it empty."""
    with netswap(ROW) as cluster:
        cluster.run_to(seconds(45))
        a = cluster["A"]
        assert a.verdict == "wedged"
        assert a.waits_for(f"no block of order 3 can be had although {a.free_pages} pages are free")
        assert sum(count << order for order, count in enumerate(a.free_blocks)) == a.free_pages > 1024
        assert a.dropped["ring-empty"] > 0
    with netswap(ROW, set=STANDARD, expect=["A is recovered", "A.dropped.ring-empty == 0"]) as twin:
        twin.run()
        twin.check()
        assert twin["A"].free_blocks == []


@pytest.mark.parametrize("transport", ["nfs", "nbd"])
def test_more_free_memory_finds_no_block_either(netswap, transport) -> None:
    """The advice of 2006, to raise min_free_kbytes: twice as much of it, more pages free, and the ring runs dry."""
    keys = {"machines.A.min_free": "8MiB", "machines.A.swap.transport": transport}
    with netswap(ROW, set=keys) as cluster:
        a = cluster.run()["A"]
        assert a.verdict == "wedged"
        assert a.free_pages > 2048
        assert a.waits_for("no block of order 3")


def test_with_the_reserve_one_block_that_goes_round_is_enough(netswap) -> None:
    """What demux drops comes back as the block it was; most requests for one have failed."""
    with netswap(ROW, safeguards="reserve", expect=[]) as cluster:
        a = cluster.run()["A"]
        assert a.verdict == "recovered"
        assert a.dropped["demux"] > 0
        assert a.no_block > 0


def test_with_the_server_there_kswapd_frees_far_more_than_the_high_mark(netswap) -> None:
    """It works for order 3; a pair, four and eight neighbours among random frames take many pages."""
    free = {}
    for name, keys in (("jumbo", {}), ("standard", STANDARD)):
        with netswap(ROW, set=keys, timeline=[], stop="4s", expect=[]) as cluster:
            free[name] = cluster.run()["A"].free_pages
    assert free["jumbo"] > 2 * free["standard"]


def test_a_flood_of_jumbo_frames_has_one_digest(netswap) -> None:
    """Which frames come back is drawn from the machine's own stream."""
    digests = set()
    for stops in ([], [1, 2.5, 8.01]):
        with netswap(ROW, stop="9s", expect=[]) as cluster:
            for at_s in stops:
                cluster.run_to(seconds(at_s))
            cluster.run()
            digests.add(cluster.digest())
    assert len(digests) == 1
