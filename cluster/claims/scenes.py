"""The scenarios that claims run: `configs/claims`, each of which runs by itself too."""

from pathlib import Path
from typing import Any, Final

from actors.kernels import Kernel
from cluster.claims.claim import Evidence
from cluster.lab import Cluster, open_cluster
from protocol.units import seconds

FOLDER: Final = Path(__file__).resolve().parents[2] / "configs" / "claims"


def scene(name: str, kernel: Kernel, **keys: Any) -> Cluster:
    """Open one in process, under this kernel; keywords as for `open_cluster`."""
    return open_cluster(FOLDER / f"{name}.yaml", kernel=kernel.name, **keys)


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
