"""What else a machine says of itself: kernel, settings, limits of control groups, transparent huge pages, size of a page."""

import re
from itertools import pairwise
from typing import Final, NamedTuple

from netswap.cluster.host.files import SYSCTLS, Saved, Tree
from netswap.cluster.host.memory import Meminfo, Zoneinfo

THREE: Final = ("net/ipv4/tcp_mem", "net/ipv4/udp_mem", "net/ipv4/tcp_rmem", "net/ipv4/tcp_wmem")
"""Settings that are three numbers."""
_CPU: Final = re.compile(r"cpu\d+(?: |$)")
PAGE_SIZES: Final = (4096, 8192, 16_384, 65_536)
LIMIT_MIN: Final = 16 << 20
"""Bytes of a limit below which nothing can be run that is worth asking about."""
_LIMITS: Final = r"(?:.+/)?memory\.(max|limit_in_bytes)"
UNLIMITED: Final = 1 << 62
"""A limit of a control group from here on is none: version 1 writes the largest number of whole pages."""


class Setting(NamedTuple):
    """A sysctl: its numbers, and the file that says it."""

    values: tuple[int, ...]
    label: str

    @property
    def value(self) -> int:
        """The number of a setting that is a single one."""
        return self.values[0]


class Release(NamedTuple):
    """A kernel's version."""

    text: str
    version: tuple[int, int, int]
    label: str


def release(tree: Tree) -> Release | None:
    """The release in /proc/version, osrelease or uname. Raises ScenarioError for a file that names none."""
    for path in ("proc/sys/kernel/osrelease", "proc/version", "uname"):
        saved = tree.get(path)
        if saved is None or (path == "proc/version" and "uname" in tree and "Linux version" not in saved.text):
            continue  # a collection has a file of this name that tells its own version
        match = re.search(r"(?:^|(?<=\s))(\d{1,2})\.(\d{1,4})(?:\.(\d{1,4}))?\S*", saved.text.split("(", 1)[0])
        if match is None:
            raise saved.wrong(1, "it names no version of a kernel, as 6.1.0-13-amd64")
        return Release(match[0], (int(match[1]), int(match[2]), int(match[3] or 0)), saved.label)
    return None


def settings(tree: Tree) -> dict[str, Setting]:
    """Sysctls by their path below /proc/sys, from files of their own or from what `sysctl -a` printed. Raises ScenarioError."""
    found: dict[str, Setting] = {}
    listed = tree.get("sysctl")
    for number, line in listed.lines() if listed is not None else ():
        name, equals, value = line.partition("=")
        path = name.strip().replace(".", "/")
        if equals and path in SYSCTLS and path != "kernel/osrelease" and listed is not None:
            found[path] = Setting(_numbers(listed, number, value, 3 if path in THREE else 0), listed.label)
    for name in SYSCTLS:
        saved = tree.get(f"proc/sys/{name}")
        if saved is not None and name != "kernel/osrelease":
            found[name] = Setting(_numbers(saved, 1, saved.text, 3 if name in THREE else 0), saved.label)
    return found


def _numbers(saved: Saved, line: int, text: str, count: int = 0) -> tuple[int, ...]:
    words = text.split()
    if not words:
        raise saved.wrong(line, "it is empty: there is no number")
    if count and len(words) != count:
        raise saved.wrong(line, f"{len(words)} numbers stand here instead of {count}: the file is cut off")
    return tuple(saved.number(line, one) for one in words)


class Limit(NamedTuple):
    """The least limit of the control groups that the machine's programs are in, bytes."""

    size: int
    label: str
    version: int


def limit(tree: Tree) -> Limit | None:
    """The memory limit in force: the least of one group and those above it. Raises ScenarioError.

    A folder with several groups beside each other is that of a whole machine, which none of their limits is about.
    """
    files = [(path.rpartition("/")[0], path, match[1]) for path, match in tree.matching(_LIMITS)]
    groups = sorted({group for group, _, _ in files}, key=len)
    if any(above and not below.startswith(f"{above}/") for above, below in pairwise(groups)):
        return None
    found = []
    for _, path, kind in files:
        saved = tree.get(path)
        text = saved.text.strip() if saved is not None else "max"
        if saved is None or text == "max":
            continue
        size = saved.number(1, text)
        if size < LIMIT_MIN:
            raise saved.wrong(
                1, f"a limit of {size} bytes leaves no room for a program", "name a group with 16 MiB or more"
            )
        if size < UNLIMITED:
            found.append(Limit(size, saved.label, 2 if kind == "max" else 1))
    return min(found, default=None)


def groups(tree: Tree) -> int:
    """How many files there are that say limits of control groups."""
    return len(tree.matching(_LIMITS))


def transparent_huge_pages(tree: Tree) -> tuple[str, str] | None:
    """`always`, `madvise` or `never`, and the file that says it. Raises ScenarioError."""
    saved = tree.get("sys/kernel/mm/transparent_hugepage/enabled")
    if saved is None:
        return None
    match = re.search(r"\[(\w+)\]", saved.text) or re.fullmatch(r"\s*(always|madvise|never)\s*", saved.text)
    if match is None:
        raise saved.wrong(1, "no word is chosen, as in always [madvise] never")
    return match[1], saved.label


def page_size(tree: Tree, memory: Meminfo, zones: Zoneinfo | None) -> tuple[int, str]:
    """Bytes of a page, and how that is known: told, or the one by which zoneinfo's pages come out as meminfo's kB."""
    saved = tree.get("pagesize")
    if saved is not None:
        size = saved.number(1, saved.text.strip())
        if size not in PAGE_SIZES:
            raise saved.wrong(1, f"{size} is the size of no page", f"known are {', '.join(map(str, PAGE_SIZES))}")
        return size, saved.label
    # In a container meminfo may be that of the container, and zoneinfo that of the machine.
    if (
        zones is not None
        and zones.managed * PAGE_SIZES[0] <= memory["MemTotal"] * 2 < zones.managed * PAGE_SIZES[-1] * 4
    ):
        each = memory["MemTotal"] / zones.managed
        return min(PAGE_SIZES, key=lambda size: abs(size - each)), f"{zones.label}, against MemTotal"
    if memory["Hugepagesize"] == 512 << 20:
        return 65_536, f"{memory.label}: huge pages of 512 MiB are those of 64 KiB pages"
    size = memory.whole_pages(PAGE_SIZES)
    return (size, f"{memory.label}: all that it counts in pages is a multiple") if size else (4096, "")


def cpus(tree: Tree, zones: Zoneinfo | None) -> tuple[int, str] | None:
    """How many there are, and the file that says it."""
    saved = tree.get("proc/stat")
    fields = (
        [] if saved is None else [(number, len(line.split())) for number, line in saved.lines() if _CPU.match(line)]
    )
    if saved is not None and fields:
        if fields[-1][1] < fields[0][1]:
            raise saved.wrong(fields[-1][0], "this line has fewer numbers than the others: the file is cut off")
        return len(fields), saved.label
    return (zones.cpus, zones.label) if zones is not None and zones.cpus else None
