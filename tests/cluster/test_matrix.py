"""Every policy on every kind of machine, under both kernels: what must hold in each cell, whatever its verdict."""

import json
import os
import random
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from netswap.cluster.engine.results import frames
from netswap.cluster.lab import Cluster, open_scenario
from netswap.cluster.pytest_plugin import Open
from netswap.cluster.study.experiment import Experiment, Run, load_experiment
from netswap.protocol.units import seconds

FOLDER = Path(__file__).resolve().parents[2] / "configs"
EXPERIMENT = FOLDER / "experiments" / "policy-by-workload.yaml"
DRAWN = 6


@cache
def matrix() -> Experiment:
    """All cells."""
    return load_experiment(EXPERIMENT)


def drawn(seed: int) -> list[Run]:
    """Some of the cells, by this seed."""
    return random.Random(seed).sample(matrix().runs, DRAWN)


def name(run: Run) -> str:
    """A cell's scenario, kernel and policy."""
    scenario, kernel, safeguards = run.varied.values()
    return f"{Path(scenario).stem}, {kernel}, {safeguards}"


def assert_sound(cluster: Cluster) -> None:
    """No packet is lost but by a cause that is counted, and no page comes back with another version."""
    counted = frames(cluster.state())
    assert counted["sent"] + counted["duplicated"] == (
        counted["delivered"] + sum(counted["dropped"].values()) + counted["under_way"]
    )
    assert all(view.counters["lost_pages"] == 0 for view in cluster.views().values())


def test_every_policy_meets_every_workload_under_both_kernels() -> None:
    assert len(matrix().runs) == 5 * 2 * len({str(run.varied["safeguards"]) for run in matrix().runs})


@pytest.mark.parametrize("run", drawn(seed=1), ids=name)
def test_packets_and_pages_are_conserved(run: Run) -> None:
    """To 5 s after the heal, when those that recover have."""
    with open_scenario(run.scenario) as cluster:
        assert_sound(cluster.run_to(seconds(24)))


@pytest.mark.slow
@pytest.mark.parametrize("run", matrix().runs, ids=name)
def test_packets_and_pages_are_conserved_to_the_end(run: Run) -> None:
    with open_scenario(run.scenario) as cluster:
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
@pytest.mark.parametrize("run", drawn(seed=2), ids=name)
def test_a_cell_has_the_same_digest_on_ray(netswap: Open, run: Run) -> None:
    """To 1 s after the outage began: the flood has queued frames, and page-outs time out."""
    assert_same_on_ray(netswap, run, seconds(5))


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("run", drawn(seed=2), ids=name)
def test_a_cell_has_the_same_digest_on_ray_at_its_end(netswap: Open, run: Run) -> None:
    assert_same_on_ray(netswap, run, run.scenario.resolved().stop_ns)


def assert_same_on_ray(netswap: Open, run: Run, until_ns: int) -> None:
    """An actor for each machine and the network sends the same bytes as this process."""
    scenario, kernel, safeguards = run.varied.values()
    with open_scenario(run.scenario) as here:
        expected = here.run_to(until_ns).digest()
    path = (EXPERIMENT.parent / scenario).resolve()
    on_ray = netswap(path, engine="ray", kernel=kernel, safeguards=safeguards)
    assert on_ray.run_to(until_ns).digest() == expected
