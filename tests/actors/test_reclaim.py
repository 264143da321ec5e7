"""Reclaim: when kswapd works, how direct reclaim proceeds, and how those who wait are served."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scene import KERNEL

from netswap.actors.disk import Disk
from netswap.actors.events import NEVER, Events
from netswap.actors.kernels import LINUX_6_1, LINUX_6_11, Kernel
from netswap.actors.kernels.kernel import PAGEBLOCK
from netswap.actors.memory.anonymous import (
    ACCESSED,
    DIRTY,
    HOT,
    RESIDENT,
    SWAPPED,
    UNTOUCHED,
    WRITING,
    AddressSpace,
    ClockHand,
)
from netswap.actors.memory.board import Board
from netswap.actors.memory.files import File, LocalDisk
from netswap.actors.memory.highatomic import HighAtomicZone
from netswap.actors.memory.reclaim import Reclaim
from netswap.actors.memory.scan import Scan
from netswap.actors.memory.writeback import Writeback
from netswap.actors.memory.zone import Zone
from netswap.actors.memory.zones import Part, ZonedZone
from netswap.protocol.units import milliseconds, seconds

COLD = RESIDENT | DIRTY
CLEAN = RESIDENT


class Swap:
    """A swap device that takes so many page-outs at a time and answers when the test says so."""

    has_failed = False

    def __init__(self, slots: int = 1_000_000) -> None:
        self.slots = slots
        self.started: list[int] = []
        self.under_way: list[tuple[AddressSpace, int, int]] = []

    def can_page_out(self) -> bool:
        """Whether a slot is free."""
        return len(self.under_way) < self.slots

    def page_out(self, space: AddressSpace, page: int) -> None:
        """Start one."""
        self.started.append(page)
        self.under_way.append((space, page, space.versions[page]))

    def hindrance(self) -> str:
        """Its slots."""
        return "" if self.can_page_out() else "a request slot"

    def unplug(self) -> None:
        """Each has been started already."""


class Scene:
    """A zone, an address space in it, and reclaim. min 64, low 80, high 96."""

    def __init__(
        self,
        states: list[int],
        free: int = 0,
        swap: Swap | None = None,
        total: int = 4096,
        *,
        zone: Zone | None = None,
        kernel: Kernel = KERNEL,
    ) -> None:
        """`zone`: another one, with as many free pages as it has."""
        self.events = Events()
        self.zone = Zone(total, 64, kernel=kernel) if zone is None else zone
        if zone is None:
            self.zone.free = self.zone.free_min = free
        self.swap = swap
        self.board = Board(self.events, self.zone, kernel)
        self.reclaim = Reclaim(self.board, Scan(self.board, swap))
        self.space = AddressSpace("rank 0", 0, len(states))
        self.space.states[:] = bytes(states)
        self.space.resident = sum(state >= RESIDENT for state in states)
        self.reclaim.scan.hand.spaces = [self.space]
        self.granted: list[str] = []

    def ask(self, who: str) -> bool:
        """A task needs a page."""
        return self.reclaim.obtain(who, lambda: self.granted.append(who))

    def with_disk(self, disk: LocalDisk, writes: Any = None) -> None:
        """Files are on this disk; `writes`: the swap device, if what it writes counts."""
        writeback = Writeback(self.board, self.reclaim.scan.cache, disk, writes)
        self.reclaim = Reclaim(self.board, Scan(self.board, self.swap, writeback))

    def settle(self) -> None:
        """Let happen what happens now."""
        while self.events.next_ns() <= self.events.now:
            self.events.step()

    def run_until(self, time_ns: int) -> None:
        """Let happen what happens before that time."""
        while self.events.next_ns() < time_ns:
            self.events.step()
        self.events.now = time_ns

    def answer(self, count: int = 1) -> None:
        """The server answers so many page-outs, in order."""
        assert self.swap is not None
        for _ in range(count):
            self.reclaim.scan.written(*self.swap.under_way.pop(0))
            self.reclaim.slot_free()
            self.settle()

    def polls(self) -> list[str]:
        """Who has a poll pending that will do something."""
        return [waiter.name for _, waiter in self.reclaim.polls if not waiter.served]


# -- kswapd ----------------------------------------------------------------------------------------------------------


def test_kswapd_is_woken_at_the_low_mark_and_not_above() -> None:
    """low = 64 + 16 = 80: the request that finds 81 pages does not wake it, the one that finds 80 does (row 24)."""
    scene = Scene([COLD] * 10, free=82, swap=Swap())
    assert scene.ask("rank 0")
    assert scene.ask("rank 0")
    assert (scene.zone.free, scene.reclaim.kswapd.asleep) == (80, True)
    assert scene.ask("rank 0")
    assert (scene.reclaim.kswapd.asleep, scene.reclaim.kswapd.wakes) == (False, 1)


def test_kswapd_stops_above_the_high_mark_and_not_before() -> None:
    """high = 96: from 79 pages on it frees clean ones until 97 are free, 18 of them."""
    scene = Scene([CLEAN] * 100, free=80)
    assert scene.ask("rank 0")
    scene.settle()
    assert scene.zone.free == 97
    assert scene.reclaim.kswapd.asleep
    assert list(scene.space.states[:]).count(SWAPPED) == 97 - 79


def two_zones(kernel: Kernel, *free: int) -> ZonedZone:
    """2048 pages each, of which all but so many are in use, the highest first; low 40, high 48."""
    zone = ZonedZone([Part(name, Zone(2048, 32, kernel=kernel)) for name in ("DMA32", "Normal")], kernel)
    for part, pages in zip(zone.parts, free, strict=True):
        part.used[0] += part.zone.take_many(0, 2048 - pages)
    zone.settle()
    return zone


@pytest.mark.parametrize("kernel", [LINUX_6_1, LINUX_6_11])
@pytest.mark.parametrize("least", [10, 40])
def test_in_6_x_kswapd_of_a_node_looks_at_the_marks_only_after_a_pass(kernel: Kernel, least: int) -> None:
    """Clean pages, half of them of each zone: passes over list >> priority, with no least number, until a zone is above 48."""
    pages = 1 << 13
    scene = Scene([CLEAN] * pages, zone=two_zones(kernel, least, least), kernel=kernel)
    scene.zone.press()
    scene.settle()
    freed, priority = 0, 12
    while (freed + 1) // 2 < 49 - least:
        freed += (pages - freed) >> priority
        priority -= 1
    assert (scene.zone.free, scene.reclaim.kswapd.asleep) == (2 * least + freed, True)
    assert freed > 2 * (49 - least), "beyond what the marks need"


def test_the_twin_2_6_22_stops_when_both_zones_are_above_their_marks() -> None:
    """all_zones_ok: 49 pages free in each, and not one more."""
    scene = Scene([CLEAN] * 4000, zone=two_zones(KERNEL, 10, 10))
    scene.zone.press()
    scene.settle()
    assert (scene.zone.free, scene.reclaim.kswapd.asleep) == (2 * 49, True)


def test_a_pass_that_reclaims_nothing_is_followed_by_one_over_twice_as_much() -> None:
    """Dirty pages are looked at, and written: list >> priority from 12 down to 1, and then it looks again later."""
    swap = Swap()
    scene = Scene([COLD] * 20_000, swap=swap, zone=two_zones(LINUX_6_11, 10, 10), kernel=LINUX_6_11)
    scene.zone.press()
    scene.settle()
    left = 20_000
    for priority in range(12, 0, -1):
        left -= left >> priority
    assert len(swap.started) == 20_000 - left
    assert (scene.reclaim.kswapd.asleep, scene.events.next_ns()) == (False, milliseconds(100))


def test_a_pass_ends_with_the_pages_of_the_high_marks() -> None:
    """A pass at priority 1 would look at half of the list; 96 pages are wanted, those of both marks."""
    scene = Scene([CLEAN] * 4000, zone=two_zones(LINUX_6_11, 10, 10), kernel=LINUX_6_11)
    scene.reclaim.kswapd._priority = 1
    scene.zone.press()
    scene.settle()
    assert scene.zone.free == 20 + 96


def boosted(free: int) -> HighAtomicZone:
    """80 MiB with min 268 and high 402, all used once, whose marks an unmovable page has raised by a pageblock."""
    zone = HighAtomicZone(20_480, 268, kernel=LINUX_6_1)
    zone.take_many(0, zone.total - free - 1)
    zone.settle()
    assert zone.take_unmovable(0)
    assert (zone.free, zone.boost) == (free, PAGEBLOCK)
    return zone


def test_kswapd_takes_the_boost_back_when_its_work_ends_whether_the_mark_is_reached_or_not() -> None:
    """balance_pgdat, out: 300 pages are free and none can leave. What is raised while it works does not pile up.

    Else a zone in which unmovable pages are taken all the time keeps raising the mark that kswapd has to reach.
    """
    scene = Scene([UNTOUCHED] * 10, zone=boosted(300), kernel=LINUX_6_1)
    scene.zone.press()
    scene.settle()
    assert (scene.zone.free, scene.zone.boost, scene.reclaim.kswapd.asleep) == (300, 0, False)
    while not scene.zone.boost:  # the pages that came with the first are used first
        assert scene.zone.take_unmovable(0)
    scene.run_until(milliseconds(100) + 1)
    assert (scene.zone.boost, scene.reclaim.kswapd.asleep) == (0, False)


def test_the_twin_while_it_sleeps_for_a_slot_its_work_has_not_ended() -> None:
    """All the request slots are taken: the marks stay raised until it can go on."""
    scene = Scene([COLD] * 10, zone=boosted(300), swap=Swap(slots=0), kernel=LINUX_6_1)
    scene.zone.press()
    scene.settle()
    assert (scene.zone.boost, scene.reclaim.kswapd.wants_slot) == (PAGEBLOCK, True)


def test_between_the_marks_kswapd_goes_on_if_it_is_awake_and_sleeps_on_if_it_sleeps() -> None:
    """Hysteresis: answers bring free from 79 to 97, only then it sleeps; requests down to 80 leave it asleep."""
    swap = Swap(slots=1)
    scene = Scene([COLD] * 100, free=80, swap=swap)
    scene.ask("rank 0")
    scene.settle()
    for free in range(80, 97):
        scene.answer()
        assert (scene.zone.free, scene.reclaim.kswapd.asleep) == (free, False)
    scene.answer()
    assert (scene.zone.free, scene.reclaim.kswapd.asleep) == (97, True)
    while scene.zone.free > 80:
        scene.ask("rank 0")
        scene.settle()
        assert scene.reclaim.kswapd.asleep
    scene.ask("rank 0")
    assert scene.reclaim.kswapd.wakes == 2


def test_kswapd_waits_for_a_slot_and_goes_on_with_the_page_it_had_found() -> None:
    """Two slots: pages 0 and 1; each answer lets the next page in order leave, without a poll in between."""
    swap = Swap(slots=2)
    scene = Scene([COLD] * 10, free=80, swap=swap)
    scene.ask("rank 0")
    scene.settle()
    assert (swap.started, scene.reclaim.kswapd.wants_slot) == ([0, 1], True)
    scene.answer()
    assert swap.started == [0, 1, 2]
    scene.answer(2)
    assert swap.started == [0, 1, 2, 3, 4]
    assert scene.events.next_ns() == NEVER


def test_kswapd_with_nothing_that_may_leave_looks_again_after_a_tenth_of_a_second() -> None:
    """congestion_wait: 0.1 s; one poll, not one for each look."""
    scene = Scene([UNTOUCHED] * 10, free=80)
    scene.ask("rank 0")
    scene.settle()
    assert [entry[0] for entry in scene.events.heap] == [milliseconds(100)]
    scene.space.states[:] = bytes([CLEAN]) * 10
    scene.space.resident = 10
    scene.run_until(milliseconds(100) + 1)
    assert scene.zone.free == 79 + 10


def test_without_swap_a_dirty_page_does_not_leave_and_a_clean_one_does() -> None:
    """There is nowhere to write it to."""
    scene = Scene([COLD, CLEAN, COLD, CLEAN], free=80)
    scene.ask("rank 0")
    scene.settle()
    assert list(scene.space.states[:]) == [COLD, SWAPPED, COLD, SWAPPED]


# -- a page on its way out (row 47) ----------------------------------------------------------------------------------


def page_out_one() -> Scene:
    """Page 0 is under way; no task waits."""
    scene = Scene([COLD], free=80, swap=Swap())
    scene.ask("rank 0")
    scene.settle()
    assert scene.swap is not None
    assert scene.swap.started == [0]
    return scene


def test_a_page_under_writeback_is_not_free_until_its_reply_has_been_processed() -> None:
    """However long it takes: state WRITING, free pages as before; the reply makes it SWAPPED and free."""
    scene = page_out_one()
    scene.run_until(seconds(100))
    assert (scene.space.states[0], scene.space.resident, scene.zone.free) == (WRITING, 0, 79)
    scene.answer()
    assert (scene.space.states[0], scene.space.resident, scene.zone.free) == (SWAPPED, 0, 80)


def test_a_page_read_while_it_is_written_stays_and_is_clean_then() -> None:
    """The server has what it holds: nothing is freed, and it may leave without another write."""
    scene = page_out_one()
    scene.space.keep_while_writing(0, write=False)
    scene.answer()
    assert (scene.space.states[0], scene.space.resident, scene.zone.free) == (RESIDENT | ACCESSED, 1, 79)
    assert not scene.space.rewritten


def test_a_page_written_while_it_is_written_stays_dirty() -> None:
    """The server has older contents: the versions differ."""
    scene = page_out_one()
    scene.space.keep_while_writing(0, write=True)
    scene.answer()
    assert (scene.space.states[0], scene.space.resident, scene.zone.free) == (HOT, 1, 79)
    assert not scene.space.rewritten


# -- direct reclaim --------------------------------------------------------------------------------------------------


def test_user_space_stops_at_min_and_not_before() -> None:
    """free 65: one page; free 64: no page, the request waits."""
    scene = Scene([UNTOUCHED], free=65)
    assert scene.ask("first")
    assert not scene.ask("second")
    assert scene.zone.free == 64


def test_direct_reclaim_frees_a_cluster_and_no_more() -> None:
    """32 pages freed, one of them taken: 64 + 32 - 1 (SWAP_CLUSTER_MAX)."""
    scene = Scene([CLEAN] * 1000, free=64)
    assert scene.ask("rank 0")
    assert scene.zone.free == 64 + 32 - 1


class RecordingHand(ClockHand):
    """Notes when the hand was asked to look, and at how many pages; it finds none."""

    def __init__(self, now: Callable[[], int]) -> None:
        super().__init__()
        self.looks: list[tuple[int, int]] = []
        self._now = now

    def victims(self, quota: int) -> Iterator[tuple[AddressSpace, int]]:
        """Nothing may leave."""
        self.looks.append((self._now(), quota))
        return iter(())


RESIDENT_PAGES = 1 << 18


def looks_of_direct_reclaim(until_ns: int) -> list[tuple[int, int]]:
    """(when, quota) of one reclaimer's passes over 1 GiB of pages that never become free; kswapd stays out of it."""
    scene = Scene([COLD] * RESIDENT_PAGES, free=64, total=RESIDENT_PAGES + 1024)
    scene.reclaim.kswapd.asleep = False
    hand = RecordingHand(lambda: scene.events.now)
    hand.spaces = scene.reclaim.scan.hand.spaces
    scene.reclaim.scan.hand = hand
    assert not scene.ask("rank 0")
    scene.run_until(until_ns)
    return hand.looks


