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

from actors import machine

FOLDER_CHARS_MAX: Final = 36
"""Ray appends 64 characters to name its sockets, whose paths may have 103."""
STAMP: Final = "NETSWAP_CLUSTER"
"""In the environment of each process of a private cluster: how we know our own."""


def is_compiled() -> bool:
    """Whether these are the compiled modules (`make compiled`), not the sources."""
    return not machine.__file__.endswith(".py")


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
    """A short folder, removed afterwards, together with those of runs that were killed before they could."""
    base = Path(tempfile.gettempdir())
    if len(str(base)) > FOLDER_CHARS_MAX - len("/netswap-12345678") and os.access("/tmp", os.W_OK):
        base = Path("/tmp")
    for old in base.glob("netswap-????????"):
        with contextlib.suppress(OSError), open(old / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="netswap-", dir=base))
    try:
        with open(folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def processes_of(cluster: str) -> list[int]:
    """The living processes that carry this cluster's stamp (on Linux; elsewhere Ray's own tidying has to do)."""
    stamp, found = f"{STAMP}={cluster}".encode(), []
    for entry in Path("/proc").glob("[1-9]*"):
        with contextlib.suppress(OSError):
            if int(entry.name) != os.getpid() and stamp in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def end_processes(cluster: str, patience_s: float = 3.0) -> None:
    """Wait for this cluster's processes to end, and end those that do not."""
    deadline = time.monotonic() + patience_s
    while pids := processes_of(cluster):
        if time.monotonic() > deadline:
            for pid in pids:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline + patience_s:
                return
        time.sleep(0.02)


def remove_semaphores(pids: Iterable[int]) -> None:
    """Those of compiled graphs' channels, which bear their maker's number and outlive one that was killed."""
    for pid in pids:
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
    """SIGTERM unwinds the stack and leaves with status 143. ray.init takes SIGTERM for itself: enter again after it."""
    if not in_main_thread():
        yield
        return

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    except SystemExit as exit_:
        raise SystemExit(143 if exit_.code == signal.SIGTERM else exit_.code) from None
    finally:
        signal.signal(signal.SIGTERM, before)
