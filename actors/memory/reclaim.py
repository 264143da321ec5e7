"""Direct reclaim: tasks that need a page, free some themselves, and wait for their turn.

Source: mm/vmscan.c and mm/page_alloc.c of 2.6.22. The passes over the lists are in `scan`, kswapd's part in `kswapd`.

Two steps of the kernel are folded into one: a page whose page-out has been answered is freed at once (there it is moved
to the tail of the inactive list, and the next scan frees it). Tasks that wait for a page are served in order, one for each
page freed, and each has one poll pending, as congestion_wait gives every direct reclaimer its turn at the latest after
0.1 s. A task that has been asleep for a request slot for that long is taken to find clean pages of files still, since other
tasks scan. In 6.11 a task without a request slot sleeps there until there is one, whatever becomes free meanwhile
(blk_mq_get_tag, mempool_alloc).
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from netswap.actors.memory.board import Board
from netswap.actors.memory.kswapd import Kswapd
from netswap.actors.memory.ports import Sleeper
from netswap.actors.memory.scan import Scan
from netswap.actors.memory.throttle import NO_FS_NS, Throttle
from netswap.actors.memory.waiter import ASLEEP, Asleep, Outcome, PollQueue, VictimServed, Waiter

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

    def __init__(self, board: Board, scan: Scan) -> None:
        zone, kernel = board.zone, board.kernel
        throttle = Throttle(zone, scan.reclaimable, on=board.policy.reclaim_throttle)
        self.scan = scan
        self.kswapd = Kswapd(board, scan, throttle, self._wake_throttled)
        self.waiters: deque[Waiter] = deque()
        self._events = board.events
        self._zone = zone
        self._kernel = kernel
        self._throttle = throttle
        self._serving = False
        self._naps_for_slot = not (kernel.sleeps_for_slot or throttle.on)
        """Whether all that becomes of a task without a request slot is that it naps."""
        self.flushers: set[Sleeper] = set()
        """The tasks whose allocations neither start a write nor wait for one (PF_MEMALLOC_NOIO)."""
        self.realtime: set[Sleeper] = set()
        """The tasks that are scheduled in real time."""
        self._polls = {length_ns: PollQueue() for length_ns in (kernel.retry_wait_ns, kernel.reclaim_wait_ns)}
        """By the length of the wait before the next look."""
        self.polls = self._polls[kernel.reclaim_wait_ns].ends
        """When each nap ends."""
        zone.on_pressure(self.kswapd.wake, self.kswapd.calm_until_ns)
        zone.on_free_with_waiters(self._page_freed)

    # -- a task that needs a page --------------------------------------------------------------------------------------

    def obtain(
        self,
        name: str,
        granted: Callable[[], None],
        task: Sleeper | None = None,
        *,
        process: Sleeper | None = None,
        user: bool = True,
        may_fs: bool = True,
    ) -> bool:
        """Allocate a page for a task that may wait: True if there was one at once; otherwise `granted` is called later.

        `name`: the task's, in reports. `task`: the program whose page it is to be, if a program's, for the OOM killer.
        `process`: the program that sleeps meanwhile. `user`: it is a user task, not a kernel thread. `may_fs`: its
        allocation may enter a file system (__GFP_FS).
        """
        zone, waiters = self._zone, self.waiters
        if (not waiters or process in self.realtime) and zone.take(self.floor_of(process)):
            return True
        waiter = Waiter(name, granted, self._kernel.def_priority, task, process, user, may_fs)
        if self.flushers and process in self.flushers:
            waiter.may_io = waiter.may_fs = False
        oom = self.scan.oom
        if oom is not None:
            oom.begins(waiter)
        rest_ns = self._kernel.reclaim_wait_ns if self._stops_at_once(waiter) else self._enter(waiter)
        floor = self.floor_of(process)
        # One that sleeps for a slot cannot take the page that its own pass has freed, nor may one overtake others.
        if waiter.asleep is _NOWHERE and not waiters and zone.has(floor) and zone.take(floor):
            return True
        waiters.append(waiter)
        zone.waiters = waiters
        self._rest(waiter, rest_ns)
        return False

    def floor_of(self, process: Sleeper | None) -> int:
        """How far down the allocations of a process go: a real-time task's go below min."""
        floors = self._zone.floors
        return floors.realtime if self.realtime and process in self.realtime else floors.kernel

    def sleepers(self) -> int:
        """The number of waiting tasks that sleep where no free page wakes them."""
        return sum(waiter.asleep is not _NOWHERE for waiter in self.waiters)

    def has_page(self) -> bool:
        """Whether a page can be had without waiting; if only for want of pages it cannot, kswapd is woken."""
        zone = self._zone
        if self.waiters:
            return False
        if zone.has(zone.floors.kernel):
            return True
        zone.press()
        return False

    def obtain_now(self, wanted: int) -> int:
        """Take up to `wanted` pages that can be had without waiting; the number taken."""
        zone = self._zone
        if self.waiters:
            return 0
        return zone.take_many(zone.floors.kernel, wanted)

    def later(self, resume: Callable[[object], None]) -> None:
        """Let a process run on as soon as what is being done now has been done."""
        self._events.after(0, resume)

    def mark_victim(self, task: Sleeper, settled: VictimServed) -> None:
        """Give a program that has been killed a victim's right to the page it waits for, if it does; `settled` is told."""
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
        """Hand pages to waiting tasks, in order, while there are any above the floor.

        One after the other, and never all at once: woken together they would outrun the task whose page frees the others.
        """
        self._serving = False
        zone = self._zone
        waiters = self.waiters
        while waiters and (waiters[0].asleep is _NOWHERE or self._find_awake()):
            if not zone.take(self.floor_of(waiters[0].process)):
                self._serve_realtime()
                return
            self._grant(waiters.popleft())

    def _serve_realtime(self) -> None:
        """Hand pages that lie too low for the task whose turn it is to tasks that may go down to them."""
        if not self.realtime:
            return
        for waiter in [one for one in self.waiters if one.process in self.realtime and one.asleep is _NOWHERE]:
            if not self._zone.take(self._zone.floors.realtime):
                return
            self.waiters.remove(waiter)
            self._grant(waiter)

    def _grant(self, waiter: Waiter) -> None:
        waiter.served = True
        polls = self.polls
        while polls and polls[0][1].served:
            polls.popleft()
        waiter.granted()
        if waiter.victim_served is not None:
            waiter.victim_served(True)

    def _find_awake(self) -> bool:
        """Bring the first waiter that is awake to the front, if there is one."""
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
            self.kswapd.wake()
            return 0
        zone = self._zone
        before = zone.free + zone.aside_free
        rest_ns = self._reclaim(waiter)
        floor = self.floor_of(waiter.process)
        if before < zone.free + zone.aside_free and not zone.has(floor):
            zone.give_back_aside(last=False)
        if self._kernel.sleeps_for_slot and waiter.outcome is _NO_SLOT and not zone.has(floor):
            waiter.sleep(_SLOT)
        return rest_ns

    def _stops_at_once(self, waiter: Waiter) -> bool:
        """Whether the round of a new waiter ends with its first look, for want of a request slot."""
        if not (self._naps_for_slot and waiter.may_io and self.scan.stops_at_once()) or self.kswapd.hopeless:
            return False
        waiter.outcome = _NO_SLOT
        return True

    def _reclaim(self, waiter: Waiter) -> int:
        """Make passes down to the first that the waiter rests after, or that was enough; how long it rests (ns).

        In 2.6.22 each pass from the fourth on that had something to look at is followed by a nap.
        """
        kernel, zone, scan = self._kernel, self._zone, self.scan
        while True:
            priority = waiter.priority
            dropped, enough = scan.dropped, zone.free + kernel.swap_cluster_max
            # A task that may not enter file systems naps once, and goes on.
            before = _NOTHING if waiter.outcome is _NAP and not waiter.may_fs else waiter.outcome
            if waiter.may_io:
                waiter.outcome = outcome = scan.shrink(priority, enough, before)
            else:
                waiter.outcome = outcome = scan.shrink_clean(priority, enough)
            waiter.dropped += scan.dropped - dropped
            if self.kswapd.hopeless:
                self.kswapd.hope()
            if outcome in ASLEEP:
                return kernel.reclaim_wait_ns
            nap = (outcome is _SCANNED or scan.is_writing()) and scan.naps_after(priority)
            waiter.over = (scan.oom is not None and scan.oom.looked(priority)) or not priority
            waiter.priority = kernel.def_priority if waiter.over else priority - 1
            if waiter.over:
                return kernel.reclaim_wait_ns if nap else kernel.retry_wait_ns
            if nap or zone.has(self.floor_of(waiter.process)):
                return kernel.reclaim_wait_ns

    def _rest(self, waiter: Waiter, rest_ns: int) -> None:
        """Let some time pass before the next round; a waiter that is asleep waits to be woken."""
        if waiter.asleep is _NOWHERE:
            self._wait(waiter, rest_ns)
        elif waiter.asleep is _THROTTLE and not waiter.may_fs:
            self._events.after(NO_FS_NS, self._give_up_sleep, waiter)

    def _round(self, waiter: Waiter) -> None:
        """Let a waiter reclaim and rest; or kill a program, if that has been in vain; or die."""
        if not (waiter.over and self._kills(waiter)) and not (waiter.is_victim() and self._try_as_victim(waiter)):
            self._rest(waiter, self._enter(waiter))
        self._page_freed()

    def _kills(self, waiter: Waiter) -> bool:
        """After an attempt in vain: whether a program has been killed, or is dying still, so that its memory is waited for."""
        waiter.over = False
        oom, kernel = self.scan.oom, self._kernel
        if oom is None or waiter.is_victim() or not oom.is_out(waiter) or self._zone.give_back_aside(last=True):
            return False
        killed = oom.kill()
        if waiter.is_victim():
            return False
        self._wait(waiter, kernel.retry_wait_ns if killed else kernel.reclaim_wait_ns)
        return True

    def _try_as_victim(self, waiter: Waiter) -> bool:
        """Let an OOM victim take a page below min, or be refused one; False if it sleeps uninterruptibly instead."""
        if waiter.outcome in ASLEEP:
            rest_ns = self._enter(waiter)
            if waiter.asleep is not _NOWHERE or waiter.outcome in ASLEEP:
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

    def slot_free(self) -> None:
        """A request slot of the swap device has become free."""
        if self.scan.laundry is not None:
            self.scan.laundry.wash()
        if self._kernel.sleeps_for_slot:
            self._wake(_SLOT)
        self.kswapd.slot_free()

    def _wake_throttled(self) -> None:
        """Let direct reclaimers go on that kswapd was to spare."""
        self._wake(_THROTTLE)

    def overslept(self) -> list[str]:
        """Tasks that wait although what they wait for is there, in words with numbers; empty in a model without errors."""
        zone, swap = self._zone, self.scan.swap
        marks = f"free {zone.free}, min {zone.floors.kernel}"
        can_write = swap is not None and swap.can_page_out()
        found = []
        for waiter in self.waiters:
            if waiter.asleep is _NOWHERE and zone.has(self.floor_of(waiter.process)):
                found.append(f"{waiter.name} waits for a free page: {marks}")
            elif waiter.asleep is _SLOT and can_write:
                found.append(f"{waiter.name} waits for a request slot, and there is one")
            elif waiter.asleep is _THROTTLE and self.kswapd.asleep and not self._throttle.holds():
                found.append(f"{waiter.name} is throttled, and kswapd has gone to sleep: {marks}")
        return found + self.kswapd.overslept(marks, can_write=can_write)

    def _wake(self, where: Asleep) -> None:
        """Wake the waiters that sleep there."""
        for waiter in self.waiters:
            if waiter.asleep is where:
                waiter.sleep(_NOWHERE)
                self._events.after(0, self._go_on, waiter)

    def _go_on(self, waiter: Waiter) -> None:
        """Let a woken waiter make its next round, unless it has been served already."""
        if not waiter.served:
            self._round(waiter)

    def _give_up_sleep(self, waiter: Waiter) -> None:
        """Let a waiter that has been throttled for as long as may be reclaim, as if it had never slept."""
        if waiter.served or waiter.asleep is not _THROTTLE:
            return
        waiter.sleep(_NOWHERE)
        self._wait(waiter, self._reclaim(waiter))
        self._page_freed()

    def _wait(self, waiter: Waiter, rest_ns: int) -> None:
        """Have a waiter polled after its rest."""
        queue = self._polls[rest_ns]
        due_ns = self._events.now + rest_ns
        queue.ends.append((due_ns, waiter))
        if not queue.watched:
            queue.watched = True
            self._events.at(due_ns, self._poll, queue)

    def _poll(self, queue: PollQueue) -> None:
        """Let direct reclaimers whose rest is over scan harder, and rest again; after the last priority they start anew."""
        due = queue.due(self._events.now)
        if queue.watched:
            self._events.at(queue.ends[0][0], self._poll, queue)
        for waiter in due:
            self._round(waiter)
