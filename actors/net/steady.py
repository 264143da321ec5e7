"""Steady stretches: where frame after frame changes nothing but counters, frames are *owed*, and paid for in whole periods.

*The rule.* A flood meets a machine in a state that repeats: sockets that are full, emergency buffers that are dropped at
demux, a service that reads each datagram at once. Let the state at one frame and `period` frames later be equal, but for
counters and for which slab is which. Then, for as long as nothing but the continuation of the same flow comes, frames are
only counted. Before anything else happens (an event of the machine's own, another arrival, a control, a look), the debt is
settled: whole periods by multiplying what one of them has added to each counter, the rest frame by frame, at its own times.

*Why it is exact.* What a frame does is a function of the state that `picture` sees, and of the time at three places only.
(1) What it adds to counters and peaks: counters are multiplied; peaks are part of the state, so a period raises none. (2) A
reader's slots of progress: where each frame of a period is one step of progress, they are filled by arithmetic, else the debt is
settled at each edge and the frame after it is received by itself. How long a reader has waited depends on its last frame alone,
and that one is always received by itself. (3) kswapd, when it is stuck, looks again after a while: nothing is owed beyond.
A period asks for no event, since the number of events asked for is compared too, so none can be missed; nor does it cross a
watermark that a trace is told of.

*Which slab is which.* Slabs are numbered in the order in which they are met. A slab of which another part holds an object is
itself, not a number: what is freed later must come back to it. A slab on top that has no free object is no slab: the first
that gets one takes its place.

*What is looked for.* Only distances at which the ring can be as it was: each refill brings a batch, in the order in which its
buffers were freed, last in first out, so every other round is reversed; where the new buffer is had before the old one is free,
a round is one more. Where buffers are fragments of blocks, as many rounds as a block has fragments bring the place in the block
back too. Where the sockets of a flood's round differ, the place in the round is part of the state, and distances are
multiples of its length. It is tried a few times, and then not for a while: to find nothing costs little. Nothing here
knows of any scenario, and a wrong guess costs time, never truth.
"""

from collections import deque
from math import lcm
from typing import Final, NamedTuple

from netswap.actors.counters import Counters
from netswap.actors.events import NEVER
from netswap.actors.memory.fragments import PageFragCache
from netswap.actors.memory.slab import PageMarkedCache, SlabCache
from netswap.actors.net.board import NetBoard
from netswap.actors.net.buffers import B_TRUESIZE
from netswap.actors.net.nic import Nic
from netswap.actors.net.picture import Flow, Picture, Round, flow_of, rough, round_of, take_picture
from netswap.actors.net.sockets import Reader
from netswap.actors.net.stack import Stack
from netswap.protocol.frame import (
    A_AT,
    A_COUNT,
    A_FIRST,
    A_FLAGS,
    A_FRAME,
    A_GAP,
    F_BODY,
    F_COUNT,
    F_KIND,
    F_TAIL,
    F_WIRE,
    FRAGMENT,
    TCP,
    Arrival,
)

enabled = True
"""Whether machines that are made from now on look for steady stretches: tests run both ways, and see the same."""

_TRIES: Final = 12
"""How often a search begins anew before it is given up."""
_NEAR: Final = 8
"""This number of searches look at the next few rounds of the ring only, since most floods do not meet sockets that differ."""
_PAUSE: Final = 8
"""A search is begun again after what it has taken, times this number: to find nothing never costs more than a share."""
_ROUNDS: Final = 4
"""This number of rounds of the ring must fit before the machine's next event, or a search is not begun."""

_FLOWS_MAX: Final = 4096
"""A flood of more flows than this has no period that could be seen."""


class Cycle(NamedTuple):
    """A state that repeats."""

    flow: Flow
    place: int
    """Which flow of the round comes next in the state that was compared; -1 where it makes no difference."""
    period: int
    """Frames until the state is the same again."""
    gains: tuple[int, ...]
    """What a period adds to each counter of `_counts`."""
    readers: tuple[Reader, ...]
    """Readers whose progress a period adds to, in the order of the last counters."""
    least: int
    """At least this number of frames are received one by one in the end, so that the last frame of each reader is among them."""
    even: bool
    """Whether each frame is one step of progress of the one reader."""


