"""From the words of a scenario to the settings of what runs."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from netswap.actors import safeguards
from netswap.actors.net.drivers import DRIVERS
from netswap.actors.network.link import LinkSettings
from netswap.actors.policy import Policy
from netswap.actors.programs.collectives import partners
from netswap.actors.recording import Recording, TraceHeader
from netswap.actors.settings import Files, Layer, MachineSettings, Spread, Vm, ZoneSettings
from netswap.actors.settings import Swap as SwapSettings
from netswap.cluster.record.plan import Plan, usual_every_ns
from netswap.cluster.scenario import resolved, user_programs
from netswap.cluster.scenario.cast import Cast
from netswap.cluster.scenario.models import (
    Chance,
    Fault,
    Flood,
    Hold,
    Link,
    Machine,
    Network,
    Pair,
    Program,
    Rank,
    Reserve,
    ScenarioWords,
    Slow,
    SlowDisk,
    Swap,
    Text,
    Words,
    key_of,
)
from netswap.cluster.scenario.resolved import DirectedLink, NetworkSettings, Resolved, SwitchPort
from netswap.protocol import units
from netswap.protocol.ip import ETHERNET
from netswap.protocol.nbd import TAGS
from netswap.protocol.rpc import PAGE
from netswap.protocol.units import milliseconds

Plain = dict[str, Any]
Told = tuple[str, Plain]
"""A program of a machine, and its settings."""
At = tuple[str, int]
"""A machine's name as written, and the place of a program among its programs."""
Ranks = dict[str, list[int]]
"""By the name of an exchange: the machines of its ranks, in the order of the scenario."""

_UNITS: Final = ("ns", "bps", "ppm")
"""Base units that settings say in a field's name; sizes and rates in bytes say none."""


def cast_of(words: ScenarioWords) -> Cast:
    """The machines of a scenario by name and index."""
    return Cast({name: machine.count for name, machine in words.machines.items()})


def resolve(words: ScenarioWords, recordings: Mapping[At, Recording] = MappingProxyType({})) -> Resolved:
    """The whole scenario; `recordings`: what programs repeat, by where these stand."""
    cast = cast_of(words)
    return Resolved(
        title=words.title,
        seed=words.seed,
        stop_ns=words.stop,
        stall_after_ns=words.stall_after,
        network=_network(words.network, cast),
        machines=tuple(_machines(words, cast, _ranks(words, cast), recordings)),
        timeline=tuple(_fault(fault, words, cast) for fault in words.timeline),
    )


def plan(words: ScenarioWords) -> Plan | None:
    """What is recorded of it; None for nothing. It is no part of how the scenario runs."""
    cast, machines = cast_of(words), words.record.machines
    if machines == "none":
        return None
    every_ns = words.record.every or usual_every_ns(len(cast))
    if machines == "auto":
        return Plan(every_ns)
    indexes = {index for name in machines for index in cast.indexes(name)} if machines != "all" else range(len(cast))
    return Plan(every_ns, tuple(sorted(indexes)))


def _network(network: Network, cast: Cast) -> NetworkSettings:
    link = LinkSettings(**_named(LinkSettings, _written(network, ("mtu", "framing", "arp", "port", "links"))))
    port = None if network.port is None else SwitchPort(**_named(SwitchPort, _written(network.port)))
    return NetworkSettings(link, _links(network.links, link, cast), port)


def _links(links: Iterable[Link], usual: LinkSettings, cast: Cast) -> tuple[DirectedLink, ...]:
    """One entry for each directed link that differs; what is written later for the same link wins."""
    merged: dict[tuple[int, int], LinkSettings] = {}
    for link in links:
        written = {name: getattr(link, name) for name in link.model_fields_set - {"from_", "to"}}
        changes = _named(LinkSettings, written)
        for source in cast.indexes(link.from_):
            for to in cast.indexes(link.to):
                if source != to:
                    merged[source, to] = replace(merged.get((source, to), usual), **changes)
    return tuple(DirectedLink(source, to, settings) for (source, to), settings in merged.items())


def _machines(
    words: ScenarioWords, cast: Cast, ranks: Ranks, recordings: Mapping[At, Recording]
) -> Iterator[MachineSettings]:
    """The settings of all machines. Those of one written name share what is the same for all of them: there may be 100,000."""
    kinds: dict[str, MachineSettings] = {}
    for index, name in enumerate(cast.names):
        written = cast.written_of(name)
        machine = words.machines[written]
        if written not in kinds:
            programs = [
                _program(program, recordings.get((written, place))) for place, program in enumerate(machine.programs)
            ]
            kinds[written] = replace(_kind(words, cast, machine), programs=tuple(programs))
        own = [
            _program_here(one, program, words, cast, index, ranks)
            for one, program in zip(kinds[written].programs, machine.programs, strict=True)
        ]
        swap = _swap_here(kinds[written], machine, written, index)
        yield replace(kinds[written], name=name, index=index, programs=tuple(own), swap=swap)


