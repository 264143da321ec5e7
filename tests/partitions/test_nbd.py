"""Swap over NBD beside swap over NFS: same outage, same flood; what TCP's timers, its lock and its memory change."""

from itertools import pairwise

import pytest
from oracles import retransmissions, transmission_times
from scenes import outage, seed

from netswap.cluster.lab import Cluster
from netswap.protocol.units import milliseconds, seconds

NBD = ", transport: nbd"
ROUND_TRIP_NS = milliseconds(10)
"""Twice 2 ms of latency, the disk, the wire, and the interrupts that the card gathers, twice."""
RTO_NS, RTO_MAX_NS = seconds(0.2), seconds(120)


def nfs_grid(cluster):
    """0, 1.1, 3.3, 7.7, 16.5, 17.6 ... s."""
    times = transmission_times()
    return [next(times) for _ in range(40)]


def tcp_grid(cluster):
    """RTO (2^k - 1) with RTO = srtt + max(4 mdev, 0.2 s) of both ends (facts 13.2): either may have sent what was lost."""
    ends = [next(iter(cluster.engine.machine(index).tcp.connections.values())) for index in (0, 2)]
    trips = [end.sender.round_trip for end in ends if end.sender.flight]
    first = [trip.smoothed_ns + max(4 * trip.variation_ns, RTO_NS) for trip in trips]
    return sorted(at for first_ns in first for at in retransmissions(first_ns, RTO_MAX_NS, 15))


def balance(cluster: Cluster) -> None:
    """sent + duplicated = delivered + dropped by cause + under way."""
    frames = cluster.frames()
    assert frames["sent"] + frames["duplicated"] == (
        frames["delivered"] + sum(frames["dropped"].values()) + frames["under_way"]
    )


# -- who sends ----------------------------------------------------------------------------------------------------------

FILLING = """
title: programs that fill memory for the first time
stop: 10s
kernel: linux-2.6.22
safeguards: none
machines:
  A:
    memory: 8MiB
    swap: {server: C, transport: nbd, sender: SENDER, size: 64MiB, in_flight: 128}
    programs:
      - rank: {working_set: 8MiB, touch: 2MiB, compute: 100ms, start: cold, steps: 5}
      - rank: {working_set: 8MiB, touch: 2MiB, compute: 100ms, start: cold, steps: 5}
  C:
    programs: [swap-server: {}]
"""


@pytest.mark.parametrize(("sender", "verdict"), [("thread", "wedged"), ("auto", "finished")])
def test_a_thread_without_a_right_below_min_finds_no_page_where_a_reclaimer_does(netswap, sender, verdict):
    """The first page-outs are asked for at the low mark, and programs take all down to min. The twin: who asks sends."""
    cluster = netswap(FILLING.replace("SENDER", sender), expect=[])
    cluster.run_to(seconds(9))
    a = cluster["A"]
    assert a.verdict == verdict
    machine = cluster.engine.machine(0)
    if verdict == "wedged":
        assert a.free_pages == machine.zone.floors.kernel
        assert a.counters["pages_out"] == 0
        assert machine.device.under_way, "requests that nobody can send"


# -- the seed, over both transports -------------------------------------------------------------------------------------


@pytest.mark.parametrize("outage_s", [1, 6, 30])
@pytest.mark.parametrize(
    ("transport", "grid", "first_ns", "cap_ns"),
    [("nfs", nfs_grid, seconds(1.1), seconds(8.8)), ("nbd", tcp_grid, RTO_NS, RTO_MAX_NS)],
    ids=["nfs", "nbd"],
)
def test_recovery_follows_the_grid_of_the_transport(netswap, transport, grid, first_ns, cap_ns, outage_s):
    """Rows 31 and 70: the first transmission after the heal is answered; within min(D + RTO0, cap) and a round trip."""
    text = seed(safeguards="reserve", swap=f", transport: {transport}", timeline=outage(lasts=f"{outage_s}s"))
    cluster = netswap(text).run_for(seconds(2.05))  # what was under way has come, no time-out is over
    expected = next(at for at in grid(cluster) if at > seconds(outage_s)) - seconds(outage_s)
    cluster.run_for(seconds(0.95 + outage_s) + expected)
    a = cluster["A"]
    assert (a.verdict, a.lost_pages) == ("recovered", 0)
    assert a.recovered_after_ns == pytest.approx(expected, abs=ROUND_TRIP_NS)
    assert a.recovered_after_ns <= min(seconds(outage_s) + first_ns, cap_ns) + ROUND_TRIP_NS
    balance(cluster)


