"""System calls that use memory: pages of a program's own, pages of files, and what the kernel allocates in a program's name."""

from typing import Any

from netswap.actors.memory.anonymous import READING, SWAPPED, AddressSpace
from netswap.actors.memory.board import Board
from netswap.actors.memory.files import File
from netswap.actors.memory.page_faults import PageFaults
from netswap.actors.memory.writeback import RATELIMIT, Limits, Writeback
from netswap.actors.programs.task import Need, Reason, Task
from netswap.actors.wait import BLOCKED, PAGE, THROTTLE


class Touch:
    """Use `count` pages from `first` on, each in turn."""

    __slots__ = ("_end", "_faults", "_page", "_space", "_write")
    idle = False

    def __init__(self, faults: PageFaults, space: AddressSpace, first: int, count: int, write: bool) -> None:
        if not 0 <= first <= first + count <= space.pages:
            raise ValueError(f"pages {first} to {first + count} of {space.name}, which has {space.pages}")
        self._faults = faults
        self._space = space
        self._page = first
        self._end = first + count
        self._write = write

    def begin(self, task: Task) -> Any:
        """Touch on from the page that was waited for."""
        self._page = page = self._faults.touch(task, self._space, self._page, self._end, self._write)
        return None if page == self._end else self._faults.fault(task, self._space, page)

    def waits_for_memory(self) -> bool:
        """Whether the program waits for a free page, and not for its contents."""
        return self._space.states[self._page] != READING

    def waits_for_slot(self) -> bool:
        """Whether its page has not been asked for yet, since there is no request slot."""
        return self._faults.waits_for_slot(self._space, self._page)

    def reason(self) -> Reason:
        """The page it waits for, or a free page to put it into."""
        return _page_reason(self._space, self._page)

    def is_over(self) -> bool:
        """Whether the page is there, or no request is under way that brings it."""
        return self._faults.is_over(self._space, self._page)


class Allocate:
    """Memory for what the kernel does in a program's name (GFP_KERNEL): without it the program reclaims, and may be throttled.

    Once the call returns `pages` pages are free above the floor, for the caller to take before any other task.
    """

    __slots__ = ("_asked", "_faults", "_held", "_pages", "_what")
    idle = False

    def __init__(self, faults: PageFaults, pages: int, what: str) -> None:
        self._faults = faults
        self._pages = pages
        self._what = what
        self._held = 0
        self._asked = False

    def begin(self, task: Task) -> Any:
        """Hold the pages there are, and wait for one more; then give all of them back."""
        if not self._asked:
            self._asked = True
            self._held = self._faults.hold(self._pages - 1, task)

            def granted() -> None:
                self._held += 1
                if task.request is self:
                    self._faults.later(task.wake)
                else:  # it has been killed meanwhile
                    self._faults.let_go(self._held)

            task.block(PAGE)
            if not self._faults.allocate(f"{task.name}, {self._what}", granted, task):
                return BLOCKED
            self._held += 1
        self._faults.let_go(self._held)
        return None

    def reason(self) -> Reason:
        """A page."""
        return Reason(Need.FREE_PAGE, f"a free page {self._what}")

    def is_over(self) -> bool:
        """Never: reclaim keeps its own list of waiting tasks."""
        return False


class Write:
    """Write `count` pages of a file from `first` on; a program that writes more than may be dirty is held up."""

    __slots__ = (
        "_end",
        "_events",
        "_faults",
        "_file",
        "_held_up",
        "_limits",
        "_page",
        "_passes",
        "_writeback",
        "_written",
    )
    idle = False

    def __init__(
        self, board: Board, faults: PageFaults, writeback: Writeback, file: File, pages: tuple[int, int], limits: Limits
    ) -> None:
        """`pages`: the first, and how many; `limits`: those that the writer has."""
        first, count = pages
        if not 0 <= first <= first + count <= file.pages:
            raise ValueError(f"pages {first} to {first + count} of {file.name}, which has {file.pages}")
        self._faults = faults
        self._events = board.events
        self._limits = limits
        self._writeback = writeback
        self._file = file
        self._page = first
        self._end = first + count
        self._held_up = False
        self._passes = False
        """Whether it goes on after its nap, whatever the limits say."""
        self._written = 0

    def begin(self, task: Task) -> Any:
        """Write on, looking at the limits after every few pages (balance_dirty_pages)."""
        while not self._waits_for_writeback(task):
            if self._page == self._end:
                return None
            stop = min(self._end, self._page + RATELIMIT)
            self._page = page = self._faults.touch(task, self._file, self._page, stop, write=True)
            self._writeback.dirtied(self._file)
            if page < stop:
                return self._faults.fault(task, self._file, page)
            self._held_up = self._writeback.exceeded(self._file, self._limits)
            self._written = 0
        return task.block(THROTTLE)

    def is_held_up(self, task: Task) -> bool:
        """Whether it naps at the limits, and has to go on with that."""
        return self._held_up and self._waits_for_writeback(task)

    def waits_for_memory(self) -> bool:
        """Whether it waits for a free page."""
        return not self._held_up and self._file.states[self._page] != READING

    def waits_for_slot(self) -> bool:
        """Never: the disk's queue is not what it waits for."""
        return False

    def _waits_for_writeback(self, task: Task) -> bool:
        """Whether it has to nap: it may write some pages itself, and looks again."""
        writeback = self._writeback
        if self._held_up and not self._passes:
            self._written = writeback.write_some(self._file, self._written)
            self._held_up = not writeback.has_paid(self._written, self._file, self._limits)
            if self._held_up:
                nap_ns, self._passes = writeback.pause(self._file)
                self._events.after(nap_ns, task.wake)
                return True
        self._held_up = self._passes = False
        return False

    def reason(self) -> Reason:
        """The limits, or a page."""
        if self._held_up:
            return Reason(Need.DIRTY_LIMIT, "less memory to be dirty or under writeback")
        return _page_reason(self._file, self._page)

    def is_over(self) -> bool:
        """Whether its page is there; a nap at the limits has a timer of its own."""
        return not self._held_up and self._faults.is_over(self._file, self._page)


def _page_reason(space: AddressSpace, page: int) -> Reason:
    name = f"page {page} of {space.name}" if isinstance(space, File) else f"its own page {page}"
    if space.states[page] == READING:
        return Reason(Need.PAGE_IN, f"{name}, which is on its way", space, page)
    if not isinstance(space, File):
        name += ", which is on the swap server" if space.states[page] == SWAPPED else ", a new one"
    return Reason(Need.FREE_PAGE, f"a free page for {name}")
