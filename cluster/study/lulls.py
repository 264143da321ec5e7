"""Traffic that changes nothing is left out of a run: while a machine waits, a flood that it reads on, or loses, is not sent.

What a flood of many Gbit/s does to a machine that waits for its swap server is soon seen: either it takes memory away, and that
is the question, or frame after frame is read, or lost, and its buffer is free again. The second costs a run most, and tells
least. So a run is looked at after every few thousand frames. When `_LOOKS` looks, and as much traffic as `_CALM_NS` and
`_CALM_FRAMES` say, have seen nothing but frames counted (the same peaks, no page moved, no program that goes on or stops, free
pages that go neither up nor down), the programs that send stand still until shortly before something can happen: the end of the
outage, or, after it, the next timer of the machine or of a server. Then they send again, at the same rate, and what comes meets
full traffic.

This is a choice about what is asked, not a rule of the model: a leak of less than a page in all these looks is not seen. The row
says how much was left out, and its command repeats the run with all of it.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from netswap.actors.events import NEVER
from netswap.cluster.judge.state import State
from netswap.protocol.units import milliseconds, seconds

_LOOKS: Final = 8
_LAST: Final = 3
"""Free pages at this many last looks lie within those of the others: then they go neither up nor down."""
_CALM_NS: Final = seconds(1)
_CALM_FRAMES: Final = 60_000
"""Traffic that has to come without a change, whichever is less."""
_LEAD_NS: Final = seconds(1)
_LEAD_FRAMES: Final = 40_000
"""Traffic comes again this long before something can happen, whichever is less."""
_LEAD_MIN_NS: Final = milliseconds(50)
"""TCP has to find its pace again: more round trips than its window takes to grow."""
_WORTH: Final = 4
"""A lull is begun only if it is this many times as long as the lead."""
_STILL: Final = (
    "free_pages_min",
    "noncritical_pages_max",
    "reserve_used_max",
    "emergency_bytes_max",
    "no_block",
    "pages_out",
    "pages_in",
    "file_pages",
    "clean_pages",
    "dirty_pages",
    "file_pages_in",
    "file_pages_out",
    "writeback_pages_max",
    "writeout_naps",
    "io_errors",
    "faults",
    "oom_kills",
    "bus_errors",
)
"""Counters that stand still where frames change nothing."""


class _Look(NamedTuple):
    """What was seen at one time (ns) of all machines that are asked about."""

    at_ns: int
    received: int
    free: tuple[int, ...]
    rest: tuple[object, ...]
    """What is equal at two looks if nothing but frames were counted in between."""


class Lulls:
    """Lets traffic stand still where it changes nothing. `heals_ns`: when the outage ends."""

    def __init__(
        self,
        members: Sequence[str],
        servers: Sequence[str],
        heals_ns: int,
        freeze: Callable[[], Callable[[], None]] | None,
    ) -> None:
        """`freeze` lets floods stand still, and gives back what ends that; None if they may not."""
        self.left_out_ns = 0
        """How long traffic has stood still so far."""
        self._members = frozenset(members)
        self._others = frozenset(servers)
        self._freeze = freeze
        self._heals_ns = heals_ns
        self._seen: deque[_Look] = deque(maxlen=_LOOKS)
        self._frozen: tuple[Callable[[], None], int] | None = None

    def look(self, state: State) -> int:
        """Look at a run; until when it has not to be looked at again, 0 if it goes on with its traffic."""
        now_ns = state.now_ns
        if self._frozen is not None:
            self._go_on(now_ns)
        self._seen.append(self._looked(state))
        until_ns = self._until_ns(state)
        if self._freeze is None or until_ns <= now_ns or not self._is_calm():
            return 0
        self._frozen = (self._freeze(), now_ns)
        return until_ns

    def _go_on(self, now_ns: int) -> None:
        assert self._frozen is not None, "something stands still"
        go_on, since_ns = self._frozen
        go_on()
        self.left_out_ns += now_ns - since_ns
        self._frozen = None
        self._seen.clear()

    def _looked(self, state: State) -> _Look:
        members = [one for one in state.machines if one.name in self._members]
        programs = [(one.name, one.stalled_since_ns, one.killed_ns) for machine in members for one in machine.programs]
        still = [machine.counters[name] for machine in members for name in _STILL]
        free = tuple(machine.counters["free_pages"] for machine in members)
        received = sum(machine.counters["received"] for machine in members)
        return _Look(state.now_ns, received, free, (*programs, *still))

    def _is_calm(self) -> bool:
        seen = self._seen
        if len(seen) < _LOOKS or any(look.rest != seen[0].rest for look in seen):
            return False
        before, last = list(seen)[:-_LAST], list(seen)[-_LAST:]
        frames = seen[-1].received - seen[0].received
        if frames < _CALM_FRAMES and seen[-1].at_ns - seen[0].at_ns < _CALM_NS:
            return False
        return frames > 0 and all(
            min(one.free[at] for one in before) <= look.free[at] <= max(one.free[at] for one in before)
            for look in last
            for at in range(len(look.free))
        )

    def _until_ns(self, state: State) -> int:
        """Until when traffic may stand still: 0 if something can happen soon, or if it is not known when."""
        now_ns, first, last = state.now_ns, self._seen[0], self._seen[-1]
        frames = last.received - first.received
        if not frames:
            return 0
        lead_ns = max(_LEAD_MIN_NS, min(_LEAD_NS, (last.at_ns - first.at_ns) * _LEAD_FRAMES // frames))
        end_ns = self._heals_ns if now_ns < self._heals_ns else self._next_ns(state)
        return end_ns - lead_ns if now_ns + _WORTH * lead_ns < end_ns < NEVER else 0

    def _next_ns(self, state: State) -> int:
        """The next timer of the machines or of their servers; now if a machine does not stand still."""
        asked = [one for one in state.machines if one.name in self._members]
        if any(all(program.stalled_since_ns is None for program in one.programs) for one in asked):
            return state.now_ns
        heard = self._members | self._others
        dues = [timer.due_ns for one in state.machines if one.name in heard for timer in one.timers]
        return min((due_ns for due_ns in dues if due_ns > state.now_ns), default=NEVER)

    def without(self, state: State) -> State:
        """The state without the standstills of lulls: these are no faults of the cluster's."""
        return state._replace(faults=[fault for fault in state.faults if fault[0] != "freeze"])
