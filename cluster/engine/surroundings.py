"""What a run finds on its machine, and leaves as it was: the terminal, signals, temp folders, processes."""

import contextlib
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from netswap.actors import events

FOLDER_CHARS_MAX: Final = 36
"""Ray appends 64 characters to name its sockets, whose paths may have 103."""
STAMP: Final = "NETSWAP_CLUSTER"
"""In the environment of each process of a private cluster: how we know our own."""
KILLED_S_MAX: Final = 3.0
"""For a process to be gone after SIGKILL."""
RAYLET: Final = "raylet"
GCS: Final = "gcs_server"
ENDED_STATES: Final = "ZX"
"""As /proc says that a process is a zombie, or dead."""


def is_compiled() -> bool:
    """Whether these are the compiled modules (`make compiled`), not the sources."""
    return not events.__file__.endswith(".py")


def processors() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Terminal(NamedTuple):
    """What standard output and error were before Ray's noise was sent elsewhere."""

    out: TextIO
    err: TextIO


@contextlib.contextmanager
def noise_to(path: Path) -> Iterator[Terminal]:
    """Send all that is written to standard output and error to a file: by Python, by C++ and by child processes."""
    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.ExitStack() as stack:
        noise = stack.enter_context(open(path, "a", buffering=1, errors="replace"))
        streams = []
        for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
            saved = os.dup(number)  # not inheritable: no child keeps the terminal open
            stack.callback(os.close, saved)
            stack.callback(os.dup2, saved, number)
            try:
                ours = stream.fileno() == number
            except (OSError, AttributeError, ValueError):  # a test's stand-in has no descriptor
                ours = False
            streams.append(stack.enter_context(os.fdopen(os.dup(saved), "w", 1, errors="replace")) if ours else stream)
            os.dup2(noise.fileno(), number)
        stack.enter_context(contextlib.redirect_stdout(noise))
        stack.enter_context(contextlib.redirect_stderr(noise))
        yield Terminal(*streams)


@contextlib.contextmanager
def temp_folder() -> Iterator[Path]:
    """A short folder that is locked as long as its maker lives. Afterwards it is cleared."""
    clear_abandoned()
    folder = Path(tempfile.mkdtemp(prefix="netswap-", dir=_bases()[0]))
    try:
        with open(folder / "new", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.rename(folder / "new", folder / "lock")  # nobody ever sees it there unlocked while we live
            yield folder
    finally:
        clear(folder)


def _bases() -> list[Path]:
    """Where temp folders may be; new ones are made in the first."""
    usual = Path(tempfile.gettempdir())
    if len(str(usual)) > FOLDER_CHARS_MAX - len("/netswap-12345678") and os.access("/tmp", os.W_OK):
        return [Path("/tmp"), usual]
    return [usual]


def clear_abandoned() -> None:
    """Clear the temp folders of commands that were killed before they could do so."""
    for old in [folder for base in _bases() for folder in base.glob("netswap-????????")]:
        with contextlib.suppress(OSError), open(old / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            clear(old, patience_s=0)


def clear(folder: Path, patience_s: float = 3.0) -> None:
    """End what is left of the cluster of a temp folder; remove its semaphores and the folder."""
    end_processes(folder.name, patience_s)
    with contextlib.suppress(OSError):
        remove_semaphores(map(int, (folder / RAYLET).read_text().split()))
    shutil.rmtree(folder, ignore_errors=True)


def keep_logs(folder: Path, logs: Path | None) -> None:
    """Copy what a cluster with this temp folder has logged, as far as that is possible."""
    if logs is None:
        return
    for session in folder.glob("session_2*/logs"):
        with contextlib.suppress(OSError, shutil.Error):
            shutil.copytree(session, logs, dirs_exist_ok=True, ignore_dangling_symlinks=True)


def note_raylet(folder: Path) -> None:
    """Leave the number of this process's raylet in its temp folder, for the command that will have to clear it."""
    (folder / RAYLET).write_text(" ".join(str(one.pid) for one in parts_of(os.getpid()) if one.name == RAYLET))


class Part(NamedTuple):
    """One of Ray's own processes without which a cluster is none. It may have ended: then its parent has not looked yet."""

    name: str
    pid: int
    is_alive: bool


def parts_of(driver: int) -> list[Part]:
    """The parts of Ray that a process has started (on Linux)."""
    found = []
    for entry in Path("/proc").glob("[1-9]*"):
        name, state, parent = _stat_of(int(entry.name))
        if parent == driver and name in (RAYLET, GCS):
            found.append(Part(name, int(entry.name), state not in ENDED_STATES))
    return found


def _stat_of(pid: int) -> tuple[str, str, int]:
    """Name, state and parent of a process; one that is no more has ended."""
    try:
        before, _, after = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")
    except OSError:
        return "", "X", 0
    state, parent, *_ = after.split()
    return before.partition("(")[2], state, int(parent)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent to look does not."""
    return _stat_of(pid)[1] not in ENDED_STATES


def processes_of(cluster: str = "") -> list[int]:
    """The living processes that carry this cluster's stamp, or any (on Linux; elsewhere Ray's own tidying has to do)."""
    stamp, found = f"{STAMP}={cluster}".encode(), []
    for entry in Path("/proc").glob("[1-9]*"):
        with contextlib.suppress(OSError):
            variables = (entry / "environ").read_bytes().split(b"\0")
            mine = stamp in variables if cluster else any(one.startswith(stamp) for one in variables)
            if mine and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def arguments_of(pid: int) -> list[str]:
    """The words with which a process was started; none of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []


def end_processes(cluster: str, patience_s: float = 3.0) -> None:
    """Wait for this cluster's processes to end, and end those that do not."""
    began = time.monotonic()
    while pids := processes_of(cluster):
        waited_s = time.monotonic() - began
        if waited_s >= patience_s:
            for pid in pids:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        if waited_s > patience_s + KILLED_S_MAX:
            return
        time.sleep(0.02)


def remove_semaphores(raylets: Iterable[int]) -> None:
    """Remove semaphores of compiled graphs' channels, which bear their raylet's number and outlive one that was killed.

    A number that is in use again belongs to another process.
    """
    for pid in raylets:
        if is_alive(pid):
            continue
        for kind in ("hdr", "obj"):
            for semaphore in Path("/dev/shm").glob(f"sem.{kind}{pid}-*"):
                semaphore.unlink(missing_ok=True)


def in_main_thread() -> bool:
    """Whether signals reach us."""
    return threading.current_thread() is threading.main_thread()


@contextlib.contextmanager
def signals_later() -> Iterator[None]:
    """An interrupt or a SIGTERM that comes inside is delivered at the end."""
    if not in_main_thread():
        yield
        return
    came: list[int] = []
    handlers = {n: signal.signal(n, lambda n, _: came.append(n)) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


@contextlib.contextmanager
def term_exits() -> Iterator[None]:
    """SIGTERM unwinds the stack and leaves with status 143, SIGHUP with 129, unless it is ignored, as under nohup.

    ray.init takes SIGTERM for itself: enter again after it.
    """
    if not in_main_thread():
        yield
        return

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    except SystemExit as exit_:
        if exit_.code == signal.SIGTERM:  # as Ray's handler leaves
            raise SystemExit(143) from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
