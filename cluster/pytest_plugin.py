"""The fixture `netswap`: scripted partition tests, in this project and in its users'.

def test_the_reserve_brings_a_back(netswap):
    cluster = netswap("configs/three-machines.yaml", safeguards="reserve", timeline=[])
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from netswap.cluster.lab.cluster import Cluster

Open = Callable[..., "Cluster"]


@pytest.fixture(scope="session")
def netswap_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], None]]:
    """Starts a private Ray cluster at the first call; all tests of a run share it."""
    with ExitStack() as stack:
        started: list[bool] = []

        def start() -> None:
            if not started:
                from netswap.cluster.engine.on_ray import session

                stack.enter_context(session(logs=tmp_path_factory.mktemp("ray")))
                started.append(True)

        yield start


@pytest.fixture
def netswap(pytestconfig: pytest.Config, netswap_ray: Callable[[], None]) -> Iterator[Open]:
    """Open a scenario: `netswap(path, *, safeguards, seed, engine="inline", set={...}, **top_level_keys)`.

    Paths are relative to pytest's rootdir; a text of several lines is a scenario itself. `engine="ray"` takes
    `machines_per_actor` and `exchange` too. Returns a `Cluster`, closed when the test ends.
    """
    from netswap.cluster.lab.cluster import open_cluster

    with ExitStack() as stack:

        def open_one(
            path: str | Path, *, engine: str = "inline", set: Mapping[str, Any] | None = None, **top_level: Any
        ) -> "Cluster":
            if engine == "ray":
                netswap_ray()
            where = path if isinstance(path, str) and "\n" in path else pytestconfig.rootpath / path
            return stack.enter_context(open_cluster(where, engine=engine, set=set, **top_level))

        yield open_one
