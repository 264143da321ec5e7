"""What /proc/net says of sockets: how many face the network, and what connections go where.

Formats: udp4_seq_show of net/ipv4/udp.c, tcp4_seq_show of net/ipv4/tcp_ipv4.c and theirs of IPv6, net/ipv4/proc.c (sockstat).
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from netswap.cluster.host.files import Saved

_END: Final = r"([0-9A-Fa-f]{8}|[0-9A-Fa-f]{32}):([0-9A-Fa-f]{4})"
_LINE: Final = re.compile(rf"\s*\S+\s+{_END}\s+{_END}\s+([0-9A-Fa-f]{{2}})\s+\S")
_TO_INODE: Final = 10
"""Fields of a row up to its inode: queues and timers are two columns each, and one field."""
_ESTABLISHED, _LISTEN, _UNCONNECTED = "01", "0A", "07"
STORAGE: Final = {10809: "nbd", 2049: "nfs", 3260: "iscsi", 4420: "nvme"}
"""Ports of servers that swap may go to."""


class Connection(NamedTuple):
    """A kind of those that are established. `peer_port`: 0 unless it is of storage; `local`: both ends are on this host."""

    port: int
    peer_port: int
    local: bool


@dataclass(slots=True)
class Sockets:
    """Sockets of one protocol that face the network, from one table or two (IPv4 and IPv6), or as a command lists them."""

    labels: list[str] = field(default_factory=list)
    ports: Counter[int] = field(default_factory=Counter)
    """Ports on which something is received, and by how many sockets: bound by UDP, listened on by TCP."""
    loopback: int = 0
    """Sockets that only this host can reach."""
    connections: Counter[Connection] = field(default_factory=Counter)
    dropped: int = 0
    """Datagrams that had no room, so far."""

    @property
    def count(self) -> int:
        """How many sockets receive from the network (UDP), or listen to it (TCP)."""
        return self.ports.total()

    @property
    def traffic(self) -> Counter[Connection]:
        """Connections with other hosts, but for those to servers of storage."""
        own = {one: n for one, n in self.connections.items() if not one.local and one.peer_port not in STORAGE}
        return Counter(own)

    def storage(self, kind: str) -> list[Connection]:
        """Connections to a server of this kind (nbd, nfs, iscsi, nvme)."""
        return [one for one in self.connections if STORAGE.get(one.peer_port) == kind]

    def see(self, state: str, here: "End", there: "End", is_udp: bool) -> None:
        """Count a socket: its state as the kernel numbers it, and its two ends."""
        inside = here.loopback or (here.address == there.address and not here.any)
        if state == _ESTABLISHED and there.port and not (inside and is_udp):
            # Ports of other peers than servers of storage say nothing, and there may be 300,000 of them.
            peer_port = there.port if there.port in STORAGE else 0
            self.connections[Connection(here.port, peer_port, inside or there.loopback)] += 1
        if state in (_LISTEN, _UNCONNECTED) or (state == _ESTABLISHED and is_udp):
            if inside:
                self.loopback += 1
            else:
                self.ports[here.port] += 1


class End(NamedTuple):
    """One end of a socket."""

    address: str
    port: int
    loopback: bool
    any: bool


def add(sockets: Sockets, saved: Saved) -> None:
    """Read a table of /proc/net (udp, udp6, tcp, tcp6). Raises ScenarioError, with the line."""
    sockets.labels.append(saved.label)
    is_udp = "udp" in saved.label.rpartition("/")[2].lower()
    number, least, has_drops = 0, 0, False
    for number, line in saved.lines():
        if number == 1:
            least, has_drops = _columns(saved, line)
            continue
        match = _LINE.match(line)
        if match is None or len(line.split()) < least:
            if line.strip():
                raise saved.wrong(number, f'"{line.strip()[:50]}" is no line of a socket, or it is cut off')
            continue
        sockets.see(match[5].upper(), _end(match[1], match[2]), _end(match[3], match[4]), is_udp)
        if has_drops and (drops := line.rpartition(" ")[2] or line.split()[-1]).isdigit():
            sockets.dropped += int(drops)
    if number == 0:
        raise saved.wrong(1, "it is empty")


def _columns(saved: Saved, line: str) -> tuple[int, bool]:
    """Fields that each row has at least, and whether its last is that of drops; by the table's first line."""
    columns = line.split()
    if columns[:2] != ["sl", "local_address"]:
        raise saved.wrong(1, "it does not begin with the names of its columns, as sl and local_address")
    if "inode" not in columns and "\n" not in saved.text:
        raise saved.wrong(1, "the names of its columns are cut off, and there is nothing below")
    return (_TO_INODE if "inode" in columns else 0), columns[-1] == "drops"


def _end(address: str, port: str) -> End:
    return End(address, int(port, 16), _is_loopback(address.upper()), not address.strip("0"))


def _is_loopback(address: str) -> bool:
    """127.x.x.x, ::1 and ::ffff:127.x.x.x, as a machine prints them word by word in its own byte order, little or big."""
    if len(address) == 8:
        return address.endswith("7F") or address.startswith("7F0000")
    if address in ("0" * 24 + "01000000", "0" * 31 + "1"):
        return True
    mapped = address.startswith(("0" * 16 + "FFFF0000", "0" * 16 + "0000FFFF"))
    return mapped and _is_loopback(address[24:])


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
