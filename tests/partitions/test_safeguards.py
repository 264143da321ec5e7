"""Each rule of the reserve decides: with all of them A resumes, with that one off it does not (facts 3.4)."""

import pytest
from scenes import RING, SOCKET_FRAMES, atomic_floor, min_pages, outage, seed

from netswap.protocol.rpc import DOUBLINGS, TIMEOUT_NS
from netswap.protocol.units import seconds

CAP_NS = TIMEOUT_NS << DOUBLINGS
OUTAGE = outage(lasts="5s")
HEALED_NS = seconds(7)

FRAGMENTS = "}}, {flood: {to: 'A:9000', rate: 1Mbit/s, payload: 2000B, fragments: incomplete, from: 2s"
"""A second flood: first fragments whose rest never comes."""


def after_the_outage(netswap, safeguards, text, lasts=35_000_000_000, **keys):
    """Run through the outage, and for longer than every timer after it."""
    cluster = netswap(text, safeguards=safeguards, **keys)
    cluster.run_for(HEALED_NS + lasts)
    return cluster["A"]


@pytest.mark.parametrize("switch", ["reserve-access", "memalloc-processing", "drop-at-demux"])
def test_with_one_rule_off_a_never_resumes(netswap, switch):
    """Receive: no buffer; no route entry for the reply; the reserve's buffers wait in queues that no program reads."""
    assert after_the_outage(netswap, ["reserve", f"-{switch}"], seed(timeline=OUTAGE)).verdict == "wedged"


def test_with_all_rules_on_it_resumes(netswap):
    """The twin of all of them."""
    assert after_the_outage(netswap, "reserve", seed(timeline=OUTAGE), CAP_NS).verdict == "recovered"


def test_without_access_no_retransmission_leaves_either(netswap):
    """Facts 4.2: rpciod allocates GFP_ATOMIC, and A stands at that floor: every attempt fails, C hears nothing."""
    cluster = netswap(seed(timeline=OUTAGE), safeguards=["reserve", "-reserve-access"])
    cluster.run_for(HEALED_NS)
    before = cluster["A"]
    cluster.run_for(seconds(20))
    after = cluster["A"]
    tried = after.retransmissions - before.retransmissions
    assert tried > 0
    assert after.tx_no_memory - before.tx_no_memory == tried


def test_without_memalloc_processing_replies_die_after_their_buffer_was_had(netswap):
    """They are received into the reserve, and dropped for want of a route entry."""
    a = after_the_outage(netswap, ["reserve", "-memalloc-processing"], seed(timeline=OUTAGE))
    assert a.dropped["no-memory"] > 0
    assert a.dropped["demux"] > 0


def test_without_the_drop_the_reserve_ends_up_in_queues(netswap):
    """Its receive limit is used up once, and then the ring drains."""
    a = after_the_outage(netswap, ["reserve", "-drop-at-demux"], seed(timeline=OUTAGE))
    assert a.dropped["demux"] == 0
    assert a.dropped["ring-empty"] > 0


def test_without_the_slab_rule_the_reserve_leaks_until_it_is_gone(netswap):
    """Ordinary frames take the other objects of its pages, and keep them: the machine eats into the pool itself.

    The sockets must be able to hold it: 1558 pages and what is free are some 3300 frames.
    """
    wide = seed(sockets=80, timeline=OUTAGE)
    leaking = after_the_outage(netswap, ["reserve", "-slab-rule"], wide)
    tight = after_the_outage(netswap, "reserve", wide, CAP_NS)
    assert leaking.verdict == "wedged"
    assert tight.verdict == "recovered"
    assert leaking.free_pages_min < tight.free_pages_min
    assert leaking.reserve_used_max > 10 * tight.reserve_used_max


def test_without_fragment_cover_incomplete_datagrams_park_the_receive_limit(netswap):
    """They cannot be classified; each is held until its time-out of 30 s, and then the next takes its place."""
    text = seed(timeline=OUTAGE, flood=FRAGMENTS)
    bare = after_the_outage(netswap, ["reserve", "-fragment-cover"], text)
    covered = after_the_outage(netswap, "reserve", text, CAP_NS)
    assert covered.verdict == "recovered"
    assert bare.verdict != "recovered"
    assert bare.stalled_ns >= seconds(30)


def test_without_the_bound_transmission_eats_the_reserve(netswap):
    """Row 17: with a wide pipe 1.1 x 5 % of 131072 pages may be under way, which takes all memory there is.

    It does so before any reply and without any flood; with the bound it is 128 requests, 8 to a page, and what the card has
    not sent yet.
    """
    text = seed(
        memory=512, swap=", in_flight: 16384", a="    min_free: 1MiB\n    reserve: {pages: 100}", timeline=OUTAGE
    )
    quiet = {"machines.B.programs": []}
    unbounded = after_the_outage(netswap, ["reserve", "-tx-bound"], text, CAP_NS, set=quiet)
    bounded = after_the_outage(netswap, "reserve", text, CAP_NS, set=quiet)
    assert unbounded.free_pages_min == 0
    assert unbounded.tx_no_memory > 0
    assert bounded.free_pages_min > 100
    assert bounded.tx_no_memory == 0
    assert bounded.stalled_ns < unbounded.stalled_ns


@pytest.mark.slow
def test_over_hours_of_short_outages_the_reserve_comes_back_whole_with_the_slab_rule_alone(netswap):
    """Three outages an hour apart. Without the rule objects of the reserve end in ordinary sockets.

    With it the reserve holds what is under way: the ring's buffers (256, two to a page, and their heads, sixteen to one), 16
    requests of 3 heads, 3 headers and a call each (11/16 of a page), a batch of 16 buffers for the ring, and a page that is
    not full in each of five slab caches. Without it the sockets fill: 32 * 68 frames, of which ordinary memory takes those
    that fit between the high mark and the floor, 16/9 to a page, and the ring.
    """
    kept, leaking = (
        netswap("configs/slab-leak.yaml", safeguards=safeguards).run()["A"].reserve_used_max
        for safeguards in ("reserve", ["reserve", "-slab-rule"])
    )
    minimum = min_pages(64)
    under_way = (RING // 2 + RING // 16) + 16 * 11 // 16 + (16 // 2 + 16 // 16) + 5
    ordinary = 16 / 9 * (minimum * 3 // 2 - atomic_floor(minimum)) + RING
    assert kept <= under_way
    assert leaking >= 9 / 16 * (32 * SOCKET_FRAMES - ordinary) > 4 * under_way
