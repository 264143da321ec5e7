"""The fault `freeze`: a program stands still, and the kernel under it lives."""

import pytest
from scenes import outage, seed

from netswap.protocol.units import milliseconds, seconds

NBD = ", transport: nbd, in_flight: 32"
FROZEN = "[{at: 2s, freeze: C, for: 6s}]"


@pytest.mark.parametrize("transport", ["", NBD])
def test_a_frozen_server_is_served_by_its_kernel_and_goes_on_at_once(netswap, transport):
    """C answers nothing for 6 s; after the thaw A goes on within a disk's latency and the longest time-out of the client.

    Over TCP nothing has to be sent again: what was sent has been acknowledged, and waits to be read (facts 12, R10). Over
    UDP what found room in the socket waits there too.
    """
    cluster = netswap(seed(stop="10s", flood_from="11s", timeline=FROZEN, swap=transport))
    cluster.run_for(seconds(5))
    assert cluster["A"].waits_for("C")
    before = cluster["A"].pages_out + cluster["A"].pages_in
    cluster.run_for(seconds(3))
    assert cluster["A"].pages_out + cluster["A"].pages_in == before
    cluster.run()
    a = cluster["A"]
    assert a.verdict == "recovered"
    assert a.lost_pages == 0
    assert a.recovered_after_ns <= milliseconds(10)


def test_an_outage_of_the_network_is_followed_by_the_wait_that_a_freeze_is_not(netswap):
    """The twin: the same six seconds as a partition end with the next retransmission, which is up to as long away."""
    cut = netswap(seed(stop="16s", flood_from="17s", timeline=outage("2s", "6s"), swap=NBD)).run()
    frozen = netswap(seed(stop="16s", flood_from="17s", timeline=FROZEN, swap=NBD)).run()
    assert frozen["A"].verdict == cut["A"].verdict == "recovered"
    assert frozen["A"].recovered_after_ns * 10 < cut["A"].recovered_after_ns


def test_the_kernel_of_a_frozen_service_takes_what_its_socket_has_room_for(netswap):
    """One socket of 68 full frames (124928 / 1832) is full, and read to its end after the thaw; the rest is dropped there."""
    keys = {"machines.A.programs.1.service.pages": 0, "machines.A.programs.1.service.sockets": 1}
    timeline = "[{at: 1s, freeze: A.service, for: 2s}]"
    story = seed(memory=256, stop="6s", flood_from="500ms", timeline=timeline, flood=", for: 2s", rank=", steps: 1")
    cluster = netswap(story, set=keys)
    cluster.run_for(seconds(2.9))
    assert cluster["A"].socket_frames == 68
    assert cluster["A"].dropped["socket-full"] > 0
    read = cluster["A"].programs["service 0"]["progress"]
    assert cluster["A"].waits_for("frozen")
    cluster.run()
    assert cluster["A"].socket_frames == 0
    assert cluster["A"].programs["service 0"]["progress"] == read + 68
    assert cluster["A"].received == cluster["A"].delivered + sum(cluster["A"].dropped.values())


def test_a_frozen_rank_stalls_and_recovers_and_its_computation_takes_as_long_as_before(netswap):
    """A step of 4 s, half of it over when the rank is frozen for 5 s: it ends 9 s after it began."""
    keys = {"machines.A.programs.0.rank": {"working_set": "4MiB", "touch": "4MiB", "compute": "4s", "steps": 2}}
    timeline = "[{at: 2s, freeze: A.rank, for: 5s}]"
    cluster = netswap(seed(stop="20s", flood_from="21s", timeline=timeline), set=keys)
    cluster.run_for(seconds(8.9))
    assert cluster["A"].programs["rank 0"]["progress"] == 1024
    cluster.run_for(seconds(0.2))
    assert cluster["A"].programs["rank 0"]["progress"] == 2048


def test_a_freeze_by_hand_is_the_fault_of_the_timeline(netswap):
    """The same digest; a second freeze that overlaps the first lengthens it."""
    story = {"stop": "6s", "flood_from": "7s", "swap": NBD}
    planned = netswap(seed(**story, timeline="[{at: 2s, freeze: C, for: 2s}]")).run()
    cluster = netswap(seed(**story))
    cluster.run_for(seconds(2))
    with cluster.freeze("C"):
        cluster.run_for(seconds(1))
        again = cluster.freeze("C", program="swap-server")
        cluster.run_for(seconds(1))
    again.heal()
    cluster.run()
    assert cluster.digest() == planned.digest()


def test_programs_that_a_restart_starts_are_not_frozen(netswap):
    """C crashes while it is frozen, and serves as soon as it is up."""
    timeline = "[{at: 2s, freeze: C, for: 6s}, {at: 3s, crash: C, for: 1s}]"
    cluster = netswap(seed(stop="12s", flood_from="13s", timeline=timeline))
    cluster.run_for(seconds(4))
    out = cluster["A"].pages_out + cluster["A"].pages_in
    cluster.run_for(seconds(3.9))
    assert cluster["A"].pages_out + cluster["A"].pages_in > out
    cluster.run()
    assert cluster["A"].lost_pages == 0


def test_who_has_no_such_program_cannot_be_frozen(netswap):
    """By hand, too."""
    cluster = netswap(seed(stop="1s", flood_from="2s"))
    with pytest.raises(ValueError, match="C has no program 'service'"):
        cluster.freeze("C", program="service")


def test_a_frozen_server_that_is_a_process_keeps_what_its_disk_has_done_until_the_thaw(netswap):
    """With pages of its own it reads nothing either; no page is lost, and A goes on at once."""
    keys = {"machines.C.programs": [{"swap-server": {"pages": 16, "lock": True}}]}
    cluster = netswap(seed(stop="10s", flood_from="11s", timeline=FROZEN, swap=NBD), set=keys).run()
    a = cluster["A"]
    assert a.verdict == "recovered"
    assert a.lost_pages == 0
    assert a.recovered_after_ns <= milliseconds(10)


def test_while_a_server_is_frozen_for_ever_nobody_can_say_more(netswap):
    """The fault lasts: A is undecided, and its story ends at the frozen server."""
    cluster = netswap(seed(stop="30s", flood_from="31s", timeline="[{at: 2s, freeze: C, for: ever}]", swap=NBD)).run()
    assert cluster["A"].verdict == "undecided"
    assert cluster["A"].waits_for("swap-server 0 stands still: it is frozen")
