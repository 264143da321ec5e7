"""The OOM killer: when reclaim is given up, who is chosen, and what becomes of one that cannot die."""

from dataclasses import dataclass, field

import pytest
from test_reclaim import COLD, Swap

from netswap.actors.counters import Counters
from netswap.actors.events import Events
from netswap.actors.kernels import LINUX_2_6_22, LINUX_6_11, Kernel
from netswap.actors.memory.anonymous import (
    ACCESSED,
    DIRTY,
    READING,
    RESIDENT,
    SWAPPED,
    UNTOUCHED,
    WRITING,
    AddressSpace,
    ClockHand,
)
from netswap.actors.memory.board import Board
from netswap.actors.memory.oom import UNRECLAIMABLE, OomKiller, badness_by_memory, badness_by_size
from netswap.actors.memory.reclaim import Reclaim
from netswap.actors.memory.scan import Scan
from netswap.actors.memory.zone import Zone
from netswap.actors.policy import Policy
from netswap.actors.programs.task import Program, Progress, Task
from netswap.protocol.units import milliseconds, seconds

MIN = 64
NAPS = 10
"""Passes of an attempt that are followed by a nap: priorities 9 to 0."""
NAP_NS = milliseconds(100)


@dataclass
class Victim:
    """A program that dies when the test says so."""

    name: str = "rank 0"
    pages: int = 100
    used: int = 100
    cpu: int = 0
    run: int = 0
    protected: bool = False
    dying: bool = False
    dead: bool = False
    reaped: bool = False
    reaped_at: list[int] = field(default_factory=list)
    events: Events | None = None

    def is_protected(self) -> bool:
        """As said."""
        return self.protected

    def total_pages(self) -> int:
        """As said."""
        return self.pages

    def cpu_s(self) -> int:
        """As said."""
        return self.cpu

    def run_s(self) -> int:
        """As said."""
        return self.run

    def used_pages(self) -> int:
        """As said."""
        return self.used

    def kill(self) -> None:
        """It has been chosen."""
        self.dying = True

    def reap(self) -> None:
        """Its memory is gone."""
        self.reaped = True
        if self.events is not None:
            self.reaped_at.append(self.events.now)


class Machine:
    """A zone of min 64, programs, and reclaim of a space in these states."""

    def __init__(
        self,
        states: list[int],
        *victims: Victim,
        kernel: Kernel = LINUX_2_6_22,
        free: int = MIN,
        swap: Swap | None = None,
        throttled: bool = False,
    ) -> None:
        self.events = Events()
        self.zone = Zone(4096, MIN, kernel=kernel)
        self.zone.free = free
        self.counters = Counters()
        board = Board(self.events, self.zone, kernel, self.counters, Policy(reclaim_throttle=throttled))
        self.reclaim = Reclaim(board, Scan(board, swap))
        space = AddressSpace("rank 0", 0, max(1, len(states)))
        space.states[: len(states)] = bytes(states)
        space.resident = sum(state >= RESIDENT for state in states)
        self.reclaim.scan.hand.spaces = [space]
        self.freed = 0
        self.reclaim.scan.oom = self.oom = OomKiller(board, self.reclaim.scan.reclaimable, lambda: self.freed, victims)
        for victim in victims:
            victim.events = self.events
        self.granted: list[str] = []

    def ask(self, *, may_fs: bool = True) -> None:
        """A task needs a page, and none is to be had."""
        assert not self.reclaim.obtain("somebody", lambda: self.granted.append("somebody"), may_fs=may_fs)

    def run_until(self, time_ns: int) -> None:
        """Let happen what happens before that time."""
        while self.events.next_ns() < time_ns:
            self.events.step()
        self.events.now = time_ns

    def killed_at(self, limit_ns: int) -> int | None:
        """When the first program is killed."""
        while not self.counters.oom_kills and self.events.next_ns() < limit_ns:
            self.events.step()
        return self.events.now if self.counters.oom_kills else None


