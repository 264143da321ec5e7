"""The frames of a run as a capture: pcapng (draft-ietf-opsawg-pcapng), for Wireshark and what reads the same.

Each frame stands once, at the time at which it left its card, with what became of it as a comment; a copy that a link has made
stands for itself. There is an interface for each directed link. Time 0 of the run is time 0 of the epoch.

Blocks are written by python-pcapng, but for those of packets: of these a run has a million, and there each takes it 72 us, ten
times what a run takes for a frame.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from struct import pack
from typing import IO, Final, NamedTuple

from pcapng import FileWriter, blocks

from netswap.actors.settings import MachineSettings
from netswap.cluster.export import headers
from netswap.cluster.export.fates import Collector, Packet
from netswap.cluster.export.streams import Streams
from netswap.protocol.frame import (
    F_DESTINATION,
    F_KIND,
    F_SOURCE,
    F_WIRE,
    FRAGMENT,
    PAGE_IN_REPLY,
    PAGE_OUT_REPLY,
    UDP,
    Raw,
)

SNAP: Final = 192
"""Bytes of each frame that are kept unless something else is asked for: all headers, those of a call of NFS too."""
_PACKET: Final = 6
_BLOCK: Final = 32
"""Bytes of a packet's block without frame and options."""
_COMMENT: Final = 24
"""Bytes of a comment, about."""
_ETHERNET: Final = 1
_NANOSECONDS: Final = b"\x09"


class Written(NamedTuple):
    """What an export has come to."""

    packets: int
    left_out: int
    note: str
    """What was left out, in words; "" if nothing was."""


class Capture:
    """Writes the packets of a run."""

    def __init__(self, machines: Sequence[MachineSettings], streams: Streams, snap: int) -> None:
        self._machines = machines
        self._names = [one.name for one in machines]
        self._streams = streams
        self._snap = snap

    def write(self, path: Path, packets: Sequence[Packet], note: str) -> None:
        """Write a file. Raises OSError."""
        links = sorted({(one.frame[F_SOURCE], one.frame[F_DESTINATION]) for one in packets})
        places = {link: place for place, link in enumerate(links)}
        with path.open("wb") as out:
            self._begin(out, links, note)
            snap = self._snap
            for packet in packets:
                at_ns, source, _, _, index, frame, fate = packet
                framing = self._machines[source].framing
                length = headers.length_of(frame, index, framing)
                kept = min(length, snap)
                data = self._bytes(frame, index, self._machines[source])[:kept].ljust(kept, b"\0")
                out.write(_block(places[source, frame[F_DESTINATION]], at_ns, data, length, fate))

    def _bytes(self, frame: Raw, index: int, sender: MachineSettings) -> bytes:
        """A frame, as far as it is not zeros."""
        if headers.is_segment(frame):
            return headers.segment(frame, sender, self._streams.said(frame), self._streams.echoed_ms(frame))
        if not headers.is_ipv4(frame):
            return headers.other(frame)
        answers = frame[F_KIND] & ~FRAGMENT in (PAGE_OUT_REPLY, PAGE_IN_REPLY)
        return headers.datagram(frame, index, sender, self._names[frame[F_DESTINATION] if answers else frame[F_SOURCE]])

    def _begin(self, out: IO[bytes], links: Sequence[tuple[int, int]], note: str) -> None:
        """What stands before the packets: the writing program, an interface for each link, the names of the machines."""
        options = {"shb_userappl": "netswap"} | ({"opt_comment": note} if note else {})
        section = blocks.SectionHeader(options=options)
        names = self._names
        for source, to in links:
            name = f"{names[source]}>{names[to]}"
            described = {"if_name": name, "if_tsresol": _NANOSECONDS, "if_speed": self._machines[source].nic_rate_bps}
            section.new_member(blocks.InterfaceDescription, link_type=_ETHERNET, snaplen=self._snap, options=described)
        writer = FileWriter(out, section)
        known = sorted({machine for link in links for machine in link})
        records = [
            {"type": 1, "address": ".".join(map(str, headers.address(one))), "names": [names[one]]} for one in known
        ]
        writer.write_block(section.new_member(blocks.NameResolution, records=[*records, {"type": 0}]))


def _block(interface: int, at_ns: int, data: bytes, length: int, comment: str) -> bytes:
    """An enhanced packet block."""
    options = _options(comment)
    padded = data + bytes(-len(data) % 4) + options
    whole = _BLOCK + len(padded)
    head = pack("<IIIIIII", _PACKET, whole, interface, at_ns >> 32, at_ns & 0xFFFFFFFF, len(data), length)
    return head + padded + whole.to_bytes(4, "little")


@lru_cache(maxsize=4096)
def _options(comment: str) -> bytes:
    text = comment.encode()
    return pack("<HH", 1, len(text)) + text + bytes(-len(text) % 4) + bytes(4)


def thinned(packets: Sequence[Packet], snap: int, most: int) -> tuple[list[Packet], str]:
    """As many packets as fit into `most` bytes, and what is left out in words: the same share of each link.

    Datagrams of programs go first: what the swap and TCP say stays whole, if that alone is little enough.
    """
    size = _size(packets, snap)
    if size <= most:
        return list(packets), ""
    swap = _size([one for one in packets if not _is_plain(one)], snap)
    plain_only = swap < most
    every = -(-(size - swap) // (most - swap)) if plain_only else -(-size // most)
    seen: Counter[tuple[int, int]] = Counter()
    kept = list(_every(packets, every, plain_only, seen))
    what = "udp frames" if plain_only else "frames"
    return kept, f"sampled: of the {what} of each link 1 in {every} is here, {len(kept):,} of {len(packets):,} in all"


def _every(packets: Sequence[Packet], every: int, plain_only: bool, seen: Counter[tuple[int, int]]) -> Iterator[Packet]:
    for packet in packets:
        if plain_only and not _is_plain(packet):
            yield packet
            continue
        link = (packet.source, packet.frame[F_DESTINATION])
        if seen[link] % every == 0:
            yield packet
        seen[link] += 1


def _is_plain(packet: Packet) -> bool:
    """Whether it is a datagram of a program."""
    return packet.frame[F_KIND] & ~FRAGMENT == UDP


def _size(packets: Sequence[Packet], snap: int) -> int:
    """Bytes that packets take in a file, about."""
    return sum([_BLOCK + _COMMENT + min(snap, one.frame[F_WIRE]) for one in packets])


def write(path: Path, machines: Sequence[MachineSettings], collected: Collector, snap: int, most: int) -> Written:
    """Write what was collected: at most `snap` bytes of each frame (0: all), and about `most` in all. Raises OSError."""
    snap = snap or 1 << 18
    packets = collected.packets()
    kept, note = thinned(packets, snap, most)
    Capture(machines, collected.streams, snap).write(path, kept, note)
    return Written(len(kept), len(packets) - len(kept), note)
