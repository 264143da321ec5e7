"""Checks on processes between a machine and its pages: proxies, servers of user space, files that are on the swap server."""

from netswap.cluster.scenario.source import Place, Tree
from netswap.cluster.scenario.written import Written, mapping_in, text_in

NBD = "nbd"


def proxy(written: Written, name: str) -> None:
    """Swap that goes via a proxy has one, and a proxy has something to relay, over TCP, to one server."""
    swap = mapping_in(written.machines[name], "swap")
    proxies = [one for one, program, _ in written.programs_of(name) if program == "proxy"]
    wanted = text_in(swap, "via") == "proxy"
    for another in proxies[1:]:
        written.report(another, f"{name} has a proxy already", "keep one of them", key=True)
    if proxies and not wanted:
        hint = f"write via: proxy in the swap of {name}, or remove the proxy"
        written.report(proxies[0], "nothing goes through this proxy", hint, key=True)
    if not wanted:
        return
    place: Place = ("machines", name, "swap", "via")
    if not proxies:
        written.report(place, f"{name} has no proxy", f"add to the programs of {name}: proxy: {{}}")
    if text_in(swap, "transport") != NBD:
        hint = "write transport: nbd, or remove via"
        written.report(place, "a proxy relays a TCP connection, and NFS goes over UDP here", hint)
    if _is_spread(swap):
        written.report(place, "a proxy stands before one server", "write server: C, without a backup, or remove via")


def nbd_client(written: Written, name: str) -> None:
    """A process that connects again has a connection of NBD to another machine, and is the only one."""
    places = [place for place, program, _ in written.programs_of(name) if program == "nbd-client"]
    for place in places[1:]:
        written.report(place, f"{name} has an nbd-client already", "keep one of them", key=True)
    swap = mapping_in(written.machines[name], "swap")
    if not places:
        return
    own = text_in(swap, "server") == name or text_in(swap, "via") == "proxy" or swap.get("connections", 1) != 1
    if text_in(swap, "transport") != NBD or _is_spread(swap) or own:
        hint = f"write server: C and transport: nbd in the swap of {name}, with one connection, or remove it"
        written.report(
            places[0], "there is no one connection of NBD to another machine to be opened anew", hint, key=True
        )
    elif swap.get("persist") is False:
        written.report(places[0], "without persist no connection is opened anew", "remove persist", key=True)


def server_settings(written: Written, place: Place, settings: Tree) -> None:
    """Only a process has memory to lock, and a file of its own."""
    if is_process(settings):
        return
    for key in ("lock", "file", "realtime", "io_flusher", "socket"):
        if settings.get(key, "none") not in ("none", False):
            hint = "write pages: 64, or how many it has, or remove it"
            written.report((*place, key), f"only a process has {key}: this swap-server has no pages", hint, key=True)


def own_socket(written: Written, name: str) -> None:
    """Only a daemon that keeps the pages of its own machine shares a socket with that machine's kernel, over NBD."""
    swap = mapping_in(written.machines[name], "swap")
    for place, program, settings in written.programs_of(name):
        if program != "swap-server" or "socket" not in settings or not is_process(settings):
            continue
        if text_in(swap, "server") != name:
            message = f"{name} does not swap to itself: clients on other machines come over the network"
            written.report((*place, "socket"), message, f"remove it, or write server: {name} in the swap", key=True)
        elif (transport := text_in(swap, "transport")) in ("ublk", "fuse"):
            written.report(
                (*place, "socket"), f"{transport} has no socket", "remove it, or write transport: nbd", key=True
            )


def file_place(written: Written, name: str, place: Place, settings: Tree) -> None:
    """A file on the swap server is on one server."""
    if text_in(settings, "on") != "swap":
        return
    swap = mapping_in(written.machines[name], "swap")
    if not swap:
        written.report((*place, "on"), f"{name} has no swap", f"give {name} a swap, or write on: disk")
    elif _is_spread(swap):
        hint = f"write server: C in the swap of {name}, without a backup, or on: disk"
        written.report((*place, "on"), "a file is on one swap server", hint)


def server_program(written: Written, name: str) -> Tree:
    """The settings of a machine's swap-server; empty if there is none."""
    return next((tree for _, program, tree in written.programs_of(name) if program == "swap-server"), {})


def is_process(server: Tree) -> bool:
    """Whether a swap-server is a process of user space, and not a part of the kernel."""
    return server.get("pages", "none") != "none"


def kernel_servers(written: Written, names: list[str]) -> list[str]:
    """The machines whose swap-server is no process."""
    return [one for one in names if not is_process(server_program(written, one))]


def _is_spread(swap: Tree) -> bool:
    return "servers" in swap or swap.get("backup", "none") != "none"
