"""Windows: which machines advance, and how far.

No packet travels faster than the smallest link latency, the *lookahead*. So what a machine sends cannot be felt anywhere
before the time it is sent plus the lookahead, and until then all machines may advance side by side. The one that may be
felt first need not wait for itself: it advances until it could feel the others. Idle time is skipped, not stepped
through. Both engines drive this one clock; the network actor holds it on Ray.
"""

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from netswap.actors.events import NEVER
from netswap.actors.network import Network


class Answer(NamedTuple):
    """What a machine gives back when it has advanced."""

    next_ns: int
    """Nothing leaves before then unless something arrives."""
    silent_until_ns: int
    """Nothing leaves before then whatever arrives."""
    outbound: bytes


Exchange = Callable[[dict[int, tuple[int, bytes]]], dict[int, Answer]]
"""Advance these machines, each to its time (ns) and with its inbound batch; their answers, in any order."""


class Fault(NamedTuple):
    """What was done to the cluster, and when. `end_ns` is None while it lasts."""

    verb: str
    args: dict[str, object]
    at_ns: int
    end_ns: int | None


class Ends(NamedTuple):
    """How far the machines may advance."""

    all_ns: int
    first: int
    """The machine that may be felt first."""
    first_ns: int
    """How far that one may advance: to `all_ns` or farther."""


_UNKNOWN: Final = -1
"""Stands for the promise of a machine that is advancing."""
FEW: Final = 64
"""Most machines that are all looked at before each window. Where there are more, another one always sends soon."""
AHEAD: Final = 16
"""Lookaheads by which a machine may be ahead of the others at most: no batch gets too long, no window takes too much time."""


class Clock:
    """The cluster's time."""

    def __init__(
        self, network: Network, exchange: Exchange, first: Sequence[Answer], timeline: Sequence[Fault] = ()
    ) -> None:
        """`first`: what each machine promised before anything has happened."""
        self.network = network
        self.now_ns = 0
        self.windows = 0
        self.faults: list[Fault] = []
        """What has begun so far, with the ends that have come."""
        self._exchange = exchange
        self._next = [answer.next_ns for answer in first]
        self._silent = [answer.silent_until_ns for answer in first]
        self._wakes = [(answer.next_ns, index) for index, answer in enumerate(first)]
        """A heap of what the machines promised; those whose `_next` is another have been overtaken."""
        heapify(self._wakes)
        self._due: list[tuple[int, int, int]] = []
        self._timeline = list(timeline)
        self._numbers: dict[int, int] = {}
        self._places: dict[int, int] = {}
        for index, fault in enumerate(self._timeline):
            self._due.append((fault.at_ns, 1, index))
            if fault.end_ns is not None:
                self._due.append((fault.end_ns, 0, index))
        self._due.sort(reverse=True)

    def run(self, until_ns: int, may_go_on: Callable[[], bool] | None = None) -> bool:
        """Let everything before `until_ns` happen; stop early, between windows, when `may_go_on` says no.

        True once the time has been reached and every machine, idle ones too, stands there.
        """
        while self.now_ns < until_ns:
            self._apply_due()
            self._window(until_ns)
            if may_go_on is not None and self.now_ns < until_ns and not may_go_on():
                return False
        self._exchange(dict.fromkeys(range(len(self._next)), (until_ns, b"")))
        return True

    def _window(self, until_ns: int) -> None:
        network = self.network
        settled_ns = min(until_ns, self._due[-1][0]) if self._due else until_ns
        end, first, first_ns = self._ends(settled_ns)
        inbound: dict[int, tuple[int, bytes]] = {}
        if first_ns > end:
            inbound[first] = (first_ns, network.deliver_to(first, first_ns))
        for index, batch in network.deliver(end).items():
            inbound[index] = (end, batch)
        while self._wakes_ns() < end:
            _, index = heappop(self._wakes)
            self._next[index] = _UNKNOWN
            inbound.setdefault(index, (end, b""))
        answers = self._exchange(inbound) if inbound else {}
        for index, answer in answers.items():
            self._note(index, answer)
        network.accept([answers[index].outbound for index in sorted(answers)], end, settled_ns)
        self.now_ns = end
        self.windows += 1

    def _note(self, index: int, answer: Answer) -> None:
        """A machine's new promises."""
        if answer.next_ns != self._next[index]:
            self._next[index] = answer.next_ns
            heappush(self._wakes, (answer.next_ns, index))
        self._silent[index] = answer.silent_until_ns

    def _wakes_ns(self) -> int:
        """When the first machine does something unless something arrives."""
        wakes = self._wakes
        while wakes and self._next[wakes[0][1]] != wakes[0][0]:
            heappop(wakes)
        return wakes[0][0] if wakes else NEVER

    def _ends(self, settled_ns: int) -> Ends:
        """The first time at which something that is not known yet could be felt, by all and by the machine felt first.

        Nothing is done to the cluster before `settled_ns`, and no machine advances beyond.
        """
        network, lookahead_ns = self.network, self.network.lookahead_ns
        if len(self._next) > FEW:
            sends_ns = min(self._wakes_ns(), network.first_ns(), network.leaving_ns())
            end = max(min(settled_ns, sends_ns + lookahead_ns), self.now_ns + 1)
            return Ends(end, 0, end)
        acts = list(map(min, self._next, network.earliest_ns()))
        sends = list(map(max, acts, self._silent))
        first = sends.index(min(sends))
        known_ns = min(settled_ns, network.leaving_ns() + lookahead_ns)
        end = max(min(known_ns, sends[first] + lookahead_ns), self.now_ns + 1)
        # The others may be woken by what the first one sends, or by each other: not before `end`.
        first_ns = min(known_ns, end + AHEAD * lookahead_ns)
        for index, silent_ns in enumerate(self._silent):
            if index != first and (index, first) not in network.never_talk:
                answers_ns = max(silent_ns, min(acts[index], end)) + lookahead_ns
                if answers_ns < first_ns:
                    first_ns = answers_ns
        return Ends(end, first, max(end, first_ns))

    # -- faults -----------------------------------------------------------------------------------------------------

    def begin(self, verb: str, args: dict[str, object]) -> int:
        """Apply a fault now; its place in `faults`, by which it is ended."""
        self._doubt()
        self._numbers[len(self.faults)] = self.network.begin(verb, args, self.now_ns)
        self.faults.append(Fault(verb, args, self.now_ns, None))
        return len(self.faults) - 1

    def end(self, place: int) -> None:
        """End a fault now."""
        self._doubt()
        self.network.end(self._numbers.pop(place), self.now_ns)
        self.faults[place] = self.faults[place]._replace(end_ns=self.now_ns)

    def _doubt(self) -> None:
        """What the machines have promised whatever happens they have promised as they were before this fault."""
        self._silent = [self.now_ns] * len(self._silent)

    def _apply_due(self) -> None:
        while self._due and self._due[-1][0] <= self.now_ns:
            _, begins, index = self._due.pop()
            fault = self._timeline[index]
            if begins:
                self._places[index] = self.begin(fault.verb, fault.args)
            else:
                self.end(self._places[index])