def _swap_here(kind: MachineSettings, machine: Machine, written: str, index: int) -> SwapSettings | None:
    """The swap of one of the machines: one that swaps to its own disk or process is its own server."""
    asked = machine.swap
    if kind.swap is None or asked is None or (asked.on == "server" and asked.server != written):
        return kind.swap
    return replace(kind.swap, server=index)


_SPOKEN_OF: Final = (
    "count",
    "kernel",
    "safeguards",
    "reserve",
    "min_free",
    "thp",
    "zones",
    "files",
    "disk",
    "vm",
    "swap",
    "programs",
)


def _kind(words: ScenarioWords, cast: Cast, machine: Machine) -> MachineSettings:
    """What the machines of one written name are. A key that nothing here speaks of goes to the field of its name."""
    files = {key: size or 0 for key, size in _written(machine.files).items()} | _flat("disk", machine.disk)
    return MachineSettings(
        **_named(MachineSettings, _written(machine, _SPOKEN_OF))
        | {
            "name": "",
            "index": 0,
            "seed": words.seed,
            "stall_after_ns": words.stall_after,
            "mtu": words.network.mtu,
            "framing": ETHERNET if words.network.framing == "ethernet" else 0,
            "arp": words.network.arp == "on",
            "kernel": machine.kernel or words.kernel,
            "policy": Policy.of(safeguards.resolve(_safeguards_as_written(words, machine))),
            **_reserve(words.reserve, machine.reserve),
            "min_free": _min_free(machine),
            "thp": machine.thp == "on",
            "nic_page_frags": machine.nic.page_frags == "on",
            "nic_high_order_alloc": machine.nic.high_order_alloc == "on",
            "nic_ring": machine.nic.ring or DRIVERS[machine.nic.refill].ring,
            "files": Files(**_named(Files, files)),
            "zones": _zones(machine),
            "vm": Vm(**_as_written(machine.vm)),
            "swap": None if machine.swap is None else _swap(machine.swap, cast),
            "programs": (),
        }
    )


def _safeguards_as_written(words: ScenarioWords, machine: Machine) -> str | list[str]:
    written: str | list[str] = words.safeguards if machine.safeguards is None else machine.safeguards
    return written


def _reserve(common: Reserve, own: Reserve | None) -> Plain:
    """The machine's own words where it has any, else those of the scenario."""
    return {
        f"reserve_{name}": getattr(own if own is not None and name in own.model_fields_set else common, name)
        for name in Reserve.model_fields
    }


