"""Checks on the servers that a machine swaps to: one or several, and a layout that fits their number."""

from typing import Final, NamedTuple

from netswap.cluster.scenario.check_user_space import NBD, is_process, server_program
from netswap.cluster.scenario.models import Swap
from netswap.cluster.scenario.source import Place, Tree
from netswap.cluster.scenario.written import Written, items_in, mapping_in, number_in, text_in

_CODED_ONLY: Final = ("data", "parity")
_COPIES_ONLY: Final = ("acks", "extra")
_NBD_ONLY: Final = ("persist", "connections", "sender")
_LOCAL: Final = ("nbd", "ublk", "fuse")
"""How a machine may swap to a process of its own."""
_OF_SERVERS: Final = (
    *("server", "servers", "layout", "data", "parity", "acks", "extra", "backup", "failover", "transport", "via"),
    *("timeout", "retries", "persist", "connections", "sender", "request"),
)


class Named(NamedTuple):
    """A server as written."""

    place: Place
    server: str


def named_servers(written: Written, name: str) -> list[Named]:
    """The servers that a machine names, those that are no text left out."""
    tree = written.machines[name].get("swap")
    if not isinstance(tree, dict):
        return []
    place: Place = ("machines", name, "swap")
    one = text_in(tree, "server")
    several = [
        Named((*place, "servers", at), item) for at, item in enumerate(items_in(tree, "servers")) if type(item) is str
    ]
    return ([] if one is None else [Named((*place, "server"), one)]) + several


def servers(written: Written, name: str) -> None:
    """Report servers that cannot be, and a layout that does not fit them."""
    tree = written.machines[name].get("swap")
    if not isinstance(tree, dict):
        return
    place: Place = ("machines", name, "swap")
    if text_in(tree, "on") == "disk":
        _on_disk(written, place, tree)
        return
    if "server" not in tree and "servers" not in tree:
        written.report(
            place, f'"server" is missing in machines.{name}.swap', "add server: C, or servers: [C, D]", key=True
        )
        return
    if "server" in tree and "servers" in tree:
        written.report((*place, "servers"), "server and servers are both written", "remove one of them", key=True)
        return
    if tree.get("servers") == []:
        written.report((*place, "servers"), "there is no server in servers", "write servers: [C, D]")
        return
    named = named_servers(written, name)
    wrong = [one for one in named if not _server(written, name, one)]
    if named and not wrong:
        several = sum(len(written.cast.indexes(one.server)) for one in named)
        written.crossed((*place, "servers"), len(written.cast.indexes(name)), several)
    if named and not wrong:
        _layout(written, place, tree, _machines(written, named))


def _server(written: Written, name: str, named: Named) -> bool:
    """A server is another machine with a swap-server program, and under `server` it is one machine."""
    place, server = named
    if not written.known(place, server):
        return False
    host = written.cast.written_of(server)
    if host == name:
        return _own_server(written, name, named)
    if place[-1] == "server" and len(written.cast.indexes(server)) > 1:
        hint = f"name one of them, as {written.cast.members(server)[0]}, or write servers: [{server}]"
        written.report(place, f"{server} is {len(written.cast.indexes(server))} machines", hint)
    elif all(program != "swap-server" for _, program, _ in written.programs_of(host)):
        written.report(place, f"{server} has no swap-server", f"add to the programs of {host}: swap-server: {{}}")
    elif is_process(server_program(written, host)) and text_in(written.machines[name]["swap"], "transport") != NBD:
        hint = f"write transport: nbd, or remove pages from the swap-server of {host}"
        written.report(place, f"the swap-server of {server} is a process, which speaks NBD", hint)
    else:
        return True
    return False


def _on_disk(written: Written, place: Place, tree: Tree) -> None:
    """A swap on the machine's own disk has nothing of one over a network."""
    for key in _OF_SERVERS:
        if key in tree and tree[key] != "none":
            hint = "remove it, or remove on: disk"
            written.report((*place, key), f"a swap on the machine's own disk has no {key}", hint, key=True)


def _own_server(written: Written, name: str, named: Named) -> bool:
    """A machine may swap to itself through one process of its own."""
    place, server = named
    swap = mapping_in(written.machines[name], "swap")
    hint = f"add to the programs of {name}: swap-server: {{pages: 64}}"
    if server != name or place[-1] != "server":
        hint = f"write server: {name}, or name another machine"
        written.report(place, f"{name} would swap to itself among others", hint)
    elif all(program != "swap-server" for _, program, _ in written.programs_of(name)):
        written.report(place, f"{name} would swap to itself, and has no swap-server", hint)
    elif not is_process(server_program(written, name)):
        hint = f"give the swap-server of {name} pages (swap-server: {{pages: 64}}), or name another machine"
        written.report(place, f"{name} would swap to itself, which only a process can serve", hint)
    elif (text_in(swap, "transport") or "nfs") not in _LOCAL:
        written.report(place, f"a process serves its own machine over {', '.join(_LOCAL)}", "write transport: nbd")
    elif swap.get("backup", "none") != "none" or swap.get("via", "none") != "none":
        written.report(place, "a machine that swaps to itself has neither backup nor proxy", "remove backup and via")
    elif (number_in(swap, "connections") or 1) > 1:
        written.report(place, "a machine that swaps to itself has one connection", "remove connections")
    else:
        return True
    return False


