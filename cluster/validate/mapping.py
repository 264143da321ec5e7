"""From a cell to a scenario, column by column. No rule here looks at a cell's name.

A is the guest, B floods it, C keeps its pages. What can be said only approximately is noted.
"""

from dataclasses import dataclass, field
from io import StringIO
from typing import Any, Final

from ruamel.yaml import YAML

from netswap.actors.net.drivers import DRIVERS
from netswap.actors.safeguards import PRESETS
from netswap.cluster.validate import guest
from netswap.cluster.validate.cells import Cell
from netswap.cluster.validate.verdicts import expected
from netswap.protocol import nbd
from netswap.protocol.ip import ETHERNET, IP_HEADER, MTU, datagram_wire
from netswap.protocol.rpc import PAGE
from netswap.protocol.tcp import mss, segment_wire

Tree = dict[str, Any]
Notes = list[str]

PORT: Final = 9000
_NICS: Final = {"virtio-net-pci": "virtio", "virtio-net": "virtio"}
"""Names of emulated cards that are not those of their drivers."""
_OF_THE_MARK: Final = ("reserve-access", "memalloc-processing", "drop-at-demux", "tcp-exemption")
"""What is off where no socket is marked (SOCK_MEMALLOC): the static key of net/core/sock.c, and the socket's own rights."""
_EXTRA: Final = (
    "hogmb",
    "hogus",
    "hogkind",
    "hog2",
    "svcmode",
    "table",
    "nsock",
    "floodports",
    "payload",
    "rcvbuf",
    "fraghigh",
)


@dataclass(slots=True)
class Said:
    """A cell as a scenario. Times in ns are those of the course."""

    tree: Tree
    heal_s: int
    """When the fault ends; where there is none, when it would have."""
    fault: bool
    notes: Notes = field(default_factory=list)
    """What is only approximate."""

    @property
    def flood_end_s(self) -> int:
        """Until when the flood goes on, and a recovery counts."""
        return self.heal_s + guest.WATCHED_S

    def text(self) -> str:
        """The scenario as YAML."""
        yaml = YAML()
        yaml.width = 120
        yaml.default_flow_style = None
        out = StringIO()
        yaml.dump(self.tree, out)
        return out.getvalue()


def scenario(cell: Cell, *, seed: int = 1) -> Said:
    """The scenario of a cell. Raises ScenarioError for a field that is wrong."""
    notes: Notes = [f"{key}={cell.extra[key]} has no rule" for key in cell.extra if key not in _EXTRA]
    before, length = cell.number("flood_before_partition_s", most=3600), cell.number("partition_s", most=86_400)
    fault_s = guest.WARM_S + before
    said = Said({}, fault_s + length, length > 0, notes)
    local = cell.word("swap_path", tuple(_PATHS)) == "local"
    machines: Tree = {"A": _guest(cell)}
    flood = _flood(cell, fault_s - before, said.flood_end_s - fault_s + before)
    if flood:
        machines["B"] = {"programs": [{"flood": flood}]}
    if not local:
        machines["C"] = {
            "memory": "1GiB",
            "programs": [{"swap-server": {"disk_latency": "0s", "disk_bandwidth": "1GB/s"}}],
        }
    said.tree = {
        "title": f"cell {cell.name}"[:200],
        "seed": seed,
        "stop": f"{said.flood_end_s + guest.THEN_S}s",
        "kernel": guest.KERNEL,
        "safeguards": _safeguards(cell),
        "network": {"latency": guest.LATENCY} | ({} if local else {"links": _links()}),
        "machines": machines,
        "timeline": _timeline(cell, fault_s, length) if said.fault and not local else [],
        "expect": expected(cell.verdicts),
    }
    return said


def _links() -> list[Tree]:
    """The way to C and back, as wide as the pages a second that went over it."""
    rates = {
        ("A", "C"): guest.PAGES_OUT_PER_S * _message_wire(nbd.request_size(write=True)),
        ("C", "A"): guest.PAGES_IN_PER_S * _message_wire(nbd.reply_size(write=False)),
    }
    return [{"from": one, "to": other, "bandwidth": f"{8 * rate}bit/s"} for (one, other), rate in rates.items()]


