"""Row 41: a call of 32 KiB over UDP falls into 23 fragments, and one lost fragment repeats all of it."""

from math import sqrt

import pytest

from netswap.protocol.units import seconds

LOSS = 0.01


def packets(pages):
    """ceil((4096 n + 128 + 8) / 1480): 3, 6, 12, 23."""
    return -(-(4096 * pages + 128 + 8) // 1480)


def written_once(pages, loss, in_flight=16):
    """A rank that fills twice the memory once, so that nothing is read back; only what A sends may be lost."""
    return f"""\
title: calls of {pages} pages
stop: 200s
network: {{latency: 1ms, links: [{{from: A, to: C, loss: {loss:.0%}}}]}}
machines:
  A:
    memory: 64MiB
    swap: {{server: C, size: 512MiB, readahead: 1, request: {4 * pages}KiB, in_flight: {in_flight}}}
    programs: [{{rank: {{working_set: 128MiB, touch: 128MiB, start: cold, steps: 1}}}}]
  C:
    programs: [{{swap-server: {{disk_bandwidth: 1000MB/s}}}}]
"""


@pytest.mark.parametrize("pages", [1, 2, 8])
def test_a_call_is_repeated_when_one_of_its_fragments_is_lost(netswap, pages):
    """P(a transmission is complete) = (1 - p)^fragments: at 1 %, 97.0, 94.1 and 79.4 % of them (5 standard errors)."""
    cluster = netswap(written_once(pages, LOSS)).run()
    a = cluster["A"]
    calls = a.pages_out / pages
    transmissions = calls + a.retransmissions
    whole = (1 - LOSS) ** packets(pages)
    assert calls / transmissions == pytest.approx(whole, abs=5 * sqrt(whole * (1 - whole) / transmissions))
    assert (a.verdict, a.lost_pages) == ("finished", 0)


@pytest.mark.parametrize("pages", [1, 2, 8])
def test_without_loss_every_call_is_full(netswap, pages):
    """C receives the fragments of so many calls, but for the one in a hundred that ends where the hand turned."""
    cluster = netswap(written_once(pages, 0)).run()
    calls = cluster["A"].pages_out / pages
    assert cluster["A"].retransmissions == 0
    assert cluster["C"].received == pytest.approx(calls * packets(pages), rel=0.01)


def test_under_the_rules_of_6_11_the_rests_of_lost_calls_shut_the_server_for_30_s(netswap):
    """22 fragments of 2304 bytes each: 83 such rests are more than 4 MiB, and then every fragment is refused."""
    cluster = netswap(written_once(8, LOSS), kernel="linux-6.11")
    cluster.run_for(seconds(30))
    c = cluster["C"].dropped
    assert c["reassembly-evicted"] > 0 == c["reassembly-timeout"]
    calls_lost = cluster["A"].retransmissions
    assert calls_lost >= (4 << 20) // (22 * 2304)


def test_larger_calls_move_more_pages_in_as_many_slots(netswap):
    """One call under way: each takes its time on the wire (n pages at 1 Gbit/s), two latencies, disk and reply."""
    took = {}
    for pages in (1, 8):
        cluster = netswap(written_once(pages, 0, in_flight=1)).run()
        took[pages] = cluster["A"].programs["rank 0"]["last_ns"] / cluster["A"].pages_out
        wire_ns = (4096 * pages + 128 + 8 + packets(pages) * 58) * 8
        disk_ns = 200_000 + 4096 * pages
        reply_ns = (128 + 8 + 58) * 8
        assert took[pages] == pytest.approx((wire_ns + disk_ns + reply_ns + seconds(0.002)) / pages, rel=0.02)
    assert took[1] / took[8] > 6


def test_a_fault_reads_its_neighbours_with_one_call_and_the_stamps_are_right(netswap):
    """Read-ahead of eight pages is one call of 32 KiB; the flood and the outage of the seed do no harm with the reserve."""
    text = """\
title: reads of eight pages
stop: 30s
safeguards: reserve
network: {latency: 1ms}
machines:
  A:
    memory: 64MiB
    swap: {server: C, size: 256MiB, readahead: 8, request: 32KiB}
    programs:
      - rank: {working_set: 80MiB, touch: 4MiB, compute: 20ms}
      - service: {port: 9000, sockets: 32, pages: 64}
  B:
    programs: [{flood: {to: "A:9000", rate: 24608kbit/s, payload: 1472B, from: 5s}}]
  C:
    programs: [{swap-server: {}}]
timeline: [{at: 5s, partition: [C], for: 5s}]
"""
    cluster = netswap(text)
    cluster.run_for(seconds(4))
    assert cluster["A"].pages_in > 1000
    cluster.run()
    assert (cluster["A"].verdict, cluster["A"].lost_pages) == ("recovered", 0)
    assert cluster["A"].dropped["demux"] > 0


def test_the_reserve_covers_the_largest_reply(netswap):
    """A read reply of 32 KiB is 23 frames, and so many receive buffers the limit must hold beside the fragments."""
    reserves = {}
    for pages in (1, 8):
        text = written_once(pages, 0).replace("stop: 200s", "stop: 1s\nsafeguards: reserve")
        reserves[pages] = netswap(text)["A"].reserve_pages
    more = packets(8) - packets(1)
    assert reserves[8] - reserves[1] == pytest.approx(more / 2 + more / 16, abs=1)
