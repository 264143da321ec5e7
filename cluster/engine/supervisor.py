"""A parent that outlives Ray's driver, tidies up after it, and says how it ended.

Ray's C++ ends a process whose raylet has died, at once or after a minute, without a word and with status 1. So a command
that uses Ray forks: the child is the driver and does all the work; the parent passes signals on, watches the cluster's
processes, and knows from the child itself when that has ended on purpose, and with which status. A child whose parent
has been killed tidies up instead.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Final, NoReturn

from netswap.cluster.engine.engine import InfrastructureError
from netswap.cluster.engine.surroundings import GCS, RAYLET, clear, end_processes, is_alive, keep_logs, parts_of

HOME: Final = "home"
"""Told with the temp folder of a private cluster that is about to start."""
CLOSING: Final = "closing"
CLOSED: Final = "closed"
ENDED: Final = "ended"
"""Told last, with the status."""

LOOK_S: Final = 0.25
CLOSING_S_MAX: Final = 20.0
"""For Ray to stop."""
ENDING_S_MAX: Final = 60.0
"""For a driver to end after a signal: Ray may still be starting."""
LEAVING_S_MAX: Final = 5.0
"""For a driver to be gone once it has told its status."""
PARTS: Final = 2
"""A raylet and a GCS."""
PASSED_ON: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_door: socket.socket | None = None
"""The driver's end of the line to its supervisor."""
_home: Path | None = None


def tell(word: str, value: object = "") -> None:
    """Tell the supervisor, if there is one, how far this process is."""
    global _home
    if word == HOME:
        _home = Path(str(value))
    if _door is not None:
        with contextlib.suppress(OSError):
            _door.sendall(f"{word} {value}\n".encode())


def supervised(logs: Path | None = None) -> None:
    """Go on in a child. In the parent this never returns: it leaves with the child's status.

    `logs`: where the logs of a private cluster are kept that the child could not keep. Raises `InfrastructureError`, in
    the parent, for a child that did not end by itself.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    ours, theirs = socket.socketpair()
    driver = os.fork()
    if driver == 0:
        ours.close()
        _become_driver(theirs)
    else:
        theirs.close()
        with contextlib.suppress(OSError):
            os.setpgid(driver, driver)  # both processes do this; the first one counts
        _Supervisor(driver, ours, logs).watch()


# -- the child ----------------------------------------------------------------------------------------------------------


def _become_driver(door: socket.socket) -> None:
    """A process group of its own, so that Ctrl-C comes by way of the parent, once."""
    global _door
    _door = door
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # progress is shown on the parent's terminal
    threading.Thread(target=_end_with_parent, args=(door,), daemon=True).start()


def _end_with_parent(door: socket.socket) -> None:
    """The parent never says anything: the line ends when it has been killed."""
    with contextlib.suppress(OSError):
        door.recv(1)
    if _home is not None:
        clear(_home, patience_s=0)
    os._exit(128 + signal.SIGKILL)


# -- the parent ---------------------------------------------------------------------------------------------------------


class _Supervisor:
    """The parent of a driver."""

    def __init__(self, driver: int, door: socket.socket, logs: Path | None) -> None:
        self._driver = driver
        self._is_reaped = False
        self._door = door
        self._logs = logs
        self._heard = b""
        self._home: Path | None = None
        self._parts: dict[int, str] = {}
        self._running = False
        """Whether a private cluster runs, or starts."""
        self._status: int | None = None
        self._signal: int | None = None
        self._deadline_s: float | None = None

    def watch(self) -> NoReturn:
        """Wait for the driver's end, and leave as it did."""
        with self._passing_on():
            try:
                why = self._until_the_end()
            finally:
                how = self._tidy()
        if self._status is not None:
            raise SystemExit(self._status)
        if self._signal is not None:
            raise SystemExit(128 + self._signal)
        raise InfrastructureError(why or f"the process that drives it {how}")

    def _until_the_end(self) -> str:
        """Why the driver has to be ended, or has ended; empty where only its own end can tell."""
        while self._listens():
            if self._deadline_s is not None and monotonic() > self._deadline_s:
                return "it did not stop in time"
            lost = self._lost()
            if lost and self._listens(0) and self._running:  # what the driver ends itself is no loss
                return f"its {lost} has died"
        return ""

    def _listens(self, patience_s: float = LOOK_S) -> bool:
        """Hear what the driver tells; False once it has ended, or is about to."""
        ready, _, _ = select.select([self._door], [], [], patience_s)
        if not ready:
            return True
        try:
            part = self._door.recv(4096)
        except OSError:
            return False
        *lines, self._heard = (self._heard + part).split(b"\n")
        for line in lines:
            self._hear(*line.decode().split(" ", 1))
        return bool(part) and self._status is None

    def _hear(self, word: str, value: str) -> None:
        if word == HOME:
            self._home, self._running, self._parts = Path(value), True, {}
        elif word == CLOSING:
            self._running = False
            self._deadline_s = self._deadline_s or monotonic() + CLOSING_S_MAX
        elif word == CLOSED:
            self._deadline_s = None
        elif word == ENDED:
            self._status = int(value)

    def _lost(self) -> str:
        """The name of a part of the cluster that has died; of several the raylet, since it may take others along."""
        if not self._running:
            return ""
        if len(self._parts) < PARTS:
            self._parts.update({part.pid: part.name for part in parts_of(self._driver)})
        lost = {name for pid, name in self._parts.items() if not is_alive(pid)}
        return next((name for name in (RAYLET, GCS) if name in lost), "")

    def _tidy(self) -> str:
        """See that the driver is gone, and all that it has left; how it ended."""
        how = self._reap(LEAVING_S_MAX if self._status is not None else 0)
        if self._status is None and sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K\x1b[?25h")  # its progress line, and the cursor that it hid
        if self._home is not None and self._home.exists():
            end_processes(self._home.name, 0)
            keep_logs(self._home, self._logs)
            clear(self._home)
        return how

    def _reap(self, patience_s: float) -> str:
        """Wait for the driver's end, and end it where it does not."""
        deadline_s = monotonic() + patience_s
        pid, code = os.waitpid(self._driver, os.WNOHANG)
        while pid == 0 and monotonic() < deadline_s:
            sleep(0.01)
            pid, code = os.waitpid(self._driver, os.WNOHANG)
        if pid == 0:
            self._kill(signal.SIGKILL)
            _, code = os.waitpid(self._driver, 0)
        self._is_reaped = True
        status = os.waitstatus_to_exitcode(code)
        return f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    def _kill(self, number: int) -> None:
        """Send a signal to the driver and the processes of its group."""
        with contextlib.suppress(OSError):
            if not self._is_reaped:
                os.killpg(self._driver, number)

    @contextlib.contextmanager
    def _passing_on(self) -> Iterator[None]:
        """Signals inside are for the driver."""
        numbers = [n for n in PASSED_ON if signal.getsignal(n) is not signal.SIG_IGN]
        before = {n: signal.signal(n, self._pass_on) for n in numbers}
        before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _pass_on(self, number: int, _frame: object) -> None:
        self._signal = number
        self._deadline_s = self._deadline_s or monotonic() + ENDING_S_MAX
        with contextlib.suppress(OSError):
            if not self._is_reaped:
                os.kill(self._driver, number)

    def _stop(self, _number: int, _frame: object) -> None:
        """Ctrl-Z: stand still, all of us, until a SIGCONT comes."""
        self._kill(signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        self._kill(signal.SIGCONT)
