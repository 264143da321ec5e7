"""Rows 1, 2 and 20: A swaps to C and serves B; C is unreachable for a while; B floods A."""

import pytest
from scenes import outage, seed

from netswap.protocol.rpc import DOUBLINGS, TIMEOUT_NS
from netswap.protocol.units import milliseconds, seconds

CAP_NS = TIMEOUT_NS << DOUBLINGS
ROUND_TRIP_NS = milliseconds(5)
"""Twice 2 ms of latency, the disk, and the wire."""

SIZES = [(64, 32), (512, 40), (2048, 80)]
"""A's MiB, and sockets enough to take all that is free (the capacity rule)."""
RUNS = [(memory, sockets, lasts, number) for memory, sockets in SIZES for lasts, number in [(2, 1), (5, 2), (20, 3)]]


def longest_wait(outage_ns: int) -> int:
    """Row 31: after an outage the next transmission comes within min(D + RTO0, cap)."""
    return min(outage_ns + TIMEOUT_NS, CAP_NS)


@pytest.mark.parametrize(("memory", "sockets", "lasts", "number"), RUNS)
def test_without_safeguards_a_wedges_and_stays_wedged_when_c_is_back(netswap, memory, sockets, lasts, number):
    """The flood goes on; longer than every timer (8.8 s, the 30 s of a fragment) nothing gets better."""
    cluster = netswap(seed(memory=memory, sockets=sockets, number=number, timeline=outage(lasts=f"{lasts}s")))
    cluster.run_for(seconds(2 + lasts))
    done = cluster["A"].progress
    cluster.run_for(seconds(35))

    a = cluster["A"]
    assert a.verdict == "wedged"
    assert a.progress == done
    assert a.recovered_after_ns is None
    assert a.waits_for("a reply from C")
    assert a.waits_for("a receive buffer")


@pytest.mark.parametrize(("memory", "sockets", "lasts", "number"), RUNS)
def test_with_the_reserve_a_resumes_by_the_next_retransmission(netswap, memory, sockets, lasts, number):
    """User space may stop; after the heal it goes on by itself, and every page carries its right stamp."""
    cluster = netswap(
        seed(memory=memory, sockets=sockets, number=number, timeline=outage(lasts=f"{lasts}s")), safeguards="reserve"
    )
    cluster.run_for(seconds(2 + lasts) + longest_wait(seconds(lasts)) + seconds(1))

    a = cluster["A"]
    assert a.verdict == "recovered"
    assert a.recovered_after_ns <= longest_wait(seconds(lasts)) + ROUND_TRIP_NS
    done = a.progress
    cluster.run_for(seconds(1))
    assert cluster["A"].progress > done
    assert cluster["A"].lost_pages == 0
    assert cluster["A"].used_reserve


@pytest.mark.parametrize("number", [1, 2, 3])
def test_without_the_flood_the_same_outage_is_survived_without_any_safeguard(netswap, number):
    """The control run: it is the flood that makes the outage deadly."""
    cluster = netswap(seed(number=number, timeline=outage()), set={"machines.B.programs": []})
    cluster.run_for(seconds(7) + longest_wait(seconds(5)) + seconds(1))
    assert cluster["A"].verdict == "recovered"
    assert cluster["A"].recovered_after_ns <= longest_wait(seconds(5)) + ROUND_TRIP_NS


def test_a_flood_that_has_stopped_leaves_a_wedged(netswap):
    """Row 20: floor and ring are used up, so that no reply can be received, however silent B is."""
    cluster = netswap(seed(timeline=outage(lasts="10s"), flood=", for: 4s"))
    cluster.run_for(seconds(12 + 35))
    assert cluster["A"].verdict == "wedged"
    assert cluster["B"].verdict == "finished"


def test_a_flood_that_stops_before_the_floor_leaves_a_able_to_resume(netswap):
    """Row 20's other side: 0.1 s at 2000 frames/s do not use up floor and ring, and A resumes when C is back."""
    cluster = netswap(seed(timeline=outage(lasts="10s"), flood=", for: 100ms"))
    cluster.run_for(seconds(12) + longest_wait(seconds(10)) + seconds(1))
    assert cluster["A"].verdict == "recovered"


def test_an_outage_that_loses_the_requests_under_way_is_enough(netswap):
    """They are sent again after 1.1 s; the 700 frames that free memory and ring can take come in 0.35 s."""
    cluster = netswap(seed(timeline=outage(lasts="300ms")))
    cluster.run_for(seconds(2 + 35))
    assert cluster["A"].verdict == "wedged"


def test_a_service_that_is_hot_before_the_outage_reads_through_it(netswap):
    """Its pages are resident, so it needs no memory to read, and the flood never fills anything."""
    cluster = netswap(seed(flood_from="0s", timeline=outage()))
    cluster.run_for(seconds(7) + longest_wait(seconds(5)) + seconds(1))
    assert cluster["A"].verdict == "recovered"
    assert cluster["A"].dropped["ring-empty"] == 0


def test_a_fault_by_hand_and_the_same_fault_in_a_timeline_give_the_same_bytes(netswap):
    """A fault comes before an arrival of the same time, wherever it is written."""
    scripted = netswap(seed(stop="20s", timeline=outage())).run()
    by_hand = netswap(seed(stop="20s"))
    by_hand.run_for(seconds(2))
    with by_hand.partition({"C"}):
        by_hand.run_for(seconds(5))
        assert by_hand["A"].waits_for("a reply from C")
    by_hand.run()
    assert by_hand.digest() == scripted.digest()
