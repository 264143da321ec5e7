"""What a program waits for, by kind, and how long it has waited for each."""

from array import array
from typing import Final

from netswap.actors.events import Events
from netswap.actors.teller import Teller

NOTHING: Final = 0
"""The program computes, sleeps until a time, or has ended, or its machine is down."""
REPLY: Final = 1
"""A reply of the swap server, to a request that has been sent."""
PAGE: Final = 2
"""A free page."""
SLOT: Final = 3
"""A request slot of the swap device."""
CONNECTION: Final = 4
"""A connection, or room in its send buffer."""
MESSAGE: Final = 5
"""A message from another machine."""
THROTTLE: Final = 6
"""Less to be dirty or under writeback, or kswapd (the throttle of direct reclaimers)."""
DISK: Final = 7
"""The machine's own disk."""
KINDS: Final = ("nothing", "reply", "page", "slot", "connection", "message", "throttle", "disk")
"""Their names, as results say them."""


class Blocked:
    """The one value by which a request says that the task has to wait."""

    __slots__ = ()


BLOCKED: Final = Blocked()


class Waited:
    """How long one program has waited for each kind of thing, ns, in all and at the end of each slot of `slot_ns`."""

    __slots__ = ("_edge_ns", "_events", "_kind", "_since_ns", "_slot_ns", "_spent", "at_once", "slots")

    def __init__(self, events: Events, slot_ns: int) -> None:
        self.slots = array("q")
        """What had been waited by the end of each slot that is over and has been looked at: a number for each of `KINDS`."""
        self.at_once = 0
        """How often in a row it has turned to another wait without time having passed."""
        self._events = events
        self._slot_ns = slot_ns
        self._edge_ns = slot_ns
        self._kind = NOTHING
        self._since_ns = 0
        self._spent = [0] * len(KINDS)

    def turn(self, kind: int) -> None:
        """From now on it waits for this."""
        now = self._events.now
        if now >= self._edge_ns:
            self._roll(now)
        passed = now - self._since_ns
        self.at_once = 0 if passed else self.at_once + 1
        self._spent[self._kind] += passed
        self._kind = kind
        self._since_ns = now

    @property
    def kind(self) -> int:
        """What it waits for now."""
        return self._kind

    def spent_ns(self, now_ns: int) -> list[int]:
        """The time waited by `now_ns`, for each of `KINDS`."""
        spent = list(self._spent)
        spent[self._kind] += now_ns - self._since_ns
        return spent

    def look(self, now_ns: int) -> None:
        """Complete `slots` up to now."""
        if now_ns >= self._edge_ns:
            self._roll(now_ns)

    def _roll(self, now: int) -> None:
        while self._edge_ns <= now:
            self._spent[self._kind] += self._edge_ns - self._since_ns
            self._since_ns = self._edge_ns
            self.slots.extend(self._spent)
            self._edge_ns += self._slot_ns


class TracedWaited(Waited):
    """As `Waited`, and tells of each turn."""

    __slots__ = ("_place", "_teller")

    def __init__(self, events: Events, slot_ns: int, teller: Teller, place: int) -> None:
        """`place`: the program's, on its machine."""
        super().__init__(events, slot_ns)
        self._teller = teller
        self._place = place

    def turn(self, kind: int) -> None:
        """As there."""
        before = self._kind
        super().turn(kind)
        self._teller.turned(self._place, before, kind)
