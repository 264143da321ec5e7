"""A scenario whose machine A has the memory of a Mem-Info block."""

from typing import Final, NamedTuple

from netswap.actors.kernels import LINUX_2_6_22
from netswap.cluster.host import nearest
from netswap.cluster.host.zones import RealZone, words
from netswap.cluster.match.log import Log
from netswap.cluster.match.meminfo import MemInfo

_LEAST_KIB: Final = 16384
_NFS: Final = "nfs"


def chosen(log: Log) -> MemInfo | None:
    """The block that has the least free memory beside its min mark: that is where something failed; None if there is none."""
    whole = [block for block in log.blocks if block.managed > 0 and block.min > 0]
    return min(whole, key=lambda block: block.usable / block.min, default=None)


def kernel_of(log: Log, block: MemInfo) -> str:
    """The nearest kernel; where no version is in the log, by the block's form."""
    if log.version is not None:
        return nearest.kernel(log.version).name
    return "linux-6.11" if any("managed" in zone.values for zone in block.zones) else "linux-2.6.22"


class Sizes(NamedTuple):
    """What the block says, in KiB of whole pages, as one machine."""

    memory: int
    minimum: int
    clean: int
    dirty: int
    fixed: int
    """What reclaim cannot take."""
    working: int
    swap: int


