"""Windows: who advances, and how far.

No packet travels faster than the smallest link latency, the *lookahead*. So what a machine sends cannot be felt anywhere
before the time it is sent plus the lookahead, and until then all machines may advance side by side. Idle time is
skipped, not stepped through. Both engines drive this one clock; the network actor holds it on Ray.
"""

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from actors.events import NEVER
from actors.network import Network


class Answer(NamedTuple):
    """What a machine gives back when it has advanced."""

    next_ns: int
    """Nothing leaves before then unless something arrives."""
    silent_until_ns: int
    """Nothing leaves before then whatever arrives."""
    outbound: bytes


Exchange = Callable[[int, dict[int, bytes]], dict[int, Answer]]
"""Advance these machines to `until_ns`, each with its inbound batch; their answers, in any order."""


class Fault(NamedTuple):
    """What was done to the cluster, and when. `end_ns` is None while it lasts."""

    verb: str
    args: dict[str, object]
    at_ns: int
    end_ns: int | None


_UNKNOWN: Final = -1
"""Stands for the promise of a machine that is advancing."""


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
        self._silent_max = max(self._silent, default=0)
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
        self._exchange(until_ns, dict.fromkeys(range(len(self._next)), b""))
        return True

    def _window(self, until_ns: int) -> None:
        network = self.network
        end = self._end(until_ns)
        inbound = network.deliver(end)
        while self._wakes_ns() < end:
            _, index = heappop(self._wakes)
            self._next[index] = _UNKNOWN
            inbound.setdefault(index, b"")
        if inbound:
            answers = self._exchange(end, inbound)
            for index, answer in answers.items():
                self._note(index, answer)
            network.accept([answers[index].outbound for index in sorted(answers)], end)
        else:
            network.accept((), end)
        self.now_ns = end
        self.windows += 1

    def _note(self, index: int, answer: Answer) -> None:
        """A machine's new promises."""
        if answer.next_ns != self._next[index]:
            self._next[index] = answer.next_ns
            heappush(self._wakes, (answer.next_ns, index))
        self._silent[index] = answer.silent_until_ns
        if answer.silent_until_ns > self._silent_max:
            self._silent_max = answer.silent_until_ns

    def _wakes_ns(self) -> int:
        """When the first machine does something unless something arrives."""
        wakes = self._wakes
        while wakes and self._next[wakes[0][1]] != wakes[0][0]:
            heappop(wakes)
        return wakes[0][0] if wakes else NEVER

    def _end(self, until_ns: int) -> int:
        """The first time at which something that is not known yet could be felt, or a fault begins or ends."""
        end = until_ns if not self._due else min(until_ns, self._due[-1][0])
        sends = min(self._wakes_ns(), self.network.first_ns())
        if sends < self._silent_max:
            earliest = self.network.earliest_ns()
            sends = min(
                max(silent, min(promised, arrival))
                for silent, promised, arrival in zip(self._silent, self._next, earliest, strict=True)
            )
        return max(min(end, sends + self.network.lookahead_ns), self.now_ns + 1)

    # -- faults -----------------------------------------------------------------------------------------------------

    def begin(self, verb: str, args: dict[str, object]) -> int:
        """Apply a fault now; its place in `faults`, by which it is ended."""
        self._numbers[len(self.faults)] = self.network.begin(verb, args, self.now_ns)
        self.faults.append(Fault(verb, args, self.now_ns, None))
        return len(self.faults) - 1

    def end(self, place: int) -> None:
        """End a fault now."""
        self.network.end(self._numbers.pop(place), self.now_ns)
        self.faults[place] = self.faults[place]._replace(end_ns=self.now_ns)

    def _apply_due(self) -> None:
        while self._due and self._due[-1][0] <= self.now_ns:
            _, begins, index = self._due.pop()
            fault = self._timeline[index]
            if begins:
                self._places[index] = self.begin(fault.verb, fault.args)
            else:
                self.end(self._places[index])
