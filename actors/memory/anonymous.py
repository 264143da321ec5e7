"""Anonymous memory: the pages of programs, their states, and the clock hand that looks for the next to leave.

A machine has millions of pages, so a page is one byte of state and four of version, whole runs are looked at and changed at
C speed, and the host gives the tables memory only where they are touched. The *version* says which contents a page holds;
what comes back from the swap server must carry the version that was sent out.
"""

import re
from array import array
from collections.abc import Iterator
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import Final

from netswap.protocol.rpc import VERSION_MAX

UNTOUCHED: Final = 0x00
"""A page never written: its first touch gets a zeroed page."""
SWAPPED: Final = 0x01
"""A page whose contents only the swap server has."""
READING: Final = 0x02
"""A page for which memory has been found and whose page-in is under way."""
WRITING: Final = 0x03
"""A page whose page-out is under way; its memory is not free until the reply has been processed."""
RESIDENT: Final = 0x10
ACCESSED: Final = 0x20
"""A page touched since the hand came by: it gets a second chance."""
DIRTY: Final = 0x40
"""The swap server does not have these contents."""
HOT: Final = RESIDENT | ACCESSED | DIRTY

_MAPPED_MIN: Final = 1 << 16
"""Bytes from which on a table is a mapping of its own."""
_COLD: Final = RESIDENT | DIRTY
_ABSENT: Final = re.compile(rb"[\x00-\x0f]")
_WRITTEN: Final = re.compile(rb"[^\x00]")
_PRESENT: Final = re.compile(rb"[\x10-\xff]")
_MAY_LEAVE: Final = b"\x10\x50"
_VICTIM: Final = re.compile(rb"[\x10\x50]")
_ABSENT_STATES: Final = bytes(range(RESIDENT))
_TOUCHED: Final = bytes([HOT])
_READ: Final = bytes(state | ACCESSED if state & RESIDENT else state for state in range(256))
_RELEASED: Final = bytes(state if state in (READING, WRITING) else UNTOUCHED for state in range(256))
_WITHOUT_COPY: Final = bytes(
    state for state in range(256) if state == UNTOUCHED or (state & RESIDENT and state & DIRTY)
)
_FORGET: Final = bytes(state & ~ACCESSED if state & RESIDENT else state for state in range(256))


def _zeroed(size: int) -> bytearray | mmap:
    """A table of zeroes; a large one takes memory in chunks, on their first touch.

    Small tables are made at once: a process may have 65,530 mappings, and a cluster more address spaces than that.
    """
    return bytearray(size) if size < _MAPPED_MIN else mmap(-1, size, flags=MAP_PRIVATE | MAP_ANONYMOUS)


