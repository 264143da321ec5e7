"""From the packets of a capture to the bytes that a flood sends them from.

UDP over IPv4 is sent again, whole datagrams and fragments as they are: a datagram of which a fragment is missing stays
incomplete. A datagram that is larger than a packet of the scenario is an error; all else is left out, and counted.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgpack

from netswap.actors.recording import CAPTURE, CaptureHeader, CaptureRecord, Recording
from netswap.cluster.recordings import blocks, packets
from netswap.cluster.recordings.files import RecordingError, opened
from netswap.cluster.recordings.packets import Packet
from netswap.protocol.frame import SMALL_MAX
from netswap.protocol.ip import IP_HEADER, UDP_HEADER, fragment_payload
from netswap.protocol.units import seconds

_FORGOTTEN_NS: Final = seconds(30)
"""Fragments with one number that lie farther apart are of different datagrams: no receiver waits longer."""
_OTHER_GRID: Final = "fragments for another MTU"
_NOT_MEANT: Final = "other than `only` says"
_UNKNOWN: Final = -1


class Taken(NamedTuple):
    """A recording, and what was left out of it by kind."""

    recording: Recording
    frames: int
    left_out: dict[str, int]


@dataclass(slots=True)
class _Datagram:
    """One that came in fragments."""

    began_ns: int
    source_port: int = _UNKNOWN
    port: int = _UNKNOWN
    told: int = 0
    end: int = 0
    offsets: set[int] = field(default_factory=set)
    left: int = 0
    number: int = 0

    def payload(self) -> int:
        """Bytes of the datagram; one whose end is not known has a byte more than is there, and is never complete."""
        return max(self.told, self.end) - UDP_HEADER


class _Frame(NamedTuple):
    """A kind of frame: where it goes, and which fragment of which datagram it is, if it is one."""

    to: int
    port: int
    source_port: int
    payload: int
    fragment: int


class _Collector:
    """Takes packets in the order of the file; gives frames in the order of their times."""

    def __init__(self, only: dict[str, Any], mtu: int) -> None:
        self._only = only
        self._mtu = mtu
        self._each = fragment_payload(mtu)
        self._times = array("q")
        self._frames: list[_Frame | tuple[_Datagram, Packet]] = []
        self._in_order = True
        self._known: dict[_Frame, _Frame] = {}
        """Frames that are equal are one object: a capture has millions."""
        self._open: dict[tuple[int, int, int], _Datagram] = {}
        self.left_out: Counter[str] = Counter()
        self.first_ns: int | None = None

    def take(self, captured: blocks.Captured) -> None:
        """Take one packet. Raises RecordingError if it is a datagram that does not fit."""
        at_ns = captured.at_ns
        self.first_ns = at_ns if self.first_ns is None else min(self.first_ns, at_ns)
        packet = packets.read(captured)
        if isinstance(packet, str):
            self.left_out[packet] += 1
        elif not self._is_meant(packet):
            self.left_out[_NOT_MEANT] += 1
        elif not packet.whole:
            self._fragment(at_ns, packet)
        elif packet.told + IP_HEADER > self._mtu:
            size = packet.told + IP_HEADER
            what = f"byte {captured.offset}: a packet of {size} bytes is larger than network.mtu, {self._mtu}B"
            raise RecordingError(what, f"write network: {{mtu: {size}B}}, or record where offloads are off")
        else:
            payload = packet.told - UDP_HEADER
            self._keep(at_ns, _Frame(packet.to, packet.port, packet.source_port, payload, _UNKNOWN))

    def _is_meant(self, packet: Packet) -> bool:
        only = self._only
        return only.get("src") in (None, packet.source) and only.get("dst") in (None, packet.to)

    def _fragment(self, at_ns: int, packet: Packet) -> None:
        """Keep a fragment, unless it is none that a machine with this MTU would have sent."""
        index, rest = divmod(packet.offset, self._each)
        if rest or (packet.more and packet.size != self._each) or packet.size > self._each:
            self.left_out[_OTHER_GRID] += 1
            return
        key = (packet.source, packet.to, packet.ident)
        whole = self._open.get(key)
        if whole is None or index in whole.offsets or at_ns - whole.began_ns > _FORGOTTEN_NS:
            whole = self._open[key] = _Datagram(at_ns)
        whole.offsets.add(index)
        whole.end = max(whole.end, packet.offset + packet.size + packet.more)
        if not packet.offset:
            whole.source_port, whole.port, whole.told = packet.source_port, packet.port, packet.told
        self._keep(at_ns, (whole, packet))

    def _keep(self, at_ns: int, frame: "_Frame | tuple[_Datagram, Packet]") -> None:
        self._in_order = self._in_order and (not self._times or at_ns >= self._times[-1])
        self._times.append(at_ns)
        self._frames.append(self._known.setdefault(frame, frame) if isinstance(frame, _Frame) else frame)

    def frames(self) -> Iterator[tuple[int, _Frame, int]]:
        """(when since the first packet of the capture, frame, its datagram's number), by time."""
        for frame in self._frames:
            if not self._has_port(frame):
                self.left_out[_NOT_MEANT] += 1
            elif not isinstance(frame, _Frame):
                frame[0].left += 1
        numbers = 0
        for place in self._order():
            at_ns, frame = self._times[place] - (self.first_ns or 0), self._frames[place]
            if not self._has_port(frame):
                continue
            if isinstance(frame, _Frame):
                yield at_ns, frame, 0
                continue
            whole, packet = frame
            if not whole.number and len(whole.offsets) > 1:
                numbers = whole.number = numbers + 1
            whole.left -= 1
            yield at_ns, self._piece(whole, packet), whole.number if whole.left else -whole.number

    def _order(self) -> Iterable[int]:
        """Places of packets by their times; a capture is mostly in order, and then no list of them is needed."""
        places = range(len(self._times))
        return places if self._in_order else array("L", sorted(places, key=self._times.__getitem__))

    def _piece(self, whole: _Datagram, packet: Packet) -> _Frame:
        index = packet.offset // self._each
        payload = max(whole.payload(), self._mtu + 1 - IP_HEADER - UDP_HEADER)  # or it would be no fragment here
        return _Frame(packet.to, whole.port, whole.source_port, payload, index)

    def _has_port(self, frame: "_Frame | tuple[_Datagram, Packet]") -> bool:
        wanted = self._only.get("port")
        return wanted is None or wanted == (frame.port if isinstance(frame, _Frame) else frame[0].port)


class _Packer:
    """Makes records of frames: equal ones at equal gaps are one."""

    def __init__(self) -> None:
        self._ports: dict[int, int] = {}
        self._hosts: dict[int, int] = {}
        self._pieces: dict[tuple[int, ...], int] = {}
        self._records = bytearray()
        self._pack = msgpack.Packer(autoreset=True).pack
        self._run: tuple[int, int, int, int] | None = None
        """When the first of the run that is not packed yet leaves, its piece, frames, gap."""
        self._packed_ns = 0
        self.frames = 0
        self.last_ns = 0

    def add(self, at_ns: int, frame: _Frame, datagram: int) -> None:
        """Add the next frame."""
        self.frames += 1
        self.last_ns = at_ns
        piece = self._piece(frame)
        if datagram:
            self._flush()
            self._write(at_ns, piece, 1, 0, datagram)
            return
        run = self._run
        if run is not None and run[1] == piece and run[2] < SMALL_MAX:
            first_ns, _, count, gap_ns = run
            gap = at_ns - first_ns if count == 1 else gap_ns
            if gap > 0 and at_ns == first_ns + count * gap:
                self._run = (first_ns, piece, count + 1, gap)
                return
        self._flush()
        self._run = (at_ns, piece, 1, 0)

    def packed(self) -> bytes:
        """Header and records, as bytes."""
        self._flush()
        pieces = [list(one) for one in self._pieces]
        header = CaptureHeader(list(self._ports), len(self._hosts), pieces, self.last_ns, self.frames)
        return bytes(self._pack(header) + self._records)

    def _piece(self, frame: _Frame) -> int:
        host = self._hosts.setdefault(frame.to, len(self._hosts))
        port, source_port = max(0, frame.port), max(0, frame.source_port)
        place = self._ports.setdefault(port, len(self._ports))
        piece = (place, host, source_port, frame.payload, frame.fragment)
        return self._pieces.setdefault(piece, len(self._pieces))

    def _flush(self) -> None:
        if self._run is not None:
            self._write(*self._run, 0)
            self._run = None

    def _write(self, at_ns: int, piece: int, count: int, gap_ns: int, datagram: int) -> None:
        self._records += self._pack(CaptureRecord(at_ns - self._packed_ns, piece, count, gap_ns, datagram))
        self._packed_ns = at_ns + (count - 1) * gap_ns


def take(path: Path, sha256: str, only: dict[str, Any], mtu: int) -> Taken:
    """Read a capture for links of this MTU; `only`: `src`, `dst` (addresses) and `port` of what is wanted of it.

    Raises RecordingError with the byte of the file if it cannot be read, or if there is nothing in it to be sent.
    """
    wanted = {key: int(IPv4Address(one)) if isinstance(one, str) else one for key, one in only.items()}
    collector, packer = _Collector(wanted, mtu), _Packer()
    with opened(path) as file:
        for captured in blocks.packets(file):
            collector.take(captured)
    for at_ns, frame, datagram in collector.frames():
        packer.add(at_ns, frame, datagram)
    left_out = {kind: count for kind, count in sorted(collector.left_out.items()) if count}
    if not packer.frames:
        there = ", ".join(f"{count:,} {kind}" for kind, count in left_out.items()) or "no packet at all"
        raise RecordingError(f"nothing in it can be sent: there is {there}", "only UDP over IPv4 is sent again")
    return Taken(Recording(CAPTURE, str(path), sha256, dict(only), packer.packed()), packer.frames, left_out)
