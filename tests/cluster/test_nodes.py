"""A cluster of three computers, none of which has netswap: a head and two nodes in network namespaces."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from namespaces import Computers, bare_python, computers, end, why_not

from netswap.cluster.engine.surroundings import RAYLET

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(400)]

CONFIGS = Path(__file__).parents[2] / "configs"
PORT = 6399
START_S_MAX = 90
RUN_S_MAX = 180
NOTICED_S_MAX = 30
INFRASTRUCTURE_FAILED = 3


class ThreeNodes:
    """The cluster, and the netswap of somebody who works at its head."""

    def __init__(self, made: Computers, folder: Path) -> None:
        self.made = made
        self.folder = folder
        self.address = f"{made.addresses[0]}:{PORT}"
        self.environment = {
            **os.environ,
            "RAY_AUTH_MODE": "disabled",
            "NETSWAP_PLAIN": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
        }

    def start(self) -> None:
        """The head first; each is given a core, so that it is no matter how many this computer has."""
        self._start(0, "--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={self.folder}")
        for number in (1, 2):
            self._start(number, f"--address={self.address}")

    def _start(self, number: int, *words: str) -> None:
        python, environment = bare_python()
        ray = [*python, "-m", "ray.scripts.scripts", "start", *words, "--num-cpus=1", "--object-store-memory=80000000"]
        ray.append(f"--node-ip-address={self.made.addresses[number]}")
        done = subprocess.run(
            self.made.on(number, ray),
            env={**self.environment, "PYTHONPATH": environment["PYTHONPATH"]},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=START_S_MAX,
            check=False,
        )
        assert done.returncode == 0, done.stdout

    def begin(self, *words: str) -> "subprocess.Popen[str]":
        """The command, at the head."""
        command = self.made.on(0, [sys.executable, "-m", "netswap", *words, "--address", self.address])
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=self.environment, cwd=self.folder, **pipes)  # type: ignore[call-overload]

    def netswap(self, *words: str) -> dict:
        """What the command says with --json, in good order."""
        out, err = (run := self.begin(*words, "--json")).communicate(timeout=RUN_S_MAX)
        assert run.returncode in (0, 1), err + out
        return json.loads(out)

    def raylet(self, number: int) -> int:
        """The number of a node's raylet."""
        of_it = [pid for pid in self.made.pids(number) if Path(f"/proc/{pid}/comm").read_text().strip() == RAYLET]
        return of_it[0]


@pytest.fixture(scope="module")
def cluster() -> Iterator[ThreeNodes]:
    """Made once; the last test takes a node from it."""
    if reason := why_not():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="w", dir="/tmp", ignore_cleanup_errors=True) as name, computers(3) as made:
        nodes = ThreeNodes(made, Path(name))
        nodes.start()
        yield nodes


def here(*words: str, cwd: Path | None = None) -> dict:
    """What the command says in this process's place, without Ray."""
    command = [sys.executable, "-m", "netswap", *words, "--engine", "inline", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=RUN_S_MAX, cwd=cwd)
    return json.loads(done.stdout)


def test_nodes_without_netswap_give_the_digest_of_one_process(cluster: ThreeNodes, tmp_path: Path) -> None:
    """The sources are sent; machines stand on other nodes than the driver, and reach each other by these nodes' addresses."""
    words = (
        "run",
        str(CONFIGS / "three-machines.yaml"),
        "--set",
        "stop=1s",
        "--set",
        "timeline=[]",
        "--set",
        "expect=[]",
    )
    assert cluster.netswap(*words)["digest"] == here(*words, "--run-dir", str(tmp_path / "run"))["digest"]


def test_a_sweep_gives_the_rows_of_one_process(cluster: ThreeNodes, tmp_path: Path) -> None:
    experiment = tmp_path / "small.yaml"
    experiment.write_text(
        f"title: small\nscenario: {CONFIGS / 'three-machines.yaml'}\nset: {{stop: 300ms, timeline: [], expect: []}}\n"
        "vary: {safeguards: [none, reserve]}\nshow: [A.verdict]\n"
    )
    there = cluster.netswap("sweep", str(experiment))
    assert there["runs"] == here("sweep", str(experiment), "--run-dir", str(tmp_path / "rows"))["runs"]


OWN = """
from dataclasses import dataclass

@dataclass
class Talker:
    to: int

    def run(self, system):
        while True:
            system.send(self.to, 9000, 1000)
            system.progress.add(1)
            yield system.sleep_until(system.now_ns + 1_000_000)
"""
TALKS = """
title: a program of one's own, in a package of one's own
stop: 100ms
network: {latency: 1ms}
machines:
  A: {programs: [{own.talkers:Talker: {to: 1}}]}
  B: {programs: [service: {port: 9000}]}
"""


def test_a_program_of_ones_own_is_sent_too(cluster: ThreeNodes, tmp_path: Path) -> None:
    """The nodes have no such file: its package lies in the folder that the driver was started in."""
    own = cluster.folder / "own"
    own.mkdir()
    (own / "__init__.py").touch()
    (own / "talkers.py").write_text(OWN)
    (cluster.folder / "talks.yaml").write_text(TALKS)
    words = ("run", str(cluster.folder / "talks.yaml"))
    there = cluster.netswap(*words)
    assert there["digest"] == here(*words, "--run-dir", str(tmp_path / "run"), cwd=cluster.folder)["digest"]


def killed(cluster: ThreeNodes, number: int, is_under_way: str, *words: str) -> str:
    """What a command says on stderr whose node is killed (SIGKILL of its raylet) when the command has said that it is under way.

    Exit status 3 with a sentence, and within half a minute.
    """
    with cluster.begin(*words) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if is_under_way in line:
                break
        end(cluster.raylet(number))
        began_s = monotonic()
        _, err = run.communicate(timeout=NOTICED_S_MAX)
        assert run.returncode == INFRASTRUCTURE_FAILED, err
    assert monotonic() - began_s < NOTICED_S_MAX
    assert "Traceback" not in err
    return err


def test_a_node_that_is_killed_is_a_failure_of_the_infrastructure(cluster: ThreeNodes) -> None:
    scenario = str(CONFIGS / "three-machines.yaml")
    said = killed(cluster, 1, "frames/s", "run", scenario, "--set", "stop=3600s", "--anyway", "--run-dir", "killed")
    assert "failed" in said


def test_rows_of_a_node_that_is_killed_have_failed_and_the_others_are_kept(cluster: ThreeNodes) -> None:
    """All its processes are ended by SIGKILL, as when the computer goes down. The sweep ends with status 3."""
    (cluster.folder / "long.yaml").write_text(
        f"title: long\nscenario: {CONFIGS / 'three-machines.yaml'}\nset: {{timeline: [], expect: []}}\n"
        "vary: {stop: [10ms, 8s, 9s, 10s]}\nshow: [A.verdict]\n"
    )
    with cluster.begin("sweep", str(cluster.folder / "long.yaml"), "--json", "--run-dir", "rows") as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "1 of 4 runs" in line:
                break
        for pid in cluster.made.pids(2):
            end(pid)
        out, err = run.communicate(timeout=RUN_S_MAX)
    assert run.returncode == INFRASTRUCTURE_FAILED, err
    assert "Traceback" not in err
    failed = [row for row in json.loads(out)["runs"] if row["failed"]]
    assert 0 < len(failed) < len(json.loads(out)["runs"])
