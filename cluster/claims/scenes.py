"""The scenarios that claims run: `configs/claims`, each of which runs by itself too."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from netswap.actors.kernels.kernel import Kernel
from netswap.actors.machine.door import Machine
from netswap.cluster.claims.claim import Evidence
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.lab.cluster import Cluster, open_cluster
from netswap.protocol.units import seconds

FOLDER: Final = Path(str(files("netswap"))) / "configs" / "claims"

_watching: Final[list[list[Cluster]]] = []


@contextmanager
def watched() -> Iterator[list[Cluster]]:
    """The clusters that claims open inside, in order; how far each came can be read off when it has been closed, too."""
    opened: list[Cluster] = []
    _watching.append(opened)
    try:
        yield opened
    finally:
        _watching.pop()


def scene(name: str, kernel: Kernel, **keys: Any) -> Cluster:
    """Open one in process, under this kernel; keywords as for `open_cluster`."""
    cluster = open_cluster(FOLDER / f"{name}.yaml", kernel=kernel.name, **keys)
    for opened in _watching:
        opened.append(cluster)
    return cluster


def unboosted(kernel: Kernel) -> dict[str, int]:
    """What to set so that the watermarks stay where a row reckons with them: no boost, where the kernel has any."""
    return {"machines.A.vm.watermark_boost_factor": 0} if kernel.watermark_boost else {}


def run_to(cluster: Cluster, time_s: float) -> Cluster:
    """Advance to a time in seconds."""
    return cluster.run_to(seconds(time_s))


def as_expected(cluster: Cluster, evidence: Evidence | None = None) -> Evidence:
    """Run to the end; what the scenario itself expects is what is predicted."""
    evidence = evidence or Evidence()
    for outcome in cluster.run().outcomes():
        evidence.predicted[outcome.text] = True
        evidence.seen[outcome.text] = outcome.met or outcome.seen
        evidence.holds = evidence.holds and outcome.met
    return evidence


def inline_machine(cluster: Cluster, index: int) -> Machine:
    """A machine itself, by its place in the scenario."""
    assert isinstance(cluster.engine, InlineEngine), "scenes are run in process"
    return cluster.engine.machine(index)
