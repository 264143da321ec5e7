"""One direction between two machines: what it does to frames, which faults it is under, and the fates of frames."""

from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, NamedTuple

from netswap.protocol.frame import F_COUNT, F_TAIL, F_WIRE, FRAGMENT, Raw
from netswap.protocol.units import seconds

SECOND_NS: Final = seconds(1)
ANY: Final = 0
"""Stands for all kinds of frames that are held."""
_MILLION: Final = 1_000_000


@dataclass(slots=True)
class LinkSettings:
    """One directed link; shares in parts per million, bandwidth in bits per second, queue in packets.

    Never changed once made; not frozen, since it is pickled, which compiled dataclasses that are frozen cannot be.
    """

    latency_ns: int
    jitter_ns: int = 0
    bandwidth_bps: int | None = None
    queue: int | None = None
    loss_ppm: int = 0
    duplicate_ppm: int = 0
    reorder_ppm: int = 0
    corrupt_ppm: int = 0


@dataclass(slots=True)
class Tally:
    """Frames of one link: sent + duplicated = delivered to the machine + dropped + under way, always."""

    sent: int = 0
    duplicated: int = 0
    delivered: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    def drop(self, cause: str, frames: int) -> None:
        """Count frames lost here."""
        self.dropped[cause] = self.dropped.get(cause, 0) + frames


class Piece(NamedTuple):
    """A stretch of a train that is under way, one unit for all its frames; a plain tuple, as `protocol.frame.Raw`."""

    link: "Link"
    frame: Raw
    data: bytes
    """The frame's own bytes."""
    first: int
    """Which frame of the train is the first of these."""
    count: int  # type: ignore[assignment]  # as in `Frame`
    gap_ns: int
    flags: int


P_LINK: Final = 0
P_COUNT: Final = 4
P_GAP: Final = 5


def split(piece: Piece, before: int) -> tuple[Piece, Piece]:
    """The first `before` frames of a stretch, and the others."""
    link, frame, data, first, count, gap_ns, flags = piece
    earlier: Any = (link, frame, data, first, before, gap_ns, flags)
    later: Any = (link, frame, data, first + before, count - before, gap_ns, flags)
    return earlier, later


class Due(NamedTuple):
    """A piece that arrives; a plain tuple, as `protocol.frame.Raw`. All but the piece order what arrives, and never tie."""

    at_ns: int
    """When the first frame does."""
    source: int
    number: int
    copy: int
    piece: Piece


D_PIECE: Final = 4


class Chances(dict[str, Random]):
    """The streams of chance of one link by what they decide, each made when it is first drawn from."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def __missing__(self, what: str) -> Random:
        stream = self[what] = Random(f"{self._prefix}{what}")
        return stream


class Link:
    """One direction between two machines."""

    __slots__ = (
        "base",
        "chance",
        "cuts",
        "destination",
        "floor_ns",
        "free_ns",
        "held",
        "holds",
        "last_ns",
        "leaving",
        "now",
        "overrides",
        "plain",
        "source",
        "starts",
        "steady",
        "tally",
    )

    def __init__(self, source: int, destination: int, settings: LinkSettings, seed: int, name: str) -> None:
        self.source = source
        self.destination = destination
        self.base = settings
        self.overrides: list[dict[str, int]] = []
        self.now = settings
        self.plain = True
        """Nothing but a delay."""
        self.steady = True
        """Nothing but a delay and a bandwidth: frames that need not queue keep their distances."""
        self.leaving: list[tuple[int, int, Piece]] = []
        """What its source has announced, (time, number, piece), and what leaves the card after the end of the window."""
        self.cuts = 0
        self.holds: list[int] = []
        """Kinds that are held; `ANY` for all."""
        self.held: list[Due] = []
        self.free_ns = 0
        """When the link has put its last frame on the line."""
        self.last_ns = 0
        """The latest arrival so far."""
        self.floor_ns = 0
        """No frame arrives before this. On a link of constant delay it is moved only when the delay changes."""
        self.starts: list[int] = []
        self.tally = Tally()
        self.chance = Chances(f"{seed}/network/{name}/")
        self._settle()

    def override(self, values: dict[str, int]) -> None:
        """A fault that changes the link; the one that began last is in force."""
        self.overrides.append(values)
        self._settle()

    def restore(self, values: dict[str, int]) -> None:
        """That fault ends."""
        self.overrides.remove(values)
        self._settle()

    def _settle(self) -> None:
        self.floor_ns = self.last_ns
        values = {name: getattr(self.base, name) for name in LinkSettings.__dataclass_fields__}
        for change in self.overrides:
            values.update(change)
        self.now = now = LinkSettings(**values)
        self.steady = not (now.jitter_ns or now.loss_ppm or now.duplicate_ppm or now.reorder_ppm or now.corrupt_ppm)
        self.plain = self.steady and not now.bandwidth_bps and now.queue is None

    def holds_back(self, kind: int) -> bool:
        """Whether a packet of this kind has to wait."""
        return bool(self.holds) and (ANY in self.holds or kind & ~FRAGMENT in self.holds)

    def together(self, sent_ns: int, piece: Piece) -> tuple[int, int]:
        """How many frames from the first on are equal and leave the line at one distance, and this (ns); (0, 0) if none do.

        Either the line is free for each of them; or it is busy for each, which then follows its predecessor at once, as long
        as no queue is short.
        """
        _, frame, _, first, count, gap_ns, _ = piece
        bandwidth_bps = self.now.bandwidth_bps
        if not bandwidth_bps:
            return 0, 0
        wire_ns = frame[F_WIRE] * 8 * SECOND_NS // bandwidth_bps
        late_ns = self.free_ns - sent_ns
        if not wire_ns or max(sent_ns, self.free_ns) + wire_ns + self.now.latency_ns < self.last_ns:
            return 0, 0
        equal = count - (frame[F_TAIL] != frame[F_WIRE] and first + count == frame[F_COUNT])
        if late_ns <= 0 and gap_ns >= wire_ns:
            return equal, gap_ns
        if self.now.queue is not None:
            return 0, 0
        if late_ns <= 0:
            return min(equal, 1), gap_ns
        if gap_ns <= wire_ns:
            return equal, wire_ns
        return min(equal, -(-late_ns // (gap_ns - wire_ns))), wire_ns

    def enqueue(self, sent_ns: int, wire: int, bandwidth_bps: int) -> int:
        """When the last bit of a frame is on the line; -1 if the queue before it is full."""
        limit = self.now.queue
        if limit is not None:
            self.starts = [start for start in self.starts if start > sent_ns]
            if len(self.starts) >= limit:
                return -1
        start = max(self.free_ns, sent_ns)
        if limit is not None and start > sent_ns:
            self.starts.append(start)
        self.free_ns = start + wire * 8 * SECOND_NS // bandwidth_bps
        return self.free_ns

    def happens(self, what: str, ppm: int) -> bool:
        """Draw whether it happens this time, with a probability in millionths."""
        return ppm > 0 and self.chance[what].randrange(_MILLION) < ppm


@dataclass(slots=True)
class Port:
    """The switch port in front of one machine, shared by all that send to it."""

    bandwidth_bps: int
    queue: int | None
    """Packets; None for one without end."""
    free_ns: int = 0
    waiting: list[int] = field(default_factory=list)
