"""kswapd: the thread that frees pages in the background, from the low mark on until the high mark is reached.

Source: mm/vmscan.c (balance_pgdat, kswapd) of 2.6.22, and of 6.1 and 6.11 (kswapd_shrink_node, shrink_lruvec too).

What kernels differ in is what lies between two looks at the marks. In 6.x a pass wants as many pages as the high marks of all
zones are together, boost included, and looks at no more than its share of the lists; only then are the marks looked at, so it
goes beyond them. A page that it has started to write is looked at, and not reclaimed: it counts when it comes back, as the next
look at it would count it. It waits for no page that it has started, only for a request slot. The next pass looks at twice as
much, unless this one has looked at all it wanted and has reclaimed something; after the last one the boost that it began with is
taken back, whether the marks have been reached or not. On a machine of one zone the marks are looked at
after each page, also under 6.x (ours: docs/model.md says why).

In 2.6.22 a pass wants nothing: it looks at its share, 32 pages of lists of up to 131,072 at the first priority, and after 32 that
it has reclaimed it begins at that priority anew. Here the marks are looked at after each page then (ours: it would go less than
a cluster beyond them).
"""

from collections.abc import Callable
from typing import Final

from netswap.actors.events import NEVER
from netswap.actors.memory.board import Board
from netswap.actors.memory.scan import Scan
from netswap.actors.memory.throttle import Throttle
from netswap.actors.memory.waiter import ASLEEP, Outcome

# By name once: to look up a member of an enum costs more than a call.
_NAP: Final = Outcome.NAP
_NOTHING: Final = Outcome.NOTHING
_NO_SLOT: Final = Outcome.NO_SLOT
_SCANNED: Final = Outcome.SCANNED


