"""Those who wait for a page in direct reclaim: where they sleep, and how their passes over the lists end."""

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from netswap.actors.memory.ports import Sleeper
from netswap.actors.wait import PAGE, SLOT, THROTTLE


class Outcome(Enum):
    """How a pass over the lists ended."""

    NOTHING = auto()
    """There was nothing to look at."""
    SCANNED = auto()
    NO_SLOT = auto()
    """Asleep until the swap device takes another request."""
    NAP = auto()
    """Asleep until less is under writeback (throttle_vm_writeout)."""


class Asleep(Enum):
    """Where somebody sleeps who cannot be given a page meanwhile."""

    NOWHERE = auto()
    SLOT = auto()
    """At the swap device, until it takes another request."""
    THROTTLE = auto()
    """In the throttle of direct reclaimers, until kswapd wakes them."""


# By name once: to look up a member of an enum costs more than a call.
_NOWHERE: Final = Asleep.NOWHERE
_NOTHING: Final = Outcome.NOTHING
_WAITS_FOR: Final = {Asleep.NOWHERE: PAGE, Asleep.SLOT: SLOT, Asleep.THROTTLE: THROTTLE}

VictimServed = Callable[[bool], None]
"""Called with whether a page was to be had."""


class Waiter:
    """Somebody who waits for a page in direct reclaim."""

    __slots__ = (
        "asleep",
        "victim_served",
        "freed",
        "fruitless",
        "granted",
        "may_fs",
        "outcome",
        "over",
        "priority",
        "process",
        "served",
        "task",
        "user",
        "who",
    )

    def __init__(
        self,
        who: str,
        granted: Callable[[], None],
        priority: int,
        task: Sleeper | None,
        process: Sleeper | None,
        user: bool,
        may_fs: bool,
    ) -> None:
        self.who = who
        self.process = process
        """The program that sleeps until it has the page, whether or not a kill reaches it here."""
        self.task = task
        """Whose page it is to be, if that is a program's."""
        self.granted = granted
        self.priority = priority
        self.user = user
        """Whether it is a user task, which can be throttled."""
        self.may_fs = may_fs
        """Whether its allocation may enter a file system."""
        self.asleep = _NOWHERE
        self.outcome = _NOTHING
        """How its last pass ended."""
        self.over = False
        """Whether an attempt has come to its end, and the OOM killer is to be asked before the next."""
        self.fruitless = 0
        """Attempts in a row after which nothing had been freed."""
        self.freed = 0
        """What had been freed by reclaim when the last of them ended."""
        self.victim_served: VictimServed | None = None
        """Set once its program has been killed: told how its wait has ended."""
        self.served = False

    def sleep(self, where: Asleep) -> None:
        """From now on it sleeps there, or is awake."""
        self.asleep = where
        if self.process is not None:
            self.process.block(_WAITS_FOR[where])

    def is_victim(self) -> bool:
        """Whether its program has been killed."""
        return self.victim_served is not None


class PollQueue:
    """Rests of one length, which end in the order in which they began."""

    __slots__ = ("ends", "watched")

    def __init__(self) -> None:
        self.ends: deque[tuple[int, Waiter]] = deque()
        """(ns, waiter): when each of them ends."""
        self.watched = False
        """Whether an event is under way that will look at them."""

    def due(self, now_ns: int) -> list[Waiter]:
        """Take off all that is over, and give those who wait still; the others are to be watched, if there are any."""
        ends = self.ends
        waiting: list[Waiter] = []
        while ends and (ends[0][0] <= now_ns or ends[0][1].served):
            waiter = ends.popleft()[1]
            if not waiter.served:
                waiting.append(waiter)
        self.watched = bool(ends)
        return waiting
