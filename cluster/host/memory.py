"""What meminfo, zoneinfo and buddyinfo say.

Formats: fs/proc/meminfo.c (before 2.6.28 fs/proc/proc_misc.c), zoneinfo_show_print and frag_show_print of mm/vmstat.c.
"""

import re
from dataclasses import dataclass
from typing import Final

from netswap.cluster.host.files import Saved

KIB: Final = 1024
MEMORY_MAX: Final = 64 << 40
"""Bytes that a scenario can have: what a physical address of x86-64 reaches."""
_FIELD: Final = re.compile(r"([A-Za-z][^:]{0,40}):\s*(\d{1,20})( kB)?\s*")
_PAGES: Final = (
    *("MemFree", "Buffers", "Cached", "Active", "Inactive", "Active(anon)", "Inactive(anon)", "Active(file)"),
    *("Inactive(file)", "AnonPages", "Mapped", "Slab", "SReclaimable", "SUnreclaim", "Shmem", "Dirty"),
)
"""Sizes that are counted in whole pages."""
_PAGES_NEEDED: Final = 6
_BOUNDED: Final = ("MemTotal", "SwapTotal", "SwapFree", "HugePages_Total", "Hugepagesize", *_PAGES)
"""Fields that a scenario is made of. Other fields have been seen with a wrapped number, as Committed_AS."""
_ZONE: Final = re.compile(r"Node\s+(\d+), zone\s+(\S+)")
_MARK: Final = re.compile(r"\s+(?:pages )?(free|boost|min|low|high|spanned|present|managed|cma)(?:\s+(\S*))?\s*")
_END: Final = "start_pfn"
_LAST: Final = re.compile(rf"\s*{_END}:\s+\d+\s*")
"""What a zone with pages ends with, in all kernels that have the file."""
_NEEDED: Final = ("free", "min", "low", "high", "present")


@dataclass(frozen=True, slots=True)
class Meminfo:
    """Sizes in bytes by their names in the file; counts of huge pages as they are."""

    label: str
    sizes: dict[str, int]

    def __getitem__(self, name: str) -> int:
        """A size in bytes; 0 for what this kernel does not tell."""
        return self.sizes.get(name, 0)

    @property
    def huge(self) -> int:
        """Bytes that are set aside as huge pages, which nothing else can use."""
        return self["HugePages_Total"] * self["Hugepagesize"]

    def whole_pages(self, sizes: tuple[int, ...]) -> int:
        """The largest of these sizes (bytes) of which all that is counted in pages is a multiple; 0 if too little is counted.

        That six numbers are multiples of 16 KiB by chance, where pages have 4, happens once in 4096 times.
        """
        counted = [self[name] for name in _PAGES if self[name]]
        if len(counted) < _PAGES_NEEDED:
            return 0
        return max((size for size in sizes if all(one % size == 0 for one in counted)), default=0)


