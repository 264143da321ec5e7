"""Computers made of network namespaces: a bridge, and for each a namespace with an address on it. Needs root and `ip`."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import ray as ray_package

COMMAND_S_MAX = 20


def why_not() -> str:
    """Why no namespaces can be made here; empty if they can."""
    if shutil.which("ip") is None:
        return "there is no `ip` (package iproute2)"
    tag = f"nsw{os.getpid()}x"
    try:
        ip("netns", "add", tag)
        try:
            ip("netns", "exec", tag, "true")
            ip("link", "add", tag, "type", "bridge")
            ip("link", "del", tag)
        finally:
            ip("netns", "del", tag)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        return f"network namespaces are not permitted: {said.strip()[:100]}"
    return ""


def ip(*words: str) -> str:
    """Run `ip`. Raises CalledProcessError."""
    done = subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=COMMAND_S_MAX)
    return done.stdout


class Computers:
    """Some computers on one wire. `addresses`: theirs."""

    def __init__(self, count: int) -> None:
        """Nothing is made yet."""
        self._tag = f"nsw{os.getpid() % 100000}"
        self._names = [f"{self._tag}-{number}" for number in range(count)]
        self.addresses = [f"10.213.77.{number + 1}" for number in range(count)]

    def make(self) -> None:
        """The bridge is in the first namespace, so that nothing of it is to be seen outside."""
        for name in self._names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        hub = self._names[0]
        ip("-n", hub, "link", "add", "br0", "type", "bridge")
        ip("-n", hub, "addr", "add", f"{self.addresses[0]}/24", "dev", "br0")
        ip("-n", hub, "link", "set", "br0", "up")
        ip("-n", hub, "route", "add", "default", "dev", "br0")  # Ray asks the routes which address is its own
        for number, name in enumerate(self._names[1:], 1):
            ip("-n", hub, "link", "add", f"port{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("-n", hub, "link", "set", f"port{number}", "master", "br0", "up")
            ip("-n", name, "addr", "add", f"{self.addresses[number]}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "route", "add", "default", "dev", "eth0")

    def on(self, number: int, words: Sequence[str]) -> list[str]:
        """The command line that runs `words` there."""
        return ["ip", "netns", "exec", self._names[number], *words]

    def pids(self, number: int) -> list[int]:
        """The processes that run there: all of them ours."""
        return [int(word) for word in ip("netns", "pids", self._names[number]).split()]

    def remove(self) -> None:
        """End what runs there, and take all away."""
        for number, name in enumerate(self._names):
            if not Path("/run/netns", name).exists():
                continue
            while pids := self.pids(number):
                for pid in pids:
                    end(pid)
            ip("netns", "del", name)


def end(pid: int) -> None:
    """SIGKILL, for a process that may have ended."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def computers(count: int) -> Iterator[Computers]:
    """So many; afterwards they are gone, with all that ran there."""
    made = Computers(count)
    try:
        made.make()
        yield made
    finally:
        made.remove()


def bare_python() -> tuple[list[str], dict[str, str]]:
    """A Python that has the libraries but not netswap: how to call it, and the environment that it needs."""
    libraries = str(Path(ray_package.__file__ or "").parents[1])
    base = str(getattr(sys, "_base_executable", sys.executable))
    environment = {**os.environ, "PYTHONPATH": libraries}
    return [base], environment
