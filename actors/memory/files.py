"""The page cache: pages of files, clean ones that can be dropped at once and dirty ones that must be written first.

A file is a space of pages like a program's memory; its pages come from the machine's own disk and go back there. Pages of
a *mapped* file (program text, libraries) count as mapped memory, as anonymous pages do: reclaim spares both for a while
(mm/vmscan.c, mm/filemap.c). The disk never loses anything, so nothing compares the versions of what it gives back.
"""

import re
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from netswap.actors.disk import Disk
from netswap.actors.events import Events
from netswap.actors.memory.anonymous import (
    ACCESSED,
    DIRTY,
    RESIDENT,
    SWAPPED,
    UNTOUCHED,
    WRITING,
    AddressSpace,
    ClockHand,
)
from netswap.protocol.rpc import PAGE, VERSION_MAX
from netswap.protocol.units import seconds

WRITEBACK: Final = 0x80
"""A page that the flusher writes; it stays in memory, and may be read and written meanwhile."""

REMOTE_BASE: Final = 1 << 40
"""Where files begin on the swap server: beyond every swap space, those of later boots too."""

_TO_WRITE: Final = re.compile(rb"[\x50\x70]")
_DIRTY_STATES: Final = bytes(state for state in range(256) if state & RESIDENT and state & DIRTY)
_WRITE: Final = bytes(state | ACCESSED | DIRTY if state & RESIDENT else state for state in range(256))


class File(AddressSpace):
    """One file, on disk at time 0. Where only whole pages are ever written (`overwritten`), none is read before that."""

    __slots__ = ("dirtied_ns", "dirty", "disk", "flushing", "mapped", "nofs", "remote")

    def __init__(
        self, name: str, pages: int, *, mapped: bool = False, overwritten: bool = False, remote: bool = False
    ) -> None:
        super().__init__(name, REMOTE_BASE if remote else 0, pages)
        self.mapped = mapped
        self.remote = remote
        """Whether the file is on the swap server, beside the swap space."""
        self.nofs = False
        """Whether pages for it are allocated without __GFP_FS, since it is on a file system of the network."""
        self.disk: FileDisk | None = None
        """Where the file is, if not on the machine's own disk."""
        self.left = UNTOUCHED if overwritten else SWAPPED
        self.states[:] = bytes([self.left]) * pages
        self.dirty = 0
        """Pages to be written that are not being written."""
        self.flushing = 0
        """Pages being written that stay."""
        self.dirtied_ns: int | None = None
        """Since when the file has had dirty pages."""

    def touch(self, start: int, end: int, write: bool) -> None:
        """Use resident pages [start, end)."""
        if not write:
            super().touch(start, end, write=False)
            return
        run = self.states[start:end]
        self.dirty += len(run.translate(None, _DIRTY_STATES))
        self.states[start:end] = run.translate(_WRITE)
        self.write_clock = version = self.write_clock % VERSION_MAX + 1
        self.versions[start:end] = array("I", [version]) * (end - start)

    def fill(self, start: int, end: int) -> None:
        """Make pages [start, end) resident and dirty: memory has been found for them, and they are written."""
        self.states[start:end] = bytes([RESIDENT]) * (end - start)
        self.resident += end - start
        self.touch(start, end, write=True)

    def keep_while_writing(self, page: int, *, write: bool) -> None:
        """Use a page again that reclaim is writing: it stays."""
        self.states[page] = RESIDENT | DIRTY | WRITEBACK
        self.resident += 1
        self.flushing += 1
        self.touch(page, page + 1, write=write)

    def cache(self, pages: int, *, dirty: bool = False) -> None:
        """Begin as if the first pages had been read, or written, long ago."""
        self.states[:pages] = bytes([RESIDENT | DIRTY if dirty else RESIDENT]) * pages
        self.resident = pages
        self.dirty = pages if dirty else 0

    def next_to_write(self, start: int) -> int:
        """The first page from `start` on that is dirty and not being written; `pages` if there is none."""
        found = _TO_WRITE.search(self.states, start)
        return found.start() if found else self.pages

    def begin_write(self, page: int, *, leaves: bool) -> None:
        """Begin to write a dirty page, for it to leave (by reclaim) or to stay as a clean page."""
        self.dirty -= 1
        if leaves:
            self.states[page] = WRITING
            self.resident -= 1
        else:
            self.states[page] |= WRITEBACK
            self.flushing += 1

    def end_write(self, page: int, version: int) -> bool:
        """Note that the contents `version` are on disk; whether the page leaves."""
        if self.states[page] == WRITING:
            self.states[page] = self.left
            return True
        self.flushing -= 1
        self.states[page] &= ~WRITEBACK
        if self.versions[page] == version:
            self.states[page] &= ~DIRTY
        else:
            self.dirty += 1
        return False


