"""A server's lent memory: what it holds, what it writes to disk for others, and what it refuses."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netswap.actors.disk import WARM_VERSION, Disk
from netswap.actors.events import Events
from netswap.actors.programs.task import Progress
from netswap.actors.storage.backing import Job
from netswap.actors.storage.remote_memory import MemoryQueue
from netswap.protocol.units import milliseconds, seconds

PAGE = 4096
A = 7
LATENCY_NS = milliseconds(3)


class Server:
    """A server with so many pages to spare, which lends `limit` at most; as its queue sees it."""

    def __init__(self, limit: int, spare: int = 1000, *, refuses: bool = False) -> None:
        self.events = Events()
        self.spare = spare
        self.disk = Disk()
        self.name = "swap-server 0"
        self.progress = Progress(self.events, seconds(1))
        self.call_at = self.events.at
        system: Any = self
        self.queue = MemoryQueue(system, LATENCY_NS, 1 << 50, 100, limit * PAGE, refuses=refuses)
        self.xid = 0

    @property
    def now_ns(self) -> int:
        """The machine's clock."""
        return self.events.now

    def lend_page(self) -> bool:
        """Whether there is another to spare."""
        self.spare -= 1
        return self.spare >= 0

    def ask(self, page: int, *versions: int, write: bool, unit: int = PAGE) -> tuple[tuple[int, ...], int]:
        """What is answered, and after how many ns."""
        answered: list[tuple[int, ...]] = []
        self.xid += 1
        begun = self.events.now
        self.queue.submit(
            Job((A, self.xid), page, versions, lambda job: answered.append(job.versions), None, write=write, unit=unit)
        )
        while not answered:
            self.events.step()
        return answered[0], self.events.now - begun

    def write(self, page: int, *versions: int, unit: int = PAGE) -> int:
        """Write, as A; how long it took (ns)."""
        return self.ask(page, *versions, write=True, unit=unit)[1]

    def read(self, page: int, count: int = 1) -> tuple[tuple[int, ...], int]:
        """Read, as A."""
        return self.ask(page, *(0,) * count, write=False)


def test_what_fits_is_answered_at_once() -> None:
    """Written and read without the disk; what was never written comes from there."""
    server = Server(4)
    assert [server.write(page, page + 10) for page in range(4)] == [0] * 4
    assert server.read(0, 4) == ((10, 11, 12, 13), 0)
    assert server.read(9) == ((WARM_VERSION,), LATENCY_NS)


def test_the_page_used_longest_ago_goes_to_disk_first() -> None:
    """0 has been read since, and 1 written anew; so 2 goes, and comes back from disk with its version."""
    server = Server(3)
    for page in range(3):
        server.write(page, page + 10)
    server.read(0)
    server.write(1, 21)
    assert server.write(3, 13) == LATENCY_NS
    assert server.read(2) == ((12,), LATENCY_NS)
    for page, version in ((0, 10), (1, 21), (3, 13)):
        assert server.read(page) == ((version,), 0)


@pytest.mark.parametrize(("limit", "spare"), [(2, 1000), (1000, 2)])
def test_the_limit_is_the_scenarios_or_what_the_machine_has_to_spare(limit: int, spare: int) -> None:
    """Two pages either way; and one that is here takes no more room."""
    server = Server(limit, spare, refuses=True)
    assert [server.ask(page, 5, write=True)[0] for page in (0, 1, 2, 0)] == [(5,), (5,), (0,), (5,)]


def test_without_any_memory_all_is_on_disk() -> None:
    """A server that has nothing to spare is one with a disk."""
    server = Server(10, 0)
    assert server.write(0, 5) == LATENCY_NS
    assert server.read(0) == ((5,), LATENCY_NS)


def test_parts_of_pages_take_their_share() -> None:
    """Eight eighths are one page."""
    server = Server(1, refuses=True)
    assert [server.ask(page, 5, write=True, unit=PAGE // 8)[0] for page in range(9)] == [(5,)] * 8 + [(0,)]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 7)), max_size=60), st.integers(0, 5))
def test_whatever_is_evicted_the_last_contents_are_read(steps: list[tuple[bool, int]], limit: int) -> None:
    """In memory or on disk."""
    server = Server(limit)
    kept: dict[int, int] = {}
    for version, (write, page) in enumerate(steps, 10):
        if write:
            server.write(page, version)
            kept[page] = version
        else:
            assert server.read(page)[0] == (kept.get(page, WARM_VERSION),)
