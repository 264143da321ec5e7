"""A machine that swaps to a process or a disk of its own, and what becomes of errors: each rule with a twin without it."""

import pytest

from netswap.actors.memory.waiter import Asleep
from netswap.cluster.scenario import ScenarioError, load
from netswap.protocol.units import milliseconds, seconds

BURST = """\
# Does a machine outlive a burst, if a daemon of its own keeps its pages?
title: its own daemon
stop: 4s
kernel: linux-6.11
safeguards: merged
machines:
  A:
    memory: 16MiB
    swap: {server: A, transport: nbd, size: 128MiB}
    disk: {latency: 1ms, bandwidth: 10MB/s}
    programs:
      - swap-server: {pages: 16, lock: true, disk_latency: 100us, disk_bandwidth: 10MB/s}
      - rank: {working_set: 1MiB, touch: 64KiB, compute: 50ms, text: 3MiB}
      - rank: {working_set: 24MiB, touch: 1MiB, compute: 200ms, start: cold}
expect: []
"""
SERVER = "machines.A.programs.0.swap-server."
FAR = """\
# What becomes of a request that is not answered?
title: errors
stop: 12s
kernel: linux-6.11
safeguards: merged
network: {latency: 1ms}
machines:
  A:
    memory: 16MiB
    vm: {watermark_boost_factor: 0}
    swap: {server: C, transport: nbd, size: 64MiB}
    programs: [rank: {working_set: 20MiB, touch: 64KiB, compute: 100ms, pattern: random}]
  C:
    programs: [swap-server: {}]
expect: []
"""


def burst(netswap, **keys):
    """The machine at its end; `keys`: settings of the daemon, or with a dot of the scenario."""
    sets = {key if "." in key else SERVER + key: value for key, value in keys.items()}
    return netswap(BURST, set=sets).run()["A"]


# -- a daemon of the machine itself ---------------------------------------------------------------------------------------


def test_a_locked_daemon_that_reclaims_sleeps_for_its_own_device(netswap):
    """All 16 requests wait for it, and it waits until one has been answered."""
    cluster = netswap(BURST).run()
    machine = cluster.engine.machine(0)
    assert cluster["A"].verdict == "wedged"
    assert len(machine.device.under_way) == machine.device.in_flight
    daemon = next(one for one in machine.reclaim.waiters if one.name.startswith("swap-server"))
    assert daemon.asleep is Asleep.SLOT


def test_an_io_flusher_drops_clean_pages_instead(netswap):
    """The twin of the above: nothing else differs but the boost, with which less is swapped."""
    a = burst(netswap, io_flusher=True, **{"machines.A.vm.watermark_boost_factor": 0})
    assert (a.verdict, a.lost_pages) == ("healthy", 0)
    assert a.pages_out > 1000


def test_an_io_flusher_may_not_go_below_min(netswap):
    """PR_SET_IO_FLUSHER is not PF_MEMALLOC: where nothing is clean it does not help, and the exemption does."""
    bare = {"machines.A.programs.1.rank.text": "none"}
    assert burst(netswap, io_flusher=True, **bare).verdict == "wedged"
    with_right = netswap(BURST, set=bare, safeguards=["merged", "exempt-daemons"]).run()["A"]
    assert (with_right.verdict, with_right.lost_pages) == ("healthy", 0)


@pytest.mark.parametrize("transport", ["fuse", "ublk"])
@pytest.mark.parametrize(("lock", "verdict"), [(True, "healthy"), (False, "wedged")])
def test_a_daemon_that_takes_no_memory_to_answer_needs_no_more_than_its_own_pages(netswap, transport, lock, verdict):
    """Over FUSE and ublk an answer is copied; but a page of the daemon that lies on its own device never comes."""
    a = burst(netswap, lock=lock, **{"machines.A.swap.transport": transport})
    assert a.verdict == verdict


