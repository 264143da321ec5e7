"""Stories of the OOM killer: it helps, it helps nobody, or it never comes (rows 28 and 66)."""

import pytest
from scenes import atomic_floor, min_pages, outage, seed

from netswap.protocol.units import milliseconds, seconds

UNBOUNDED = "configs/claims/row-66.yaml"
MEMORY = 16
TOTAL = MEMORY * 256
RING_PAGES = 256 // 2 + 256 // 16
HEARTBEAT = 4
SLABS = 16
"""Pages that requests, routes and headers under way may take."""
KERNELS = ("linux-2.6.22", "linux-6.11")
REQUEST_PAGES = 2
"""What 16 requests under way take, 8 to a page."""

NO_SWAP = """\
# A has no swap. Who is killed, and what becomes of those who talk to it?
title: no swap
stop: 20s
network: {latency: 2ms}
machines:
  A:
    memory: 16MiB
    programs:
      - rank: {working_set: 14MiB, touch: 1MiB, compute: 20ms, start: cold}
      - service: {port: 9000, protocol: tcp, pages: 3000}
  B:
    programs: [{flood: {to: "A:9000", protocol: tcp, rate: 1Mbit/s, payload: 1448B}}]
"""


def assert_conserved(cluster):
    """Frames: sent = delivered + dropped + under way, on every link."""
    for link in cluster.links().values():
        right = link["delivered"] + sum(link["dropped"].values()) + link["under_way"]
        assert link["sent"] + link["duplicated"] == right


def killed_ns(cluster, program, machine="A"):
    """When a program died."""
    return cluster[machine].programs[program]["killed_ns"]


# -- it helps -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "safeguards"), [("linux-2.6.22", "reserve"), ("linux-6.11", "none")])
def test_the_largest_dies_for_nothing_and_then_the_owner_of_the_queues(netswap, kernel, safeguards):
    """Row 66. In the end the ring and the heartbeat have pages, and nobody else; what C still sent back was right."""
    cluster = netswap(UNBOUNDED, kernel=kernel, safeguards=safeguards)
    cluster.run_for(seconds(12))
    a = cluster["A"]
    assert a.verdict == "oom-killed"
    assert killed_ns(cluster, "rank 0") < killed_ns(cluster, "service 0")
    assert a.programs["rank 0"]["freed_pages"] <= 1
    assert (a.oom_kills, a.oom_deaths) == (2, 2)
    assert a.oom_pages == sum(program["freed_pages"] for program in a.programs.values())
    assert TOTAL - RING_PAGES - HEARTBEAT - SLABS <= a.free_pages <= TOTAL - HEARTBEAT
    assert (a.lost_pages, a.socket_frames) == (0, 0)
    assert a.programs["heartbeat 0"]["last_ns"] >= seconds(12) - milliseconds(100)
    assert not any("rank 0" in node or "service 0" in node for node in cluster.waits())
    assert_conserved(cluster)


def test_nothing_that_is_on_its_way_to_c_is_free_before_it_has_arrived(netswap):
    """All slots are taken by page-outs of a rank that sleeps for another, and is killed.

    It cannot die before C answers. The reaper of 6.11 takes the pages that it has in memory after 2 s; those on their way
    come back with the replies.
    """
    text = seed(memory=16, flood_from="500s", timeline=outage("0s", "12s"), rank=", start: cold")
    cluster = netswap(text, kernel="linux-6.11")
    cluster.run_for(seconds(2))
    machine = cluster.engine.machine(0)
    space = machine.programs[0].space
    resident, free, writing = space.resident, machine.zone.free, machine.device.writeback
    assert (writing, machine.reclaim.sleepers()) == (16, 1)
    assert machine.oom.kill()
    cluster.run_for(seconds(2))
    assert (machine.zone.free, space.resident) == (free, resident)
    cluster.run_for(milliseconds(1))
    assert (machine.zone.free, space.resident) == (free + resident, 0)
    assert (cluster["A"].oom_kills, cluster["A"].oom_deaths) == (1, 0)
    cluster.run_for(seconds(20))
    assert cluster["A"].oom_deaths == 1
    assert machine.zone.free == free + resident + writing + REQUEST_PAGES
    assert (machine.device.writeback, cluster["A"].lost_pages) == (0, 0)
    assert_conserved(cluster)


