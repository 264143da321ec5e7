"""What a machine of a scenario may be set to, and programs that do less, or have more rights, than usual."""

from math import ceil

import pytest
from scenes import atomic_floor, min_pages, outage, seed

from netswap.actors.kernels import KERNELS
from netswap.actors.machine import Machine
from netswap.actors.net.virtio import VirtioNic
from netswap.cluster.scenario import load
from netswap.protocol.units import kib, seconds

OLD, NEW = "linux-2.6.22", "linux-6.11"
INCOMPLETE = "}}, {flood: {to: 'A:9000', rate: 1Mbit/s, payload: 2000B, fragments: incomplete, from: 1s"
QUIET = {"machines.A.programs.0.rank": {"working_set": "4MiB", "touch": "4KiB", "compute": "100ms"}}


# -- a service that never reads ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("habit", "verdict"), [("reads: never", "recovered"), ("work: 1h", "undecided")])
def test_a_service_that_never_reads_is_no_stalled_program(netswap, habit, verdict):
    """Protected, A gets over the outage with all sockets full. The twin works for an hour on its first message: who can tell?"""
    service = f", {habit}"
    cluster = netswap(seed(stop="20s", service=service, timeline=outage()), safeguards="reserve").run()
    a = cluster["A"]
    assert a.verdict == verdict
    assert a.programs["service 0"]["progress"] == 0
    assert a.socket_frames == pytest.approx(32 * 68, abs=32)


def test_a_service_that_never_reads_takes_what_its_sockets_have_room_for_and_wedges_its_machine(netswap):
    """The loop of 2007 needs no service that waits for memory: one that does not read will do."""
    cluster = netswap(seed(stop="60s", service=", reads: never", timeline=outage())).run()
    assert cluster["A"].verdict == "wedged"