@pytest.mark.parametrize("transport", ["nfs", "nbd"])
def test_a_server_that_stood_still_while_the_network_lived_is_waited_for_by_nobody(netswap, transport):
    """Row 70's other half: its disk is slow for 5 s, then it answers, and A goes on without any time-out."""
    timeline = "[{at: 2s, slow-disk: {machine: C, latency: 4s}, for: 4s}]"
    text = seed(safeguards="reserve", swap=f", transport: {transport}", timeline=timeline, stop="7s")
    a = netswap(text).run()["A"]
    assert a.verdict == "recovered"
    assert a.recovered_after_ns <= ROUND_TRIP_NS


@pytest.mark.parametrize("kernel", ["linux-2.6.22", "linux-6.11"])
@pytest.mark.parametrize(("policy", "verdict", "stop"), [("none", "wedged", "45s"), ("reserve", "recovered", "10s")])
def test_the_seed_over_nbd(netswap, kernel, policy, verdict, stop):
    """A reply of 16 bytes needs a buffer as any other; with the reserve there is one, and every page is the right one."""
    cluster = netswap(seed(safeguards=policy, swap=NBD, timeline=outage(), stop=stop), kernel=kernel)
    cluster.run_for(seconds(6))
    assert cluster["A"].waits_for("a reply from C")
    cluster.run()
    a = cluster["A"]
    assert (a.verdict, a.lost_pages) == (verdict, 0)
    assert (a.dropped["demux"] > 1000) == (policy == "reserve")
    balance(cluster)


@pytest.mark.parametrize(
    ("switch", "cause"),
    [("reserve-access", "ring-empty"), ("drop-at-demux", "ring-empty"), ("memalloc-processing", "no-memory")],
)
def test_without_one_part_of_the_reserve_a_wedges_over_nbd_too(netswap, switch, cause):
    """The twins: no buffer for a reply, none left for it, none for its route entry."""
    text = seed(safeguards=f"[reserve, -{switch}]", swap=NBD, timeline=outage(), stop="45s")
    a = netswap(text).run()["A"]
    assert a.verdict == "wedged"
    assert a.dropped[cause] > 0


def test_a_paused_run_and_one_in_one_go_are_the_same_bytes(netswap):
    """Also with C crashed and restarted meanwhile."""
    text = seed(
        safeguards="reserve",
        swap=NBD,
        memory=16,
        stop="20s",
        timeline="[{at: 2s, partition: [C], for: 2s}, {at: 8s, crash: C, for: 1s}]",
    )
    whole = netswap(text).run()
    paused = netswap(text)
    for at_ns in (1, milliseconds(3), seconds(1.5), seconds(2), seconds(2.0001), seconds(4.21), seconds(9.77)):
        paused.run_for(at_ns - paused.now_ns)
    assert paused.run().digest() == whole.digest()


# -- the lock -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("in_flight", "blocked"), [(128, True), (8, False)])
def test_in_an_outage_a_deep_queue_fills_the_send_buffer_and_the_sender_blocks_all(netswap, in_flight, blocked):
    """Row 48: a page-out takes 4124 + 3 * 488 bytes of it; 64 KiB hold 11, and the sender goes on when a third is free."""
    text = f"""\
title: one sender blocks all
stop: 4s
network: {{latency: 1ms}}
machines:
  A:
    memory: 64MiB
    swap: {{server: C, size: 1GiB, in_flight: {in_flight}, transport: nbd}}
    programs: [{{rank: {{working_set: 512MiB, touch: 512MiB, start: cold, steps: 1}}}}]
  C:
    programs: [{{swap-server: {{}}}}]
timeline: [{{at: 1s, partition: [C], for: 1s}}]
"""
    cluster = netswap(text)
    cluster.run_for(seconds(1.9))
    assert cluster["A"].waits_for("room in the send buffer of the connection to C") is blocked
    assert cluster["A"].waits_for("a reply from C")
    before = cluster["A"].pages_out
    under_way = len(cluster.engine.machine(0).device.under_way)
    assert under_way == 8 or (blocked and 8 < under_way <= 13)
    a = cluster.run()["A"]
    assert (a.lost_pages, a.pages_out > before + 1000) == (0, True)


