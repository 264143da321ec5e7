"""What is under way to each machine, in order of arrival, and whether it can be reached: decided when it would arrive."""

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any, Final, NamedTuple

from netswap.actors.events import NEVER
from netswap.actors.network.link import D_PIECE, P_COUNT, P_LINK, SECOND_NS, Due, Link, Piece, Port, split
from netswap.actors.trace import Frames, Trace
from netswap.protocol.frame import F_COUNT, F_GAP, F_KIND, F_TAIL, F_WIRE, Arrival, encode_arrival, encode_time


class Inbound(NamedTuple):
    """What reaches a machine: `batch` as bytes, and beside it arrivals that are `handed` over as they are."""

    batch: bytes
    handed: Sequence[Arrival]


NOTHING: Final = Inbound(b"", ())


class Arriving:
    """The frames under way to each machine, by its index."""

    trace: Trace | None = None
    """The trace that is told what happens to frames, if there is one: asked once for each train."""
    losses: Trace | None = None
    """The trace that is told of the frames that are lost."""
    hands_over = False
    """Whether the machines are in this process, so that frames need not be decoded again."""

    def __init__(self, machines: int, port: tuple[int, int | None] | None) -> None:
        """`port`: bits per second and packets of each machine's switch port, None if there are none."""
        self.first = [NEVER] * machines
        """A time for each machine before which nothing under way arrives there (ns)."""
        self._soonest: list[tuple[int, int]] = []
        """A heap of (ns, machine): nothing under way arrives there before. Overtaken where `first` is another."""
        self._under_way: list[list[Due]] = [[] for _ in range(machines)]
        self._in_port: list[list[Due]] = [[] for _ in range(machines)]
        self._ports = [Port(*port) for _ in range(machines)] if port else None

    @property
    def has_ports(self) -> bool:
        """Whether frames queue for the switch port of their destination, in the order in which they come there."""
        return self._ports is not None

    def earliest_ns(self) -> list[int]:
        """A time for each machine before which no frame that is under way arrives there."""
        earliest = [heap[0][0] if heap else NEVER for heap in self._under_way]
        if self._ports:
            earliest = [min(at, heap[0][0]) if heap else at for at, heap in zip(earliest, self._in_port, strict=True)]
        return earliest

    def soonest(self) -> tuple[int, int]:
        """(ns, machine): where the next arrival may be, and none anywhere before; (`NEVER`, -1) if nothing is under way."""
        soonest = self._soonest
        while soonest and self.first[soonest[0][1]] != soonest[0][0]:
            heappop(soonest)
        return soonest[0] if soonest else (NEVER, -1)

    def expect(self, to: int, at_ns: int) -> None:
        """Note that the next arrival at a machine comes at `at_ns`."""
        self.first[to] = at_ns
        heappush(self._soonest, (at_ns, to))

    def put(self, at_ns: int, number: int, piece: Piece, copy: int = 0) -> None:
        """Put frames under way, the first of which arrives at `at_ns`."""
        link = piece[P_LINK]
        to = link.destination
        due: Any = (at_ns, link.source, number, copy, piece)
        heappush(self._under_way[to], due)
        if at_ns < self.first[to]:
            self.expect(to, at_ns)

    def take_off(self, to: int, until_ns: int, parts: list[bytes]) -> Inbound:
        """Take off what reaches one machine before `until_ns`, after `parts`; `NOTHING` if nothing does."""
        if self._ports:
            self._through_port(to, until_ns)
        handed: list[Arrival] = []
        self._reach(self._in_port[to] if self._ports else self._under_way[to], until_ns, parts, handed)
        self.first[to] = NEVER
        for heap in (self._under_way[to], self._in_port[to]):
            if heap and heap[0][0] < self.first[to]:
                self.expect(to, heap[0][0])
        return Inbound(b"".join(parts), handed) if parts or handed else NOTHING

    def _through_port(self, to: int, until_ns: int) -> None:
        """Let what arrives before `until_ns` queue for a machine's switch port, in order of arrival."""
        assert self._ports is not None
        port, arriving, leaving = self._ports[to], self._under_way[to], self._in_port[to]
        due: Any
        while arriving and arriving[0][0] < until_ns:
            at_ns, source, number, copy, piece = heappop(arriving)
            _, frame, _, first, count, gap_ns, _ = piece
            if count > 1:
                piece, rest = split(piece, 1)
                due = (at_ns + gap_ns, source, number + 1, copy, rest)
                heappush(arriving, due)
            start = max(port.free_ns, at_ns)
            if port.queue is not None:
                port.waiting = [start for start in port.waiting if start > at_ns]
                if len(port.waiting) >= port.queue:
                    self.drop(at_ns, piece, "link-queue", copy)
                    continue
                if start > at_ns:
                    port.waiting.append(start)
            wire = frame[F_TAIL] if first == frame[F_COUNT] - 1 else frame[F_WIRE]
            port.free_ns = start + wire * 8 * SECOND_NS // port.bandwidth_bps
            due = (port.free_ns, source, number, copy, piece)
            heappush(leaving, due)

    def _reach(self, heap: list[Due], until_ns: int, parts: list[bytes], handed: list[Arrival]) -> None:
        """Take off a heap what arrives before `until_ns` and can be reached: as bytes, or to be handed over as it is."""
        hands_over = self.hands_over
        due: Any
        lost: Any
        whole: Any
        while heap and heap[0][0] < until_ns:
            at_ns, source, number, copy, piece = heappop(heap)
            link, frame, data, first, count, gap_ns, flags = piece
            if gap_ns and count > 1:
                now = -(-(until_ns - at_ns) // gap_ns)
                if now < count:
                    piece, rest = split(piece, now)
                    due = (at_ns + now * gap_ns, source, number + now, copy, rest)
                    heappush(heap, due)
                    count = now
            if link.cuts:
                lost = (link, frame, data, first, count, gap_ns, flags)
                self.drop(at_ns, lost, "partition", copy)
            elif link.holds and link.holds_back(frame[F_KIND]):
                due = (at_ns, source, number, copy, piece)
                link.held.append(due)
                if self.trace is not None:
                    self.trace.link_held(told(at_ns, piece, copy))
            else:
                link.tally.delivered += count
                if self.trace is not None:
                    self.trace.link_delivered(Frames(at_ns, frame, first, count, gap_ns, copy, flags))
                if hands_over:
                    whole = (at_ns, source, number, copy, count, gap_ns, first, flags, frame)
                    handed.append(whole)
                    continue
                if count == frame[F_COUNT] and gap_ns == frame[F_GAP] and not (copy or flags):
                    stamp = encode_time(at_ns)
                else:
                    stamp = encode_arrival(at_ns, copy, flags, first, count, gap_ns)
                parts += (stamp, data)

    def release(self, link: Link, now_ns: int) -> None:
        """Let go, in order, the frames of a link that are not held any more."""
        held, link.held = link.held, []
        heap = self._in_port[link.destination] if self._ports else self._under_way[link.destination]
        for due in held:
            _, source, number, copy, (_, frame, data, first, count, _, flags) = due
            if link.holds_back(frame[F_KIND]):
                link.held.append(due)
                continue
            free: Any = (now_ns, source, number, copy, (link, frame, data, first, count, 0, flags))
            heappush(heap, free)
            if now_ns < self.first[link.destination]:
                self.expect(link.destination, now_ns)
            link.last_ns = max(link.last_ns, now_ns)
            link.floor_ns = link.last_ns

    def count(self) -> dict[tuple[int, int], int]:
        """The frames under way, by (source, destination)."""
        counts: dict[tuple[int, int], int] = {}
        for heap in (*self._under_way, *self._in_port):
            for due in heap:
                link = due[D_PIECE][P_LINK]
                key = (link.source, link.destination)
                counts[key] = counts.get(key, 0) + due[D_PIECE][P_COUNT]
        return counts

    def drop(self, at_ns: int, piece: Piece, cause: str, copy: int = 0) -> None:
        """Frames are lost here."""
        piece[P_LINK].tally.drop(cause, piece[P_COUNT])
        if self.losses is not None:
            self.losses.link_dropped(told(at_ns, piece, copy), cause)


def told(at_ns: int, piece: Piece, copy: int = 0) -> Frames:
    """These frames, as a trace is told of them."""
    _, frame, _, first, count, gap_ns, flags = piece
    return Frames(at_ns, frame, first, count, gap_ns, copy, flags)
