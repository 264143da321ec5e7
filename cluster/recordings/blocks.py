"""Captures as files: libpcap's own format and pcapng, of either endianness, one packet at a time.

Source: pcap-savefile(5) of libpcap; draft-ietf-opsawg-pcapng. python-pcapng reads only the latter, and takes 70 us for a
packet.
"""

from collections.abc import Iterator
from struct import unpack
from typing import IO, Final, NamedTuple

from netswap.cluster.recordings.files import RecordingError
from netswap.protocol.frame import TIME_MAX

_CLASSIC: Final = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
"""By magic number: endianness, and ns in the smaller unit of time."""
_SECTION: Final = b"\x0a\x0d\x0d\x0a"
_INTERFACE: Final = 1
_OLD_PACKET: Final = 2
_SIMPLE: Final = 3
_PACKET: Final = 6
_TSRESOL: Final = 9
_TSOFFSET: Final = 14
_NS: Final = 1_000_000_000
_BLOCK_MAX: Final = 16 << 20
_HINT: Final = "record it again, or leave the damaged part out: editcap writes what can be read"


class Captured(NamedTuple):
    """A packet as it stands in the file."""

    at_ns: int
    """Since the epoch of the file."""
    offset: int
    """The byte of the file at which it begins."""
    link: int
    """LINKTYPE_ number."""
    data: bytes
    length: int
    """Bytes that it had, of which `data` may be the first."""


class _Interface(NamedTuple):
    link: int
    ticks: int
    """In a second."""
    offset_ns: int


