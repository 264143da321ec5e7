"""Several swap servers, and one or more of them away: who goes on, who waits, and what it costs on the wire."""

from itertools import combinations

import pytest
from scenes import RING, atomic_floor

from netswap.actors.counters import Tally
from netswap.actors.machine.build_memory import reserve
from netswap.actors.memory.reserve import find
from netswap.protocol.frame import FRAGMENT, PAGE_OUT, cut
from netswap.protocol.units import seconds

HEADER = 128
SERVERS = "CDEFG"


def several(
    swap: str,
    *,
    servers: str = "CDE",
    safeguards: str = "none",
    timeline: str = "[]",
    stop: str = "11s",
    network: str = "latency: 2ms",
    flood: bool = False,
) -> str:
    """A swaps to several servers, with or without a flood from B as soon as the first fault begins."""
    machines = "\n".join(f"  {name}: {{programs: [swap-server: {{}}]}}" for name in servers)
    b = """  B: {programs: [{flood: {to: "A:9000", rate: 24608kbit/s, payload: 1472B, from: 2s}}]}""" if flood else ""
    return f"""\
# Does A outlive the loss of some of its swap servers?
title: several servers
stop: {stop}
safeguards: {safeguards}
network: {{{network}}}
machines:
  A:
    memory: 64MiB
    swap: {{servers: [{", ".join(servers)}], size: 256MiB, readahead: 1, {swap}}}
    programs:
      - rank: {{working_set: 80MiB, touch: 4MiB, compute: 60ms}}
      - service: {{port: 9000, sockets: 32, pages: 64}}
{machines}
{b}
timeline: {timeline}
"""


def away(*names: str, at: str = "2s", lasts: str = "5s") -> str:
    """These servers cannot be reached for a while."""
    return f"[{{at: {at}, partition: [{', '.join(names)}], for: {lasts}}}]"


# -- one server less -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["nfs", "nbd"])
@pytest.mark.parametrize(
    ("swap", "goes_on"),
    [
        ("layout: striped", False),
        ("layout: striped, backup: disk", True),
        ("layout: mirrored", False),
        ("layout: mirrored, backup: disk", True),
        ("layout: mirrored, acks: 2", True),
        ("layout: coded, data: 2, parity: 1", True),
        ("layout: coded, data: 2, parity: 1, acks: 3", False),
    ],
)
def test_the_layout_decides_whether_a_goes_on_without_one_server(netswap, swap, goes_on, transport):
    """With a copy or parity to spare, or a disk, it pauses for the failover; without, until the server is back."""
    cluster = netswap(several(f"{swap}, transport: {transport}", safeguards="reserve", timeline=away("C"))).run_to(
        seconds(7)
    )
    pages = cluster["A"].pages_out
    assert (cluster["A"].stalled_ns < seconds(2)) is goes_on
    assert (cluster.run()["A"].pages_out - pages > 100) or goes_on
    assert goes_on or cluster["A"].verdict == "recovered"
    assert cluster["A"].lost_pages == 0


@pytest.mark.parametrize("lost", list(combinations("CDEF", 2)), ids="".join)
def test_two_parities_survive_any_two(netswap, lost):
    """Row 58: 2 + 2 of four servers, and any two of them gone for good."""
    text = several("layout: coded, data: 2, parity: 2", servers="CDEF", timeline=away(*lost), stop="10s")
    a = netswap(text).run()["A"]
    assert (a.stalled_ns < seconds(2.5), a.lost_pages) == (True, 0)
    assert a.pages_in > 500


def test_a_server_that_is_back_has_what_it_is_asked_for(netswap):
    """C misses what is written meanwhile, then D goes away, and what only C and D had once is right: no page is lost."""
    timeline = f"{away('C', lasts='4s')[:-1]}, {away('D', at='7s', lasts='4s')[1:]}"
    text = several("layout: coded, data: 1, parity: 2, acks: 1, extra: 0", timeline=timeline, stop="14s")
    a = netswap(text).run()["A"]
    assert (a.lost_pages, a.stalled_ns < seconds(2.5)) == (0, True)


def test_a_crash_of_a_mirror_is_no_end(netswap):
    """It comes back with its disk, and A was only ever held up for the failover."""
    text = several("layout: mirrored, acks: 1", timeline="[{at: 2s, crash: C, for: 5s}]")
    a = netswap(text).run()["A"]
    assert (a.lost_pages, a.stalled_ns < seconds(2)) == (0, True)


def test_late_and_reordered_answers_lose_no_page(netswap):
    """With loss, reordering and duplicates on all links, and fewer answers waited for than there are copies."""
    bad = "latency: 2ms, jitter: 20ms, loss: 2%, reorder: 5%, duplicate: 5%"
    text = several("layout: mirrored, acks: 1, extra: 1, in_flight: 4", network=bad, stop="30s")
    a = netswap(text).run()["A"]
    assert (a.lost_pages, a.pages_in > 300) == (0, True)


