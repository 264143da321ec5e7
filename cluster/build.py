"""From a resolved scenario (plain data, everything in ns, bytes and indexes) to the objects that run."""

from itertools import permutations
from typing import Any, Final

from netswap.actors.link import LinkSettings
from netswap.actors.machine import Machine
from netswap.actors.network import Network
from netswap.actors.policy import Policy
from netswap.actors.settings import Files, MachineSettings, Spread, Swap
from netswap.cluster.clock import FEW, Fault
from netswap.protocol.ip import ETHERNET
from netswap.protocol.rpc import PAGE

Resolved = dict[str, Any]
_SILENT: Final = ("service", "swap-server", "heartbeat", "reader", "writer")
"""Programs that send nothing to other machines but answers."""


def framing_bytes(resolved: Resolved) -> int:
    """Bytes that the link layer adds to each IP packet."""
    return ETHERNET if resolved["network"]["framing"] == "ethernet" else 0


def machine_settings(resolved: Resolved, index: int) -> MachineSettings:
    """One machine of the scenario."""
    one = resolved["machines"][index]
    swap = one["swap"]
    return MachineSettings(
        name=one["name"],
        index=index,
        memory=one["memory"],
        kernel=one["kernel"],
        policy=Policy.of(one["safeguards"]),
        reserve_pages=one["reserve"]["pages"],
        reserve_buffers=one["reserve"]["buffers"],
        min_free=one["min_free"],
        cpus=one["cpus"],
        nic_rate_bps=one["nic"]["rate_bps"],
        nic_ring=one["nic"]["ring"],
        nic_refill=one["nic"]["refill"],
        softirq_ns=one["nic"]["softirq_ns"],
        swap=swap
        and Swap(
            server=swap["server"],
            transport=swap["transport"],
            size=swap["size"],
            in_flight=swap["in_flight"],
            readahead=swap["readahead"],
            timeout_ns=swap["timeout_ns"],
            request_pages=swap["request"] // PAGE,
            spread=swap["spread"] and Spread(**{**swap["spread"], "servers": tuple(swap["spread"]["servers"])}),
            proxied=swap["via"] == "proxy",
        ),
        tcp_mem=one["tcp"]["mem"] and tuple(one["tcp"]["mem"]),
        udp_mem=one["udp"]["mem"],
        programs=tuple((program["kind"], program["settings"]) for program in one["programs"]),
        seed=resolved["seed"],
        stall_after_ns=resolved["stall_after_ns"],
        framing=framing_bytes(resolved),
        mtu=resolved["network"]["mtu"],
        arp=resolved["network"]["arp"] == "on",
        files=Files(**one["files"]),
    )


def machine(resolved: Resolved, index: int) -> Machine:
    """Build one machine. Raises `SettingsError`."""
    return Machine(machine_settings(resolved, index))


def network(resolved: Resolved) -> Network:
    """Build the network."""
    settings = resolved["network"]
    port = settings["port"]
    return Network(
        names=[one["name"] for one in resolved["machines"]],
        default=_link(settings),
        links={(link["from"], link["to"]): _link({**settings, **link}) for link in settings["links"]},
        seed=resolved["seed"],
        port=port and (port["bandwidth_bps"], port["queue"]),
        strangers=strangers(resolved),
    )


def strangers(resolved: Resolved) -> set[tuple[int, int]]:
    """(source, destination) of machines neither of which sends to the other unasked, so that neither answers either.

    Empty where a program may send to anybody, and where there are too many machines for the clock to ask.
    """
    machines = range(len(resolved["machines"]))
    if len(machines) > FEW:
        return set()
    pairs = set(permutations(machines, 2))
    for index in machines:
        for to in machines if (called := _called(resolved["machines"][index])) is None else called:
            pairs -= {(index, to), (to, index)}
    return pairs


def _called(one: dict[str, Any]) -> set[int] | None:
    """The machines that this one sends to unasked; None if that cannot be known."""
    called: set[int] = set()
    if one["swap"] is not None:
        called |= {one["swap"]["server"], *(one["swap"]["spread"] or {"servers": ()})["servers"]}
    for program in one["programs"]:
        if program["kind"] == "flood":
            called |= {*program["settings"]["to"]}
        elif program["kind"] not in _SILENT and not _keeps_to_itself(program):
            return None
    return called


def _keeps_to_itself(program: dict[str, Any]) -> bool:
    """Whether it is a rank that exchanges nothing with others."""
    return bool(program["kind"] == "rank" and program["settings"]["exchange"] == "none")


def timeline(resolved: Resolved) -> list[Fault]:
    """The faults of the timeline, in order."""
    return [Fault(one["verb"], one["args"], one["at_ns"], one["end_ns"]) for one in resolved["timeline"]]


def _link(values: dict[str, Any]) -> LinkSettings:
    names = (
        "latency_ns",
        "jitter_ns",
        "bandwidth_bps",
        "queue",
        "loss_ppm",
        "duplicate_ppm",
        "reorder_ppm",
        "corrupt_ppm",
    )
    return LinkSettings(**{name: values[name] for name in names})