def sizes_of(block: MemInfo) -> Sizes:
    """Anonymous memory takes what nothing else of the block has."""
    memory = _whole(max(block.managed, _LEAST_KIB))
    minimum = _whole(max(min(block.min, memory // 4), 128))
    total, free = block.totals.get("swap_total", 0), block.totals.get("swap_free", 0)
    anonymous = block.counter_kib("active_anon", "inactive_anon", "active", "inactive")
    room = memory - 2 * minimum - 4096
    fixed = min(_fixed(block), _whole(room // 2))
    clean, dirty = _files(block, room // 4)
    held = max(room - fixed - clean - dirty, 4096)
    working = _whole(max(held, min(anonymous, memory)) + max(0, total - free))
    return Sizes(memory, minimum, clean, dirty, fixed, working, _whole(max(total, working, 4096)))


def scenario_of(name: str, log: Log, block: MemInfo, transport: str) -> str:
    """The scenario as text, each value with where it comes from; sizes are in KiB, whole pages of 4."""
    kernel, sizes = kernel_of(log, block), sizes_of(block)
    number = block.line.number
    lines = [
        f"# The memory of {_plain(name)}, line {number}: does it outlive an outage of its swap server under a flood?",
        *_compared(log, block, kernel),
        f"title: memory of line {number}",
        "seed: 1",
        "stop: 60s",
        f"kernel: {kernel}",
        f"safeguards: {'none' if kernel == LINUX_2_6_22.name else 'merged'}",
        "network: {latency: 1ms, bandwidth: 1Gbit/s}   # assumed",
        "machines:",
        *_machine(log, kernel, block, sizes, transport),
        "  B:",
        '    programs: [{flood: {to: "A:9000", rate: 100Mbit/s, payload: 1472B, from: 5s}}]   # assumed',
        "  C:",
        "    programs: [{swap-server: {}}]",
        "timeline:",
        "  - {at: 5s, partition: [C], for: 10s}   # assumed",
        "expect: []",
    ]
    return "\n".join(lines) + "\n"


def _machine(log: Log, kernel: str, block: MemInfo, sizes: Sizes, transport: str) -> list[str]:
    """The lines of A."""
    over, total = _NFS if transport == _NFS else "nbd", block.totals.get("swap_total", 0)
    touch = _whole(max(sizes.working // 20, 4))
    lines = [
        "  A:",
        f"    memory: {sizes.memory}KiB   # {'managed' if block.sum('managed') else 'present'}, all zones",
        *_zones(block, sizes.memory),
        f"    min_free: {sizes.minimum}KiB   # min of all zones, without boost",
        *_switched_off(log, kernel),
        *_cache(sizes.clean, sizes.dirty),
        f"    swap: {{server: C, transport: {over}, size: {sizes.swap}KiB}}   # {_swap_source(total, transport)}",
        "    programs:",
        "      # anonymous memory, here and in swap",
        f"      - rank: {{working_set: {sizes.working}KiB, touch: {touch}KiB, compute: 20ms}}",
    ]
    if sizes.fixed:
        lines += [
            "      # slab, page tables, unevictable: what cannot be written out",
            f"      - service: {{port: 7, pages: {sizes.fixed // 4}, lock: true}}",
        ]
    return [
        *lines,
        "      # assumed: a log does not say which sockets are open, `netswap from-host` does",
        "      - service: {port: 9000, sockets: 64, pages: 64}",
    ]


def _zones(block: MemInfo, memory: int) -> list[str]:
    """The line of the zones, if the block has several of one node that a scenario can have, and they hold its memory."""
    zones = [
        RealZone(one.node, one.name, _whole(one.get("managed")) << 10) for one in block.zones if one.get("managed")
    ]
    text = words(zones) if sum(one.size for one in zones) == memory << 10 else ""
    return [f"    zones: {text}   # managed"] if text else []


def _switched_off(log: Log, kernel: str) -> list[str]:
    """The line of the sysctls that make the scenario's kernel as the log's is, which has not all of it yet."""
    if log.version is None or kernel == LINUX_2_6_22.name:
        return []
    text = ", ".join(f"{name}: {value}" for name, value in nearest.switched_off(log.version).items())
    return [f"    vm: {{{text}}}   # the log's kernel has none of it yet"] if text else []


def _compared(log: Log, block: MemInfo, kernel: str) -> list[str]:
    """Comments: the kernel, and what the block has that the scenario has not."""
    found = [f"# The log's kernel is {log.kernel or 'not said'}; {kernel} is the nearest."]
    marks = ", ".join(f"{name} {block.sum(name)}" for name in ("min", "low", "high"))
    bare = ", ".join(f"{name} {max(0, block.sum(name) - block.boost)}" for name in ("min", "low", "high"))
    found.append(
        f"# Marks in the log: {marks} kB"
        + (f"; without the boost of {block.boost} kB: {bare} kB." if block.boost else "; no boost.")
    )
    kept = "" if _zones(block, sizes_of(block).memory) else " one zone, and"
    found.append(f"# The scenario has{kept} its kernel's own distance from min to low and high.")
    zones = ", ".join(f"{zone.name} {zone.get('managed') or zone.get('present')} kB" for zone in block.zones)
    found.append(f"# Zones in the log: {zones}.")
    if block.sum("free_cma"):
        found.append(f"# {block.sum('free_cma')} kB of what was free are CMA's, which the model does not have.")
    return found


def _swap_source(total: int, transport: str) -> str:
    size = "Total swap" if total else "the log's machine has no swap: assumed"
    if transport in ("nbd", _NFS):
        return f"{size}; over {transport}"
    return f"{size}; the way is assumed (the log: {transport or 'not said'})"


def _files(block: MemInfo, most: int) -> tuple[int, int]:
    """Clean and dirty page cache, KiB."""
    dirty = min(_whole(block.counter_kib("dirty")), most // 2)
    clean = _whole(max(0, block.counter_kib("active_file", "inactive_file") - dirty))
    return min(clean, _whole(most)), _whole(dirty)


def _cache(clean: int, dirty: int) -> list[str]:
    sizes = ", ".join(f"{name}: {size}KiB" for name, size in (("clean", clean), ("dirty", dirty)) if size)
    return [f"    files: {{{sizes}}}   # active_file and inactive_file, and which of them are dirty"] if sizes else []


def _fixed(block: MemInfo) -> int:
    """What reclaim cannot take, KiB."""
    names = ("slab_unreclaimable", "pagetables", "sec_pagetables", "unevictable", "slab")
    return _whole(block.counter_kib(*names))


def _whole(kib: int) -> int:
    """Whole pages."""
    return kib // 4 * 4


def _plain(name: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in name)[:80]
