"""Windows: the machines advance side by side, and what they have sent goes over the network, again and again.

How far each may advance is the pace's to say (`pace`, `horizons`). No machine passes a fault, and idle time is skipped, not
stepped through. Both engines drive this one clock; the network actor holds it on Ray.
"""

from collections.abc import Callable, Sequence
from typing import Any

from netswap.actors.trace import Trace
from netswap.cluster.engine.pace import Pace
from netswap.cluster.scenario.resolved import Fault


class Clock:
    """The cluster's time."""

    def __init__(self, pace: Pace, timeline: Sequence[Fault] = (), trace: Trace | None = None) -> None:
        """`trace`: is told of faults, and how far the time has come."""
        self.now_ns = 0
        """All that lies before has happened."""
        self.windows = 0
        """Exchanges so far in which a machine advanced."""
        self.faults: list[Fault] = []
        """What has begun so far, with the ends that have come."""
        self._pace = pace
        self._trace = trace
        self._farthest_ns = 0
        """No machine is beyond."""
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

        True once the time has been reached and every machine, idle ones too, stands there. Until then each stands at a
        time of its own (`level`). If the farthest is beyond `until_ns` already, they come to where that is.
        """
        until_ns = max(until_ns, self._farthest_ns)
        while self.now_ns < until_ns:
            self._apply_due()
            self._window(until_ns)
            if may_go_on is not None and self.now_ns < until_ns and not may_go_on():
                return False
        self._farthest_ns = until_ns
        self._pace.bring(until_ns)
        return True

    def level(self) -> None:
        """Let all machines come to where the farthest is: only then is there one moment to look at."""
        if self.now_ns < self._farthest_ns:
            self.run(self._farthest_ns)
        self._pace.settle()

    def _window(self, until_ns: int) -> None:
        settled_ns = min(until_ns, self._due[-1][0]) if self._due else until_ns
        passed = self._pace.window(self.now_ns, settled_ns)
        self.now_ns = passed.now_ns
        self._farthest_ns = max(self._farthest_ns, passed.farthest_ns)
        self.windows += passed.anybody
        if self._trace is not None:
            self._trace.clock(self.now_ns)

    def tallies(self) -> dict[str, dict[str, Any]]:
        """See `Network.tallies`."""
        return self._pace.tallies()

    # -- faults -----------------------------------------------------------------------------------------------------

    def begin(self, verb: str, args: dict[str, object]) -> int:
        """Apply a fault, now that all machines are at one time; its place in `faults`, by which it is ended."""
        self.level()
        return self._begin(verb, args)

    def end(self, place: int) -> None:
        """End a fault, now that all machines are at one time."""
        self.level()
        self._end(place)

    def _begin(self, verb: str, args: dict[str, object]) -> int:
        self._numbers[len(self.faults)] = self._pace.begin(verb, args, self.now_ns)
        self.faults.append(Fault(verb, args, self.now_ns, None))
        place = len(self.faults) - 1
        if self._trace is not None:
            self._trace.fault_begun(self.now_ns, place, verb, args)
        return place

    def _end(self, place: int) -> None:
        self._pace.end(self._numbers.pop(place), self.now_ns)
        self.faults[place] = self.faults[place]._replace(end_ns=self.now_ns)
        if self._trace is not None:
            self._trace.fault_ended(self.now_ns, place)

    def _apply_due(self) -> None:
        while self._due and self._due[-1][0] <= self.now_ns:
            _, begins, index = self._due.pop()
            fault = self._timeline[index]
            if begins:
                self._places[index] = self._begin(fault.verb, fault.args)
            else:
                self._end(self._places[index])
