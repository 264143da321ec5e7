"""What `ss` and `netstat` have printed of sockets: what listens, what is connected, and how large their receive buffers are.

Formats: misc/ss.c of iproute2 (skmem of `ss -m`; a column for the protocol where it is asked for several, one for the state where
it shows several), netstat.c of net-tools. The tables of /proc/net say no sizes of buffers, so these add to them.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from netswap.cluster.host.files import Saved, Tree
from netswap.cluster.host.sockets import End, Sockets

_LINE: Final = re.compile(
    r"(?:(?P<protocol>[a-z_0-9]+)\s+)?(?:(?P<state>[A-Z][A-Z0-9-]*)\s+)?\d+\s+\d+\s+"
    r"(?P<here>\S*?)[:](?P<port>\d+|\*)\s+(?P<there>\S*?):(?P<peer>\d+|\*)(?:\s+(?P<rest>.*))?"
)
_SKMEM: Final = re.compile(r"\bskmem:\(r\d+,rb(\d+),[^)]*\)")
_DROPS: Final = re.compile(r",d(\d+)\)")
_LOOPBACK: Final = re.compile(r"127\.[\d.]+|\[?::1\]?|\[?::ffff:127\.[\d.]+\]?", re.IGNORECASE)
_ANY: Final = ("*", "0.0.0.0", "[::]", "::", "")
_EPHEMERAL: Final = 32_768
"""From here on are ports of connections that a machine opens itself (ip_local_port_range)."""
_STATES: Final = {"ESTAB": "01", "ESTABLISHED": "01", "LISTEN": "0A", "UNCONN": "07"}


@dataclass(slots=True)
class Listed:
    """Sockets by protocol ("tcp", "udp"), and the receive buffers (bytes) of those that face the network, by their port."""

    sockets: dict[str, Sockets] = field(default_factory=lambda: {"tcp": Sockets(), "udp": Sockets()})
    buffers: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    """Receive buffers of sockets that are bound (UDP) or listen (TCP)."""
    connected: list[int] = field(default_factory=list)
    """Receive buffers of connections over TCP with other hosts."""
    labels: dict[str, str] = field(default_factory=dict)
    """The label of the first file that has sizes, by protocol."""


def listed(tree: Tree) -> Listed:
    """All that such files in a folder say; a line that is none of a socket says nothing."""
    found = Listed()
    for path, match in tree.matching(r"(?:.+/)?(ss|netstat)([ _.-][^/]*)?"):
        saved = tree.get(path)
        if saved is not None and not path.startswith("proc/"):
            _add(found, saved, _protocol_of(match[1], match[2] or ""))
    _listen_too(found.sockets["tcp"])
    return found


def _protocol_of(command: str, options: str) -> str:
    """Which protocol is meant where no column says it: that of the one option of `-t` and `-u` that is there."""
    letters = set(options)
    if command != "ss" or ("t" in letters) == ("u" in letters):
        return ""
    return "tcp" if "t" in letters else "udp"


def _listen_too(sockets: Sockets) -> None:
    """Without -a no listening socket is shown: then connections tell on which ports something listens."""
    if not sockets.ports:
        own = {one.port for one in sockets.traffic if one.port < _EPHEMERAL}
        sockets.ports.update(dict.fromkeys(sorted(own), 1))


def _add(found: Listed, saved: Saved, usual: str) -> None:
    last: tuple[str, str, int] | None = None
    for _, line in saved.lines():
        match = _LINE.fullmatch(line.strip())
        if match is not None:
            last = _socket(found, saved, match, usual)
        size = _SKMEM.search(line)
        if size is None or last is None:
            continue
        protocol, state, port = last
        found.labels.setdefault(protocol, saved.label)
        if protocol == "tcp" and state == "01":
            found.connected.append(int(size[1]))
        elif port >= 0:
            found.buffers.setdefault((protocol, port), []).append(int(size[1]))
        drops = _DROPS.search(size[0])
        if protocol == "udp" and drops is not None:
            found.sockets["udp"].dropped += int(drops[1])


def _socket(found: Listed, saved: Saved, match: re.Match[str], usual: str) -> tuple[str, str, int] | None:
    """Count the socket of a line; its protocol, state and port if it faces the network."""
    state = match["state"] or next(iter((match["rest"] or "").split()), "")
    protocol = (match["protocol"] or usual).rstrip("46")
    if not protocol and state in ("LISTEN", "UNCONN"):
        protocol = "tcp" if state == "LISTEN" else "udp"
    if protocol not in found.sockets:
        return None
    here, there = (_end(match[one], match[other]) for one, other in (("here", "port"), ("there", "peer")))
    usual_state = "07" if protocol == "udp" and there.port < 1 else "01"
    number = _STATES.get(state, usual_state if state in ("", "-") or not state.isupper() else "")
    if not number or here.port < 0:
        return None
    sockets = found.sockets[protocol]
    if saved.label not in sockets.labels:
        sockets.labels.append(saved.label)
    sockets.see(number, here, there, protocol == "udp")
    inside = here.loopback or (here.address == there.address and not here.any)
    return None if inside or there.loopback else (protocol, number, here.port)


def _end(address: str, port: str) -> End:
    address = address.partition("%")[0]
    return End(address, -1 if port == "*" else int(port), _LOOPBACK.fullmatch(address) is not None, address in _ANY)
