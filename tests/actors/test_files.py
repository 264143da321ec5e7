"""Pages of files: what is clean, what is dirty, what is being written, and the disk they are on."""

from hypothesis import given
from hypothesis import strategies as st

from netswap.actors.disk import Disk
from netswap.actors.events import Events
from netswap.actors.memory.anonymous import ACCESSED, DIRTY, RESIDENT, SWAPPED, UNTOUCHED, WRITING, ClockHand
from netswap.actors.memory.files import WRITEBACK, File, LocalDisk, PageCache
from netswap.protocol.units import milliseconds, seconds

PAGES = 8


def cached(pages: int = PAGES) -> File:
    """A file whose pages are all in memory and clean."""
    file = File("a file", pages)
    file.cache(pages)
    return file


def test_a_file_is_on_disk_until_it_is_read() -> None:
    """No page of it is in memory; one that is only ever overwritten needs no reading either."""
    assert set(File("a", 3).states) == {SWAPPED}
    assert set(File("b", 3, overwritten=True).states) == {UNTOUCHED}


def test_a_page_the_flusher_writes_stays_and_is_clean_then() -> None:
    """It can be read meanwhile, and does not count as dirty."""
    file = cached()
    file.touch(0, 1, write=True)
    version = file.versions[0]
    file.begin_write(0, leaves=False)
    file.touch(0, 1, write=False)
    assert (file.dirty, file.flushing, file.resident) == (0, 1, PAGES)
    assert not file.end_write(0, version)
    assert file.states[0] == RESIDENT | ACCESSED
    assert (file.dirty, file.flushing, file.resident) == (0, 0, PAGES)


def test_a_page_written_to_while_the_flusher_writes_it_is_dirty_again() -> None:
    """The disk has older contents."""
    file = cached()
    file.touch(0, 1, write=True)
    version = file.versions[0]
    file.begin_write(0, leaves=False)
    file.touch(0, 1, write=True)
    file.end_write(0, version)
    assert (file.states[0] & DIRTY, file.dirty) == (DIRTY, 1)


def test_a_page_that_reclaim_writes_leaves() -> None:
    """It is not in memory any more as far as programs can see, and free once it is on disk."""
    file = cached()
    file.touch(0, 1, write=True)
    file.begin_write(0, leaves=True)
    assert (file.states[0], file.resident) == (WRITING, PAGES - 1)
    assert file.end_write(0, file.versions[0])
    assert file.states[0] == SWAPPED


def test_a_page_used_while_reclaim_writes_it_stays() -> None:
    """Read only, it is clean then."""
    file = cached()
    file.touch(0, 1, write=True)
    file.begin_write(0, leaves=True)
    file.keep_while_writing(0, write=False)
    assert not file.end_write(0, file.versions[0])
    assert (file.states[0], file.resident, file.dirty) == (RESIDENT | ACCESSED, PAGES, 0)


steps = st.tuples(st.sampled_from(("read", "write", "flush", "leave", "done")), st.integers(0, PAGES - 1))


@given(st.lists(steps, max_size=60))
def test_the_counts_are_those_of_the_states(calls: list[tuple[str, int]]) -> None:
    """Resident, dirty and being written, by what each page says of itself."""
    file = cached()
    writes: dict[int, int] = {}
    for call, page in calls:
        state = file.states[page]
        if call in ("read", "write") and state == WRITING:
            file.keep_while_writing(page, write=call == "write")
        elif call in ("read", "write") and state & RESIDENT:
            file.touch(page, page + 1, write=call == "write")
        elif call in ("flush", "leave") and state & RESIDENT and state & DIRTY and not state & WRITEBACK:
            writes[page] = file.versions[page]
            file.begin_write(page, leaves=call == "leave")
        elif call == "done" and page in writes:
            file.end_write(page, writes.pop(page))
    here = [state for state in file.states if state & RESIDENT]
    assert file.resident == len(here)
    assert file.flushing == sum(bool(state & WRITEBACK) for state in here)
    assert file.dirty == sum(state & (DIRTY | WRITEBACK) == DIRTY for state in here)


def test_the_disk_shares_its_latency_and_not_its_bandwidth() -> None:
    """Three pages asked for at once, 1 ms and 4096 B/ms: at 1 + 1, 1 + 2 and 1 + 3 ms."""
    events = Events()
    disk = LocalDisk(events, Disk(), milliseconds(1), 4096 * 1000, 128)
    done: list[int] = []

    class Owner:
        def file_written(self, file: File, page: int, version: int) -> None:
            """Nothing is written here."""

        def file_read(self, file: File, page: int) -> None:
            done.append(events.now)

    disk.owner = Owner()
    for page in range(3):
        disk.page_in(cached(), page)
    while events.next_ns() < seconds(1):
        events.step()
    assert done == [milliseconds(2), milliseconds(3), milliseconds(4)]


def test_the_cache_tells_mapped_pages_from_the_others() -> None:
    """Text goes round with the memory of programs."""
    hand = ClockHand()
    cache = PageCache(hand)
    text, data = File("text", 4, mapped=True), File("data", 6)
    for file in (text, data):
        file.cache(file.pages)
        cache.add(file)
    data.touch(0, 2, write=True)
    assert (cache.resident(), cache.clean(), cache.dirty()) == (10, 8, 2)
    assert (cache.mapped_pages(), cache.pages()) == (4, 10)
    assert hand.spaces == [text]