def meminfo(saved: Saved) -> Meminfo:
    """Read it. Raises ScenarioError, with the line."""
    sizes: dict[str, int] = {}
    last = 1
    for last, line in saved.lines():
        if not line.strip():
            continue
        match = _FIELD.fullmatch(line)
        if match is None or not (match[3] or match[1].startswith("HugePages")):
            raise saved.wrong(last, f'"{line[:50]}" is no line of meminfo: it has no size in kB, or is cut off')
        count = saved.number(last, match[2], MEMORY_MAX if match[1] in _BOUNDED else 1 << 64)
        sizes[match[1]] = count if match[1].startswith("HugePages") else count * KIB
    if not sizes:
        hint = "files of /proc have no length, so that tar and rsync copy nothing of them: copy with cat or cp"
        raise saved.wrong(1, "it is empty", hint)
    if not sizes.get("MemTotal"):
        raise saved.wrong(last if "MemTotal" not in sizes else 1, "it says no MemTotal, or that it is 0")
    if not 16 << 20 <= sizes["MemTotal"] <= MEMORY_MAX:
        raise saved.wrong(1, f"MemTotal is {sizes['MemTotal'] // KIB} kB, which is the memory of no machine")
    return Meminfo(saved.label, sizes)


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone; all in pages of the host. `managed` is `present` where the kernel does not tell it."""

    node: int
    name: str
    free: int
    min: int
    """Without the boost, which the kernel counts in."""
    low: int
    high: int
    boost: int
    managed: int
    cma: int


@dataclass(frozen=True, slots=True)
class Zoneinfo:
    """All zones that have pages, and how many CPUs have lists of free pages."""

    label: str
    zones: tuple[Zone, ...]
    cpus: int

    @property
    def managed(self) -> int:
        """Pages of all zones."""
        return sum(zone.managed for zone in self.zones)

    @property
    def min(self) -> int:
        """Pages below which only some requests go."""
        return sum(zone.min for zone in self.zones)

    @property
    def boost(self) -> int:
        """Pages by which the marks are raised at the moment."""
        return sum(zone.boost for zone in self.zones)


def zoneinfo(saved: Saved) -> Zoneinfo:
    """Read it. Raises ScenarioError, with the line."""
    zones: list[Zone] = []
    cpus: set[str] = set()
    head: tuple[int, str, str] | None = None
    marks: dict[str, int] = {}
    number, ended = 0, 0
    for number, line in saved.lines():
        zone = _ZONE.match(line)
        if zone is not None:
            zones += _zone(saved, head, marks)
            head, marks = (number, zone[1], zone[2]), {}
        elif head is None and line.strip():
            raise saved.wrong(number, f'"{line[:50]}" stands before the first zone')
        elif line.strip().startswith(_END):
            ended += _LAST.fullmatch(line) is not None
        elif line.strip().startswith("cpu:"):
            cpus.add(line.split(":")[1].strip())
        elif mark := _MARK.fullmatch(line):
            marks.setdefault(mark[1], saved.number(number, mark[2] or ""))
    zones += _zone(saved, head, marks)
    if not zones:
        raise saved.wrong(1, "it has no zone with pages")
    if (ended or cpus) and ended < len(zones):
        raise saved.wrong(number, f"zone {zones[-1].name} does not end with {_END}: the file is cut off")
    return Zoneinfo(saved.label, tuple(zones), len(cpus))


def _zone(saved: Saved, head: tuple[int, str, str] | None, marks: dict[str, int]) -> list[Zone]:
    """The zone that has been read; none if it has no pages."""
    if head is None:
        return []
    missing = [name for name in _NEEDED if name not in marks]
    if missing and (marks.get("present") or "present" not in marks):
        raise saved.wrong(head[0], f"zone {head[2]} says no {', '.join(missing)}: the file is cut off")
    managed = marks.get("managed", marks["present"])
    if not managed:
        return []
    boost = marks.get("boost", 0)
    low, high = marks["low"], marks["high"]
    return [
        Zone(int(head[1]), head[2], marks["free"], marks["min"] - boost, low, high, boost, managed, marks.get("cma", 0))
    ]


def buddyinfo(saved: Saved) -> dict[str, list[int]]:
    """Free blocks of each order, by the zone. Raises ScenarioError, with the line."""
    blocks: dict[str, list[int]] = {}
    orders = 0
    for number, line in saved.lines():
        zone = _ZONE.match(line)
        if zone is None:
            if line.strip():
                raise saved.wrong(number, f'"{line[:50]}" is no line of buddyinfo')
            continue
        counts = [saved.number(number, one) for one in line[zone.end() :].split()]
        if not counts or len(counts) < orders:
            raise saved.wrong(number, f"zone {zone[2]} has {len(counts) or 'no'} counts: the line is cut off")
        orders = len(counts)
        blocks[f"node {zone[1]} {zone[2]}"] = counts
    if not blocks:
        raise saved.wrong(1, "it has no zone")
    return blocks