def test_over_tcp_the_window_of_who_never_reads_closes(netswap):
    """Each connection holds no more than its receive buffer has room for, whatever B would send."""
    keys = QUIET | {"machines.A.programs.1.service": {"port": 9000, "protocol": "tcp", "reads": "never", "sockets": 4}}
    story = seed(memory=64, stop="8s", flood=", protocol: tcp, flows: 4", rate="20Mbit/s")
    cluster = netswap(story.replace("1472B", "1448B"), set=keys).run()
    held = cluster["A"].socket_frames
    cluster.run_for(seconds(3))
    assert cluster["A"].socket_frames == held
    assert 0 < held <= 4 * (87_380 // 1832 + 1)
    assert cluster["A"].verdict == "healthy"


# -- ipfrag --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "cause"), [(OLD, "reassembly-evicted"), (NEW, "reassembly-evicted")])
def test_reassembly_holds_what_its_high_mark_allows_and_one_fragment_more(netswap, kernel, cause):
    """64 KiB of truesize; the kernel's own is 256 KiB, and 4 MiB."""
    truesize = KERNELS[kernel].rx_truesize
    keys = QUIET | {"machines.A.ipfrag": {"high": "64KiB"}}
    cluster = netswap(seed(stop="6s", flood_from="1s", flood=INCOMPLETE), set=keys, kernel=kernel).run()
    a = cluster["A"]
    assert a.dropped[cause] > 0
    assert a.held <= kib(64) // truesize + 1
    usual = netswap(seed(stop="6s", flood_from="1s", flood=INCOMPLETE), set=QUIET, kernel=kernel).run()
    assert usual["A"].held > a.held


@pytest.mark.parametrize("kernel", [OLD, NEW])
def test_a_datagram_waits_for_its_fragments_as_long_as_ipfrag_time(netswap, kernel):
    """1 s instead of 30 s: the first fragment comes after 1 s, and what comes within 1 s is below both high marks."""
    keys = QUIET | {"machines.A.ipfrag": {"time": "1s"}}
    cluster = netswap(seed(stop="6s", flood_from="1s", flood=INCOMPLETE), set=keys, kernel=kernel)
    cluster.run_for(seconds(1.99))
    assert cluster["A"].dropped["reassembly-timeout"] == 0
    cluster.run_for(seconds(0.3))
    assert cluster["A"].dropped["reassembly-timeout"] > 0


def test_above_its_high_mark_2007_evicts_down_to_its_low_mark(netswap):
    """64 KiB and 16 KiB: after an eviction less than 16 KiB stay, and the next fragment; with 60 KiB only a few go at once."""
    least = {}
    for low in ("16KiB", "60KiB"):
        keys = QUIET | {"machines.A.ipfrag": {"high": "64KiB", "low": low}}
        cluster = netswap(seed(stop="6s", flood_from="1s", flood=INCOMPLETE), set=keys)
        cluster.run_for(seconds(3))
        held = []
        for _ in range(200):
            cluster.run_for(seconds(0.01))
            held.append(cluster["A"].held * 1832)
        least[low] = min(held)
    assert least["16KiB"] < kib(16) + 1832
    assert kib(60) - 2 * 1832 <= least["60KiB"]


# -- tcp_rmem, tcp_wmem ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [OLD, NEW])
def test_a_connection_takes_what_tcp_rmem_says(netswap, kernel):
    """The default of 16 KiB, and no growth beyond it: no program reads, and the window is a share of it."""
    service = {"port": 9000, "protocol": "tcp", "reads": "never"}
    held = {}
    for rmem in (["4KiB", "16KiB", "16KiB"], [4096, 65_536, 65_536]):
        keys = QUIET | {"machines.A.programs.1.service": service, "machines.A.tcp": {"rmem": rmem}}
        story = seed(memory=64, stop="4s", flood_from="1s", flood=", protocol: tcp, flows: 1", rate="20Mbit/s")
        cluster = netswap(story.replace("1472B", "1448B"), set=keys, kernel=kernel).run()
        held[str(rmem[1])] = cluster["A"].socket_frames
    truesize = KERNELS[kernel].rx_truesize
    assert 0 < held["16KiB"] <= kib(16) // truesize + 1 < held["65536"] <= 65_536 // truesize + 1


def test_the_most_of_a_buffer_is_what_is_set_and_not_what_memory_would_allow():
    """Of 64 MiB 1/128 is less than 6 MiB, which is what the buffer may grow to at boot; who sets tcp_rmem sets the most."""
    kernel, pages = KERNELS[NEW], 64 * 256
    assert kernel.tcp_buffers_max(pages)[0] == kernel.buffer_pages(pages) * 4096 // 128
    a = machine({"tcp": {"rmem": [4096, 131_072, 6_291_456], "wmem": [4096, 16_384, 50_000]}})
    assert (a.tcp.memory.rcvbuf_max, a.tcp.memory.sndbuf_max) == (6_291_456, 50_000)
    assert a.tcp.memory.rules.wmem == (4096, 16_384, 50_000)


# -- the card --------------------------------------------------------------------------------------------------------------


def machine(keys, kernel=NEW):
    """A of the seed, with these keys."""
    overrides = [("kernel", kernel), *((f"machines.A.{key}", value) for key, value in keys.items())]
    scenario = load(seed(), overrides=overrides)
    return Machine(scenario.resolved().machines[0])


@pytest.mark.parametrize("setting", ["on", "off"])
def test_without_blocks_the_ring_is_cut_from_single_pages(setting):
    """256 fragments of 1536 bytes, what a frame of an MTU of 1500 takes (drivers/net/virtio_net.c, get_mergeable_buf_len)."""
    a = machine({"nic": {"refill": "virtio", "high_order_alloc": setting}})
    assert isinstance(a.nic, VirtioNic)
    blocks = {id(data) for data, _ in a.nic._data}
    fragments = (8 * 4096 if setting == "on" else 4096) // 1536
    assert len(blocks) == -(-256 // fragments)


# -- min_free_kbytes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("memory", "raised"), [("1GiB", 5632), ("64MiB", None)])
def test_transparent_huge_pages_raise_min_free(memory, raised):
    """512 x (2 + 3 x 3) = 5632 pages of one zone, or a twentieth of what lies above the high mark (facts 13.10)."""
    usual, huge = (machine({"memory": memory, "thp": setting}).zone for setting in ("off", "on"))
    assert huge.min == (raised or (usual.total - usual.high_mark) // 20) > usual.min
    assert machine({"memory": memory, "thp": "on", "min_free": "1MiB"}).zone.min > 256, "whoever has set it"
    assert machine({"memory": memory, "thp": "on", "min_free": "32MiB"}).zone.min == 32 * 256, "and never lower it"


@pytest.mark.parametrize(("transport", "nofs"), [("nfs", True), ("nbd", False)])
def test_pages_of_a_file_on_a_network_file_system_are_allocated_without_fs(transport, nofs):
    """A file over NBD is on a block device, with a file system of the machine's own on it (facts 13.12)."""
    reader = {"reader": {"file": "1MiB", "rate": "1MB/s", "on": "swap"}}
    a = machine(
        {
            "swap": {"server": "C", "size": "64MiB", "transport": transport},
            "programs": [reader, {"service": {"port": 9000}}],
        }
    )
    assert a.programs[0].system.file.nofs == nofs


# -- real time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "quarters"), [(OLD, 3), (NEW, 2)])
def test_a_real_time_program_goes_on_below_min(netswap, kernel, quarters):
    """C is away from the start, and a cold rank takes all memory: to 3/4 of min in 2.6.22, to half of it in 6.11 (rt_task).

    The twin stops at min. Requests under way hold 2 pages, 8 to each. In 6.11 who finds no request slot sleeps there, whatever
    becomes free: what has been sent by then, 16 requests of three packets, comes back, 3 pages of heads and 6 of headers.
    """
    minimum = min_pages(64)
    for realtime in (True, False):
        keys = {"machines.A.programs.0.rank.start": "cold", "machines.A.programs.0.rank.realtime": realtime}
        keys |= {} if kernel == OLD else {"machines.A.vm.watermark_boost_factor": 0}
        cluster = netswap(seed(stop="9s", flood_from="8s", timeline=outage("0s", "20s")), set=keys, kernel=kernel)
        cluster.run_for(seconds(8))
        stands = minimum * quarters // 4 if realtime else minimum
        sent = ceil(48 / 16) + ceil(48 / 8)
        assert stands - ceil(16 / 8) <= cluster["A"].free_pages <= stands + sent
    assert minimum * quarters // 4 > atomic_floor(minimum)


@pytest.mark.parametrize(("high", "gets_on"), [("256KiB", True), ("auto", False)])
def test_fragments_leave_the_reserve_alone_where_ipfrag_high_is_below_it(netswap, high, gets_on):
    """Row 65 by its sysctl, with NBD, whose replies are no fragments: A goes on after the heal, or stands still.

    256 KiB hold 114 fragments of 2304 B; with them and the ring in it the reserve of 272 pages has room. The kernel's own 4 MiB
    hold more than the reserve.
    """
    held = [ceil((mark // 2304 + 1) * (1 / 2 + 1 / 16)) for mark in (kib(256), kib(4096))]
    assert held[0] + ceil(256 * (1 / 2 + 1 / 16)) < atomic_floor(min_pages(512)) < held[1]
    keys = {"machines.A.ipfrag.high": high, "machines.A.nic.refill": "e1000e"}
    flood = "}}, {flood: {to: 'A:9000', rate: 12304kbit/s, payload: 2000B, fragments: incomplete, from: 2s"
    story = seed(
        memory=512,
        sockets=64,
        stop="14s",
        rate="12304kbit/s",
        timeline=outage(),
        flood=flood,
        service=", reads: never",
        swap=", transport: nbd",
    )
    cluster = netswap(story, set=keys, kernel=NEW, safeguards=["merged", "rx-head"])
    cluster.run_for(seconds(7))
    before = cluster["A"].pages_out
    cluster.run()
    assert (cluster["A"].pages_out > before) == gets_on
    assert cluster["A"].lost_pages == 0
