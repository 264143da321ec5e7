"""Frames as bytes of Ethernet, with the headers that a capture of the same traffic would have.

Payload is never made in the model, so it is zeros here, but for the headers of protocols that the model speaks: RPC with NFS
version 3 (RFC 5531, RFC 1813), and the messages of NBD. Lengths are those of the model, and so checksums can be right. Machine n
has the address 10.0.0.1 + n and the link address 02:00:00:00:00:00 + n.
"""

from collections.abc import Sequence
from functools import lru_cache
from struct import pack
from typing import Final

from netswap.actors.disk import REFUSED
from netswap.actors.settings import MachineSettings
from netswap.protocol import arp, nbd
from netswap.protocol.errors import LocalProtocolError
from netswap.protocol.frame import (
    ARP,
    F_BODY,
    F_COUNT,
    F_DESTINATION,
    F_KIND,
    F_PORT,
    F_SENT,
    F_SOURCE,
    F_TAIL,
    F_WIRE,
    FRAGMENT,
    IPV6,
    PAGE_IN,
    PAGE_IN_REPLY,
    PAGE_OUT,
    PAGE_OUT_REPLY,
    QINQ,
    TCP,
    VLAN,
    Raw,
)
from netswap.protocol.ip import IP_HEADER, UDP_HEADER, fragment_payload, fragments
from netswap.protocol.rpc import HEADER, PAGE
from netswap.protocol.tcp import SYN, Range

Pieces = Sequence[tuple[int, bytes]]
"""(offset, bytes) of what is not zero in a payload, in order."""

ETHERNET: Final = 14
"""Bytes of an Ethernet header: what a capture has of the link layer, without preamble, checksum and gap."""
LONGEST: Final = 0xFFFF
"""Bytes of the longest IP packet."""
WINDOW_SCALE: Final = 7
"""Shift of the windows in all segments but a SYN; so a window loses less than 128 bytes."""
_IPV4: Final = 0x0800
_TYPES: Final = {ARP: 0x0806, IPV6: 0x86DD, VLAN: 0x8100, QINQ: 0x88A8}
_LOCAL: Final = 0x88B5
"""The type that IEEE 802 leaves for experiments."""
_NO_NEXT_HEADER: Final = 59
_BROADCAST: Final = b"\xff" * 6
_DONT_FRAGMENT: Final = 0x4000
_MORE_FRAGMENTS: Final = 0x2000
_TCP: Final = 6
_UDP: Final = 17
_TTL: Final = 64


def mac(machine: int) -> bytes:
    """A machine's link address, of those that are administered locally."""
    return (0x02_00_00_00_00_00 + machine).to_bytes(6)


def address(machine: int) -> bytes:
    """A machine's IPv4 address."""
    return (0x0A_00_00_01 + machine).to_bytes(4)


def sum_of(data: bytes) -> int:
    """The checksum of the internet protocols over bytes: whole 16-bit words, added with end-around carry, inverted."""
    if len(data) % 2:
        data += b"\0"
    return (0xFFFF - int.from_bytes(data) % 0xFFFF) % 0xFFFF


def ipv4(ends: tuple[int, int], protocol: int, ident: int, flags: int, length: int) -> bytes:
    """Ethernet and IPv4 headers of a packet of `length` bytes from one machine to another."""
    source, to = ends
    route = address(source) + address(to)
    before = pack("!BBHHHBB", 0x45, 0, min(length, LONGEST), ident & 0xFFFF, flags, _TTL, protocol)
    return mac(to) + mac(source) + _IPV4.to_bytes(2) + before + sum_of(before + b"\0\0" + route).to_bytes(2) + route


def _pseudo(ends: tuple[int, int], protocol: int, length: int) -> bytes:
    """What TCP and UDP add to their checksums."""
    return address(ends[0]) + address(ends[1]) + pack("!BBH", 0, protocol, length & 0xFFFF)


# -- UDP --------------------------------------------------------------------------------------------------------------


def udp(ends: tuple[int, int], ports: tuple[int, int], payload: int, said: bytes) -> bytes:
    """A datagram, as far as it is not zeros."""
    length = min(payload + UDP_HEADER, LONGEST - IP_HEADER)
    head = pack("!HHH", *ports, length)
    checksum = sum_of(_pseudo(ends, _UDP, length) + head + b"\0\0" + said) or 0xFFFF  # 0 would mean that there is none
    return head + checksum.to_bytes(2) + said


