"""What of a machine's sockets a scenario has: groups of them by protocol and by the size of their receive buffers."""

from collections import Counter
from dataclasses import dataclass
from typing import Final, NamedTuple

from netswap.cluster.host.draft import Draft
from netswap.cluster.host.host import Host
from netswap.cluster.host.sockets import Sockets

SOCKETS_MAX: Final = 20_000
"""Sockets of each protocol: beyond that a scenario has no ports for them."""
PORT: Final = 9000
GROUPS_MAX: Final = 3
"""Sizes of receive buffers that are told apart; the others have their mean."""
_BUFFER_MIN: Final = 256
_BUFFER_MAX: Final = 1 << 30
"""What a scenario takes."""


class Group(NamedTuple):
    """Sockets of one protocol whose receive buffers have the same size; None is the setting's."""

    sockets: int
    buffer: int | None
    why: str


@dataclass(frozen=True)
class Listening:
    """What faces the network: sockets of UDP, ports of TCP, and connections to these."""

    udp: tuple[Group, ...]
    tcp: tuple[Group, ...]
    connections: int

    @property
    def groups(self) -> list[tuple[str, int, Group]]:
        """(protocol, first port in the scenario, group) of all."""
        found, port = [], PORT
        for protocol, groups in (("udp", self.udp), ("tcp", self.tcp)):
            for group in groups:
                found.append((protocol, port, group))
                port += group.sockets
        return found


def listening(host: Host, draft: Draft) -> Listening:
    """From the tables of sockets; without them from sockstat's counts; without that one socket is assumed."""
    if host.udp is None and host.tcp is None and host.sockstat is None:
        draft.missing.append("sockets (net/udp, net/tcp, net/sockstat, or ss)")
        draft.assumed.append("A: sockets: 1 (no file tells the sockets)")
        return Listening((Group(1, None, "assumed: no file tells the sockets"),), (), 0)
    udp = _udp(host)
    tcp, links = _tcp(host)
    for name, count in (("UDP", sum(one.sockets for one in udp)), ("TCP", links)):
        if count > SOCKETS_MAX:
            draft.differs.append(f"{count} sockets of {name} are {SOCKETS_MAX} here: a scenario has no ports for more")
    _buffers_differ(host, draft)
    return Listening(_bounded(udp), _bounded(tcp), min(links, SOCKETS_MAX))


def _udp(host: Host) -> tuple[Group, ...]:
    if host.udp is not None:
        return _groups(host, "udp", host.udp, f"sockets of {_labels(host.udp)} that face the network")
    label = host.label("proc/net/sockstat")
    return _counted((host.sockstat or {}).get("UDP", 0), f"UDP inuse of {label}, those of loopback too")


def _tcp(host: Host) -> tuple[tuple[Group, ...], int]:
    """Ports that listen, and how many connections there are to them."""
    if host.tcp is None:
        count, label = (host.sockstat or {}).get("TCP", 0), host.label("proc/net/sockstat")
        return _counted(count, f"TCP inuse of {label}, those of loopback too"), count
    links = sum(n for one, n in host.tcp.traffic.items() if one.port in host.tcp.ports)
    others = host.tcp.traffic.total() - links
    why = f"ports of {_labels(host.tcp)} that listen to the network, with {links} connections"
    why += f"; {others} that this machine opened are left out" if others else ""
    return _groups(host, "tcp", host.tcp, why), links


def _counted(count: int, why: str) -> tuple[Group, ...]:
    return (Group(count, None, why),) if count else ()


def _groups(host: Host, protocol: str, sockets: Sockets, why: str) -> tuple[Group, ...]:
    """Sockets by the size of their buffers, which ss tells of some or all; the largest room first."""
    usual = _usual(host, protocol)
    sizes = _sizes(host, protocol, sockets, usual)
    if not sizes.keys() - {None}:
        return _counted(sizes.total(), why)
    ordered = sorted(sizes.items(), key=lambda one: (-(one[0] or usual) * one[1], one[0] or 0))
    label = host.listed.labels.get(protocol, "")
    found = [
        Group(count, size, why if size is None else f"{why}, whose receive buffers have {size} bytes ({label})")
        for size, count in ordered[:GROUPS_MAX]
    ]
    rest = ordered[GROUPS_MAX:]
    if rest:
        count = sum(one for _, one in rest)
        mean = max(sum((size or usual) * one for size, one in rest) // count, _BUFFER_MIN)
        what = f"{why}, whose receive buffers have {len(rest)} other sizes ({label}), {mean} bytes on average"
        found.append(Group(count, mean, what))
    return tuple(found)


def _usual(host: Host, protocol: str) -> int:
    """The setting's own size, 0 if it is not known."""
    name, place = ("net/core/rmem_default", 0) if protocol == "udp" else ("net/ipv4/tcp_rmem", 1)
    return host.settings[name].values[place] if name in host.settings else 0


def _sizes(host: Host, protocol: str, sockets: Sockets, usual: int) -> Counter[int | None]:
    """How many sockets have which size; None is the setting's own. Over TCP a port that listens counts once."""
    sizes: Counter[int | None] = Counter()
    for port, count in sockets.ports.items():
        told = host.listed.buffers.get((protocol, port), [])
        for at in range(1 if protocol == "tcp" else count):
            size = told[min(at, len(told) - 1)] if told else usual
            sizes[size if size != usual and _BUFFER_MIN <= size <= _BUFFER_MAX else None] += 1
    return sizes


def _bounded(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    """The groups, with no more sockets than a scenario has ports for."""
    kept, left = [], SOCKETS_MAX
    for one in groups:
        if left:
            kept.append(one._replace(sockets=min(one.sockets, left)))
            left -= kept[-1].sockets
    return tuple(kept)


def _buffers_differ(host: Host, draft: Draft) -> None:
    if host.listed.connected:
        sizes = sorted(host.listed.connected)
        draft.differs.append(
            f"receive buffers of {len(sizes)} connections have {sizes[0]} to {sizes[-1]} bytes now, half of them at most "
            f"{sizes[(len(sizes) - 1) // 2]} ({host.listed.labels['tcp']}); in the scenario they begin anew and grow"
        )
    dropped = host.udp.dropped if host.udp is not None else 0
    if dropped:
        draft.differs.append(
            f"{dropped} datagrams have found no room in their sockets so far (drops in {_labels(host.udp)})"
        )


def _labels(sockets: Sockets | None) -> str:
    return " and ".join(sockets.labels) if sockets is not None else ""
