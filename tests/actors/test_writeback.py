"""Writeback: the limits by their formula, when the flusher writes, and who is held up."""

from dataclasses import replace

import pytest

from netswap.actors.disk import Disk
from netswap.actors.events import Events
from netswap.actors.kernels import LINUX_2_6_22, LINUX_6_1, LINUX_6_11, Kernel
from netswap.actors.memory.anonymous import DIRTY, RESIDENT, AddressSpace, ClockHand
from netswap.actors.memory.board import Board
from netswap.actors.memory.files import File, LocalDisk, PageCache
from netswap.actors.memory.writeback import Writeback
from netswap.actors.memory.zone import Zone
from netswap.protocol.units import milliseconds, seconds

TOTAL = 10_000
DISK_BANDWIDTH = 4096 * 100_000


class Scene:
    """10,000 pages: so many anonymous, a file of 5,000 with so many in memory, the rest free."""

    def __init__(self, anonymous: int = 0, cached: int = 0, dirty: int = 0, kernel: Kernel = LINUX_2_6_22) -> None:
        self.events = Events()
        self.writes = 0
        self.zone = Zone(TOTAL, 64)
        self.zone.free = TOTAL - anonymous - cached
        space = AddressSpace("rank 0", 0, TOTAL)
        space.states[:anonymous] = bytes([RESIDENT | DIRTY]) * anonymous
        space.resident = anonymous
        hand = ClockHand()
        hand.spaces = [space]
        self.cache = PageCache(hand)
        self.file = File("a file", 5_000)
        self.file.cache(cached)
        self.cache.add(self.file)
        self.disk = LocalDisk(self.events, Disk(), milliseconds(1), DISK_BANDWIDTH, 128)
        self.disk.owner = self
        self.writeback = Writeback(Board(self.events, self.zone, kernel), self.cache, self.disk, None)
        self.write(dirty)

    def write(self, pages: int) -> None:
        """A program writes to the first pages of the file."""
        if pages:
            self.file.touch(0, pages, write=True)
            self.writeback.dirtied(self.file)

    def file_written(self, file: File, page: int, version: int) -> None:
        """As the machine does."""
        self.writes += 1
        file.end_write(page, version)
        self.writeback.proceed()

    def file_read(self, file: File, page: int) -> None:
        """Nothing is read here."""

    def run_until(self, time_ns: int) -> None:
        """Let happen what happens before that time."""
        while self.events.next_ns() < time_ns:
            self.events.step()
        self.events.now = time_ns