class Kswapd:
    """The kswapd of one machine."""

    def __init__(self, board: Board, scan: Scan, throttle: Throttle, wake_throttled: Callable[[], None]) -> None:
        """`wake_throttled` lets the direct reclaimers go on that `throttle` holds."""
        self.asleep = True
        self.wakes = board.tally.kswapd_wakes
        self.hopeless = False
        """kswapd has given up, and sleeps until a direct reclaimer has freed something."""
        self.wants_slot = False
        """kswapd has found a page to write and no free request slot."""
        self._events = board.events
        self._zone = board.zone
        self._kernel = board.kernel
        self._scan = scan
        self._throttle = throttle
        self._wake_direct_reclaimers = wake_throttled
        self._poll_pending = False
        self._boosts = board.zone.boosts()
        """How far the watermarks of each zone were boosted when it was woken."""
        self._freed_before = 0
        """What reclaim had freed when it ran last."""
        self._priority = board.kernel.def_priority
        self._outcome = _NOTHING
        self._stuck_ns = 0
        """From when on it is taken to be stuck, if it sleeps for a slot."""
        self._by_pass = board.zone.pass_pages() > 0
        """Whether it looks at the marks only between passes."""
        self._wanted = 0
        """Pages that the pass under way wants; 0: none is."""
        self._looked_before = 0
        self._reclaimed_before = 0
        """What had been looked at, and reclaimed, when it began."""

    def wake(self) -> None:
        """An allocation has failed at the low mark.

        While it sleeps for a slot, others scan in its place: every reclaim wait it looks for clean pages of files again. One
        that has given up is not woken.
        """
        if self.hopeless:
            return
        if self.asleep:
            self.asleep = False
            self.wakes += 1
            self._boosts = self._zone.boosts()
            self._events.after(0, self._run)
        elif self.wants_slot and self._events.now >= self._stuck_ns:
            cache = self._scan.cache
            if cache.files and cache.clean():
                self._stuck_ns = self._events.now + self._kernel.reclaim_wait_ns
                self._events.after(0, self._run)

    def calm_until_ns(self) -> int:
        """Until when to wake it does nothing, as long as nothing else happens, if it did nothing before."""
        cache = self._scan.cache
        return self._stuck_ns if self.wants_slot and cache.files and cache.clean() else NEVER

    def slot_free(self) -> None:
        """A request slot of the swap device has become free."""
        if self.wants_slot:
            self.wants_slot = False
            self._outcome = _NOTHING
            self._events.after(0, self._run)

    def waits_for(self) -> str:
        """What holds it up, in words; nothing if nothing does."""
        swap = self._scan.swap
        if self.wants_slot and swap is not None:
            return swap.hindrance()
        napping = not self.asleep and self._outcome is _NAP
        return "less to be under writeback" if napping else ""

    def overslept(self, marks: str, *, can_write: bool) -> list[str]:
        """Whether it waits although what it waits for is there, in words with `marks`; empty in a model without errors.

        `can_write`: whether the swap device takes a page now.
        """
        found = []
        if self.wants_slot and can_write:
            found.append("kswapd waits for a request slot, and there is one")
        if not (self.asleep or self.wants_slot or self._poll_pending):
            found.append(f"kswapd waits for nothing: {marks}")
        return found

    def _run(self, _: object) -> None:
        """Work until there is enough, a slot is missing, or there is nothing left to try for now.

        In each case but the second it takes back the boost that it began with (balance_pgdat, out).
        """
        zone, laundry = self._zone, self._scan.laundry
        self._balance()
        if not (self.wants_slot or self._outcome is _NAP):
            zone.take_back_boost(self._boosts)
        if self._throttle.on or self._kernel.kswapd_gives_up:
            self._note_run()
        if self._throttle.on and not self._throttle.holds():
            self._wake_direct_reclaimers()
        if laundry is not None:
            laundry.wash()
        if zone.free >= zone.kswapd_goal():
            self.asleep = True
            self._priority = self._kernel.def_priority
        elif 0 < self._kernel.kswapd_gives_up <= self._throttle.failures:
            self.asleep = self.hopeless = True
            self._priority = self._kernel.def_priority
        elif not self.wants_slot and not self._poll_pending:
            self._poll_pending = True
            self._events.after(self._kernel.reclaim_wait_ns, self._poll)

    def _poll(self, _: object) -> None:
        self._poll_pending = False
        self._boosts = self._zone.boosts()
        self._run(None)

    def _freed(self) -> int:
        """Pages that reclaim has freed so far."""
        return self._scan.dropped + self._scan.returned

    def _note_run(self) -> None:
        """Count a run in which nothing has been freed, or begin the count anew; one that sleeps for a slot is not over."""
        freed = self._freed()
        if freed != self._freed_before:
            self._throttle.failures = 0
        elif not self.wants_slot:
            self._throttle.failures += 1
        self._freed_before = freed

    def hope(self) -> None:
        """A direct reclaimer has made a pass: if anything has been freed since it gave up, it may be woken again."""
        if self.hopeless and self._freed() != self._freed_before:
            self.hopeless = False
            self._throttle.failures = 0

    def _balance(self) -> None:
        """Make passes until there is enough, a slot is missing, or there is nothing left to try for now."""
        if self._by_pass:
            self._balance_by_pass()
        else:
            self._balance_by_page()

    # -- the marks after each page ----------------------------------------------------------------------------------------

    def _balance_by_page(self) -> None:
        """Make passes until the high mark is reached. They go round twice: marked pages have a second chance and no third.

        While mapped pages are spared there may be nothing to look at, and then nothing to wait for either.
        """
        zone, scan, first = self._zone, self._scan, self._kernel.def_priority
        while zone.free < (goal := zone.kswapd_goal()):
            priority = self._priority
            outcome = scan.shrink(priority, goal, self._outcome, rounds=2)
            self._outcome = outcome
            if outcome is _NO_SLOT:
                self._sleep_for_slot()
            if outcome in ASLEEP:
                return  # the pass has not ended: the same priority goes on when it is woken
            if scan.oom is not None:
                scan.oom.looked(priority, kswapd=True)
            self._priority = priority - 1 if priority else first
            if (
                not priority
                or scan.takes_mapped(priority, scan.cache.mapped_pages())
                or (outcome is _SCANNED and scan.naps_after(priority))
            ):
                return

    # -- the marks after each pass ----------------------------------------------------------------------------------------

    def _balance_by_pass(self) -> None:
        """Make passes until enough is free at the end of one, a slot is missing, or the last has been made."""
        zone, scan = self._zone, self._scan
        while self._wanted or zone.free < zone.kswapd_goal():
            if not self._wanted:
                self._begin()
            left = self._wanted - (self._freed() - self._reclaimed_before)
            self._outcome = scan.shrink(self._priority, zone.free + left, self._outcome) if left > 0 else self._outcome
            if self._outcome is _NO_SLOT and not self._is_over():
                self._sleep_for_slot()
                return
            if self._ends():
                return

    def _sleep_for_slot(self) -> None:
        self.wants_slot = True
        self._stuck_ns = self._events.now + self._kernel.reclaim_wait_ns

    def _looked(self) -> int:
        """Pages looked at so far: those written, those dropped, and those that came back."""
        return self._scan.started + self._freed()

    def _begin(self) -> None:
        self._wanted = self._zone.pass_pages()
        self._looked_before, self._reclaimed_before = self._looked(), self._freed()

    def _is_over(self) -> bool:
        """Whether the pass has looked at its share of the lists, or has reclaimed what it wanted."""
        share = self._scan.cache.resident() + self._scan.hand.resident() >> self._priority
        looked, reclaimed = self._looked() - self._looked_before, self._freed() - self._reclaimed_before
        return looked >= share or reclaimed >= self._wanted

    def _ends(self) -> bool:
        """End the pass; whether it was the last."""
        looked, reclaimed = self._looked() - self._looked_before, self._freed() - self._reclaimed_before
        wanted, self._wanted = self._wanted, 0
        if looked >= wanted and reclaimed:
            return False
        self._priority -= 1
        if self._priority >= 1:
            return False
        self._priority = self._kernel.def_priority
        return True
