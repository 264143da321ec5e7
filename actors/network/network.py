"""The network: all links, what is under way on them, and the fate of each packet.

All state is kept per directed link or per destination, never shared between destinations. What a frame suffers *on* a
link (queue, loss, latency) is decided when it leaves its sender's card; whether the two ends can reach each other is
decided when it would arrive, so that a fault applied by hand while a run is paused gives the same bytes as the same fault
in a timeline. Windows end wherever a fault begins or ends, so that nothing changes within one.
"""

from collections.abc import Collection, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any, Final, NamedTuple

from netswap.actors.events import NEVER
from netswap.actors.network.link import ANY, SECOND_NS, Due, Link, LinkSettings, Piece, Port, split
from netswap.actors.network.outside import VERBS as MACHINE_FAULTS
from netswap.actors.network.outside import Outside
from netswap.actors.trace import Frames, Trace
from netswap.protocol.frame import (
    CORRUPT,
    F_COUNT,
    F_GAP,
    F_KIND,
    F_NUMBER,
    F_TAIL,
    F_WIRE,
    KIND_NAMES,
    Arrival,
    Raw,
    encode_arrival,
    encode_time,
)

_SHARES: Final = {
    "lossy": "loss_ppm",
    "duplicate": "duplicate_ppm",
    "reorder": "reorder_ppm",
    "corrupt": "corrupt_ppm",
}
"""What the faults that are a matter of chance change."""


class Inbound(NamedTuple):
    """What reaches a machine: `batch` as bytes, and beside it arrivals that are `handed` over as they are."""

    batch: bytes
    handed: Sequence[Arrival]


NOTHING: Final = Inbound(b"", ())