class Watch:
    """The search for a period, from a state on."""

    __slots__ = (
        "base",
        "began_ns",
        "counts",
        "event_ns",
        "flow",
        "frames",
        "goals",
        "last_ns",
        "next",
        "number",
        "place",
        "tries",
    )

    def __init__(self, flow: Flow, began_ns: int, event_ns: int) -> None:
        self.flow = flow
        self.began_ns = began_ns
        self.event_ns = event_ns
        """The machine's next event: when it has happened, all is different."""
        self.tries = 0
        self.frames = 0
        """Frames since the state that is compared with."""
        self.goals: list[int] = []
        """At which of them to compare."""
        self.next = 0
        """Which flow of the round comes next."""
        self.place = -1
        self.last_ns = -1
        self.base: Picture | None = None
        self.counts: tuple[int, ...] = ()
        self.number = 0


def supports(net: NetBoard, nic: Nic) -> bool:
    """Whether the state of a machine with this card can be seen: one ring, and buffers from slabs of a page."""
    buffers = net.buffers
    kinds = {
        type(cache) for cache in (buffers.heads, buffers.copies, buffers.shorts, buffers.standard, buffers.receive)
    }
    return (
        type(nic) is Nic
        and kinds <= {SlabCache, PageMarkedCache, PageFragCache}
        and net.board.kernel.rx_standard is None
    )


def _first(arrival: Arrival, frames: int) -> Arrival:
    """The first `frames` of these frames."""
    at_ns, source, number, copy, _, gap, index, flags, frame = arrival
    return (at_ns, source, number, copy, frames, gap, index, flags, frame)  # type: ignore[return-value]  # a plain tuple


def _after(arrival: Arrival, frames: int) -> Arrival | None:
    """All others, if there are any."""
    at_ns, source, number, copy, count, gap, index, flags, frame = arrival
    if frames == count:
        return None
    at_ns += frames * gap
    return (at_ns, source, number + frames, copy, count - frames, gap, index + frames, flags, frame)  # type: ignore[return-value]


