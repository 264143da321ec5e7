"""SIGKILL of each process of a run on Ray, at random moments: a status, a sentence, in time, and nothing left."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from leftovers import base_of_its_own, processes, traces
from scenes import seed

pytestmark = [pytest.mark.ray, pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")]

TOLD_S_MAX = 30
"""From the kill to the end of the command."""
GONE_S_MAX = 10
"""From the end of the command to that of Ray's processes."""
FIRST, LAST = 0.0, 4.0
"""When to kill, in seconds after the process has appeared: Ray still starts then, or the scene runs."""
VICTIMS = {
    "machine actor": "ray::MachineAct",
    "network actor": "ray::NetworkHos",
    "raylet": "raylet",
    "gcs": "gcs_server",
}
MOMENTS = [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)]


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Each test has a folder and a temp folder of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "long.yaml").write_text(seed(stop="3600s"))
    with base_of_its_own() as base:
        yield base
        for pid in processes(base):
            os.kill(pid, signal.SIGKILL)


class Run:
    """A run on Ray that would go on for long."""

    def __init__(self, base: Path) -> None:
        self._base = base
        words = ["run", "long.yaml", "--json", "--run-dir", "here"]
        words += ["--record", "none", "--machines-per-actor", "3"]  # one actor beside that of the network
        self.process = subprocess.Popen(
            [sys.executable, "-m", "netswap", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def find(self, name: str) -> int:
        """A process of this name, once there is one."""
        while True:
            for pid, found in processes(self._base).items():
                if found.startswith(name):
                    return pid
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.02)

    def driver(self) -> int:
        """The child that drives Ray: the parent of the GCS."""
        stat = Path(f"/proc/{self.find('gcs_server')}/stat").read_text()
        return int(stat.rpartition(")")[2].split()[1])

    def end(self, pid: int) -> tuple[int, str, str, float]:
        """Kill a process; the command's status, what it said, and after how long."""
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        told, said = self.process.communicate(timeout=4 * TOLD_S_MAX)
        return self.process.returncode, told, said, time.monotonic() - began


def moment(who: str, number: int) -> float:
    """When to kill: random, and the same each time."""
    return random.Random(f"{who} {number}").uniform(FIRST, LAST)


def gone_after(base: Path) -> float:
    """Wait until no process is left; for how long."""
    began = time.monotonic()
    while processes(base) and time.monotonic() - began < 2 * GONE_S_MAX:
        time.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.parametrize("number", MOMENTS)
@pytest.mark.parametrize("who", [*VICTIMS, "driver"])
def test_a_process_that_is_killed_is_an_infrastructure_failure_in_time_and_nothing_is_left(
    base: Path, who: str, number: int
) -> None:
    """3, a sentence, the same as JSON, and neither processes nor folders nor semaphores."""
    before = traces(base)
    run = Run(base)
    victim = run.driver() if who == "driver" else run.find(VICTIMS[who])
    time.sleep(moment(who, number))
    status, told, said, took_s = run.end(victim)
    assert status == 3, said
    *_, sentence = said.splitlines()  # after what the run will cost, and perhaps a line of progress
    assert sentence.startswith("Ray failed, which is no result: ")
    assert json.loads(told)["verdict"] == "infrastructure failed"
    assert took_s < TOLD_S_MAX
    assert traces(base) == before


@pytest.mark.parametrize("number", MOMENTS)
def test_a_command_that_is_killed_leaves_nothing_either(base: Path, number: int) -> None:
    """Its driver sees to that."""
    before = traces(base)
    run = Run(base)
    run.find("gcs_server")
    time.sleep(moment("command", number))
    assert run.end(run.process.pid)[0] == -signal.SIGKILL
    assert gone_after(base) < GONE_S_MAX
    assert traces(base) == before