class AddressSpace:
    """The anonymous pages of one program; `base` is the number of its first page in the machine's swap space."""

    __slots__ = ("base", "gone", "left", "name", "pages", "resident", "rewritten", "versions", "states", "write_clock")

    def __init__(self, name: str, base: int, pages: int) -> None:
        self.name = name
        self.base = base
        self.pages = pages
        self.states = _zeroed(pages)
        self.versions = memoryview(_zeroed(4 * pages))[: 4 * pages].cast("I")
        self.resident = 0
        self.rewritten: set[int] = set()
        """Pages touched again while their page-out is under way: they stay."""
        self.write_clock = 0
        self.gone = False
        """Whether its program has ended: pages that come back from the server are free at once."""
        self.left = SWAPPED
        """The state of a page that has left memory."""

    def absent(self, start: int, end: int) -> int:
        """The first page within [start, end) that is not resident; `end` if all are."""
        found = _ABSENT.search(self.states, start, end)
        return found.start() if found else end

    def untouched(self, start: int, end: int) -> int:
        """The first page within [start, end) that has been written; `end` if none has."""
        found = _WRITTEN.search(self.states, start, end)
        return found.start() if found else end

    def touch(self, start: int, end: int, write: bool) -> None:
        """Use resident pages [start, end)."""
        if not write:
            self.states[start:end] = self.states[start:end].translate(_READ)
            return
        self.write_clock = version = self.write_clock % VERSION_MAX + 1
        count = end - start
        if count == 1:
            self.states[start] = HOT
            self.versions[start] = version
            return
        self.states[start:end] = _TOUCHED * count
        self.versions[start:end] = array("I", [version]) * count

    def fill(self, start: int, end: int) -> None:
        """Make pages [start, end) resident: zeroed pages have been found for them, written by their first touch."""
        self.resident += end - start
        self.touch(start, end, write=True)

    def keep_while_writing(self, page: int, *, write: bool) -> None:
        """Use a page again whose page-out is under way: it becomes resident, and the reply does not free it."""
        self.states[page] = RESIDENT | DIRTY
        self.resident += 1
        self.rewritten.add(page)
        self.touch(page, page + 1, write=write)

    def release(self) -> int:
        """Forget all pages, since the program has ended; the number of pages that were resident.

        A page that is being read or written is not free before that is over.
        """
        for page in self.rewritten:
            self.states[page] = WRITING
        freed = self.resident - len(self.rewritten)
        self.rewritten.clear()
        self.states[: self.pages] = self.states[: self.pages].translate(_RELEASED)
        self.resident = 0
        self.gone = True
        return freed

    def discard(self, start: int, end: int) -> int:
        """Forget pages [start, end), but for those that are being read or written; the number that were resident."""
        written = [page for page in self.rewritten if start <= page < end]
        for page in written:
            self.states[page] = WRITING
        self.rewritten.difference_update(written)
        states = bytes(self.states[start:end])
        freed = len(states.translate(None, _ABSENT_STATES))
        self.states[start:end] = states.translate(_RELEASED)
        self.resident -= freed + len(written)
        return freed

    def used(self) -> int:
        """Pages that have ever been written: those that are resident, swapped out, or on their way."""
        return self.pages - self.states[: self.pages].count(UNTOUCHED)

    def copies(self) -> int:
        """Pages that have a slot in the swap space: with their contents there, or on their way from or to it."""
        return len(self.states[: self.pages].translate(None, _WITHOUT_COPY)) + len(self.rewritten)

    def warm(self, resident: int, version: int) -> None:
        """Begin as after a long run: the first pages resident and dirty, the rest on the server with this version."""
        self.states[: self.pages] = bytes([RESIDENT | DIRTY]) * resident + bytes([SWAPPED]) * (self.pages - resident)
        self.versions[:] = array("I", [version]) * self.pages
        self.resident = resident
        self.write_clock = version

    def next_resident(self, start: int) -> int:
        """The first resident page from `start` on; `pages` if there is none."""
        found = _PRESENT.search(self.states, start)
        return found.start() if found else self.pages

    def residents(self, start: int, end: int) -> int:
        """How many of pages [start, end) are resident."""
        return len(self.states[start:end].translate(None, _ABSENT_STATES))

    def victim(self, start: int, end: int) -> tuple[int, int]:
        """(page, hand): the first page within [start, end) that may leave, and where the hand stands after it.

        Pages touched since the hand came by last are passed and lose their mark. Without a victim the page is -1.
        """
        found = _VICTIM.search(self.states, start, end)
        page = found.start() if found else end
        if page > start:
            self.states[start:page] = self.states[start:page].translate(_FORGET)
        return (page, page + 1) if found else (-1, end)


class ClockHand:
    """The clock hand that goes round all address spaces of a machine, the oldest first."""

    __slots__ = ("_page", "_space", "spaces")

    def __init__(self) -> None:
        self.spaces: list[AddressSpace] = []
        self._space = 0
        self._page = 0

    def resident(self) -> int:
        """Pages on the list that the hand goes round."""
        pages = 0
        for space in self.spaces:
            pages += space.resident
        return pages

    def at_dirty(self) -> bool:
        """Whether the hand stands on a page that may leave once it has been written."""
        if not self.spaces:
            return False
        space = self.spaces[self._space]
        return space.states[self._page] == _COLD and self._page not in space.rewritten

    def victims(self, quota: int) -> Iterator[tuple[AddressSpace, int]]:
        """The pages among the next `quota` resident pages that may leave, in order; at most two rounds."""
        turns = 2 * len(self.spaces)
        while quota > 0 and turns >= 0 and self.spaces:
            space = self.spaces[self._space]
            page = self._page
            if page < space.pages and space.states[page] in _MAY_LEAVE:
                self._page = page + 1
                quota -= 1
            else:
                start = space.next_resident(page)
                page, self._page = space.victim(start, min(space.pages, start + quota))
                quota -= space.residents(start, self._page)
            if self._page >= space.pages:
                self._space = (self._space + 1) % len(self.spaces)
                self._page = 0
                turns -= 1
            if page >= 0 and page not in space.rewritten:
                yield space, page

    def remove(self, space: AddressSpace) -> None:
        """Leave out a space whose program has ended."""
        index = self.spaces.index(space)
        del self.spaces[index]
        if index == self._space:
            self._page = 0
        elif index < self._space:
            self._space -= 1
        if self._space == len(self.spaces):
            self._space = 0

    def step_back(self, space: AddressSpace, page: int) -> None:
        """Go back to the last victim, which could not leave now: it is the first to be looked at next time."""
        self._space = self.spaces.index(space)
        self._page = page
