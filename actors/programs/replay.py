"""A capture, sent again: each packet leaves when it was recorded, whatever becomes of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count as endless
from typing import ClassVar, Final

from netswap.actors.programs.system import Piece, System
from netswap.actors.programs.talks import Talks, asks, tells
from netswap.actors.programs.task import Program
from netswap.actors.recording import WHOLE, CaptureHeader, Recording, period_ns, scaled
from netswap.protocol.frame import SMALL_MAX
from netswap.protocol.rpc import CALL_PORT, SERVER_PORT
from netswap.protocol.units import milliseconds

_TRAIN_NS: Final = milliseconds(100)
"""The time whose frames are announced at once, as with a flood."""


@dataclass(slots=True)
class Replay:
    """`ports` are [first, how many] of sockets that the capture's ports are mapped onto, none: they are kept.

    The recording begins at `start_ns`: what was recorded then is given to the card then. A frame that was recorded later
    leaves the card as much later, at the speed given, unless the card is not done with the one before. Its progress is frames.
    """

    to: Sequence[int]
    recording: Recording
    ports: Sequence[Sequence[int]] = ()
    start_ns: int = 0
    end_ns: int | None = None
    speed_ppm: int = WHOLE
    rounds: int | None = 1
    """None: it is repeated for ever."""
    counts_pages: ClassVar[bool] = False

    def talks(self) -> Talks:
        """To its targets, which answer only where a kernel itself takes what comes."""
        header = CaptureHeader(*self.recording.header())
        ports = [self._port(header.ports, place) for place in range(len(header.ports))]
        return asks(self.to) if any(CALL_PORT <= port <= SERVER_PORT for port in ports) else tells(self.to)

    def _port(self, recorded: Sequence[int], place: int) -> int:
        """Where packets to the port in this place go to."""
        if not self.ports:
            return recorded[place]
        place %= sum(sockets for _, sockets in self.ports)
        for first, sockets in self.ports:
            if place < sockets:
                return first + place
            place -= sockets
        raise AssertionError("a place within the sockets")

    def run(self, system: System) -> Program:
        """Send it, each frame at its own time."""
        header = CaptureHeader(*self.recording.header())
        pieces = [self._piece(header, one) for one in header.pieces]
        wires_ns = [system.wire_ns(system.wire_of(piece)) for piece, _ in pieces]
        idents: dict[int, int] = {}
        yield system.sleep_until(self.start_ns)
        base_ns = -1
        for at_ns, place, frames, gap_ns, datagram in self._rounds(header):
            piece, to = pieces[place]
            if base_ns < 0:
                base_ns = system.now_ns + wires_ns[place]
            sent = 0
            while sent < frames:
                due_ns = base_ns + scaled(at_ns + sent * gap_ns, self.speed_ppm) - wires_ns[place]
                if self.end_ns is not None and due_ns >= self.end_ns:
                    return
                wake_ns = max(due_ns, system.now_ns)
                yield system.sleep_until(wake_ns)
                base_ns += system.now_ns - wake_ns  # the machine has stood still
                exact = wake_ns == due_ns and not system.card_is_busy()
                count, apart_ns = self._train(due_ns, frames - sent, gap_ns, wires_ns[place]) if exact else (1, 0)
                self._send(system, to, piece, count, apart_ns, datagram, idents)
                sent += count
                system.progress.add(count)

    def _piece(self, header: CaptureHeader, said: Sequence[int]) -> tuple[Piece, int]:
        """A kind of frame, and the machine that it goes to."""
        port, host, source_port, payload, fragment = said
        piece = Piece(self._port(header.ports, port), source_port, payload, None if fragment < 0 else fragment)
        return piece, self.to[host % len(self.to)]

    def _rounds(self, header: CaptureHeader) -> Iterator[tuple[int, int, int, int, int]]:
        """(when at the speed of the recording, piece, frames, gap, datagram) of all records of all rounds."""
        period = period_ns(header.last_ns, header.frames)
        for number in endless() if self.rounds is None else range(self.rounds):
            at_ns = number * period
            for one in self.recording.records():
                after_ns, piece, frames, gap_ns, datagram = one
                at_ns += after_ns
                yield at_ns, piece, frames, gap_ns, datagram
                at_ns += (frames - 1) * gap_ns

    def _train(self, due_ns: int, frames: int, gap_ns: int, wire_ns: int) -> tuple[int, int]:
        """How many frames can be announced at once so that each leaves when it would by itself, and how far apart they are."""
        apart_ns, rest = divmod(gap_ns * WHOLE, self.speed_ppm)
        if rest or apart_ns < max(1, wire_ns):
            return 1, 0
        count = min(frames, SMALL_MAX, max(1, _TRAIN_NS // apart_ns))
        if self.end_ns is not None:
            count = min(count, -(-(self.end_ns - due_ns) // apart_ns))
        return count, apart_ns

    def _send(
        self, system: System, to: int, piece: Piece, count: int, gap_ns: int, datagram: int, idents: dict[int, int]
    ) -> None:
        """Send frames now; those of one datagram bear the same number."""
        if not datagram:
            system.send_pieces(to, piece, count, gap_ns)
            return
        idents[abs(datagram)] = system.send_pieces(to, piece, count, gap_ns, idents.get(abs(datagram)))
        if datagram < 0:
            del idents[-datagram]
