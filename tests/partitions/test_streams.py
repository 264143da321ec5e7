"""TCP between whole machines: how fast it is, what a frozen reader or a crash does to it, and ranks that wait for each other."""

from math import sqrt
from typing import Any

import pytest
from scenes import FRAME, outage, seed

from netswap.cluster.lab import Cluster
from netswap.cluster.pytest_plugin import Open
from netswap.protocol.units import milliseconds, seconds

LINE_RATE = 1_000_000_000 // (8 * FRAME)
"""Full frames of 1538 B a second."""
MSS = 1448
KERNELS = ("linux-2.6.22", "linux-6.11")


def bulk(
    *,
    latency: str = "100us",
    network: str = "",
    payload: str = "1448B",
    rate: str = "2Gbit/s",
    service: str = "",
    flows: int = 1,
    a: str = "",
    a_programs: str = "",
    stop: str = "100s",
    kernel: str = "linux-2.6.22",
) -> str:
    """B sends to a service of A over TCP as fast as it may."""
    return f"""\
title: a bulk transfer
stop: {stop}
kernel: {kernel}
network: {{latency: {latency}{network}}}
machines:
  A:
    memory: 64MiB
{a}
    programs:
      - service: {{protocol: tcp, port: 9000{service}}}
{a_programs}
  B:
    memory: 64MiB
    programs:
      - flood: {{protocol: tcp, to: "A:9000", rate: {rate}, payload: {payload}, flows: {flows}}}
"""


def is_conserved(cluster: Cluster) -> bool:
    """Sent and duplicated are delivered, dropped or under way."""
    frames = cluster.frames()
    return bool(
        frames["sent"] + frames["duplicated"]
        == frames["delivered"] + sum(frames["dropped"].values()) + frames["under_way"]
    )


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_bulk_transfer_reaches_nine_tenths_of_an_idle_line(netswap: Open, kernel: str) -> None:
    """1 Gbit/s and 100 us: a round trip holds 17 frames, less than any window; slow start is over in milliseconds."""
    cluster = netswap(bulk(kernel=kernel))
    cluster.run_for(seconds(0.5))
    assert cluster["A"].progress >= 0.9 * LINE_RATE / 2
    assert cluster["A"].verdict == cluster["B"].verdict == "healthy"


@pytest.mark.parametrize("kernel", KERNELS)
def test_random_loss_slows_it_as_the_square_root_model_says(netswap: Open, kernel: str) -> None:
    """MSS / RTT * sqrt(3 / 2p): with p = 1 % 12.2 segments a round trip, of 20 ms; within a factor of 2."""
    cluster = netswap(bulk(kernel=kernel, latency="10ms", network=", loss: 1%"))
    cluster.run_for(seconds(40))
    expected = 40 / 0.020 * sqrt(3 / (2 * 0.01))
    assert expected / 2 <= cluster["A"].progress <= 2 * expected
    assert is_conserved(cluster)


def test_the_same_bytes_however_often_the_run_is_stopped(netswap: Open) -> None:
    """On links that lose, double and reorder, with a long message and a reader that works."""
    chance = ", jitter: 300us, loss: 1%, duplicate: 1%, reorder: 1%"
    text = bulk(network=chance, payload="20000B", service=", work: 1ms", flows=3, stop="2s")
    one, other = netswap(text), netswap(text)
    one.run()
    for _ in range(200):
        other.run_for(milliseconds(7))
        assert is_conserved(other)
    other.run()
    assert other.digest() == one.digest()
    assert is_conserved(one)


