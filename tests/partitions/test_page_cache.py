"""Rows 18, 19, 35 and 69 with clean pages: they delay the wedge by about their number, and do not prevent it."""

from math import ceil

import pytest
from scenes import RING, SOCKET_FRAMES, atomic_floor, min_pages, outage, seed

from netswap.protocol.units import milliseconds, seconds

MEMORY = 64
FRAMES_PER_PAGE = 16 / 9
REQUESTS_PER_PAGE = 8
SLOTS = 16
RATE = 2000


def stopped(netswap, text, sockets=120, **keys):
    """C is cut off at 4 s; user space has stopped, its text still in memory, when the flood begins at 8 s."""
    cluster = netswap(seed(memory=MEMORY, sockets=sockets, flood_from="8s", rank=f", text: {text}"), **keys)
    cluster.run_for(seconds(4))
    cut = cluster.partition({"C"})
    cluster.run_for(seconds(4))
    return cluster, cut


def threshold(a):
    """Row 35: q* = 16/9 (free - 3/8 min + clean - pages of requests under way) + ring."""
    requests = ceil(SLOTS / REQUESTS_PER_PAGE)
    return FRAMES_PER_PAGE * (a.free_pages + a.clean_pages - atomic_floor(min_pages(MEMORY)) - requests) + RING


@pytest.mark.parametrize("text", ["none", "1MiB", "4MiB"])
def test_clean_pages_are_turned_into_socket_buffers_first_and_delay_the_wedge_by_their_number(netswap, text):
    """Row 69: 16/9 frames more for each clean page; and A is wedged all the same."""
    cluster, cut = stopped(netswap, text)
    clean = cluster["A"].clean_pages
    expected = threshold(cluster["A"])
    assert clean == (0 if text == "none" else int(text[0]) * 256)
    assert cluster.run_until("A.dropped.ring-empty > 0", within=seconds(30), every=milliseconds(5))
    assert cluster["A"].socket_frames == pytest.approx(expected, abs=16)
    assert (cluster.now_ns - seconds(8)) / 1e9 == pytest.approx(expected / RATE, abs=0.03)
    cut.heal()
    cluster.run_for(seconds(35))
    assert cluster["A"].verdict == "wedged"
    assert cluster["A"].clean_pages == 0


def test_with_clean_pages_it_takes_so_many_more_sockets(netswap):
    """Row 35 on both sides of its threshold, one socket apart."""
    cluster, _ = stopped(netswap, "1MiB")
    enough = ceil(threshold(cluster["A"]) / SOCKET_FRAMES)
    for sockets, verdict in ((enough - 1, "recovered"), (enough, "wedged")):
        cluster, cut = stopped(netswap, "1MiB", sockets)
        cluster.run_for(seconds(2))
        cut.heal()
        cluster.run_for(seconds(32))
        assert cluster["A"].verdict == verdict, f"{sockets} sockets, {enough} are enough"


def test_text_that_was_dropped_comes_back_from_disk(netswap):
    """With the reserve A resumes after the flood has taken its text, and reads it again; nothing is lost."""
    cluster, cut = stopped(netswap, "1MiB", safeguards="reserve")
    cluster.run_for(seconds(3))
    assert cluster["A"].clean_pages == 0
    cut.heal()
    cluster.run_for(seconds(15))
    a = cluster["A"]
    assert a.verdict == "recovered"
    assert a.file_pages_in >= 256
    assert a.lost_pages == 0


@pytest.mark.parametrize("safeguards", ["none", "reserve"])
def test_text_that_is_used_stays_while_swapping_goes_on(netswap, safeguards):
    """The hand passes what every step touches: nothing of it is read twice in ten seconds of swapping."""
    cluster = netswap(seed(rank=", text: 1MiB"), safeguards=safeguards, set={"machines.B.programs": []})
    cluster.run_for(seconds(10))
    assert cluster["A"].pages_out > 1000
    assert cluster["A"].file_pages_in == 0


SLOW = "[{at: 2s, slow: {from: C, to: A, latency: LATENCY}, for: 3s}]"


@pytest.mark.parametrize(("text", "latency_ms"), [("none", 200), ("none", 600), ("1MiB", 450), ("1MiB", 1000)])
def test_a_slow_server_wedges_a_iff_the_flood_fills_memory_before_it_answers(netswap, text, latency_ms):
    """Row 19: fill rate x latency against free - floor + clean. The service has one page, so it waits for one answer."""
    cluster = netswap(
        seed(sockets=120, rank=f", text: {text}", timeline=SLOW.replace("LATENCY", f"{latency_ms}ms")),
        set={"machines.A.programs.1.service.pages": 1},
    )
    cluster.run_for(seconds(2))
    expected = RATE * latency_ms / 1000 > threshold(cluster["A"])
    cluster.run_for(seconds(40 if expected else 20))  # here a wedge is told 3 s after the heal at 5 s
    assert (cluster["A"].verdict == "wedged") == expected


def test_what_is_under_writeback_stays_below_1_1_times_the_dirty_limit_and_a_batch_for_each_reclaimer(netswap):
    """Row 18: 5.5 % of dirtyable memory, all of which is mapped or free; kswapd, the rank and the service reclaim."""
    cluster = netswap(seed(swap=", in_flight: 16384", timeline=outage()), set={"machines.B.programs": []})
    cluster.run_for(seconds(7))
    a = cluster["A"]
    total = MEMORY * 256
    assert total * 50 // 1000 < a.writeback_pages_max <= total * 55 // 1000 + 3 * 32
    assert a.writeout_naps > 0
    cluster.run_for(seconds(12))
    assert cluster["A"].verdict == "recovered"
    assert cluster["A"].lost_pages == 0
