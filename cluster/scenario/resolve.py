"""A scenario as plain data: all defaults filled in, whole numbers in base units, machines by their index.

This is what the machines, the network and the clock are built from, and what a run's folder keeps.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any

from actors import safeguards
from actors.net.drivers import DRIVERS
from actors.programs.collectives import partners
from cluster.scenario import user_programs
from cluster.scenario.cast import Cast
from cluster.scenario.models import (
    Chance,
    Fault,
    Flood,
    Hold,
    Link,
    Machine,
    Network,
    Pair,
    Program,
    Reserve,
    ScenarioWords,
    Slow,
    SlowDisk,
    Swap,
    Words,
    key_of,
)
from protocol import units

Plain = dict[str, Any]
Ranks = dict[str, list[int]]
"""By the name of an exchange: the machines of its ranks, in the order of the scenario."""

# The names of whole numbers, for words outside of programs whose values carry a unit.
_UNITS = {
    "latency": "latency_ns",
    "jitter": "jitter_ns",
    "bandwidth": "bandwidth_bps",
    "loss": "loss_ppm",
    "duplicate": "duplicate_ppm",
    "reorder": "reorder_ppm",
    "corrupt": "corrupt_ppm",
    "timeout": "timeout_ns",
}


def cast_of(words: ScenarioWords) -> Cast:
    """Who is who in a scenario."""
    return Cast({name: machine.count for name, machine in words.machines.items()})


def resolve(words: ScenarioWords) -> Plain:
    """The whole scenario as JSON-able data."""
    cast = cast_of(words)
    ranks = _ranks(words, cast)
    return {
        "title": words.title,
        "seed": words.seed,
        "stop_ns": words.stop,
        "stall_after_ns": words.stall_after,
        "network": _network(words.network, cast),
        "machines": list(_machines(words, cast, ranks)),
        "timeline": [_fault(fault, cast) for fault in words.timeline],
    }


def _network(network: Network, cast: Cast) -> Plain:
    data = _named(network, leave_out=("port", "links"))
    port = network.port
    data["port"] = None if port is None else _named(port)
    data["links"] = _links(network.links, cast)
    return data


def _links(links: Iterable[Link], cast: Cast) -> list[Plain]:
    """One entry for each directed link that differs; what is written later for the same link wins."""
    merged: dict[tuple[int, int], Plain] = {}
    for link in links:
        written = {_key(name): getattr(link, name) for name in sorted(link.model_fields_set - {"from_", "to"})}
        for source in cast.indexes(link.from_):
            for to in cast.indexes(link.to):
                if source != to:
                    merged.setdefault((source, to), {"from": source, "to": to}).update(written)
    return list(merged.values())


def _machines(words: ScenarioWords, cast: Cast, ranks: Ranks) -> Iterator[Plain]:
    """Those of one written name share what is the same for all of them: there may be 100,000."""
    kinds: dict[str, tuple[Plain, list[Plain]]] = {}
    for index, name in enumerate(cast.names):
        written = cast.written_of(name)
        machine = words.machines[written]
        if written not in kinds:
            kinds[written] = _kind(words, cast, machine), [_program(program) for program in machine.programs]
        common, programs = kinds[written]
        own = [
            _program_here(one, program, words, cast, index, ranks)
            for one, program in zip(programs, machine.programs, strict=True)
        ]
        yield {"name": name, "index": index, **common, "programs": own}


def _kind(words: ScenarioWords, cast: Cast, machine: Machine) -> Plain:
    return {
        "memory": machine.memory,
        "kernel": machine.kernel or words.kernel,
        "safeguards": sorted(safeguards.resolve(_safeguards_as_written(words, machine))),
        "reserve": _reserve(words.reserve, machine.reserve),
        "min_free": _min_free(machine),
        "cpus": machine.cpus,
        "nic": {
            "rate_bps": machine.nic.rate,
            "ring": machine.nic.ring or DRIVERS[machine.nic.refill].ring,
            "refill": machine.nic.refill,
            "softirq_ns": machine.nic.softirq,
        },
        "files": {
            **{name: size or 0 for name, size in _as_written(machine.files).items()},
            "disk_latency_ns": machine.disk.latency,
            "disk_bandwidth": machine.disk.bandwidth,
        },
        "tcp": {"mem": machine.tcp.mem},
        "udp": {"mem": machine.udp.mem},
        "swap": None if machine.swap is None else _swap(machine.swap, cast),
    }


def _safeguards_as_written(words: ScenarioWords, machine: Machine) -> str | list[str]:
    written: str | list[str] = words.safeguards if machine.safeguards is None else machine.safeguards
    return written


def _reserve(common: Reserve, own: Reserve | None) -> Plain:
    """The machine's own words where it has any, else those of the scenario."""
    return {
        name: getattr(own if own is not None and name in own.model_fields_set else common, name)
        for name in Reserve.model_fields
    }


