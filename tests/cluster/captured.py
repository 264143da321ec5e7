"""Captures that tests make: frames as bytes, and files of them in both formats, of both endiannesses."""

from collections.abc import Sequence
from ipaddress import IPv4Address
from struct import pack

Packet = tuple[int, bytes]
"""When it was captured, ns, and its bytes."""
A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"
ETHERNET = bytes.fromhex("020000000000 020000000001 0800".replace(" ", ""))


def ipv4(
    body: bytes, *, ident: int = 0, offset: int = 0, more: bool = False, proto: int = 17, ends: tuple[str, str] = (B, A)
) -> bytes:
    """A packet; `offset` in bytes."""
    source, to = (IPv4Address(one).packed for one in ends)
    fragment = offset // 8 | (0x2000 if more else 0)
    return pack("!BBHHHBBH", 0x45, 0, 20 + len(body), ident, fragment, 64, proto, 0) + source + to + body


def udp(payload: int, *, port: int = 9000, source_port: int = 7) -> bytes:
    """A datagram of zeros."""
    return pack("!HHHH", source_port, port, payload + 8, 0) + bytes(payload)


def frame(payload: int, *, port: int = 9000, source_port: int = 7, ends: tuple[str, str] = (B, A)) -> bytes:
    """A whole datagram on Ethernet."""
    return ETHERNET + ipv4(udp(payload, port=port, source_port=source_port), ends=ends)


def fragments(payload: int, *, ident: int, port: int = 9000, mtu: int = 1500) -> list[bytes]:
    """A datagram in pieces, as RFC 791 cuts it."""
    whole, each = udp(payload, port=port), (mtu - 20) // 8 * 8
    starts = range(0, len(whole), each)
    return [
        ETHERNET + ipv4(whole[at : at + each], ident=ident, offset=at, more=at + each < len(whole)) for at in starts
    ]


def pcap(packets: Sequence[Packet], *, endian: str = "<", ns: bool = True, link: int = 1, snap: int = 65535) -> bytes:
    """libpcap's format."""
    unit = 1 if ns else 1000
    head = pack(f"{endian}IHHiIII", 0xA1B23C4D if ns else 0xA1B2C3D4, 2, 4, 0, 0, snap, link)
    return head + b"".join(
        pack(f"{endian}IIII", at // 10**9, at % 10**9 // unit, min(len(one), snap), len(one)) + one[:snap]
        for at, one in packets
    )


def block(endian: str, kind: int, body: bytes) -> bytes:
    """A block of pcapng."""
    body += bytes(-len(body) % 4)
    length = pack(f"{endian}I", len(body) + 12)
    return pack(f"{endian}I", kind) + length + body + length


def pcapng(
    packets: Sequence[Packet], *, endian: str = "<", link: int = 1, snap: int = 65535, tsresol: int = 9
) -> bytes:
    """A section with one interface; a block that nobody knows stands before the packets."""
    section = block(endian, 0x0A0D0D0A, pack(f"{endian}IHHq", 0x1A2B3C4D, 1, 0, -1))
    options = pack(f"{endian}HHB3xHH", 9, 1, tsresol, 0, 0)
    interface = block(endian, 1, pack(f"{endian}HHI", link, 0, snap) + options)
    blocks = []
    for at, one in packets:
        ticks = at * (1 << (tsresol & 0x7F)) // 10**9 if tsresol & 0x80 else at * 10**tsresol // 10**9
        head = pack(f"{endian}IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, min(len(one), snap), len(one))
        blocks.append(block(endian, 6, head + one[:snap]))
    return section + interface + block(endian, 0xBAD, b"skipped") + b"".join(blocks)