@pytest.mark.parametrize(
    ("kernel", "policy", "in_flight", "frozen"),
    [
        ("linux-2.6.22", "none", 1, True),
        ("linux-2.6.22", "reserve", 1, False),
        ("linux-2.6.22", "none", 16, False),
        ("linux-6.11", "none", 1, False),
    ],
)
def test_a_page_in_that_waits_for_memory_with_the_lock_in_its_hands_freezes_2007(
    netswap, kernel, policy, in_flight, frozen
):
    """No fault, no flood: with one request under way kswapd falls behind, and a reader stands at min when it has to send.

    GFP_NOIO stops there, a task that could free memory waits for the lock. PF_MEMALLOC, that of 6.11 or the reserve's, cures it.
    """
    text = seed(swap=f"{NBD}, in_flight: {in_flight}", safeguards=policy, stop="8s")
    cluster = netswap(text, kernel=kernel, set={"machines.B.programs": []})
    cluster.run_for(seconds(4))
    before = cluster["A"].progress
    a = cluster.run()["A"]
    assert (a.progress == before) is frozen
    assert a.waits_for("memory for its copy") is frozen
    assert a.lost_pages == 0


# -- what becomes of connections ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "verdict", "stop"), [("reserve", "recovered", "12s"), ("none", "wedged", "45s")])
def test_after_a_crash_of_c_the_client_connects_again(netswap, policy, verdict, stop):
    """C knows nothing of the connection and resets it; what had not been answered is asked for again."""
    text = seed(safeguards=policy, swap=NBD, timeline="[{at: 2s, crash: C, for: 5s}]", stop=stop)
    cluster = netswap(text).run()
    a = cluster["A"]
    assert (a.verdict, a.lost_pages) == (verdict, 0)
    if verdict == "recovered":
        assert a.recovered_after_ns <= seconds(5) + RTO_NS + seconds(1) + 2 * ROUND_TRIP_NS
        assert a.retransmissions > 0
    balance(cluster)


def test_after_a_crash_of_a_old_requests_and_new_ones_are_not_mixed_up(netswap):
    """It calls from another port, numbers its requests anew, and has a new swap space."""
    text = seed(swap=NBD, timeline="[{at: 2s, crash: A, for: 1s}]", stop="8s")
    cluster = netswap(text, set={"machines.B.programs": []}).run()
    assert cluster["A"].lost_pages == 0
    assert cluster["A"].pages_in > 200
    balance(cluster)


@pytest.mark.parametrize("policy", ["none", "reserve"])
def test_an_outage_that_outlasts_tcp_ends_with_a_new_connection(netswap, policy):
    """Row 32: given up 924.6 s and its round trips after the last transmission; SYNs 1 s later and 3, 9, 21, 45, 93 s after that.

    The outage ends at 2 + 940 s: 926.6 + 1 + 21 s is the first SYN after that. It takes memory, which A has without a flood.
    """
    timeline = outage(lasts="940s")
    text = seed(safeguards=policy, swap=NBD, timeline=timeline, stop="960s")
    cluster = netswap(text, set={"machines.B.programs": []}).run_for(seconds(2.05))
    given_up_ns = tcp_grid(cluster)[-1]
    a = cluster.run()["A"]
    assert (a.verdict, a.lost_pages) == ("recovered", 0)
    called_ns = seconds(2) + given_up_ns + seconds(1) + seconds(21)
    assert a.recovered_after_ns == pytest.approx(called_ns - seconds(942), abs=2 * ROUND_TRIP_NS)
    assert a.retransmissions > 0


def test_several_clients_share_one_server_and_get_their_own_pages_back(netswap):
    """Three A's with the same page numbers; a queue of 4 leaves most requests in their sockets, and none is lost."""
    text = """\
title: three clients
stop: 6s
network: {latency: 1ms}
machines:
  A:
    count: 3
    memory: 16MiB
    swap: {server: C, size: 64MiB, readahead: 1, transport: nbd}
    programs: [{rank: {working_set: 20MiB, touch: 1MiB, compute: 5ms}}]
  N:
    memory: 16MiB
    swap: {server: C, size: 64MiB, readahead: 1}
    programs: [{rank: {working_set: 20MiB, touch: 1MiB, compute: 5ms}}]
  C:
    programs: [{swap-server: {queue: 4}}]
timeline: [{at: 2s, partition: [C], for: 1s}]
"""
    cluster = netswap(text).run()
    for name in ("A0", "A1", "A2", "N"):
        assert cluster[name].lost_pages == 0
        assert cluster[name].pages_in > 50, name
    assert cluster["A0"].retransmissions == 0
    balance(cluster)


# -- TCP's own deadlock -------------------------------------------------------------------------------------------------

LIMIT = 96
SOCKETS = 64
"""Each may queue 4096 bytes whatever the others have: three full segments, 5496 bytes, two pages; 128 pages in all."""


