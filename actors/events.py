"""One machine's event queue: a heap of (time, number, action, argument), what happens at once, and the machine's clock."""

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final, NamedTuple

NEVER: Final = 1 << 62

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


class Events:
    """The events of a machine. Those of one time happen in the order in which they were asked for."""

    __slots__ = ("_number", "heap", "now", "soon", "stood_ns")

    def __init__(self) -> None:
        self.now = 0
        self.heap: list[tuple[int, int, Action, Any]] = []
        self.soon: deque[tuple[Action, Any]] = deque()
        """Events of this moment. They were asked for now, so they come after all that the heap holds for this time."""
        self.stood_ns = 0
        """The time that the machine has stood still in all."""
        self._number = 0

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
