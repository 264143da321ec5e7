"""Checks on machines: their programs, the ports these listen on, and which machine swaps to which."""

from collections import deque
from typing import Final

import networkx

from netswap.actors.kernels import KERNELS
from netswap.actors.machine.sysctls import without_effect
from netswap.actors.net.drivers import DRIVERS, mtu_max
from netswap.actors.swap.transports import NBD, NFS
from netswap.cluster.scenario import check_ranks, check_recordings, check_swap, check_user_space, user_programs
from netswap.cluster.scenario.models import PROGRAMS, Machine, Network, Nic, ScenarioWords, Service, Swap, Zones
from netswap.cluster.scenario.source import Place, Tree
from netswap.cluster.scenario.words import PORT_MAX, nearest
from netswap.cluster.scenario.written import (
    Listener,
    Written,
    is_own_program,
    items_in,
    mapping_in,
    number_in,
    size_in,
    text_in,
)
from netswap.protocol.nbd import TAGS
from netswap.protocol.units import shortened

PROGRAMS_MAX: Final = 1000
_NFS_ONLY: Final = {
    "retries": "a request is not sent again",
    "request": "a request is one page",
}


def machine(written: Written, name: str) -> None:
    """Report what is wrong with one machine."""
    _one_program_each(written, name)
    if len(items_in(written.machines[name], "programs")) > PROGRAMS_MAX:
        written.report(("machines", name, "programs"), "these are too many programs", f"write at most {PROGRAMS_MAX}")
    for place, program, settings in written.programs_of(name):
        _program(written, name, place, program, settings)
    _one_swap_server(written, name)
    _ports(written, name)
    check_swap.servers(written, name)
    _transport(written, name)
    check_user_space.proxy(written, name)
    check_user_space.nbd_client(written, name)
    check_user_space.own_socket(written, name)
    _min_free(written, name)
    _zones(written, name)
    _vm(written, name)
    _ipfrag(written, name)
    _thp(written, name)


def mtu(written: Written) -> None:
    """Every card can receive what the links carry."""
    size = size_in(mapping_in(written.tree, "network"), "mtu", Network.model_fields["mtu"].default)
    usual = Nic.model_fields["refill"].default
    for name, tree in written.machines.items():
        refill = text_in(mapping_in(tree, "nic"), "refill") or usual
        era = era_of(written, tree)
        if size is None or refill not in DRIVERS or era not in KERNELS:
            continue  # reported there
        most = {rule: mtu_max(rule, KERNELS[era]) for rule in DRIVERS}
        if size > most[refill]:
            able = " or ".join(rule for rule in DRIVERS if most[rule] >= size)
            hint = f"write at most {most[refill]}B" + (f", or give it nic: {{refill: {able}}}" if able else "")
            written.report(
                ("network", "mtu"), f"the card of {name} takes packets of {most[refill]} bytes at most", hint
            )
            return


def era_of(written: Written, machine: Tree) -> str:
    """The kernel of a machine, as written: known or not."""
    usual: str = ScenarioWords.model_fields["kernel"].default
    return text_in(machine, "kernel") or text_in(written.tree, "kernel") or usual


def loops(written: Written) -> None:
    """Report each machine that swaps, over whatever detour, to itself, unless all servers on the way are processes.

    What a server of the kernel takes to do its work is not in the model, and here all depends on just that.
    """
    hosts = {name: _hosts(written, name) for name in written.machines}
    place = {name: index for index, name in enumerate(hosts)}
    reported: set[str] = set()
    loop: set[str]
    ways = networkx.DiGraph((name, host) for name, found in hosts.items() for host in found)
    for loop in networkx.strongly_connected_components(ways):
        for server in check_user_space.kernel_servers(written, sorted(loop, key=place.__getitem__)):
            if len(loop) > 1 and server not in reported:
                way = _way_round(hosts, loop, server)
                first = way.index(min(way, key=place.__getitem__))
                _report_loop(written, [*way[first:], *way[:first]])
                reported.update(way)


def _way_round(hosts: dict[str, list[str]], loop: set[str], home: str) -> list[str]:
    """The machines over which pages come home again, by the shortest way; each of a loop can reach each other one."""
    came_from: dict[str, str] = {}
    queue = deque([home])
    while home not in came_from:
        name = queue.popleft()
        for host in hosts[name]:
            if host in loop and host != name and host not in came_from:
                came_from[host] = name
                queue.append(host)
    way = [came_from[home]]
    while way[0] != home:
        way.insert(0, came_from[way[0]])
    return way


