"""The pool: results as they come, a worker that dies costs its run alone, and nothing is left when it ends."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from time import monotonic, sleep

import pytest

from netswap.actors.programs.task import ProgramError
from netswap.cluster.engine.engine import InfrastructureError
from netswap.cluster.scenario import Problem, ScenarioError
from netswap.cluster.study.failure import Failure, Kind, RunFailedError, failure_of, needed
from netswap.cluster.study.pool import Pool, safely, side_by_side

GONE_S = 20
"""For processes to be gone: they need milliseconds, a busy computer may take longer."""


def square(number):
    """Of 3 it dies, as if it had been killed for its memory; of 4 it fails; of 5 nothing that can be pickled comes."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 4:
        raise MemoryError
    return (lambda: 5) if number == 5 else number * number


def dies_by(way):
    """A signal, or an exit by itself."""
    os.kill(os.getpid(), way) if way < 0x100 else os._exit(way - 0x100)


@pytest.fixture(scope="module")
def pool():
    """Two workers, whatever the computer has."""
    with Pool(processes=2) as pool:
        yield pool


def test_every_job_has_its_result(pool):
    assert dict(pool.as_they_come(square, [0, 1, 2, 6, 7])) == {0: 0, 1: 1, 2: 4, 3: 36, 4: 49}


def test_a_worker_that_dies_costs_its_job_alone(pool):
    found = dict(pool.as_they_come(square, [1, 3, 2, 3, 6]))
    assert {number: found[number] for number in (0, 2, 4)} == {0: 1, 2: 4, 4: 36}
    for number in (1, 3):
        assert found[number].kind == Kind.INFRASTRUCTURE
        assert found[number].reason == "its process was killed by SIGKILL, as where memory runs out"


def test_a_pool_of_the_standard_library_would_have_lost_the_others():
    """The twin: what the pool is for."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as plain, pytest.raises(BrokenProcessPool):
        list(plain.map(square, [3, 1, 2, 6]))


def test_the_reason_names_the_end_of_a_process(pool):
    outcomes = dict(pool.as_they_come(dies_by, [signal.SIGTERM, 0x100 + 7, 0x100]))
    assert [outcomes[number].reason for number in range(3)] == [
        "its process was killed by SIGTERM",
        "its process ended with status 7",
        "its process ended with status 0",
    ]


def test_what_goes_wrong_in_a_job_is_its_outcome(pool):
    """Out of memory is the computer's failure; a result that cannot be sent is ours."""
    found = dict(pool.as_they_come(square, [4, 5, 2]))
    assert (found[0].kind, found[2]) == (Kind.INFRASTRUCTURE, 4)
    assert found[1].kind == Kind.INTERNAL
    assert "Traceback" in found[1].trace


def test_results_are_given_back_in_the_order_of_the_jobs():
    assert list(side_by_side(square, list(range(10, 16)))) == [number * number for number in range(10, 16)]


def test_a_single_job_needs_no_process():
    assert list(side_by_side(lambda job: (job, os.getpid()), ["here"])) == [("here", os.getpid())]


def test_somebody_may_look_while_results_are_waited_for():
    looks = []
    with Pool(lambda: looks.append(None), 1) as pool:
        list(pool.as_they_come(square, [1, 2]))
    assert looks


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ProgramError("agent.py", 3, "it failed"), Kind.INPUT),
        (ScenarioError([Problem("a.yaml", 1, 2, "wrong", "right")]), Kind.INPUT),
        (InfrastructureError("Ray failed"), Kind.INFRASTRUCTURE),
        (OSError("no space"), Kind.INFRASTRUCTURE),
        (MemoryError(), Kind.INFRASTRUCTURE),
        (ZeroDivisionError("ours"), Kind.INTERNAL),
    ],
)
def test_each_failure_has_its_kind(error, kind):
    """The input's, the surroundings', or ours."""
    failure = failure_of(error)
    assert failure.kind == kind
    assert bool(failure.problems) == (kind == Kind.INPUT)
    assert bool(failure.trace) == (kind == Kind.INTERNAL)


def test_a_result_that_is_needed_is_there_or_the_study_ends():
    assert needed(safely(square, 2)) == 4
    with pytest.raises(RunFailedError) as raised:
        needed(safely(square, 4))
    assert isinstance(raised.value.failure, Failure)


SLEEPERS = """\
import os, sys, time
from netswap.cluster.study.pool import Pool


def sleeper(number):
    print("printed by a program", flush=True)
    print(os.getpid(), file=sys.stderr, flush=True)
    time.sleep(300)


if __name__ == "__main__":
    with Pool(processes=2) as pool:
        list(pool.as_they_come(sleeper, [0, 1]))
"""


def is_running(pid):
    """A process that has ended and was not asked for yet does not run."""
    with suppress(OSError):
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat")
        return not status.exists() or status.read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def wait_for_end_of(pids):
    """Bounded."""
    deadline = monotonic() + GONE_S
    while any(map(is_running, pids)) and monotonic() < deadline:
        sleep(0.01)
    return [pid for pid in pids if is_running(pid)]


def numbers(lines, count):
    """The first numbers among the lines that come."""
    found = []
    while len(found) < count and (line := lines.readline()):
        found += [int(line)] if line.strip().isdigit() else []
    return found


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_its_pool(tmp_path, way):
    """However it ends; and an interrupt, which a terminal sends to all, is for the pool alone to answer."""
    (tmp_path / "sleepers.py").write_text(SLEEPERS)
    with subprocess.Popen(
        [sys.executable, "sleepers.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        workers = numbers(process.stderr, 2)
        assert len(workers) == 2
        if way == signal.SIGINT:
            os.killpg(process.pid, way)
        else:
            process.send_signal(way)
        out, err = process.communicate(timeout=GONE_S)
    assert wait_for_end_of(workers) == []
    assert out == "", "what a program prints is no result"
    assert err.count("Traceback") == (way == signal.SIGINT), err
