"""Writeback: how much may be dirty, which writers are held up when it is more, and how it is written.

Source: mm/page-writeback.c and mm/pdflush.c of 2.6.22, mm/page-writeback.c of 6.1 and 6.11. Anonymous pages are not dirty by
this count, but once they are being swapped out they are under writeback like any other page: so a program that only writes a
file is held up by what is under way to the swap server.
"""

from typing import Final, NamedTuple

from netswap.actors.memory.board import Board
from netswap.actors.memory.files import File, FileDisk, LocalDisk, PageCache
from netswap.actors.memory.ports import UnderWriteback

RATELIMIT: Final = 8
"""Pages after which a writer looks at the limits (ratelimit_pages while they are exceeded)."""
_CHUNK: Final = RATELIMIT + RATELIMIT // 2
"""Pages after which a writer that writes them out itself goes on, whatever the limits say (sync_writeback_pages)."""


class Limits(NamedTuple):
    """Which dirty limits hold for a writer."""

    less_throttle: bool = False
    """They are a quarter higher (PF_LESS_THROTTLE)."""
    local: bool = False
    """What counts is its own disk only (PF_LOCAL_THROTTLE)."""


_USUAL: Final = Limits()


class Writeback:
    """The limits of one machine, and its flusher."""

    def __init__(
        self,
        board: Board,
        cache: PageCache,
        disk: LocalDisk,
        swap: UnderWriteback | None,
        cpus: int = 1,
    ) -> None:
        self._hardly_any = board.kernel.hardly_dirty(cpus)
        """Pages of a device, dirty or under writeback, with which its writers are let go after a pause; negative: never."""
        self.cache = cache
        self.disk = disk
        self.under_way_max = board.tally.under_way_max
        """Most pages under writeback at the end of a scan."""
        self._events = board.events
        self._zone = board.zone
        self._kernel = board.kernel
        self._teller = board.teller
        self._swap = swap
        self._expired: list[File] = []
        """Files that the flusher writes whole."""
        self._page = 0
        """The flusher's place in the first of these files."""
        self._in_background = False
        """Whether the flusher writes until less is dirty than the background limit."""
        self._armed = False

    # -- how much may be dirty --------------------------------------------------------------------------------------

    def under_way(self) -> int:
        """Pages under writeback, to the swap server and to the disk."""
        return self.disk.writing + (self._swap.writeback if self._swap else 0)

    def dirtyable(self) -> int:
        """The memory that the limits are shares of: free pages, and all that reclaim could look at.

        In 6.11 the free pages above the high mark, and those of files (global_dirtyable_memory, mm/page-writeback.c).
        """
        if not self._kernel.dirty_limits_adapt:
            zone = self._zone
            return max(0, zone.free - zone.totalreserve()) + self.cache.resident()
        return self._zone.free + self.cache.pages() + self.under_way() - self.cache.flushing()

    def limits(self) -> tuple[int, int]:
        """(background, dirty) in pages: the ratio shrinks to half of what is not mapped, but not below its floor."""
        kernel = self._kernel
        dirtyable = self.dirtyable()
        ratio = kernel.dirty_ratio
        if kernel.dirty_limits_adapt:
            unmapped = 100 - 100 * self.cache.mapped_pages() // max(1, dirtyable)
            ratio = max(kernel.dirty_ratio_floor, min(ratio, unmapped // 2))
        dirty = ratio * dirtyable // 100
        background = kernel.dirty_background_ratio
        return (ratio // 2 if background >= ratio else background) * dirtyable // 100, dirty

    def throttles_reclaim(self, resident: int = 0) -> bool:
        """throttle_vm_writeout: whether a reclaimer at the end of a zone scan has to nap; `resident` pages at least are."""
        swap = self._swap
        under_way = self.disk.writing + swap.writeback if swap is not None else self.disk.writing
        if under_way > self.under_way_max:
            self.under_way_max = under_way
        kernel = self._kernel
        # What is free or resident is dirtyable, whatever else is: mostly that settles it (3 pages cover the rounding).
        sure = (self._zone.free + resident) * kernel.dirty_ratio_floor * 11
        if not kernel.throttles_writeout or (under_way + 3) * 1000 <= sure:
            return False
        return under_way > self.limits()[1] * 11 // 10

    def exceeded(self, file: File | None = None, limits: Limits = _USUAL) -> bool:
        """Whether more is dirty or under writeback than may be for a writer of this file.

        A quarter more may for a daemon with PF_LESS_THROTTLE. One with PF_LOCAL_THROTTLE is not held up while the disk that it
        writes to has less than half-way between both limits (balance_dirty_pages, dirty_freerun_ceiling); the share of that
        disk in the limit is taken to be all of it.
        """
        background, limit = self.limits()
        if limits.local and file is not None and self._of_disk(file) < (background + limit) // 2:
            return False
        return self.cache.dirty() + self.under_way() > (limit + limit // 4 if limits.less_throttle else limit)

    def _of_disk(self, file: File) -> int:
        """Pages of files dirty or being written of the disk that a file is on; what is swapped out is no file's."""
        files = [one for one in self.cache.files if one.disk is file.disk]
        writing = self.disk.writing if file.disk is None else sum(one.flushing for one in files)
        return sum(one.dirty for one in files) + writing

    # -- a program that writes --------------------------------------------------------------------------------------

    def dirtied(self, file: File) -> None:
        """Note that pages of a file have been written to."""
        if not file.dirty:
            return
        if file.dirtied_ns is None:
            file.dirtied_ns = self._events.now
        if not self._armed:
            self._armed = True
            interval = self._kernel.flush_interval_ns
            self._events.at((self._events.now // interval + 1) * interval, self._beat)
        self._start()

    def _start(self) -> None:
        """Start the flusher, if more is dirty than the background limit."""
        if not self._in_background and self.cache.dirty() > self.limits()[0]:
            self._in_background = True
            self._events.after(0, self._flush)

    def pause(self, file: File) -> tuple[int, bool]:
        """How long a writer above the limits sleeps (ns), and whether it goes on then, whatever they say.

        Since 3.2 it does if the device of its file has hardly anything dirty (the end of balance_dirty_pages), and sleeps for a
        jiffy (wb_max_pause): so that a device that does not answer leaves a way to the others.
        """
        kernel = self._kernel
        if self._of_disk(file) <= self._hardly_any:
            return kernel.retry_wait_ns, True
        return kernel.reclaim_wait_ns, False

    def has_paid(self, written: int, file: File | None = None, limits: Limits = _USUAL) -> bool:
        """Whether a writer above the limits may go on after it has written `written` pages out itself (until 3.1)."""
        return written >= _CHUNK or not self.exceeded(file, limits)

    def write_some(self, file: File, written: int) -> int:
        """Let a writer above the limits write dirty pages of its own disk; the number it has written in all.

        Since 3.2 it writes none, and leaves that to the flusher.
        """
        if not self._kernel.writers_write:
            self._start()
            return 0
        while written < _CHUNK and self._write_any(beside=file):
            written += 1
        return written

    # -- the flusher ------------------------------------------------------------------------------------------------

    def proceed(self) -> None:
        """Go on writing: the disk's queue takes another page."""
        if self._expired or self._in_background:
            self._flush(None)

    def _beat(self, _: object) -> None:
        """Every 5 s: begin to write whole files that have been dirty for 30 s."""
        now = self._events.now
        due = now - self._kernel.dirty_expire_ns
        for file in self.cache.files:
            if file.dirtied_ns is not None and file.dirtied_ns <= due and file not in self._expired:
                self._expired.append(file)
        self._flush(None)
        self._armed = any(file.dirtied_ns is not None for file in self.cache.files)
        if self._armed:
            self._events.at(now + self._kernel.flush_interval_ns, self._beat)

    def _flush(self, _: object) -> None:
        """Write as much as the disk's queue takes of what is to be written."""
        while self._expired and self._disk_of(self._expired[0]).can_page_out():
            self._write_on(self._expired[0])
        while self._in_background and self._any_takes():
            self._in_background = self.cache.dirty() > self.limits()[0]
            if not self._in_background or not self._write_any():
                break

    def _any_takes(self) -> bool:
        """Whether any disk takes another write."""
        return self.disk.can_page_out() or any(file.disk and file.disk.can_page_out() for file in self.cache.files)

    def _disk_of(self, file: File) -> FileDisk:
        return file.disk or self.disk

    def _write_on(self, file: File) -> None:
        """Write the next page of an expired file; after its last page the file is new again."""
        page = file.next_to_write(self._page)
        if page < file.pages:
            self._page = page + 1
            self._write(file, page)
            return
        self._page = 0
        self._expired.pop(0)
        file.dirtied_ns = self._events.now if file.dirty else None

    def _write_any(self, beside: File | None = None) -> bool:
        """Start to write the first dirty page there is, of the first file that has one, `beside` another on its disk.

        Disks that are congested are passed over.
        """
        for file in self.cache.files:
            own = beside is None or file.disk is beside.disk
            if file.dirty and own and self._disk_of(file).can_page_out():
                self._write(file, file.next_to_write(0))
                if not file.dirty:
                    file.dirtied_ns = None
                return True
        return False

    def _write(self, file: File, page: int) -> None:
        file.begin_write(page, leaves=False)
        if self._teller is not None:
            self._teller.page_begun(file, page, True, "file")
        self._disk_of(file).page_out(file, page)