class Network:
    """All links of a cluster, and the frames under way on them."""

    trace: Trace | None = None
    """The trace that is told what happens to frames, if there is one: asked once for each train."""
    losses: Trace | None = None
    """The trace that is told of the frames that are lost."""
    hands_over = False
    """Whether the machines are in this process, so that frames need not be decoded again."""

    def __init__(
        self,
        names: Sequence[str],
        default: LinkSettings,
        links: dict[tuple[int, int], LinkSettings],
        seed: int,
        port: tuple[int, int | None] | None = None,
        talks: Collection[tuple[int, int]] | None = None,
        own: Collection[int] | None = None,
    ) -> None:
        """`links`: those that differ from `default`; `port`: bits per second and packets of each switch port.

        A queue of None has no end.

        `talks`: (source, destination) of all that may ever send something, whatever happens; None: everybody to everybody.
        `own`: the destinations whose links are here, None for all: what happens to the other machines is known here, but
        told to them elsewhere.
        """
        self.names = names
        self._own = None if own is None else frozenset(own)
        self._talks = None if talks is None else frozenset(talks)
        self.lookahead_ns = _lookahead_ns((default, *links.values()))
        self._default = default
        self._settings = links
        self._seed = seed
        self._links: dict[tuple[int, int], Link] = {}
        self._sending: list[Link] = []
        """Links with frames that leave their cards at or after the end of the window."""
        self._soonest: list[tuple[int, int]] = []
        """A heap of (ns, machine): nothing under way arrives there before. Overtaken where `_first` is another."""
        self._first = [NEVER] * len(names)
        self._under_way: list[list[Due]] = [[] for _ in names]
        self._in_port: list[list[Due]] = [[] for _ in names]
        self._ports = [Port(*port) for _ in names] if port else None
        self._outside = Outside()
        self._standing: dict[int, tuple[int, list[Link]]] = {}
        """Since when a machine is paused, and its links with frames that wait in its card."""
        self._fates: dict[int, tuple[str, dict[str, Any]]] = {}
        self._fault = 0

    def listen(self, trace: Trace | None) -> None:
        """Tell this one what happens to frames, as far as it wants to hear of it."""
        self.losses = trace
        self.trace = trace if trace is not None and "frames" in trace.hears else None

    # -- windows ----------------------------------------------------------------------------------------------------

    def earliest_ns(self) -> list[int]:
        """A time for each machine before which nothing arrives there."""
        earliest = [heap[0][0] if heap else NEVER for heap in self._under_way]
        if self._ports:
            earliest = [min(at, heap[0][0]) if heap else at for at, heap in zip(earliest, self._in_port, strict=True)]
        for link in self._sending:
            at_ns = link.leaving[0][0] + link.now.latency_ns
            if at_ns < earliest[link.destination]:
                earliest[link.destination] = at_ns
        for to in self._outside.pending:
            earliest[to] = min(earliest[to], self._first[to])
        return earliest

    def first_ns(self) -> int:
        """The time before which nothing that is under way arrives anywhere."""
        soonest = self._soonest
        while soonest and self._first[soonest[0][1]] != soonest[0][0]:
            heappop(soonest)
        return soonest[0][0] if soonest else NEVER

    def ways(self) -> list[list[tuple[int, int]]]:
        """For each machine, (destination, latency in ns as it is now) of all to which it may send."""
        everybody = range(len(self.names))
        return [
            [(to, self._latency_ns(source, to)) for to in everybody if to != source and self._may_send(source, to)]
            for source in everybody
        ]

    def _latency_ns(self, source: int, to: int) -> int:
        link = self._links.get((source, to))
        return link.now.latency_ns if link else self._settings.get((source, to), self._default).latency_ns

    def _may_send(self, source: int, to: int) -> bool:
        return self._talks is None or (source, to) in self._talks

    def _is_own(self, machine: int) -> bool:
        return self._own is None or machine in self._own

    @property
    def has_ports(self) -> bool:
        """Whether frames queue for the switch port of their destination, in the order in which they come there."""
        return self._ports is not None

    def undecided(self) -> bool:
        """Whether something has been announced whose fate depends on what else its machine sends."""
        return any(not link.plain for link in self._sending)

    def undecided_ns(self) -> list[tuple[int, int]]:
        """(destination, ns): what has been announced and is not on its link yet does not arrive there before then."""
        return [(link.destination, link.leaving[0][0] + link.now.latency_ns) for link in self._sending]

    def leaving_ns(self) -> int:
        """When the first frame leaves its card that has been announced and is not on its way yet."""
        return min([link.leaving[0][0] for link in self._sending], default=NEVER)

    def deliver(self, until_ns: int) -> dict[int, bytes]:
        """Take off what reaches the machines before `until_ns`: a batch for each machine that anything reaches."""
        return {to: inbound.batch for to, inbound in self.collect(until_ns).items()}

    def collect(self, until_ns: int) -> "dict[int, Inbound]":
        """Take off what reaches the machines before `until_ns`, for each machine that anything reaches."""
        found: dict[int, Inbound] = {}
        while self.first_ns() < until_ns:
            to = self._soonest[0][1]
            inbound = self.collect_for(to, until_ns)
            if inbound is not NOTHING:
                found[to] = inbound
        return found

    def collect_for(self, to: int, until_ns: int) -> "Inbound":
        """Take off what reaches one machine before `until_ns`; `NOTHING` if nothing does."""
        if self._first[to] >= until_ns:
            return NOTHING
        if self._ports:
            self._through_port(to, until_ns)
        parts: list[bytes] = self._outside.pending.pop(to, [])
        handed: list[Arrival] = []
        self._take_off(self._in_port[to] if self._ports else self._under_way[to], until_ns, parts, handed)
        self._first[to] = NEVER
        for heap in (self._under_way[to], self._in_port[to]):
            if heap and heap[0][0] < self._first[to]:
                self._expect(to, heap[0][0])
        return Inbound(b"".join(parts), handed) if parts or handed else NOTHING

    def accept(self, frames: Iterable[tuple[Raw, bytes]], until_ns: int, settled_ns: int = 0) -> None:
        """Take what the machines have sent while they advanced to `until_ns`, or farther: each frame, and the same in bytes.

        No fault begins or ends before `settled_ns`, if that is later: on a link that is only a delay the fate of what
        leaves until then is known.
        """
        settled_ns = max(settled_ns, until_ns)
        link: Link | None = None
        for frame, data in frames:
            _, sent_ns, source, _, to, _, _, _, _, count, gap_ns, _ = frame
            if link is None or link.destination != to or link.source != source:
                link = self._links.get((source, to)) or self._open(source, to)
            piece: Any = (link, frame, data, 0, count, gap_ns, 0)
            if not link.leaving:
                last_ns = sent_ns + (count - 1) * gap_ns
                if last_ns < settled_ns if link.plain else count == 1 and last_ns < until_ns:
                    self._put(link, sent_ns, frame[F_NUMBER], piece)
                    continue
                self._sending.append(link)
            heappush(link.leaving, (sent_ns, frame[F_NUMBER], piece))
        for link in self._sending:
            self._send(link, settled_ns if link.plain else until_ns)
        self._sending = [link for link in self._sending if link.leaving]

    def place(self, sends: Sequence[int], settled_ns: int) -> None:
        """Put on their links the frames that leave before `settled_ns` and of which all that leaves before is known.

        `sends`: nothing that is not announced yet leaves a machine before then (ns); it has a higher number, so what is
        announced for that very time comes first. No fault begins or ends before `settled_ns`.
        """
        for link in self._sending:
            self._send(link, settled_ns if link.plain else min(settled_ns, sends[link.source] + 1))
        self._sending = [link for link in self._sending if link.leaving]

    def _send(self, link: Link, until_ns: int) -> None:
        """Put on a link, in order, all frames that leave before `until_ns`."""
        leaving = link.leaving
        while leaving and leaving[0][0] < until_ns:
            sent_ns, number, piece = heappop(leaving)
            count, gap_ns = piece[4], piece[5]
            now = 1 if count == 1 or not gap_ns else -(-(until_ns - sent_ns) // gap_ns)
            if not link.plain and leaving and now > 1:
                now = min(now, max(1, -(-(leaving[0][0] - sent_ns) // gap_ns)))
            if now < count:
                piece, rest = split(piece, now)
                heappush(leaving, (sent_ns + now * gap_ns, number + now, rest))
            self._put(link, sent_ns, number, piece)

    def _put(self, link: Link, sent_ns: int, number: int, piece: Piece) -> None:
        """Put on a link what leaves its card from `sent_ns` on."""
        count = piece[4]
        link.tally.sent += count
        if self.trace is not None:
            self.trace.link_sent(_told(sent_ns, piece))
        if not link.plain:
            self._cross(link, sent_ns, number, piece)
            return
        at_ns = last_ns = sent_ns + link.now.latency_ns
        if at_ns < link.floor_ns:
            self._travel(at_ns, number, piece)
            return
        if count > 1:
            last_ns += (count - 1) * piece[5]
        if last_ns > link.last_ns:
            link.last_ns = last_ns
        to = link.destination
        due: Any = (at_ns, link.source, number, 0, piece)
        heappush(self._under_way[to], due)
        if at_ns < self._first[to]:
            self._expect(to, at_ns)

    def _travel(self, at_ns: int, number: int, piece: Piece, copy: int = 0) -> None:
        """Put frames under way that arrive at these times, but none before the link's floor: first in, first out."""
        link, frame, data, first, count, gap_ns, flags = piece
        if at_ns < link.floor_ns:
            late = min(count, -(-(link.floor_ns - at_ns) // gap_ns)) if gap_ns else count
            if late < count:
                before, piece = split(piece, late)
                self._travel(at_ns, number, before, copy)
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
        self._put_under_way(at_ns, number, piece, copy)

    def _put_under_way(self, at_ns: int, number: int, piece: Piece, copy: int = 0) -> None:
        link = piece[0]
        to = link.destination
        due: Any = (at_ns, link.source, number, copy, piece)
        heappush(self._under_way[to], due)
        if at_ns < self._first[to]:
            self._expect(to, at_ns)

    def _expect(self, to: int, at_ns: int) -> None:
        """Note that the next arrival at a machine comes at `at_ns`."""
        self._first[to] = at_ns
        heappush(self._soonest, (at_ns, to))

    def _cross(self, link: Link, sent_ns: int, number: int, piece: Piece) -> None:
        """Put frames on a link that is more than a delay: as one those that need not queue, the others one by one.

        Each kind of chance draws from a stream of its own: one disturbance more leaves the draws of the others as they are.
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
                    self._drop(left_ns, one, "link-queue")
                    continue
            if link.happens("loss", now.loss_ppm):
                one = (link, frame, data, first + index, 1, 0, 0)
                self._drop(at_ns, one, "link-loss")
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
                self._put_under_way(at_ns, number + index, one)
            else:
                self._travel(at_ns, number + index, one)
            if link.happens("duplicate", now.duplicate_ppm):
                self._double(at_ns, number + index, one)

    def _cross_steadily(self, link: Link, sent_ns: int, number: int, piece: Piece) -> None:
        """Put frames on a link that is a delay and a bandwidth: nothing about them is a matter of chance."""
        if piece[4] > 1:
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
                    self._drop(left_ns, one, "link-queue")
                    continue
            self._travel(at_ns + now.latency_ns, number + index, one)

    def _double(self, at_ns: int, number: int, piece: Piece) -> None:
        """Let a copy of a frame follow it."""
        piece[0].tally.duplicated += 1
        if self.trace is not None:
            self.trace.link_duplicated(_told(at_ns, piece, 1))
        self._travel(at_ns, number, piece, 1)

    def _cross_together(self, link: Link, sent_ns: int, number: int, piece: Piece) -> tuple[int, int, Piece]:
        """Put frames on a link in stretches that come out of it on one beat; time, number and piece of those that cannot be."""
        while piece[4] > 1:
            frames, beat_ns = link.together(sent_ns, piece)
            if not frames:
                break
            stretch, piece = split(piece, frames)
            self._cross_on_beat(link, sent_ns, number, stretch, beat_ns)
            sent_ns += frames * piece[5]
            number += frames
        return sent_ns, number, piece

    def _cross_on_beat(self, link: Link, sent_ns: int, number: int, piece: Piece, beat_ns: int) -> None:
        """Put frames on a link that come out of it on this beat."""
        _, frame, data, first, count, _, flags = piece
        wire_ns = frame[F_WIRE] * 8 * SECOND_NS // (link.now.bandwidth_bps or 1)
        left_ns = max(sent_ns, link.free_ns) + wire_ns
        link.free_ns = left_ns + (count - 1) * beat_ns
        beaten: Any = (link, frame, data, first, count, beat_ns, flags)
        self._travel(left_ns + link.now.latency_ns, number, beaten)

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
                    self._drop(at_ns, piece, "link-queue", copy)
                    continue
                if start > at_ns:
                    port.waiting.append(start)
            wire = frame[F_TAIL] if first == frame[F_COUNT] - 1 else frame[F_WIRE]
            port.free_ns = start + wire * 8 * SECOND_NS // port.bandwidth_bps
            due = (port.free_ns, source, number, copy, piece)
            heappush(leaving, due)

    def _take_off(self, heap: list[Due], until_ns: int, parts: list[bytes], handed: list[Arrival]) -> None:
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
                self._drop(at_ns, lost, "partition", copy)
            elif link.holds and link.holds_back(frame[F_KIND]):
                due = (at_ns, source, number, copy, piece)
                link.held.append(due)
                if self.trace is not None:
                    self.trace.link_held(_told(at_ns, piece, copy))
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

    def _drop(self, at_ns: int, piece: Piece, cause: str, copy: int = 0) -> None:
        """Frames are lost here."""
        piece[0].tally.drop(cause, piece[4])
        if self.losses is not None:
            self.losses.link_dropped(_told(at_ns, piece, copy), cause)

    def _open(self, source: int, destination: int) -> Link:
        """Make a link, for its first frame."""
        if not self._may_send(source, destination):
            names = self.names[source], self.names[destination]
            raise RuntimeError(f"{names[0]} sends to {names[1]}, and was not to: windows relied on that")
        return self._link(source, destination)

    def _link(self, source: int, destination: int) -> Link:
        link = self._links.get((source, destination))
        if link is None:
            settings = self._settings.get((source, destination), self._default)
            name = f"{self.names[source]}>{self.names[destination]}"
            link = self._links[source, destination] = Link(source, destination, settings, self._seed, name)
        return link

    # -- disturbances -----------------------------------------------------------------------------------------------

    def begin(self, verb: str, args: dict[str, Any], now_ns: int) -> int:
        """Begin a disturbance; the number by which it is ended.

        `partition`: {"groups": lists of machine indexes}; disturbances of machines: {"machines": indexes} (`slow-disk` with
        "latency_ns", `freeze` with "programs", their places); the others: {"from", "to", ...} with the link's settings.
        """
        self._fault += 1
        self._fates[self._fault] = (verb, args)
        if verb in MACHINE_FAULTS:
            self._outside.begin(verb, args, now_ns)
            self._see_to_machines(args["machines"], now_ns)
            return self._fault
        for link in self._affected(verb, args):
            if verb in ("partition", "cut"):
                link.cuts += 1
            elif verb == "hold":
                link.holds.append(_kind(args.get("only")))
            else:
                link.override(_changes(verb, args))
        return self._fault

    def end(self, fault: int, now_ns: int) -> None:
        """End that disturbance; frames that were held leave in order."""
        verb, args = self._fates.pop(fault)
        if verb in MACHINE_FAULTS:
            self._outside.end(verb, args, now_ns)
            self._see_to_machines(args["machines"], now_ns)
            return
        for link in self._affected(verb, args):
            if verb in ("partition", "cut"):
                link.cuts -= 1
            elif verb == "hold":
                link.holds.remove(_kind(args.get("only")))
                self._release(link, now_ns)
            else:
                link.restore(_changes(verb, args))

    def _see_to_machines(self, machines: Iterable[int], now_ns: int) -> None:
        """Drop frames that a machine that went down had announced; those of a paused one wait until it goes on."""
        outside, standing = self._outside, self._standing
        for machine in machines:
            if self._is_own(machine):
                self._expect(machine, now_ns)
            else:
                outside.pending.pop(machine, None)
            if outside.is_paused(machine) and machine not in standing:
                standing[machine] = (now_ns, self._withhold(machine))
            if outside.is_down(machine):
                for link in (*self._withhold(machine), *standing.get(machine, (0, ()))[1]):
                    link.leaving.clear()
            if machine in standing and not outside.is_paused(machine):
                self._let_go(*standing.pop(machine), now_ns)

    def _withhold(self, machine: int) -> list[Link]:
        """Take off the links on which a machine has announced frames that have not left its card; they send no more."""
        links = [link for link in self._sending if link.source == machine]
        self._sending = [link for link in self._sending if link.source != machine]
        return links

    def _let_go(self, since_ns: int, links: list[Link], now_ns: int) -> None:
        """Let withheld frames leave, as much later as they were withheld."""
        late_ns = now_ns - since_ns
        for link in links:
            link.leaving = [(at_ns + late_ns, number, piece) for at_ns, number, piece in link.leaving]
        self._sending += [link for link in links if link.leaving]

    def _release(self, link: Link, now_ns: int) -> None:
        held, link.held = link.held, []
        heap = self._in_port[link.destination] if self._ports else self._under_way[link.destination]
        for due in held:
            _, source, number, copy, (_, frame, data, first, count, _, flags) = due
            if link.holds_back(frame[F_KIND]):
                link.held.append(due)
                continue
            free: Any = (now_ns, source, number, copy, (link, frame, data, first, count, 0, flags))
            heappush(heap, free)
            if now_ns < self._first[link.destination]:
                self._expect(link.destination, now_ns)
            link.last_ns = max(link.last_ns, now_ns)
            link.floor_ns = link.last_ns

    def _affected(self, verb: str, args: dict[str, Any]) -> list[Link]:
        if verb != "partition":
            return [
                self._link(source, to)
                for source in _indexes(args["from"])
                for to in _indexes(args["to"])
                if source != to and self._may_send(source, to) and self._is_own(to)
            ]
        groups = [list(group) for group in args["groups"]]
        return [
            self._link(source, to)
            for one in groups
            for other in groups
            if one is not other
            for source in one
            for to in other
            if self._may_send(source, to) and self._is_own(to)
        ]

    # -- what others may see ----------------------------------------------------------------------------------------

    def tallies(self) -> dict[str, dict[str, Any]]:
        """The fates of the frames of each link that carried any."""
        under_way = self._count_under_way()
        return {
            f"{self.names[source]}>{self.names[to]}": {
                "sent": link.tally.sent,
                "duplicated": link.tally.duplicated,
                "delivered": link.tally.delivered,
                "under_way": under_way.get((source, to), 0),
                "dropped": dict(sorted(link.tally.dropped.items())),
            }
            for (source, to), link in sorted(self._links.items())
            if link.tally.sent
        }

    def _count_under_way(self) -> dict[tuple[int, int], int]:
        counts: dict[tuple[int, int], int] = {}
        held = [link.held for link in self._links.values()]
        for due in (due for heap in (*self._under_way, *self._in_port, *held) for due in heap):
            link, _, _, _, count, _, _ = due[4]
            key = (link.source, link.destination)
            counts[key] = counts.get(key, 0) + count
        return counts


def _told(at_ns: int, piece: Piece, copy: int = 0) -> Frames:
    """These frames, as a trace is told of them."""
    _, frame, _, first, count, gap_ns, flags = piece
    return Frames(at_ns, frame, first, count, gap_ns, copy, flags)


def _lookahead_ns(links: Iterable[LinkSettings]) -> int:
    """The smallest latency of any link. Raises ValueError if it is 0."""
    smallest_ns = min(link.latency_ns for link in links)
    if smallest_ns < 1:
        raise ValueError("the smallest latency is the lookahead: it cannot be 0")
    return smallest_ns


def _indexes(value: Any) -> list[int]:
    return [value] if isinstance(value, int) else list(value)


def _kind(only: str | None) -> int:
    return ANY if only is None else {name: kind for kind, name in KIND_NAMES.items()}[only]


def _changes(verb: str, args: dict[str, Any]) -> dict[str, int]:
    """The settings that a disturbance of this verb changes on its links."""
    if verb == "slow":
        names = ("latency_ns", "jitter_ns", "bandwidth_bps")
        return {name: args[name] for name in names if args.get(name) is not None}
    return {_SHARES[verb]: args["rate_ppm"]}