def datagram(frame: Raw, index: int, sender: MachineSettings, client: str) -> bytes:
    """The bytes of a frame of UDP, as far as they are not zeros; `client`: the name of the machine that asks."""
    body, kind = frame[F_BODY], frame[F_KIND] & ~FRAGMENT
    ident, step, whole = (*body[:2], body[2]) if frame[F_KIND] & FRAGMENT else (0, 1, body)
    source_port, payload, flow, flows, ports, message = whole
    offset = step - 1 if step else index
    port = frame[F_PORT] + (flow + (index if step else 0)) % flows % ports
    said = _rpc(kind, payload, message, client)
    ends = (frame[F_SOURCE], frame[F_DESTINATION])
    wire = frame[F_TAIL] if index == frame[F_COUNT] - 1 else frame[F_WIRE]
    length = wire - sender.framing
    if not frame[F_KIND] & FRAGMENT:
        return _whole(ends, (source_port, port), payload, said, length)
    each = fragment_payload(sender.mtu)
    last = fragments(payload + UDP_HEADER, sender.mtu) - 1 if step else frame[F_COUNT] - 1
    more = _MORE_FRAGMENTS if offset < last else 0
    head = ipv4(ends, _UDP, ident + (index if step else 0), more | offset * each >> 3, length)
    return head + udp(ends, (source_port, port), payload, said)[offset * each : (offset + 1) * each]


@lru_cache(maxsize=4096)
def _whole(ends: tuple[int, int], ports: tuple[int, int], payload: int, said: bytes, length: int) -> bytes:
    return ipv4(ends, _UDP, 0, _DONT_FRAGMENT, length) + udp(ends, ports, payload, said)


# -- RPC with NFS -------------------------------------------------------------------------------------------------------

_NFS: Final = (100_003, 3)
_READ: Final = 6
_WRITE: Final = 7
_FILE: Final = b"swap".ljust(32, b"\0")
"""The handle of the swap file."""
_CRED: Final = {_READ: 40, _WRITE: 32}
"""Bytes of the credentials with which a call has the `HEADER` bytes that the model counts."""
_NOSPC: Final = 28
_FILE_SYNC: Final = 2


def _rpc(kind: int, payload: int, message: tuple[int, ...], client: str) -> bytes:
    """The RPC and NFS headers of a datagram of the swap; nothing of any other."""
    if kind not in (PAGE_OUT, PAGE_OUT_REPLY, PAGE_IN, PAGE_IN_REPLY) or len(message) < 3 or payload < HEADER:
        return b""
    xid, page, *versions = message
    size = (payload - HEADER) & ~3
    if kind == PAGE_OUT:
        return _call(xid, _WRITE, client) + pack("!QIII", page * PAGE, size, _FILE_SYNC, size)
    if kind == PAGE_IN:
        return _call(xid, _READ, client) + pack("!QI", page * PAGE, sum([one or PAGE for one in versions]))
    reply = pack("!IIIIII", xid & 0xFFFFFFFF, 1, 0, 0, 0, 0)
    if kind == PAGE_IN_REPLY:
        return reply + pack("!II", 0, 1) + _attributes() + pack("!III", size, 0, size)
    if REFUSED in versions:
        return reply + pack("!III", _NOSPC, 0, 0)
    return reply + pack("!IIIIIQ", 0, 0, 0, len(versions) * PAGE, _FILE_SYNC, 0)


