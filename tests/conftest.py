"""Scenes of the partition tests can be imported by their name; no test fails because the computer is busy.

The command runs the sources, whatever has been compiled. Where tests are spread over several processes (`make test`), those
that need Ray stay together: they share one cluster.

Hundreds of processes are started here, each of which reads the same sources: their bytecode is kept, even where the environment
says not to. What takes one process long comes first, or another one would wait for it at the end.
"""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["NETSWAP_PLAIN"] = "1"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
sys.path.insert(0, str(Path(__file__).parent / "partitions"))
settings.register_profile("netswap", deadline=None)
settings.load_profile("netswap")
HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files beside this one (examples, wheel, site); put the tests of Ray into one group, before groups count."""
    items.sort(key=lambda item: item.path.parent != HERE)
    for item in items:
        if item.get_closest_marker("ray") is not None:
            item.add_marker(pytest.mark.xdist_group("ray"))
