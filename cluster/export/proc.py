"""A machine as its kernel would show it in /proc, in the formats of 2.6.22 or 6.11.

Sources: fs/proc/proc_misc.c, mm/vmstat.c, mm/slab.c, net/ipv4/proc.c of 2.6.22; fs/proc/meminfo.c, mm/vmstat.c, mm/slab_common.c,
net/ipv4/proc.c, kernel/sched/psi.c of 6.11. A machine has one card. What the model does not count is 0.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from netswap.actors.machine.door import Machine
from netswap.actors.net.tcp_connection import ESTABLISHED
from netswap.actors.wait import NOTHING
from netswap.cluster.export import kernel_names as names
from netswap.cluster.export.blocked import blocked, dump
from netswap.cluster.export.kernel_view import pages_of, slabs_of
from netswap.cluster.export.memory_shown import memory_shown, swap_added, unanswered
from netswap.cluster.export.tally import Pressure, Tallies, over
from netswap.cluster.export.zone_view import ZoneView, share_of, zones_of
from netswap.protocol.rpc import PAGE

_KIB: Final = PAGE >> 10
_CARD: Final = "eth0"
_DEMUX: Final = ("demux", "no-socket", "socket-full", "tcp-limit", "no-memory")


def files(machine: Machine, tallies: Tallies, at_ns: int) -> dict[str, str]:
    """The files of one snapshot, by their paths below the folder; of a machine that is down a word that says so."""
    if machine.down:
        return {"down": f"{machine.settings.name} is down at {at_ns / 1e9:.3f} s\n"}
    tallies.pressure[machine.settings.index].pass_to(at_ns)
    now = machine.kernel.memalloc_sockets
    zones = zones_of(machine)
    pages = pages_of(machine, tallies, zones)
    found = {
        "version": f"Linux version {machine.kernel.name.removeprefix('linux-')} (netswap)\n",
        "uptime": f"{at_ns / 1e9:.2f} 0.00\n",
        "stat": _stat(machine, at_ns),
        "meminfo": _meminfo(pages, now),
        "vmstat": "".join(f"{name} {value}\n" for name, value in _vmstat(pages, now).items()),
        "zoneinfo": _zoneinfo(machine, zones, pages, now),
        "buddyinfo": "".join(
            f"Node 0, zone {one.name:>8} {''.join(f'{count:6d} ' for count in one.blocks)}\n" for one in zones
        ),
        "slabinfo": _slabinfo(machine),
        "net/dev": _dev(machine, tallies),
        "net/sockstat": _sockstat(machine, now),
        "net/snmp": _table(names.SNMP[now], _snmp(machine, tallies)),
        "net/netstat": _table(names.NETSTAT[now], _netstat(machine, tallies)),
        "sysrq-w": _log(machine, zones, pages, at_ns),
    }
    if now:
        found["pressure/memory"] = _pressure(tallies.pressure[machine.settings.index])
    return found


def _log(machine: Machine, zones: Sequence[ZoneView], pages: Mapping[str, int], at_ns: int) -> str:
    """What the kernel's log has of the swap, and after SysRq w and m."""
    memory = memory_shown(machine, zones, pages)
    return swap_added(machine) + dump(machine, at_ns, [*memory, *unanswered(machine, at_ns)])


def _stat(machine: Machine, at_ns: int) -> str:
    """/proc/stat: no time is counted; tasks that run and tasks that are blocked are."""
    cpus = ["cpu ", *(f"cpu{number}" for number in range(machine.settings.cpus))]
    zeros = " 0" * 10
    waiting = len(blocked(machine))
    tasks = [one.task for one in machine.programs if not one.task.finished]
    running = sum(task.progress.busy and task.progress.waited.kind == NOTHING for task in tasks)
    return "".join(f"{cpu}{zeros}\n" for cpu in cpus) + (
        f"intr 0\nctxt 0\nbtime 0\nprocesses {len(machine.programs)}\nprocs_running {running}\nprocs_blocked {waiting}\n"
    )


# -- memory -----------------------------------------------------------------------------------------------------------


def _meminfo(pages: Mapping[str, int], now: bool) -> str:
    active, inactive = pages["active_anon"], pages["inactive_anon"]
    known = {
        "MemTotal": pages["total"],
        "MemFree": pages["free"],
        "MemAvailable": pages["available"],
        "Cached": pages["file"],
        "SwapCached": pages["swap_cache"],
        "Active": active,
        "Inactive": inactive + pages["inactive_file"],
        "Active(anon)": active,
        "Inactive(anon)": inactive,
        "Inactive(file)": pages["inactive_file"],
        "Unevictable": pages["locked"],
        "Mlocked": pages["locked"],
        "SwapTotal": pages["swap"],
        "SwapFree": pages["swap_free"],
        "Dirty": pages["dirty"],
        "Writeback": pages["writeback"],
        "AnonPages": pages["anon"],
        "Mapped": pages["mapped"],
        "Slab": pages["slab"],
        "SUnreclaim": pages["slab"],
        "CommitLimit": pages["total"] // 2 + pages["swap"],
        "Committed_AS": pages["anon"] + pages["swap"] - pages["swap_free"],
    }
    width = 16 if now else 14
    return "".join(f"{name + ':':<{width}}{known.get(name, 0) * _KIB:8d} kB\n" for name in names.MEMINFO[now])


