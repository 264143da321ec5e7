"""What swaps, mounts and /sys/block say: where pages go, and over what.

Formats: swap_show of mm/swapfile.c, show_vfsmnt of fs/proc_namespace.c, block/blk-sysfs.c.
"""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from netswap.cluster.host.files import Saved, Tree

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)([BKMGT]?)")
_UNITS: Final = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_PRIORITY: Final = re.compile(r"-?\d{1,6}")
_PRINTED: Final = re.compile(r"(\S.*?) on (/.*?) type (\S+) \((.*?)\)(?: \[.*\])?\s*")
"""A line of `mount`."""
_COLUMNS: Final = 6
"""Columns of a line of mounts; the two last are 0 0."""
_LSBLK: Final = re.compile(r"([\s|`\u2502\u251c\u2514\u2500-]*)([^\s\u2500-]\S*)\s+(?:\([^)]*\)\s+)?(\d+):(\d+)\s")
"""A line of lsblk: the branches of the tree, the name, the device's numbers."""


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
    """The file of a loop device."""
    parents: list[str] = field(default_factory=list)
    """Devices that this one is made of: of a partition, a volume, a RAID."""
    is_crypt: bool = False


def swaps_of(tree: Tree) -> list[SwapArea] | None:
    """From /proc/swaps, or what swapon has printed; None without either. Raises ScenarioError, with the line."""
    for path in ("proc/swaps", "swapon"):
        saved = tree.get(path)
        if saved is not None:
            shown = saved.text.lstrip()
            return _shown(saved) if path == "swapon" and not shown.startswith("Filename") else swaps(saved)
    return None


def mounts_of(tree: Tree) -> list[Mount] | None:
    """From /proc/mounts, or what mount has printed; None without either. Raises ScenarioError, with the line."""
    for path in ("proc/mounts", "mount"):
        saved = tree.get(path)
        if saved is not None:
            return mounts(saved)
    return None


def _shown(saved: Saved) -> list[SwapArea]:
    """`swapon --show`, with sizes in bytes or in units; nothing at all where there is no area."""
    areas = []
    for number, line in saved.lines():
        fields = line.split()
        if not fields or fields[:2] == ["NAME", "TYPE"]:
            continue
        sizes = [_SIZE.fullmatch(one) for one in fields[-3:-1]]
        if len(fields) < 5 or fields[-4] not in ("partition", "file") or None in sizes:
            raise saved.wrong(number, f'"{line[:50]}" is no line of swapon --show, or it is cut off')
        size, used = (int(float(one[1]) * _UNITS[one[2]]) for one in sizes if one is not None)
        areas.append(SwapArea(_unescaped(" ".join(fields[:-4])), fields[-4] == "file", size, used, number))
    return areas


def swaps(saved: Saved) -> list[SwapArea]:
    """All areas, as they are listed. Raises ScenarioError, with the line."""
    areas = []
    number = 0
    for number, line in saved.lines():
        fields = line.split()
        if number == 1:
            if fields[:2] != ["Filename", "Type"]:
                raise saved.wrong(1, "it does not begin with Filename and Type")
            if fields[-1] != "Priority" and "\n" not in saved.text:
                raise saved.wrong(1, "the names of its columns are cut off, and there is nothing below")
        elif fields:
            if len(fields) < 5 or fields[-4] not in ("partition", "file") or not _PRIORITY.fullmatch(fields[-1]):
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
        told = _PRINTED.fullmatch(line)
        if told is not None:
            device, point, kind, options = told.groups()
        elif len(fields) >= _COLUMNS:
            device, point, kind, options = (_unescaped(one) for one in fields[:4])
        else:
            raise saved.wrong(number, f'"{line[:50]}" is no line of mounts, or it is cut off')
        # Of thousands of containers the options would be megabytes, and they say nothing here.
        pairs = (one.partition("=") for one in (options.split(",") if kind.startswith("nfs") else ()))
        found.append(Mount(device, point, kind, {name: value for name, _, value in pairs}))
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
    """Block devices by their names, those of the device mapper by both of theirs."""
    found: dict[str, Block] = {}
    for path, match in tree.matching(r"sys/block/([^/]+)(?:/(.+))?"):
        block = found.setdefault(match[1], Block())
        saved = tree.get(path)
        if (match[2] or "").startswith("slaves/"):
            block.parents.append(path.rpartition("/")[2])
        elif saved is not None:
            _of_sys(found, match[1], match[2] or "", saved.text.strip())
    for path, _ in tree.matching(r"(?:.+/)?lsblk(?:[ _.-][^/]*)?"):
        saved = tree.get(path)
        if saved is not None:
            _of_lsblk(found, saved)
    return found


def _of_sys(found: dict[str, Block], name: str, what: str, text: str) -> None:
    block = found[name]
    if what.startswith("queue/"):
        block.queue[what.removeprefix("queue/")] = text
    elif what == "transport":
        block.transport = text
    elif not what and re.search(r"/session\d+/", text):
        block.transport = "iscsi"
    elif not what and "nvme-fabrics" in text:
        block.transport = "nvme"
    elif what in ("driver", "device/driver"):
        block.driver = text.rpartition("/")[2]
    elif what in ("loop/backing_file", "backing"):
        block.backing = text
    elif what == "dm/uuid":
        block.is_crypt = block.is_crypt or text.startswith("CRYPT-")
    elif what == "dm/name" and text:
        found.setdefault(text, block)


def _of_lsblk(found: dict[str, Block], saved: Saved) -> None:
    """A tree of devices: what stands deeper is made of what it stands below."""
    above: list[tuple[int, str]] = []
    for _, line in saved.lines():
        match = _LSBLK.match(line)
        if match is None:
            continue
        depth, minor, words = len(match[1]), match[4], line[match.end() :].split()
        name = match[2].removeprefix("/dev/").removeprefix("mapper/")
        above = [one for one in above if one[0] < depth]
        mapped = next((word for word in words if word in ("lvm", "crypt", "mpath", "dm")), "")
        names = [name, f"dm-{minor}"] if mapped else [name]
        block = next((found[one] for one in names if one in found), Block())
        for one in names:
            found[one] = block
        block.is_crypt = block.is_crypt or mapped == "crypt"
        if above and above[-1][1] not in block.parents:
            block.parents.append(above[-1][1])
        if "iscsi" in words:
            block.transport = "iscsi"
        above.append((depth, name))