def tcp_deadlock(*, memory=256, work="0ns", start="2500ms", timeline="[]", stop="60s", kernel="linux-2.6.22", policy):
    """B's connections to a service fill `tcp_mem`, which is small, and memory is not."""
    return f"""\
title: the deadlock of TCP's own limit
stop: {stop}
kernel: {kernel}
safeguards: {policy}
network: {{latency: 2ms}}
machines:
  A:
    memory: {memory}MiB
    tcp: {{mem: [{LIMIT // 2}, {LIMIT * 2 // 3}, {LIMIT}]}}
    swap: {{server: C, size: 1GiB, readahead: 1, transport: nbd}}
    programs:
      - rank: {{working_set: {memory * 5 // 4}MiB, touch: 4MiB, compute: 20ms}}
      - service: {{protocol: tcp, port: 9000, sockets: {SOCKETS}, pages: 64, work: {work}}}
  B:
    programs: [{{flood: {{to: "A:9000", protocol: tcp, rate: 24608kbit/s, payload: 1448B, from: {start}}}}}]
  C:
    programs: [{{swap-server: {{}}}}]
timeline: {timeline}
"""


SLOW_C = "[{at: 2s, slow-disk: {machine: C, latency: 4s}, for: 4s}]"


@pytest.mark.parametrize("policy", ["none", "[reserve, -tcp-exemption]"])
def test_at_the_limit_the_reply_is_refused_although_a_buffer_could_be_had(netswap, policy):
    """Row 12: C was slow for 4 s, B's segments filled tcp_mem, and the service cannot read them without its page."""
    cluster = netswap(tcp_deadlock(policy=policy, timeline=SLOW_C))
    cluster.run_for(seconds(6))
    then = cluster["A"]
    a = cluster.run()["A"]
    assert (a.verdict, a.dropped["ring-empty"], a.dropped["no-memory"]) == ("wedged", 0, 0)
    assert a.free_pages > 192, "the atomic floor of 256 MiB"
    assert a.dropped["tcp-limit"] > then.dropped["tcp-limit"]
    assert a.waits_for(f"{LIMIT} pages are charged to {SOCKETS + 1} connections, and the limit is {LIMIT}")
    assert a.waits_for("receive queues of service 0")
    balance(cluster)


@pytest.mark.parametrize("policy", ["[tcp-exemption]", "reserve"])
def test_with_the_exemption_it_is_accepted(netswap, policy):
    """Row 13, the twin."""
    a = netswap(tcp_deadlock(policy=policy, timeline=SLOW_C, stop="20s")).run()["A"]
    assert (a.verdict, a.lost_pages) == ("recovered", 0)
    assert a.recovered_after_ns <= ROUND_TRIP_NS


@pytest.mark.parametrize("policy", ["none", "reserve"])
def test_under_the_rules_of_6_11_it_is_accepted_since_nothing_is_queued_before_it(netswap, policy):
    """Row 14: the next segment is taken by force when the queue is empty."""
    a = netswap(tcp_deadlock(policy=policy, timeline=SLOW_C, stop="20s", kernel="linux-6.11")).run()["A"]
    assert (a.verdict, a.lost_pages) == ("recovered", 0)


@pytest.mark.parametrize("policy", ["reserve", "[reserve, -tcp-exemption]"])
def test_in_6_11_a_full_tcp_mem_makes_the_swap_crawl_until_the_queues_are_read(netswap, policy):
    """Row 67: a reply's first segment is taken, the next is refused while that one waits: one a time-out of the peer.

    That is 5 in a second at most, and some 200 pages in a second before and after. The mark changes nothing, nor does
    B's silence from 14 s on; at 20 s the sleeper reads.
    """
    text = tcp_deadlock(policy=policy, start="10s", kernel="linux-6.11", stop="30s")
    sleeper = {"sleepers:Sleeper": {"port": 9000, "until": "20s"}}
    flood = {"flood": {"to": "A:9000", "protocol": "tcp", "rate": "24608kbit/s", "payload": "1448B", "flows": SOCKETS}}
    flood["flood"] |= {"from": "10s", "for": "4s"}
    cluster = netswap(text, set={"machines.A.programs.1": sleeper, "machines.B.programs": [flood]})
    seen = [cluster.run_for(seconds(duration))["A"] for duration in (9, 1, 1, 3, 6, 4, 4)]
    pages = [later.pages_in - one.pages_in for one, later in pairwise(seen)]
    before, _, crawling, silent, _, after = pages
    assert before > 150
    assert 3 <= crawling <= 3 * 5 * 1.2
    assert 1 <= silent <= 6 * 5 * 1.2
    assert after > 4 * 150
    assert seen[4].free_pages > 1000
    assert seen[-1].lost_pages == 0
