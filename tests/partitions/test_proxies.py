"""The proxy's pair with the kernel, and its rights: a unix socket or TCP over the loopback, in real time or not."""

import pytest

from netswap.protocol.units import seconds

SMALL = "configs/claims/row-68.yaml"
PROXY = "machines.A.programs.1.proxy"
GUEST = """\
# A guest with 80 MiB that swaps through a proxy over a link of 10 ms. Does it outlive an outage of its server?
title: swap through a proxy of a guest
stop: 24s
kernel: linux-6.11
safeguards: merged
network: {latency: 5ms}
machines:
  A:
    memory: 80MiB
    nic: {refill: virtio}
    swap: {server: C, transport: nbd, via: proxy, size: 512MiB, in_flight: 128}
    programs:
      - rank: {working_set: 120MiB, touch: 4KiB, compute: 100us, pattern: random}
      - proxy: {pages: 64, lock: true}
  C:
    programs: [{swap-server: {}}]
timeline: [{at: 3s, partition: [C], for: 4s}]
expect: []
"""


@pytest.mark.parametrize("kernel", ["linux-2.6.22", "linux-6.11"])
@pytest.mark.parametrize("socket", ["unix", "tcp"])
def test_a_proxy_relays_over_either_kind_of_pair(netswap, kernel, socket):
    """Exempt, it gets the rank to its end, and no page is lost on the way; over TCP it is charged, and acknowledges."""
    keys = {f"{PROXY}.socket": socket}
    cluster = netswap(SMALL, set=keys, kernel=kernel, safeguards=["exempt-daemons"], stop="30s", expect=[])
    cluster.run_until("A.pages_out >= 100", within=seconds(20))
    a = cluster["A"]
    assert a.pages_out >= 100
    assert a.lost_pages == 0
    assert a.verdict in ("healthy", "finished", "recovered")


@pytest.mark.parametrize(("switches", "verdict"), [([], "wedged"), (["-drop-at-demux"], "healthy")])
def test_over_the_loopback_what_is_sent_from_the_reserve_is_dropped_at_the_proxy(netswap, switches, verdict):
    """The kernel sends with __GFP_MEMALLOC, the proxy's end is not marked, and each retransmission is of the same page.

    The twin has no such drop.
    """
    keys = {f"{PROXY}.socket": "tcp"}
    cluster = netswap(SMALL, set=keys, safeguards=["merged", "exempt-daemons", *switches], stop="12s", expect=[])
    cluster.run_for(seconds(12))
    assert cluster["A"].verdict == verdict
    assert (cluster["A"].pages_out > 500) == (verdict == "healthy")


@pytest.mark.parametrize(("realtime", "verdict"), [(True, "recovered"), (False, "wedged")])
def test_a_proxy_in_real_time_has_the_pages_that_it_sends_with(netswap, realtime, verdict):
    """Below min, where all others reclaim and sleep for a request slot, it allocates on, down to half of min.

    So it is run on real machines: locked, in real time. Where min is boosted that is not enough (facts 12, R8).
    """
    keys = {f"{PROXY}.realtime": realtime, "machines.A.vm.watermark_boost_factor": 0}
    cluster = netswap(GUEST, set=keys).run()
    a = cluster["A"]
    assert a.verdict == verdict
    assert (a.pages_out > 1000) == realtime
    assert a.lost_pages == 0