def _vmstat(pages: Mapping[str, int], now: bool) -> dict[str, int]:
    known = {
        "nr_free_pages": pages["free"],
        "nr_active": pages["active_anon"],
        "nr_inactive": pages["inactive_anon"] + pages["inactive_file"],
        "nr_anon_pages": pages["anon"],
        "nr_mapped": pages["mapped"],
        "nr_file_pages": pages["file"] + pages["swap_cache"],
        "nr_dirty": pages["dirty"],
        "nr_writeback": pages["writeback"],
        "nr_slab_unreclaimable": pages["slab"],
        "nr_swapcached": pages["swap_cache"],
        "nr_unevictable": pages["locked"],
        "nr_mlock": pages["locked"],
        "nr_zone_write_pending": pages["dirty"] + pages["writeback"],
        "nr_dirty_threshold": pages["dirty_threshold"],
        "nr_dirty_background_threshold": pages["background_threshold"],
        "nr_zone_unevictable": pages["locked"],
    }
    for name in ("active_anon", "inactive_anon", "inactive_file"):
        known[f"nr_{name}"] = known[f"nr_zone_{name}"] = pages[name]
    return {name: known.get(name, pages.get(name, 0)) for name in names.VMSTAT[now]}


def _zoneinfo(machine: Machine, zones: Sequence[ZoneView], pages: Mapping[str, int], now: bool) -> str:
    """All zones; a right that is kept below its watermarks by the reserve is in `min`. The node stands with the lowest zone."""
    counts = _vmstat(pages, now)
    lines = []
    for place, one in enumerate(zones):
        lines.append(f"Node 0, zone {one.name:>8}")
        if now and not place:
            lines += ["  per-node stats", *(f"      {name:<12} {counts[name]}" for name in names.NODE_NOW)]
        share = {name: share_of(count, zones, place) for name, count in counts.items()} | {"nr_free_pages": one.free}
        lines += _zone(one, share, now)
        lines.append("  pagesets")
        for cpu in range(machine.settings.cpus):
            lines += [f"    cpu: {cpu}", *(f"              {name:<6} 0" for name in ("count:", "high:", "batch:"))]
        lines.append("  node_unreclaimable:  0" if now else "  all_unreclaimable: 0")
        lines.append(f"  start_pfn:           {sum(below.total for below in zones[:place])}")
    return "\n".join(lines) + "\n"


def _zone(one: ZoneView, counts: Mapping[str, int], now: bool) -> list[str]:
    """The lines of one zone from its free pages on."""
    marks = [("min", one.min), ("low", one.low), ("high", one.high)]
    if now:
        marks.insert(0, ("boost", one.boost))
        sizes = [("spanned", one.total), ("present", one.total), ("managed", one.total), ("cma", 0)]
    else:
        marks.append(("scanned", 0))
        sizes = [("spanned", one.total), ("present", one.total)]
    lines = [f"  pages free     {one.free}"]
    lines += [f"        {name:<8} {value}" + (" (a: 0 i: 0)" * (name == "scanned")) for name, value in marks + sizes]
    protection = f"        protection: ({', '.join(map(str, one.protection))})"
    if now:
        return [*lines, protection, *(f"      {name:<12} {counts[name]}" for name in names.ZONE_NOW)]
    return [*lines, *(f"    {name:<12} {counts[name]}" for name in names.STATE_2007), protection]


def _slabinfo(machine: Machine) -> str:
    lines = ["slabinfo - version: 2.1"]
    lines.append(
        "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>"
        " : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>"
    )
    for name, used, total, size, per_slab, pages in slabs_of(machine):
        slabs = total // per_slab
        lines.append(
            f"{name:<17} {used:6d} {total:6d} {size:6d} {per_slab:4d} {pages:4d} : tunables {0:4d} {0:4d} {0:4d}"
            f" : slabdata {slabs:6d} {slabs:6d} {0:6d}"
        )
    return "\n".join(lines) + "\n"


def _pressure(pressure: Pressure) -> str:
    lines = []
    for which, name in enumerate(("some", "full")):
        shares = " ".join(
            f"avg{window}={share:.2f}" for window, share in zip((10, 60, 300), pressure.averages(which), strict=True)
        )
        lines.append(f"{name} {shares} total={pressure.total_ns[which] // 1000}\n")
    return "".join(lines)


# -- the network ------------------------------------------------------------------------------------------------------


