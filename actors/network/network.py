"""The network: all links, what is under way on them, and the fate of each packet.

All state is kept per directed link or per destination, never shared between destinations. What a frame suffers *on* a
link (queue, loss, latency) is decided when it leaves its sender's card; whether the two ends can reach each other is
decided when it would arrive, so that a fault applied by hand while a run is paused gives the same bytes as the same fault
in a timeline. Windows end wherever a fault begins or ends, so that nothing changes within one.
"""

from collections.abc import Collection, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any, Final

from netswap.actors.events import NEVER
from netswap.actors.network.arriving import NOTHING, Arriving, Inbound, told
from netswap.actors.network.crossing import Crossing
from netswap.actors.network.link import ANY, D_PIECE, P_COUNT, P_GAP, Link, LinkSettings, Piece, split
from netswap.actors.network.outside import VERBS as MACHINE_FAULTS
from netswap.actors.network.outside import Outside
from netswap.actors.trace import Trace
from netswap.protocol.frame import F_NUMBER, KIND_NAMES, Raw

_SHARES: Final = {
    "lossy": "loss_ppm",
    "duplicate": "duplicate_ppm",
    "reorder": "reorder_ppm",
    "corrupt": "corrupt_ppm",
}
"""What the faults that are a matter of chance change."""


class Network:
    """All links of a cluster, and the frames under way on them."""

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
        self.arriving = Arriving(len(names), port)
        self._crossing = Crossing(self.arriving)
        self._outside = Outside()
        self._standing: dict[int, tuple[int, list[Link]]] = {}
        """Since when a machine is paused, and its links with frames that wait in its card."""
        self._fates: dict[int, tuple[str, dict[str, Any]]] = {}
        self._fault = 0

    def listen(self, trace: Trace | None) -> None:
        """Tell this one what happens to frames, as far as it wants to hear of it."""
        self.arriving.losses = trace
        self.arriving.trace = trace if trace is not None and "frames" in trace.hears else None

    # -- windows ----------------------------------------------------------------------------------------------------

    def earliest_ns(self) -> list[int]:
        """A time for each machine before which nothing arrives there."""
        earliest = self.arriving.earliest_ns()
        for link in self._sending:
            at_ns = link.leaving[0][0] + link.now.latency_ns
            if at_ns < earliest[link.destination]:
                earliest[link.destination] = at_ns
        for to in self._outside.pending:
            earliest[to] = min(earliest[to], self.arriving.first[to])
        return earliest

    def first_ns(self) -> int:
        """The time before which nothing that is under way arrives anywhere."""
        return self.arriving.soonest()[0]

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

    def undecided(self) -> bool:
        """Whether something has been announced whose fate depends on what else its machine sends."""
        return any(not link.plain for link in self._sending)

    def undecided_ns(self) -> list[tuple[int, int]]:
        """(destination, ns): what has been announced and is not on its link yet does not arrive there before then."""
        return [(link.destination, link.leaving[0][0] + link.now.latency_ns) for link in self._sending]

    def leaving_ns(self) -> int:
        """When the first frame leaves its card that has been announced and is not on its way yet."""
        return min([link.leaving[0][0] for link in self._sending], default=NEVER)

    def collect(self, until_ns: int) -> dict[int, Inbound]:
        """Take off what reaches the machines before `until_ns`, for each machine that anything reaches."""
        found: dict[int, Inbound] = {}
        at_ns, to = self.arriving.soonest()
        while at_ns < until_ns:
            inbound = self.collect_for(to, until_ns)
            if inbound is not NOTHING:
                found[to] = inbound
            at_ns, to = self.arriving.soonest()
        return found

    def collect_for(self, to: int, until_ns: int) -> Inbound:
        """Take off what reaches one machine before `until_ns`; `NOTHING` if nothing does."""
        if self.arriving.first[to] >= until_ns:
            return NOTHING
        return self.arriving.take_off(to, until_ns, self._outside.pending.pop(to, []))

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
            count, gap_ns = piece[P_COUNT], piece[P_GAP]
            now = 1 if count == 1 or not gap_ns else -(-(until_ns - sent_ns) // gap_ns)
            if not link.plain and leaving and now > 1:
                now = min(now, max(1, -(-(leaving[0][0] - sent_ns) // gap_ns)))
            if now < count:
                piece, rest = split(piece, now)
                heappush(leaving, (sent_ns + now * gap_ns, number + now, rest))
            self._put(link, sent_ns, number, piece)

    def _put(self, link: Link, sent_ns: int, number: int, piece: Piece) -> None:
        """Put on a link what leaves its card from `sent_ns` on."""
        arriving = self.arriving
        count = piece[P_COUNT]
        link.tally.sent += count
        if arriving.trace is not None:
            arriving.trace.link_sent(told(sent_ns, piece))
        if not link.plain:
            self._crossing.cross(link, sent_ns, number, piece)
            return
        at_ns = last_ns = sent_ns + link.now.latency_ns
        if at_ns < link.floor_ns:
            self._crossing.travel(at_ns, number, piece)
            return
        if count > 1:
            last_ns += (count - 1) * piece[P_GAP]
        if last_ns > link.last_ns:
            link.last_ns = last_ns
        arriving.put(at_ns, number, piece)

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

    # -- faults -----------------------------------------------------------------------------------------------

    def begin(self, verb: str, args: dict[str, Any], now_ns: int) -> int:
        """Begin a fault; the number by which it is ended.

        `partition`: {"groups": lists of machine indexes}; faults of machines: {"machines": indexes} (`slow-disk` with
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
        """End that fault; frames that were held leave in order."""
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
                self.arriving.release(link, now_ns)
            else:
                link.restore(_changes(verb, args))

    def _see_to_machines(self, machines: Iterable[int], now_ns: int) -> None:
        """Drop frames that a machine that went down had announced; those of a paused one wait until it goes on."""
        outside, standing = self._outside, self._standing
        for machine in machines:
            if self._is_own(machine):
                self.arriving.expect(machine, now_ns)
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
        counts = self.arriving.count()
        for key, link in self._links.items():
            if link.held:
                counts[key] = counts.get(key, 0) + sum(due[D_PIECE][P_COUNT] for due in link.held)
        return counts


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
    """The settings that a fault of this verb changes on its links."""
    if verb == "slow":
        names = ("latency_ns", "jitter_ns", "bandwidth_bps")
        return {name: args[name] for name in names if args.get(name) is not None}
    return {_SHARES[verb]: args["rate_ppm"]}