# -- when, 2.6.22 -------------------------------------------------------------------------------------------------------


def test_an_attempt_without_progress_takes_ten_naps_and_the_third_at_the_latest_ends_in_a_kill() -> None:
    """Row 28: locked memory only. Each attempt, and each round of kswapd, looks at everything about twice.

    Six times in all make it unreclaimable: with both at it that is during the second second, never in the first attempt.
    """
    a = Machine([], Victim())
    locked = AddressSpace("locked", 0, 3200)
    locked.states[:] = bytes([RESIDENT | DIRTY]) * 3200
    locked.resident = 3200
    a.reclaim.scan.cache.locked = [locked]
    a.reclaim.scan.hand.spaces = [AddressSpace("rank 0", 0, 1)]
    a.reclaim.scan.hand.spaces[0].states[0] = RESIDENT | DIRTY
    a.reclaim.scan.hand.spaces[0].resident = 1
    a.ask()
    killed_ns = a.killed_at(seconds(10))
    assert killed_ns is not None
    assert NAPS * NAP_NS < killed_ns <= 2 * NAPS * NAP_NS + NAP_NS


def test_with_nothing_on_the_lists_it_is_hopeless_at_once() -> None:
    """Six times nothing is nothing: kswapd's first pass says so, and an attempt without anything to look at has no nap."""
    a = Machine([], Victim())
    a.ask()
    killed_ns = a.killed_at(seconds(10))
    assert killed_ns is not None
    assert killed_ns <= NAP_NS + milliseconds(40)


def test_only_kswapd_gives_a_zone_up() -> None:
    """However often direct reclaimers have looked at everything."""
    a = Machine([COLD] * 100, Victim())
    for _ in range(100):
        assert not a.oom.looked(0)
    assert a.oom.pages_scanned == 100 * 100
    assert a.oom.looked(0, kswapd=True)
    assert a.oom.pages_scanned == UNRECLAIMABLE


def test_pages_freed_and_the_zone_is_as_good_as_new() -> None:
    """free_pages_bulk: one by reclaim, or more by others than allocators hold back for their next request.

    Of 4096 pages: a batch of 2^0 - 1, so no list of pages; 2 x 12 + 2 objects of 2048 bytes are 13 pages, 2 x 60 + 16 of 256
    bytes 8.
    """
    for by_reclaim, by_others, as_new in ((1, 0, True), (0, 13 + 8, False), (0, 13 + 8 + 1, True)):
        a = Machine([COLD] * 100, Victim())
        for _ in range(6):
            a.oom.looked(0, kswapd=True)
        assert a.oom.pages_scanned == UNRECLAIMABLE
        a.freed += by_reclaim
        a.zone.free += by_others
        assert a.oom.looked(0, kswapd=True) != as_new
        assert a.oom.pages_scanned == (100 if as_new else UNRECLAIMABLE)


def test_a_packet_that_comes_and_goes_keeps_nobody_alive() -> None:
    """A page is taken and given back every millisecond, and the kill comes when it would come anyway."""
    killed = []
    for trickle in (False, True):
        a = Machine([], Victim())
        locked = AddressSpace("locked", 0, 3200)
        locked.resident = 3200
        a.reclaim.scan.cache.locked = [locked]
        a.reclaim.scan.hand.spaces[0].states[0] = RESIDENT | DIRTY
        a.reclaim.scan.hand.spaces[0].resident = 1
        a.ask()
        for step in range(3000 if trickle else 0):
            a.run_until(milliseconds(step))
            a.zone.free -= 1
            a.zone.give()
        killed.append(a.killed_at(seconds(10)))
        assert a.counters.oom_kills == 1
    assert killed[0] is not None