class _Reader:
    """Reads a file in pieces, and knows where it is."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.at = 0

    def take(self, size: int, what: str) -> bytes:
        """Read `size` bytes. Raises RecordingError if they are not there."""
        data = self._file.read(size)
        if len(data) < size:
            raise RecordingError(f"byte {self.at}: {what} is cut off after {len(data)} of {size} bytes", _HINT)
        self.at += size
        return data

    def is_over(self) -> bytes:
        """The next 4 bytes, fewer at the end."""
        data = self._file.read(4)
        self.at += len(data)
        return data


def packets(file: IO[bytes]) -> Iterator[Captured]:
    """The packets of a capture in the order of the file. Raises RecordingError with the byte at which it cannot be read."""
    reader = _Reader(file)
    magic = reader.take(4, "the head of the capture")
    if magic in _CLASSIC:
        return _classic(reader, *_CLASSIC[magic])
    if magic == _SECTION:
        return _sections(reader)
    raise RecordingError(
        f"byte 0: {magic.hex()} begins no capture", "name a file of tcpdump, dumpcap or netswap export"
    )


def _classic(reader: _Reader, endian: str, unit_ns: int) -> Iterator[Captured]:
    head = unpack(f"{endian}HHiIII", reader.take(20, "the head of the capture"))
    link = head[5] & 0xFFFF  # above are the length of a checksum, and flags
    while True:
        start = reader.at
        begun = reader.is_over()
        if not begun:
            return
        begun += reader.take(16 - len(begun), "the head of a packet")
        second, part, kept, length = unpack(f"{endian}IIII", begun)
        if kept > _BLOCK_MAX or part * unit_ns >= _NS:
            raise RecordingError(f"byte {start}: this is no head of a packet", _HINT)
        data = reader.take(kept, "a packet")
        yield Captured(second * _NS + part * unit_ns, start, link, data, max(length, kept))


def _sections(reader: _Reader) -> Iterator[Captured]:
    """Sections, each with blocks and an endianness of its own."""
    endian, interfaces = "<", list[_Interface]()
    kind = _SECTION
    while kind:
        start = reader.at - len(kind)
        if kind == _SECTION:
            endian, interfaces = _section(reader, start), []
        else:
            kind += reader.take(4 - len(kind), "a block")
            number = unpack(f"{endian}I", kind)[0]
            body = _body(reader, endian, start)
            packet = _block(endian, number, body, interfaces, start)
            if packet is not None:
                yield packet
        kind = reader.is_over()


def _section(reader: _Reader, start: int) -> str:
    """The endianness of a section that begins."""
    said, order = reader.take(4, "a section"), reader.take(4, "a section")
    endian = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(order)
    if endian is None:
        raise RecordingError(f"byte {start}: this section has no known byte order", _HINT)
    length = unpack(f"{endian}I", said)[0]
    _length_is_right(length, 28, start)
    rest = reader.take(length - 12, "a section")
    _ends_as_it_began(endian, rest[-4:], length, start)
    return endian


def _body(reader: _Reader, endian: str, start: int) -> bytes:
    """What stands between the two lengths of a block."""
    length = unpack(f"{endian}I", reader.take(4, "a block"))[0]
    _length_is_right(length, 12, start)
    body = reader.take(length - 12, "a block")
    _ends_as_it_began(endian, reader.take(4, "a block"), length, start)
    return body


def _length_is_right(length: int, least: int, start: int) -> None:
    if length % 4 or not least <= length <= _BLOCK_MAX:
        raise RecordingError(f"byte {start}: no block has {length} bytes", _HINT)


def _ends_as_it_began(endian: str, end: bytes, length: int, start: int) -> None:
    if unpack(f"{endian}I", end)[0] != length:
        raise RecordingError(f"byte {start}: this block says two lengths", _HINT)


def _block(endian: str, kind: int, body: bytes, interfaces: list[_Interface], start: int) -> Captured | None:
    """The packet of a block, if it is one; an interface is noted, and what is neither says nothing here."""
    least = {_INTERFACE: 8, _OLD_PACKET: 20, _SIMPLE: 4, _PACKET: 20}.get(kind, 0)
    if len(body) < least:
        raise RecordingError(f"byte {start}: this block is too short for what it is", _HINT)
    if kind == _SIMPLE:
        message = f"byte {start}: this packet has no time (it is a simple packet block)"
        raise RecordingError(message, "record it with time stamps: tcpdump and dumpcap do")
    if kind == _INTERFACE:
        interfaces.append(_interface(endian, body))
    if kind in (_PACKET, _OLD_PACKET):
        return _packet(endian + ("I" if kind == _PACKET else "HH") + "IIII", body, interfaces, start)
    return None


def _interface(endian: str, body: bytes) -> _Interface:
    link = unpack(f"{endian}H", body[:2])[0]
    options = dict(_options(endian, body[8:]))
    resolution = options.get(_TSRESOL, b"\x06")[:1] or b"\x06"
    exponent = resolution[0] & 0x7F
    ticks = 1 << exponent if resolution[0] & 0x80 else 10**exponent
    offset = options.get(_TSOFFSET, bytes(8))
    offset_ns = unpack(f"{endian}q", offset)[0] * _NS if len(offset) == 8 else 0
    return _Interface(link, ticks, offset_ns)


def _options(endian: str, data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        code, length = unpack(f"{endian}HH", data[at : at + 4])
        if not code:
            return
        yield code, data[at + 4 : at + 4 + length]
        at += 4 + length + -length % 4


def _packet(form: str, body: bytes, interfaces: list[_Interface], start: int) -> Captured:
    """An enhanced packet, or one of the older kind, which numbers its interface in 16 bits and counts drops in the others."""
    said = unpack(form, body[:20])
    high, low, kept, length = said[-4:]
    if said[0] >= len(interfaces):
        raise RecordingError(f"byte {start}: this packet is of an interface that has not been described", _HINT)
    if 20 + kept > len(body):
        raise RecordingError(f"byte {start}: this packet is longer than its block", _HINT)
    one = interfaces[said[0]]
    at_ns = (high << 32 | low) * _NS // one.ticks + one.offset_ns
    if abs(at_ns) > TIME_MAX:
        raise RecordingError(f"byte {start}: this packet has a time that cannot be", _HINT)
    return Captured(at_ns, start, one.link, body[20 : 20 + kept], max(length, kept))
