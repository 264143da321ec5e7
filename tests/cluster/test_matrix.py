"""Every policy on every kind of machine, under both kernels: what must hold in each cell, whatever its verdict."""

import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from netswap.cluster.engine.results import frames
from netswap.cluster.lab import Cluster, open_scenario
from netswap.cluster.pytest_plugin import Open
from netswap.cluster.scenario import Scenario, load
from netswap.cluster.study.experiment import load_experiment
from netswap.protocol.units import seconds

FOLDER = Path(__file__).resolve().parents[2] / "configs"
EXPERIMENT = FOLDER / "experiments" / "policy-by-workload.yaml"
DRAWN = 6


WORDS = YAML(typ="safe").load(EXPERIMENT)


@dataclass(frozen=True)
class Cell:
    """A scenario under a kernel and a policy, as the experiment writes them."""

    scenario: str
    kernel: str
    safeguards: str | list[str]

    def __str__(self) -> str:
        return f"{Path(self.scenario).stem}, {self.kernel}, {self.safeguards}"

    def load(self) -> Scenario:
        """What the experiment runs."""
        path = (EXPERIMENT.parent / self.scenario).resolve()
        return load(path, kernel=self.kernel, safeguards=self.safeguards)


CELLS = [Cell(*values) for values in product(WORDS["scenario"], *WORDS["vary"].values())]


def drawn(seed: int) -> list[Cell]:
    """Some of the cells, by this seed."""
    return random.Random(seed).sample(CELLS, DRAWN)


def assert_sound(cluster: Cluster) -> None:
    """No packet is lost but by a cause that is counted, and no page comes back with another version."""
    counted = frames(cluster.state())
    assert counted["sent"] + counted["duplicated"] == (
        counted["delivered"] + sum(counted["dropped"].values()) + counted["under_way"]
    )
    assert all(view.counters["lost_pages"] == 0 for view in cluster.views().values())


def test_the_experiment_runs_every_policy_on_every_workload_under_both_kernels() -> None:
    runs = load_experiment(EXPERIMENT).runs
    assert [Cell(*run.varied.values()) for run in runs] == CELLS
    assert len(CELLS) == 5 * 2 * len({str(cell.safeguards) for cell in CELLS})
    for cell, run in zip(CELLS[:: len(CELLS) // DRAWN], runs[:: len(CELLS) // DRAWN], strict=True):
        assert cell.load().resolved() == run.scenario.resolved()


@pytest.mark.parametrize("cell", drawn(seed=1), ids=str)
def test_packets_and_pages_are_conserved(cell: Cell) -> None:
    """To 5 s after the heal, when those that recover have."""
    with open_scenario(cell.load()) as cluster:
        assert_sound(cluster.run_to(seconds(24)))


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_packets_and_pages_are_conserved_to_the_end(cell: Cell) -> None:
    with open_scenario(cell.load()) as cluster:
        assert_sound(cluster.run())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_cell_has_the_same_digest_under_two_hash_seeds(tmp_path: Path) -> None:
    digests = [
        [run["digest"] for run in json.loads(swept(tmp_path / hash_seed, hash_seed))["runs"]]
        for hash_seed in ("1", "2")
    ]
    assert digests[0] == digests[1]


def swept(folder: Path, hash_seed: str) -> str:
    """What `netswap sweep --json` prints in a process of its own."""
    words = ["-m", "netswap", "sweep", str(EXPERIMENT), "--json", "--run-dir", str(folder)]
    done = subprocess.run(
        [sys.executable, *words], env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, check=True
    )
    return done.stdout.decode()


@pytest.mark.ray
@pytest.mark.parametrize("cell", drawn(seed=2), ids=str)
def test_a_cell_has_the_same_digest_on_ray(netswap: Open, cell: Cell) -> None:
    """To 1 s after the outage began: the flood has queued frames, and page-outs time out."""
    assert_same_on_ray(netswap, cell, seconds(5))


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("cell", drawn(seed=2), ids=str)
def test_a_cell_has_the_same_digest_on_ray_at_its_end(netswap: Open, cell: Cell) -> None:
    assert_same_on_ray(netswap, cell, cell.load().resolved().stop_ns)


def assert_same_on_ray(netswap: Open, cell: Cell, until_ns: int) -> None:
    """An actor for each machine and the network sends the same bytes as this process."""
    scenario = cell.load()
    with open_scenario(scenario) as here:
        expected = here.run_to(until_ns).digest()
    on_ray = netswap(scenario.path, engine="ray", kernel=cell.kernel, safeguards=cell.safeguards)
    assert on_ray.run_to(until_ns).digest() == expected
