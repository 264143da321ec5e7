"""The network alone: what becomes of a frame, and that it does not depend on how time is cut into windows."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import A, B, C, udp

from netswap.actors.events import NEVER
from netswap.actors.network.link import LinkSettings
from netswap.actors.network.network import Network
from netswap.protocol.errors import RemoteProtocolError
from netswap.protocol.frame import CORRUPT, PAGE_OUT_REPLY, UDP, Raw, arrivals, cut, encode

NAMES = ("A", "B", "C")
LATENCY = 1_000
FAST = 8_000_000_000
"""Bits per second at which a byte takes a nanosecond."""
END = 60_000
PLAIN = LinkSettings(LATENCY)
LINKS = {
    "plain": PLAIN,
    "lossy": LinkSettings(LATENCY, loss_ppm=300_000),
    "duplicating": LinkSettings(LATENCY, duplicate_ppm=300_000),
    "reordering": LinkSettings(LATENCY, reorder_ppm=300_000),
    "jittery": LinkSettings(LATENCY, jitter_ns=700),
    "narrow": LinkSettings(LATENCY, bandwidth_bps=FAST),
    "queue": LinkSettings(LATENCY, bandwidth_bps=FAST, queue=3),
    "all of it": LinkSettings(LATENCY, 700, FAST, 5, 200_000, 200_000, 200_000, 200_000),
}


class Got(NamedTuple):
    """One frame that has reached a machine; its order is that in which the machine takes it."""

    at_ns: int
    source: int
    number: int
    copy: int
    flags: int
    destination: int


class Fault(NamedTuple):
    """What is done to the network, and when it ends."""

    verb: str
    args: dict[str, Any]
    at_ns: int
    end_ns: int


def network(
    link: LinkSettings = PLAIN,
    *,
    links: dict[tuple[int, int], LinkSettings] | None = None,
    seed: int = 1,
    port: tuple[int, int | None] | None = None,
    names: Sequence[str] = NAMES,
) -> Network:
    """Three machines, all links alike unless given."""
    return Network(names, link, links or {}, seed, port)


def frame(sent_ns: int, source: int = B, destination: int = A, number: int = 0, **more: Any) -> Raw:
    """A frame, or a train, that leaves its card at that time."""
    return udp(more.pop("count", 1), source=source, destination=destination, number=number, sent_ns=sent_ns, **more)


def numbered(frames: Iterable[Raw]) -> list[Raw]:
    """The frames of each source with its own numbers, in the order in which they begin to leave."""
    following: Counter[int] = Counter()
    done = []
    for one in sorted(frames, key=lambda one: one[1]):
        done.append((*one[:3], following[one[2]], *one[4:]))
        following[one[2]] += one[9]
    return done


def run(
    net: Network,
    frames: Iterable[Raw],
    cuts: Iterable[int] = (),
    faults: Sequence[Fault] = (),
    until: int = END,
    check: Any = None,
) -> list[Got]:
    """Windows no longer than the lookahead, cut at these times too; all that arrived, as the machines take it."""
    edges = sorted({*range(0, until, net.lookahead_ns), *cuts, *(at for fault in faults for at in fault[2:]), 0, until})
    edges = [edge for edge in edges if edge <= until]
    left = sorted(frames, key=lambda one: one[1])
    got: list[Got] = []
    begun: dict[int, int] = {}
    for start, end in pairwise(edges):
        if not left and min(net.earliest_ns()) == NEVER and not begun and all(fault.end_ns < start for fault in faults):
            break
        for place, fault in enumerate(faults):
            if fault.end_ns == start and place in begun:
                net.end(begun.pop(place), start)
        for place, fault in enumerate(faults):
            if fault.at_ns == start:
                begun[place] = net.begin(fault.verb, fault.args, start)
        for destination, inbound in net.collect(end).items():
            for at_ns, source, number, copy, count, gap, _, flags, _ in arrivals(inbound.batch):
                assert start <= at_ns, "an arrival in the past"
                assert at_ns + (count - 1) * gap < end, "an arrival beyond the window"
                got += [
                    Got(at_ns + index * gap, source, number + index, copy, flags, destination) for index in range(count)
                ]
        now = [one for one in left if one[1] < end]
        left = [one for one in left if one[1] >= end]
        net.accept((one for frame in now for one in cut(encode(frame))), end)
        if check is not None:
            check(net)
    return sorted(got)


def times(got: Iterable[Got]) -> list[int]:
    """When frames arrived."""
    return [one.at_ns for one in got]


def balance(net: Network) -> None:
    """sent + duplicated = delivered + dropped + under way, on every link."""
    for name, link in net.tallies().items():
        right = link["delivered"] + sum(link["dropped"].values()) + link["under_way"]
        assert link["sent"] + link["duplicated"] == right, name


trains = st.builds(
    frame,
    st.integers(0, 12_000),
    st.sampled_from((B, C)),
    st.just(A),
    count=st.integers(1, 4),
    gap_ns=st.integers(1, 900),
    wire=st.sampled_from((60, 300, 1538)),
)
crossing = st.builds(frame, st.integers(0, 12_000), st.just(B), st.just(C))
traffic = st.lists(trains | crossing, max_size=6).map(numbered)
window_cuts = st.lists(st.integers(1, END - 1), max_size=40)
spans = st.tuples(st.integers(0, 20_000), st.integers(1, 15_000))


def fault_of(verb: str, args: dict[str, Any], span: tuple[int, int]) -> Fault:
    """A fault that begins and ends."""
    return Fault(verb, args, span[0], span[0] + span[1])


ends = {"from": B, "to": A}
faults = st.lists(
    st.one_of(
        st.builds(
            fault_of,
            st.just("partition"),
            st.sampled_from(({"groups": [[A], [B, C]]}, {"groups": [[B], [A, C]]})),
            spans,
        ),
        st.builds(
            fault_of, st.just("cut"), st.sampled_from((ends, {"from": C, "to": A}, {"from": [B, C], "to": A})), spans
        ),
        st.builds(
            fault_of,
            st.just("hold"),
            st.sampled_from((ends, {**ends, "only": "udp"}, {**ends, "only": "page-in"})),
            spans,
        ),
        st.builds(fault_of, st.just("lossy"), st.just({**ends, "rate_ppm": 500_000}), spans),
        st.builds(fault_of, st.just("duplicate"), st.just({**ends, "rate_ppm": 500_000}), spans),
        st.builds(fault_of, st.just("reorder"), st.just({**ends, "rate_ppm": 500_000}), spans),
    ),
    max_size=4,
)
slowness = st.lists(
    st.builds(
        fault_of,
        st.just("slow"),
        st.sampled_from(({**ends, "latency_ns": 5_000}, {**ends, "jitter_ns": 3_000}, {**ends, "bandwidth_bps": FAST})),
        spans,
    ),
    min_size=1,
    max_size=2,
)


# -- windows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LINKS)
@given(traffic, window_cuts)
def test_the_same_frames_give_the_same_deliveries_for_any_windows(
    name: str, frames: list[Raw], cuts: list[int]
) -> None:
    """Times, copies and flags of every single frame; so a run that is paused is the same run."""
    assert run(network(LINKS[name]), frames, cuts) == run(network(LINKS[name]), frames)


@given(traffic, window_cuts, st.sampled_from((1, 3, 1000)))
def test_a_switch_port_gives_the_same_deliveries_for_any_windows(
    frames: list[Raw], cuts: list[int], queue: int
) -> None:
    """One port in front of each machine, shared by its senders."""
    port = (FAST, queue)
    assert run(network(port=port), frames, cuts) == run(network(port=port), frames)


@given(traffic, window_cuts, faults, st.sampled_from(("plain", "all of it")))
def test_faults_give_the_same_deliveries_for_any_windows(
    frames: list[Raw], cuts: list[int], faults: list[Fault], name: str
) -> None:
    """Windows end where a fault begins or ends, and anywhere else."""
    assert run(network(LINKS[name]), frames, cuts, faults) == run(network(LINKS[name]), frames, (), faults)


@given(traffic, window_cuts, slowness)
def test_slowness_that_ends_gives_the_same_deliveries_for_any_windows(
    frames: list[Raw], cuts: list[int], slowness: list[Fault]
) -> None:
    """Latency falls while frames are under way: what follows waits for them, and no longer."""
    assert run(network(), frames, cuts, slowness) == run(network(), frames, (), slowness)


def test_a_frame_that_leaves_in_the_middle_of_a_train_arrives_in_the_middle_of_it() -> None:
    """Frames at 0, 400, 800, 1200 ns and one at 500: each arrives one latency later, whatever the windows."""
    frames = numbered([frame(0, count=4, gap_ns=400), frame(500)])
    for cuts in ((), (500,), (450, 900)):
        got = run(network(LinkSettings(10_000)), frames, cuts)
        assert times(got) == [10_000, 10_400, 10_500, 10_800, 11_200]


def test_trains_that_meet_go_by_their_numbers_whatever_the_windows() -> None:
    """Trains of 2 frames, 10 ns apart, both from 0: 0 and 2 leave at 0, 1 and 3 at 10; on the line one by one."""
    frames = numbered([frame(0, count=2, gap_ns=10, wire=60), frame(0, count=2, gap_ns=10, wire=60)])
    for cuts in ((), (5,), (10,)):
        got = run(network(LINKS["narrow"]), frames, cuts)
        assert [(one.at_ns, one.number) for one in got] == [
            (LATENCY + 60 * place, number) for place, number in enumerate((0, 2, 1, 3), start=1)
        ]


def test_after_slowness_frames_wait_for_those_before_them_and_no_longer() -> None:
    """Sent at 900 with latency 3000: there at 3900; then it is 1000 again: 2000 + 500 i, but not before 3900."""
    slow = Fault("slow", {**ends, "latency_ns": 3_000}, 0, 1_000)
    frames = numbered([frame(900), frame(1_000, count=6, gap_ns=500)])
    expected = [3_900, *(max(3_900, 1_000 + 500 * index + LATENCY) for index in range(6))]
    for cuts in ((), (1_700,), (2_600,)):
        assert times(run(network(), frames, cuts, [slow])) == expected


# -- conservation (row 45) -------------------------------------------------------------------------------------------


@given(traffic, window_cuts, faults, slowness, st.sampled_from(list(LINKS)), st.sampled_from((None, (FAST, 2))))
def test_frames_are_conserved_on_every_link_at_every_moment(
    frames: list[Raw],
    cuts: list[int],
    faults: list[Fault],
    slowness: list[Fault],
    name: str,
    port: tuple[int, int | None] | None,
) -> None:
    """sent + duplicated = delivered + dropped by cause + under way, also with everything going wrong at once."""
    net = network(LINKS[name], port=port)
    got = run(net, frames, cuts, [*faults, *slowness], until=120_000, check=balance)
    tallies = net.tallies()
    assert sum(link["sent"] for link in tallies.values()) == sum(one[9] for one in frames)
    assert sum(link["delivered"] for link in tallies.values()) == len(got)
    assert sum(link["under_way"] for link in tallies.values()) == 0
    assert len({(one.source, one.number, one.copy) for one in got}) == len(got)


def test_frames_under_way_are_counted_as_such() -> None:
    """Sent at 0 and 500, both under way at 1000; one has arrived at 1001."""
    net = network()
    seen = []
    run(net, numbered([frame(0), frame(500)]), (600, 1_001), until=1_002, check=lambda net: seen.append(net.tallies()))
    assert [tally["B>A"]["under_way"] for tally in seen] == [2, 2, 1, 1]
    assert seen[-1]["B>A"] == {"sent": 2, "duplicated": 0, "delivered": 1, "under_way": 1, "dropped": {}}


# -- links -----------------------------------------------------------------------------------------------------------


@given(traffic)
def test_a_plain_link_is_a_delay(frames: list[Raw]) -> None:
    """Arrival = when the last bit left + latency, nothing lost, nothing twice."""
    sent = sorted(
        (one[1] + index * one[10] + LATENCY, one[2], one[3] + index) for one in frames for index in range(one[9])
    )
    assert [tuple(one[:3]) for one in run(network(), frames)] == sent


@given(traffic, slowness, st.sampled_from(("jittery", "duplicating", "narrow", "lossy", "queue")))
def test_first_in_first_out_unless_reordering_is_asked_for(frames: list[Raw], slowness: list[Fault], name: str) -> None:
    """On each link, what left earlier arrives no later."""
    left = {(one[2], one[3] + index): one[1] + index * one[10] for one in frames for index in range(one[9])}
    for pair in ((B, A), (C, A), (B, C)):
        link = [one for one in run(network(LINKS[name]), frames, (), slowness) if (one.source, one.destination) == pair]
        in_order = sorted(link, key=lambda one: (left[one.source, one.number], one.at_ns))
        assert times(in_order) == sorted(times(link))


def test_jitter_only_adds() -> None:
    """Latency is a floor: between 1000 and 1700 ns, and it does vary."""
    frames = numbered([frame(2_000 * index) for index in range(25)])
    got = run(network(LINKS["jittery"]), frames)
    added = [one.at_ns - 2_000 * one.number - LATENCY for one in got]
    assert all(0 <= more <= 700 for more in added)
    assert len(set(added)) > 5


@given(st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from((60, 300, 1538))), max_size=20))
def test_bandwidth_puts_one_frame_on_the_line_after_another(sent: list[tuple[int, int]]) -> None:
    """free = max(free, sent) + 8 wire / rate; arrival = free + latency."""
    frames = numbered(frame(at_ns, wire=wire) for at_ns, wire in sent)
    expected, free_ns = [], 0
    for one in frames:
        free_ns = max(free_ns, one[1]) + one[5] * 8 * 1_000_000_000 // FAST
        expected.append(free_ns + LATENCY)
    assert times(run(network(LINKS["narrow"]), frames)) == expected


TRAINS = st.lists(
    st.tuples(
        st.integers(0, 20_000),
        st.integers(1, 9),
        st.sampled_from((0, 200, 1_500, 1_537, 1_538, 1_539, 2_000)),
        st.sampled_from((60, 300, 1538)),
    ),
    max_size=8,
)


@given(TRAINS)
def test_a_train_takes_the_line_as_its_frames_do_one_by_one(sent: list[tuple[int, int, int, int]]) -> None:
    """Free, busy, or busy until it has caught up: the formula above, frame by frame."""
    trains = numbered(frame(at_ns, count=count, gap_ns=gap_ns, wire=wire) for at_ns, count, gap_ns, wire in sent)
    leaving = sorted((one[1] + index * one[10], one[3] + index, one[5]) for one in trains for index in range(one[9]))
    expected, free_ns = [], 0
    for at_ns, _, wire in leaving:
        free_ns = max(free_ns, at_ns) + wire * 8 * 1_000_000_000 // FAST
        expected.append(free_ns + LATENCY)
    assert times(run(network(LINKS["narrow"]), trains, until=3 * END)) == expected


@pytest.mark.parametrize("queue", [1, 3, 10])
def test_a_full_queue_drops_what_comes_last(queue: int) -> None:
    """20 frames at once: one on the line, so many as the queue holds behind it, the others dropped."""
    net = network(LinkSettings(LATENCY, bandwidth_bps=FAST, queue=queue))
    got = run(net, [frame(0, number=number) for number in range(20)])
    assert [one.number for one in got] == list(range(queue + 1))
    assert net.tallies()["B>A"]["dropped"] == {"link-queue": 20 - queue - 1}


def test_the_last_frame_of_a_train_takes_the_line_for_its_own_length() -> None:
    """Two of 1538 bytes and one of 100: 1538, 3076 and 3176 ns on the line."""
    train = frame(0, count=3, gap_ns=10)
    got = run(network(LINKS["narrow"]), [(*train[:6], 100, *train[7:])])
    assert times(got) == [1_538 + LATENCY, 3_076 + LATENCY, 3_176 + LATENCY]


def test_a_reordered_frame_comes_later_than_it_would_have() -> None:
    """By less than two latencies; others pass it meanwhile."""
    frames = numbered([frame(100 * index) for index in range(100)])
    got = run(network(LINKS["reordering"]), frames)
    delays = {one.number: one.at_ns - 100 * one.number - LATENCY for one in got}
    assert len(delays) == 100
    assert all(0 <= delay < 2 * LATENCY for delay in delays.values())
    assert [one.number for one in got] != sorted(delays)


def test_a_duplicate_is_the_same_frame_with_another_copy_number() -> None:
    """Everything twice: numbers in pairs, copies 0 and 1."""
    got = run(network(LinkSettings(LATENCY, duplicate_ppm=1_000_000)), [frame(0, count=5, gap_ns=10)])
    assert [(one.number, one.copy) for one in got] == [(number, copy) for number in range(5) for copy in (0, 1)]


def test_a_damaged_frame_arrives_and_says_so() -> None:
    """The flag stands in the arrival; the frame itself is untouched."""
    got = run(network(LinkSettings(LATENCY, corrupt_ppm=1_000_000)), [frame(0, count=3, gap_ns=10)])
    assert [one.flags for one in got] == [CORRUPT] * 3


def test_a_link_without_latency_is_refused() -> None:
    """The smallest latency is the lookahead."""
    assert network(links={(B, A): replace(PLAIN, latency_ns=7)}).lookahead_ns == 7
    with pytest.raises(ValueError, match="lookahead"):
        network(links={(B, A): replace(PLAIN, latency_ns=0)})


def test_what_is_no_frame_is_refused_with_its_offset() -> None:
    """From a machine as from any other sender."""
    good = encode(frame(0))
    with pytest.raises(RemoteProtocolError) as caught:
        network().accept(cut(good + b"\x93"), 1_000)
    assert caught.value.offset == len(good)


def test_who_sends_where_nothing_was_to_be_sent_is_an_error_of_ours() -> None:
    """Windows rely on it that nobody does; a fault of such a link changes nothing."""
    net = Network(NAMES, PLAIN, {}, 1, talks={(C, A)})
    net.begin("partition", {"groups": [[A], [B, C]]}, 0)
    net.accept(cut(encode(frame(0, source=C))), 1_000)
    with pytest.raises(RuntimeError, match="B sends to A"):
        net.accept(cut(encode(frame(1_000))), 2_000)


# -- chance ----------------------------------------------------------------------------------------------------------


def survivors(net: Network, *, others: bool = False) -> list[int]:
    """Which of B's 200 frames to A arrive; with `others`, C sends to A and B to C at the same times."""
    frames = [frame(100 * index, number=2 * index) for index in range(200)]
    if others:
        frames += [frame(100 * index, source=C, number=index) for index in range(200)]
        frames += [frame(100 * index + 50, destination=C, number=2 * index + 1) for index in range(200)]
    got = run(net, frames)
    return [one.number for one in got if (one.source, one.destination, one.copy) == (B, A, 0)]


