"""A program as a process: its badness, its death, and what becomes of all that it had.

A kill is a signal. A process that runs, or waits for what a signal may interrupt, dies at once. One that waits for memory
gets a victim's right to it first (TIF_MEMDIE). One that sleeps uninterruptibly (for a request slot, and in 2.6.22 for a page
to be read as well) dies when that sleep has ended, and keeps all that it has until then: sockets and what waits in them, too.
"""

from collections.abc import Callable
from typing import Any, Final

from netswap.actors.memory.board import Board
from netswap.actors.memory.oom import run_time_s
from netswap.actors.memory.page_faults import PageFaults
from netswap.actors.memory.reclaim import Reclaim
from netswap.actors.process.loaded import Loaded
from netswap.actors.programs.memory_calls import Touch, Write
from netswap.actors.programs.task import Need, Reason, SystemCall, Task
from netswap.actors.wait import BLOCKED
from netswap.protocol.units import seconds


class Dying:
    """The wait that a killed program is in; once that has ended, it dies."""

    __slots__ = ("_process", "request")
    idle = False

    def __init__(self, process: "Process", request: SystemCall) -> None:
        self._process = process
        self.request = request

    def begin(self, task: Task) -> Any:
        """Let the process die, unless its sleep is one that goes on."""
        if not isinstance(self.request, Write) or not self.request.is_held_up(task):
            self._process.die()
        return BLOCKED

    def reason(self) -> Reason:
        """The reason of the wait that it was in when it was killed."""
        reason = self.request.reason()
        return reason._replace(sentence=f"{reason.sentence}; it has been killed, and cannot die before that")

    def is_over(self) -> bool:
        """Whether the wait has ended."""
        return self.request.is_over()


class Ended:
    """The wait of a program that has died: for nothing."""

    __slots__ = ()
    idle = True

    def begin(self, task: Task) -> Any:
        """Wait for ever."""
        return BLOCKED

    def reason(self) -> Reason:
        """No reason."""
        return Reason(Need.NOTHING, "nothing")

    def is_over(self) -> bool:
        """Never."""
        return False


_ENDED: Final = Ended()


class Process:
    """One program of a machine."""

    __slots__ = (
        "_counters",
        "_events",
        "_faults",
        "_kernel",
        "_one",
        "_reclaim",
        "_started_ns",
        "dead",
        "dying",
        "reaped",
    )

    def __init__(self, one: Loaded, board: Board, reclaim: Reclaim, faults: PageFaults) -> None:
        self.dying = False
        self.dead = False
        self.reaped = False
        self._one = one
        self._events = board.events
        self._kernel = board.kernel
        self._counters = board.counters
        self._reclaim = reclaim
        self._faults = faults
        self._started_ns = board.events.now

    # -- its badness ------------------------------------------------------------------------------------------------

    def is_protected(self) -> bool:
        """Whether it is part of the kernel or exempt (a class with `unkillable = True`), or has ended already."""
        return self._one.task.finished or self._one.traits.unkillable

    def total_pages(self) -> int:
        """Anonymous memory and program text, resident or not (total_vm)."""
        text = self._one.system.text
        return self._one.space.pages + (text.pages if text else 0)

    def cpu_s(self) -> int:
        """The time it has computed, in whole seconds."""
        return self._one.task.progress.cpu_ns // seconds(1)

    def run_s(self) -> int:
        """The time since the machine was started, in whole seconds."""
        return run_time_s(self._started_ns, self._events.now)

    def used_pages(self) -> int:
        """Anonymous pages resident or swapped out, and its text in memory."""
        text = self._one.system.text
        return self._one.space.used() + (text.resident if text else 0)

    # -- how it dies ------------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """Die as soon as the present wait allows it."""
        task = self._one.task
        self.dying = True
        request = task.request
        if request is None or not self._sleeps(request):
            self._events.after(0, self.die)
            return
        task.request = Dying(self, request)
        self._reclaim.mark_victim(task, self._settle)

    def _sleeps(self, request: SystemCall) -> bool:
        """Whether the process waits for something that a signal does not interrupt, or for memory."""
        if not isinstance(request, Touch | Write):
            return False
        return request.waits_for_memory() or not self._kernel.oom.wakes_killed or request.waits_for_slot()

    def _settle(self, granted: bool) -> None:
        """Go on with a page, or die if it has been refused; what the process does with the page may take time again."""
        task = self._one.task
        request = task.request
        if self.dead or not isinstance(request, Dying):
            return
        if not granted or not self._sleeps(request.request):
            self.die()

    def die(self, _: object = None) -> None:
        """Die: the memory is free, and the sockets are closed."""
        if self.dead:
            return
        self.dead = True
        self._counters.oom_deaths += 1
        self._one.task.end(_ENDED)
        self._count(self._take_memory, self._one.system.exit)

    def gets_bus_error(self) -> None:
        """Die of a page that cannot be read, at once: the fault ends in a SIGBUS, which no program catches."""
        if self.dead:
            return
        self.dead = True
        self._counters.bus_errors += 1
        self._one.task.end(_ENDED, by="sigbus")
        self._freed_by(self._take_memory, self._one.system.exit)

    @property
    def task(self) -> Task:
        """The program under way."""
        return self._one.task

    def reap(self) -> None:
        """Take its memory, whatever it waits for (the OOM reaper)."""
        self.reaped = True
        self._count(self._take_memory)

    def _take_memory(self) -> None:
        self._faults.release(self._one.space)

    def _count(self, *frees: Callable[[], None]) -> None:
        """Call what frees memory of a victim, and count the pages freed."""
        self._counters.oom_pages += self._freed_by(*frees)

    def _freed_by(self, *frees: Callable[[], None]) -> int:
        """Call what frees memory, and note the pages freed for this program; their number."""
        zone = self._faults.zone
        free = zone.free + zone.aside_free
        for one in frees:
            one()
        freed = zone.free + zone.aside_free - free
        self._one.task.freed_pages += freed
        return freed
