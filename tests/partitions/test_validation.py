"""Zijlstra's own test (facts 1.4, Z1): stop the server, flood the client for long, start the server again."""

import pytest
from scenes import seed

from netswap.protocol.units import seconds

FLOODED_S = 600


@pytest.mark.parametrize(("policy", "verdict"), [("reserve", "recovered"), ("none", "wedged")])
def test_ten_minutes_of_flood_with_the_server_stopped(netswap, policy, verdict):
    """With the reserve A goes on where it stopped, and every page carries its right stamp; without, it never does."""
    cluster = netswap(seed(rate="3076kbit/s", stop="660s", flood=", train: 100ms", timeline="[]"), safeguards=policy)
    cluster.run_for(seconds(2))
    with cluster.partition({"C"}):
        cluster.run_for(seconds(FLOODED_S))
        assert cluster["A"].waits_for("a reply from C")
    stopped = cluster["A"].progress
    cluster.run_for(seconds(12 if policy == "reserve" else 35))

    a = cluster["A"]
    assert a.verdict == verdict
    assert (a.progress > stopped) == (verdict == "recovered")
    assert a.lost_pages == 0