@pytest.mark.parametrize(("exempt", "least"), [(True, 0), (False, 1)])
def test_an_exempt_daemon_takes_pages_for_its_file_below_min(netswap, exempt, least):
    """PF_MEMALLOC is its right whatever the page is for; without it the daemon waits at min."""
    keys = {SERVER + "file": "2MiB", "machines.A.programs.1.rank.text": "none"}
    cluster = netswap(BURST, set=keys, safeguards=["merged", "exempt-daemons"] if exempt else "merged").run()
    waiting = [one for one in cluster.engine.machine(0).reclaim.waiters if "swap-server" in one.name]
    assert len(waiting) >= least
    assert (cluster["A"].verdict == "healthy") is exempt


# -- a local swap ---------------------------------------------------------------------------------------------------------


def test_a_swap_on_the_own_disk_loses_nothing_and_waits_for_nothing_but_the_disk(netswap):
    """What was written comes back, also when the disk is slow for a while."""
    keys = {
        "machines.A.swap": {"on": "disk", "size": "128MiB"},
        "machines.A.programs.0": {"heartbeat": {"every": "1s"}},
    }
    cluster = netswap(BURST, set=keys, stop="9s")
    cluster.run_for(seconds(4))
    with cluster.slow_disk("A", latency=milliseconds(50)):
        cluster.run_for(seconds(1))
    cluster.run()
    a = cluster["A"]
    assert (a.verdict in ("healthy", "recovered", "slow"), a.lost_pages) == (True, 0)
    assert min(a.pages_out, a.pages_in) > 200
    assert a.counters["received"] == 0


# -- errors ---------------------------------------------------------------------------------------------------------------


def outage(netswap, lasts_ns=3_000_000_000, **swap):
    """After 2 s C is unreachable for a while."""
    cluster = netswap(FAR, set={f"machines.A.swap.{key}": value for key, value in swap.items()})
    cluster.run_for(seconds(2))
    with cluster.partition({"C"}):
        cluster.run_for(lasts_ns)
    return cluster.run()["A"]


def test_without_persist_a_time_out_loses_the_device_and_kills_the_reader(netswap):
    """SIGBUS: its page could not be read. No data is lost that it could still use."""
    a = outage(netswap, timeout="1s", persist=False)
    assert (a.verdict, a.counters["bus_errors"], a.lost_pages) == ("killed", 1, 0)
    rank = a.programs["rank 0"]
    assert (rank["killed_by"], rank["freed_pages"] > 3000) == ("sigbus", True)


def test_with_persist_all_is_sent_again_over_a_new_connection(netswap):
    a = outage(netswap, timeout="1s")
    assert (a.verdict, a.counters["io_errors"], a.lost_pages) == ("recovered", 0, 0)


def test_without_a_time_out_tcp_outlives_the_outage_even_without_persist(netswap):
    a = outage(netswap, persist=False)
    assert (a.verdict, a.counters["io_errors"]) == ("recovered", 0)


def test_a_soft_mount_fails_a_request_after_its_last_time_out(netswap):
    """0.1 + 0.2 + 0.4 s with two retries: an outage of 0.5 s is survived, one of 3 s kills the reader."""
    soft = {"transport": "nfs", "timeout": "100ms", "retries": 2}
    assert outage(netswap, milliseconds(500), **soft).verdict in ("healthy", "recovered")
    assert outage(netswap, **soft).verdict == "killed"
    assert outage(netswap, **(soft | {"retries": "none"})).verdict == "recovered"


@pytest.mark.parametrize(("errors", "loses"), [("ignored", True), ("kept", False)])
def test_a_failed_write_that_is_taken_for_done_loses_its_page(netswap, errors, loses):
    """Only page-outs are under way during the outage: a cold rank that grows. It reads them afterwards."""
    keys = {
        "machines.A.swap": {"server": "C", "size": "64MiB", "timeout": "100ms", "retries": 1, "write_errors": errors},
        "machines.A.programs.0.rank": {"working_set": "18MiB", "touch": "512KiB", "compute": "100ms", "start": "cold"},
    }
    cluster = netswap(FAR, set=keys, stop="7s")
    cluster.run_for(milliseconds(3400))
    with cluster.partition({"C"}):
        cluster.run_for(milliseconds(400))
    a = cluster.run()["A"]
    assert a.counters["io_errors"] > 0
    assert (a.lost_pages > 0) is loses
    assert (a.verdict == "lost-data") is loses


