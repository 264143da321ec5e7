"""The OOM killer: when reclaim is given up, which program has to die then, and what becomes of a program that cannot die.

Source: mm/page_alloc.c (__alloc_pages; should_reclaim_retry, __alloc_pages_may_oom), mm/vmscan.c (try_to_free_pages,
balance_pgdat, zone_reclaimable_pages) and mm/oom_kill.c of 2.6.22 and 6.11. Only a direct reclaimer that may enter a file
system ever kills, and only at the end of an attempt. A task that sleeps for a request slot, in throttle_vm_writeout or in the
throttle of direct reclaimers gets to no such end: that is how a machine wedges without a word.
"""

from collections.abc import Callable, Sequence
from math import isqrt
from typing import Final, Protocol

from netswap.actors.memory.board import Board
from netswap.protocol.units import seconds

UNRECLAIMABLE: Final = 1 << 62
"""What `pages_scanned` is once kswapd has given the zone up: all_unreclaimable."""
_PAGES_PER_TABLE: Final = 512
"""Entries of a page table (x86-64)."""


class Process(Protocol):
    """A program, as the OOM killer sees it."""

    dying: bool
    """Whether it has been killed, dead or not."""
    dead: bool
    reaped: bool
    """Whether all memory has been taken from it."""

    def is_protected(self) -> bool:
        """Whether it cannot be killed, or need not be: it is part of the kernel, exempt (OOM_DISABLE), or has ended."""

    def total_pages(self) -> int:
        """The size of its address space."""

    def cpu_s(self) -> int:
        """The time it has computed, in seconds."""

    def run_s(self) -> int:
        """How long it has run, in seconds."""

    def used_pages(self) -> int:
        """Pages resident or swapped out."""

    def kill(self) -> None:
        """Let it die, at once or when it can wake from its wait."""

    def reap(self) -> None:
        """Take its memory."""


class Attempts(Protocol):
    """A task in direct reclaim, with a record of its fruitless attempts."""

    may_fs: bool
    fruitless: int
    """Attempts in a row after which nothing had been freed."""
    dropped: int
    """Clean pages that its own passes have dropped."""
    freed: int
    """The progress that it knew of when the last of these attempts ended."""


def badness_by_size(process: Process) -> int:
    """Points of 2.6.22: the address space in pages, by the root of tens of seconds computed, by the fourth root of run time.

    Units of 8 s and 1024 s. No program here has children or is niced, and none is the superuser's.
    """
    points = process.total_pages()
    points //= isqrt(process.cpu_s() >> 3) or 1
    return points // (isqrt(isqrt(process.run_s() >> 10)) or 1)


def badness_by_memory(process: Process) -> int:
    """Points of 6.11: pages resident and swapped out, and the page tables for them."""
    pages = process.used_pages()
    tables = -(-pages // _PAGES_PER_TABLE)
    return pages + tables + -(-tables // _PAGES_PER_TABLE) + 1


class OomKiller:
    """The OOM killer of one machine."""

    def __init__(
        self,
        board: Board,
        lru: Callable[[], int],
        freed: Callable[[], int],
        processes: Sequence[Process],
        written: Callable[[], int] | None = None,
    ) -> None:
        """`lru`: pages that reclaim could look at; `freed`: pages it has freed so far.

        `written`: those of them that had to be written out; None: all of them.
        """
        self.processes = processes
        """All programs of the machine, in the order in which they were started."""
        self.pages_scanned = 0
        """Pages that reclaim has looked at since any were freed."""
        self._events = board.events
        self._zone = board.zone
        self._counters = board.counters
        self._rules = board.kernel.oom
        self._lru = lru
        self._freed = freed
        self._written = freed if written is None else written
        self._held_back = board.kernel.held_back(*board.zone.sizes())
        """Freed pages that do not count as freed."""
        self._freed_before = 0
        self._free_least = board.zone.free
        """The fewest free pages seen since any were freed."""

    # -- when -------------------------------------------------------------------------------------------------------

    def looked(self, priority: int, *, kswapd: bool = False) -> bool:
        """Count a pass at this priority that has come to its end; whether there is no use in going on with this attempt."""
        scans = self._rules.fruitless_scans
        if not scans:
            return False
        self._note_freed()
        if self.pages_scanned < UNRECLAIMABLE:
            lru = self._lru()
            self.pages_scanned += lru >> priority
            if kswapd and self.pages_scanned >= scans * lru:
                self.pages_scanned = UNRECLAIMABLE
        return self.pages_scanned >= UNRECLAIMABLE

    def _note_freed(self) -> None:
        """Begin the count anew if pages have been freed, by reclaim or otherwise (free_pages_bulk)."""
        freed, free = self._freed(), self._zone.free
        if freed != self._freed_before or free > self._free_least + self._held_back:
            self.pages_scanned = 0
            self._freed_before = freed
            self._free_least = free
        elif free < self._free_least:
            self._free_least = free

    def begins(self, attempts: Attempts) -> None:
        """Note what has been freed when a task enters direct reclaim."""
        if not self._rules.fruitless_scans:
            attempts.freed = self._progress(attempts)

    def is_out(self, attempts: Attempts) -> bool:
        """Whether a program has to be killed, after an attempt that has ended without a page."""
        if self._rules.fruitless_scans:
            self._note_freed()
            return attempts.may_fs and self.pages_scanned >= UNRECLAIMABLE
        return self._retries_in_vain(attempts) and attempts.may_fs

    def _progress(self, attempts: Attempts) -> int:
        """What a direct reclaimer takes for progress: what its own passes have freed (did_some_progress).

        What others drop is no progress of its. A page that has been written is freed by the task that looks at it next, and here
        as soon as it is answered, for those that wait: so each of them takes it for its own.
        """
        return attempts.dropped + self._written()

    def _retries_in_vain(self, attempts: Attempts) -> bool:
        """Whether should_reclaim_retry says no; then the count begins anew."""
        freed = self._progress(attempts)
        attempts.fruitless = 0 if freed != attempts.freed else attempts.fruitless + 1
        attempts.freed = freed
        reachable = self._zone.could_reach_min(self._lru())
        if attempts.fruitless <= self._rules.fruitless_attempts and reachable:
            return False
        attempts.fruitless = 0
        return True

    # -- which------------------------------------------------------------------------------------------------------

    def kill(self) -> bool:
        """Kill the worst program; False if one that has been killed is still to die, or there is none to be killed.

        (With none left the kernel panics; here the scenario's programs are not all that run, so the machine goes on.)
        """
        chosen = self._choose()
        if chosen is None:
            return False
        self._counters.oom_kills += 1
        chosen.kill()
        if self._rules.reaper_delay_ns is not None:
            self._events.after(self._rules.reaper_delay_ns, self._reap, chosen)
        return True

    def _choose(self) -> Process | None:
        by_memory = self._rules.by_memory
        chosen, most = None, -1
        for process in self.processes:
            if process.dying and not process.dead:
                if not process.reaped:
                    return None
            elif not process.dying and not process.is_protected():
                points = badness_by_memory(process) if by_memory else badness_by_size(process)
                # Among equals 2.6.22 takes the first, 6.11 the last.
                if points > most or (by_memory and points == most):
                    chosen, most = process, points
        return chosen

    def _reap(self, process: Process) -> None:
        if not process.dead:
            process.reap()


def run_time_s(since_ns: int, now_ns: int) -> int:
    """Whole seconds between two times."""
    return now_ns // seconds(1) - since_ns // seconds(1)
