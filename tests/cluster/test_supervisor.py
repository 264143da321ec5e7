"""The parent of Ray's driver, with drivers and clusters that are no more than a few sleeping processes."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from leftovers import base_of_its_own, next_command, processes, traces

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc"),
    pytest.mark.xdist_group("ray"),  # what tests leave in shared memory would be seen by those of Ray
]

DRIVER = """
import os, signal, subprocess, sys, time
from netswap.cluster.engine import supervisor
from netswap.cluster.command import status
from netswap.cluster.engine.surroundings import STAMP, note_raylet, temp_folder

def part(name):
    stamped = {{**os.environ, STAMP: folder.name}}
    return subprocess.Popen(["./" + name, "1000"], env=stamped, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

def command():
    global folder
    {supervised}
    with temp_folder() as folder:
        supervisor.tell(supervisor.HOME, folder)
        parts = [part("gcs_server"), part("raylet")]
        note_raylet(folder)
        print("up", *(one.pid for one in parts), os.getpid(), flush=True)
        {then}

sys.exit(status.main(command))
"""
SUPERVISED = "supervisor.supervised()"
WAIT = "time.sleep(1000)"


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Each test has a temp folder of its own, and programs named as Ray's are."""
    monkeypatch.chdir(tmp_path)
    for name in ("raylet", "gcs_server"):
        shutil.copy(shutil.which("sleep") or "", name)
    with base_of_its_own() as base:
        yield base
        for pid in processes(base):
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, signal.SIGKILL)


def wait_for_lock(base: Path) -> None:
    """Until a killed driver has let go of its temp folder.

    Its state does not tell when: the first thread of a process is a zombie while another still has the files open.
    """
    (path,) = base.glob("netswap-*/lock")
    with open(path) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


class Command:
    """A command whose driver drives nothing."""

    def __init__(self, then: str = WAIT, supervised: str = SUPERVISED) -> None:
        program = DRIVER.format(then=then, supervised=supervised)
        self.process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        _, *pids = self.process.stdout.readline().split()
        self.gcs, self.raylet, self.driver = map(int, pids)

    def ends(self) -> tuple[int, str]:
        """Its status, and what it said on standard error."""
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@pytest.mark.parametrize("part", ["gcs", "raylet"])
def test_a_part_of_the_cluster_that_is_killed_is_told_and_nothing_is_left(base: Path, part: str) -> None:
    """Whatever the driver is at."""
    before = traces(base)
    command = Command()
    os.kill(getattr(command, part), signal.SIGKILL)
    status, said = command.ends()
    assert status == 3
    assert said == f"Ray failed, which is no result: its {'gcs_server' if part == 'gcs' else 'raylet'} has died\n"
    assert traces(base) == before


def test_a_part_that_the_driver_ends_itself_is_no_loss(base: Path) -> None:
    """It says beforehand that it is going to."""
    command = Command(
        "supervisor.tell(supervisor.CLOSING); [one.kill() for one in parts]; time.sleep(1); "
        "supervisor.tell(supervisor.CLOSED); raise SystemExit(42)"
    )
    assert command.ends() == (42, "")


@pytest.mark.parametrize(
    ("said", "status"), [("False", 0), ("True", 1), ("None", 0), ("5", 5), ("typer.Exit(True)", 1)]
)
@pytest.mark.usefixtures("base")
def test_the_status_is_the_drivers(said: str, status: int) -> None:
    """However a command says it."""
    leave = f"raise {said}" if "Exit" in said else f"raise SystemExit({said})"
    closing = "supervisor.tell(supervisor.CLOSING); [one.kill() for one in parts]"  # as a session does
    assert Command(f"import typer; {closing}; {leave}").ends() == (status, "")


def test_a_driver_that_ends_without_a_word_is_told(base: Path) -> None:
    """As Ray's C++ ends it, with a status that means something else."""
    before = traces(base)
    status, said = Command("os._exit(1)").ends()
    assert (status, said) == (3, "Ray failed, which is no result: the process that drives it ended with status 1\n")
    assert traces(base) == before


def test_without_a_supervisor_it_is_not(base: Path) -> None:
    """The twin: its status is taken for that of an expectation that was not met."""
    before = traces(base)
    assert Command("os._exit(1)", supervised="pass").ends() == (1, "")
    assert traces(base) != before


def test_a_driver_that_is_killed_is_told(base: Path) -> None:
    """By its parent, which tidies up."""
    before = traces(base)
    command = Command()
    os.kill(command.driver, signal.SIGKILL)
    status, said = command.ends()
    assert status == 3
    assert "was killed by SIGKILL" in said
    assert traces(base) == before


def test_a_parent_that_is_killed_takes_its_driver_along(base: Path) -> None:
    """The driver tidies up."""
    before = traces(base)
    command = Command()
    command.process.kill()
    assert command.ends() == (-signal.SIGKILL, "")  # standard error ends when the driver does
    assert traces(base) == before


def test_what_both_leave_is_gone_with_the_next_command(base: Path) -> None:
    """Processes, semaphores by the number of the raylet, and the folder."""
    before = traces(base)
    command = Command()
    semaphore = Path(f"/dev/shm/sem.hdr{command.raylet}-1")
    semaphore.touch()
    os.kill(command.process.pid, signal.SIGSTOP)  # neither sees the other's end
    os.kill(command.driver, signal.SIGKILL)
    os.kill(command.process.pid, signal.SIGKILL)
    command.process.wait()
    wait_for_lock(base)
    assert {"raylet", "gcs_server"} <= set(processes(base).values())
    next_command(base)
    assert traces(base) == before
    assert not semaphore.exists()


def test_the_next_command_leaves_alone_what_is_in_use(base: Path) -> None:
    """Also what was abandoned if its raylet's number is somebody else's by now."""
    command = Command()
    semaphore = Path(f"/dev/shm/sem.obj{command.raylet}-1")
    semaphore.touch()
    in_use = traces(base)
    abandoned = base / "netswap-abcdefgh"
    abandoned.mkdir()
    (abandoned / "lock").touch()
    (abandoned / "raylet").write_text(str(command.raylet))
    next_command(base)
    assert traces(base) == in_use
    assert semaphore.exists()
    command.process.terminate()
    assert command.ends()[0] == 128 + signal.SIGTERM
    assert not semaphore.exists()


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=lambda one: str(one)
)
def test_signals_are_passed_on_once(base: Path, number: int, status: int) -> None:
    """To a driver in a process group of its own, so that those of a terminal come this way too."""
    before = traces(base)
    command = Command()
    assert os.getpgid(command.driver) == command.driver != os.getpgid(command.process.pid)
    os.kill(command.process.pid, number)
    assert command.ends()[0] == status
    assert traces(base) == before


def test_a_driver_that_does_not_stop_is_ended(base: Path) -> None:
    """In time; here there is none."""
    status, said = Command(
        "supervisor.tell(supervisor.CLOSING); time.sleep(1000)",
        supervised=f"supervisor.CLOSING_S_MAX = 0.1; {SUPERVISED}",
    ).ends()
    assert (status, said) == (3, "Ray failed, which is no result: it did not stop in time\n")
