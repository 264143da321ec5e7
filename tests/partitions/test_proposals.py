"""Lameter's shares of clean pages and his laundry, and Phillips' presets: each with a twin without it."""

import pytest

from netswap.actors import safeguards
from netswap.actors.safeguards import resolve
from netswap.cluster.claims import formulas
from netswap.protocol.units import seconds

MEMORY_MIB, RING, SLOTS = 16, 256, 16
CLEAN = """
title: a share of clean pages
stop: 12s
network: {latency: 200us}
machines:
  A:
    memory: 16MiB
    files: {clean: 4MiB}
    swap: {server: C, size: 64MiB, readahead: 1}
    programs:
      - rank: {working_set: 20MiB, touch: 1MiB, compute: 10ms}
      - service: {port: 9000, sockets: 16, pages: 32}
  B:
    programs: [{flood: {to: "A:9000", rate: 12304kbit/s, payload: 1472B, from: 3s}}]   # 1000 frames/s
  C:
    programs: [{swap-server: {}}]
timeline:
  - {at: 3s, partition: [C], for: 4s}
"""
QUIET = {"machines.B.programs": []}


@pytest.mark.parametrize("sockets", [16, 24, 32])
@pytest.mark.parametrize(
    ("policy", "percent"),
    [(["recursive-reclaim", "atomic-reclaim"], 0), ("clean-minimum-10", 10), ("clean-minimum", 20)],
    ids=["none kept", "10 %", "20 %"],
)
def test_a_share_of_clean_pages_saves_a_iff_the_sockets_hold_less_than_it(netswap, policy, percent, sockets):
    """The capacity rule with so many clean pages; without a share, the rank's pages have taken their place long before."""
    cluster = netswap(CLEAN, safeguards=policy, set={"machines.A.programs.1.service.sockets": sockets})
    cluster.run_for(seconds(3))
    a = cluster["A"]
    total = formulas.pages(MEMORY_MIB)
    share = total * percent // 100
    assert a.clean_pages == share
    floor = formulas.atomic_floor(formulas.min_free_kib(total, 65_536) // 4)
    capacity = formulas.capacity_frames(a.free_pages, floor, SLOTS, RING, share)
    saved = sockets * formulas.socket_frames_2007() < capacity
    cluster.run_to(seconds(11.9 if saved else 30))
    assert cluster["A"].verdict == ("recovered" if saved else "wedged")
    assert cluster["A"].lost_pages == 0


@pytest.mark.parametrize("sockets", [8, 16])
@pytest.mark.parametrize(
    ("policy", "percent"),
    [(["recursive-reclaim", "atomic-reclaim"], 0), ("clean-minimum-10", 10), ("clean-minimum", 20)],
    ids=["none kept", "10 %", "20 %"],
)
def test_the_same_in_6_11_where_heads_and_data_are_two_allocations(netswap, policy, percent, sockets):
    """The head of a packet drops clean pages too; a socket holds what leaves it at most its 212,992 bytes, and one frame.

    udp_mem, which would stop all of them before that, is raised.
    """
    keys = {"machines.A.programs.1.service.sockets": sockets, "machines.A.udp.mem": 1_000_000}
    cluster = netswap(CLEAN, kernel="linux-6.11", safeguards=policy, set=keys)
    cluster.run_for(seconds(3))
    total = formulas.pages(MEMORY_MIB)
    floor = formulas.atomic_floor(formulas.min_free_kib(total, 262_144) // 4)
    capacity = formulas.capacity_frames(cluster["A"].free_pages, floor, SLOTS, RING, total * percent // 100)
    saved = sockets * (212_992 // (2048 + 256) + 1) < capacity
    cluster.run_to(seconds(11.9 if saved else 30))
    assert cluster["A"].verdict == ("recovered" if saved else "wedged")


@pytest.mark.parametrize(("policy", "percent"), [("none", 0), ("clean-minimum-10", 10), ("clean-minimum", 20)])
def test_where_there_is_nothing_clean_the_share_is_kept_free_and_lost_to_programs(netswap, policy, percent):
    """An anonymous load has no clean pages: 20 % of memory is what the rule costs (row 7)."""
    keys = QUIET | {"machines.A.files.clean": "none"}
    cluster = netswap(CLEAN, safeguards=policy, set=keys, timeline=[], stop="2s").run()
    total = formulas.pages(MEMORY_MIB)
    minimum, _, high = formulas.watermarks_2_6_22(formulas.min_free_kib(total, 65_536) // 4)
    share = total * percent // 100
    assert minimum + share <= cluster["A"].free_pages <= high + share + SLOTS
    assert cluster["A"].clean_pages == 0


def test_files_may_be_read_into_the_share(netswap):
    """What is withheld is withheld from anonymous and dirty data only: a reader fills it with clean pages."""
    reader = {"reader": {"file": "8MiB", "rate": "8MB/s", "start": "cold"}}
    keys = QUIET | {"machines.A.files.clean": "none", "machines.A.programs.1": reader}
    cluster = netswap(CLEAN, safeguards="clean-minimum", set=keys, timeline=[], stop="3s").run()
    share = formulas.pages(MEMORY_MIB) * 20 // 100
    assert cluster["A"].clean_pages >= share
    assert cluster["A"].free_pages < share


def test_the_laundry_of_an_anonymous_load_is_all_memory_and_the_machine_runs_into_oom(netswap):
    """Zijlstra, 1187734144.5463.35.camel@lappy: nothing is written before somebody is killed. The twin without it swaps."""
    keys = QUIET | {"machines.A.files.clean": "none"}
    cluster = netswap(CLEAN, safeguards="laundry", set=keys, timeline=[], stop="3s", expect=[]).run()
    assert cluster["A"].verdict == "oom-killed"
    total = formulas.pages(MEMORY_MIB)
    assert cluster["A"].pages_out < total // 100
    twin = netswap(CLEAN, safeguards="none", set=keys, timeline=[], stop="2s").run()
    assert twin["A"].verdict == "healthy"
    assert twin["A"].pages_out > 0


def test_with_clean_pages_the_laundry_is_written_after_the_high_mark(netswap):
    """A reader's pages are there to be dropped, and a writer's are written later, each of them."""
    keys = QUIET | {
        "machines.A.files.clean": "none",
        "machines.A.programs": [
            {"rank": {"working_set": "4MiB", "touch": "1MiB", "compute": "10ms"}},
            {"reader": {"file": "16MiB", "rate": "8MB/s"}},
            {"writer": {"file": "16MiB", "rate": "1MB/s"}},
        ],
    }
    cluster = netswap(CLEAN, safeguards="laundry", set=keys, timeline=[], stop="4s").run()
    assert cluster["A"].verdict == "healthy"
    assert cluster["A"].file_pages_out > 0


def test_what_survived_the_tests_of_ddsnap_is_three_switches():
    """Phillips, 5 September 2007; each alone is a switch, and the throttle a preset too."""
    assert resolve("ddsnap") == {"bio-throttle", "recursive-reclaim", "exempt-daemons"}
    assert resolve("bio-throttle") == {"bio-throttle"}
    assert resolve(["ddsnap", "-exempt-daemons"]) == {"bio-throttle", "recursive-reclaim"}


def test_a_switch_without_a_mechanism_is_refused_with_what_can_be_had(monkeypatch):
    """A word that is known before its mechanism is."""
    monkeypatch.setitem(safeguards.SWITCHES, "prayer", safeguards.Switch("prayer", "Hope.", "a test"))
    with pytest.raises(safeguards.SafeguardNotBuilt, match='"prayer" is not built yet; use reserve-access, '):
        resolve(["prayer"])
