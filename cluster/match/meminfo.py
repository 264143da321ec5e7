"""The Mem-Info block that a kernel prints when an allocation fails, when it kills for want of memory, and after SysRq m.

Sources: mm/page_alloc.c show_free_areas of 2.6.22, mm/show_mem.c of 6.11, lib/show_mem.c. Lines of zones count in kB, the
counters before them in pages, whose size (4 to 64 KiB) follows from both; `min` includes the boost of 5.0 and later, and only
later kernels print how much that is.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from netswap.cluster.match.events import Event
from netswap.cluster.match.reading import Line

_BEGIN: Final = re.compile(r"^\s*(?:Mem-[Ii]nfo|Active:\d+ inactive:\d+|active_anon:\d+ inactive_anon:\d+)")
_ZONE: Final = re.compile(
    r"(?:Node\s+(?P<node>\d+)\s+)?\b(?P<name>DMA32|DMA|Normal|HighMem|Movable|Device)\s+free:\s*(?P<free>\d+)\s*kB"
)
_NODE: Final = re.compile(r"\bNode\s+\d+\s+active_anon:")
_VALUE: Final = re.compile(r"\b([a-z][a-z_]*(?:\([a-z]+\))?):\s*(\d+)\s*(kB|KB)?")
_TOTALS: Final = {
    "swap_total": re.compile(r"Total swap\s*=\s*(\d+)\s*kB"),
    "swap_free": re.compile(r"Free swap\s*[=:]\s*(\d+)\s*kB"),
    "ram": re.compile(r"(\d+) pages (?:of )?RAM"),
    "reserved": re.compile(r"(\d+) (?:pages reserved|reserved pages)"),
    "cma": re.compile(r"(\d+) pages cma reserved"),
    "swap_cache": re.compile(r"(\d+) pages in swap cache"),
}
_INSIDE: Final = re.compile(
    r"free:|\w+:\d+|lowmem_reserve|Node \d|per-cpu|CPU\s+\d+:|hi:|\d+\*\d+kB|swap|pages|HighMem|"
    r"hugepages|present:|managed:|min:|"
    r"^\s*(?:DMA|Normal|HighMem|Movable|\d+\s*$|all_unreclaimable)|cma|boost:"
)
_END: Final = re.compile(
    r"INFO: task|Call [Tt]race|invoked oom|page allocation failure|\+0x[0-9a-f]+/|\[ *pid *\]|"
    r"Tasks state|Out of memory|SysRq|sysrq"
)
_LINES_MAX: Final = 400
_OLD_DMA_KIB: Final = 16384
_TIB_KIB: Final = 1 << 30


@dataclass(slots=True)
class Zone:
    """One zone, in KiB."""

    node: int
    name: str
    values: dict[str, int]
    reserve: int = 0
    """Free memory of the zone that is not for requests that have a higher zone: mm/page_alloc.c __zone_watermark_ok."""

    def get(self, name: str) -> int:
        """A number of it, 0 if the kernel did not print it."""
        return self.values.get(name, 0)

    @property
    def populated(self) -> bool:
        """Whether it has any memory; a kernel may print one that has none."""
        return bool(self.values.get("managed", self.values.get("present", 1)))

    @property
    def most(self) -> int:
        """What its marks cannot be above: its memory. A kernel that is damaged prints other numbers."""
        return self.values.get("managed", self.values.get("present", _TIB_KIB))

    @property
    def usable(self) -> int:
        """Free memory that a network buffer can be made of.

        The contiguous memory of CMA is for movable pages, and what `lowmem_reserve` says for requests that have no other zone.
        """
        return max(0, self.get("free") - self.get("free_cma") - self.reserve)

    @property
    def boost(self) -> int:
        """What reclaim adds to all marks for a while; where it is not printed, what of `min` cannot be min.

        The marks are a fourth of min apart, or more: mm/page_alloc.c __setup_per_zone_wmarks.
        """
        if "boost" in self.values:
            return self.values["boost"]
        apart = self.get("low") - self.get("min")
        return max(0, self.get("min") - 4 * apart - 16) if apart > 0 else 0

    @property
    def min(self) -> int:
        """Without boost."""
        return max(0, self.get("min") - self.boost)


@dataclass(slots=True)
class MemInfo:
    """One block."""

    line: Line
    zones: list[Zone] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    """Counters of all zones, in pages."""
    totals: dict[str, int] = field(default_factory=dict)
    event: Event | None = None
    """What has printed it."""

    def sum(self, name: str) -> int:
        """KiB of all zones."""
        return sum(zone.get(name) for zone in self.zones)

    @property
    def page_kib(self) -> int:
        """The size of a page."""
        pages, kib = self.counters.get("free", 0), self.sum("free")
        for size in (4, 8, 16, 32, 64):
            if pages and abs(pages * size - kib) * 8 <= kib:
                return size
        return 4

    @property
    def managed(self) -> int:
        """KiB that the allocator has."""
        if any("managed" in zone.values for zone in self.zones):
            return self.sum("managed")
        known = self.totals
        return self.sum("present") or max(0, known.get("ram", 0) - known.get("reserved", 0)) * self.page_kib

    @property
    def min(self) -> int:
        """KiB: the zones' min marks without boost."""
        return sum(zone.min for zone in self.zones)

    @property
    def boost(self) -> int:
        """KiB that the marks are raised by."""
        return sum(zone.boost for zone in self.zones)

    @property
    def usable(self) -> int:
        """KiB that are free and not CMA's."""
        return sum(zone.usable for zone in self.for_buffers())

    @property
    def high(self) -> int:
        """KiB: the high marks of the zones that network buffers come from."""
        return sum(zone.get("high") for zone in self.for_buffers())

    def for_buffers(self) -> list[Zone]:
        """Zones that network buffers come from: not high memory, and not the 16 MiB for old devices where there is more."""
        zones = [zone for zone in self.zones if zone.name in ("DMA", "DMA32", "Normal")]
        large = [
            zone for zone in zones if zone.name != "DMA" or max(zone.get("present"), zone.get("managed")) > _OLD_DMA_KIB
        ]
        return large or zones

    def counter_kib(self, *names: str) -> int:
        """Counters of all zones, in KiB; of a kernel that prints them for each zone only, their sum."""
        if any(name in self.counters for name in names):
            return sum(self.counters.get(name, 0) for name in names) * self.page_kib
        return sum(self.sum(name) for name in names)

    @property
    def at_floor(self) -> bool:
        """Whether no zone has a page for reception: free without CMA at or below three eighths of min (facts, 4.2)."""
        zones = [zone for zone in self.for_buffers() if 0 < zone.get("min") <= zone.most]
        return bool(zones) and all(zone.usable <= _floor(zone.min, self.page_kib) for zone in zones)

    @property
    def all_cma(self) -> bool:
        """Whether what is free suffices, were it not CMA's."""
        zones = self.for_buffers()
        cma, free, low = (sum(zone.get(name) for zone in zones) for name in ("free_cma", "free", "min"))
        return cma > 0 and free > low and 2 * cma >= free


