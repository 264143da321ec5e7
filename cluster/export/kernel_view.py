"""A machine's memory as its kernel counts it: pages under the names of meminfo and vmstat."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from netswap.actors.machine.door import Machine
from netswap.actors.memory.anonymous import ACCESSED, DIRTY, READING, RESIDENT, SWAPPED, WRITING
from netswap.actors.memory.fragments import Fragments
from netswap.actors.memory.large import LargeCache, PagedCache
from netswap.actors.memory.slab import SlabCache
from netswap.cluster.export.tally import Tallies
from netswap.cluster.export.zone_view import ZoneView
from netswap.protocol.rpc import PAGE

_ACTIVE = (RESIDENT | ACCESSED, RESIDENT | ACCESSED | DIRTY)
_CLEAN = (RESIDENT, RESIDENT | ACCESSED)


def slabs_of(machine: Machine) -> list[tuple[str, int, int, int, int, int]]:
    """The slab caches: (name, objects in use, objects, bytes of each, objects to a slab, pages to a slab)."""
    buffers = machine.buffers
    caches: list[SlabCache] = [
        buffers.heads, buffers.receive, buffers.standard, buffers.copies, buffers.shorts, buffers.tx_headers, buffers.rpc,
        buffers.routes, buffers.neighbours,
    ]  # fmt: skip
    rows: dict[str, tuple[str, int, int, int, int, int]] = {}
    for one in {id(cache): cache for cache in caches if not isinstance(cache, (PagedCache, Fragments))}.values():
        large = isinstance(one, LargeCache)
        per_slab = 1 if large else one.per_slab
        used = one.slabs if large else one.in_use
        known = rows.get(one.name, (one.name, 0, 0, one.size, per_slab, 1))
        pages = 1 << one.order if isinstance(one, LargeCache) else 1
        rows[one.name] = (one.name, known[1] + used, known[2] + one.slabs * per_slab, one.size, per_slab, pages)
    return list(rows.values())


def pages_of(machine: Machine, tallies: Tallies, zones: Sequence[ZoneView]) -> dict[str, int]:
    """What a machine's memory is used for, in pages, and its events, under the kernel's names."""
    free, low, high = (sum(column) for column in zip(*((one.free, one.low, one.high) for one in zones), strict=True))
    cache = machine.reclaim.scan.cache
    file = cache.resident()
    background, dirty = machine.writeback.limits()
    return {
        "total": machine.settings.memory // PAGE,
        "free": free,
        "available": max(0, free - high + file - min(file // 2, low)),
        "inactive_file": file,
        "file": file,
        "mapped": cache.text.resident(),
        "dirty": cache.dirty(),
        "writeback": machine.writeback.under_way(),
        "slab": sum(objects // per_slab * pages for _, _, objects, _, per_slab, pages in slabs_of(machine)),
        "dirty_threshold": dirty,
        "background_threshold": background,
        **_of_programs(machine),
        **_events(machine, tallies.counts[machine.settings.index]),
    }


def _of_programs(machine: Machine) -> dict[str, int]:
    """Anonymous memory and swap, in pages."""
    spaces = [one.space for one in machine.programs]
    anon = sum(space.resident for space in spaces)
    active = sum(_count(space.states, *_ACTIVE) for space in spaces)
    locked = min(machine.reclaim.scan.cache.locked_pages(), anon)
    swap = machine.settings.swap.size // PAGE if machine.settings.swap else 0
    used = sum(_count(space.states, SWAPPED, READING, WRITING, *_CLEAN) for space in spaces) if swap else 0
    return {
        "anon": anon,
        "locked": locked,
        "active_anon": min(active, anon - locked),
        "inactive_anon": max(0, anon - locked - active),
        "swap": swap,
        "swap_free": max(0, swap - used),
        "swap_cache": sum(_count(space.states, READING, WRITING) for space in spaces),
    }


def _events(machine: Machine, counts: Counter[str]) -> dict[str, int]:
    """What has happened so far."""
    counted = machine.counters
    return {
        "pswpin": counted.pages_in,
        "pswpout": counted.pages_out,
        "pgpgin": (counted.pages_in + counted.file_pages_in) * PAGE >> 10,
        "pgpgout": (counted.pages_out + counted.file_pages_out) * PAGE >> 10,
        "pgfault": counted.faults + counts["pgmajfault"],
        "pgmajfault": counts["pgmajfault"],
        "nr_vmscan_write": counts["nr_vmscan_write"],
        "pageoutrun": machine.reclaim.kswapd.wakes,
        "oom_kill": counted.oom_kills,
    }


def _count(states: Any, *wanted: int) -> int:
    """How many pages of a table are in one of these states."""
    table = bytes(states)
    return sum(table.count(one) for one in wanted)