def test_chance_on_one_link_is_not_touched_by_traffic_on_another() -> None:
    """A stream for each link: the same frames are lost, and some are."""
    alone = survivors(network(LINKS["lossy"]))
    assert survivors(network(LINKS["lossy"]), others=True) == alone
    assert 0 < len(alone) < 200


def test_chance_for_one_purpose_is_not_touched_by_another() -> None:
    """A stream for each purpose: with duplication and damage on top the same frames are lost."""
    more = replace(LINKS["lossy"], duplicate_ppm=300_000, corrupt_ppm=300_000)
    assert survivors(network(more)) == survivors(network(LINKS["lossy"]))


def test_chance_depends_on_the_seed_and_on_the_names_of_the_machines() -> None:
    """Another seed, or other names, lose other frames."""
    first = survivors(network(LINKS["lossy"]))
    assert survivors(network(LINKS["lossy"], seed=2)) != first
    assert survivors(network(LINKS["lossy"], names=("X", "Y", "Z"))) != first
    assert survivors(network(LINKS["lossy"])) == first


# -- faults ----------------------------------------------------------------------------------------------------------


def test_a_partition_decides_when_a_frame_would_arrive() -> None:
    """Apart from 5000 to 9000: sent at 3999 it arrives, sent at 4000 to 7999 it is lost, sent at 8000 it arrives."""
    net = network()
    apart = Fault("partition", {"groups": [[A], [B, C]]}, 5_000, 9_000)
    got = run(net, numbered(frame(at_ns) for at_ns in (3_999, 4_000, 6_000, 7_999, 8_000)), (), [apart])
    assert times(got) == [4_999, 9_000]
    assert net.tallies()["B>A"]["dropped"] == {"partition": 3}


