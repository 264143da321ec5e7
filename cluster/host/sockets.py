"""What /proc/net says of sockets: how many face the network, and what connections go where.

Formats: udp4_seq_show of net/ipv4/udp.c, tcp4_seq_show of net/ipv4/tcp_ipv4.c and theirs of IPv6, net/ipv4/proc.c (sockstat).
"""

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from netswap.cluster.host.files import Saved

_END: Final = re.compile(r"([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})", re.IGNORECASE)
_ESTABLISHED, _LISTEN, _UNCONNECTED = "01", "0A", "07"
STORAGE: Final = {10809: "nbd", 2049: "nfs", 3260: "iscsi"}
"""Ports of servers that swap may go to."""


class Connection(NamedTuple):
    """One that is established. `local`: both ends are on this host."""

    port: int
    peer_port: int
    local: bool


@dataclass(slots=True)
class Sockets:
    """Those of one protocol that face the network, from one table or two (IPv4 and IPv6)."""

    labels: list[str] = field(default_factory=list)
    ports: set[int] = field(default_factory=set)
    """On which something is received: bound by UDP, listened on by TCP."""
    count: int = 0
    """Of UDP: sockets that receive from the network; of TCP: that listen to it."""
    loopback: int = 0
    """Those that only this host can reach."""
    connections: list[Connection] = field(default_factory=list)

    @property
    def traffic(self) -> list[Connection]:
        """Connections with other hosts, but for those to servers of storage."""
        return [one for one in self.connections if not one.local and one.peer_port not in STORAGE]

    def storage(self, kind: str) -> list[Connection]:
        """Connections to a server of this kind (nbd, nfs, iscsi)."""
        return [one for one in self.connections if STORAGE.get(one.peer_port) == kind]


def add(sockets: Sockets, saved: Saved) -> None:
    """Read a table of /proc/net (udp, udp6, tcp, tcp6). Raises ScenarioError, with the line."""
    sockets.labels.append(saved.label)
    number = 0
    for number, line in saved.lines():
        fields = line.split()
        if number == 1:
            if fields[:2] != ["sl", "local_address"]:
                raise saved.wrong(1, "it does not begin with the names of its columns, as sl and local_address")
            continue
        if not fields:
            continue
        here, there = (_END.fullmatch(one) for one in ([*fields, "", "", ""])[1:3])
        if here is None or there is None or len(fields) < 5 or not re.fullmatch("[0-9A-Fa-f]{2}", fields[3]):
            raise saved.wrong(number, f'"{line.strip()[:50]}" is no line of a socket, or it is cut off')
        _count(sockets, fields[3].upper(), here, there)
    if number == 0:
        raise saved.wrong(1, "it is empty")


def _count(sockets: Sockets, state: str, here: re.Match[str], there: re.Match[str]) -> None:
    port, peer_port = int(here[2], 16), int(there[2], 16)
    inside = _is_loopback(here[1]) or (here[1] == there[1] and int(here[1], 16) != 0)
    if state == _ESTABLISHED and peer_port and not (inside and _is_udp(sockets)):
        sockets.connections.append(Connection(port, peer_port, inside or _is_loopback(there[1])))
    if state in (_LISTEN, _UNCONNECTED) or (state == _ESTABLISHED and _is_udp(sockets)):
        if inside:
            sockets.loopback += 1
        else:
            sockets.count += 1
            sockets.ports.add(port)


def _is_udp(sockets: Sockets) -> bool:
    return "udp" in sockets.labels[-1].rpartition("/")[2].lower()


def _is_loopback(address: str) -> bool:
    """127.x.x.x, ::1 and ::ffff:127.x.x.x, as a little-endian machine prints them."""
    address = address.upper()
    if len(address) == 8:
        return address.endswith("7F")
    return address == "0" * 24 + "01000000" or (address.startswith("0" * 16 + "FFFF0000") and address.endswith("7F"))


def sockstat(saved: Saved) -> dict[str, int]:
    """Sockets in use, by protocol ("TCP", "UDP"). Raises ScenarioError, with the line."""
    used: dict[str, int] = {}
    for number, line in saved.lines():
        protocol, colon, rest = line.partition(":")
        words = rest.split()
        if not line.strip():
            continue
        if not colon or len(words) % 2 or not words:
            raise saved.wrong(number, f'"{line[:50]}" is no line of sockstat, or it is cut off')
        said = dict(zip(words[::2], words[1::2], strict=True))
        if "inuse" in said:
            used[protocol] = saved.number(number, said["inuse"])
    if not used:
        raise saved.wrong(1, "it counts no sockets")
    return used
