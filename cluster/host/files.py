"""The files of one host: found in a saved folder, in a packed one (tar.gz), or on this computer; none is read that is not known.

Only names are looked at, and of known files a bounded number of bytes, so a folder may hold anything beside them. A file is known
by its path as in /proc and /sys (`proc/net/tcp`), by the same below /proc (`net/tcp`), or by that as one name (`net_tcp.txt`).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from netswap.cluster.scenario.errors import Problem, ScenarioError

_VM: Final = (
    "min_free_kbytes watermark_scale_factor watermark_boost_factor swappiness page-cluster dirty_ratio dirty_background_ratio "
    "dirty_bytes dirty_background_bytes dirty_expire_centisecs dirty_writeback_centisecs lowmem_reserve_ratio overcommit_memory"
)
_CORE: Final = "rmem_default rmem_max wmem_default netdev_max_backlog high_order_alloc_disable"
_IPV4: Final = (
    "tcp_mem tcp_rmem tcp_wmem udp_mem udp_rmem_min tcp_moderate_rcvbuf tcp_retries2 "
    "ipfrag_high_thresh ipfrag_low_thresh ipfrag_time"
)
_SUNRPC: Final = "tcp_slot_table_entries udp_slot_table_entries tcp_max_slot_table_entries"
SYSCTLS: Final = (
    *(f"vm/{name}" for name in _VM.split()),
    *(f"net/core/{name}" for name in _CORE.split()),
    *(f"net/ipv4/{name}" for name in _IPV4.split()),
    *(f"sunrpc/{name}" for name in _SUNRPC.split()),
    "kernel/osrelease",
)
"""Settings that are read, below /proc/sys."""
PROC: Final = (
    *("meminfo", "zoneinfo", "buddyinfo", "swaps", "mounts", "cmdline", "version", "stat"),
    *(f"net/{name}" for name in ("sockstat", "sockstat6", "udp", "udp6", "tcp", "tcp6")),
    *(f"sys/{name}" for name in SYSCTLS),
)
"""Files that are read, below /proc."""
OTHERS: Final = {
    "sys/kernel/mm/transparent_hugepage/enabled": (
        "thp",
        "thp_enabled",
        "transparent_hugepage",
        "transparent_hugepage_enabled",
    ),
    "sys/module/zswap/parameters/enabled": ("zswap", "zswap_enabled"),
    "uname": ("uname-r", "uname-a", "sos_commands/kernel/uname_-a", "sos_commands/host/uname_-a"),
    "pagesize": ("page_size", "getconf_pagesize"),
    "sysctl": ("sysctl-a", "sysctl.conf", "sos_commands/kernel/sysctl_-a"),
    "mount": ("mount-l", "sos_commands/filesys/mount_-l"),
    "swapon": (
        "swapon-s",
        "swapon--show",
        "swapon--bytes--show",
        "sos_commands/memory/swapon_--bytes_--show",
        "sos_commands/memory/swapon_--show",
    ),
}
"""Files by their own path, and other names that they are saved under."""
_QUEUE: Final = "nr_requests|max_sectors_kb|scheduler|read_ahead_kb"
_BLOCK: Final = (
    rf"sys/block/[^/]+/(?:queue/(?:{_QUEUE})|transport|loop/backing_file|driver|backing|dm/(?:name|uuid)|slaves/[^/]+)"
)
_NET: Final = r"sys/class/net/[^/]+/(?:speed|mtu|operstate|driver)"
_LIMIT: Final = r"(?:.+/)?memory\.(?:max|high|swap\.max|limit_in_bytes|memsw\.limit_in_bytes)"
_ETHTOOL: Final = r"(?:.+/)?ethtool[ _.-]*(?:[ig][ _.-]+)?[^/]*"
_LISTING: Final = r"(?:.+/)?(?:ss|netstat|lsblk)(?:[ _.-][^/]*)?"
"""What these commands have printed, whatever their options."""
_SEVERAL: Final = re.compile(rf"(?:{_BLOCK}|{_NET}|{_LIMIT}|{_ETHTOOL}|{_LISTING})(?:\.txt)?")
_LINK: Final = re.compile(r"sys/block/[^/]+(?:/device/driver|/slaves/[^/]+)?|sys/class/net/[^/]+/device/driver")
"""Links of /sys whose target tells something."""
_OF_PROCESS: Final = re.compile(r"(?:proc/)?(self|thread-self|\d+)/(mounts|net/(?:tcp|udp)6?|net/sockstat6?)")
"""/proc/net and /proc/mounts are links to what a process sees, and are often saved as that."""
_DEVICE: Final = re.compile(r"sys/devices/.+?/(block|net)/(.+)")
"""Where the links in /sys/block and /sys/class/net lead."""
_ENDINGS: Final = re.compile(r"\.(?:txt|out|log)$")
_COMPLAINT: Final = re.compile(
    r"\S[^\n]{0,200}?(?:permission denied|operation not permitted|no such file or directory|command not found|not found|"
    r"invalid argument|operation not supported|input/output error|no such device)\.?\s*",
    re.IGNORECASE,
)
"""What a shell or a tool says instead of the file, where it was saved with what went wrong."""

_COMPLAINT_MAX: Final = 400
BYTES_MAX: Final = 16 << 20
"""Bytes of a file that is no table of sockets: a zoneinfo of a thousand CPUs has 4 MiB, mounts of a thousand containers 5."""
TABLE_BYTES_MAX: Final = 48 << 20
"""Bytes of a table of sockets: 300,000 sockets."""
ENTRIES_MAX: Final = 400_000
"""Names that are looked at, those near the top first."""
DEPTH_MAX: Final = 14
_LAST: Final = 1_000_000_000


def squashed(path: str) -> str:
    """A path as it is recognised: without case, separators, and the ending of a text."""
    return re.sub(r"[^a-z0-9]", "", _ENDINGS.sub("", path.lower()))


def _names() -> Iterator[tuple[str, str]]:
    for name in PROC:
        for alias in (f"proc/{name}", name, name.removeprefix("sys/")):
            yield squashed(alias), f"proc/{name}"
    for name, aliases in OTHERS.items():
        for alias in (name, *aliases):
            yield squashed(alias), name


_KNOWN: Final = dict(_names())
_BASENAMES: Final = {squashed(one) for name in (*PROC, *OTHERS) for one in (PurePosixPath(name).name,)}


def kind_of(path: str) -> str | None:
    """What a file is, by its path below the host's folder: the path that it has on a machine; None if it is not known."""
    if path.startswith(("block/", "class/net/")):
        path = f"sys/{path}"
    seen = _OF_PROCESS.fullmatch(path)
    if seen is not None:
        return f"proc/{seen[2]}"
    behind = _DEVICE.fullmatch(path)
    if behind is not None:
        path = f"sys/{'block' if behind[1] == 'block' else 'class/net'}/{behind[2]}"
    if _SEVERAL.fullmatch(path):
        return _ENDINGS.sub("", path)
    if _LINK.fullmatch(path):
        return path
    return _KNOWN.get(squashed(path))