# -- it comes in vain ---------------------------------------------------------------------------------------------------


def test_in_2007_a_victim_that_needs_a_page_from_c_cannot_die_and_nobody_else_is_killed(netswap):
    """The same without the reserve: it may take any page, and cannot receive what is to be in it (TIF_MEMDIE)."""
    cluster = netswap(UNBOUNDED, safeguards="none")
    cluster.run_for(seconds(24))
    a = cluster["A"]
    assert a.verdict == "wedged"
    assert (a.oom_kills, a.oom_deaths, a.oom_pages) == (1, 0, 0)
    assert a.waits_for("it has been killed, and cannot die before that")
    assert abs(a.free_pages - atomic_floor(min_pages(MEMORY))) <= 1
    assert a.programs["rank 0"]["killed_ns"] is None
    assert_conserved(cluster)


# -- it never comes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", KERNELS)
def test_in_the_deadlock_everybody_sleeps_and_nobody_is_killed(netswap, kernel):
    """The twin with an outage: page-outs to C fill all slots before there is nothing left to write."""
    cluster = netswap(
        UNBOUNDED, kernel=kernel, safeguards="none", timeline=[{"at": "1s", "partition": ["C"], "for": "4s"}]
    )
    cluster.run_for(seconds(24))
    assert cluster["A"].verdict == "wedged"
    assert cluster["A"].oom_kills == 0


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_outage_alone_kills_nobody_and_no_swap_at_all_does(netswap, kernel):
    """Row 28: with C away for 15 s the rank sleeps for a slot. Without a swap it is killed."""
    cluster = netswap("configs/claims/row-28.yaml", kernel=kernel)
    cluster.run_for(seconds(20))
    assert (cluster["A"].verdict, cluster["A"].oom_kills) == ("recovered", 0)
    cluster = netswap("configs/claims/row-28.yaml", kernel=kernel, set={"machines.A.swap": "none"})
    cluster.run_for(seconds(5))
    assert cluster["A"].verdict == "oom-killed"
    assert cluster["A"].programs["heartbeat 0"]["last_ns"] >= seconds(5) - milliseconds(100)


# -- a swap that is full ------------------------------------------------------------------------------------------------

OUTGROWS = """\
# A rank needs more than memory and swap together.
title: swap full
stop: 20s
network: {latency: 2ms}
machines:
  A:
    memory: 16MiB
    swap: {server: C, size: 8MiB, readahead: 1}
    programs:
      - rank: {working_set: 32MiB, touch: 1MiB, compute: 20ms, start: cold}
      - heartbeat: {every: 100ms}
  C:
    programs: [{swap-server: {}}]
"""


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_rank_that_outgrows_memory_and_swap_is_killed_and_one_that_fits_is_not(netswap, kernel):
    """It has touched what lies above min, not boosted, the ring apart, and what the swap holds."""
    swap = 2048
    flat = {"machines.A.vm.watermark_boost_factor": 0} if kernel != "linux-2.6.22" else {}
    cluster = netswap(OUTGROWS, kernel=kernel, set=flat)
    cluster.run_for(seconds(6))
    a = cluster["A"]
    assert (a.verdict, a.oom_deaths) == ("oom-killed", 1)
    assert a.programs["rank 0"]["progress"] == pytest.approx(TOTAL - min_pages(MEMORY) - RING_PAGES + swap, abs=SLABS)
    assert a.pages_out == pytest.approx(swap, abs=HEARTBEAT)
    cluster = netswap(OUTGROWS, kernel=kernel, set={"machines.A.swap.size": "32MiB"})
    cluster.run_for(seconds(4))
    assert (cluster["A"].verdict, cluster["A"].oom_kills) == ("healthy", 0)
    assert cluster["A"].pages_out > swap