def _report_loop(written: Written, way: list[str]) -> None:
    loop, kernel = " > ".join([*way, way[0]]), check_user_space.kernel_servers(written, way)[0]
    hint = f"give the swap-server of {kernel} pages of its own (swap-server: {{pages: 64}}), or break the loop"
    place = check_swap.named_servers(written, way[0])[0].place
    written.report(place, f"in mutual swap every server is a process: {loop}", hint)


def _one_program_each(written: Written, name: str) -> None:
    for index, item in enumerate(items_in(written.machines[name], "programs")):
        if isinstance(item, dict) and len(item) != 1:
            hint = "begin an item with - for each program"
            written.report(("machines", name, "programs", index), f"{len(item)} programs in one item", hint)


def _program(written: Written, name: str, place: Place, program: str, settings: Tree) -> None:
    """A program is known; a flood has somewhere to go."""
    if is_own_program(program):
        problem = user_programs.problem_with_name(program)
        if problem:
            written.report(place, problem.message, problem.hint, key=True)
    elif program not in PROGRAMS:
        hint = f"{nearest(program, PROGRAMS)} (one of your own is package.module:Class)"
        written.report(place, f'there is no program "{shortened(program)}"', hint, key=True)
    elif program == "swap-server":
        check_user_space.server_settings(written, place, settings)
        check_swap.lent(written, place, settings)
    elif program in ("reader", "writer"):
        check_user_space.file_place(written, name, place, settings)
    elif program == "rank":
        check_recordings.rank(written, place, settings)
    elif program == "service":
        _reading(written, place, settings)
    elif program == "flood":
        check_recordings.flood(written, place, settings)
        _flood(written, name, place, settings)
        _link_frames(written, place, settings)


def _reading(written: Written, place: Place, settings: Tree) -> None:
    """A service that never reads has no messages to work on."""
    if text_in(settings, "reads") == "never" and "work" in settings:
        hint = "remove it, or write reads: always"
        written.report((*place, "work"), "work is done on messages, and this service never reads one", hint, key=True)


def _one_swap_server(written: Written, name: str) -> None:
    places = [place for place, program, _ in written.programs_of(name) if program == "swap-server"]
    for place in places[1:]:
        written.report(place, f"{name} has a swap-server already", "keep one of them", key=True)


def _ports(written: Written, name: str) -> None:
    """The services of a machine share no port, and none goes beyond the last one."""
    listeners = _listeners(written, name)
    for index, one in enumerate(listeners):
        if one.last > PORT_MAX:
            message = f"there are no ports {PORT_MAX + 1} to {one.last}"
            written.report((*one.place, "port"), message, "take a lower port, or fewer sockets")
        for earlier in listeners[:index]:
            if one.first <= earlier.last and earlier.first <= one.last:
                message = f"ports {earlier.first} to {earlier.last} of {name} have a service already"
                written.report((*one.place, "port"), message, f"begin at {earlier.last + 1} or later")
        taken = check_ranks.port_of_ranks(written, name, one.first, one.last) if one.protocol == "tcp" else None
        if taken:
            message = f"port {taken[0]} of {name} is where its rank is called by others of its {taken[1]}"
            written.report((*one.place, "port"), message, "take a lower port")


def _listeners(written: Written, name: str) -> list[Listener]:
    """What a machine listens on, looked for once."""
    if name not in written.listeners:
        written.listeners[name] = _found_listeners(written, name)
    return written.listeners[name]


def _found_listeners(written: Written, name: str) -> list[Listener]:
    listeners = []
    for place, program, settings in written.programs_of(name):
        port = number_in(settings, "port")
        sockets = number_in(settings, "sockets", Service.model_fields["sockets"].default)
        if program == "service" and port and sockets:
            listeners.append(Listener(place, port, port + sockets - 1, _protocol(settings)))
    return listeners


def _link_frames(written: Written, place: Place, settings: Tree) -> None:
    """Frames that are no IPv4 are sent whole."""
    if text_in(settings, "link") in (None, "ipv4"):
        return
    if text_in(settings, "fragments") == "incomplete":
        written.report((*place, "fragments"), "only IPv4 has fragments", "remove it, or remove link")
    network = mapping_in(written.tree, "network")
    mtu, payload = size_in(network, "mtu", Network.model_fields["mtu"].default), size_in(settings, "payload", "0B")
    if mtu is not None and payload is not None and payload > mtu:
        message = f"{settings['payload']} do not fit into one frame"
        written.report((*place, "payload"), message, f"write at most {mtu}B, or remove link")


def _protocol(settings: Tree) -> str:
    return text_in(settings, "protocol") or Service.model_fields["protocol"].default