def is_link(path: str) -> bool:
    """Whether a path below whatever folders is that of a link of /sys whose target tells something."""
    return any(_LINK.fullmatch(path[at:]) for at in _starts(path))


def may_be_known(path: str) -> bool:
    """Whether a path, below whatever folders, can be that of a known file."""
    name = squashed(path.rpartition("/")[2])
    if name in _KNOWN or name in _BASENAMES:
        return True
    return any(kind_of(path[at:]) is not None for at in _starts(path))


def _starts(path: str) -> list[int]:
    """Where the parts of a path begin, from the first on."""
    return [0, *(at + 1 for at, one in enumerate(path) if one == "/")]


@dataclass(frozen=True, slots=True)
class Saved:
    """One file. `label` is how people find it."""

    label: str
    text: str

    def lines(self) -> Iterator[tuple[int, str]]:
        """The file's lines, numbered from 1, one at a time: a table may have a million."""
        number, start, end = 1, 0, len(self.text)
        while start < end:
            stop = self.text.find("\n", start)
            stop = end if stop < 0 else stop
            yield number, self.text[start:stop].rstrip("\r")
            number, start = number + 1, stop + 1

    def wrong(self, line: int, message: str, hint: str = "copy the file again, or take it away") -> ScenarioError:
        """What is wrong with it, at a line."""
        return ScenarioError([Problem(self.label, line, 1, message, hint)])

    def number(self, line: int, text: str, most: int = 1 << 63) -> int:
        """A whole number of a line. Raises ScenarioError."""
        if not (text.isascii() and text.isdigit() and len(text) <= 20 and int(text) <= most):
            raise self.wrong(
                line, f'"{text[:40]}" is no number' if text else "a number is missing: the line is cut off"
            )
        return int(text)


