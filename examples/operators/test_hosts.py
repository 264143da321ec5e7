"""No setting is rolled out with which a host would not outlive ten seconds without its swap server.

`hosts/NAME` is what `netswap from-host --collect` has packed there, unpacked; `sysctl.d` is what is to be rolled out.
"""

from pathlib import Path

import pytest

from netswap import from_host, seconds

HERE = Path(__file__).parent
HOSTS = sorted((HERE / "hosts").iterdir())
SETTINGS = sorted((HERE / "sysctl.d").glob("*.conf"))


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda path: path.stem)
@pytest.mark.parametrize("host", HOSTS, ids=lambda path: path.name)
def test_a_host_outlives_an_outage(netswap, host, settings):
    """The scenario has the outage, from 2 s to 12 s, and the traffic of the host's own sockets."""
    quick = {"machines.B.programs.0.flood.rate": "10Mbit/s"}  # instead of 100; it is enough to fill every buffer
    cluster = netswap(from_host(host, sysctl=settings), set=quick)
    cluster.run_for(seconds(25))
    verdict = cluster["A"].verdict
    assert verdict in ("recovered", "slow", "healthy"), f"{host.name} is {verdict} with {settings.name}"