# -- a layer, text and files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("requests", "verdict"), [(16, "healthy"), (0, "wedged")])
def test_a_layer_lives_on_the_buffers_that_it_has_set_aside(netswap, requests, verdict):
    """A mempool is what makes progress certain: without it the first request at min waits for what it would free."""
    keys = {
        "machines.A.swap": {"on": "disk", "size": "128MiB", "layer": {"buffer": "4KiB", "requests": requests}},
        "machines.A.programs": [
            {"rank": {"working_set": "24MiB", "touch": "1MiB", "compute": "100ms", "start": "cold"}}
        ],
        "machines.A.min_free": "64KiB",
    }
    assert netswap(BURST, set=keys, stop="14s").run()["A"].verdict == verdict


def test_text_on_the_server_comes_back_over_the_swap(netswap):
    """And not from the machine's own disk."""
    keys = {"machines.A.programs.0.rank.text": {"size": "2MiB", "on": "swap"}}
    a = netswap(FAR, set=keys, stop="4s").run()["A"]
    assert a.counters["file_pages_in"] == 0 or a.counters["file_pages_in"] <= a.pages_in


def test_a_mapped_file_larger_than_memory_is_read_over_and_over(netswap):
    """20 MiB in 16: its pages leave without being written."""
    reader = {"reader": {"file": "20MiB", "rate": "8MB/s", "mapped": True, "on": "swap"}}
    a = netswap(FAR, set={"machines.A.programs": [reader]}, stop="4s").run()["A"]
    assert (a.verdict, a.pages_out) == ("healthy", 0)
    assert a.counters["file_pages_in"] > 1000


def test_a_rank_begins_when_it_is_told(netswap):
    keys = {"machines.A.programs.0.rank.from": "2s"}
    cluster = netswap(FAR, set=keys)
    cluster.run_for(milliseconds(1900))
    assert cluster["A"].progress == 0
    cluster.run_for(seconds(1))
    assert cluster["A"].progress > 0


@pytest.mark.parametrize(("lock", "verdict"), [(True, "recovered"), (False, "wedged")])
def test_a_client_that_has_to_connect_again_needs_its_own_pages_for_that(netswap, lock, verdict):
    """They have been swapped out to the device that it is to connect: a loop without any flood."""
    keys = {
        "machines.A.programs": [
            {"nbd-client": {"pages": 16, "lock": lock}},
            {"rank": {"working_set": "20MiB", "touch": "512KiB", "compute": "100ms", "pattern": "random"}},
        ]
    }
    cluster = netswap(FAR, set=keys | {"machines.A.swap.timeout": "1s"}, stop="20s")
    cluster.run_for(seconds(6))
    with cluster.partition({"C"}):
        cluster.run_for(seconds(3))
    a = cluster.run()["A"]
    assert (a.verdict, a.lost_pages) == (verdict, 0)


@pytest.mark.parametrize("timeout", ["1s", "auto"])
def test_pages_go_over_several_connections_and_none_is_lost(netswap, timeout):
    """All four are cut off for 3 s: with a time-out they are opened anew, without one TCP sends again."""
    a = outage(netswap, connections=4, timeout=timeout, in_flight=4)
    assert (a.verdict, a.counters["io_errors"], a.lost_pages) == ("recovered", 0, 0)


