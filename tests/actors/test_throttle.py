"""The throttle of direct reclaimers, and sleeping at the swap device: rows 29 and 51."""

from collections.abc import Callable

import pytest
from test_reclaim import CLEAN, COLD, Swap

from netswap.actors.events import Events
from netswap.actors.kernels import LINUX_2_6_22, LINUX_6_11, Kernel
from netswap.actors.memory.anonymous import AddressSpace
from netswap.actors.memory.board import Board
from netswap.actors.memory.reclaim import Reclaim
from netswap.actors.memory.scan import Scan
from netswap.actors.memory.waiter import Asleep
from netswap.actors.memory.zone import Zone
from netswap.actors.policy import Policy
from netswap.protocol.units import milliseconds, seconds

MIN = 64
HALF = MIN // 2


class Machine:
    """A zone of min 64 with so many free pages, a space of cold pages, and reclaim; each page-out takes so much memory."""

    def __init__(
        self, free: int, *, throttled: bool = True, kernel: Kernel = LINUX_6_11, slots: int = 10_000, takes: int = 0
    ) -> None:
        self.events = Events()
        self.zone = Zone(4096, MIN, kernel=kernel)
        self.zone.free = free
        self.swap = Greedy(self.zone, slots, takes)
        board = Board(self.events, self.zone, kernel, policy=Policy(reclaim_throttle=throttled))
        self.reclaim = Reclaim(board, Scan(board, self.swap))
        self.space = AddressSpace("rank 0", 0, 2000)
        self.space.states[:] = bytes([COLD]) * 2000
        self.space.resident = 2000
        self.reclaim.scan.hand.spaces = [self.space]
        self.granted: list[str] = []

    def ask(self, who: str, *, user: bool = True, may_fs: bool = True) -> bool:
        """A task needs a page."""
        return self.reclaim.obtain(who, self._grant(who), user=user, may_fs=may_fs)

    def _grant(self, who: str) -> Callable[[], None]:
        return lambda: self.granted.append(who)

    def asleep(self) -> list[Asleep]:
        """Where those who wait sleep."""
        return [waiter.asleep for waiter in self.reclaim.waiters]

    def sleeps(self, who: str) -> Asleep:
        """Where this one sleeps."""
        return next(waiter.asleep for waiter in self.reclaim.waiters if waiter.name == who)

    def run_until(self, time_ns: int) -> None:
        """Let happen what happens before that time."""
        while self.events.next_ns() < time_ns:
            self.events.step()
        self.events.now = time_ns


class Greedy(Swap):
    """A swap device whose page-outs take `takes` pages each, down to nothing, until they are answered."""

    def __init__(self, zone: Zone, slots: int, takes: int) -> None:
        super().__init__(slots)
        self._zone = zone
        self._takes = takes

    def page_out(self, space: AddressSpace, page: int) -> None:
        """Start one, with the rights of a reclaimer."""
        super().page_out(space, page)
        self._zone.take_many(0, self._takes)


@pytest.mark.parametrize(("free", "sleeps"), [(HALF - 1, True), (HALF, True), (HALF + 1, False), (MIN, False)])
def test_user_tasks_sleep_iff_no_more_than_half_of_min_is_free(free: int, sleeps: bool) -> None:
    """Row 29; who sleeps has looked for nothing, who does not has started a cluster of 32 page-outs."""
    a = Machine(free)
    a.ask("rank 0")
    assert (a.asleep() == [Asleep.THROTTLE]) == sleeps
    assert bool(a.swap.started) != sleeps


def test_without_the_switch_nobody_sleeps() -> None:
    """The twin."""
    a = Machine(HALF, throttled=False)
    a.ask("rank 0")
    assert a.asleep() == [Asleep.NOWHERE]
    assert a.swap.started


def test_a_kernel_thread_never_sleeps() -> None:
    """It reclaims at no matter how few pages."""
    a = Machine(0)
    a.ask("worker", user=False)
    assert a.asleep() == [Asleep.NOWHERE]


def test_who_may_not_enter_a_file_system_sleeps_a_second() -> None:
    """Others sleep as long as kswapd gets nowhere, which cannot write here: there is no request slot."""
    a = Machine(HALF, slots=0, kernel=LINUX_2_6_22)
    a.ask("rank 0")
    a.ask("no fs", may_fs=False)
    a.run_until(seconds(1))
    assert a.asleep() == [Asleep.THROTTLE, Asleep.THROTTLE]
    a.run_until(seconds(1) + 1)
    assert a.sleeps("no fs") is Asleep.NOWHERE
    a.run_until(seconds(100))
    assert a.sleeps("rank 0") is Asleep.THROTTLE


