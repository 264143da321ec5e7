"""What swaps, mounts and /sys/block say: where pages go, and over what.

Formats: swap_show of mm/swapfile.c, show_vfsmnt of fs/proc_namespace.c, block/blk-sysfs.c.
"""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import NamedTuple

from netswap.cluster.host.files import Saved, Tree


class SwapArea(NamedTuple):
    """One swap device or file; sizes in bytes."""

    path: str
    is_file: bool
    size: int
    used: int
    line: int


class Mount(NamedTuple):
    """One mounted file system."""

    device: str
    point: str
    kind: str
    options: dict[str, str]


@dataclass(slots=True)
class Block:
    """One block device, as far as it is known."""

    queue: dict[str, str] = field(default_factory=dict)
    transport: str = ""
    """`iscsi`, where the device hangs on a session."""
    driver: str = ""
    backing: str = ""
    """Of a loop device its file."""


def swaps(saved: Saved) -> list[SwapArea]:
    """All areas, as they are listed. Raises ScenarioError, with the line."""
    areas = []
    number = 0
    for number, line in saved.lines():
        fields = line.split()
        if number == 1:
            if fields[:2] != ["Filename", "Type"]:
                raise saved.wrong(1, "it does not begin with Filename and Type")
        elif fields:
            if len(fields) < 5 or fields[-4] not in ("partition", "file"):
                raise saved.wrong(number, f'"{line[:50]}" is no line of swaps, or it is cut off')
            size, used = (saved.number(number, one, 1 << 40) * 1024 for one in fields[-3:-1])
            path = _unescaped(" ".join(fields[:-4]))
            areas.append(SwapArea(path, fields[-4] == "file", size, used, number))
    if number == 0:
        raise saved.wrong(1, "it is empty")
    return areas


def mounts(saved: Saved) -> list[Mount]:
    """All file systems, the last mounted last. Raises ScenarioError, with the line."""
    found = []
    for number, line in saved.lines():
        fields = line.split()
        if not fields:
            continue
        if len(fields) < 4:
            raise saved.wrong(number, f'"{line[:50]}" is no line of mounts, or it is cut off')
        pairs = (one.partition("=") for one in fields[3].split(","))
        found.append(
            Mount(_unescaped(fields[0]), _unescaped(fields[1]), fields[2], {name: value for name, _, value in pairs})
        )
    if not found:
        raise saved.wrong(1, "nothing is mounted: the file is empty")
    return found


def mount_of(path: str, mounted: list[Mount]) -> Mount | None:
    """The file system that a file is on: of those whose mount point is above it the deepest, and of these the last."""
    above = [one for one in mounted if PurePosixPath(path).is_relative_to(one.point)]
    return max(enumerate(above), key=lambda one: (len(PurePosixPath(one[1].point).parts), one[0]), default=(0, None))[1]


def _unescaped(word: str) -> str:
    """Spaces and the like stand as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), word)


def blocks(tree: Tree) -> dict[str, Block]:
    """Block devices by their names."""
    found: dict[str, Block] = {}
    for path, match in tree.matching(r"sys/block/([^/]+)(?:/(.+))?"):
        block = found.setdefault(match[1], Block())
        saved = tree.get(path)
        if saved is None:
            continue
        text, what = saved.text.strip(), match[2] or ""
        if what.startswith("queue/"):
            block.queue[what.removeprefix("queue/")] = text
        elif what == "transport" or (what == "" and re.search(r"/session\d+/", text)):
            block.transport = "iscsi" if what == "" else text
        elif what in ("driver", "device/driver"):
            block.driver = text.rpartition("/")[2]
        elif what in ("loop/backing_file", "backing"):
            block.backing = text
    return found
