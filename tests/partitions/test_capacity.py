"""Rows 35 and 38: a wedge needs sockets that still have room when the floor is reached."""

from math import ceil, floor

import pytest
from scenes import RING, SOCKET_FRAMES, atomic_floor, min_pages, seed

from netswap.protocol.units import seconds

FRAMES_PER_PAGE = 16 / 9
"""A page holds 2 data buffers or 16 heads: 1/2 + 1/16 pages for each frame."""
REQUESTS_PER_PAGE = 8
SLOTS = 16
AFTER_S = {"recovered": 16, "wedged": 32}
"""How long is looked after the heal: over the next retransmission, and a crawl of some seconds, or over all time-outs."""


def stopped(netswap, memory, sockets, refill="e1000", **keys):
    """Cut C off, wait until user space has stopped for want of a page, then let the flood begin (at 8 s)."""
    cluster = netswap(seed(memory=memory, sockets=sockets, flood_from="8s", a=f"    nic: {{refill: {refill}}}"), **keys)
    cluster.run_for(seconds(4))
    cut = cluster.partition({"C"})
    cluster.run_for(seconds(4))
    return cluster, cut


def threshold(cluster, memory, refill):
    """Row 35: q* = 16/9 (free - 3/8 min - pages of requests under way) + ring; clean pages there are none."""
    requests = ceil(SLOTS / REQUESTS_PER_PAGE)
    pages = cluster["A"].free_pages - atomic_floor(min_pages(memory)) - requests
    return FRAMES_PER_PAGE * pages + (RING if refill == "e1000" else 0)


@pytest.mark.parametrize("refill", ["e1000", "tg3"])
@pytest.mark.parametrize("memory", [64, 80, 96])
def test_one_socket_decides(netswap, memory, refill):
    """Sockets that take q* frames wedge A; with one less they fill first, buffers recirculate, and A resumes."""
    cluster, _ = stopped(netswap, memory, sockets=40, refill=refill)
    enough = ceil(threshold(cluster, memory, refill) / SOCKET_FRAMES)
    for sockets, verdict in ((enough - 1, "recovered"), (enough, "wedged")):
        cluster, cut = stopped(netswap, memory, sockets, refill)
        cluster.run_for(seconds(2))
        cut.heal()
        cluster.run_for(seconds(AFTER_S[verdict]))
        assert cluster["A"].verdict == verdict, f"{sockets} sockets, {enough} are enough"


def test_what_the_sockets_hold_at_the_wedge_is_the_threshold(netswap):
    """To a batch of the card's refill (16) or the two halves of a page."""
    cluster, _ = stopped(netswap, 64, sockets=40)
    expected = threshold(cluster, 64, "e1000")
    cluster.run_for(seconds(2))
    held = cluster["A"].socket_frames
    assert abs(held - expected) <= 16


def test_an_e1000_ring_drains(netswap):
    """Row 38: the ring's 256 buffers are used up once; then the card drops."""
    cluster, _ = stopped(netswap, 64, sockets=40)
    cluster.run_for(seconds(2))
    assert cluster["A"].dropped["ring-empty"] > 0
    assert cluster["A"].dropped["no-memory"] == 0


def test_a_tg3_ring_never_drains(netswap):
    """Row 38: the replacement is allocated first, so frames are dropped with every descriptor full."""
    cluster, _ = stopped(netswap, 64, sockets=40, refill="tg3")
    cluster.run_for(seconds(2))
    assert cluster["A"].dropped["ring-empty"] == 0
    assert cluster["A"].dropped["no-memory"] > 0


TG3_RING = 200


@pytest.mark.parametrize(("buffers", "survives"), [(TG3_RING, False), (TG3_RING + 3, True)])
def test_with_the_tg3_rule_the_receive_limit_must_exceed_the_ring(netswap, buffers, survives):
    """Row 38: a limit of the ring's size is parked in the ring for ever; three more receive the largest reply."""
    cluster, cut = stopped(netswap, 64, 40, "tg3", safeguards="reserve", reserve={"buffers": buffers})
    cluster.run_for(seconds(2))
    cut.heal()
    verdict = "recovered" if survives else "wedged"
    cluster.run_for(seconds(AFTER_S[verdict]))
    assert cluster["A"].verdict == verdict
    if not survives:
        assert cluster["A"].dropped["demux"] <= floor(SOCKET_FRAMES), "the limit is reached before anything is dropped"
