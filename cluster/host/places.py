"""Where a host's files are: a folder, a packed folder, or this computer."""

import os
import stat
import tarfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from netswap.cluster.host.files import (
    BYTES_MAX,
    DEPTH_MAX,
    ENTRIES_MAX,
    PROC,
    TABLE_BYTES_MAX,
    Tree,
    is_link,
    may_be_known,
    tree_of,
)
from netswap.cluster.recordings.packed import DAMAGED, unpacked
from netswap.cluster.scenario.errors import Problem, ScenarioError

LIVE: Final = "/"
KEPT_MAX: Final = 128 << 20
"""Bytes of known files of an archive, all together."""
_LIVE: Final = (
    "sys/kernel/mm/transparent_hugepage/enabled",
    "sys/module/zswap/parameters/enabled",
    *(
        f"sys/block/*/{name}"
        for name in ("queue/nr_requests", "queue/max_sectors_kb", "queue/read_ahead_kb", "queue/scheduler")
    ),
    *("sys/block/*", "sys/block/*/loop/backing_file", "sys/block/*/device/driver"),
    *("sys/block/*/slaves/*", "sys/block/*/dm/uuid"),
    *(f"sys/class/net/*/{name}" for name in ("speed", "mtu", "operstate", "device/driver")),
)


def opened(place: Path | None) -> Tree:
    """The files of a host: of a folder, of a packed one, or of this computer. Raises ScenarioError."""
    if place is None:
        return _live()
    if place.is_dir():
        return tree_of(str(place), _walked(place), lambda path, most: _read(place, path, most))
    if place.is_file():
        return _archive(place)
    what = "there is no such folder" if not place.exists() else "this is neither a folder nor a packed one"
    raise ScenarioError([Problem(str(place), 1, 1, what, "name a folder, or a tar.gz as `--collect` makes it")])


# -- a folder -----------------------------------------------------------------------------------------------------------


def _walked(top: Path) -> Iterator[str]:
    """Paths of files and links below a folder, those near the top first; no link is followed to a folder."""
    waiting = deque([("", 0)])
    seen = 0
    while waiting:
        below, depth = waiting.popleft()
        try:
            entries = sorted(os.scandir(top / below), key=lambda one: one.name)
        except OSError:
            continue
        for entry in entries:
            seen += 1
            if seen > ENTRIES_MAX:
                return
            path = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if depth < DEPTH_MAX:
                    waiting.append((f"{path}/", depth + 1))
            else:
                yield path


def _read(top: Path, path: str, most: int) -> bytes:
    """A file's first bytes; what a link of /sys says, if it leads to no file. Raises OSError."""
    whole = top / path
    if whole.is_symlink():
        if is_link(path):
            return os.fsencode(os.readlink(whole))
        if not whole.resolve().is_relative_to(top.resolve()):
            raise OSError("this leads out of the folder")
    number = os.open(whole, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise OSError("no file")
        return file.read(most)


# -- a packed folder ----------------------------------------------------------------------------------------------------


def _archive(place: Path) -> Tree:
    """Known files of a tar, packed or not, read through once; the others are passed over. Raises ScenarioError.

    Not with tarfile's own streams (`r|*`): they take minutes for a gigabyte that packs well.
    """
    kept: dict[str, bytes] = {}
    size = 0
    try:
        with place.open("rb") as packed, unpacked(packed) as file, tarfile.open(fileobj=file, mode="r:") as archive:
            for seen, member in enumerate(archive):
                archive.members = []  # type: ignore[attr-defined]  # tarfile keeps a list of all that it has seen
                path = member.name.removeprefix("./").lstrip("/")
                if seen > ENTRIES_MAX or size > KEPT_MAX:
                    break
                if not may_be_known(path):
                    continue
                if member.issym() and not is_link(path):
                    continue
                data = member.linkname.encode() if member.issym() else _member(archive, member)
                size += len(data)
                kept[path] = data
    except (tarfile.TarError, *DAMAGED, OSError) as error:
        what = f"this is no tar.gz, or it is cut off: {error}"
        raise ScenarioError([Problem(str(place), 1, 1, what, "pack the folder again, or name it unpacked")]) from None
    return tree_of(str(place), kept, lambda path, most: kept[path][:most])


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member) if member.isfile() else None
    most = TABLE_BYTES_MAX if "/net/" in f"/{member.name}" else BYTES_MAX
    return b"" if file is None else file.read(most + 1)


# -- this computer ------------------------------------------------------------------------------------------------------


def _live() -> Tree:
    top = Path(LIVE)
    paths = [f"proc/{name}" for name in PROC if (top / "proc" / name).exists()]
    paths += [str(path.relative_to(top)) for pattern in _LIVE for path in sorted(top.glob(pattern))]
    found = {path: path for path in paths} | dict(_limits(top))
    found["uname"], found["pagesize"] = "uname -r", "getconf PAGESIZE"
    told = {"uname -r": os.uname().release, "getconf PAGESIZE": str(os.sysconf("SC_PAGE_SIZE"))}

    def read(path: str, most: int) -> bytes:
        return told[path].encode() if path in told else _read(top, path, most)

    return Tree(LIVE, found, read)


def _limits(top: Path) -> Iterator[tuple[str, str]]:
    """The files of the control group that this process is in, version 2 or 1, and of those above it."""
    for line in (top / "proc/self/cgroup").read_text().splitlines() if (top / "proc/self/cgroup").exists() else []:
        _, controllers, below = ([*line.split(":", 2), "", ""])[:3]
        if controllers and "memory" not in controllers.split(","):
            continue
        base = Path("sys/fs/cgroup/memory" if controllers else "sys/fs/cgroup")
        parts = Path(below.lstrip("/")).parts
        for end in range(len(parts) + 1):
            for name in ("memory.max", "memory.swap.max", "memory.limit_in_bytes"):
                path = base.joinpath(*parts[:end], name)
                if (top / path).is_file():
                    yield str(path), str(path)
