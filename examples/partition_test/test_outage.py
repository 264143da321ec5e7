"""An outage of the swap server, as a test: pytest knows the fixture `netswap` wherever netswap is installed."""

from netswap import seconds


def test_without_a_reserve_the_machine_stays_wedged(netswap):
    """The reply that would free a page finds no receive buffer: A waits for C, and C has answered."""
    cluster = netswap("pair.yaml")
    cluster.run_for(seconds(1))
    with cluster.partition({"C"}):
        cluster.run_for(seconds(5))
        assert cluster["A"].waits_for("a reply from C")
    cluster.run_for(seconds(14))
    assert cluster["A"].verdict == "wedged"
    assert cluster["A"].waits_for("a receive buffer")


def test_with_a_reserve_it_goes_on(netswap):
    """The next request is sent at most 8.8 s after the heal, the longest time-out of NFS, and its reply is received."""
    cluster = netswap("pair.yaml", safeguards="reserve")
    cluster.run_for(seconds(1))
    with cluster.partition({"C"}):
        cluster.run_for(seconds(5))
    assert cluster.run_until("A is recovered", within=seconds(8.8))
    assert cluster["A"].lost_pages == 0