def _dev(machine: Machine, tallies: Tallies) -> str:
    """What the card has lost stands under `drop` and `fifo`, as e1000 counts a missed packet."""
    counts, dropped = tallies.counts[machine.settings.index], machine.counters.dropped
    missed = dropped["ring-empty"]
    packets = counts["card_packets"] - missed
    each = counts["card_bytes"] // counts["card_packets"] if counts["card_packets"] else 0
    framing = max(0, machine.settings.framing - 14)
    received = counts["card_bytes"] - missed * each - packets * framing
    sent = counts["tx_bytes"] - counts["tx_packets"] * framing
    values = [received, packets, dropped["corrupt"], missed + dropped["backlog"], missed, 0, 0, 0]
    values += [sent, counts["tx_packets"], 0, 0, 0, 0, 0, 0]
    row = (
        f"{_CARD:>6}: {values[0]:7d} {values[1]:7d} {values[2]:4d} {values[3]:4d} {values[4]:4d} {0:5d} {0:10d} {0:9d}"
    )
    row += f" {values[8]:8d} {values[9]:7d} {0:4d} {0:4d} {0:4d} {0:5d} {0:7d} {0:10d}"
    return (
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|"
        "bytes    packets errs drop fifo colls carrier compressed\n"
        f"{row}\n"
    )


def _sockstat(machine: Machine, now: bool) -> str:
    udp, tcp = len(machine.stack.sockets), len(machine.tcp.connections)
    queued = sum(socket.charged for socket in machine.stack.sockets.values())
    reassembly = machine.stack.reassembly
    memory = f" mem {-(-queued // PAGE)}" if now else ""
    return (
        f"sockets: used {udp + tcp}\n"
        f"TCP: inuse {tcp} orphan 0 tw 0 alloc {tcp} mem {machine.tcp.memory.total}\n"
        f"UDP: inuse {udp}{memory}\n"
        "UDPLITE: inuse 0\nRAW: inuse 0\n"
        f"FRAG: inuse {len(reassembly.incomplete)} memory {reassembly.truesize}\n"
    )


def _table(lines: Mapping[str, str], known: Mapping[str, Mapping[str, int]]) -> str:
    """Two lines for each protocol: the names, and the values."""
    said = []
    for protocol, fields in lines.items():
        columns = fields.split()
        values = known.get(protocol, {})
        said.append(f"{protocol}: {' '.join(columns)}\n")
        said.append(f"{protocol}: {' '.join(str(values.get(column, 0)) for column in columns)}\n")
    return "".join(said)


def _snmp(machine: Machine, tallies: Tallies) -> dict[str, dict[str, int]]:
    counts = tallies.counts[machine.settings.index]
    full = counts["udp socket-full"]
    udp = {
        "InDatagrams": counts["InDatagrams"],
        "NoPorts": counts["udp no-socket"],
        "InErrors": full,
        "OutDatagrams": counts["OutDatagrams"],
        "RcvbufErrors": full,
    }
    return {"Ip": _snmp_of_ip(machine, counts), "Tcp": _snmp_of_tcp(machine, counts), "Udp": udp}


def _snmp_of_ip(machine: Machine, counts: Counter[str]) -> dict[str, int]:
    """IP has received what has come through the card and the input queue; what waits is in no other count."""
    lost = [f"{kind} {cause}" for kind in ("udp", "tcp") for cause in ("ring-empty", "backlog", "crashed")]
    fragments = over(counts, "fragments ring-empty", "fragments backlog", "fragments crashed")
    evicted, late = counts["udp reassembly-evicted"], counts["udp reassembly-timeout"]
    said = {
        name: counts[name]
        for name in ("InDelivers", "OutRequests", "ReasmOKs", "FragOKs", "FragCreates", "OutTransmits")
    }
    return said | {
        "Forwarding": 2,
        "DefaultTTL": 64,
        "InReceives": counts["ip_frames"] - over(counts, *lost),
        "InDiscards": over(counts, "udp demux", "udp no-memory"),
        "OutDiscards": machine.counters.tx_no_memory,
        "ReasmTimeout": late,
        "ReasmReqds": counts["fragments"] - fragments,
        "ReasmFails": evicted + late,
    }


def _snmp_of_tcp(machine: Machine, counts: Counter[str]) -> dict[str, int]:
    return {
        "RtoAlgorithm": 1,
        "RtoMin": 200,
        "RtoMax": 120_000,
        "MaxConn": -1,
        "ActiveOpens": machine.tcp.calls,
        "CurrEstab": sum(one.state == ESTABLISHED for one in machine.tcp.connections.values()),
        "InSegs": counts["InSegs"] + over(counts, *(f"tcp {cause}" for cause in _DEMUX)),
        "OutSegs": counts["OutSegs"] - counts["RetransSegs"],
        "RetransSegs": counts["RetransSegs"],
        "OutRsts": counts["OutRsts"],
    }


def _netstat(machine: Machine, tallies: Tallies) -> dict[str, dict[str, int]]:
    counts = tallies.counts[machine.settings.index]
    tcp = {
        "RcvPruned": counts["tcp tcp-limit"],
        "PFMemallocDrop": over(counts, "tcp demux", "udp demux"),
    }
    return {"TcpExt": tcp, "IpExt": {"InNoECTPkts": over(counts, "InDelivers")}}
