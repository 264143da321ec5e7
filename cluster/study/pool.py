"""Independent runs on several processes of this computer.

A worker that dies costs the run that it had under way and no more: another takes its place. Workers end when their pool
does, and also when the process of the pool is killed.
"""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, Final, Self, TypeVar, cast

from netswap.cluster.engine.surroundings import processors, signals_later
from netswap.cluster.study.failure import Failure, Kind, failure_of

Job = TypeVar("Job")
Done = TypeVar("Done")
Watch = Callable[[], None]

LOOK_S: Final = 0.25
"""Wall time between two calls of `watch` while runs are under way."""
_SPAWN: Final = get_context("spawn")


def nobody() -> None:
    """Watches nothing."""


def safely(work: Callable[[Job], Done], job: Job) -> Done | Failure:
    """`work` on one job, or why it failed."""
    try:
        return work(job)
    except Exception as error:
        return failure_of(error)


def side_by_side(work: Callable[[Job], Done], jobs: Sequence[Job], watch: Watch = nobody) -> Iterator[Done | Failure]:
    """`work` on each job, given back in the order of the jobs; a single one is done in this process."""
    if len(jobs) == 1:
        yield safely(work, jobs[0])
        return
    with Pool(watch) as pool:
        waiting: dict[int, Done | Failure] = {}
        due = 0
        for number, outcome in pool.as_they_come(work, jobs):
            waiting[number] = outcome
            while due in waiting:
                yield waiting.pop(due)
                due += 1


class Pool:
    """Worker processes, as many as there are processors; they start when they are needed, and stay until `close`."""

    def __init__(self, watch: Watch = nobody, processes: int | None = None) -> None:
        """`watch` is called about every `LOOK_S`, from the thread that waits for results."""
        self._watch = watch
        self._processes = processes or processors()
        self._workers: list[_Worker] = []

    @property
    def processes(self) -> int:
        """Runs at a time, at most."""
        return self._processes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all workers, whatever they are at."""
        with signals_later():
            for worker in self._workers:
                worker.end()
            self._workers.clear()

    def as_they_come(self, work: Callable[[Job], Done], jobs: Sequence[Job]) -> Iterator[tuple[int, Done | Failure]]:
        """`work` on each job, both picklable: the number of the job, and what came of it."""
        waiting = deque(enumerate(jobs))
        busy: dict[Connection, _Worker] = {}
        try:
            while waiting or busy:
                while waiting and len(busy) < self._processes:
                    worker = self._idle(busy)
                    busy[worker.door] = worker
                    worker.give(*waiting.popleft(), work)
                ready = cast("list[Connection]", wait(list(busy), LOOK_S))
                self._watch()
                for door in ready:
                    worker = busy.pop(door)
                    yield worker.job, worker.take()
        finally:
            for worker in busy.values():
                self._workers.remove(worker)
                worker.end()

    def _idle(self, busy: dict[Connection, "_Worker"]) -> "_Worker":
        """A worker without a run; those that have died are given up."""
        for worker in [one for one in self._workers if one.door not in busy]:
            if worker.process.is_alive():
                return worker
            self._workers.remove(worker)
            worker.end()
        self._workers.append(_Worker())
        return self._workers[-1]


class _Worker:
    """A process, and our end of the pipe to it."""

    def __init__(self) -> None:
        self.door, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=_serve, args=(theirs,), daemon=True)
        with _interrupts_blocked():
            self.process.start()
        theirs.close()  # so that the pipe ends with the process
        self.job = -1

    def give(self, number: int, job: object, work: Callable[[Any], object]) -> None:
        """Let it begin. That it has died meanwhile is found by `take`."""
        self.job = number
        with suppress(BrokenPipeError, ConnectionResetError):
            self.door.send((work, job))

    def take(self) -> Any:
        """What came of its job."""
        try:
            return self.door.recv()
        except (EOFError, OSError):
            self.process.join()
            return Failure(Kind.INFRASTRUCTURE, f"its process {_end_of(self.process.exitcode or 0)}")

    def end(self) -> None:
        """Kill it: it holds nothing that has to be put in order."""
        self.process.kill()
        self.process.join()
        self.door.close()


def _end_of(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    name = signal.Signals(-status).name
    memory = ", as where memory runs out" if name == "SIGKILL" else ""
    return f"was killed by {name}{memory}"


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """What is started inside never sees Ctrl-C, which the terminal sends to all: it is for the pool to end its workers."""
    resource_tracker.ensure_running()  # starting it lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(door: Connection) -> None:
    """The life of a worker."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.dup2(2, 1)  # what a user's program prints is no result
    with suppress(EOFError, BrokenPipeError):
        while True:
            try:
                work, job = door.recv()
                door.send(safely(work, job))
            except (EOFError, BrokenPipeError):
                raise
            except Exception as error:  # what cannot be pickled, or read again
                door.send(failure_of(error))


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
    sys.stderr.flush()
    os._exit(1)