@pytest.mark.parametrize(
    ("anonymous", "ratio"), [(0, 10), (7_000, 10), (8_000, 10), (8_600, 7), (9_000, 5), (9_900, 5)]
)
def test_the_dirty_ratio_is_half_of_what_is_not_mapped_within_its_bounds(anonymous: int, ratio: int) -> None:
    """min(10, (100 - mapped %) / 2), at least 5, of free and reclaimable pages: here of all (facts 4.4)."""
    assert max(5, min(10, (100 - 100 * anonymous // TOTAL) // 2)) == ratio
    background = ratio // 2 if ratio <= 5 else 5
    assert Scene(anonymous).writeback.limits() == (background * TOTAL // 100, ratio * TOTAL // 100)


def test_in_6_11_anonymous_memory_is_not_dirtyable() -> None:
    """6.11: 20 % and 10 % of the pages of files and of what is free above the high mark, which is kept free."""
    scene = Scene(anonymous=6_000, cached=1_000, kernel=LINUX_6_11)
    high = LINUX_6_11.marks(scene.zone.min, TOTAL)[1]
    assert scene.zone.free == 3_000
    dirtyable = 4_000 - high
    assert scene.writeback.limits() == (dirtyable // 10, dirtyable // 5)
    scene.zone.free = high - 1
    assert scene.writeback.limits() == (100, 200), "below it nothing free is dirtyable"


@pytest.mark.parametrize(("under_way", "naps"), [(550, False), (551, True)])
def test_reclaimers_nap_above_5_5_percent_where_all_is_mapped(under_way: int, naps: bool) -> None:
    """Row 18: 1.1 x 5 % of 10,000 dirtyable pages; and 6.11 has no such nap."""
    for kernel, expected in ((LINUX_2_6_22, naps), (LINUX_6_11, False)):
        scene = Scene(anonymous=9_000, kernel=kernel)
        scene.zone.free = TOTAL - 9_000 - under_way
        scene.disk.writing = under_way
        assert scene.writeback.throttles_reclaim() == expected


def test_the_flusher_writes_what_has_been_dirty_for_30_seconds() -> None:
    """Dirtied at 0, below the background limit: at the beat of 30 s, not at that of 25 s."""
    scene = Scene(cached=1_000, dirty=100)
    scene.run_until(seconds(30) - 1)
    assert (scene.file.dirty, scene.writes) == (100, 0)
    scene.run_until(seconds(31))
    assert (scene.file.dirty, scene.writes) == (0, 100)
    assert scene.events.next_ns() > seconds(34), "and looks again only because it had been asked to"


def test_above_the_background_limit_the_flusher_writes_at_once_down_to_it() -> None:
    """5 % of 10,000 pages: of 700 it writes 200 and leaves 500."""
    scene = Scene(cached=1_000, dirty=700)
    scene.run_until(seconds(1))
    assert (scene.file.dirty, scene.writes) == (500, 200)


def test_the_disks_queue_bounds_what_the_flusher_has_under_way() -> None:
    """128 requests (nr_requests)."""
    scene = Scene(cached=1_000, dirty=900)
    scene.run_until(1)
    assert scene.disk.writing == LINUX_2_6_22.block_queue == 128


def test_a_writer_above_the_limit_may_go_on_once_it_has_written_a_chunk_itself() -> None:
    """12 pages: 8 and half as many again (sync_writeback_pages)."""
    scene = Scene(cached=1_200, dirty=1_100)
    assert scene.writeback.exceeded()
    assert not scene.writeback.has_paid(0)
    assert scene.writeback.write_some(scene.file, 0) == 12
    assert scene.writeback.exceeded()
    assert scene.writeback.has_paid(12)


@pytest.mark.parametrize("kernel", [LINUX_6_1, LINUX_6_11])
@pytest.mark.parametrize(("cpus", "error"), [(1, 8), (2, 2 * 16), (4, 4 * 24), (6, 6 * 24)])
def test_since_3_2_a_writer_whose_device_has_hardly_anything_dirty_goes_on_after_a_pause(
    kernel: Kernel, cpus: int, error: int
) -> None:
    """wb_stat_error: for each CPU a batch of 8 (1 + ilog2 of them); what other devices have does not matter (3.2)."""
    scene = Scene(cached=1_000, kernel=kernel)
    scene.writeback = Writeback(Board(scene.events, scene.zone, kernel), scene.cache, scene.disk, None, cpus)
    other = File("on another device", 3_000)
    other.disk = LocalDisk(scene.events, Disk(), milliseconds(1), DISK_BANDWIDTH, 128)
    other.cache(3_000, dirty=True)
    scene.cache.add(other)
    scene.file.touch(0, error - 3, write=True)
    scene.disk.writing = 3
    assert scene.writeback.exceeded(scene.file)
    assert scene.writeback.pause(scene.file) == (kernel.retry_wait_ns, True)
    scene.file.touch(0, error - 2, write=True)
    assert scene.writeback.pause(scene.file) == (kernel.reclaim_wait_ns, False)
    assert scene.writeback.pause(other) == (kernel.reclaim_wait_ns, False)


def test_the_twins_2_6_22_has_no_such_rule_and_its_writers_write_themselves() -> None:
    """No writer goes on without having written 12 pages; since 3.2 a writer writes none, and the flusher is started for it."""
    old, new = Scene(cached=1_000), Scene(cached=1_000, kernel=LINUX_6_11)
    assert old.writeback.pause(old.file) == (LINUX_2_6_22.reclaim_wait_ns, False)
    assert new.writeback.pause(new.file) == (LINUX_6_11.retry_wait_ns, True)
    for scene, written in ((old, 12), (new, 0)):
        scene.file.touch(0, 1_000, write=True)
        scene.zone.free = 0
        assert scene.writeback.write_some(scene.file, 0) == written == scene.disk.writing
    new.run_until(1)
    assert new.disk.writing == LINUX_6_11.block_queue


def test_what_is_under_way_to_the_swap_server_counts_against_a_writer() -> None:
    """So a task that only writes a file is held up by an outage of C."""

    class Swap:
        writeback = 1_001

    scene = Scene()
    scene.zone.free -= Swap.writeback
    assert not scene.writeback.exceeded()
    scene.writeback = Writeback(Board(scene.events, scene.zone, LINUX_2_6_22), scene.cache, scene.disk, Swap())  # type: ignore[arg-type]
    assert scene.writeback.exceeded()


def test_a_kernel_that_flushes_more_often_flushes_more_often() -> None:
    """The beat is the kernel's."""
    scene = Scene(cached=1_000, kernel=replace(LINUX_2_6_22, flush_interval_ns=seconds(1), dirty_expire_ns=seconds(2)))
    scene.write(10)
    scene.run_until(seconds(3))
    assert scene.writes == 10
