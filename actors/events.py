"""One machine's event queue: a heap of (time, number, action, argument), what happens at once, and the machine's clock."""

from collections import deque
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from typing import Any, Final, NamedTuple

NEVER: Final = 1 << 62
ANNOUNCED_MAX: Final = 1 << 20
"""Bytes that a machine whose answers are known announces in one go; it takes a few more, and then goes no farther."""

Action = Callable[[Any], None]


class Timer(NamedTuple):
    """A timer that could still end a wait. Times in ns; -1 for never."""

    what: str
    last_ns: int
    """When it fired last."""
    previous_ns: int
    """When it fired before that."""
    due_ns: int
    """When it fires next."""


class Halt(Exception):  # noqa: N818  (nothing is wrong)
    """A machine has come as far as it may."""


def _halt(_: object) -> None:
    raise Halt


class Events:
    """The events of a machine. Those of one time happen in the order in which they were asked for."""

    __slots__ = ("_marks", "_number", "_room", "answers", "halt_ns", "heap", "now", "quiet_ns", "soon", "stood_ns")

    def __init__(self) -> None:
        self.now = 0
        self.heap: list[tuple[int, int, Action, Any]] = []
        self.soon: deque[tuple[Action, Any]] = deque()
        """Events of this moment. They were asked for now, so they come after all that the heap holds for this time."""
        self.stood_ns = 0
        """The time that the machine has stood still in all."""
        self.answers: Sequence[int] = ()
        """For each machine, how long (ns) what is sent to it takes until something caused by it can be back; empty: unknown."""
        self.halt_ns = NEVER
        """How far the machine may go: what it sends may make this sooner."""
        self.quiet_ns = 0
        """While the card receives a frame: before then nothing comes but events. 0 at other times."""
        self._number = 0
        self._marks = 0
        """Halts in the heap. Their number is 0: they come before all that happens at their time."""
        self._room = ANNOUNCED_MAX

    def at(self, time_ns: int, action: Action, argument: Any = None) -> None:
        """Let `action(argument)` happen at `time_ns`, which is not in the past."""
        if time_ns <= self.now:
            self.soon.append((action, argument))
        else:
            self._number = number = self._number + 1
            heappush(self.heap, (time_ns, number, action, argument))

    def after(self, delay_ns: int, action: Action, argument: Any = None) -> None:
        """Let `action(argument)` happen `delay_ns` from now."""
        if delay_ns > 0:
            self._number = number = self._number + 1
            heappush(self.heap, (self.now + delay_ns, number, action, argument))
        else:
            self.soon.append((action, argument))

    def reserve(self) -> int:
        """The number of an event that may be asked for later, by `put`: it keeps its place among those of its time."""
        self._number = number = self._number + 1
        return number

    def put(self, time_ns: int, number: int, action: Action, argument: Any) -> None:
        """Let `action(argument)` happen at `time_ns`, which is to come, as the event of this number."""
        heappush(self.heap, (time_ns, number, action, argument))

    def begin(self, until_ns: int) -> None:
        """The machine may go on until then, or until something can come of what it sends meanwhile."""
        self.halt_ns = until_ns
        self._room = ANNOUNCED_MAX

    def sent(self, leaves_ns: int, to: int, size: int) -> None:
        """Note that a frame which takes `size` bytes when announced leaves for machine `to` at that time."""
        if not self.answers:
            return
        halt_ns = leaves_ns + self.answers[to]
        self._room -= size
        if self._room < 0:
            halt_ns = self.now + 1
        if halt_ns < self.halt_ns:
            self.halt_ns = halt_ns
            self._marks += 1
            heappush(self.heap, (halt_ns, 0, _halt, None))

    def end(self) -> None:
        """The machine goes no farther for now: halts that it has not come to are forgotten."""
        if self._marks:
            self._marks = 0
            self.heap[:] = [event for event in self.heap if event[1]]
            heapify(self.heap)

    @property
    def asked(self) -> int:
        """How many events have been asked for, those of this moment left out."""
        return self._number

    def next_ns(self) -> int:
        """When the next event happens; `NEVER` if there is none."""
        if self.soon:
            return self.now
        return self.heap[0][0] if self.heap else NEVER

    def clear(self) -> None:
        """Drop all events."""
        self.heap.clear()
        self.soon.clear()

    def go_on(self, since_ns: int) -> None:
        """Go on after the machine has stood still: events due meanwhile happen now, in the order in which they were due."""
        self.stood_ns += self.now - since_ns
        while self.heap and self.heap[0][0] <= self.now:
            _, _, action, argument = heappop(self.heap)
            self.soon.append((action, argument))

    def step(self) -> None:
        """Let the next event happen."""
        if self.soon and not (self.heap and self.heap[0][0] <= self.now):
            action, argument = self.soon.popleft()
        else:
            self.now, _, action, argument = heappop(self.heap)
        action(argument)
