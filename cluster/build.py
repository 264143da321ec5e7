"""From a resolved scenario (plain data, everything in ns, bytes and indexes) to the objects that run."""

from typing import Any

from actors.machine import Machine
from actors.network import LinkSettings, Network
from actors.settings import Files, MachineSettings, Spread, Swap
from cluster.clock import Fault
from protocol.ip import ETHERNET
from protocol.rpc import PAGE

Resolved = dict[str, Any]


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
        switches=frozenset(one["safeguards"]),
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
        ),
        tcp_mem=one["tcp"]["mem"] and tuple(one["tcp"]["mem"]),
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
    )


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