def _flood(written: Written, name: str, place: Place, settings: Tree) -> None:
    """A flood goes to another machine, and to a port on which a service listens."""
    address = text_in(settings, "to")
    if address is None:
        return
    target, colon, port_text = address.partition(":")
    if not written.known((*place, "to"), target):
        return
    written.crossed((*place, "to"), len(written.cast.indexes(name)), len(written.cast.indexes(target)))
    if written.cast.written_of(target) == name and len(written.cast.indexes(target)) == 1:
        written.report((*place, "to"), f"{name} would flood itself", "name another machine")
    elif colon and "port" in settings:
        written.report((*place, "port"), "the port is named twice", f"remove it here, or write to: {target}")
    elif text_in(settings, "ports") == "keep" and (colon or "port" in settings):
        key = "to" if colon else "port"
        written.report((*place, key), "the capture's own ports are kept", "remove the port, or ports: keep")
    elif colon:
        port = int(port_text) if port_text.isdecimal() and len(port_text) <= len(str(PORT_MAX)) else None
        _target_port(written, (*place, "to"), target, port, place, settings)
    elif "port" in settings:
        _target_port(written, (*place, "port"), target, number_in(settings, "port"), place, settings)
    elif "pcap" not in settings:
        written.report((*place, "to"), f"the port of {target} is missing", _addresses(written, target))
    elif text_in(settings, "ports") != "keep" and not _reads_udp(written, target):
        written.report((*place, "to"), f"no service of {target} reads udp", _addresses(written, target))


def _reads_udp(written: Written, target: str) -> bool:
    return any(one.protocol == "udp" for one in _listeners(written, written.cast.written_of(target)))


def _target_port(written: Written, place: Place, target: str, port: int | None, flood: Place, settings: Tree) -> None:
    """A program listens on the port, and speaks the flood's protocol."""
    host = written.cast.written_of(target)
    listeners = _listeners(written, host)
    there = next((one for one in listeners if port is not None and one.first <= port <= one.last), None)
    if port is None:
        written.report(place, "this is no port", _addresses(written, target))
    elif there is not None:
        _same_protocol(written, flood, settings, there.protocol)
    elif len(listeners) == sum(
        program == "service" or is_own_program(program) for _, program, _ in written.programs_of(host)
    ):
        # With a service that cannot be read, which is reported there, or a program of the user's, nobody can tell.
        written.report(place, f"no service listens on port {port} of {target}", _addresses(written, target))


def _same_protocol(written: Written, flood: Place, settings: Tree, spoken: str) -> None:
    """A flood speaks what the service understands; incomplete fragments are UDP's."""
    speaks = _protocol(settings)
    place: Place = (*flood, "protocol") if "protocol" in settings else flood
    if not {speaks, spoken} <= {"udp", "tcp"}:
        return  # reported there
    if speaks != spoken:
        message = f"the flood speaks {speaks}, and the service it goes to {spoken}"
        hint = f"write protocol: {spoken}" if "pcap" not in settings else "name a service that speaks udp"
        written.report(place, message, hint, key="protocol" not in settings)
    elif speaks == "tcp" and text_in(settings, "fragments") == "incomplete":
        hint = "remove it, or flood over udp"
        written.report((*flood, "fragments"), "TCP does not fragment: its segments fit into packets", hint)


def _addresses(written: Written, target: str) -> str:
    listeners = _listeners(written, written.cast.written_of(target))
    ranges = [f"{one.first} to {one.last}" if one.last > one.first else f"{one.first}" for one in listeners]
    if not ranges:
        return f"add a service to {target}: service: {{port: 9000}}"
    return f'{target} listens on {", ".join(ranges)}: write "{target}:{listeners[0].first}"'


def _sender(written: Written, name: str, place: Place) -> None:
    """NBD's thread is without rights only where the kernel has it send otherwise."""
    era = era_of(written, written.machines[name])
    has_thread = era in KERNELS and KERNELS[era].nbd_queues
    if has_thread and text_in(mapping_in(written.machines[name], "swap"), "sender") == "thread":
        hint = "remove it, or write kernel: linux-2.6.22"
        written.report((*place, "sender"), f"{era} sends by a thread that may go below min", hint, key=True)