def test_a_train_is_cut_where_the_partition_begins_and_ends() -> None:
    """Arrivals at 1000, 1500 ... 5500: those from 2000 to 3999 are lost."""
    apart = Fault("partition", {"groups": [[A], [B, C]]}, 2_000, 4_000)
    got = run(network(), [frame(0, count=10, gap_ns=500)], (), [apart])
    assert times(got) == [1_000, 1_500, 4_000, 4_500, 5_000, 5_500]


def test_within_a_group_frames_pass() -> None:
    """B and C are together, A is apart."""
    apart = Fault("partition", {"groups": [[A], [B, C]]}, 0, 50_000)
    assert len(run(network(), [frame(0, destination=C), frame(0, C, B)], (), [apart])) == 2


def test_a_cut_is_one_direction() -> None:
    """Nothing from B to A; A to B as before."""
    got = run(network(), [frame(0), frame(0, A, B)], (), [Fault("cut", ends, 0, 50_000)])
    assert [(one.source, one.destination) for one in got] == [(A, B)]


def test_overlapping_faults_end_with_the_last() -> None:
    """A cut from 0 to 10000 and a partition from 5000 to 20000: arrivals before 20000 are lost."""
    both = [Fault("cut", ends, 0, 10_000), Fault("partition", {"groups": [[B], [A, C]]}, 5_000, 20_000)]
    got = run(network(), numbered(frame(at_ns) for at_ns in (0, 7_000, 12_000, 18_999, 19_000)), (), both)
    assert times(got) == [20_000]


