"""Freeing pages: kswapd, direct reclaim, and those who wait for a page.

Source: mm/vmscan.c and mm/page_alloc.c of 2.6.22. Two steps of the kernel are folded into one: a page whose page-out has
been answered is freed at once (there it is moved to the tail of the inactive list, and the next scan frees it). Those
who wait for a page are served in order, one for each page freed, and each has one poll pending, as congestion_wait gives
every direct reclaimer its turn at the latest after 0.1 s. Today who finds no free request slot sleeps there until there is
one, whatever becomes free meanwhile (blk_mq_get_tag, mempool_alloc).
"""

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Final, Protocol

from actors.events import Events
from actors.kernels import Kernel
from actors.memory.anonymous import DIRTY, RESIDENT, SWAPPED, WRITING, AddressSpace, Hand
from actors.memory.throttle import NO_FS_NS, Throttle
from actors.memory.zone import Zone

_TWO_ROUNDS: Final = -1
"""kswapd's priority: it goes round twice, so that marked pages have their second chance and no third."""


class Asleep(Enum):
    """Where somebody sleeps who cannot be given a page meanwhile."""

    NOWHERE = auto()
    SLOT = auto()
    """At the swap device, until it takes another request."""
    THROTTLE = auto()
    """In the throttle of direct reclaimers, until kswapd wakes them."""


class SwapOut(Protocol):
    """The swap device, as reclaim sees it."""

    def can_page_out(self) -> bool:
        """Whether another page-out may start now."""

    def page_out(self, space: AddressSpace, page: int) -> None:
        """Submit one, with the rights of a reclaimer (PF_MEMALLOC)."""

    def unplug(self) -> None:
        """There are no more for now: start all that have been submitted."""


class Waiter:
    """Somebody who waits for a page in direct reclaim."""

    __slots__ = ("asleep", "granted", "may_fs", "priority", "served", "user", "who")

    def __init__(self, who: str, granted: Callable[[], None], priority: int, *, user: bool, may_fs: bool) -> None:
        self.who = who
        self.granted = granted
        self.priority = priority
        self.user = user
        """Whether it is a user task, which can be throttled."""
        self.may_fs = may_fs
        """Whether its allocation may enter a file system."""
        self.asleep = Asleep.NOWHERE
        self.served = False