def test_direct_reclaim_looks_at_twice_as_many_pages_each_time() -> None:
    """LRU / 2^priority for priority 12 ... 0, never below 32; then a new attempt (facts 4.3)."""
    expected = [max(32, RESIDENT_PAGES >> priority) for priority in (*range(12, -1, -1), 12, 11)]
    assert [quota for _, quota in looks_of_direct_reclaim(seconds(5))][:15] == expected


def test_an_attempt_of_direct_reclaim_sleeps_from_priority_9_on_and_is_over_after_a_second() -> None:
    """Row 28: passes 12, 11, 10 and 9 at once, then 0.1 s after each: 8 at 0.1 s ... 0 at 0.9 s, anew at 10 * 0.1 = 1.0 s."""
    expected = [0, 0, 0] + [milliseconds(100 * tenth) for tenth in range(11)]
    assert [at_ns for at_ns, _ in looks_of_direct_reclaim(seconds(1) + 1)][:14] == expected


# -- the page cache --------------------------------------------------------------------------------------------------


def with_cache(scene: Scene, pages: int, *, text: int = 0) -> tuple[File, File]:
    """`pages` clean pages of a file that no task uses, and `text` of program text."""
    files = File("a file", pages), File("the text", max(1, text), mapped=True)
    files[0].cache(pages)
    files[1].cache(text)
    disk = LocalDisk(scene.events, Disk(), milliseconds(1), 1 << 30, 128)
    cache = scene.reclaim.scan.cache
    for file in files:
        cache.add(file)
    scene.with_disk(disk)
    return files


