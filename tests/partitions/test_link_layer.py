"""ARP on the way to the swap server, and frames that are no IPv4 (rows 42 and 43)."""

import pytest
from scenes import outage, seed

from netswap.cluster.lab import open_cluster
from netswap.protocol.frame import ARP, cut
from netswap.protocol.units import milliseconds, seconds

SLOW = "6152kbit/s"
"""500 frames per second."""
LONG_S = 70


AFTER_S = {"recovered": 15, "wedged": 35}
"""How long is looked after the heal, by what is predicted: a wedge is one when every timer has fired."""


def story(safeguards, predicted, *, arp, lasts=5, kernel="linux-6.11", netswap):
    """The seed with such an outage, until what is predicted can be told."""
    text = seed(stop="150s", rate=SLOW if lasts > 5 else "24608kbit/s", timeline=outage(lasts=f"{lasts}s"))
    cluster = netswap(text, safeguards=safeguards, set={"network.arp": arp, "kernel": kernel})
    cluster.run_for(seconds(2 + lasts + AFTER_S[predicted]))
    frames = cluster.frames()
    right = frames["delivered"] + frames["under_way"] + sum(frames["dropped"].values())
    assert frames["sent"] + frames["duplicated"] == right
    return cluster["A"]


WITHOUT = ["reserve", "-memalloc-processing"]


@pytest.mark.parametrize("lasts", [5, LONG_S])
def test_where_arp_has_no_memory_the_reply_path_is_dead_although_everything_else_is_right(netswap, lasts):
    """Row 42, in a kernel without a route cache: buffers, retransmission, demux all have their right to the reserve.

    After 70 s A has to ask for C; after 5 s C has to ask for A, which it knows from A's own question alone.
    """
    a = story(WITHOUT, "wedged", arp="on", lasts=lasts, netswap=netswap)
    assert a.verdict == "wedged"
    assert a.tx_no_memory > 0


@pytest.mark.parametrize("lasts", [5, LONG_S])
@pytest.mark.parametrize(("safeguards", "arp"), [("reserve", "on"), (WITHOUT, "off")], ids=["memalloc", "no ARP"])
def test_its_twins_with_the_right_and_without_the_need_recover(netswap, safeguards, arp, lasts):
    """Nothing else is different."""
    a = story(safeguards, "recovered", arp=arp, lasts=lasts, netswap=netswap)
    assert a.verdict == "recovered"
    assert a.lost_pages == 0
    assert a.tx_no_memory == 0


@pytest.mark.parametrize("kernel", ["linux-2.6.22", "linux-6.11"])
@pytest.mark.parametrize(("safeguards", "verdict"), [("none", "wedged"), ("reserve", "recovered")])
def test_the_argument_is_the_same_with_arp(netswap, kernel, safeguards, verdict):
    """R10: ARP was never the obstacle there."""
    assert story(safeguards, verdict, arp="on", kernel=kernel, netswap=netswap).verdict == verdict


def test_after_a_long_outage_the_first_exchange_with_c_is_arp():
    """The last answer is good for 45 s at most, and 8 s later C is given up: after 70 s nothing is known."""
    text = seed(stop="150s", flood_from="140s", timeline=outage(lasts=f"{LONG_S}s"))
    with open_cluster(text, record=True, set={"network.arp": "on"}) as cluster:
        cluster.run_for(seconds(2 + LONG_S))
        assert cluster["A"].waits_for("the link address of C")
        assert cluster["A"].unresolved > 0
        before = len(cluster.sent()[2])
        assert cluster.run_until("A is recovered", within=seconds(10))
        first, *_ = cut(cluster.sent()[2][before:])
    assert first[0][7] == ARP


def test_arp_is_off_unless_it_is_asked_for(netswap):
    """The first frame to C is then the first request."""
    counts = {}
    for arp in ("off", "on"):
        cluster = netswap(seed(stop="1s"), set={"network.arp": arp}, record=True)
        cluster.run()
        counts[arp] = sum(frame[7] == ARP for sent in cluster.sent() for frame, _ in cut(sent))
    assert counts["off"] == 0
    assert counts["on"] >= 2
    assert netswap(seed(stop="1s")).scenario.resolved().machines[0].arp is False


@pytest.mark.parametrize("link", ["ipv6", "vlan", "qinq", "other"])
def test_a_flood_of_another_protocol_is_dropped_at_demux_or_passes(netswap, link):
    """Row 43. No socket holds these frames, so A needs no reserve for them: they do no harm, and all of them are counted.

    What fills A's memory is a second flood, of the service.
    """
    b = [
        {"flood": {"to": "A:9000", "rate": "24608kbit/s", "payload": "1472B", "from": "2s"}},
        {"flood": {"to": "A:9000", "rate": "3076kbit/s", "payload": "1500B", "from": "2s", "link": link}},
    ]
    cluster = netswap(seed(stop="30s", timeline=outage()), safeguards="reserve", set={"machines.B.programs": b})
    cluster.run_to(seconds(6))
    a = cluster["A"]
    assert a.used_reserve
    before = a.dropped["no-socket"], a.dropped["demux"]
    frames = 250
    cluster.run_for(seconds(1))
    passed, stopped = cluster["A"].dropped["no-socket"] - before[0], cluster["A"].dropped["demux"] - before[1]
    if link in ("ipv6", "vlan"):
        assert passed == pytest.approx(frames, abs=20)
    else:
        assert passed == 0
        assert stopped == pytest.approx(2000 + frames, abs=40)
    cluster.run()
    assert cluster["A"].verdict == "recovered"


def test_a_fault_by_hand_is_the_fault_of_a_timeline_with_arp_too():
    """And a crash forgets the neighbours on both sides."""
    timeline = "[{at: 300ms, crash: C, for: 200ms}]"
    at, lasts = milliseconds(300), milliseconds(200)
    digests = set()
    for written in (timeline, "[]"):
        with open_cluster(seed(stop="2s", timeline=written), set={"network.arp": "on"}) as cluster:
            if written == "[]":
                cluster.run_for(at)
                with cluster.crash("C"):
                    cluster.run_for(lasts)
            cluster.run()
            assert cluster["A"].lost_pages == 0
            digests.add(cluster.digest())
    assert len(digests) == 1
