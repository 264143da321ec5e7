"""What runs have on this computer: those of one test, told from all others by the temp folder that it gives them."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netswap.cluster.engine.surroundings import clear_abandoned, is_alive


@contextmanager
def base_of_its_own() -> Iterator[Path]:
    """A temp folder for the processes of a test, short enough for Ray's sockets; its name is in their environment."""
    before = os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory(prefix="w", dir="/tmp") as name:
        os.environ["TMPDIR"] = name
        try:
            yield Path(name)
        finally:
            os.environ.pop("TMPDIR")
            if before is not None:
                os.environ["TMPDIR"] = before


def processes(base: Path) -> dict[int, str]:
    """The living processes that were given this temp folder, ourselves excepted: number and name."""
    found = {}
    for entry in Path("/proc").glob("[1-9]*"):
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
            if f"TMPDIR={base}".encode() in variables and int(entry.name) != os.getpid():
                found[int(entry.name)] = (entry / "comm").read_text().strip()
        except OSError:  # it has ended, or is somebody else's
            continue
    return found


def semaphores() -> set[str]:
    """Those of graphs whose raylet is no more."""
    names = {path.name for kind in ("hdr", "obj") for path in Path("/dev/shm").glob(f"sem.{kind}[0-9]*-*")}
    return {name for name in names if not is_alive(int(name[len("sem.hdr") :].split("-")[0]))}


def traces(base: Path) -> set[str]:
    """All that the runs of a test have left, or have in use."""
    running = {f"{name} ({pid})" for pid, name in processes(base).items()}
    return running | {str(path) for path in base.iterdir()} | semaphores()


def next_command(base: Path) -> None:
    """What every command does first, in a temp folder."""
    assert os.environ["TMPDIR"] == str(base)
    tempfile.tempdir = None  # Python looks once
    try:
        clear_abandoned()
    finally:
        tempfile.tempdir = None