def test_cache_that_nobody_uses_goes_before_anonymous_pages() -> None:
    """50 clean pages of a file and 4000 anonymous: the 18 that kswapd is short of are the file's."""
    swap = Swap()
    scene = Scene([COLD] * 4000, free=80, swap=swap)
    file, _ = with_cache(scene, 50)
    scene.ask("rank 0")
    scene.settle()
    assert (scene.zone.free, file.resident, swap.started) == (97, 50 - 18, [])


def test_clean_pages_are_dropped_while_no_request_slot_is_free() -> None:
    """R9: they become free pages at once, and then the next page has to be written and cannot be."""
    scene = Scene([COLD] * 4000, free=80, swap=Swap(slots=0))
    file, _ = with_cache(scene, 10)
    scene.ask("rank 0")
    scene.settle()
    assert (scene.zone.free, file.resident, scene.reclaim.kswapd.wants_slot) == (79 + 10, 0, True)


def test_whoever_is_stuck_for_a_slot_finds_text_after_a_tenth_of_a_second() -> None:
    """kswapd is woken at every failure at low; only one in 0.1 s looks past the page it cannot write."""
    scene = Scene([COLD] * 4000, free=80, swap=Swap(slots=0))
    _, text = with_cache(scene, 1, text=200)
    scene.reclaim.scan.hand.spaces.reverse()
    scene.reclaim.scan.hand.step_back(scene.space, 0)
    scene.ask("rank 0")
    scene.settle()
    assert (scene.reclaim.kswapd.wants_slot, text.resident) == (True, 200)
    scene.run_until(milliseconds(100))
    scene.ask("rank 0")
    scene.settle()
    assert (scene.zone.free, text.resident) == (97, 200 - 97 + 80 + 1 - 1 - 1)


