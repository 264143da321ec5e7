"""Page faults: how absent pages of a program, and of the files it uses, become resident."""

from collections.abc import Callable
from typing import Final

from netswap.actors.memory.anonymous import READING, RESIDENT, SWAPPED, UNTOUCHED, WRITING, AddressSpace
from netswap.actors.memory.board import Board
from netswap.actors.memory.files import File, LocalDisk
from netswap.actors.memory.ports import SwapIn, Toucher
from netswap.actors.memory.reclaim import Reclaim
from netswap.actors.wait import BLOCKED, DISK, PAGE, Blocked

_AT_ONCE: Final = 64
"""Most pages that one call finds without waiting."""


class PageFaults:
    """Finds pages for programs, zeroed, from the server or from disk, with read-ahead around a page that is read."""

    def __init__(
        self,
        board: Board,
        reclaim: Reclaim,
        device: SwapIn | None,
        disk: LocalDisk,
        readahead: int,
    ) -> None:
        """`readahead`: pages that are read together from the swap space."""
        self.exempt: set[AddressSpace] = set()
        """Memory and files of daemons whose faults may take the last page (PF_MEMALLOC)."""
        self.on_bus_error: Callable[[Toucher], None] = _nobody
        """Told of a program whose page cannot be read: it gets a SIGBUS."""
        self.zone = board.zone
        self._reclaim = reclaim
        self._device = device
        self._disk = disk
        self._counters = board.counters
        self._teller = board.teller
        self._readahead = readahead
        self._file_readahead = board.kernel.file_readahead
        self._awaited: dict[tuple[AddressSpace, int], Toucher] = {}

    def touch(self, task: Toucher, space: AddressSpace, start: int, end: int, write: bool) -> int:
        """Touch what can be touched of [start, end) now; the first page that has to be waited for, or `end`."""
        page, states = start, space.states
        while page < end:
            state = states[page]
            if state >= RESIDENT:
                stop = page + 1
                if stop < end and states[stop] >= RESIDENT:
                    stop = space.absent(stop, end)
                space.touch(page, stop, write)
                task.progress.touched(stop - page)
                page = stop
            elif state == WRITING:
                space.keep_while_writing(page, write=write)
                task.progress.touched(1)
                page += 1
            elif state == UNTOUCHED and self._zero(task, space, page, end):
                page = space.absent(page, end)
            else:
                break
        return page

    def fault(self, task: Toucher, space: AddressSpace, page: int) -> Blocked:
        """Wait for an absent page; the task is woken when it is there."""
        self._counters.faults += 1
        if space.states[page] == READING:
            self._awaited[space, page] = task
            return task.block(self._stage(space, page))
        task.block(PAGE)

        def granted() -> None:
            self._found(task, space, page)

        may_fs = not (isinstance(space, File) and space.nofs)
        if self._takes_below(space) or self._reclaim.obtain(space.name, granted, task, process=task, may_fs=may_fs):
            granted()
        return BLOCKED

    def _takes_below(self, space: AddressSpace) -> bool:
        """Take a page below the floor of programs, by PF_MEMALLOC or from the part withheld for files; whether there was one."""
        zone = self.zone
        if space in self.exempt:
            return zone.take(zone.floors.memalloc)
        return zone.withheld > 0 and isinstance(space, File) and zone.take(zone.floors.kernel - zone.withheld)

    def flush_only(self, task: Toucher) -> None:
        """Let this task's allocations neither start a write nor wait for one (PR_SET_IO_FLUSHER)."""
        self._reclaim.flushers.add(task)

    def hold(self, pages: int, process: Toucher) -> int:
        """Take up to `pages` pages that are free, for a program's allocation; the number taken."""
        return self.zone.take_many(self._reclaim.floor_of(process), pages)

    def schedule_in_real_time(self, task: Toucher) -> None:
        """Let this task's allocations go as far down as those of a real-time task may."""
        self._reclaim.realtime.add(task)

    def allocate(self, name: str, granted: Callable[[], None], process: Toucher) -> bool:
        """Allocate a page for a program: True if there was one at once; otherwise `granted` is called later."""
        return self._reclaim.obtain(name, granted, process=process)

    def let_go(self, pages: int) -> None:
        """Free pages that have been held."""
        self.zone.give(pages)

    def later(self, resume: Callable[[object], None]) -> None:
        """Let a process run on as soon as what is being done now has been done."""
        self._reclaim.later(resume)

    def page_read(self, space: AddressSpace, page: int, version: int) -> None:
        """Make a page resident that the server has sent back."""
        if version != space.versions[page]:
            self._counters.lost_pages += 1
        self._arrived(space, page)

    def not_read(self, space: AddressSpace, page: int) -> None:
        """Give the memory of a page back whose page-in has failed; the program that waits for it gets a SIGBUS (do_swap_page)."""
        space.states[page] = UNTOUCHED if space.gone else SWAPPED
        self.zone.give()
        task = self._awaited.pop((space, page), None)
        if task is not None:
            self.on_bus_error(task)

    def file_read(self, file: File, page: int) -> None:
        """Make a page resident that the disk has read."""
        self._arrived(file, page)
        if self._reclaim.scan.clean_minimum is not None:
            self._reclaim.scan.clean_minimum.look()

    def release(self, space: AddressSpace) -> None:
        """Free the resident pages of a program that has ended."""
        freed = space.release()
        if freed:
            self.zone.give(freed)

    def discard(self, space: AddressSpace, start: int, end: int) -> None:
        """Free pages [start, end) of a program that goes on without them."""
        freed = space.discard(start, end)
        if freed:
            self.zone.give(freed)

    def unmap(self, file: File) -> None:
        """Unmap a file that no program uses any more; its pages stay in the page cache."""
        self._reclaim.scan.cache.unmap(file)

    def waits_for_slot(self, space: AddressSpace, page: int) -> bool:
        """Whether the request for an absent page has not found a slot yet."""
        if isinstance(space, File) or self._device is None:
            return False
        return self._device.waits_for_slot(space.base + page)

    def _arrived(self, space: AddressSpace, page: int) -> None:
        if space.gone:
            space.states[page] = UNTOUCHED
            self.zone.give()
        else:
            space.states[page] = RESIDENT
            space.resident += 1
        task = self._awaited.pop((space, page), None)
        if task is not None:
            self._reclaim.later(task.wake)

    def _zero(self, task: Toucher, space: AddressSpace, page: int, end: int) -> int:
        """Make absent pages from `page` on resident, as many as zeroed pages can be had without waiting."""
        if not self._reclaim.has_page():
            return 0
        got = self._reclaim.obtain_now(space.untouched(page, min(end, page + _AT_ONCE)) - page)
        if got:
            space.fill(page, page + got)
            task.progress.touched(got)
        return got

    def _found(self, task: Toucher, space: AddressSpace, page: int) -> None:
        """Use a free page that has been found for an absent one."""
        if space.states[page] == UNTOUCHED:
            space.fill(page, page + 1)
            self._reclaim.later(task.wake)
            return
        self._awaited[space, page] = task
        self._page_in(space, page)
        block = self._file_readahead if isinstance(space, File) else self._readahead
        first = page - page % block
        for near in range(first, min(first + block, space.pages)):
            if space.states[near] == SWAPPED and not self._reclaim.waiters and self.zone.take(self.zone.floors.kernel):
                self._page_in(space, near)
        if self._device is not None:
            self._device.unplug()
        task.block(self._stage(space, page))

    def moved(self, space: AddressSpace, page: int) -> None:
        """Note that the request for a page has found a slot, or has been sent."""
        task = self._awaited.get((space, page))
        if task is not None:
            task.block(self._stage(space, page))

    def _stage(self, space: AddressSpace, page: int) -> int:
        """The kind of wait of a page that is on its way (`netswap.actors.wait`)."""
        if isinstance(space, File) and space.disk is None:
            return DISK
        assert self._device is not None, "only a machine that swaps has pages elsewhere"
        return self._device.stage(space.base + page)

    def is_over(self, space: AddressSpace, page: int) -> bool:
        """Whether a task that waits for this page should not: the page is there, or no request is under way that brings it."""
        state = space.states[page]
        if state != READING:
            return state >= RESIDENT
        on_disk = isinstance(space, File) and space.disk is None
        return not on_disk and (self._device is None or not self._device.knows(space.base + page))

    def _page_in(self, space: AddressSpace, page: int) -> None:
        space.states[page] = READING
        if isinstance(space, File):
            if self._teller is not None:
                self._teller.page_begun(space, page, False, "file")
            (space.disk or self._disk).page_in(space, page)
            return
        assert self._device is not None, "only a machine that swaps has pages elsewhere"
        if self._teller is not None:
            self._teller.page_begun(space, page, False, "swap")
        self._device.page_in(space, page)


def _nobody(task: Toucher) -> None:
    """Do nothing: no part has asked to be told of bus errors."""