@pytest.mark.parametrize("kernel", [LINUX_2_6_22, LINUX_6_11], ids=lambda kernel: kernel.name)
def test_whoever_sleeps_for_a_request_slot_never_kills(kernel: Kernel) -> None:
    """Ten minutes without a slot: no attempt comes to an end, and no task looks at any page."""
    a = Machine([COLD] * 100, Victim(), kernel=kernel, swap=Swap(slots=0))
    a.ask()
    a.run_until(seconds(600))
    assert (a.counters.oom_kills, len(a.reclaim.waiters)) == (0, 1)
    assert a.oom.pages_scanned == 0


@pytest.mark.parametrize("kernel", [LINUX_2_6_22, LINUX_6_11], ids=lambda kernel: kernel.name)
def test_who_may_not_enter_a_file_system_never_kills(kernel: Kernel) -> None:
    """Its allocation loops instead (__GFP_FS)."""
    a = Machine([], Victim(), kernel=kernel)
    a.ask(may_fs=False)
    a.run_until(seconds(30))
    assert a.counters.oom_kills == 0
    a.ask()
    a.run_until(seconds(60))
    assert a.counters.oom_kills == 1


# -- when, 6.11 ---------------------------------------------------------------------------------------------------------


def test_in_6_11_it_gives_up_after_sixteen_attempts_in_vain() -> None:
    """Enough on the lists, all of it on its way to the server: the attempts are counted, each with one rest."""
    a = Machine([RESIDENT | DIRTY] * 100, Victim(), kernel=LINUX_6_11, swap=Swap())
    a.reclaim.scan.hand.spaces[0].rewritten.update(range(100))
    a.ask()
    assert a.killed_at(seconds(10)) == (LINUX_6_11.oom.fruitless_attempts + 1) * LINUX_6_11.retry_wait_ns


def test_in_6_11_any_page_that_reclaim_frees_begins_the_count_anew() -> None:
    """A reply within every sixteen attempts, and no program is ever killed."""
    a = Machine([RESIDENT | DIRTY] * 100, Victim(), kernel=LINUX_6_11, swap=Swap())
    a.reclaim.scan.hand.spaces[0].rewritten.update(range(100))
    a.ask()
    for step in range(20):
        a.freed += 1
        a.run_until((step + 1) * 16 * LINUX_6_11.retry_wait_ns)
    assert a.counters.oom_kills == 0


def test_in_6_11_what_others_drop_is_no_progress_of_ones_own() -> None:
    """Clean pages that kswapd drops, and others take, save no program; before, any page freed did (the next kernel's twin)."""
    for kernel, killed in ((LINUX_6_11, True), (LINUX_2_6_22, False)):
        a = Machine([RESIDENT | DIRTY] * 100, Victim(), kernel=kernel, swap=Swap())
        a.oom._written = lambda: 0
        a.reclaim.scan.hand.spaces[0].rewritten.update(range(100))
        a.ask()
        for step in range(200):
            a.freed += 1
            a.run_until((step + 1) * 4 * kernel.retry_wait_ns)
        assert (a.counters.oom_kills > 0) == killed


def test_the_list_of_free_pages_grows_with_the_zone() -> None:
    """zone_batchsize: 16,384 pages make a batch of 3 and a list of 18; 131,072 pages and more one of 31 and 186."""
    keeps = [LINUX_2_6_22.held_back(pages) - LINUX_2_6_22.held_back(4096) for pages in (16_384, 131_072, 1 << 22)]
    assert keeps == [18, 186, 186]


def test_in_6_11_it_gives_up_at_once_if_all_there_is_would_not_do() -> None:
    """free + reclaimable <= min: 40 + 24 pages are not above 64, 40 + 25 are."""
    for pages, at_once in ((24, True), (25, False)):
        a = Machine([RESIDENT | DIRTY] * pages, Victim(), kernel=LINUX_6_11, swap=Swap(), free=40)
        a.reclaim.scan.hand.spaces[0].rewritten.update(range(pages))
        a.ask()
        a.run_until(2 * LINUX_6_11.retry_wait_ns)
        assert (a.counters.oom_kills == 1) == at_once