def test_held_frames_leave_in_order_when_they_are_released() -> None:
    """Arrivals at 1000 to 4000 wait until 9000, and come then by number; what is sent later does not overtake them."""
    held = Fault("hold", ends, 0, 9_000)
    frames = numbered([frame(0, count=4, gap_ns=1_000), frame(500), frame(8_500)])
    got = run(network(), frames, (), [held])
    assert times(got) == [9_000] * 5 + [9_500]
    assert [one.number for one in got] == [0, 1, 2, 3, 4, 5]


def test_only_the_kind_asked_for_is_held() -> None:
    """Page-out replies from C wait, all else passes; their release changes nothing for others."""

    def reply(at_ns: int) -> Raw:
        one = frame(at_ns, source=C)
        return (*one[:7], PAGE_OUT_REPLY, *one[8:])

    held = Fault("hold", {"from": C, "to": A, "only": "page-out-reply"}, 0, 9_000)
    frames = numbered([frame(0, source=C), reply(100), frame(200, source=C), reply(300), frame(400)])
    assert frames[0][7] == UDP
    got = run(network(), frames, (), [held])
    assert [(one.at_ns, one.source, one.number) for one in got] == [
        (1_000, C, 0),
        (1_200, C, 2),
        (1_400, B, 0),
        (9_000, C, 1),
        (9_000, C, 3),
    ]


