"""Crash, pause, slow disk: what becomes of the machines, and of every frame, when a computer itself is at fault."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenes import RING, outage, seed

from netswap.actors.disk import Disk
from netswap.cluster.lab import Cluster, open_cluster
from netswap.protocol.rpc import DOUBLINGS, TIMEOUT_NS
from netswap.protocol.units import milliseconds, seconds

ROUND_TRIP_NS = milliseconds(6)
"""Twice 2 ms of latency, the disk, and the wire."""
CAP_NS = TIMEOUT_NS << DOUBLINGS
STOP_NS = seconds(1)


def fault(verb: str, at: str = "2s", lasts: str = "5s", who: str = "C") -> str:
    """A timeline with one fault of a machine."""
    return f"[{{at: {at}, {verb}: {who}, for: {lasts}}}]"


def balance(cluster: Cluster) -> None:
    """sent + duplicated = delivered + dropped by cause + under way."""
    frames = cluster.frames()
    assert frames["sent"] + frames["duplicated"] == (
        frames["delivered"] + sum(frames["dropped"].values()) + frames["under_way"]
    )


# -- crash of the server ------------------------------------------------------------------------------------------------


def crash_within_the_outage(netswap, *, disk_survives: bool):
    """C is away for 5 s from 8 s on, when A has written and read back for long; meanwhile it crashes and is restarted."""
    cluster = netswap(seed(memory=16, stop="30s", flood_from="8s", timeline=outage("8s")), safeguards="reserve")
    cluster.run_for(seconds(9))
    with cluster.crash("C"):
        cluster.run_for(seconds(2))
        assert cluster["C"].down
        assert cluster["C"].verdict == "undecided"
        if not disk_survives:
            cluster.engine.machine(2).disk = Disk()
    return cluster.run()


def test_after_a_crash_of_c_every_page_carries_its_right_stamp(netswap):
    """What C has answered was on its disk; what it had not answered is asked for again."""
    cluster = crash_within_the_outage(netswap, disk_survives=True)
    a = cluster["A"]
    assert a.verdict == "recovered"
    assert a.pages_in > 1000
    assert a.lost_pages == 0
    assert cluster["C"].verdict in ("healthy", "slow")
    balance(cluster)


def test_a_server_that_forgets_its_disk_is_found_out_by_the_stamps(netswap):
    """The twin: the same crash, and the disk does not survive."""
    assert crash_within_the_outage(netswap, disk_survives=False)["A"].lost_pages > 0


@pytest.mark.parametrize(("policy", "verdict"), [("reserve", "recovered"), ("none", "wedged")])
def test_a_crash_of_c_is_an_outage_like_any_other(netswap, policy, verdict):
    """A asks again by its time-outs: after 5 s within 6.1 s, if it can still receive."""
    cluster = netswap(seed(stop="42s", timeline=fault("crash")), safeguards=policy).run()
    a = cluster["A"]
    assert a.verdict == verdict
    assert cluster["C"].dropped["crashed"] > 0
    if verdict == "recovered":
        assert a.recovered_after_ns <= min(seconds(5) + TIMEOUT_NS, CAP_NS) + ROUND_TRIP_NS
        assert a.lost_pages == 0


def test_a_crash_that_never_ends_leaves_everybody_undecided_who_needs_c(netswap):
    """B needs no other machine."""
    cluster = netswap(seed(stop="20s", timeline=fault("crash", lasts="ever")), safeguards="reserve").run()
    assert {name: str(view.verdict) for name, view in cluster.views().items()} == {
        "A": "undecided",
        "B": "healthy",
        "C": "undecided",
    }
    assert cluster["A"].waits_for("a reply from C")
    balance(cluster)


def test_what_is_under_way_to_a_machine_that_is_down_is_lost(netswap):
    """Each request that would arrive while C is down, and nothing else; its own replies arrive."""
    cluster = netswap(seed(stop="9s", flood_from="8s"))
    cluster.run_for(seconds(1))
    assert cluster.run_until(lambda one: under_way(one) > (0, 0), every=milliseconds(1) // 10)
    to, back = under_way(cluster)
    before = cluster.links()["C>A"]
    cluster.crash("C")
    cluster.run_for(milliseconds(500))
    c = cluster["C"]
    assert c.dropped["crashed"] == cluster.links()["A>C"]["delivered"] - c.delivered >= to
    assert cluster.links()["C>A"] == {**before, "delivered": before["delivered"] + back, "under_way": 0}


def under_way(cluster):
    """Frames on their way to C, and from there."""
    return tuple(cluster.links()[name]["under_way"] for name in ("A>C", "C>A"))


# -- crash of the client ------------------------------------------------------------------------------------------------


def test_a_restart_is_a_way_out_of_a_wedge_and_no_recovery(netswap):
    """A starts anew with all its memory, and with pages that C keeps from before nothing is mixed up."""
    cluster = netswap(seed(stop="60s", timeline=outage(lasts="2s"), flood=", for: 20s"))
    cluster.run_to(seconds(40))
    assert cluster["A"].verdict == "wedged"
    with cluster.crash("A"):
        cluster.run_for(seconds(1))
    cluster.run_for(seconds(5))
    a = cluster["A"]
    assert a.verdict in ("healthy", "slow")
    assert a.recovered_after_ns is None
    assert a.stalled_ns > seconds(35)
    assert a.pages_in > 0
    assert a.lost_pages == 0
    balance(cluster)


def test_a_machine_that_is_down_sends_nothing_and_a_flood_does_not_make_up_for_it(netswap):
    """B at 2000 frames per second, 2 s of 8 down; the same if it stands still for so long."""
    for verb in ("crash", "pause"):
        cluster = netswap(seed(stop="8s", flood_from="0s", timeline=fault(verb, "3s", "2s", "B")))
        sent = cluster.run_to(seconds(3)).links()["B>A"]["sent"]
        assert cluster.run_to(seconds(5)).links()["B>A"]["sent"] == sent
        assert cluster.run().links()["B>A"]["sent"] == pytest.approx(6 * 2000, abs=2)
        balance(cluster)


# -- pause --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "verdict"), [("reserve", "recovered"), ("none", "wedged")])
def test_zijlstras_server_stopped_and_started_again(netswap, policy, verdict):
    """Facts 1.4, Z1, with a server that stands still; the flood goes on."""
    cluster = netswap(seed(stop="42s", timeline=fault("pause")), safeguards=policy).run()
    assert cluster["A"].verdict == verdict
    assert cluster["A"].lost_pages == 0
    balance(cluster)


def test_after_a_stopped_server_with_a_live_network_there_is_no_wait(netswap):
    """Row 70: the requests lie in C's ring and are answered at once; after a cut of the same length they come again."""
    after = {
        verb: netswap(seed(stop="20s", timeline=timeline), safeguards="reserve").run()["A"].recovered_after_ns
        for verb, timeline in [("pause", fault("pause")), ("partition", outage())]
    }
    assert after["pause"] <= ROUND_TRIP_NS
    assert after["partition"] > 100 * ROUND_TRIP_NS


