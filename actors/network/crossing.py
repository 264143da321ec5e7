"""What frames suffer on a link: its queue, its chances, its delay; decided when they leave their sender's card."""

from typing import Any

from netswap.actors.network.arriving import Arriving, told
from netswap.actors.network.link import P_COUNT, P_GAP, P_LINK, SECOND_NS, Link, Piece, split
from netswap.protocol.frame import CORRUPT, F_COUNT, F_TAIL, F_WIRE


class Crossing:
    """Puts frames on links that are more than a delay, and under way to `arriving`."""

    def __init__(self, arriving: Arriving) -> None:
        self.arriving = arriving

    def cross(self, link: Link, sent_ns: int, number: int, piece: Piece) -> None:
        """Put frames on a link that is more than a delay: as one those that need not queue, the others one by one.

        Each kind of chance draws from a stream of its own: one fault more leaves the draws of the others as they are.
        """
        if link.steady:
            self._cross_steadily(link, sent_ns, number, piece)
            return
        now = link.now
        _, frame, data, first, count, gap_ns, _ = piece
        one: Any
        for index in range(count):
            flags = 0
            at_ns = sent_ns + index * gap_ns
            if now.bandwidth_bps:  # before any draw: what the queue drops meets no chance
                last = first + index == frame[F_COUNT] - 1
                left_ns, at_ns = at_ns, link.enqueue(at_ns, frame[F_TAIL] if last else frame[F_WIRE], now.bandwidth_bps)
                if at_ns < 0:
                    one = (link, frame, data, first + index, 1, 0, 0)
                    self.arriving.drop(left_ns, one, "link-queue")
                    continue
            if link.happens("loss", now.loss_ppm):
                one = (link, frame, data, first + index, 1, 0, 0)
                self.arriving.drop(at_ns, one, "link-loss")
                continue
            if link.happens("corrupt", now.corrupt_ppm):
                flags |= CORRUPT
            one = (link, frame, data, first + index, 1, 0, flags)
            at_ns += now.latency_ns
            if now.jitter_ns:
                at_ns += link.chance["jitter"].randrange(now.jitter_ns + 1)
            # A reordered frame is not held to the link's floor, which keeps all others first in, first out.
            if link.happens("reorder", now.reorder_ppm):
                at_ns += link.chance["reorder"].randrange(2 * now.latency_ns)
                self.arriving.put(at_ns, number + index, one)
            else:
                self.travel(at_ns, number + index, one)
            if link.happens("duplicate", now.duplicate_ppm):
                self._double(at_ns, number + index, one)

    def _cross_steadily(self, link: Link, sent_ns: int, number: int, piece: Piece) -> None:
        """Put frames on a link that is a delay and a bandwidth: nothing about them is a matter of chance."""
        if piece[P_COUNT] > 1:
            sent_ns, number, piece = self._cross_together(link, sent_ns, number, piece)
        now = link.now
        _, frame, data, first, count, gap_ns, _ = piece
        one: Any
        for index in range(count):
            one = (link, frame, data, first + index, 1, 0, 0)
            at_ns = sent_ns + index * gap_ns
            if now.bandwidth_bps:
                last = first + index == frame[F_COUNT] - 1
                left_ns, at_ns = at_ns, link.enqueue(at_ns, frame[F_TAIL] if last else frame[F_WIRE], now.bandwidth_bps)
                if at_ns < 0:
                    self.arriving.drop(left_ns, one, "link-queue")
                    continue
            self.travel(at_ns + now.latency_ns, number + index, one)

    def _double(self, at_ns: int, number: int, piece: Piece) -> None:
        """Let a copy of a frame follow it."""
        piece[P_LINK].tally.duplicated += 1
        if self.arriving.trace is not None:
            self.arriving.trace.link_duplicated(told(at_ns, piece, 1))
        self.travel(at_ns, number, piece, 1)

    def _cross_together(self, link: Link, sent_ns: int, number: int, piece: Piece) -> tuple[int, int, Piece]:
        """Put frames on a link in stretches that come out of it on one beat; time, number and piece of those that cannot be."""
        while piece[P_COUNT] > 1:
            frames, beat_ns = link.together(sent_ns, piece)
            if not frames:
                break
            stretch, piece = split(piece, frames)
            self._cross_on_beat(link, sent_ns, number, stretch, beat_ns)
            sent_ns += frames * piece[P_GAP]
            number += frames
        return sent_ns, number, piece

    def _cross_on_beat(self, link: Link, sent_ns: int, number: int, piece: Piece, beat_ns: int) -> None:
        """Put frames on a link that come out of it on this beat."""
        _, frame, data, first, count, _, flags = piece
        wire_ns = frame[F_WIRE] * 8 * SECOND_NS // (link.now.bandwidth_bps or 1)
        left_ns = max(sent_ns, link.free_ns) + wire_ns
        link.free_ns = left_ns + (count - 1) * beat_ns
        beaten: Any = (link, frame, data, first, count, beat_ns, flags)
        self.travel(left_ns + link.now.latency_ns, number, beaten)

    def travel(self, at_ns: int, number: int, piece: Piece, copy: int = 0) -> None:
        """Put frames under way that arrive at these times, but none before the link's floor: first in, first out."""
        link, frame, data, first, count, gap_ns, flags = piece
        if at_ns < link.floor_ns:
            late = min(count, -(-(link.floor_ns - at_ns) // gap_ns)) if gap_ns else count
            if late < count:
                before, piece = split(piece, late)
                self.travel(at_ns, number, before, copy)
                at_ns, number, count = at_ns + late * gap_ns, number + late, count - late
            else:
                at_ns, gap_ns = link.floor_ns, 0
                together: Any = (link, frame, data, first, count, gap_ns, flags)
                piece = together
        last_ns = at_ns + (count - 1) * gap_ns
        if last_ns > link.last_ns:
            link.last_ns = last_ns
            if not link.plain:
                link.floor_ns = last_ns
        self.arriving.put(at_ns, number, piece, copy)