class Reclaim:
    """kswapd and direct reclaim of one machine."""

    def __init__(
        self, events: Events, zone: Zone, kernel: Kernel, swap: SwapOut | None, *, throttled: bool = False
    ) -> None:
        """`throttled`: whether direct reclaimers are."""
        self.hand = Hand()
        self.waiters: deque[Waiter] = deque()
        self.asleep = True
        self.kswapd_wakes = 0
        self.wants_slot = False
        """kswapd found a page to write and no free request slot."""
        self._events = events
        self._zone = zone
        self._kernel = kernel
        self._swap = swap
        self._throttle = Throttle(zone, on=throttled)
        self._serving = False
        self._poll_pending = False
        self._freed_to = 0
        """Free pages when kswapd ran last."""
        self.polls: deque[tuple[int, Waiter]] = deque()
        """(ns, waiter): when each wait ends. An event is under way for the first."""
        zone.on_pressure(self.wake_kswapd)
        zone.on_free_with_waiters(self._page_freed)

    # -- whoever needs a page ---------------------------------------------------------------------------------------

    def obtain(self, who: str, granted: Callable[[], None], *, user: bool = True, may_fs: bool = True) -> bool:
        """A page for who may wait: True if it was had at once; otherwise `granted` is called when it has been found.

        `user`: a user task, not a kernel thread; `may_fs`: its allocation may enter a file system (__GFP_FS).
        """
        zone = self._zone
        if not self.waiters and zone.take(zone.floors.kernel):
            return True
        waiter = Waiter(who, granted, self._kernel.def_priority, user=user, may_fs=may_fs)
        self._enter(waiter)
        if waiter.asleep is Asleep.NOWHERE and not self.waiters and zone.take(zone.floors.kernel):
            return True
        self.waiters.append(waiter)
        zone.waiters = self.waiters
        self._rest(waiter)
        return False

    def sleepers(self) -> int:
        """How many of those who wait sleep where no free page wakes them."""
        return sum(waiter.asleep is not Asleep.NOWHERE for waiter in self.waiters)

    def obtain_now(self, wanted: int) -> int:
        """Up to `wanted` pages that can be had without waiting; how many."""
        zone = self._zone
        if self.waiters:
            return 0
        return zone.take_many(zone.floors.kernel, wanted)

    def later(self, resume: Callable[[object], None]) -> None:
        """Let a process run on as soon as what is being done now has been done."""
        self._events.after(0, resume)

    def _page_freed(self) -> None:
        if not self._serving:
            self._serving = True
            self._events.after(0, self._serve)

    def _serve(self, _: object) -> None:
        """Hand pages to those who wait, in order, while there are any above the floor."""
        self._serving = False
        zone = self._zone
        while self.waiters and (self.waiters[0].asleep is Asleep.NOWHERE or self._find_awake()):
            if not zone.take(zone.floors.kernel):
                return
            waiter = self.waiters.popleft()
            waiter.served = True
            waiter.granted()

    def _find_awake(self) -> bool:
        """Bring the first waiter to the front who is awake, if there is one."""
        for waiter in self.waiters:
            if waiter.asleep is Asleep.NOWHERE:
                self.waiters.remove(waiter)
                self.waiters.appendleft(waiter)
                return True
        return False

    def _enter(self, waiter: Waiter) -> None:
        """One round of direct reclaim, unless it is throttled; without a request slot it ends asleep, if the kernel says so."""
        if waiter.user and self._throttle.holds():
            waiter.asleep = Asleep.THROTTLE
            self.wake_kswapd()
            return
        waiter.priority = self._scan(waiter.priority)
        if self._kernel.sleeps_for_slot and self._zone.free <= self._zone.floors.kernel and self._lacks_slot():
            waiter.asleep = Asleep.SLOT

    def _rest(self, waiter: Waiter) -> None:
        """Let some time pass before the next round; who is asleep waits to be woken."""
        if waiter.asleep is Asleep.NOWHERE:
            self._wait(waiter)
        elif waiter.asleep is Asleep.THROTTLE and not waiter.may_fs:
            self._events.after(NO_FS_NS, self._give_up_sleep, waiter)

    def _round(self, waiter: Waiter) -> None:
        """Reclaim, and rest."""
        self._enter(waiter)
        self._rest(waiter)
        self._page_freed()

    def _wake(self, where: Asleep) -> None:
        """Wake those who sleep there."""
        for waiter in self.waiters:
            if waiter.asleep is where:
                waiter.asleep = Asleep.NOWHERE
                self._events.after(0, self._go_on, waiter)

    def _go_on(self, waiter: Waiter) -> None:
        """A waiter has been woken: the next round, unless it has been served already."""
        if not waiter.served:
            self._round(waiter)

    def _give_up_sleep(self, waiter: Waiter) -> None:
        """Throttled for as long as may be: reclaim as if it had never been."""
        if waiter.served or waiter.asleep is not Asleep.THROTTLE:
            return
        waiter.asleep = Asleep.NOWHERE
        waiter.priority = self._scan(waiter.priority)
        self._rest(waiter)
        self._page_freed()

    def _wait(self, waiter: Waiter) -> None:
        """Have a waiter polled after its wait. All waits are equally long, so they end in the order in which they began."""
        due_ns = self._events.now + self._kernel.reclaim_wait_ns
        if not self.polls:
            self._events.at(due_ns, self._poll)
        self.polls.append((due_ns, waiter))

    def _poll(self, _: object) -> None:
        """A direct reclaimer's wait is over: scan harder, and wait again; after the last priority start anew."""
        polls = self.polls
        while polls and (polls[0][0] <= self._events.now or polls[0][1].served):
            waiter = polls[0][1]
            if not waiter.served:
                self._round(waiter)
            polls.popleft()
        if polls:
            self._events.at(polls[0][0], self._poll)

    # -- kswapd -----------------------------------------------------------------------------------------------------

    def wake_kswapd(self) -> None:
        """An allocation failed the low mark."""
        if self.asleep:
            self.asleep = False
            self.kswapd_wakes += 1
            self._events.after(0, self._kswapd)

    def slot_free(self) -> None:
        """A request slot of the swap device has become free."""
        if self._kernel.sleeps_for_slot:
            self._wake(Asleep.SLOT)
        if self.wants_slot:
            self.wants_slot = False
            self._events.after(0, self._kswapd)

    def _kswapd(self, _: object) -> None:
        """Work until the high mark is met, a slot is missing, or there is nothing left to try for now."""
        zone = self._zone
        if zone.free <= zone.high_mark:
            self._pass(_TWO_ROUNDS, zone.high_mark + 1)
        if self._throttle.on:
            self._wake_throttled()
        if zone.free > zone.high_mark:
            self.asleep = True
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
            self._wake(Asleep.THROTTLE)

    def _kswapd_poll(self, _: object) -> None:
        self._poll_pending = False
        self._kswapd(None)

    # -- what both do -----------------------------------------------------------------------------------------------

    def _scan(self, priority: int) -> int:
        """Passes down to the first that a wait follows, or that was enough; the priority of the next.

        From the third priority below the first on, each pass is followed by a wait; after the last they start anew.
        """
        zone, first = self._zone, self._kernel.def_priority
        if self._lacks_slot() and zone.free <= zone.floors.kernel:
            priority = min(priority, first - 3)  # no pass before that would get anywhere
        while True:
            self._shrink(priority)
            waits = priority < first - 2
            priority = priority - 1 if priority else first
            if waits or zone.free > zone.floors.kernel:
                return priority

    def _shrink(self, priority: int) -> None:
        """One pass of direct reclaim: a share of the list, until a cluster is freed."""
        self._pass(priority, self._zone.free + self._kernel.swap_cluster_max)

    def _pass(self, priority: int, enough: int) -> None:
        """Look at a share of the list, kswapd at twice the list, until `enough` pages are free or no request can be made."""
        kswapd = priority == _TWO_ROUNDS
        if self._lacks_slot():
            self.wants_slot = self.wants_slot or kswapd
            return
        resident = self.hand.resident()
        quota = 2 * resident + 1 if kswapd else max(self._kernel.swap_cluster_max, resident >> priority)
        self._look(quota, enough, kswapd=kswapd)
        if self._swap is not None:
            self._swap.unplug()

    def _look(self, quota: int, enough: int, *, kswapd: bool) -> None:
        """Let those of the next `quota` pages leave that can."""
        for space, page in self.hand.victims(quota):
            if not space.states[page] & DIRTY:
                self._drop(space, page)
            elif self._swap is None:
                continue
            elif self._swap.can_page_out():
                space.states[page] = WRITING
                space.resident -= 1
                self._swap.page_out(space, page)
            else:
                self.hand.step_back(space, page)
                self.wants_slot = self.wants_slot or kswapd
                return
            if self._zone.free >= enough:
                return
            if self._lacks_slot():
                self.wants_slot = self.wants_slot or kswapd
                return

    def _lacks_slot(self) -> bool:
        """Whether the next page to leave has to be written, and cannot be now."""
        return self._swap is not None and not self._swap.can_page_out() and self.hand.at_dirty()

    def _drop(self, space: AddressSpace, page: int) -> None:
        """A clean page leaves without a word: the server has its contents."""
        space.states[page] = SWAPPED
        space.resident -= 1
        self._zone.give()

    def written(self, space: AddressSpace, page: int, stamp: int) -> None:
        """The reply to a page-out has been processed: the page is free, unless it was used meanwhile."""
        if page not in space.rewritten:
            space.states[page] = SWAPPED
            self._zone.give()
            return
        space.rewritten.discard(page)
        if space.stamps[page] == stamp and space.states[page] & RESIDENT:
            space.states[page] &= ~DIRTY
