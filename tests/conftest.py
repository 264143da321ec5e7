"""Scenes of the partition tests can be imported by their name; no test fails because the computer is busy.

The command runs the sources, whatever has been compiled. Where tests are spread over several processes (`make test`), those
that need Ray stay together: they share one cluster.
"""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["NETSWAP_PLAIN"] = "1"
sys.path.insert(0, str(Path(__file__).parent / "partitions"))
settings.register_profile("netswap", deadline=None)
settings.load_profile("netswap")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of Ray into one group, before groups are looked at."""
    for item in items:
        if item.get_closest_marker("ray") is not None:
            item.add_marker(pytest.mark.xdist_group("ray"))