# -- the deadlock of 2007 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("swap", ["layout: striped", "layout: mirrored", "layout: coded, data: 2, parity: 1"])
@pytest.mark.parametrize(("safeguards", "verdict"), [("none", "wedged"), ("reserve", "recovered")])
def test_several_servers_change_nothing_about_the_deadlock_when_all_are_away(netswap, swap, safeguards, verdict):
    """A floods its memory while no server answers: it is the reserve that brings it back."""
    stop = "45s" if verdict == "wedged" else "11s"
    text = several(swap, safeguards=safeguards, timeline=away(*"CDE"), stop=stop, flood=True)
    a = netswap(text).run()["A"]
    assert (a.verdict, a.lost_pages) == (verdict, 0)
    if verdict == "wedged":
        assert a.waits_for("a reply from D")


@pytest.mark.parametrize(("failover_ms", "wedges"), [(50, False), (1500, True)])
def test_a_mirror_outlives_the_flood_if_failover_is_faster(netswap, failover_ms, wedges):
    """Without any policy: 16/9 (free - floor) + 256 frames at 2000 per second are the time there is; free at most high."""
    least_s, most_s = ((16 / 9 * (mark - atomic_floor(256)) + RING) / 2000 for mark in (256, 384))
    assert not least_s <= failover_ms / 1000 <= most_s
    assert (failover_ms / 1000 < least_s) is not wedges
    swap = f"layout: mirrored, acks: 2, failover: {failover_ms}ms"
    a = netswap(several(swap, timeline=away("C"), stop="45s" if wedges else "9s", flood=True)).run()["A"]
    assert (a.verdict == "wedged") is wedges


# -- what it costs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "parity"), [(1, 1), (2, 1), (4, 1), (2, 2)])
def test_parity_costs_its_share_on_the_wire(netswap, data, parity):
    """(k + r) / k times a page leaves A for each page-out, headers apart."""
    text = several(f"layout: coded, data: {data}, parity: {parity}", servers=SERVERS[: data + parity], stop="2s")
    cluster = netswap(text, record=True).run()
    payload = pages = 0
    for raw, _ in cut(cluster.sent()[0]):
        if raw[7] & ~FRAGMENT == PAGE_OUT:
            body = raw[11][2] if raw[7] & FRAGMENT else raw[11]
            payload += body[1] - HEADER
            pages += 1
    assert pages > 100
    assert payload == pages * 4096 // data
    assert pages / (data + parity) == pytest.approx(cluster["A"].pages_out, abs=16)


@pytest.mark.parametrize("kernel", ["linux-2.6.22", "linux-6.11"])
@pytest.mark.parametrize(("transport", "slots"), [("nfs", 17), ("nbd", 0)])
def test_the_reserve_has_tx_for_each_server_and_rx_once(netswap, transport, slots, kernel):
    """Row 53: 32 pages and 17 of slots each (in 6.11 as many slots as requests: 16, 8 to a page, and one)."""
    slots = 3 if slots and kernel == "linux-6.11" else slots
    trees = []
    for number in (1, 2, 3):
        text = several(f"transport: {transport}", servers=SERVERS[:number], safeguards="[reserve]")
        cluster = netswap(text.replace("title:", f"kernel: {kernel}\ntitle:"))
        a = cluster.engine.machine(0)
        trees.append(reserve(a.settings, a.kernel, Tally()).tree)
    assert [tree.pages - trees[0].pages for tree in trees if transport == "nfs"] in (
        [],
        [0, 32 + slots, 2 * (32 + slots)],
    )
    if kernel == "linux-2.6.22":
        assert [find(tree, "network TX").pages for tree in trees] == [(32 + slots) * number for number in (1, 2, 3)]


def test_what_is_under_way_without_its_page_has_memory_set_aside(netswap):
    """16 requests to each of 3 servers, half a page each; none where the page itself waits."""
    free = {}
    for swap in (
        "layout: striped",
        "layout: mirrored",
        "layout: mirrored, acks: 1",
        "layout: coded, data: 2, parity: 1",
    ):
        zone = netswap(several(swap).replace("80MiB, touch: 4MiB", "4MiB, touch: 1MiB")).engine.machine(0).zone
        free[swap] = zone.free
    plain, *others = free.values()
    assert [plain - one for one in others] == [0, 48, 24]


# -- the same bytes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("swap", ["layout: coded, data: 2, parity: 1", "layout: mirrored, acks: 1, backup: disk"])
def test_pauses_change_nothing(netswap, swap):
    """The digest of a run in one go and of one that is looked at on its way."""
    text = several(swap, timeline=away("C", lasts="2s"), stop="5s")
    paused = netswap(text)
    for at_s in (0.5, 2, 2.0001, 3.7, 5):
        paused.run_to(seconds(at_s)).waits()
    assert netswap(text).run().digest() == paused.digest()
