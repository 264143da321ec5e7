"""Rows 3, 4 and 5: what the reserve costs, when it costs nothing, and what raising min_free_kbytes buys instead."""

from math import isclose

import pytest
from oracles import receive_limit_2007
from scenes import RING, atomic_floor, min_pages, outage, seed

from netswap.protocol.units import milliseconds, seconds

FRAMES_PER_PAGE = 16 / 9
RATE = 2000
REPLY_FRAMES = 3
"""Packets of a page and its header: 4096 + 128 + 8 bytes, 1480 in each."""


@pytest.mark.parametrize("lasts", [5, 20, 60])
def test_what_non_critical_packets_hold_of_the_reserve_does_not_grow_with_the_flood(netswap, lasts):
    """Row 3: at most the receive limit: what incomplete datagrams may hold, and the frames of one reply."""
    cluster = netswap(seed(stop="100s", timeline=outage(lasts=f"{lasts}s")), safeguards="reserve")
    cluster.run_for(seconds(2 + lasts))
    a = cluster["A"]
    assert 0 < a.emergency_bytes_max <= receive_limit_2007(REPLY_FRAMES)
    assert a.emergency_bytes_max == netswap_after(netswap, 3).emergency_bytes_max


def netswap_after(netswap, outage_s):
    """The same machine, flooded for a short while."""
    cluster = netswap(seed(stop="100s", timeline=outage(lasts="90s")), safeguards="reserve")
    cluster.run_for(seconds(2 + outage_s))
    return cluster["A"]


def test_without_pressure_the_policy_drops_nothing_and_costs_no_throughput(netswap):
    """Row 4: free memory stays above the floor, so both policies do the same work, frame by frame."""
    quiet = {
        policy: netswap(seed(stop="6s", flood_from="0s"), safeguards=policy).run()["A"]
        for policy in ("none", "reserve")
    }
    assert quiet["reserve"].dropped["demux"] == 0
    assert not quiet["reserve"].used_reserve
    messages = {policy: a.programs["service 0"]["progress"] for policy, a in quiet.items()}
    assert messages["reserve"] == pytest.approx(messages["none"], abs=2)
    assert messages["none"] == pytest.approx(6 * RATE, rel=0.02)


@pytest.mark.parametrize("share", [None, "5%", "20%"])
def test_raising_min_free_only_moves_the_wedge(netswap, share):
    """Row 5: the floor is reached after 16/9 (free - 3/8 min) / rate, the ring is empty 256 frames later."""
    memory = 64
    minimum = min_pages(memory) if share is None else memory * 256 * int(share[:-1]) // 100
    cluster = netswap(
        seed(
            memory=memory, sockets=120, flood_from="8s", stop="60s", a="" if share is None else f"    min_free: {share}"
        )
    )
    cluster.run_for(seconds(4))
    cut = cluster.partition({"C"})
    cluster.run_for(seconds(4))
    pages = cluster["A"].free_pages - atomic_floor(minimum) - 2
    expected_s = (FRAMES_PER_PAGE * pages + RING) / RATE
    assert cluster.run_until("A.dropped.ring-empty > 0", within=seconds(30), every=milliseconds(5))
    assert isclose((cluster.now_ns - seconds(8)) / 1e9, expected_s, abs_tol=0.03)

    cut.heal()
    cluster.run_for(seconds(35))
    assert cluster["A"].verdict == "wedged"


def test_the_reserve_is_part_of_every_floor(netswap):
    """Row 25 seen from outside: with E pages reserved, free memory stands E pages higher at rest."""
    low, high = [netswap(seed(), safeguards=policy)["A"] for policy in ("none", "reserve")]
    assert high.free_pages - low.free_pages == high.reserve_pages > 0
