"""`netswap doctor`: what it finds in a computer that will not do, and what it says then."""

import json
import resource
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from netswap.cluster.command.app import app
from netswap.cluster.engine import doctor, on_ray
from netswap.cluster.engine.doctor import ACTOR_BYTES, CLOCK_S_MAX, FILES_MIN, SHARED_BYTES_MIN, Facts
from netswap.cluster.engine.engine import InfrastructureError

INFRASTRUCTURE_FAILED = 3
WELL = Facts(
    name="node-1",
    python="3.11",
    ray="2.60.0",
    sources="5" * 64,
    cores=4,
    memory_bytes=100 * ACTOR_BYTES,
    shared_bytes=SHARED_BYTES_MIN,
    files_max=FILES_MIN,
    time_s=0.0,
)

BAD = {
    "little memory": ({"memory_bytes": 4 * ACTOR_BYTES - 1}, "about 3 actors fit", "--machines-per-actor"),
    "little shared memory": ({"shared_bytes": SHARED_BYTES_MIN - 1}, "127 MiB of shared memory", "/dev/shm 128 MiB"),
    "few open files": ({"files_max": FILES_MIN - 1}, "open files: 1023", "ulimit -n"),
    "a clock behind": ({"clock_off_s": -CLOCK_S_MAX - 1}, "clock: -6.0 s from ours", "NTP"),
    "a clock ahead": ({"clock_off_s": CLOCK_S_MAX + 1}, "clock: +6.0 s from ours", "NTP"),
}
OTHER = {
    "another Python": ({"python": "3.12"}, "Python 3.12, here 3.11", "the same Python"),
    "another Ray": ({"ray": "2.59.0"}, "Ray 2.59.0, here 2.60.0", "the same Ray"),
    "another netswap": ({"sources": "6" * 64}, "another netswap", "remove what is installed there"),
}
KNOWN_NOT = {
    "memory": {"memory_bytes": None},
    "shared memory": {"shared_bytes": None},
    "a limit of files": {"files_max": resource.RLIM_INFINITY},
}


def test_nothing_is_said_against_a_computer_that_will_do() -> None:
    assert all(one.holds for one in doctor.examined(WELL))
    assert doctor.differences(WELL, WELL) == []


@pytest.mark.parametrize(("change", "what", "hint"), BAD.values(), ids=BAD)
def test_what_a_computer_lacks_is_one_finding_with_a_hint(change: dict[str, Any], what: str, hint: str) -> None:
    (bad,) = [one for one in doctor.examined(replace(WELL, **change)) if not one.holds]
    assert bad.about == "node-1"
    assert what in bad.what
    assert hint in bad.hint


@pytest.mark.parametrize(("change", "what", "hint"), OTHER.values(), ids=OTHER)
def test_a_node_that_runs_something_else_is_one_finding(change: dict[str, Any], what: str, hint: str) -> None:
    (bad,) = doctor.differences(WELL, replace(WELL, **change))
    assert what in bad.what
    assert hint in bad.hint


@pytest.mark.parametrize("change", KNOWN_NOT.values(), ids=KNOWN_NOT)
def test_what_is_not_known_of_a_computer_is_not_held_against_it(change: dict[str, Any]) -> None:
    assert all(one.holds for one in doctor.examined(replace(WELL, **change)))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> list[Facts]:
    """A cluster of these nodes, which is asked instead of Ray."""
    nodes: list[Facts] = []
    monkeypatch.setattr(doctor, "facts", lambda ray_version: replace(WELL, ray=ray_version))
    monkeypatch.setattr(on_ray, "ray_version", lambda: WELL.ray)
    monkeypatch.setattr(on_ray, "nodes_at", lambda address: nodes)
    monkeypatch.setattr("netswap.cluster.command.doctor.in_a_process_of_its_own", lambda folder: None)
    return nodes


def test_a_cluster_of_good_nodes_ends_with_0_and_what_fits(cluster: list[Facts]) -> None:
    cluster += [WELL, replace(WELL, name="node-2", cores=12)]
    told = CliRunner().invoke(app, ["doctor", "--address", "10.0.0.1:6379"])
    assert told.exit_code == 0, told.output
    assert "BAD" not in told.output
    assert "2 nodes, 16 cores, about 200 actors by memory" in told.output


def test_one_bad_node_ends_with_3_and_is_named(cluster: list[Facts]) -> None:
    cluster += [WELL, replace(WELL, name="node-2", ray="2.59.0", shared_bytes=64 << 20)]
    told = CliRunner().invoke(app, ["doctor", "--address", "10.0.0.1:6379"])
    assert told.exit_code == INFRASTRUCTURE_FAILED
    bad = [line for line in told.output.splitlines() if line.startswith("BAD ")]
    assert [line.split(":")[0] for line in bad] == ["BAD node-2", "BAD node-2"]
    as_json = CliRunner().invoke(app, ["doctor", "--address", "10.0.0.1:6379", "--json"])
    said = json.loads(as_json.stdout)
    assert said["ok"] is False
    assert [node["name"] for node in said["nodes"]] == ["node-1", "node-2"]
    assert sum(not one["holds"] for one in said["findings"]) == len(bad)


def test_a_cluster_that_does_not_let_us_in_is_a_finding(monkeypatch: pytest.MonkeyPatch, cluster: list[Facts]) -> None:
    def refuse(address: str | None) -> list[Facts]:
        raise InfrastructureError("nothing answers there")

    monkeypatch.setattr(on_ray, "nodes_at", refuse)
    told = CliRunner().invoke(app, ["doctor", "--address", "10.0.0.1:6379"])
    assert told.exit_code == INFRASTRUCTURE_FAILED
    assert "BAD 10.0.0.1:6379: nothing answers there; mend that first" in told.output
