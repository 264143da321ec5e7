"""Regions as DAMON saw them used: `damo report raw`, or `perf script` of its tracepoint damon:damon_aggregated.

Source: include/trace/events/damon.h of 6.11; damo_report_raw.py of damo. In each aggregation every page of a region in which an
access was seen is taken to be touched once, where the aggregation begins, in the order of the addresses: DAMON samples one page
of a region, and tells nothing of the others, nor whether it was written.
"""

import re
from collections.abc import Iterator
from typing import Final

from netswap.cluster.recordings.files import RecordingError
from netswap.cluster.recordings.tools.access import Access, Lines, nanoseconds, numbered
from netswap.protocol.frame import TIME_MAX

_TRACED: Final = re.compile(
    r"(\d+\.\d{3,9}):\s+damon:damon_aggregated:\s+target_id=\d+\s+nr_regions=\d+\s+(\d+)-(\d+):\s+(\d+)(?:\s+\d+)?$"
)
_OTHER_EVENT: Final = re.compile(r"\d+\.\d{3,9}:\s+(?!damon:damon_aggregated:)[\w-]+:[\w-]+:")
"""As damon:damos_before_apply, which says the same regions again."""
_START: Final = re.compile(r"^monitoring_start:\s+(.*)$")
_BASE: Final = re.compile(r"^base_time_absolute:")
_REGION: Final = re.compile(r"^\s*([0-9a-f]+)-([0-9a-f]+)\s*\(\s*[\d.,]+\s*\w*\s*\):?\s+(\d+)(?:\s+-?\d+)?$")
_SAYS_NOTHING: Final = re.compile(r"^\s*(?:#.*|target_id:.*|nr_regions:.*|monitoring_(?:end|duration):.*)?$")
_TIME: Final = re.compile(r"(\d[\d,]*)(?:\.(\d+))?\s*(ns|us|ms|s|m|h|d)?\b")
_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_HINT: Final = "give what `damo report raw` prints, or perf script of damon:damon_aggregated"


def accesses(lines: Lines) -> Iterator[Access]:
    """Regions that were used. Raises RecordingError with the line that is none of these tools'."""
    at_ns: int | None = None
    for number, line in numbered(lines):
        traced = _TRACED.search(line)
        if traced is not None:
            yield from _region(number, nanoseconds(traced[1]), int(traced[2]), int(traced[3]), int(traced[4]))
        elif (start := _START.match(line)) is not None:
            at_ns = _time(start[1], number)
        elif (region := _REGION.match(line)) is not None:
            if at_ns is None:
                raise RecordingError(f"line {number}: this region has no monitoring_start before it", _HINT)
            yield from _region(number, at_ns, int(region[1], 16), int(region[2], 16), int(region[3]))
        elif _BASE.match(line) is None and _SAYS_NOTHING.match(line) is None and _OTHER_EVENT.search(line) is None:
            raise RecordingError(f'line {number}: "{line:.40}" is no line of DAMON\'s', _HINT)


def _region(number: int, at_ns: int, start: int, end: int, seen: int) -> Iterator[Access]:
    if end <= start:
        raise RecordingError(f"line {number}: this region ends before it begins", _HINT)
    if seen:
        yield Access(at_ns, start, end - start, "")


def _time(text: str, number: int) -> int:
    """A time as damo writes it, in parts (8 m 59.809 s) or raw (ns)."""
    parts = list(_TIME.finditer(text))
    if not parts:
        raise RecordingError(f'line {number}: "{text:.40}" is no time', _HINT)
    total = 0
    for part in parts:
        unit = _UNITS[part[3] or "ns"]
        decimals = part[2] or ""
        total += int(part[1].replace(",", "")) * unit + (int(decimals) * unit // 10 ** len(decimals) if decimals else 0)
    return min(total, TIME_MAX)
