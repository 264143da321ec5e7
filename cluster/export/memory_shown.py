"""What a machine's kernel would say of its memory (SysRq m), and of its swap: the device, and requests that no server answers.

Sources: mm/page_alloc.c show_free_areas, mm/swap_state.c show_swap_cache_info, mm/swapfile.c sys_swapon of 2.6.22;
mm/show_mem.c of 6.11; net/sunrpc/clnt.c call_timeout; drivers/block/nbd.c nbd_xmit_timeout of 6.11. What the
model does not count is 0.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from netswap.actors.machine.door import Machine
from netswap.actors.swap.nbd import NbdDevice
from netswap.actors.swap.nfs import NfsDevice
from netswap.cluster.export.zone_view import ZoneView, share_of
from netswap.protocol.rpc import DOUBLINGS, PAGE
from netswap.protocol.units import seconds

_KIB: Final = PAGE >> 10
_STUCK_NS: Final = seconds(30)
"""The time-out of requests to block devices, at which nbd tells of one that it goes on waiting for."""


def memory_shown(machine: Machine, zones: Sequence[ZoneView], pages: Mapping[str, int]) -> list[str]:
    """The lines of SysRq m. `pages` by the kernel's names, as kernel_view has them."""
    if machine.kernel.memalloc_sockets:
        head = ["sysrq: Show Memory", "Mem-Info:", *_counters_now(pages)]
    else:
        head = ["SysRq : Show Memory", "Mem-info:", *_counters_2007(pages)]
    shown = [line for place in range(len(zones)) for line in _zone(machine, zones, place, pages)]
    return [*head, *shown, *_blocks(zones), *_rest(pages)]


def unanswered(machine: Machine, at_ns: int) -> list[str]:
    """What the client of the swap server says of requests that it has asked again and again."""
    device = machine.device
    if isinstance(device, NfsDevice):
        late = [one for one in device.under_way.values() if one.attempts > DOUBLINGS + 1]
        return [f"nfs: server 10.0.0.{device.server + 1} not responding, still trying"] if late else []
    if isinstance(device, NbdDevice) and machine.kernel.memalloc_sockets:
        return [
            f"block nbd0: Possible stuck request {one.xid & 0xFFFFFFFF:016x}: control ({'write' if one.write else 'read'}"
            f"@{(one.space.base + one.page) * PAGE},{PAGE}B). Runtime {(at_ns - one.last_ns) // seconds(1)} seconds"
            for one in device.under_way.values()
            if 0 <= one.last_ns <= at_ns - _STUCK_NS
        ]
    return []


def swap_added(machine: Machine) -> str:
    """What the kernel has said when its swap was added, at time 0; nothing for a machine without."""
    swap = machine.settings.swap
    if swap is None:
        return ""
    where = "/mnt/nfs/swap" if isinstance(machine.device, NfsDevice) else "/dev/nbd0"
    size = (swap.size >> 10) - _KIB
    return f"[    0.000000] Adding {size}k swap on {where}.  Priority:-1 extents:1 across:{size}k\n"


def _counters_2007(pages: Mapping[str, int]) -> list[str]:
    active, inactive = pages["active_anon"], pages["inactive_anon"] + pages["inactive_file"]
    return [
        f"Active:{active} inactive:{inactive} dirty:{pages['dirty']} writeback:{pages['writeback']} unstable:0",
        f" free:{pages['free']} slab:{pages['slab']} mapped:{pages['mapped']} pagetables:0 bounce:0",
    ]


def _counters_now(pages: Mapping[str, int]) -> list[str]:
    return [
        f"active_anon:{pages['active_anon']} inactive_anon:{pages['inactive_anon']} isolated_anon:0",
        f" active_file:0 inactive_file:{pages['inactive_file']} isolated_file:0",
        f" unevictable:{pages['locked']} dirty:{pages['dirty']} writeback:{pages['writeback']}",
        f" slab_reclaimable:0 slab_unreclaimable:{pages['slab']}",
        f" mapped:{pages['mapped']} shmem:0 pagetables:0",
        " sec_pagetables:0 bounce:0",
        " kernel_misc_reclaimable:0",
        f" free:{pages['free']} free_pcp:0 free_cma:0",
    ]


def _zone(machine: Machine, zones: Sequence[ZoneView], place: int, pages: Mapping[str, int]) -> list[str]:
    one = zones[place]
    share = {name: share_of(count, zones, place) for name, count in pages.items()}
    line = _zone_now(one, share) if machine.kernel.memalloc_sockets else _zone_2007(one, share)
    return [line, f"lowmem_reserve[]:{''.join(f' {kept}' for kept in one.protection)}"]


def _marks(one: ZoneView) -> str:
    return " ".join(f"{name}:{getattr(one, name) * _KIB}kB" for name in ("min", "low", "high"))


def _zone_2007(one: ZoneView, pages: Mapping[str, int]) -> str:
    active, inactive = pages["active_anon"], pages["inactive_anon"] + pages["inactive_file"]
    return (
        f"{one.name} free:{one.free * _KIB}kB {_marks(one)} active:{active * _KIB}kB inactive:{inactive * _KIB}kB "
        f"present:{one.total * _KIB}kB pages_scanned:0 all_unreclaimable? no"
    )


def _zone_now(one: ZoneView, pages: Mapping[str, int]) -> str:
    lists = " ".join(f"{name}:{pages[name] * _KIB}kB" for name in ("active_anon", "inactive_anon"))
    pending = (pages["dirty"] + pages["writeback"]) * _KIB
    total, locked = one.total * _KIB, pages["locked"] * _KIB
    aside = f"reserved_highatomic:{one.reserved_highatomic * _KIB}KB free_highatomic:{one.free_highatomic * _KIB}KB"
    return (
        f"Node 0 {one.name} free:{one.free * _KIB}kB boost:{one.boost * _KIB}kB {_marks(one)} {aside} "
        f"{lists} active_file:0kB inactive_file:{pages['inactive_file'] * _KIB}kB unevictable:{locked}kB "
        f"writepending:{pending}kB present:{total}kB managed:{total}kB mlocked:{locked}kB "
        f"bounce:0kB free_pcp:0kB local_pcp:0kB free_cma:0kB"
    )


def _blocks(zones: Sequence[ZoneView]) -> list[str]:
    lines = []
    for one in zones:
        sizes = " ".join(f"{count}*{_KIB << order}kB" for order, count in enumerate(one.blocks))
        lines.append(f"{one.name}: {sizes} = {one.free * _KIB}kB")
    return lines


def _rest(pages: Mapping[str, int]) -> list[str]:
    return [
        f"{pages['swap_cache']} pages in swap cache",
        f"Free swap  = {pages['swap_free'] * _KIB}kB",
        f"Total swap = {pages['swap'] * _KIB}kB",
        f"{pages['total']} pages RAM",
    ]
