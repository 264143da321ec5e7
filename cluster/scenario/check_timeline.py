"""Checks on the timeline: faults in the order of time, each one fault, about machines that exist."""

import json
from collections.abc import Sequence

from netswap.cluster.scenario.models import FAULTS, Network
from netswap.cluster.scenario.resolved import Fault
from netswap.cluster.scenario.source import Document, Place, Tree
from netswap.cluster.scenario.words import nearest
from netswap.cluster.scenario.written import Written, items_in, mapping_in, text_in, time_in
from netswap.protocol.units import parse_time, shortened


def timeline(written: Written) -> None:
    """Report what is wrong with the timeline."""
    latest = 0
    for index, fault in enumerate(items_in(written.tree, "timeline")):
        if isinstance(fault, dict):
            latest = _time(written, ("timeline", index, "at"), fault, latest)
            _fault(written, ("timeline", index), fault)


def no_fault_twice(document: Document, timeline: Sequence[Fault]) -> None:
    """Report a fault, that another one of the same time already is: with the first it is over as well."""
    first: dict[str, int] = {}
    for index, fault in enumerate(timeline):
        words = json.dumps([fault.at_ns, fault.verb, fault.args])
        if words in first:
            line = document.position(("timeline", first[words]))[1]
            hint = f"remove one of them; the first is in line {line}"
            document.report(("timeline", index), "this fault stands here already, at the same time", hint)
        first.setdefault(words, index)


def _time(written: Written, place: Place, fault: Tree, latest: int) -> int:
    """Look at when a fault begins; the latest beginning so far."""
    at, stop = time_in(fault, "at"), time_in(written.tree, "stop")
    if at is None:
        return latest
    if at < latest:
        written.report(place, f"{fault['at']} is before the fault above", "put the faults in the order of time")
    if stop is not None and at >= stop:
        hint = f"begin before {written.tree['stop']}, or set stop later"
        written.report(place, f"{fault['at']} is not before the end of the run", hint)
    return max(latest, at)


def _fault(written: Written, place: Place, fault: Tree) -> None:
    """An item has one fault; words that are none are reported by the models."""
    faults = [key for key in fault if key in FAULTS]
    if len(faults) > 1:
        written.report(place, f"{' and '.join(faults)} in one item", "begin an item with - for each fault")
    elif not faults and set(fault) <= {"at", "for"}:
        written.report(place, "no fault is named", f"add one of {', '.join(FAULTS)}")
    for name in faults:
        if name == "partition":
            _partition(written, (*place, name), fault[name])
        elif name in ("crash", "pause"):
            _machine(written, (*place, name), fault[name])
        elif name == "freeze":
            _frozen(written, (*place, name), fault[name])
        elif name == "slow-disk":
            _slow_disk(written, (*place, name), fault[name])
        else:
            written.pair((*place, name), fault[name])
    if "slow" in fault:
        _slow(written, (*place, "slow"), mapping_in(fault, "slow"))


def _machine(written: Written, place: Place, name: object) -> bool:
    """Whether there is such a machine; what is no text is reported by the models."""
    return isinstance(name, str) and written.known(place, name)


def _frozen(written: Written, place: Place, value: object) -> None:
    """The machine has programs, or one of the name after the dot."""
    name, dot, program = value.partition(".") if isinstance(value, str) else ("", "", "")
    if not name or not _machine(written, place, name):
        return
    known = list(dict.fromkeys(kind for _, kind, _ in written.programs_of(written.cast.written_of(name))))
    if not known:
        written.report(place, f"{name} has no program that could stand still", "name a machine with programs")
    elif dot and program not in known:
        hint = f"{nearest(program, known)} (as {name}.{known[0]}), or write {name} for all its programs"
        written.report(place, f'{name} has no program "{shortened(program)}"', hint)


def _slow_disk(written: Written, place: Place, value: object) -> None:
    """The machine is one that has a disk: a swap server."""
    name = text_in(value, "machine")
    if name is None or not _machine(written, (*place, "machine"), name):
        return
    host = written.cast.written_of(name)
    programs = [program for _, program, _ in written.programs_of(host)]
    on_disk = text_in(mapping_in(written.machines[host], "swap"), "on") == "disk"
    if "swap-server" not in programs and not on_disk:
        hint = "name a machine with a swap-server, or one that swaps to its disk"
        written.report((*place, "machine"), f"{name} has no disk", hint)


def _partition(written: Written, place: Place, value: object) -> None:
    """The groups name machines that exist, each at most once, and leave a machine on the other side."""
    groups = value if isinstance(value, list) else []
    parted: set[int] = set()
    for index, group in enumerate(groups):
        if isinstance(group, list):
            for number, name in enumerate(group):
                _member(written, (*place, index, number), name, parted)
        else:
            _member(written, (*place, index), group, parted)
    one_side = len(groups) == 1 or not any(isinstance(group, list) for group in groups)
    if groups and one_side and len(parted) == len(written.cast):
        hint = "leave a machine out, or write groups: [[A], [B, C]]"
        written.report(place, "nobody is on the other side", hint)


def _member(written: Written, place: Place, name: object, parted: set[int]) -> None:
    if not isinstance(name, str) or not written.known(place, name):
        return
    indexes = set(written.cast.indexes(name))
    if indexes & parted:
        written.report(place, f"{name} is named twice", "put each machine into one group")
    parted |= indexes


def _slow(written: Written, place: Place, slow: Tree) -> None:
    """`slow` changes something, and no packet gets faster than the fastest link: the clock's windows rely on that."""
    if not {"latency", "jitter", "bandwidth"} & set(slow):
        written.report(place, "slow changes nothing", "add latency, jitter or bandwidth")
    latency = time_in(slow, "latency")
    least, as_written = _least_latency(written)
    if latency is not None and latency < least:
        message = f"{slow['latency']} is below the smallest latency of the network"
        written.report((*place, "latency"), message, f"write at least {as_written}")


def _least_latency(written: Written) -> tuple[int, str]:
    """The smallest latency of any link, and how the file writes it."""
    network = mapping_in(written.tree, "network")
    usual = Network.model_fields["latency"].default
    places = [network, *(link for link in items_in(network, "links") if isinstance(link, dict))]
    known = [(latency, str(tree["latency"])) for tree in places if (latency := time_in(tree, "latency")) is not None]
    if "latency" not in network:
        known.append((parse_time(usual), usual))
    return min(known, default=(0, "0ns"))