class FileDisk(Protocol):
    """A disk that files are on."""

    def can_page_out(self) -> bool:
        """Whether the queue takes another write."""

    def page_out(self, file: File, page: int) -> None:
        """Write a page."""

    def page_in(self, file: File, page: int) -> None:
        """Read a page."""


class DiskUser(Protocol):
    """The part that has to know what the disk has done."""

    def file_written(self, file: File, page: int, version: int) -> None:
        """A page is on disk."""

    def file_read(self, file: File, page: int) -> None:
        """A page has been read."""


class LocalDisk:
    """The disk of files: requests in order, its latency shared by those that wait together."""

    __slots__ = ("_disk", "_events", "_free_ns", "_latency_ns", "_page_ns", "_queue", "owner", "reading", "writing")

    def __init__(self, events: Events, disk: Disk, latency_ns: int, bandwidth: int, queue: int) -> None:
        """`bandwidth` in bytes per second; `queue`: writes that it takes before it is congested."""
        self.owner: DiskUser
        self.writing = 0
        """Pages under writeback."""
        self.reading = 0
        """Pages of files that are being read."""
        self._events = events
        self._disk = disk
        self._latency_ns = latency_ns
        self._page_ns = PAGE * seconds(1) // bandwidth
        self._queue = queue
        self._free_ns = 0

    def can_page_out(self) -> bool:
        """Whether the queue takes another write."""
        return self.writing < self._queue

    def page_out(self, file: File, page: int) -> None:
        """Write a page."""
        self.writing += 1
        self._events.at(self._done_ns(), self._written, (file, page, file.versions[page]))

    def page_in(self, file: File, page: int) -> None:
        """Read a page."""
        self.reading += 1
        self._events.at(self._done_ns(), self._read, (file, page))

    def keep(self, name: str) -> dict[Any, Any]:
        """The pages kept on it under a name, also when the machine goes down."""
        return self._disk.of(name)

    def submit(self, done: Callable[[Any], None], argument: Any) -> int:
        """Read or write a page that is no file's; when it is done (ns)."""
        done_ns = self._done_ns()
        self._events.at(done_ns, done, argument)
        return done_ns

    def _done_ns(self) -> int:
        self._free_ns = max(self._free_ns, self._events.now) + self._page_ns
        slow_ns = self._disk.slow_ns
        return self._free_ns + (self._latency_ns if slow_ns is None else slow_ns)

    def _written(self, job: tuple[File, int, int]) -> None:
        self.writing -= 1
        self.owner.file_written(*job)

    def _read(self, job: tuple[File, int]) -> None:
        self.reading -= 1
        self.owner.file_read(*job)


class PageCache:
    """The files of one machine, and how much memory of each kind there is."""

    def __init__(self, mapped: ClockHand) -> None:
        self.files: list[File] = []
        self.flushes_remotely = False
        """Whether any file is on the swap server."""
        self.unmapped = ClockHand()
        self.text = ClockHand()
        """The hand over mapped files only, for a reclaimer that cannot see past a page that has to be written."""
        self.locked: Sequence[AddressSpace] = ()
        """Memory of programs that may not leave."""
        self.mapped = mapped
        """The hand over the memory of programs and their text."""

    def add(self, file: File) -> None:
        """Add a file, after those that are there."""
        self.files.append(file)
        self.flushes_remotely = self.flushes_remotely or file.remote
        for hand in (self.mapped, self.text) if file.mapped else (self.unmapped,):
            hand.spaces.append(file)

    def unmap(self, file: File) -> None:
        """Note that no program has this file mapped any more."""
        file.mapped = False
        for hand in (self.mapped, self.text):
            hand.remove(file)
        self.unmapped.spaces.append(file)

    def resident(self) -> int:
        """File pages in memory, those included that reclaim has sent to disk."""
        return self.unmapped.resident() + self.text.resident()

    def clean(self) -> int:
        """File pages that can be dropped at once: what is neither dirty nor being written."""
        return sum(file.resident - file.dirty - file.flushing for file in self.files)

    def dirty(self) -> int:
        """File pages to be written."""
        return sum(file.dirty for file in self.files)

    def flushing(self) -> int:
        """File pages that are being written and stay."""
        return sum(file.flushing for file in self.files)

    def mapped_pages(self) -> int:
        """Pages that some program has mapped: anonymous ones and those of mapped files."""
        return self.mapped.resident() + self.locked_pages()

    def locked_pages(self) -> int:
        """Mapped pages that no hand goes round."""
        pages = 0
        for space in self.locked:
            pages += space.resident
        return pages

    def pages(self) -> int:
        """All pages that reclaim could look at, but for those that it has sent away already."""
        return self.mapped_pages() + self.unmapped.resident()