def _message_wire(size: int) -> int:
    """The bytes on the wire of a message over TCP."""
    full, rest = divmod(size, mss(MTU))
    return full * segment_wire(mss(MTU), ETHERNET) + (segment_wire(rest, ETHERNET) if rest else 0)


def _guest(cell: Cell) -> Tree:
    """The machine itself, and its programs."""
    ram = cell.number("ram_mb", guest.NOT_MANAGED_MIB + guest.HELD_MIB + 1, 1 << 20)
    machine: Tree = {
        "memory": f"{guest.managed_pages(ram) * PAGE >> 20}MiB",
        "zones": guest.zones(ram),
        "nic": {"refill": _nic(cell)},
        "udp": {"mem": _pages(cell, "udp_mem") or guest.udp_mem(ram)},
        "tcp": {"mem": _pages(cell, "tcp_mem") or guest.tcp_mem(ram)},
    }
    if cell.of("flood") == "tcp":
        buffer = cell.extra_number("rcvbuf", guest.RECEIVE_BUFFER)
        machine["tcp"] |= {"rmem": [4096, 131_072, max(buffer, 6 << 20)]}
    if "fraghigh" in cell.extra:
        machine["ipfrag"] = {"high": f"{cell.extra_number('fraghigh', 0, PAGE)}B"}
    if cell.number("min_free_kb", 1) != guest.min_free_kib(ram):
        machine["min_free"] = f"{cell.number('min_free_kb', 1)}KiB"
    if cell.of("boost") != "default":
        machine["vm"] = {"watermark_boost_factor": cell.number("boost", 0, 1_000_000)}
    machine["swap"] = dict(_PATHS[cell.of("swap_path")])
    held: Tree = {"port": 1, "pages": guest.HELD_MIB * guest.MIB_PAGES, "lock": True, "unkillable": True}
    programs: list[Tree] = [{"service": held}, {"heartbeat": dict(guest.HEARTBEAT)}, *_proxy(cell)]
    machine["programs"] = [*programs, *_service(cell), *_hogs(cell, ram)]
    return machine


def _nic(cell: Cell) -> str:
    """The driver of an emulated card."""
    return _NICS.get(cell.of("nic")) or cell.word("nic", tuple(DRIVERS))


def _pages(cell: Cell, column: str) -> list[int] | None:
    """Three limits in pages; None for the default."""
    if cell.of(column) == "default":
        return None
    texts = cell.of(column).replace(",", " ").split()
    if len(texts) != 3 or not all(one.isdecimal() and int(one) for one in texts):
        raise cell.problem(column, f'"{cell.of(column)}" is no limit', "write three numbers of pages, or default")
    return [int(one) for one in texts]


_NBD: Final[Tree] = {"server": "C", "transport": "nbd", "size": guest.SWAP_SIZE, "in_flight": guest.SWAP_REQUESTS}
_PROXIED: Final[Tree] = {**_NBD, "via": "proxy"}
_PATHS: Final[dict[str, Tree]] = {
    "direct": _NBD,
    "nomem": _NBD,
    "unix": _PROXIED,
    "tcplo": _PROXIED,
    "local": {"on": "disk", "size": guest.SWAP_SIZE},
}
"""The swap of each path."""


def _proxy(cell: Cell) -> list[Tree]:
    sockets = {"unix": "unix", "tcplo": "tcp"}
    path = cell.of("swap_path")
    return [{"proxy": {"lock": True, "realtime": True, "socket": sockets[path]}}] if path in sockets else []


def _safeguards(cell: Cell) -> str | list[str]:
    """What a 6.1 has, but for the rights of a marked socket where none is marked."""
    switches: list[str] = ["merged"]
    if cell.of("swap_path") in ("nomem", "local"):
        switches += [f"-{one}" for one in _OF_THE_MARK if one in PRESETS["merged"].switches]
    if cell.word("rx_head_fix", ("0", "1")) == "1":
        switches.append("rx-head")
    return switches if len(switches) > 1 else switches[0]