@pytest.mark.parametrize(("mapped", "priority"), [(80, 12), (79, 6), (60, 3), (40, 2), (10, 1), (0, 1)])
def test_mapped_pages_are_spared_until_swap_tendency_is_100(mapped: int, priority: int) -> None:
    """mapped % / 2 + (100 >> priority) + swappiness 60 >= 100: from 80 % on at once, with little only in distress."""
    first = next(one for one in range(12, -1, -1) if mapped // 2 + (100 >> one) + 60 >= 100)
    assert first == priority
    scene = Scene([COLD] * (40 * mapped), free=64, total=4000)
    scene.reclaim.kswapd.asleep = False
    hand = RecordingHand(lambda: 0)
    hand.spaces = scene.reclaim.scan.hand.spaces
    scene.reclaim.scan.hand = hand
    scene.ask("rank 0")
    looks = [quota for _, quota in hand.looks]
    assert looks[:1] == ([max(32, 40 * mapped >> priority)] if mapped else [])


def test_dirty_pages_of_files_are_written_to_disk_and_free_then() -> None:
    """kswapd starts all 30; none is free before it is on disk."""
    scene = Scene([UNTOUCHED], free=80)
    file, _ = with_cache(scene, 30)
    file.touch(0, 30, write=True)
    file.states[:] = bytes([COLD]) * 30
    scene.ask("rank 0")
    scene.settle()
    assert (scene.zone.free, file.resident, file.dirty) == (79, 0, 0)
    for page in range(30):
        scene.reclaim.scan.file_written(file, page, file.versions[page])
    assert scene.zone.free == 79 + 30


# -- throttle_vm_writeout (row 18) -----------------------------------------------------------------------------------


class Wide(Swap):
    """A device with room for everything."""

    @property
    def writeback(self) -> int:
        """Page-outs under way."""
        return len(self.under_way)


def test_reclaimers_nap_once_too_much_is_under_writeback_and_exceed_it_by_a_batch_at_most() -> None:
    """Row 18: kswapd stops at the first multiple of 32 above 1.1 x 5 % of 4096 dirtyable pages, 224."""
    swap = Wide()
    scene = Scene([COLD] * 4075, free=21, swap=swap)
    disk = LocalDisk(scene.events, Disk(), 0, 1 << 30, 128)
    scene.with_disk(disk, swap)
    scene.reclaim.kswapd.wake()
    scene.settle()
    limit = 4096 * 5 // 100 * 11 // 10
    assert limit < len(swap.under_way) == 256 <= limit + 32
    scene.run_until(seconds(2))
    assert len(swap.under_way) == 256, "a nap lasts until less is under way"
    assert scene.reclaim.scan.writeout_naps >= 20
    assert scene.reclaim.kswapd.waits_for() == "less to be under writeback"
    scene.answer(32)
    scene.run_until(seconds(3))
    assert len(swap.under_way) == 256


def test_without_the_nap_nothing_bounds_writeback_but_the_high_mark() -> None:
    """Its twin: all that kswapd looks at is under way at once."""
    swap = Wide()
    scene = Scene([COLD] * 4015, free=80, swap=swap)
    scene.ask("rank 0")
    scene.settle()
    assert len(swap.under_way) == 4015


@pytest.mark.parametrize("may_fs", [True, False])
def test_who_may_not_enter_a_file_system_naps_once_and_goes_on(may_fs: bool) -> None:
    """throttle_vm_writeout of 2.6.22: without __GFP_FS 0.1 s, whatever is under way, and the pass goes on (facts 13.12).

    The twin naps as long as too much is under writeback: it comes to no other pass, and starts no other page-out.
    """
    swap = Wide()
    scene = Scene([COLD] * 4032, free=64, swap=swap)
    scene.with_disk(LocalDisk(scene.events, Disk(), 0, 1 << 30, 128), swap)
    assert not scene.reclaim.obtain("somebody", lambda: None, may_fs=may_fs)
    scene.settle()
    limit = 4096 * 5 // 100 * 11 // 10
    for _ in range(40):
        scene.run_until(scene.events.now + milliseconds(100))
    assert (len(swap.under_way) > limit + 2 * 32) == (not may_fs)


# -- those who wait --------------------------------------------------------------------------------------------------


def three_waiters() -> Scene:
    """At min, nothing to reclaim: a dirty page, and nowhere to write it to."""
    scene = Scene([COLD], free=64)
    assert not any([scene.ask("first"), scene.ask("second"), scene.ask("third")])
    scene.settle()
    return scene


def test_waiters_are_served_in_order_one_for_each_page() -> None:
    """A page, the first; two more, the second and the third; none is left over above min."""
    scene = three_waiters()
    scene.zone.give()
    scene.settle()
    assert (scene.granted, scene.zone.free) == (["first"], 64)
    scene.zone.give(2)
    scene.settle()
    assert (scene.granted, scene.zone.free) == (["first", "second", "third"], 64)


def test_pages_below_min_serve_nobody() -> None:
    """Ten pages are missing to min: ten come back and all wait on; the eleventh serves the first."""
    scene = three_waiters()
    scene.zone.free = 54
    scene.zone.give(10)
    scene.settle()
    assert scene.granted == []
    scene.zone.give()
    scene.settle()
    assert scene.granted == ["first"]


def test_nobody_overtakes_those_who_wait() -> None:
    """A newcomer joins the end even where a page is free; a run of new pages gets none."""
    scene = three_waiters()
    scene.zone.give()
    assert scene.reclaim.obtain_now(8) == 0
    assert not scene.ask("fourth")
    scene.zone.give(3)
    scene.settle()
    assert scene.granted == ["first", "second", "third", "fourth"]


def test_each_waiter_has_one_pending_poll() -> None:
    """After any number of polls, and however many pages came and went."""
    scene = three_waiters()
    for tenth in range(1, 40):
        scene.run_until(milliseconds(100 * tenth) + 1)
        assert sorted(scene.polls()) == ["first", "second", "third"]


def test_a_served_waiters_poll_does_nothing_and_is_not_renewed() -> None:
    """0.1 s later it is gone, the others' are there."""
    scene = three_waiters()
    scene.zone.give()
    scene.settle()
    scene.run_until(milliseconds(100) + 1)
    assert sorted(scene.polls()) == ["second", "third"]
    assert len(scene.reclaim.polls) == 2


def test_a_poll_serves_in_order_too() -> None:
    """Clean pages turn up: the first poll frees 32, and the first in the queue is served first."""
    scene = three_waiters()
    scene.space.states[:] = bytes([CLEAN])
    scene.space.resident = 1
    scene.run_until(milliseconds(100) + 1)
    assert scene.granted == ["first"]


@pytest.mark.parametrize(("free", "wanted", "got"), [(200, 8, 8), (70, 8, 6), (64, 8, 0), (60, 8, 0)])
def test_pages_had_without_waiting_end_at_min(free: int, wanted: int, got: int) -> None:
    """min(wanted, free - 64); kswapd is woken where low (80) was not enough."""
    scene = Scene([UNTOUCHED], free=free)
    assert scene.reclaim.obtain_now(wanted) == got
    assert scene.zone.free == free - got
    assert scene.reclaim.kswapd.asleep == (free == 200)