def _zones(machine: Machine) -> tuple[ZoneSettings, ...]:
    """The zones, lowest first; none if they are not told apart."""
    if machine.zones is None:
        return ()
    written = [(name, getattr(machine.zones, name)) for name in type(machine.zones).model_fields]
    sizes = [(name, zone.size // PAGE, zone.at_boot) for name, zone in written if zone is not None]
    return tuple(ZoneSettings(name, pages, pages if boot is None else boot // PAGE) for name, pages, boot in sizes)


def _min_free(machine: Machine) -> int | None:
    written = machine.min_free
    if written is None:
        return None
    if units.unit_of(written) == "%":
        return machine.memory * units.parse_share(written) // units.PARTS_PER_MILLION
    return units.parse_size(written)


def _swap(swap: Swap, cast: Cast) -> SwapSettings:
    """One server without a disk has no spread."""
    servers = servers_of(swap, cast) or [0]  # its own disk: the index is filled in for each machine
    leave_out = ("via", "request", "timeout", "write_errors", "layer", "in_flight")
    own = _named(SwapSettings, _written(swap, (*_OF_SPREADS, *leave_out)))
    layer = None if swap.layer is None else Layer(swap.layer.buffer // PAGE, swap.layer.requests)
    return SwapSettings(
        **own,
        server=servers[0],
        in_flight=swap.in_flight if swap.on == "server" or "in_flight" in swap.model_fields_set else TAGS,
        timeout_ns=swap.timeout or _NFS_TIMEOUT_NS,
        nbd_timeout_ns=swap.timeout,
        request_pages=swap.request // PAGE,
        spread=_spread(swap, servers),
        proxied=swap.via == "proxy",
        hides_errors=swap.write_errors == "ignored",
        layer=layer,
    )


_NFS_TIMEOUT_NS: Final = milliseconds(1100)
"""timeo=11 (fs/nfs/client.c)."""


_OF_SPREADS: Final = ("server", "servers", "layout", "data", "parity", "acks", "extra", "backup", "failover")


def servers_of(swap: Swap, cast: Cast) -> list[int]:
    """The machines that a machine swaps to, in the order in which they are written."""
    written = swap.servers if swap.server is None else [swap.server]
    return [index for name in written for index in cast.indexes(name)]


def _spread(swap: Swap, servers: list[int]) -> Spread | None:
    if len(servers) == 1 and swap.backup == "none":
        return None
    parts, needed, acks, ask = {
        "striped": (1, 1, 1, 1),
        "mirrored": (len(servers), 1, len(servers), len(servers)),
        "coded": ((swap.data or 1) + (swap.parity or 0), swap.data or 1, swap.data or 1, (swap.data or 1) + 1),
    }[swap.layout]
    return Spread(
        servers=tuple(servers),
        parts=parts,
        needed=needed,
        acks=swap.acks or acks,
        ask=ask if swap.extra is None else needed + swap.extra,
        backup=swap.backup == "disk",
        failover_ns=swap.failover,
    )


def _program(program: Program, recording: Recording | None) -> Told:
    if program.model_extra:
        kind, own = next(iter(program.model_extra.items()))
        return kind, user_programs.settings_of(own)
    name = next(name for name in Program.model_fields if getattr(program, name) is not None)
    if recording is not None:
        return name, _player(getattr(program, name), recording)
    settings = _as_written(getattr(program, name), _OTHERWISE.get(name, ()))
    if program.rank is not None:
        settings |= _text(program.rank.text) | {"start_ns": program.rank.from_}
    if program.service is not None:
        settings |= _text(program.service.text)
    return key_of(Program, name), settings


_OF_RECORDINGS: Final = ("speed", "repeat")
_OTHERWISE: Final = {
    "flood": ("from_", "for_", "pcap", "ports", "only", *_OF_RECORDINGS),
    "rank": ("from_", "text", "trace", "pace", *_OF_RECORDINGS),
    "service": ("text",),
}
"""Keys of a program that its settings spell otherwise, or that it has none for unless it plays a recording."""


def _player(words: Flood | Rank, recording: Recording) -> Plain:
    """What plays a recording; the targets of a flood that sends one are not the same on all machines."""
    plain: Plain = {"recording": recording, "speed_ppm": words.speed, "rounds": words.repeat}
    if isinstance(words, Flood):
        return plain
    pages = TraceHeader(*recording.header()).pages
    return plain | {"working_set": pages * PAGE, "access": words.access, "start": words.start, "pace": words.pace}


def _text(text: Text | None) -> Plain:
    return {"text": None} if text is None else {"text": text.size, "text_on": text.on}


def _program_here(one: Told, program: Program, words: ScenarioWords, cast: Cast, index: int, ranks: Ranks) -> Told:
    """The program on one of the machines: the machines that it speaks to are not the same on all."""
    kind, settings = one
    if program.flood is not None:
        return kind, settings | _flood(program.flood, words, cast, index)
    if program.rank is not None and program.rank.exchange != "none":
        return kind, settings | _exchange(program.rank.exchange, index, ranks)
    return one


def _ranks(words: ScenarioWords, cast: Cast) -> Ranks:
    ranks: Ranks = {}
    for index, name in enumerate(cast.names):
        for program in words.machines[cast.written_of(name)].programs:
            if program.rank is not None and program.rank.exchange != "none":
                ranks.setdefault(program.rank.exchange, []).append(index)
    return ranks


def _exchange(exchange: str, index: int, ranks: Ranks) -> Plain:
    machines = ranks[exchange]
    place = bisect_left(machines, index)
    others = partners(exchange, place, len(machines))
    return {"place": place, "ranks": len(machines), "partners": [[other, machines[other]] for other in others]}


def _flood(flood: Flood, words: ScenarioWords, cast: Cast, index: int) -> Plain:
    if flood.pcap is not None:
        return _replay(flood, words, cast, index)
    target, port = flood_address(flood)
    sockets = _sockets_from(words.machines[cast.written_of(target)], port)
    to = [one for one in cast.indexes(target) if one != index]
    # What several machines get in turn, and what TCP makes up for, is a train: there its length is no matter of speed alone.
    best_ns = units.milliseconds(100 if flood.protocol == "udp" and len(to) == 1 else 1)
    return {
        "to": to,
        "train": flood.burst or (best_ns if flood.train is None else flood.train),
        "burst": flood.burst is not None,
        "port": port,
        "sockets": sockets,
        "flows": flood.flows or sockets,
        "start_ns": flood.from_,
        "end_ns": None if flood.for_ is None else flood.from_ + flood.for_,
    }


def _replay(flood: Flood, words: ScenarioWords, cast: Cast, index: int) -> Plain:
    target, _, port = flood.to.partition(":")
    machine, first = words.machines[cast.written_of(target)], flood.port or (int(port) if port else None)
    services = [one.service for one in machine.programs if one.service is not None and one.service.protocol == "udp"]
    ports = [(one.port, one.sockets) for one in services] if first is None else [(first, _sockets_from(machine, first))]
    return {
        "to": [one for one in cast.indexes(target) if one != index],
        "ports": [] if flood.ports == "keep" else [list(one) for one in ports],
        "start_ns": flood.from_,
        "end_ns": None if flood.for_ is None else flood.from_ + flood.for_,
    }


def flood_address(flood: Flood) -> tuple[str, int]:
    """The machine's name and the first port that a flood goes to."""
    target, _, port = flood.to.partition(":")
    return target, flood.port or int(port)


def _sockets_from(machine: Machine, port: int) -> int:
    """How many sockets the service that has this port opens from there on; one if it is a user's own program that does."""
    services = [program.service for program in machine.programs if program.service is not None]
    ends = [one.port + one.sockets for one in services if one.port <= port < one.port + one.sockets]
    return ends[0] - port if ends else 1


def _fault(fault: Fault, words: ScenarioWords, cast: Cast) -> resolved.Fault:
    name = next(name for name in Fault.model_fields if name not in ("at", "for_") and getattr(fault, name) is not None)
    return resolved.Fault(
        verb=key_of(Fault, name),
        args=_frozen(fault.freeze, words, cast) if fault.freeze else _fault_args(getattr(fault, name), cast),
        at_ns=fault.at,
        end_ns=None if fault.for_ is None else fault.at + fault.for_,
    )


def _frozen(written: str, words: ScenarioWords, cast: Cast) -> Plain:
    """The machines of C or of C.service, and the places of the programs that are meant: all, or those of this name."""
    name, _, program = written.partition(".")
    told = [_kind_of(one) for one in words.machines[cast.written_of(name)].programs]
    places = [place for place, kind in enumerate(told) if not program or kind == program]
    return {"machines": cast.indexes(name), "programs": places}


def _kind_of(program: Program) -> str:
    """The key that a program is written under: its name, or that of a class."""
    if program.model_extra:
        return next(iter(program.model_extra))
    return key_of(Program, next(name for name in Program.model_fields if getattr(program, name) is not None))


def _fault_args(written: Any, cast: Cast) -> Plain:
    if isinstance(written, list):
        return {"groups": _groups(written, cast)}
    if isinstance(written, str):
        return {"machines": cast.indexes(written)}
    if isinstance(written, SlowDisk):
        return {"machines": cast.indexes(written.machine), "latency_ns": written.latency}
    return _pair(written, cast)


def _groups(written: list[str] | list[list[str]], cast: Cast) -> list[list[int]]:
    """The groups named; all machines that are in none of them are one more."""
    named = [[name] if isinstance(name, str) else name for name in written]
    if all(isinstance(name, str) for name in written):
        named = [[name for group in named for name in group]]
    groups = [sorted(index for name in group for index in cast.indexes(name)) for group in named]
    parted = {index for group in groups for index in group}
    rest = [index for index in range(len(cast)) if index not in parted]
    return [*groups, rest] if rest else groups


def _pair(pair: Pair, cast: Cast) -> Plain:
    data: Plain = {"from": cast.indexes(pair.from_), "to": cast.indexes(pair.to)}
    if isinstance(pair, Hold):
        data["only"] = pair.only
    if isinstance(pair, Slow):
        data |= {"latency_ns": pair.latency, "jitter_ns": pair.jitter, "bandwidth_bps": pair.bandwidth}
    if isinstance(pair, Chance):
        data["rate_ppm"] = pair.rate
    return data


def _named(settings: type[Any], written: Plain) -> Plain:
    """What is written, under the names of these settings: a field's name is the key's, with the unit where it says one.

    Raises TypeError for a key that has no field: it would have no effect.
    """
    known = settings.__dataclass_fields__
    named = {}
    for key, value in written.items():
        names = [name for name in (key, *(f"{key}_{unit}" for unit in _UNITS)) if name in known]
        if len(names) != 1:
            raise TypeError(f"{settings.__name__} has {len(names)} fields for what a scenario calls {key}")
        named[names[0]] = tuple(value) if isinstance(value, list) else value
    return named


def _written(words: Words, leave_out: tuple[str, ...] = ()) -> Plain:
    """All fields of a model, those of a mapping in it under the names of both: `nic_rate`."""
    flat: Plain = {}
    for name, value in _as_written(words, leave_out).items():
        flat |= _flat(name, value) if isinstance(value, Words) else {name: value}
    return flat


def _flat(above: str, words: Words) -> Plain:
    return {f"{above}_{name}": value for name, value in _written(words).items()}


def _as_written(words: Words, leave_out: tuple[str, ...] = ()) -> Plain:
    """All fields of a model under the names of the scenario."""
    return {name: getattr(words, name) for name in type(words).model_fields if name not in leave_out}
