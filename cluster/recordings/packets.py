"""From the bytes of a captured packet to what the model sends: IPv4 with UDP, behind whatever link layer.

Source: www.tcpdump.org/linktypes.html; RFC 791; RFC 768. Lengths are those that headers say, so a capture that keeps the first
96 bytes of each packet says all.
"""

from struct import unpack_from
from typing import Final, NamedTuple

from netswap.cluster.recordings.blocks import Captured
from netswap.protocol.ip import IP_HEADER, UDP_HEADER

_IPV4: Final = 0x0800
_TAGS: Final = (0x8100, 0x88A8, 0x9100)
_NAMES: Final = {0x0806: "ARP", 0x86DD: "IPv6"}
_PROTOCOLS: Final = {1: "ICMP", 6: "TCP"}
_UDP: Final = 17
_AF_INET: Final = 2
_LOOPBACK: Final = (0, 108)
"""LINKTYPE_NULL and LINKTYPE_LOOP: 4 bytes of address family, in the order of the host that recorded, or the network's."""
_RAW: Final = (12, 14, 101, 228)
"""LINKTYPE_RAW (and what BSDs call so), LINKTYPE_IPV4."""
_HEADS: Final = {1: (14, 12), 113: (16, 14), 276: (20, 0)}
"""Ethernet, SLL, SLL2: bytes of the header, and where in it the protocol stands."""


class Packet(NamedTuple):
    """UDP over IPv4, whole or a fragment. Addresses as numbers; ports are -1 where only the first fragment knows them."""

    source: int
    to: int
    source_port: int
    port: int
    ident: int
    offset: int
    """Offset of the fragment within the IP payload, bytes."""
    size: int
    """Bytes of IP payload that are in this packet."""
    more: bool
    """Whether further fragments follow."""
    told: int
    """Length that the UDP header says; 0 where there is none."""

    @property
    def whole(self) -> bool:
        """Whether it is a datagram by itself."""
        return not self.offset and not self.more


def read(captured: Captured) -> Packet | str:
    """The packet; else what it is, in words, since it is none that can be sent."""
    found = _ipv4_at(captured)
    if isinstance(found, str):
        return found
    data, at = captured.data, found
    if len(data) < at + IP_HEADER:
        return "cut off within their headers"
    first, length, ident, flags = data[at], *unpack_from("!HHH", data, at + 2)
    header = (first & 0xF) * 4
    length = length or captured.length - at  # a card with segmentation offload fills it in later
    if first >> 4 != 4 or header < IP_HEADER or length < header or length > captured.length - at:
        return "malformed" if first >> 4 != 6 else "IPv6"
    protocol = data[at + 9]
    if protocol != _UDP:
        return _PROTOCOLS.get(protocol, "other IPv4")
    source, to = unpack_from("!II", data, at + 12)
    offset, more, size = (flags & 0x1FFF) * 8, bool(flags & 0x2000), length - header
    if offset:
        return Packet(source, to, -1, -1, ident, offset, size, more, 0)
    if len(data) < at + header + UDP_HEADER:
        return "cut off within their headers"
    source_port, port, told = unpack_from("!HHH", data, at + header)
    if size < UDP_HEADER or (not more and not UDP_HEADER <= (told or size) <= size):
        return "malformed"
    return Packet(source, to, source_port, port, ident, 0, size, more, told or size)


def _ipv4_at(captured: Captured) -> int | str:
    """Where the IPv4 header begins; else what the packet is."""
    link, data = captured.link, captured.data
    if link in _RAW:
        return 0
    if link in _LOOPBACK:
        family = {data[:4], data[:4][::-1]}
        return 4 if _AF_INET.to_bytes(4) in family else "other than IPv4"
    if link not in _HEADS:
        return f"of link type {link}"
    at, place = _HEADS[link]
    if len(data) < at:
        return "cut off within their headers"
    kind = unpack_from("!H", data, place)[0]
    while kind in _TAGS:
        if len(data) < at + 4:
            return "cut off within their headers"
        kind = unpack_from("!H", data, at + 2)[0]
        at += 4
    return at if kind == _IPV4 else _NAMES.get(kind, "other than IPv4")
