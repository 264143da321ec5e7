"""Tasks that wait for a page in direct reclaim: where they sleep, and how their passes over the lists end."""

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
    """Where a task sleeps that cannot be given a page meanwhile."""

    NOWHERE = auto()
    SLOT = auto()
    """At the swap device, until it takes another request."""
    THROTTLE = auto()
    """In the throttle of direct reclaimers, until kswapd wakes them."""


ASLEEP: Final = (Outcome.NO_SLOT, Outcome.NAP)
"""Outcomes with which the task that makes the pass falls asleep in it."""
# By name once: to look up a member of an enum costs more than a call.
_NOWHERE: Final = Asleep.NOWHERE
_NOTHING: Final = Outcome.NOTHING
_WAITS_FOR: Final = {Asleep.NOWHERE: PAGE, Asleep.SLOT: SLOT, Asleep.THROTTLE: THROTTLE}

VictimServed = Callable[[bool], None]
"""Called when an OOM victim's wait for a page has ended, with whether it was given one."""


class Waiter:
    """A task that waits for a page in direct reclaim."""

    __slots__ = (
        "asleep",
        "dropped",
        "victim_served",
        "freed",
        "fruitless",
        "granted",
        "may_fs",
        "may_io",
        "name",
        "outcome",
        "over",
        "priority",
        "process",
        "served",
        "task",
        "user",
    )

    def __init__(
        self,
        name: str,
        granted: Callable[[], None],
        priority: int,
        task: Sleeper | None,
        process: Sleeper | None,
        user: bool,
        may_fs: bool,
    ) -> None:
        self.name = name
        self.process = process
        """The program that sleeps until it has the page, whether or not a kill reaches it here."""
        self.task = task
        """The program whose page it is to be, if it is one's."""
        self.granted = granted
        self.priority = priority
        self.user = user
        """Whether it is a user task, which can be throttled."""
        self.may_fs = may_fs
        """Whether its allocation may enter a file system."""
        self.may_io = True
        """Whether its allocation may start a write, and wait for one; what may not enters no file system either."""
        self.asleep = _NOWHERE
        self.outcome = _NOTHING
        """How its last pass ended."""
        self.over = False
        """Whether an attempt has come to its end, and the OOM killer is to be asked before the next."""
        self.fruitless = 0
        """Attempts in a row after which nothing had been freed."""
        self.dropped = 0
        """Clean pages that its own passes have dropped."""
        self.freed = 0
        """What had been freed by reclaim when the last of these attempts ended."""
        self.victim_served: VictimServed | None = None
        """Set once its program has been killed."""
        self.served = False

    def sleep(self, where: Asleep) -> None:
        """Note that the task sleeps there from now on, or is awake."""
        self.asleep = where
        if self.process is not None:
            self.process.block(_WAITS_FOR[where])

    def is_victim(self) -> bool:
        """Whether its program has been killed."""
        return self.victim_served is not None


class PollQueue:
    """Pending polls of waiters that rest for the same time: they are due in the order in which they were begun."""

    __slots__ = ("ends", "watched")

    def __init__(self) -> None:
        self.ends: deque[tuple[int, Waiter]] = deque()
        """(ns, waiter): when each rest ends."""
        self.watched = False
        """Whether an event is under way that will look at the first."""

    def due(self, now_ns: int) -> list[Waiter]:
        """Take off all that are due; the waiters among them that have not been served. `watched`: whether any are left."""
        ends = self.ends
        waiting: list[Waiter] = []
        while ends and (ends[0][0] <= now_ns or ends[0][1].served):
            waiter = ends.popleft()[1]
            if not waiter.served:
                waiting.append(waiter)
        self.watched = bool(ends)
        return waiting