def test_a_frozen_reader_stops_its_senders_and_holds_no_more_than_its_buffers(netswap: Open) -> None:
    """Row 36: 8 connections to a reader that works for an hour on its first message: 8 * 87380 B of truesize, 1832 B each.

    A seed of a window is left: less than what a full segment needs of the quarter that is kept for overheads.
    """
    cluster = netswap(bulk(service=", work: 3600s", flows=8))
    cluster.run_for(seconds(10))
    held = cluster["A"].socket_frames
    most = 8 * (87_380 // 1832 + 1)
    assert most / 2 <= held <= most
    assert cluster["A"].dropped["socket-full"] == cluster["A"].dropped["tcp-limit"] == 0
    sent = cluster["B"].progress
    cluster.run_for(seconds(80))
    assert cluster["A"].socket_frames == held
    assert cluster["B"].progress == sent
    assert cluster["B"].waits_for("room in the send buffers of its connections to A")


def test_a_limit_on_all_sockets_is_kept_and_what_is_refused_is_dropped(netswap: Open) -> None:
    """tcp_mem of 100 pages: 8 frozen connections would hold 8 * 22; each takes whole pages, two frames in each."""
    a = "    tcp: {mem: [60, 80, 100]}"
    cluster = netswap(bulk(service=", work: 3600s", flows=8, a=a))
    cluster.run_for(seconds(10))
    assert cluster["A"].dropped["tcp-limit"] > 0
    assert cluster["A"].socket_frames <= 100 * 4096 // 1832
    free = cluster["A"].free_pages
    cluster.run_for(seconds(30))
    assert cluster["A"].free_pages >= free - 8


@pytest.mark.parametrize("who", ["A", "B"])
def test_a_crash_ends_connections_and_they_are_opened_again(netswap: Open, who: str) -> None:
    """A's forgets them: B's next segment is reset. B's come from other ports. Within 120 s the service hears again."""
    cluster = netswap(bulk(rate="1Mbit/s", flows=3))
    cluster.run_for(seconds(2))
    with cluster.crash(who):
        cluster.run_for(seconds(5))
    cluster.run_for(seconds(30))
    before = cluster["A"].progress
    cluster.run_for(seconds(10))
    assert cluster["A"].progress - before >= 0.9 * 10 * 1_000_000 / (8 * FRAME)
    assert is_conserved(cluster)


def test_a_pause_of_the_reader_loses_nothing(netswap: Open) -> None:
    """What comes meanwhile fills the ring and is dropped beyond; it is sent again, in order."""
    cluster = netswap(bulk(rate="10Mbit/s"))
    cluster.run_for(seconds(2))
    with cluster.pause("A"):
        cluster.run_for(seconds(3))
    cluster.run_for(seconds(10))
    before = cluster["A"].progress
    cluster.run_for(seconds(1))
    assert cluster["A"].progress - before >= 0.9 * 10_000_000 / (8 * FRAME)
    assert is_conserved(cluster)


def test_a_closed_window_is_probed_in_the_time_of_row_30(netswap: Open) -> None:
    """The reader works for 20 s on each message: the window opens when it reads, and the sender hears of it at once."""
    cluster = netswap(bulk(service=", work: 20s, buffer: 8000B", payload="1448B"))
    cluster.run_for(seconds(90))
    assert cluster["A"].progress == 4
    assert cluster["A"].socket_frames >= 2


@pytest.mark.parametrize(
    ("kernel", "safeguards"), [(KERNELS[0], "none"), (KERNELS[0], "reserve"), (KERNELS[1], "merged")]
)
def test_with_memory_short_frames_are_conserved_and_the_queues_are_named(
    netswap: Open, kernel: str, safeguards: str
) -> None:
    """The seed with TCP floods, whose windows close: what waits in A's sockets would come back if its service could read.

    With the reserve it is not what A waits for.
    """
    text = seed(timeline=outage("2s", "10s"), service=", protocol: tcp", flood=", protocol: tcp", safeguards=safeguards)
    cluster = netswap(text.replace("payload: 1472B", "payload: 1448B"), kernel=kernel)
    for _ in range(40):
        cluster.run_for(milliseconds(250))
        assert is_conserved(cluster)
    assert cluster["A"].socket_frames > 0
    assert cluster["A"].waits_for("a reply from C")
    assert cluster["A"].waits_for("receive queues of service 0") == (safeguards != "reserve")


@pytest.mark.ray
def test_ray_gives_the_digest_of_this_process(netswap: Open) -> None:
    """Ranks that exchange over links that lose, each machine an actor."""
    text = ranks_and_a_wedge("halo", stop="4s")
    one, other = netswap(text), netswap(text, engine="ray")
    one.run()
    other.run()
    assert other.digest() == one.digest()


# -- ranks --------------------------------------------------------------------------------------------------------------


RANKS = """\
  D:
    count: 3
    memory: 16MiB
    programs:
      - rank: {working_set: 1MiB, touch: 64KiB, compute: 20ms, exchange: EXCHANGE, message: 4KiB}
timeline:"""


def ranks_and_a_wedge(exchange: str, **keys: Any) -> str:
    """The seed, and three more ranks that exchange with A's and do not swap."""
    text = seed(timeline=outage("2s", "5s"), rank=f", exchange: {exchange}, message: 4KiB", **keys)
    return text.replace("timeline:", RANKS.replace("EXCHANGE", exchange))


@pytest.mark.parametrize("exchange", ["ring", "halo", "allreduce"])
def test_one_wedged_rank_blocks_all_others(netswap: Open, exchange: str) -> None:
    """Row 56: A waits for itself; the others, which lack nothing, wait for A's message, or for who waits for it."""
    cluster = netswap(ranks_and_a_wedge(exchange, stop="200s"))
    cluster.run()
    assert cluster["A"].verdict == "wedged"
    assert [cluster[f"D{index}"].verdict for index in range(3)] == ["blocked"] * 3
    assert all(cluster[f"D{index}"].waits_for("a message from A") for index in range(3))


def test_without_the_flood_all_ranks_recover_with_a(netswap: Open) -> None:
    """A stall of A's for the outage is one of everybody, and ends for everybody."""
    cluster = netswap(ranks_and_a_wedge("ring", stop="60s", flood_from="1000s"))
    cluster.run()
    assert cluster["A"].verdict == "recovered"
    assert [cluster[f"D{index}"].verdict for index in range(3)] == ["recovered"] * 3
    for index in range(3):
        assert cluster[f"D{index}"].stalled_ns >= seconds(4)