def _transport(written: Written, name: str) -> None:
    """What only NFS has is not asked of others, nor what only NBD has, nor more than a block device can have."""
    swap = mapping_in(written.machines[name], "swap")
    place: Place = ("machines", name, "swap")
    transport = text_in(swap, "transport") or Swap.model_fields["transport"].default
    check_swap.one_server_only(written, name)
    if transport != NBD:
        check_swap.nbd_only(written, name, transport)
    _sender(written, name, place)
    if transport == NFS:
        return
    for key, why in _NFS_ONLY.items():
        if key in swap:
            written.report(
                (*place, key),
                f"{_spoken(transport)} has no {key}: {why}",
                "remove it, or write transport: nfs",
                key=True,
            )
    requests = number_in(swap, "in_flight")
    if requests is not None and requests > TAGS:
        written.report(
            (*place, "in_flight"),
            f"{_spoken(transport)} has no more than {TAGS} requests under way",
            f"write {TAGS} or less",
        )


def _spoken(transport: str) -> str:
    """The name of a transport as a sentence has it."""
    return transport if transport == "ublk" else transport.upper()


def _ipfrag(written: Written, name: str) -> None:
    """The low mark of reassembly is not above the high one."""
    tree = mapping_in(written.machines[name], "ipfrag")
    low, era = size_in(tree, "low", "auto"), era_of(written, written.machines[name])
    high, usual = size_in(tree, "high", "auto"), tree.get("high", "auto") == "auto"
    if usual and era in KERNELS:
        high = KERNELS[era].fragment_high
    if low is not None and high is not None and low > high:
        said = f"the kernel's own high, {high}B" if usual else f"high, {tree['high']}"
        hint = f"write at most {high}B, or a larger high"
        written.report(("machines", name, "ipfrag", "low"), f"{tree['low']} is above {said}", hint)


def _thp(written: Written, name: str) -> None:
    """Transparent huge pages are of a kernel that has them."""
    tree = written.machines[name]
    era = era_of(written, tree)
    if text_in(tree, "thp") == "on" and era in KERNELS and not KERNELS[era].has_thp:
        able = " or ".join(one.name for one in KERNELS.values() if one.has_thp)
        hint = f"write thp: off, or kernel: {able}"
        written.report(("machines", name, "thp"), f"{era} has no transparent huge pages", hint)


def _hosts(written: Written, name: str) -> list[str]:
    """The servers that a machine swaps to, as written."""
    known = [one.server for one in check_swap.named_servers(written, name) if one.server in written.cast]
    return [written.cast.written_of(server) for server in known]


def _min_free(written: Written, name: str) -> None:
    """The minimum of free memory leaves some to use."""
    tree, usual = written.machines[name], Machine.model_fields["memory"].default
    floor, memory = size_in(tree, "min_free", "none"), size_in(tree, "memory", usual)
    if floor is not None and memory is not None and floor >= memory:
        hint = f"write less than {tree.get('memory', usual)}"
        written.report(("machines", name, "min_free"), f"min_free is all the memory of {name}", hint)


def _zones(written: Written, name: str) -> None:
    """Zones hold all memory, and none was larger at boot than it is."""
    tree = written.machines[name]
    zones = mapping_in(tree, "zones")
    if not zones:
        if isinstance(tree.get("zones"), dict):
            written.report(
                ("machines", name, "zones"), "there is no zone", "write zones: {DMA: 15MiB, DMA32: 65MiB}, or one"
            )
        return
    sizes: list[int | None] = []
    for zone, said in zones.items():
        if zone not in Zones.model_fields:
            return  # reported there
        whole = said if isinstance(said, dict) else {"size": said}
        size, boot = size_in(whole, "size", "none"), size_in(whole, "at_boot", "all")
        sizes.append(size if "size" in whole and whole["size"] != "none" else 0)
        if size is not None and boot is not None and boot > size:
            place = ("machines", name, "zones", zone, "at_boot")
            written.report(place, f"{zone} has fewer pages than at boot", f"write at most {whole['size']}")
    memory = size_in(tree, "memory", Machine.model_fields["memory"].default)
    known = [size for size in sizes if size is not None]
    if memory is not None and len(known) == len(sizes) and sum(known) != memory:
        hint = f"write memory: {sum(known) // 1024}KiB"
        written.report(
            ("machines", name, "zones"), f"the zones of {name} hold {sum(known) // 1024}KiB of its memory", hint
        )


def _vm(written: Written, name: str) -> None:
    """A sysctl is one that the machine's kernel has."""
    tree, usual = written.machines[name], ScenarioWords.model_fields["kernel"].default
    era = text_in(tree, "kernel") or text_in(written.tree, "kernel") or usual
    if era not in KERNELS:
        return  # reported there
    vm = mapping_in(tree, "vm")
    for key in (key for key in vm if vm[key] != "auto"):
        why = without_effect(KERNELS[era], key)
        if why:
            written.report(("machines", name, "vm", key), f"{era} {why}", "remove it", key=True)
