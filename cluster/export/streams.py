"""TCP streams of a run: where their messages begin, and which time stamps have come.

A frame says a message where that ends, and a capture has to show its header where it begins, mostly segments earlier: so streams
are known only when the run is over.
"""

from bisect import bisect_right

from netswap.cluster.export.headers import Pieces, nbd_message
from netswap.protocol import nbd
from netswap.protocol.frame import F_BODY, F_DESTINATION, F_PORT, F_SENT, F_SOURCE, Raw
from netswap.protocol.tcp import FIRST_BYTE, SYN, Message

Way = tuple[int, int, int, int]
"""Source and destination, and the port of each."""


def way_of(frame: Raw) -> Way:
    """The stream that a segment is of."""
    return frame[F_SOURCE], frame[F_DESTINATION], frame[F_BODY][0], frame[F_PORT]


class Streams:
    """The streams of all connections, each direction."""

    def __init__(self) -> None:
        self._messages: dict[Way, dict[int, Message]] = {}
        """By where they end."""
        self._arrived: dict[Way, list[tuple[int, int]]] = {}
        """(when, time stamp in ms) of the segments that have reached the other side."""
        self._heads: dict[Way, list[tuple[int, bytes]]] = {}
        """(where it begins, bytes) of each message's header."""

    def sent(self, frame: Raw) -> None:
        """A segment leaves."""
        if frame[F_BODY][7] and nbd.PORT in (frame[F_PORT], frame[F_BODY][0]):
            self._messages.setdefault(way_of(frame), {}).update(frame[F_BODY][7])

    def arrived(self, frame: Raw, at_ns: int) -> None:
        """A segment reaches the machine that it is for."""
        self._arrived.setdefault(way_of(frame), []).append((at_ns, frame[F_SENT] // 1_000_000 & 0xFFFFFFFF))

    def close(self) -> None:
        """Nothing comes any more."""
        for way, messages in self._messages.items():
            start = FIRST_BYTE
            heads = self._heads[way] = []
            for end, message in sorted(messages.items()):
                heads.append((start, nbd_message(way[3] == nbd.PORT, message, end - start)))
                start = end
        for times in self._arrived.values():
            times.sort()

    def said(self, frame: Raw) -> Pieces:
        """What is not zeros in a segment's payload."""
        heads = self._heads.get(way_of(frame))
        if not heads:
            return ()
        seq, payload = frame[F_BODY][2], frame[F_BODY][5]
        end = seq + payload
        place = max(0, bisect_right(heads, (seq, b"\xff")) - 1)
        pieces = []
        while place < len(heads) and heads[place][0] < end:
            start, head = heads[place]
            cut = head[max(0, seq - start) : end - start]
            if cut:
                pieces.append((max(0, start - seq), cut))
            place += 1
        return pieces

    def echoed_ms(self, frame: Raw) -> int:
        """The time stamp that a segment sends back: of what had come last when it left."""
        source, to, port, peer_port = way_of(frame)
        times = self._arrived.get((to, source, peer_port, port))
        if not times or frame[F_BODY][1] & SYN:
            return 0
        place = bisect_right(times, (frame[F_SENT], 1 << 62)) - 1
        return times[place][1] if place >= 0 else 0