def test_a_paused_machine_keeps_its_ring_full_and_loses_the_rest(netswap):
    """2000 frames in a second, 256 of them wait (up to 16 fewer, which were still to be refilled)."""
    cluster = netswap(seed(stop="9s", flood_from="2s"))
    cluster.run_for(seconds(2))
    before = cluster["A"]
    with cluster.pause("A"):
        cluster.run_for(seconds(1))
        a = cluster["A"]
        assert a.paused
        assert RING - 16 < a.held <= RING
        arriving = cluster.links()["B>A"]["delivered"] + cluster.links()["C>A"]["delivered"]
        assert a.dropped["ring-empty"] == arriving - a.held - (before.received - before.held)
        assert a.progress == before.progress
        balance(cluster)
    cluster.run_for(milliseconds(1))
    assert cluster["A"].held < RING - 16
    balance(cluster)


# -- slow disk ----------------------------------------------------------------------------------------------------------


def test_a_slow_disk_slows_down_who_swaps_to_it(netswap):
    """At most 16 requests under way, each 50 ms: no more than 16 in each 50 ms; by itself C answers in 0.2 ms."""
    cluster = netswap(seed(stop="9s", flood_from="8s"))
    cluster.run_for(seconds(2))
    fast = cluster["C"].progress
    with cluster.slow_disk("C", latency=milliseconds(50)):
        cluster.run_for(seconds(2))
        slow = cluster["C"].progress - fast
        assert 0 < slow <= 16 * (2000 // 50 + 1)
    cluster.run_for(milliseconds(100))
    again = cluster["C"].progress
    cluster.run_for(seconds(2))
    assert cluster["C"].progress - again > slow
    assert cluster["A"].lost_pages == 0


# -- conservation and equality ------------------------------------------------------------------------------------------

WHO = ("A", "B", "C")
moments = st.integers(0, 19)
machine_faults = st.tuples(st.sampled_from(("crash", "pause")), st.sampled_from(WHO)).map(
    lambda one: (one[0], f"{one[0]}: {one[1]}", (one[1],), {})
)
slow_disks = st.integers(0, 30).map(
    lambda ms: (
        "slow_disk",
        f"slow-disk: {{machine: C, latency: {ms}ms}}",
        ("C",),
        {"latency": milliseconds(ms)},
    )
)
ends = st.permutations(WHO).map(lambda names: tuple(names[:2]))
link_faults = st.tuples(st.sampled_from(("cut", "hold")), ends).map(
    lambda one: (one[0], f"{one[0]}: {{from: {one[1][0]}, to: {one[1][1]}}}", one[1], {})
)
shares = st.tuples(st.sampled_from(("lossy", "duplicate", "reorder", "corrupt")), ends).map(
    lambda one: (one[0], f"{one[0]}: {{from: {one[1][0]}, to: {one[1][1]}, rate: 20%}}", one[1], {"rate_ppm": 200_000})
)
troubles = st.lists(
    st.tuples(machine_faults | slow_disks | link_faults | shares | machine_faults, moments, st.integers(1, 12)),
    min_size=1,
    max_size=6,
    unique_by=lambda one: (one[0][1], one[1]),  # a timeline has no fault twice at the same time
)
"""(verb, words of a timeline, arguments of the lab) with its beginning and its length, in steps of 53 ms."""
STEP_NS = milliseconds(53)


def scene(timeline: str) -> str:
    """The seed's cast, small and busy; what B sends are fragments that wait in A in vain."""
    text = seed(memory=16, sockets=8, stop="1s", flood_from="100ms", rate="10Mbit/s", timeline=timeline)
    return text.replace("payload: 1472B", "payload: 4000B, fragments: incomplete")


def written(faults) -> str:
    """The faults as a timeline, in the order of time."""
    lines = [
        f"{{at: {at * 53}ms, {words}, for: {length * 53}ms}}"
        for (_, words, _, _), at, length in sorted(faults, key=lambda one: one[1])
        if at * STEP_NS < STOP_NS
    ]
    return "[" + ", ".join(lines) + "]"


def edges(faults) -> Iterator[tuple[int, int, int]]:
    """(time, 0 for an end and 1 for a beginning, which of the faults in the order of the timeline)."""
    for place, (_, at, length) in enumerate(sorted(faults, key=lambda one: one[1])):
        yield at * STEP_NS, 1, place
        yield (at + length) * STEP_NS, 0, place


def by_hand(faults) -> str:
    """The digest of the run in which somebody does all this, and looks at each step."""
    order = sorted(faults, key=lambda one: one[1])
    lasting = {}
    with open_cluster(scene("[]"), safeguards="reserve") as cluster:
        for time_ns, begins, place in sorted(edges(faults)):
            if time_ns >= STOP_NS:
                break
            cluster.run_to((cluster.now_ns + time_ns) // 2)
            balance(cluster)
            cluster.run_to(time_ns)
            balance(cluster)
            if begins:
                (verb, _, words, keys), _, _ = order[place]
                lasting[place] = getattr(cluster, verb)(*words, **keys)
            else:
                lasting[place].heal()
        cluster.run()
        balance(cluster)
        return cluster.digest()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(troubles)
def test_frames_are_conserved_through_faults_that_overlap_and_hand_and_timeline_agree(faults) -> None:
    """Two to a dozen things go wrong at once; each is the same whether scripted or done, with pauses at every edge."""
    with open_cluster(scene(written(faults)), safeguards="reserve") as scripted:
        scripted.run()
        balance(scripted)
        for link in scripted.links().values():
            right = link["delivered"] + sum(link["dropped"].values()) + link["under_way"]
            assert link["sent"] + link["duplicated"] == right
        assert scripted.digest() == by_hand(faults)


@pytest.mark.ray
def test_on_ray_crash_and_pause_are_the_same(netswap):
    """Actors of their own for A, B and C; the same bytes."""
    timeline = (
        "[{at: 200ms, pause: A, for: 100ms}, {at: 250ms, crash: C, for: 300ms},"
        " {at: 600ms, slow-disk: {machine: C, latency: 20ms}, for: 200ms}]"
    )
    digests = [netswap(scene(timeline), safeguards="reserve", engine=engine).run().digest() for engine in ENGINES]
    assert digests[0] == digests[1]


ENGINES = ("inline", "ray")