def _service(cell: Cell) -> list[Tree]:
    """What B floods. It reads nothing, or all; `table`: MiB of its own memory, a page of which each message touches."""
    mode = cell.extra.get("svcmode") or cell.of("svc")
    flood = cell.word("flood", ("none", *guest.PAYLOAD))
    if not mode and flood == "none":
        return []
    if mode not in ("", "noread", "consume"):
        raise cell.problem("svc", f'there is no "{mode}"', "write noread or consume")
    service: Tree = {"port": PORT, "sockets": _ports(cell), "buffer": f"{_buffer(cell)}B"}
    if flood == "tcp":
        service["protocol"] = "tcp"
    if "table" in cell.extra:
        service["pages"] = cell.extra_number("table", 0) * guest.MIB_PAGES
    if mode != "consume":
        service["reads"] = "never"
    return [{"service": service}]


def _buffer(cell: Cell) -> int:
    return cell.extra_number("rcvbuf", guest.RECEIVE_BUFFER, 256, 1 << 30)


def _sockets(cell: Cell) -> int:
    return cell.extra_number("nsock", guest.SOCKETS, 1, 50_000)


def _ports(cell: Cell) -> int:
    """Sockets of the service that are flooded, each on a port of its own."""
    return cell.extra_number("floodports", _sockets(cell), 1, 50_000)


def _hogs(cell: Cell, ram: int) -> list[Tree]:
    """What makes the memory short: a program that dirties random pages, or reads a file; `hog2` MiB are a second one's."""
    workload = cell.word("workload", ("anon", "file", "none"))
    kind = cell.extra.get("hogkind", workload)
    rest_us = cell.extra_number("hogus", 0, 0)
    hogs: list[Tree] = []
    if workload != "none" and kind not in ("anon", "file"):
        raise cell.problem("other_keys", f'there is no hogkind "{kind}"', "write file or anon")
    if workload != "none" and kind == "file":
        per_second = guest.HOG_PAGES * PAGE * 1_000_000 // rest_us if rest_us else 100_000_000
        size = cell.extra_number("hogmb", 120)
        hogs.append({"reader": {"file": f"{size}MiB", "rate": f"{per_second}B/s", "mapped": True}})
    elif workload != "none":
        hogs.append(_hog(cell.extra_number("hogmb", 120), rest_us, ram))
    if "hog2" in cell.extra:
        hogs.append(_hog(cell.extra_number("hog2", 0), rest_us, ram))
    return hogs


def _hog(size: int, rest_us: int, ram: int) -> Tree:
    """Single random pages, dirtied. It rests after each as long as the real one does for a page after 32 of them.

    One that fits into memory and never rests would let no time pass: there it takes a microsecond for a page.
    """
    rest_ns = rest_us * 1000 // guest.HOG_PAGES
    if not rest_ns and size * guest.MIB_PAGES < guest.managed_pages(ram) - guest.HELD_MIB * guest.MIB_PAGES:
        rest_ns = 1000
    hog: Tree = {"working_set": f"{size}MiB", "touch": "4KiB", "pattern": "random"}
    return {"rank": hog | ({"compute": f"{rest_ns}ns"} if rest_ns else {})}


def _flood(cell: Cell, from_s: int, for_s: int) -> Tree:
    """`pps` packets a second over all sockets. Of fragments there are first ones only."""
    kind = cell.word("flood", ("none", *guest.PAYLOAD))
    if kind == "none":
        return {}
    payload = cell.extra_number("payload", guest.PAYLOAD[kind], 1, 65_507)
    flood: Tree = {"to": f"A:{PORT}", "payload": f"{payload}B", "burst": guest.BURST}
    flood |= {"from": f"{from_s}s", "for": f"{for_s}s"}
    if kind == "tcp":
        wire = segment_wire(payload, ETHERNET)
        flood |= {"protocol": "tcp", "flows": _sockets(cell)}
    elif kind == "frag":
        first = datagram_wire(payload)[1] - ETHERNET - IP_HEADER
        flood |= {"payload": f"{2 * first}B", "fragments": "incomplete"}
        wire = datagram_wire(2 * first)[1]
    else:
        packets, each, last = datagram_wire(payload)
        wire = (packets - 1) * each + last
    return flood | {"rate": f"{cell.number('pps', 1) * wire * 8}bit/s"}


def _timeline(cell: Cell, at_s: int, length_s: int) -> list[Tree]:
    """What happens to C, or to the way to it."""
    faults: dict[str, Tree] = {"drop": {"partition": ["C"]}, "stop": {"freeze": "C.swap-server"}}
    mode = cell.word("partmode", tuple(faults))
    return [{"at": f"{at_s}s", "for": f"{length_s}s", **faults[mode]}]