def _floor(kib: int, page_kib: int) -> int:
    """What GFP_ATOMIC leaves of min, in whole pages: a half, and a quarter of the rest."""
    pages = kib // page_kib
    pages -= pages // 2
    return (pages - pages // 4) * page_kib


_RESERVE: Final = re.compile(r"lowmem_reserve\[\]:((?:\s+\d+)+)")


def _set_reserves(block: MemInfo, arrays: dict[tuple[int, str], list[int]]) -> None:
    """What zones below Normal keep from requests that may be served there, KiB; `arrays` are the pages that the log has.

    The entries go up with each zone that has memory: the last is Normal's, unless a higher zone has some.
    """
    for zone in block.zones:
        others = {other.name for other in block.zones if other.node == zone.node and other.populated}
        pages = arrays.get((zone.node, zone.name), [])
        if zone.name == "Normal" or "Normal" not in others or not any(pages):
            continue
        steps = sorted({entry for entry in pages if entry})
        below = zone.name == "DMA" and "DMA32" in others
        higher = bool(others & {"HighMem", "Movable"})
        reserve = (steps[min(int(below), len(steps) - 1)] if higher else steps[-1]) * block.page_kib
        zone.reserve = reserve if reserve < _TIB_KIB else 0


class Blocks:
    """The blocks of a log, line by line."""

    def __init__(self) -> None:
        self.found: list[MemInfo] = []
        self._texts: list[Line] = []
        self._strangers = 0

    def line(self, line: Line, event: Event | None) -> bool:
        """The next line; whether it belongs to a block. `event`: the last of those that print blocks."""
        text = line.text
        zone = _ZONE.search(text)
        if _BEGIN.match(text) or (zone and not self._texts):
            if self._texts and (text.lstrip().startswith("Mem-") or self._has_zones()):
                self.close()
            if not self._texts:
                self.found.append(MemInfo(line, event=event))
            self._texts.append(line)
            return True
        if not self._texts:
            return False
        if _END.search(text) or len(self._texts) > _LINES_MAX:
            self.close()
            return False
        if _INSIDE.search(text):
            self._texts.append(line)
            self._strangers = 0
            return True
        self._strangers += 1
        if self._strangers > 12:
            self.close()
        return False

    def _has_zones(self) -> bool:
        return any(_ZONE.search(line.text) for line in self._texts)

    def close(self) -> None:
        """The block is over; one without zones is none."""
        if self._texts and self.found:
            parse(self.found[-1], self._texts)
            if not self.found[-1].zones:
                self.found.pop()
        self._texts, self._strangers = [], 0


def parse(block: MemInfo, lines: Iterable[Line]) -> None:
    """Fill in what the lines say; a number that a wrapped line was cut in is put together."""
    text = ""
    for line in lines:
        part = line.text.strip()
        joint = (
            ""
            if re.search(r":\d*$", text) and re.match(r"\d*kB\b|\d+(?:\s|$)", part) and not re.search(r":\d+$", text)
            else " "
        )
        if re.search(r":\d+$", text) and re.match(r"\d*kB\b", part):
            joint = ""
        text += joint + part
    for name, pattern in _TOTALS.items():
        if found := pattern.search(text):
            block.totals[name] = int(found[1])
    starts = list(_ZONE.finditer(text))
    head = text[
        : min([one.start() for one in starts] + [one.start() for one in _NODE.finditer(text)], default=len(text))
    ]
    head = head if "free:" in head or not starts else text[: starts[0].start()]
    block.counters = {
        name.lower(): int(value) for name, value, unit in _VALUE.findall(head.replace("Active:", "active:")) if not unit
    }
    _set_zones(block, text, starts)


def _set_zones(block: MemInfo, text: str, starts: list[re.Match[str]]) -> None:
    """The zones, each from where its line begins."""
    arrays: dict[tuple[int, str], list[int]] = {}
    ends = [*(one.start() for one in starts[1:]), len(text)]
    for start, end in zip(starts, ends, strict=False):
        body = text[start.end("name") : end]
        if found := _RESERVE.search(body):
            arrays[(int(start["node"] or 0), start["name"])] = [int(entry) for entry in found[1].split()]
        stop = re.search(
            r"lowmem_reserve|\bNode \d+ (?:DMA32|DMA|Normal|HighMem|Movable)?:? ?\d*\*|: \d+\*4kB|"
            r"\d+ total pagecache",
            body,
        )
        body = body[: stop.start()] if stop else body
        values = {name: int(value) for name, value, unit in _VALUE.findall(body) if unit}
        known = {(zone.node, zone.name) for zone in block.zones}
        zone = Zone(int(start["node"] or 0), start["name"], values)
        if "min" in values and (zone.node, zone.name) not in known:
            block.zones.append(zone)
    _set_reserves(block, arrays)