# -- what a kill does to others -----------------------------------------------------------------------------------------


def test_the_size_of_the_address_space_decides_in_2007_and_memory_in_use_in_6_11(netswap):
    """The rank has 3584 pages and the service 3000, all resident: the rank has used about 1000 when there are no more."""
    for kernel, first, other in ((KERNELS[0], "rank 0", "service 0"), (KERNELS[1], "service 0", "rank 0")):
        cluster = netswap(NO_SWAP, kernel=kernel)
        cluster.run_for(seconds(10))
        assert killed_ns(cluster, first) is not None
        assert killed_ns(cluster, other) is None


def test_connections_of_a_dead_service_are_reset_and_its_callers_are_blocked(netswap):
    """B calls again every second, and no program listens; its own machine is all right."""
    cluster = netswap(NO_SWAP, kernel="linux-6.11")
    cluster.run_for(seconds(10))
    assert killed_ns(cluster, "service 0") is not None
    assert cluster["A"].dropped["no-socket"] >= 5
    assert cluster["B"].verdict == "blocked"
    assert_conserved(cluster)


def test_after_a_restart_programs_start_anew_and_the_counts_go_on(netswap):
    """What was killed runs again, and is killed again."""
    cluster = netswap(NO_SWAP, kernel="linux-2.6.22", timeline=[{"at": "6s", "crash": "A", "for": "1s"}])
    cluster.run_for(seconds(6))
    assert (cluster["A"].oom_kills, cluster["A"].verdict) == (1, "oom-killed")
    cluster.run_for(seconds(1) + milliseconds(100))
    assert killed_ns(cluster, "rank 0") is None
    cluster.run_for(seconds(6))
    assert cluster["A"].oom_kills == 2


def test_stops_on_the_way_change_no_byte(netswap):
    """Killed in one go or in pieces, the same frames leave."""
    whole, pieces = (netswap(UNBOUNDED, kernel="linux-6.11") for _ in range(2))
    whole.run_for(seconds(7))
    for _ in range(70):
        pieces.run_for(milliseconds(100))
    assert whole["A"].oom_deaths == 2
    assert whole.digest() == pieces.digest()


@pytest.mark.parametrize("transport", ["nfs", "nbd"])
@pytest.mark.parametrize(("kernel", "safeguards"), [("linux-2.6.22", "reserve"), ("linux-6.11", "merged")])
@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_whoever_is_killed_whenever_nothing_is_lost(netswap, kernel, safeguards, transport, protocol):
    """The service before the outage of C, the rank during it. Once C has answered all pages are free but the ring's."""
    over = "" if protocol == "udp" else ", protocol: tcp"
    text = seed(
        memory=16,
        sockets=8,
        timeline=outage("1s", "2s"),
        flood_from="500ms",
        swap=f", transport: {transport}",
        service=f"{over}, text: 256KiB",
        flood=over,
    )
    cluster = netswap(text + "reserve: {pages: 400}\n", kernel=kernel, safeguards=safeguards)
    machine = cluster.engine.machine(0)
    for at_ms, process in zip((800, 1700), machine.oom.processes, strict=True):
        machine.events.at(milliseconds(at_ms), lambda process: process.kill(), process)
    cluster.run_to(seconds(14))
    a = cluster["A"]
    assert [process.dead for process in machine.oom.processes] == [True, True]
    assert (a.lost_pages, a.socket_frames, a.faults > 0) == (0, 0, True)
    assert (machine.device.writeback, len(machine.device.under_way), len(machine.reclaim.waiters)) == (0, 0, 0)
    assert TOTAL - RING_PAGES - SLABS <= a.free_pages + a.file_pages <= TOTAL
    assert_conserved(cluster)