def test_a_second_hold_keeps_what_the_first_releases() -> None:
    """Held by two until 5000 and 9000: they leave at 9000."""
    both = [Fault("hold", ends, 0, 5_000), Fault("hold", {**ends, "only": "udp"}, 0, 9_000)]
    assert times(run(network(), [frame(0, count=3, gap_ns=100)], (), both)) == [9_000] * 3


def test_frames_released_into_a_partition_are_lost() -> None:
    """They would arrive while the two are apart."""
    net = network()
    both = [Fault("hold", ends, 0, 5_000), Fault("cut", ends, 4_000, 6_000)]
    assert run(net, [frame(0, count=3, gap_ns=100)], (), both) == []
    assert net.tallies()["B>A"]["dropped"] == {"partition": 3}


def test_slow_keeps_the_fate_of_what_is_under_way() -> None:
    """Sent at 500 it takes 1000; from 1000 to 2000 it takes 3000; what follows waits for those before it."""
    slow = Fault("slow", {**ends, "latency_ns": 3_000}, 1_000, 2_000)
    got = run(network(), numbered(frame(at_ns) for at_ns in (500, 1_000, 2_000, 3_500)), (), [slow])
    assert times(got) == [1_500, 4_000, 4_000, 4_500]


def test_the_fault_that_began_last_is_in_force() -> None:
    """Latency 5000 from 0, 2000 from 1000 to 4000; then 5000 again until 8000."""
    both = [
        Fault("slow", {**ends, "latency_ns": 5_000}, 0, 8_000),
        Fault("slow", {**ends, "latency_ns": 2_000}, 1_000, 4_000),
    ]
    got = run(network(), numbered(frame(at_ns) for at_ns in (3_500, 7_000, 20_000)), (), both)
    assert times(got) == [5_500, 12_000, 21_000]