def _call(xid: int, procedure: int, client: str) -> bytes:
    """The header of a call, up to and with the file's handle; its credentials are filled up with groups."""
    room = _CRED[procedure]
    name = client.encode("ascii", "replace")[:12]
    padded = name.ljust(-(-len(name) // 4) * 4, b"\0")
    groups = (room - 20 - len(padded)) // 4
    head = pack("!IIIIII", xid & 0xFFFFFFFF, 0, 2, *_NFS, procedure)
    cred = pack("!II", 1, room) + pack("!II", 0, len(name)) + padded + pack("!III", 0, 0, groups) + bytes(4 * groups)
    return head + cred + bytes(8) + len(_FILE).to_bytes(4) + _FILE


def _attributes() -> bytes:
    """The attributes of the swap file (fattr3): a plain file that its owner may read and write."""
    return pack("!IIIII", 1, 0o600, 1, 0, 0) + bytes(64)


# -- TCP --------------------------------------------------------------------------------------------------------------


def segment(frame: Raw, sender: MachineSettings, said: Pieces, echoed_ms: int) -> bytes:
    """The bytes of a TCP segment, as far as they are not zeros; `echoed_ms`: the time stamp that it sends back.

    A SYN offers time stamps no more than a model's SYN has room for: its 12 bytes of options are MSS, window scale, SACK.
    """
    port, flags, seq, ack, window, payload, blocks, _ = frame[F_BODY]
    ends = (frame[F_SOURCE], frame[F_DESTINATION])
    length = frame[F_WIRE] - sender.framing
    if flags & SYN:
        scale, options = 0, pack("!BBHBBBBBBBB", 2, 4, sender.mtu - IP_HEADER - 20, 1, 3, 3, WINDOW_SCALE, 4, 2, 1, 1)
    else:
        scale, options = WINDOW_SCALE, pack("!BBBBII", 1, 1, 8, 10, frame[F_SENT] // 1_000_000 & 0xFFFFFFFF, echoed_ms)
        options += _sack(blocks)
    header = 20 + len(options)
    word = header // 4 << 12 | flags | (8 if payload else 0)
    size = min(window >> scale, 0xFFFF)
    ack = ack & 0xFFFFFFFF if flags & 0x10 else 0
    head = pack("!HHIIHHHH", port, frame[F_PORT], seq & 0xFFFFFFFF, ack, word, size, 0, 0) + options
    data = laid_out(said)
    checksum = sum_of(_pseudo(ends, _TCP, header + payload) + head + data)
    head = head[:16] + checksum.to_bytes(2) + head[18:]
    return ipv4(ends, _TCP, 0, _DONT_FRAGMENT, length) + head + data


def _sack(blocks: tuple[Range, ...]) -> bytes:
    """The option, with two bytes before it that keep it on whole words."""
    if not blocks:
        return b""
    edges = b"".join([pack("!II", first & 0xFFFFFFFF, end & 0xFFFFFFFF) for first, end in blocks])
    return pack("!BBBB", 1, 1, 5, 2 + len(edges)) + edges


def laid_out(said: Pieces) -> bytes:
    """A payload up to the last of its bytes that is not zero."""
    data = b""
    for offset, piece in said:
        data = data.ljust(offset, b"\0") + piece
    return data


def nbd_message(to_server: bool, message: tuple[int, ...], size: int) -> bytes:
    """The header of an NBD message of `size` bytes; nothing if it is none."""
    try:
        if not to_server:
            reply = nbd.reply(message)
            return pack("!IIQ", 0x67446698, reply.error, reply.handle)
        asked = nbd.request(message)
    except LocalProtocolError:
        return b""
    unit = size - nbd.REQUEST if asked.type == nbd.WRITE else asked.version or PAGE
    return pack("!IHHQQI", 0x25609513, 0, asked.type, asked.handle, asked.page * PAGE, unit)


# -- the link layer -----------------------------------------------------------------------------------------------------


def other(frame: Raw) -> bytes:
    """The bytes of a frame that is no IPv4, as far as they are not zeros."""
    source, to, kind = frame[F_SOURCE], frame[F_DESTINATION], frame[F_KIND]
    message = frame[F_BODY][5]
    if kind == ARP and message and message[0] in (arp.REQUEST, arp.REPLY):
        asks = message[0] == arp.REQUEST
        head = (_BROADCAST if asks else mac(to)) + mac(source) + _TYPES[ARP].to_bytes(2)
        target = bytes(6) if asks else mac(to)
        return head + pack("!HHBBH", 1, _IPV4, 6, 4, message[0]) + mac(source) + address(source) + target + address(to)
    head = mac(to) + mac(source) + _TYPES.get(kind, _LOCAL).to_bytes(2)
    if kind == IPV6:
        size = max(0, frame[F_BODY][1] - 40)
        ends = [b"\xfd" + bytes(14) + bytes([1]) for _ in range(2)]
        ends = [(int.from_bytes(one) + machine).to_bytes(16) for one, machine in zip(ends, (source, to), strict=True)]
        return head + pack("!IHBB", 6 << 28, size, _NO_NEXT_HEADER, _TTL) + b"".join(ends)
    if kind == VLAN:
        return head + pack("!HH", 1, _LOCAL)
    if kind == QINQ:
        return head + pack("!HHHH", 1, _TYPES[VLAN], 1, _LOCAL)
    return head


def length_of(frame: Raw, index: int, framing: int) -> int:
    """Bytes of a frame as a capture counts them: from the link addresses to the end of the payload."""
    wire = frame[F_TAIL] if index == frame[F_COUNT] - 1 else frame[F_WIRE]
    return wire - framing + ETHERNET


def is_segment(frame: Raw) -> bool:
    """Whether it is of TCP."""
    return frame[F_KIND] == TCP


def is_ipv4(frame: Raw) -> bool:
    """Whether it is of IPv4."""
    return frame[F_KIND] & ~FRAGMENT < ARP