# -- whom ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cpu_s", "run_s", "points"),
    [
        (0, 0, 1000),
        (31, 1023, 1000),
        (32, 0, 500),
        (72, 0, 333),
        (0, 16_383, 1000),
        (0, 16_384, 500),
        (32, 16_384, 250),
    ],
)
def test_badness_of_2007_is_less_for_who_has_computed_or_run_for_long(cpu_s: int, run_s: int, points: int) -> None:
    """1000 pages by isqrt(s / 8) and by isqrt(isqrt(s / 1024)), each at least 1, whole numbers."""
    assert badness_by_size(Victim(pages=1000, cpu=cpu_s, run=run_s)) == points


def test_badness_of_6_11_is_what_is_in_memory_or_on_the_server_and_its_tables() -> None:
    """10,000 pages need 20 tables of 512 entries, those one, and that one more; what was never touched does not count."""
    assert badness_by_memory(Victim(pages=1_000_000, used=10_000)) == 10_000 + 20 + 1 + 1


@pytest.mark.parametrize("kernel", [LINUX_2_6_22, LINUX_6_11], ids=lambda kernel: kernel.name)
def test_the_worst_is_chosen_and_not_who_is_exempt(kernel: Kernel) -> None:
    """A part of the kernel has the most memory, and is not looked at."""
    small, large = Victim("small", 10, 10), Victim("large", 50, 50)
    exempt = Victim("exempt", 99, 99, protected=True)
    a = Machine([], small, exempt, large, kernel=kernel)
    assert a.oom.kill()
    assert (small.dying, exempt.dying, large.dying) == (False, False, True)


def test_in_2007_nobody_else_is_killed_before_the_victim_has_died() -> None:
    """TIF_MEMDIE: for ever, if need be."""
    first, second = Victim("first", 50, 50), Victim("second", 10, 10)
    a = Machine([], first, second)
    assert a.oom.kill()
    a.run_until(seconds(1000))
    assert not a.oom.kill()
    first.dead = True
    assert a.oom.kill()
    assert second.dying
    assert first.reaped_at == []


def test_in_6_11_the_reaper_takes_its_memory_after_two_seconds_and_then_the_next_may_be_killed() -> None:
    """OOM_REAPER_DELAY; one that has died by then is left alone."""
    first, second = Victim("first", 50, 50), Victim("second", 10, 10)
    a = Machine([], first, second, kernel=LINUX_6_11)
    assert a.oom.kill()
    a.run_until(seconds(2))
    assert not a.oom.kill()
    a.run_until(seconds(2) + 1)
    assert first.reaped_at == [seconds(2)]
    assert a.oom.kill()
    second.dead = True
    a.run_until(seconds(10))
    assert second.reaped_at == []


def test_with_nobody_left_to_kill_whoever_waits_goes_on_waiting() -> None:
    """No program is told of that could be killed."""
    a = Machine([], Victim(protected=True))
    a.ask()
    a.run_until(seconds(10))
    assert (a.counters.oom_kills, len(a.reclaim.waiters)) == (0, 1)


# -- the one that has been killed, in direct reclaim ---------------------------------------------------------------------


def task() -> Task:
    """A program that waits for a page."""

    def program() -> Program:
        yield from ()

    return Task("a test", 0, "rank 0", program(), Progress(Events(), seconds(1)))