def test_a_lossy_link_loses_only_while_it_is_lossy() -> None:
    """All that leaves from 1000 to 2000 is lost."""
    net = network()
    lossy = Fault("lossy", {**ends, "rate_ppm": 1_000_000}, 1_000, 2_000)
    got = run(net, [frame(0, count=30, gap_ns=100)], (), [lossy])
    assert [one.number for one in got] == [*range(10), *range(20, 30)]
    assert net.tallies()["B>A"]["dropped"] == {"link-loss": 10}


# -- switch ports ----------------------------------------------------------------------------------------------------


def test_all_senders_share_the_port_before_a_machine() -> None:
    """B and C send 1538 bytes to A at 0: at the port at 1000, through it at 2538 and 4076; B to C has its own port."""
    got = run(network(port=(FAST, 10)), [frame(0), frame(0, source=C), frame(0, destination=C, number=1)])
    assert sorted((one.destination, one.at_ns) for one in got) == [(A, 2_538), (A, 4_076), (C, 2_538)]


def test_a_full_port_drops_whoever_comes_last() -> None:
    """Incast: 5 from B and 5 from C at once, one on the line and 3 behind it; 6 are dropped, each on its own link."""
    net = network(port=(FAST, 3))
    frames = [frame(0, source=source, number=number) for number in range(5) for source in (B, C)]
    got = run(net, frames)
    assert times(got) == [LATENCY + 1_538 * place for place in (1, 2, 3, 4)]
    assert [link["dropped"] for link in net.tallies().values()] == [{"link-queue": 1}, {"link-queue": 5}]


def test_a_port_without_a_limit_keeps_all_that_waits() -> None:
    """As the scenario says by default: the last of ten leaves it ten frames later."""
    frames = [frame(0, source=source, number=number) for number in range(5) for source in (B, C)]
    assert times(run(network(port=(FAST, None)), frames)) == [LATENCY + 1_538 * place for place in range(1, 11)]


@given(st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from((B, C)), st.sampled_from((60, 1538))), max_size=20))
def test_a_port_serialises_what_arrives_at_it(sent: list[tuple[int, int, int]]) -> None:
    """In the order of arrival: free = max(free, sent + latency) + 8 wire / rate."""
    frames = numbered(frame(at_ns, source, wire=wire) for at_ns, source, wire in sent)
    expected, free_ns = [], 0
    for one in sorted(frames, key=lambda one: one[1:4]):
        free_ns = max(free_ns, one[1] + LATENCY) + one[5] * 8 * 1_000_000_000 // FAST
        expected.append((free_ns, one[2], one[3]))
    assert [tuple(one[:3]) for one in run(network(port=(FAST, 1000)), frames)] == expected