def _machines(written: Written, named: list[Named]) -> int:
    """How many machines they are; one that is named twice is reported."""
    seen: set[int] = set()
    for place, server in named:
        indexes = written.cast.indexes(server)
        if seen & {*indexes}:
            written.report(place, f"{server} is among the servers already", "name each once")
        seen.update(indexes)
    return len(seen)


def _layout(written: Written, place: Place, tree: Tree, machines: int) -> None:
    layout = text_in(tree, "layout") or Swap.model_fields["layout"].default
    if layout not in ("striped", "mirrored", "coded"):
        return  # reported there
    if machines == 1 and layout != "striped":
        written.report((*place, "layout"), f"{layout} pages need several servers", "write servers: [C, D]")
        return
    for key in (*_CODED_ONLY, *_COPIES_ONLY):
        if key in tree and (layout == "striped" or (layout == "mirrored" and key in _CODED_ONLY)):
            hint = f"remove it, or write layout: {'coded' if key in _CODED_ONLY else 'mirrored'}"
            written.report((*place, key), f"{layout} pages have no {key}", hint, key=True)
    if machines == 1 and "failover" in tree and tree.get("backup", "none") == "none":
        hint = "remove it, add backup: disk, or name several servers"
        written.report((*place, "failover"), "there is no other server to ask", hint, key=True)
    if layout == "mirrored":
        _bounds(written, place, tree, 1, machines)
    if layout == "coded":
        _coded(written, place, tree, machines)


def _coded(written: Written, place: Place, tree: Tree, machines: int) -> None:
    """There are as many servers as parts."""
    for key, what in (("data", "that make a page"), ("parity", "that may be lost")):
        if key not in tree or tree[key] == "none":
            written.report(place, f"the number of parts {what} is missing", f"add {key}: 2", key=True)
    data, parity = number_in(tree, "data"), number_in(tree, "parity")
    if data is None or parity is None:
        return
    if data + parity > machines:
        message = f"{data} + {parity} parts need as many servers, and there are {machines}"
        written.report((*place, "data"), message, "name more servers, or write fewer parts")
    else:
        _bounds(written, place, tree, data, data + parity)


def _bounds(written: Written, place: Place, tree: Tree, needed: int, parts: int) -> None:
    """No fewer answers than make a page, and no more than there are parts."""
    acks, extra = number_in(tree, "acks"), number_in(tree, "extra")
    if acks is not None and not needed <= acks <= parts:
        written.report((*place, "acks"), f"{acks} of {parts} parts cannot be waited for", f"write {needed} to {parts}")
    if extra is not None and extra > parts - needed:
        message = f"there are no {extra} parts beyond the {needed} that make a page"
        written.report((*place, "extra"), message, f"write {parts - needed} or less")


def lent(written: Written, place: Place, settings: Tree) -> None:
    """What becomes of pages when memory is full is asked only of a server that lends some, and that is no process."""
    lends = settings.get("memory", "none") != "none"
    if lends and settings.get("pages", "none") != "none":
        hint = "remove it, or pages, lock and file"
        written.report(
            (*place, "memory"), "a process lends no memory: it keeps pages on disk or in a file", hint, key=True
        )
    if "full" in settings and not lends:
        hint = "remove it, or add memory: 1GiB"
        written.report((*place, "full"), "a server that keeps all on disk is never full", hint, key=True)


def nbd_only(written: Written, name: str, transport: str) -> None:
    """What only NBD has is not asked of others; and only a process of this machine serves over ublk or FUSE."""
    swap = mapping_in(written.machines[name], "swap")
    place: Place = ("machines", name, "swap")
    for key in (*_NBD_ONLY, *(("timeout",) if transport in ("ublk", "fuse") else ())):
        if key in swap and text_in(swap, "on") != "disk":
            hint = "remove it, or write transport: nbd"
            written.report((*place, key), f"{transport} has no {key}", hint, key=True)
    if transport in ("ublk", "fuse") and text_in(swap, "server") != name:
        hint = f"write server: {name}, or transport: nbd"
        written.report((*place, "transport"), f"{transport} leads to a process of the machine itself", hint)


def one_server_only(written: Written, name: str) -> None:
    """A device for several servers waits for those that are silent, and fails no request."""
    swap = mapping_in(written.machines[name], "swap")
    if text_in(swap, "via") == "proxy" and (number_in(swap, "connections") or 1) > 1:
        place: Place = ("machines", name, "swap", "connections")
        written.report(place, "a proxy relays one connection", "remove it, or remove via", key=True)
    if swap.get("layer", "none") != "none" and (number_in(swap, "connections") or 1) > 1:
        place = ("machines", name, "swap", "connections")
        written.report(place, "a layer stands before one connection", "remove it, or remove layer", key=True)
    if "servers" not in swap and swap.get("backup", "none") == "none":
        return
    keys = ["retries", "persist", "connections", "write_errors", "layer"]
    if text_in(swap, "transport") == NBD:
        keys.append("timeout")
    for key in keys:
        if swap.get(key, "none") != "none":
            hint = "remove it, or write server: C, without a backup"
            written.report(("machines", name, "swap", key), f"swap to several servers has no {key}", hint, key=True)