@pytest.mark.parametrize(
    ("kernel", "free", "gets"),
    [
        (LINUX_2_6_22, 1, True),
        (LINUX_2_6_22, 0, False),
        (LINUX_6_11, MIN // 2 + 1, True),
        (LINUX_6_11, MIN // 2, False),
    ],
)
def test_a_victim_may_go_below_min_and_if_that_is_refused_its_wait_is_over_too(
    kernel: Kernel, free: int, gets: bool
) -> None:
    """Down to nothing in 2007, to half of min in 6.11; others wait on."""
    a = Machine([], kernel=kernel, free=free)
    victim, ended = task(), []
    a.reclaim.obtain("victim", lambda: a.granted.append("victim"), task=victim)
    a.reclaim.obtain("other", lambda: a.granted.append("other"))
    a.reclaim.mark_victim(victim, ended.append)
    a.run_until(NAP_NS + 1)
    assert (a.granted, ended) == (["victim"] if gets else [], [gets])
    assert [waiter.name for waiter in a.reclaim.waiters] == ["other"]
    assert a.zone.free == free - gets


@pytest.mark.parametrize("kernel", [LINUX_2_6_22, LINUX_6_11], ids=lambda kernel: kernel.name)
def test_a_victim_asleep_for_a_request_slot_sleeps_on_until_there_is_one(kernel: Kernel) -> None:
    """Uninterruptibly; then it is let through below min like any other victim."""
    swap = Swap(slots=0)
    a = Machine([COLD] * 100, kernel=kernel, swap=swap, free=MIN - 1)
    victim, ended = task(), []
    a.reclaim.obtain("victim", lambda: a.granted.append("victim"), task=victim)
    a.reclaim.mark_victim(victim, ended.append)
    a.run_until(seconds(10))
    assert (a.granted, ended) == ([], [])
    swap.slots = 1_000
    a.reclaim.slot_free()
    a.run_until(seconds(11))
    assert (a.granted, ended) == (["victim"], [True])


def test_a_victim_in_the_throttle_of_direct_reclaimers_wakes() -> None:
    """wait_event_killable; at half of min it is refused a page, and that is the end of its wait."""
    a = Machine([COLD] * 100, kernel=LINUX_6_11, swap=Swap(slots=0), free=MIN // 2, throttled=True)
    victim, ended = task(), []
    a.reclaim.obtain("victim", lambda: a.granted.append("victim"), task=victim)
    a.reclaim.obtain("other", lambda: a.granted.append("other"))
    assert a.reclaim.sleepers() == 2
    a.reclaim.mark_victim(victim, ended.append)
    a.run_until(1)
    assert ended == [False]
    assert a.reclaim.sleepers() == 1


# -- the memory of one that has died ------------------------------------------------------------------------------------


def test_what_is_on_its_way_is_not_free_before_it_has_arrived() -> None:
    """Of seven pages two are resident and at rest; one is being written for the second time of its life."""
    space = AddressSpace("rank 0", 0, 7)
    space.states[:] = bytes([UNTOUCHED, SWAPPED, READING, WRITING, COLD, RESIDENT | ACCESSED, COLD])
    space.resident = 3
    space.rewritten.add(6)
    assert space.used() == 6
    assert space.release() == 2
    assert bytes(space.states[:]) == bytes([UNTOUCHED, UNTOUCHED, READING, WRITING, UNTOUCHED, UNTOUCHED, WRITING])
    assert (space.resident, space.gone, space.rewritten) == (0, True, set())


@pytest.mark.parametrize("stands", [0, 1, 2])
@pytest.mark.parametrize("gone", [0, 1, 2])
def test_the_hand_goes_on_where_it_stood_when_a_space_is_gone(stands: int, gone: int) -> None:
    """Or at the beginning of the next, if it stood in that one."""
    hand = ClockHand()
    spaces = [AddressSpace(name, 0, 4) for name in "abc"]
    for space in spaces:
        space.states[:] = bytes([COLD]) * 4
        space.resident = 4
    hand.spaces = list(spaces)
    list(hand.victims(4 * stands + 1))
    hand.remove(spaces[gone])
    left = [space for space in spaces if space is not spaces[gone]]
    expected = (spaces[stands], 1) if stands != gone else (left[stands % 2] if stands < 2 else left[0], 0)
    space, page = next(hand.victims(1))
    assert (space, page) == expected