def test_a_request_on_a_connection_that_ends_goes_on_over_another(netswap):
    """Without persist, too: the device is only lost with its last connection."""
    cluster = netswap(FAR, set={"machines.A.swap.connections": 2, "machines.A.swap.persist": False})
    cluster.run_for(seconds(3))
    first, second = cluster.engine.machine(0).device.links
    first.connection.close("by hand")
    cluster.run()
    a = cluster["A"]
    assert (first.has_failed, second.has_failed, first.under_way) == (True, False, {})
    assert (a.verdict, a.counters["io_errors"], a.lost_pages) == ("healthy", 0, 0)


@pytest.mark.parametrize(("exempt", "verdict"), [(True, "healthy"), (False, "wedged")])
@pytest.mark.parametrize("kernel", ["linux-6.1", "linux-6.11"])
def test_a_daemon_over_the_loopback_is_as_one_over_a_unix_socket(netswap, kernel, exempt, verdict):
    """What it answers with takes memory in its own name, whatever socket it answers through."""
    policy = ["merged", *(["exempt-daemons"] if exempt else [])]
    a = netswap(BURST, set={SERVER + "socket": "tcp"}, kernel=kernel, safeguards=policy).run()["A"]
    assert (a.verdict, a.lost_pages) == (verdict, 0)


def test_under_the_rules_of_2007_it_keeps_pages_over_the_loopback_too(netswap):
    """A daemon in 2.6.22 is not throttled with others, and sends from above its own floor."""
    a = netswap(BURST, set={SERVER + "socket": "tcp"}, kernel="linux-2.6.22", safeguards="none").run()["A"]
    assert (a.verdict, a.lost_pages) == ("healthy", 0)
    assert a.pages_out > 1000


@pytest.mark.parametrize(("socket", "sockets"), [("tcp", 2), ("unix", 0)])
def test_a_pair_over_the_loopback_is_charged_to_tcp_and_a_unix_socket_is_not(netswap, socket, sockets):
    """Both ends are sockets of TCP; the kernel's, which sends whole pages, is charged for them until they are acknowledged."""
    cluster = netswap(BURST, set={SERVER + "socket": socket}, safeguards=["merged", "exempt-daemons"])
    cluster.run_until("A.pages_out >= 10", within=seconds(4))
    machine = cluster.engine.machine(0)
    assert machine.tcp.memory.sockets == sockets
    end, charged = machine.device.links[0].connection, 0
    for _ in range(20 if sockets else 0):
        cluster.run_for(milliseconds(1))
        charged = max(charged, end.connection.account.pages)
    assert (charged > 0) == bool(sockets)


# -- mistakes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        ({SERVER + "pages": "none", SERVER + "lock": False}, "only a process can serve"),
        ({"machines.A.swap.transport": "nfs"}, "a process serves its own machine over nbd, ublk, fuse"),
        ({"machines.A.swap.connections": 2}, "a machine that swaps to itself has one connection"),
        ({"machines.A.swap.backup": "disk"}, "a machine that swaps to itself has neither backup nor proxy"),
        ({"machines.A.swap.on": "disk"}, "a swap on the machine's own disk has no server"),
        ({"machines.A.swap.timeout": "1s", "machines.A.swap.transport": "fuse"}, "fuse has no timeout"),
        ({SERVER + "socket": "udp"}, 'no kind of socket "udp"'),
        ({SERVER + "socket": "tcp", "machines.A.swap.transport": "ublk"}, "ublk has no socket"),
        ({"machines.A.programs.0": {"nbd-client": {}}}, "no one connection of NBD to another machine"),
        ({"machines.A.programs.0": {"heartbeat": {"every": "1s"}}}, "has no swap-server"),
        ({"machines.A.swap.layer": {"buffer": "5KiB"}}, "not in whole pages"),
        ({"machines.A.programs.1.rank.text": {"on": "swap"}}, "size"),
    ],
)
def test_what_cannot_be_is_said_in_its_place(sets, said):
    """The file, and what is wrong with it."""
    with pytest.raises(ScenarioError) as caught:
        load(BURST, overrides=[(key, value) for key, value in sets.items()])
    assert said in str(caught.value)