def _min_free(machine: Machine) -> int | None:
    written = machine.min_free
    if written is None:
        return None
    if units.unit_of(written) == "%":
        return machine.memory * units.parse_share(written) // units.PARTS_PER_MILLION
    return units.parse_size(written)


def _swap(swap: Swap, cast: Cast) -> Plain:
    """One server without a disk has no spread."""
    own = _named(swap, leave_out=_OF_SPREADS)
    servers = servers_of(swap, cast)
    return own | {"server": servers[0], "spread": _spread(swap, servers)}


_OF_SPREADS = ("server", "servers", "layout", "data", "parity", "acks", "extra", "backup", "failover")


def servers_of(swap: Swap, cast: Cast) -> list[int]:
    """The machines that a machine swaps to, in the order in which they are written."""
    written = swap.servers if swap.server is None else [swap.server]
    return [index for name in written for index in cast.indexes(name)]


def _spread(swap: Swap, servers: list[int]) -> Plain | None:
    if len(servers) == 1 and swap.backup == "none":
        return None
    parts, needed, acks, ask = {
        "striped": (1, 1, 1, 1),
        "mirrored": (len(servers), 1, len(servers), len(servers)),
        "coded": ((swap.data or 1) + (swap.parity or 0), swap.data or 1, swap.data or 1, (swap.data or 1) + 1),
    }[swap.layout]
    return {
        "servers": servers,
        "parts": parts,
        "needed": needed,
        "acks": swap.acks or acks,
        "ask": ask if swap.extra is None else needed + swap.extra,
        "backup": swap.backup == "disk",
        "failover_ns": swap.failover,
    }


def _program(program: Program) -> Plain:
    if program.model_extra:
        kind, own = next(iter(program.model_extra.items()))
        return {"kind": kind, "settings": user_programs.settings_of(own)}
    name = next(name for name in Program.model_fields if getattr(program, name) is not None)
    leave_out = ("from_", "for_") if name == "flood" else ()
    return {"kind": key_of(Program, name), "settings": _as_written(getattr(program, name), leave_out)}


def _program_here(one: Plain, program: Program, words: ScenarioWords, cast: Cast, index: int, ranks: Ranks) -> Plain:
    """The program on one of the machines: whom it speaks to is not the same on all."""
    if program.flood is not None:
        return one | {"settings": one["settings"] | _flood(program.flood, words, cast, index)}
    if program.rank is not None and program.rank.exchange != "none":
        return one | {"settings": one["settings"] | _exchange(program.rank.exchange, index, ranks)}
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
    target, port = flood_address(flood)
    sockets = _sockets_from(words.machines[cast.written_of(target)], port)
    return {
        "to": [one for one in cast.indexes(target) if one != index],
        "port": port,
        "sockets": sockets,
        "flows": flood.flows or sockets,
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


def _fault(fault: Fault, cast: Cast) -> Plain:
    name = next(name for name in Fault.model_fields if name not in ("at", "for_") and getattr(fault, name) is not None)
    return {
        "at_ns": fault.at,
        "end_ns": None if fault.for_ is None else fault.at + fault.for_,
        "verb": key_of(Fault, name),
        "args": _fault_args(getattr(fault, name), cast),
    }


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


def _named(words: Words, leave_out: tuple[str, ...] = ()) -> Plain:
    """All fields of a model, those with a unit under a name that says it."""
    return {_key(name): value for name, value in _as_written(words, leave_out).items()}


def _as_written(words: Words, leave_out: tuple[str, ...] = ()) -> Plain:
    """All fields of a model under the names of the scenario."""
    return {name: getattr(words, name) for name in type(words).model_fields if name not in leave_out}


def _key(name: str) -> str:
    return _UNITS.get(name, name)