class Tree:
    """The known files of one host, by the path that each has on a machine."""

    def __init__(self, place: str, found: Mapping[str, str], read: Callable[[str, int], bytes]) -> None:
        """`found`: for each path on a machine the path below `place`; `read(path, n)` reads that path, n bytes at most."""
        self.place = place
        self.unread: dict[str, str] = {}
        """Why files that are there could not be read, by their paths on a machine; of those that have been asked for."""
        self._found = found
        self._read = read

    def __contains__(self, path: str) -> bool:
        return path in self._found and path not in self.unread

    def label(self, path: str) -> str:
        """How people find a file; its path on a machine if there is none."""
        return f"{self.place.rstrip('/')}/{self._found[path]}" if path in self._found else path

    def matching(self, pattern: str) -> list[tuple[str, re.Match[str]]]:
        """(path, match) of all whose whole path matches, in order; the shallow ones first."""
        found = [
            (path, re.fullmatch(pattern, path)) for path in sorted(self._found, key=lambda one: (one.count("/"), one))
        ]
        return [(path, match) for path, match in found if match is not None]

    def get(self, path: str) -> Saved | None:
        """A file as text; None if there is none, or it cannot be read. Raises ScenarioError for what is no text."""
        if path not in self._found:
            return None
        label = self.label(path)
        most = TABLE_BYTES_MAX if re.fullmatch(r"proc/net/(?:tcp|udp)6?", path) else BYTES_MAX
        try:
            data = self._read(self._found[path], most + 1)
        except OSError as error:
            self.unread[path] = error.strerror or str(error)
            return None
        if len(data) > most:
            what = f"this is larger than {most >> 20} MiB, and no {path}"
            raise ScenarioError([Problem(label, 1, 1, what, "copy the file again, or take it away")])
        if b"\0" in data:
            line = data[: data.index(b"\0")].count(b"\n") + 1
            raise ScenarioError([Problem(label, line, 1, "this is no text", "copy the file again, or take it away")])
        if len(data) < _COMPLAINT_MAX and _COMPLAINT.fullmatch(text := data.decode("utf-8", "replace")):
            self.unread[path] = f"it says only: {text.strip()}"
            return None
        return Saved(label, data.decode("utf-8", "replace"))

    def needed(self, path: str) -> Saved:
        """A file without which nothing can be said. Raises ScenarioError."""
        saved = self.get(path)
        if saved is None:
            name = path.removeprefix("proc/")
            what = f"there is no {name}" if path not in self.unread else f"{name} cannot be read: {self.unread[path]}"
            hint = "name a folder with the files of a machine's /proc (netswap from-host --collect), or none for this computer"
            raise ScenarioError([Problem(self.place, 1, 1, what, hint)])
        return saved


def tree_of(place: str, paths: Iterable[str], read: Callable[[str, int], bytes]) -> Tree:
    """The one host whose files are among these paths. Raises ScenarioError where there is none, or several."""
    listed = [path for path in paths if may_be_known(path)]
    top = _top(place, listed)
    found: dict[str, str] = {}
    for path in sorted(listed, key=lambda one: _rank(one[len(top) :])):
        if not path.startswith(top):
            continue
        kind = kind_of(path[len(top) :])
        if kind is not None and (kind not in found or path[len(top) :] == kind):
            found[kind] = path
    return Tree(place, found, read)


def _rank(path: str) -> tuple[int, int, str]:
    """The order of files of a kind, the first of which counts: near the top; of processes itself, the first, then the latest."""
    seen = _OF_PROCESS.fullmatch(path)
    if seen is None:
        return path.count("/"), 0, path
    order = ("self", "thread-self", "1")
    return _LAST, order.index(seen[1]) if seen[1] in order else _LAST - int(seen[1][:8]), path


def _top(place: str, listed: list[str]) -> str:
    """The folder, below `place`, that a host's files are in, with its slash."""
    tops: dict[str, int] = {}
    for path in listed:
        at = next((at for at in _starts(path) if kind_of(path[at:]) == "proc/meminfo"), None)
        if at is not None:
            tops[path[:at]] = path.count("/", 0, at)
    if not tops:
        return ""
    least = min(tops.values())
    nearest = sorted(top for top, depth in tops.items() if depth == least)
    if len(nearest) > 1:
        names = ", ".join(one.rstrip("/") for one in nearest[:4])
        what = f"here are the files of {len(nearest)} machines, or of one at several times: {names}"
        raise ScenarioError(
            [Problem(place, 1, 1, what, f"name one of them, as {place.rstrip('/')}/{nearest[0].rstrip('/')}")]
        )
    return nearest[0]