def test_kswapd_wakes_them_once_more_than_half_is_free() -> None:
    """kswapd has written what it could; the answers free pages, and at the next run of kswapd there are enough."""
    a = Machine(HALF, slots=40)
    a.ask("rank 0")
    a.run_until(milliseconds(1))
    assert a.asleep() == [Asleep.THROTTLE]
    for _ in range(40):
        a.reclaim.scan.written(*a.swap.under_way.pop(0))
    a.reclaim.slot_free()
    a.run_until(milliseconds(300))
    assert a.granted == ["rank 0"]


def test_after_sixteen_fruitless_runs_of_kswapd_nobody_waits_for_it() -> None:
    """All on the lists is on its way to the server: a run every 0.1 s, and the sixteenth that frees nothing ends the sleep."""
    a = Machine(HALF)
    a.space.states[:] = bytes([COLD]) + bytes(1999)
    a.space.resident = 1
    a.space.rewritten.add(0)
    a.ask("rank 0")
    a.run_until(milliseconds(1500))
    assert a.asleep() == [Asleep.THROTTLE]
    a.run_until(milliseconds(1700))
    assert a.asleep() == [Asleep.NOWHERE]


def test_with_nothing_on_the_lists_nobody_sleeps() -> None:
    """allow_direct_reclaim looks at zones with reclaimable pages only: no task waits for kswapd to find what is not there."""
    a = Machine(HALF)
    a.reclaim.scan.hand.spaces = []
    a.ask("rank 0")
    assert a.asleep() == [Asleep.NOWHERE]


@pytest.mark.parametrize("throttled", [True, False])
def test_many_concurrent_reclaimers_empty_the_reserve_unless_they_are_throttled(throttled: bool) -> None:
    """Row 51: each of 8 tasks at min 64 takes 8 pages for what it writes.

    8 * 8 = 64 pages are all there is; with the throttle those that find no more than 32 free sleep: the last four.
    """
    a = Machine(MIN, throttled=throttled, kernel=LINUX_2_6_22)
    reclaimed = []
    for task in range(8):
        before = len(a.swap.started)
        a.ask(f"rank {task}")
        reclaimed.append(len(a.swap.started) > before)
        a.zone.take_many(0, 8 if reclaimed[-1] else 0)
    assert reclaimed == ([True] * 4 + [False] * 4 if throttled else [True] * 8)
    assert a.zone.free == (HALF if throttled else 0)


def test_in_6_11_who_finds_no_request_slot_sleeps_until_there_is_one() -> None:
    """Pages that become free meanwhile do not wake it; a reply does."""
    a = Machine(MIN, slots=0)
    a.ask("rank 0")
    assert a.asleep() == [Asleep.SLOT]
    a.zone.give(500)
    a.run_until(seconds(100))
    assert a.granted == []
    a.swap.slots = 1
    a.reclaim.slot_free()
    a.run_until(seconds(101))
    assert a.granted == ["rank 0"]


def test_in_2007_it_looks_again_every_tenth_of_a_second() -> None:
    """The twin: a page that becomes free is its own."""
    a = Machine(MIN, slots=0, kernel=LINUX_2_6_22)
    a.ask("rank 0")
    assert a.asleep() == [Asleep.NOWHERE]
    a.zone.give(500)
    a.run_until(1)
    assert a.granted == ["rank 0"]


def test_who_is_awake_is_served_before_who_sleeps() -> None:
    """The first sleeps at the device; the second, a kernel thread that came later, gets the page."""
    a = Machine(MIN, slots=0)
    a.ask("rank 0")
    a.swap.slots = 10_000
    a.ask("worker", user=False)
    assert a.asleep() == [Asleep.SLOT, Asleep.NOWHERE]
    a.zone.give(1)
    a.run_until(1)
    assert a.granted == ["worker"]


@pytest.mark.parametrize(("kernel", "runs"), [(LINUX_6_11, 16), (LINUX_2_6_22, None)], ids=["6.11", "2.6.22"])
def test_kswapd_gives_up_after_sixteen_runs_and_hopes_again_when_a_reclaimer_has_freed_something(
    kernel: Kernel, runs: int | None
) -> None:
    """Nothing on the lists: kswapd sleeps after 16 runs, whatever task presses, until others make progress (facts 13.11).

    It does so from 4.12 on; the kswapd of 2007 runs for ever.
    """
    a = Machine(free=MIN - 1, throttled=False, kernel=kernel)
    a.space.states[:] = bytes(2000)
    a.space.resident = 0
    a.zone.press()
    a.run_until(seconds(20))
    kswapd = a.reclaim.kswapd
    assert kswapd.hopeless == (runs is not None)
    if runs is None:
        assert not kswapd.asleep
        return
    assert a.events.next_ns() > seconds(1000), "nobody runs any more"
    a.zone.press()
    assert (kswapd.asleep, kswapd.wakes) == (True, 1)
    a.space.states[:32] = bytes([CLEAN]) * 32
    a.space.resident = 32
    a.ask("somebody")
    assert not kswapd.hopeless
    a.zone.free = MIN - 1
    a.zone.press()
    assert (kswapd.asleep, kswapd.wakes) == (False, 2)
