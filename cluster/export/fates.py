"""Which frames left, when, and what became of each: collected while a run goes on."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from netswap.actors.trace import Frames, Trace
from netswap.cluster.export.streams import Streams
from netswap.cluster.export.window import Window
from netswap.protocol.frame import (
    CORRUPT,
    F_BODY,
    F_COUNT,
    F_DESTINATION,
    F_KIND,
    F_NUMBER,
    F_SOURCE,
    FRAGMENT,
    TCP,
    Raw,
)

DELIVERED = "delivered"
UNDER_WAY = "under way"


class Stretch(NamedTuple):
    """Frames of a train on their link."""

    at_ns: int
    first: int
    length: int
    gap_ns: int
    copy: int
    """1 if a link has made them."""


class Fate(NamedTuple):
    """What has become of frames of a train."""

    first: int
    length: int
    word: str


class Train:
    """Frames that were sent as one."""

    __slots__ = ("fates", "frame", "states", "stretches")

    def __init__(self, frame: Raw) -> None:
        self.frame = frame
        self.stretches: list[Stretch] = []
        self.fates: list[Fate] = []
        self.states: list[Fate] = []
        """Where frames wait or waited; said only of those that have no fate yet."""

    def words(self) -> list[list[str]]:
        """The fates of each of its frames, in their order: of a frame and its copies each has one."""
        return self._by_frame(self.fates)

    def last_states(self) -> list[str]:
        """What is known of each frame apart from its fates."""
        return [words[-1] if words else UNDER_WAY for words in self._by_frame(self.states)]

    def _by_frame(self, told: list[Fate]) -> list[list[str]]:
        frames: list[list[str]] = [[] for _ in range(self.frame[F_COUNT])]
        for first, length, word in told:
            for one in frames[first : first + length]:
                one.append(word)
        return frames


class Packet(NamedTuple):
    """One frame as it leaves a card, or as a link doubles it."""

    at_ns: int
    source: int
    number: int
    copy: int
    place: int
    """Which of its train it is."""
    frame: Raw
    fate: str


class Collector(Trace):
    """Keeps the frames of some links that leave within a window, with their fates."""

    def __init__(self, names: list[str], window: Window, wanted: Callable[[int, int], bool]) -> None:
        """`wanted`: whether frames from one machine to another are."""
        self.trains: dict[tuple[int, int], Train] = {}
        """By source, and the number of the first frame."""
        self.streams = Streams()
        self._names = names
        self._window = window
        self._wanted = wanted

    # -- what happens -----------------------------------------------------------------------------------------------

    def link_sent(self, frames: Frames) -> None:
        """See `Trace.link_sent`."""
        if self._wanted(frames.frame[F_SOURCE], frames.frame[F_DESTINATION]):
            if frames.frame[F_KIND] == TCP:
                self.streams.sent(frames.frame)
            self._keep(frames, 0)

    def link_duplicated(self, frames: Frames) -> None:
        """See `Trace.link_duplicated`."""
        if self._wanted(frames.frame[F_SOURCE], frames.frame[F_DESTINATION]):
            self._keep(frames, 1)

    def link_held(self, frames: Frames) -> None:
        """See `Trace.link_held`."""
        self._state(frames, "held on the link")

    def link_delivered(self, frames: Frames) -> None:
        """See `Trace.link_delivered`."""
        if frames.frame[F_KIND] == TCP and self._wanted(frames.frame[F_SOURCE], frames.frame[F_DESTINATION]):
            self.streams.arrived(frames.frame, frames.at_ns)
        if frames.flags & CORRUPT:
            self._state(frames, f"damaged on the way to {self._names[frames.frame[F_DESTINATION]]}")

    def link_dropped(self, frames: Frames, cause: str) -> None:
        """See `Trace.link_dropped`."""
        self._fate(frames, f"{cause} on the way to {self._names[frames.frame[F_DESTINATION]]}")

    def frames_queued(self, machine: int, frames: Frames, where: str) -> None:
        """See `Trace.frames_queued`."""
        self._state(frames, f"waits at {self._names[machine]}: {where}")

    def frames_delivered(self, machine: int, frames: Frames) -> None:
        """See `Trace.frames_delivered`."""
        if frames.frame[F_KIND] & FRAGMENT and not frames.frame[F_BODY][1]:
            frames = frames._replace(first=0, length=frames.frame[F_COUNT])
        self._fate(frames, f"{DELIVERED} at {self._names[machine]}")

    def frames_dropped(self, machine: int, frames: Frames, cause: str, free: int) -> None:
        """See `Trace.frames_dropped`."""
        self._fate(frames, f"{cause} at {self._names[machine]}, free {free}")

    # -- what is kept -----------------------------------------------------------------------------------------------

    def _keep(self, frames: Frames, copy: int) -> None:
        at_ns, frame, first, length, gap_ns, _, _ = frames
        window = self._window
        last_ns = at_ns + (length - 1) * gap_ns
        if not (window.has(at_ns) and window.has(last_ns)):
            inside = [place for place in range(length) if window.has(at_ns + place * gap_ns)]
            if not inside:
                return
            at_ns, first, length = at_ns + inside[0] * gap_ns, first + inside[0], len(inside)
        train = self.trains.setdefault((frame[F_SOURCE], frame[F_NUMBER]), Train(frame))
        train.stretches.append(Stretch(at_ns, first, length, gap_ns, copy))

    def _fate(self, frames: Frames, word: str) -> None:
        train = self.trains.get((frames.frame[F_SOURCE], frames.frame[F_NUMBER]))
        if train is not None:
            train.fates.append(Fate(frames.first, frames.length, word))

    def _state(self, frames: Frames, word: str) -> None:
        train = self.trains.get((frames.frame[F_SOURCE], frames.frame[F_NUMBER]))
        if train is not None:
            train.states.append(Fate(frames.first, frames.length, word))

    # -- what there is in the end -------------------------------------------------------------------------------------

    def packets(self) -> list[Packet]:
        """All frames in the order in which they left: by time, then by source and number."""
        self.streams.close()
        found = [packet for train in self.trains.values() for packet in _packets(train)]
        found.sort()
        return found


def _packets(train: Train) -> Iterator[Packet]:
    frame, words = train.frame, train.words()
    states = train.last_states()
    for at_ns, first, length, gap_ns, copy in train.stretches:
        for place in range(length):
            index = first + place
            known = words[index]
            fate = known[copy] if copy < len(known) else states[index]
            fate = f"{fate}; a copy that the link made" if copy else fate
            yield Packet(at_ns + place * gap_ns, frame[F_SOURCE], frame[F_NUMBER] + index, copy, index, frame, fate)
