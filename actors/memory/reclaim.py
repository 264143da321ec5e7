"""Freeing pages: kswapd, direct reclaim, and those who wait for a page.

Source: mm/vmscan.c and mm/page_alloc.c of 2.6.22. Each pass looks at a share of the page cache first, and at mapped pages
(program text, then anonymous memory) once the pressure says so. A clean page is dropped at once; a dirty one is written,
and whoever finds no request slot for it sleeps there.

Two steps of the kernel are folded into one: a page whose page-out has been answered is freed at once (there it is moved
to the tail of the inactive list, and the next scan frees it). Those who wait for a page are served in order, one for each
page freed, and each has one poll pending, as congestion_wait gives every direct reclaimer its turn at the latest after
0.1 s. Whoever is asleep for a slot for so long is taken to find clean pages of files still: there are others who scan. Today
who finds no free request slot sleeps there until there is one, whatever becomes free meanwhile (blk_mq_get_tag,
mempool_alloc).
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from netswap.actors.kernels import Kernel
from netswap.actors.memory.anonymous import DIRTY, RESIDENT, SWAPPED, WRITING, AddressSpace, ClockHand
from netswap.actors.memory.board import Board
from netswap.actors.memory.clean_minimum import CleanMinimum
from netswap.actors.memory.files import File, PageCache
from netswap.actors.memory.laundry import Laundry
from netswap.actors.memory.oom import OomKiller
from netswap.actors.memory.ports import Sleeper, SwapOut
from netswap.actors.memory.throttle import NO_FS_NS, Throttle
from netswap.actors.memory.waiter import Asleep, Outcome, PollQueue, VictimServed, Waiter
from netswap.actors.memory.writeback import Writeback

_ASLEEP = (Outcome.NO_SLOT, Outcome.NAP)
# By name once: to look up a member of an enum costs more than a call.
_NOWHERE: Final = Asleep.NOWHERE
_SLOT: Final = Asleep.SLOT
_THROTTLE: Final = Asleep.THROTTLE
_NAP: Final = Outcome.NAP
_NOTHING: Final = Outcome.NOTHING
_NO_SLOT: Final = Outcome.NO_SLOT
_SCANNED: Final = Outcome.SCANNED


class Reclaim:
    """kswapd and direct reclaim of one machine."""

    def __init__(
        self,
        board: Board,
        swap: SwapOut | None,
        writeback: Writeback | None = None,
        *,
        clean_minimum: CleanMinimum | None = None,
        laundry: Laundry | None = None,
    ) -> None:
        """`writeback`: of the files there are; None where there are none.

        `clean_minimum`: what of the page cache may not be dropped; `laundry`: where dirty pages wait until the high mark is
        reached; each if there is such a rule.
        """
        zone, kernel, tally = board.zone, board.kernel, board.tally
        self.cache = writeback.cache if writeback is not None else PageCache(ClockHand())
        self.hand = self.cache.mapped
        self.waiters: deque[Waiter] = deque()
        self.asleep = True
        self.kswapd_wakes = tally.kswapd_wakes
        self.wants_slot = False
        """kswapd found a page to write and no free request slot."""
        self.writeout_naps = tally.writeout_naps
        """Naps of reclaimers in throttle_vm_writeout."""
        self.oom: OomKiller | None = None
        """Asked when an attempt has been in vain; it counts what reclaim frees, so it comes after."""
        self.swap_pages: int | None = None
        """Pages that the swap space holds; None if it cannot become full."""
        self.dropped = 0
        """Clean pages that have been dropped."""
        self.clean_minimum = clean_minimum
        self.laundry = laundry
        self._events = board.events
        self._zone = zone
        self._kernel = kernel
        self._swap = swap
        self._throttle = Throttle(zone, self.reclaimable, on=board.policy.reclaim_throttle)
        self._serving = False
        self._poll_pending = False
        self._freed_to = 0
        """Free pages when kswapd ran last."""
        self._disk = writeback.disk if writeback is not None else None
        self._writeback = writeback
        self._throttled: Callable[[int], bool] = _never if writeback is None else writeback.throttles_reclaim
        """Whether throttle_vm_writeout makes a reclaimer nap; at least so many pages are resident."""
        self._kswapd_priority = kernel.def_priority
        self._kswapd_outcome = _NOTHING
        self._stuck_ns = 0
        """From when on kswapd, asleep for a slot, is taken to be stuck."""
        self._rests = {length_ns: PollQueue() for length_ns in (kernel.retry_wait_ns, kernel.reclaim_wait_ns)}
        self.polls = self._rests[kernel.reclaim_wait_ns].ends
        """When each nap ends."""
        zone.on_pressure(self.wake_kswapd)
        zone.on_free_with_waiters(self._page_freed)

    def go_round(self, spaces: list[AddressSpace], swap_pages: int | None = None) -> None:
        """Look for pages in the memory of these programs, in this order; `swap_pages`: the size of the swap space, if any."""
        self.hand.spaces = spaces
        if swap_pages is not None and sum(space.pages for space in spaces) > swap_pages:
            self.swap_pages = swap_pages

    # -- whoever needs a page ---------------------------------------------------------------------------------------

    def obtain(
        self,
        who: str,
        granted: Callable[[], None],
        task: Sleeper | None = None,
        *,
        process: Sleeper | None = None,
        user: bool = True,
        may_fs: bool = True,
    ) -> bool:
        """A page for who may wait: True if it was had at once; otherwise `granted` is called when it has been found.

        `task`: the program that needs it, if one does, for the OOM killer; `process`: the one that sleeps meanwhile; `user`:
        a user task, not a kernel thread; `may_fs`: its allocation may enter a file system (__GFP_FS).
        """
        zone, waiters = self._zone, self.waiters
        if not waiters and zone.take(zone.floors.kernel):
            return True
        waiter = Waiter(who, granted, self._kernel.def_priority, task, process, user, may_fs)
        if self.oom is not None:
            self.oom.begins(waiter)
        rest_ns = self._enter(waiter)
        floor = zone.floors.kernel
        if waiter.asleep is _NOWHERE and not waiters and zone.free > floor and zone.take(floor):
            return True
        waiters.append(waiter)
        zone.waiters = waiters
        self._rest(waiter, rest_ns)
        return False

    def sleepers(self) -> int:
        """How many of those who wait sleep where no free page wakes them."""
        return sum(waiter.asleep is not _NOWHERE for waiter in self.waiters)

    def has_page(self) -> bool:
        """Whether a page can be had without waiting; if only for want of pages it cannot, kswapd is woken."""
        zone = self._zone
        if self.waiters:
            return False
        if zone.free > zone.floors.kernel:
            return True
        zone.press()
        return False

    def obtain_now(self, wanted: int) -> int:
        """Up to `wanted` pages that can be had without waiting; how many."""
        zone = self._zone
        if self.waiters:
            return 0
        return zone.take_many(zone.floors.kernel, wanted)

    def later(self, resume: Callable[[object], None]) -> None:
        """Let a process run on as soon as what is being done now has been done."""
        self._events.after(0, resume)

    def reclaimable(self) -> int:
        """Pages on the lists, those under writeback included.

        In 2.6.22 all; today neither what is locked nor, without a swap, anonymous ones (zone_reclaimable_pages).
        """
        cache = self.cache
        if self._kernel.oom.fruitless_scans:
            pages = cache.pages()
        elif self._swap is None or self._swap_room() == 0:
            pages = cache.resident()
        else:
            pages = cache.unmapped.resident() + self.hand.resident()
        if self._writeback is not None:
            pages += self._writeback.under_way() - cache.flushing()
        return pages

    def _swap_room(self) -> int | None:
        """Pages for which there is a slot in the swap space; None for all that there will ever be."""
        if self.swap_pages is None:
            return None
        spaces = [space for space in self.hand.spaces if not isinstance(space, File)]
        return max(0, self.swap_pages - sum(space.copies() for space in spaces))

    def mark_victim(self, task: Sleeper, settled: VictimServed) -> None:
        """This program has been killed: if it waits for a page, it has a victim's right to one, and `settled` is told."""
        for waiter in self.waiters:
            if waiter.task is task:
                waiter.victim_served = settled
                if waiter.asleep is _THROTTLE and self._kernel.oom.wakes_killed:
                    waiter.sleep(_NOWHERE)
                    self._events.after(0, self._go_on, waiter)

    def _page_freed(self) -> None:
        if not self._serving:
            self._serving = True
            self._events.after(0, self._serve)

    def _serve(self, _: object) -> None:
        """Hand pages to those who wait, in order, while there are any above the floor."""
        self._serving = False
        zone = self._zone
        waiters = self.waiters
        while waiters and (waiters[0].asleep is _NOWHERE or self._find_awake()):
            if not zone.take(zone.floors.kernel):
                return
            self._grant(waiters.popleft())

    def _grant(self, waiter: Waiter) -> None:
        waiter.served = True
        polls = self.polls
        while polls and polls[0][1].served:
            polls.popleft()
        waiter.granted()
        if waiter.victim_served is not None:
            waiter.victim_served(True)

    def _find_awake(self) -> bool:
        """Bring the first waiter to the front who is awake, if there is one."""
        for waiter in self.waiters:
            if waiter.asleep is _NOWHERE:
                self.waiters.remove(waiter)
                self.waiters.appendleft(waiter)
                return True
        return False

    def _enter(self, waiter: Waiter) -> int:
        """One round of direct reclaim, unless it is throttled; how long to rest then (ns).

        Without a request slot it ends asleep, if the kernel says so.
        """
        if waiter.user and self._throttle.on and self._throttle.holds():
            waiter.sleep(_THROTTLE)
            self.wake_kswapd()
            return 0
        rest_ns = self._reclaim(waiter)
        zone = self._zone
        if self._kernel.sleeps_for_slot and waiter.outcome is _NO_SLOT and zone.free <= zone.floors.kernel:
            waiter.sleep(_SLOT)
        return rest_ns

    def _rest(self, waiter: Waiter, rest_ns: int) -> None:
        """Let some time pass before the next round; who is asleep waits to be woken."""
        if waiter.asleep is _NOWHERE:
            self._wait(waiter, rest_ns)
        elif waiter.asleep is _THROTTLE and not waiter.may_fs:
            self._events.after(NO_FS_NS, self._give_up_sleep, waiter)

    def _round(self, waiter: Waiter) -> None:
        """Reclaim, and rest; or kill, if that has been in vain; or die."""
        if not (waiter.over and self._kills(waiter)) and not (waiter.is_victim() and self._try_as_victim(waiter)):
            self._rest(waiter, self._enter(waiter))
        self._page_freed()

    def _kills(self, waiter: Waiter) -> bool:
        """After an attempt in vain: whether somebody has been killed, or is to die still, and there is that to wait for."""
        waiter.over = False
        oom, kernel = self.oom, self._kernel
        if oom is None or waiter.is_victim() or not oom.is_out(waiter):
            return False
        killed = oom.kill()
        if waiter.is_victim():
            return False
        self._wait(waiter, kernel.retry_wait_ns if killed else kernel.reclaim_wait_ns)
        return True

    def _try_as_victim(self, waiter: Waiter) -> bool:
        """Who has been killed takes a page below min, or is refused one; False if it sleeps uninterruptibly instead."""
        if waiter.outcome in _ASLEEP:
            rest_ns = self._enter(waiter)
            if waiter.asleep is not _NOWHERE or waiter.outcome in _ASLEEP:
                self._rest(waiter, rest_ns)
                return True
        self.waiters.remove(waiter)
        zone, settled = self._zone, waiter.victim_served
        if zone.take(zone.floors.oom_victim):
            self._grant(waiter)
        elif settled is not None:
            waiter.served = True
            settled(False)
        return True

    def _wake(self, where: Asleep) -> None:
        """Wake those who sleep there."""
        for waiter in self.waiters:
            if waiter.asleep is where:
                waiter.sleep(_NOWHERE)
                self._events.after(0, self._go_on, waiter)

    def _go_on(self, waiter: Waiter) -> None:
        """A waiter has been woken: the next round, unless it has been served already."""
        if not waiter.served:
            self._round(waiter)

    def _give_up_sleep(self, waiter: Waiter) -> None:
        """Throttled for as long as may be: reclaim as if it had never been."""
        if waiter.served or waiter.asleep is not _THROTTLE:
            return
        waiter.sleep(_NOWHERE)
        self._wait(waiter, self._reclaim(waiter))
        self._page_freed()

    def _wait(self, waiter: Waiter, rest_ns: int) -> None:
        """Have a waiter polled after its rest."""
        rests = self._rests[rest_ns]
        due_ns = self._events.now + rest_ns
        rests.ends.append((due_ns, waiter))
        if not rests.watched:
            rests.watched = True
            self._events.at(due_ns, self._poll, rests)

    def _poll(self, rests: PollQueue) -> None:
        """A direct reclaimer's rest is over: scan harder, and rest again; after the last priority start anew."""
        due = rests.due(self._events.now)
        if rests.watched:
            self._events.at(rests.ends[0][0], self._poll, rests)
        for waiter in due:
            self._round(waiter)

    # -- kswapd -----------------------------------------------------------------------------------------------------

    def wake_kswapd(self) -> None:
        """An allocation failed the low mark."""
        if self.asleep:
            self.asleep = False
            self.kswapd_wakes += 1
            self._events.after(0, self._kswapd)
        elif self.wants_slot and self.cache.files and self._events.now >= self._stuck_ns and self.cache.clean():
            self._stuck_ns = self._events.now + self._kernel.reclaim_wait_ns
            self._events.after(0, self._kswapd)

    def slot_free(self) -> None:
        """A request slot of the swap device has become free."""
        if self.laundry is not None:
            self.laundry.wash()
        if self._kernel.sleeps_for_slot:
            self._wake(_SLOT)
        if self.wants_slot:
            self.wants_slot = False
            self._kswapd_outcome = _NOTHING
            self._events.after(0, self._kswapd)

    def _kswapd(self, _: object) -> None:
        """Work until there is enough, a slot is missing, or there is nothing left to try for now."""
        zone = self._zone
        self._balance()
        if self._throttle.on:
            self._wake_throttled()
        if self.laundry is not None:
            self.laundry.wash()
        if zone.free >= zone.kswapd_goal():
            self.asleep = True
            self._kswapd_priority = self._kernel.def_priority
        elif not self.wants_slot and not self._poll_pending:
            self._poll_pending = True
            self._events.after(self._kernel.reclaim_wait_ns, self._kswapd_poll)

    def _wake_throttled(self) -> None:
        """After a run of kswapd: wake direct reclaimers if there is enough again, or nothing to hope for."""
        throttle, free = self._throttle, self._zone.free
        if free > self._freed_to:
            throttle.failures = 0
        elif not self.wants_slot:
            throttle.failures += 1
        self._freed_to = free
        if not throttle.holds():
            self._wake(_THROTTLE)

    def kswapd_waits_for(self) -> str:
        """What holds kswapd up, in words; nothing if nothing does."""
        if self.wants_slot and self._swap is not None:
            return self._swap.hindrance()
        napping = not self.asleep and self._kswapd_outcome is _NAP
        return "less to be under writeback" if napping else ""

    def overslept(self) -> list[str]:
        """Those who wait although what they wait for is there, with the numbers that say so: nobody ever is."""
        zone, swap = self._zone, self._swap
        marks = f"free {zone.free}, min {zone.floors.kernel}"
        can_write = swap is not None and swap.can_page_out()
        found = []
        for waiter in self.waiters:
            if waiter.asleep is _NOWHERE and zone.free > zone.floors.kernel:
                found.append(f"{waiter.who} waits for a free page: {marks}")
            elif waiter.asleep is _SLOT and can_write:
                found.append(f"{waiter.who} waits for a request slot, and there is one")
            elif waiter.asleep is _THROTTLE and self.asleep and not self._throttle.holds():
                found.append(f"{waiter.who} is throttled, and kswapd has gone to sleep: {marks}")
        if self.wants_slot and can_write:
            found.append("kswapd waits for a request slot, and there is one")
        if not (self.asleep or self.wants_slot or self._poll_pending):
            found.append(f"kswapd waits for nothing: {marks}")
        return found

    def _kswapd_poll(self, _: object) -> None:
        self._poll_pending = False
        self._kswapd(None)

    def _balance(self) -> None:
        """Passes of kswapd, which goes round twice: marked pages have their second chance and no third.

        While mapped pages are spared there may be nothing to look at, and then nothing to wait for either.
        """
        zone, first = self._zone, self._kernel.def_priority
        while zone.free < (goal := zone.kswapd_goal()):
            priority = self._kswapd_priority
            outcome = self._pass(priority, goal, self._kswapd_outcome, rounds=2)
            self._kswapd_outcome = outcome
            if outcome is _NO_SLOT:
                self.wants_slot = True
                self._stuck_ns = self._events.now + self._kernel.reclaim_wait_ns
            if outcome in _ASLEEP:
                return
            if self.oom is not None:
                self.oom.looked(priority, kswapd=True)
            self._kswapd_priority = priority - 1 if priority else first
            if (
                not priority
                or self._takes_mapped(priority, self.cache.mapped_pages())
                or (outcome is _SCANNED and self._naps_after(priority))
            ):
                return

    # -- what both do -----------------------------------------------------------------------------------------------

    def _reclaim(self, waiter: Waiter) -> int:
        """Passes of a direct reclaimer down to the first that it rests after, or that was enough; how long (ns).

        In 2.6.22 each pass from the fourth on that had something to look at is followed by a nap.
        """
        kernel, zone = self._kernel, self._zone
        while True:
            priority = waiter.priority
            waiter.outcome = outcome = self._pass(priority, zone.free + kernel.swap_cluster_max, waiter.outcome)
            if outcome in _ASLEEP:
                return kernel.reclaim_wait_ns
            nap = (outcome is _SCANNED or self._is_writing()) and self._naps_after(priority)
            waiter.over = (self.oom is not None and self.oom.looked(priority)) or not priority
            waiter.priority = kernel.def_priority if waiter.over else priority - 1
            if waiter.over:
                return kernel.reclaim_wait_ns if nap else kernel.retry_wait_ns
            if nap or zone.free > zone.floors.kernel:
                return kernel.reclaim_wait_ns

    def _naps_after(self, priority: int) -> bool:
        """Whether a pass that had something to look at is followed by a nap."""
        kernel = self._kernel
        if kernel.naps_each_pass:
            return priority < kernel.def_priority - 2
        return not priority and self._is_writing()

    def _is_writing(self) -> bool:
        """Whether anything is under writeback: it stays on the lists, and is looked at."""
        return self._writeback is not None and self._writeback.under_way() > 0

    def _pass(self, priority: int, enough: int, before: Outcome, *, rounds: int = 0) -> Outcome:
        """Look at a share of the lists, or so many rounds of them, until `enough` pages are free."""
        if before is _NAP and self._throttled(0):
            self.writeout_naps += 1
            return _NAP
        cache = self.cache
        if self.clean_minimum is not None:
            self.clean_minimum.look()
        swap = self._swap
        can_write = swap is not None and swap.can_page_out()
        if not can_write and not cache.files and self._needs_slot():
            return _NO_SLOT
        resident = self.hand.resident()
        mapped = resident + cache.locked_pages()
        outcome = _NOTHING
        if cache.files:
            outcome = self._shrink_files(cache.unmapped, priority, enough, rounds)
            can_write = swap is not None and swap.can_page_out()
            resident = self.hand.resident()
        if self._zone.free < enough and self._takes_mapped(priority, mapped):
            quota = _quota(resident, priority, rounds, self._kernel)
            if quota and not can_write and cache.files and self._needs_slot():
                outcome = _NO_SLOT
            elif quota:
                outcome = self._shrink_mapped(quota, enough, can_write)
            if swap is not None:
                swap.unplug()
            if outcome is before is _NO_SLOT:
                self._shrink_files(cache.text, priority, enough, 2)
        throttled = self._throttled(self.hand.resident())
        if outcome is _NO_SLOT or not throttled:
            return outcome
        self.writeout_naps += 1
        return _NAP

    def _takes_mapped(self, priority: int, mapped: int) -> bool:
        """Whether the pressure is such that mapped pages have to go: swap_tendency is 100 or more.

        Where nothing is spared (6.11), they go as soon as there is too little cache for a share of it to be looked at.
        """
        kernel = self._kernel
        if not kernel.spares_mapped:
            return not self.cache.unmapped.resident() >> priority
        distress = 100 >> priority
        return mapped * 100 // self._zone.total // 2 + distress + kernel.swappiness >= 100

    def _shrink_files(self, hand: ClockHand, priority: int, enough: int, rounds: int) -> Outcome:
        """Drop clean pages of files; dirty ones are written if the disk takes them, and else stay."""
        quota = _quota(hand.resident(), priority, rounds, self._kernel)
        if not quota or self._zone.free >= enough:
            return _NOTHING
        if self.clean_minimum is not None and not self.clean_minimum.may_drop() and not self.cache.dirty():
            return _SCANNED
        disk = self._disk
        assert disk is not None, "files are on a disk"
        for file, page in hand.victims(quota):
            assert isinstance(file, File)
            if not file.states[page] & DIRTY:
                self._drop_file(file, page)
            elif self.laundry is not None:
                self.laundry.put_aside(file, page)
            elif (file.disk or disk).can_page_out():
                file.begin_write(page, leaves=True)
                (file.disk or disk).page_out(file, page)
            if self._zone.free >= enough:
                break
        return _SCANNED

    def _shrink_mapped(self, quota: int, enough: int, can_write: bool) -> Outcome:
        """Let pages of programs leave until enough are free, no request can be made, or too much is under writeback.

        `can_write`: whether the swap device takes one now.
        """
        zone, swap, room = self._zone, self._swap, self._swap_room()
        started = 0
        for space, page in self.hand.victims(quota):
            if not space.states[page] & DIRTY:
                if isinstance(space, File):
                    self._drop_file(space, page)
                else:
                    self._drop(space, page)
            elif swap is None or started == room:
                continue
            elif self.laundry is not None:
                self.laundry.put_aside(space, page)
                continue
            elif can_write:
                space.states[page] = WRITING
                space.resident -= 1
                swap.page_out(space, page)
                started += 1
                if not started % self._kernel.swap_cluster_max and self._throttled(0):
                    return _NAP
                can_write = swap.can_page_out()
            else:
                self.hand.step_back(space, page)
                return _NO_SLOT
            if zone.free >= enough:
                return _SCANNED
            if not can_write and swap is not None and self.hand.at_dirty() and self.laundry is None and started != room:
                return _NO_SLOT
        return _SCANNED

    def _needs_slot(self) -> bool:
        """Whether the next page to leave has to be written first."""
        return self._swap is not None and self.hand.at_dirty() and self.laundry is None and self._swap_room() != 0

    def _drop_file(self, file: File, page: int) -> None:
        """A clean page of a file leaves, unless it is one of those that there have to be."""
        if self.clean_minimum is None or self.clean_minimum.may_drop():
            self._drop(file, page)

    def _drop(self, space: AddressSpace, page: int) -> None:
        """A clean page leaves without a word: its contents are elsewhere."""
        space.states[page] = space.left
        space.resident -= 1
        self.dropped += 1
        self._zone.give()

    def drop_clean(self, wanted: int) -> int:
        """Drop up to so many clean pages of files, unmapped ones first, and do nothing else; how many."""
        dropped = 0
        for hand in (self.cache.unmapped, self.cache.text):
            for file, page in hand.victims(2 * hand.resident()):
                if not file.states[page] & DIRTY:
                    self._drop(file, page)
                    dropped += 1
                    if dropped == wanted:
                        break
            if dropped == wanted:
                break
        if self.clean_minimum is not None:
            self.clean_minimum.look()
        return dropped

    def written(self, space: AddressSpace, page: int, stamp: int) -> None:
        """The reply to a page-out has been processed: the page is free, unless it was used meanwhile."""
        if page not in space.rewritten:
            space.states[page] = SWAPPED
            self._zone.give()
            return
        space.rewritten.discard(page)
        if space.stamps[page] == stamp and space.states[page] & RESIDENT:
            space.states[page] &= ~DIRTY

    def file_written(self, file: File, page: int, stamp: int) -> None:
        """A page is on disk: it is free, unless it was to stay or was used meanwhile."""
        if file.end_write(page, stamp):
            self._zone.give()


def _never(resident: int) -> bool:
    """Without writeback nobody naps for it."""
    return False


def _quota(resident: int, priority: int, rounds: int, kernel: Kernel) -> int:
    """How many pages a pass looks at, of a list of so many."""
    if not resident:
        return 0
    return rounds * resident + 1 if rounds else max(kernel.swap_cluster_max, resident >> priority)