class Steady:
    """Receives frames for a card, and owes those of steady stretches."""

    def __init__(self, net: NetBoard, stack: Stack, nic: Nic) -> None:
        """Only for what `supports` says yes to."""
        self.owed = 0
        """Frames that have come and have only been counted."""
        self.alert = False
        """Whether to be told before anything but the next arrival happens: by `interrupt`."""
        self._net = net
        self._stack = stack
        self._nic = nic
        self._events = net.board.events
        self._zone = net.board.zone
        self._teller = net.board.teller
        self._counters: Counters = net.board.counters
        self._cycle: Cycle | None = None
        self._doubt: Picture | None = None
        """The state when the cycle was left; it goes on if that is the same again."""
        self._watch: Watch | None = None
        self._owes: deque[Arrival] = deque()
        """The last arrivals that are owed, two periods of frames at least."""
        self._held = 0
        """Frames in `_owes`."""
        self._last_ns = -1
        self._next = 0
        """The place in the round of the frame that would go on."""
        self._stop_ns = NEVER
        """Nothing is owed from then on."""
        self._edge_ns = NEVER
        """The first frame from then on ends a slot of a reader's progress."""
        self._edges: list[tuple[int, int]] = []
        """(frames owed before it, time) of the first frame after each edge."""
        self._not_before_ns = 0
        """No search begins before."""
        ring, batch = nic.ring_size, net.board.kernel.rx_refill_batch
        bases = {ring, lcm(ring, batch), ring + 1}
        if isinstance(net.buffers.receive, PageFragCache):
            bases = {lcm(base, fragments) for base in bases for fragments in net.buffers.receive.of_blocks()}
        self._goals = sorted({base * times for base in bases for times in (1, 2)})

    # -- frames come ------------------------------------------------------------------------------------------------

    def receive(self, arrival: Arrival, limit_ns: int) -> Arrival | None:
        """As `Nic.receive`: frames of a train, up to `limit_ns` or the next event; the rest of the train."""
        frame = arrival[A_FRAME]
        if self._cycle is not None:
            if self._goes_on(arrival) and self._is_sure(arrival):
                return self._owe(arrival, limit_ns)
            self.interrupt()
        if frame[F_COUNT] == 1:
            self._watch = None
            return self._nic.receive(arrival, limit_ns)
        if frame[F_KIND] & FRAGMENT or frame[F_KIND] == TCP:
            self._cycle = self._doubt = self._watch = None
            return self._nic.receive(arrival, limit_ns)
        self._forget()
        if self._sees(arrival):
            return self._look(arrival, limit_ns)
        few = _ROUNDS * self._nic.ring_size
        if arrival[A_COUNT] <= few or not self._nic.receives():
            return self._nic.receive(arrival, limit_ns)
        # Not all of it: soon a search may be worth its while.
        return _after(arrival, self._each(arrival, few, limit_ns))

    def receive_whole(self, arrival: Arrival, last_ns: int) -> bool:
        """As `Nic.receive_whole`."""
        if self._cycle is not None:
            self.interrupt()
        self._watch = None
        self._forget()
        return self._nic.receive_whole(arrival, last_ns)

    def interrupt(self) -> None:
        """Something else is about to happen: settle, and remember the state, which may be the same after it."""
        self._watch = None
        self.alert = False
        cycle = self._cycle
        if cycle is None or self._doubt is not None:
            return
        owed = self.owed
        self.settle()
        if owed < cycle.period:
            self._cycle = None  # to compare states would cost more than it brings
        else:
            self._doubt = self._picture(cycle.flow)

    def _goes_on(self, arrival: Arrival) -> bool:
        """Whether these frames continue the flow of the cycle."""
        cycle, frame = self._cycle, arrival[A_FRAME]
        if cycle is None or frame[F_KIND] & FRAGMENT or frame[F_KIND] == TCP or frame[F_WIRE] != frame[F_TAIL]:
            return False
        return (
            not arrival[A_FLAGS]
            and arrival[A_AT] > self._last_ns
            and arrival[A_AT] < self._stop_ns
            and (arrival[A_GAP] > 0 or arrival[A_COUNT] == 1)
            and (cycle.place < 0 or (frame[F_BODY][2] + arrival[A_FIRST]) % frame[F_BODY][3] == self._next)
            and flow_of(frame) == cycle.flow
        )

    def _is_sure(self, arrival: Arrival) -> bool:
        """Whether the cycle that was left goes on with this arrival: else it is forgotten."""
        doubt, cycle = self._doubt, self._cycle
        if doubt is None:
            return True
        assert cycle is not None, "only a cycle can be in doubt"
        near_ns = arrival[A_AT] + cycle.period * arrival[A_GAP]
        heap = self._events.heap
        if (heap and heap[0][0] < near_ns) or not self._picture(cycle.flow).is_like(doubt):
            self._forget()
            return False
        self._doubt = None
        self._begin(cycle)
        return arrival[A_AT] < self._stop_ns

    def _forget(self) -> None:
        self._cycle = self._doubt = None

    def _owe(self, arrival: Arrival, limit_ns: int) -> Arrival | None:
        """Count the frames that come before anything else does; the rest of the train."""
        at_ns, count, gap, frame = arrival[A_AT], arrival[A_COUNT], arrival[A_GAP], arrival[A_FRAME]
        cycle, heap = self._cycle, self._events.heap
        assert cycle is not None, "frames are owed within a cycle"
        if at_ns >= self._edge_ns and not cycle.even:
            return self._cross(arrival)
        end_ns = min(limit_ns, self._stop_ns, heap[0][0] if heap else NEVER)
        if not cycle.even:
            end_ns = min(end_ns, self._edge_ns)
        frames = 1 if count == 1 else min(count, max(1, -(-(end_ns - at_ns) // gap)))
        last_ns = at_ns + (frames - 1) * gap
        while last_ns >= self._edge_ns:
            self._mark(at_ns, gap, cycle.readers[0].slot_ns)
        self._events.now = self._last_ns = last_ns
        self.owed += frames
        self._next = (frame[F_BODY][2] + arrival[A_FIRST] + frames) % frame[F_BODY][3]
        self._keep(_first(arrival, frames), 2 * cycle.period)
        return _after(arrival, frames)

    def _keep(self, arrival: Arrival, least: int) -> None:
        """Remember what is owed last, `least` frames of it."""
        owes = self._owes
        owes.append(arrival)
        self._held += arrival[A_COUNT]
        while self._held - owes[0][4] >= least:
            self._held -= owes.popleft()[4]

    def _mark(self, at_ns: int, gap_ns: int, slot_ns: int) -> None:
        """Note which of the frames from `at_ns` on, the next to be owed, is the first after the edge."""
        before = max(0, -(-(self._edge_ns - at_ns) // gap_ns)) if gap_ns else 0
        first_ns = at_ns + before * gap_ns
        self._edges.append((self.owed + before, first_ns))
        self._edge_ns += ((first_ns - self._edge_ns) // slot_ns + 1) * slot_ns

    def _cross(self, arrival: Arrival) -> Arrival | None:
        """Receive the first frame after an edge by itself: it is like all others, but for the slot that it ends."""
        self.settle()
        self._each(arrival, 1)
        self._last_ns = arrival[A_AT]
        self._next = (arrival[A_FRAME][F_BODY][2] + arrival[A_FIRST] + 1) % arrival[A_FRAME][F_BODY][3]
        if self._cycle is not None:
            self._begin(self._cycle)
        return _after(arrival, 1)

    def _each(self, arrival: Arrival, frames: int, limit_ns: int = NEVER) -> int:
        """Receive the first `frames` of an arrival one by one, up to `limit_ns` or the next event; how many it was."""
        left = self._nic.receive_each(_first(arrival, frames), limit_ns)
        return frames if left is None else frames - left[4]

    # -- the debt ---------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Bring the machine to where it would be without any of this; its clock stays."""
        owed, cycle = self.owed, self._cycle
        if not owed or cycle is None:
            return
        self.owed = 0
        events = self._events
        now = events.now
        periods = max(0, owed - cycle.least) // cycle.period
        skipped = periods * cycle.period
        if periods:
            self._pay(cycle, periods, skipped)
        for arrival in self._last(owed - skipped):
            done = self._each(arrival, arrival[A_COUNT])
            assert done == arrival[A_COUNT], "nothing comes between the frames of a steady stretch"
        events.now = now
        self._owes.clear()
        self._held = 0
        self._edges.clear()

    def _pay(self, cycle: Cycle, periods: int, skipped: int) -> None:
        """Add what `periods` periods, which are `skipped` frames, add to the counters."""
        counters, gains = self._counters, cycle.gains
        counters.received += gains[0] * periods
        counters.delivered += gains[1] * periods
        dropped = counters.dropped
        for cause, gain in zip(dropped, gains[2:], strict=False):
            dropped[cause] += gain * periods
        edges = [edge for edge in self._edges if edge[0] < skipped]
        for reader, gain in zip(cycle.readers, gains[2 + len(dropped) :], strict=True):
            reader.skip(gain * periods, edges)

    def _last(self, frames: int) -> list[Arrival]:
        """The last `frames` of the frames that are owed, as they came."""
        found: list[Arrival] = []
        while frames:
            arrival = self._owes.pop()
            over = max(0, arrival[A_COUNT] - frames)
            last = _after(arrival, over)
            assert last is not None, "at least one of them is left"
            found.append(last)
            frames -= last[4]
        return found[::-1]

    # -- the search -------------------------------------------------------------------------------------------------

    def _sees(self, arrival: Arrival) -> bool:
        """Whether to look for a period with these frames, or whether that is being done."""
        at_ns, frame, watch = arrival[A_AT], arrival[A_FRAME], self._watch
        kind = frame[F_KIND]
        if (
            kind & FRAGMENT
            or kind == TCP
            or frame[F_WIRE] != frame[F_TAIL]
            or arrival[A_FLAGS]
            or not self._nic.receives()
        ):
            self._watch = None
            return False
        _, _, flow, flows, _, _ = frame[F_BODY]
        if (
            watch is not None
            and watch.last_ns < at_ns < watch.event_ns
            and watch.flow == flow_of(frame)
            and (flow + arrival[A_FIRST]) % flows == watch.next
        ):
            return True
        self._watch = None
        heap, gap = self._events.heap, arrival[A_GAP]
        event_ns = heap[0][0] if heap else NEVER
        if not gap or at_ns < self._not_before_ns or event_ns - at_ns < _ROUNDS * self._nic.ring_size * gap:
            return False
        return flows <= _FLOWS_MAX and self._begin_watch(arrival, event_ns)

    def _begin_watch(self, arrival: Arrival, event_ns: int) -> bool:
        """Begin a search, unless a frame of this flow may do what cannot be seen."""
        frame = arrival[A_FRAME]
        watch = Watch(flow_of(frame), arrival[A_AT], event_ns)
        watch.next = (frame[F_BODY][2] + arrival[A_FIRST]) % frame[F_BODY][3]
        if not self._base(watch):
            self._not_before_ns = arrival[A_AT] + _ROUNDS * self._nic.ring_size * arrival[A_GAP]
            return False
        self._watch = watch
        self.alert = True
        return True

    def _base(self, watch: Watch) -> bool:
        """Compare with the state of now from here on; whether that can be done."""
        stack_round = self._round(watch.flow)
        if stack_round is None or self._zone.has_rescue or self._events.soon:
            return False
        flows = watch.flow.flows
        watch.place = -1 if stack_round.is_even else watch.next
        watch.goals = self._goals
        if not stack_round.is_even and watch.tries >= _NEAR:
            watch.goals = sorted({goal for near in self._goals for goal in (near, lcm(near, flows))})
        watch.frames = 0
        watch.base = self._picture(watch.flow)
        watch.counts = self._counts(stack_round.readers)
        watch.number = self._happened()
        return True

    def _happened(self) -> int:
        """A number that stands still where no event is asked for and no trace is told of a watermark."""
        return self._events.asked + (0 if self._teller is None else self._teller.crossings)

    def _look(self, arrival: Arrival, limit_ns: int) -> Arrival | None:
        """Receive frames one by one up to where states are compared; the rest of the train."""
        count, gap, frame, watch = arrival[A_COUNT], arrival[A_GAP], arrival[A_FRAME], self._watch
        assert watch is not None, "a search has begun"
        goal = next(goal for goal in watch.goals if goal > watch.frames)
        frames = min(count, goal - watch.frames) if gap or count == 1 else 1
        done = self._each(arrival, frames, limit_ns)
        watch.frames += done
        watch.last_ns = self._events.now
        watch.next = (frame[F_BODY][2] + arrival[A_FIRST] + done) % frame[F_BODY][3]
        if self._events.soon or self._happened() != watch.number or not self._nic.receives():
            self._watch = None
        elif watch.frames == goal:
            self._compare(watch)
        return _after(arrival, done)

    def _compare(self, watch: Watch) -> None:
        """See whether the state is as it was: then there is a cycle; after the last distance a new search begins."""
        stack_round = self._round(watch.flow)
        if stack_round is None:
            self._watch = None
        elif self._is_back(watch):
            self._watch = None
            self._found(watch, stack_round)
        elif watch.frames == watch.goals[-1]:
            watch.tries += 1
            if watch.tries == _TRIES or not self._base(watch):
                self._watch = None
                self._not_before_ns = watch.last_ns + _PAUSE * (watch.last_ns - watch.began_ns)

    def _is_back(self, watch: Watch) -> bool:
        """Whether all is as it was, the place in the round too if it makes a difference."""
        if watch.base is None or (watch.place not in (-1, watch.next) and not self._all_at_demux(watch)):
            return False
        return watch.base.rough == rough(self._net, self._nic) and self._picture(watch.flow).is_like(watch.base)

    def _all_at_demux(self, watch: Watch) -> bool:
        """Whether all frames were dropped before the state of their socket was asked for: then the place does not count."""
        stack_round = self._round(watch.flow)
        if stack_round is None or not stack_round.is_open:
            return False
        demux = 2 + list(self._counters.dropped).index("demux")
        return self._counts(())[demux] - watch.counts[demux] == watch.frames

    def _found(self, watch: Watch, stack_round: Round) -> None:
        """From here on frames are owed."""
        now = self._counts(stack_round.readers)
        gains = tuple(after - before for before, after in zip(watch.counts, now, strict=True))
        period = watch.frames
        read = gains[len(gains) - len(stack_round.readers) :]
        readers = tuple(reader for reader, gain in zip(stack_round.readers, read, strict=True) if gain)
        even = len(readers) == 1 and period in read
        least = 0 if not readers else 1 if even else period
        kept = gains[: len(gains) - len(read)] + tuple(gain for gain in read if gain)
        place = -1 if watch.place < 0 or self._all_at_demux(watch) else watch.place
        self._cycle = Cycle(watch.flow, place, period, kept, readers, least, even or not readers)
        self._doubt = None
        self._last_ns, self._next = watch.last_ns, watch.next
        self._begin(self._cycle)

    def _begin(self, cycle: Cycle) -> None:
        """Nothing is owed; look how far that may go on."""
        self.alert = True
        self._edges.clear()
        self._edge_ns = min([reader.edge_ns for reader in cycle.readers], default=NEVER)
        self._stop_ns = self._zone.calm_until_ns()

    # -- what is compared and counted -------------------------------------------------------------------------------

    def _round(self, flow: Flow) -> Round | None:
        """The sockets of a flow as they are now."""
        truesize = min([buffer[B_TRUESIZE] for buffer in self._nic.ring], default=0)
        return round_of(self._stack, flow, min(truesize, self._net.board.kernel.copies[0][2]))

    def _picture(self, flow: Flow) -> Picture:
        """The state of now, as frames of a flow can feel it."""
        stack_round = self._round(flow)
        return take_picture(self._net, self._nic, self._stack, () if stack_round is None else stack_round.state)

    def _counts(self, readers: tuple[Reader, ...]) -> tuple[int, ...]:
        """All that a period may add to."""
        counters = self._counters
        return (
            counters.received,
            counters.delivered,
            *counters.dropped.values(),
            *(reader.count for reader in readers),
        )
