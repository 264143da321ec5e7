"""A copy of every page-out on the machine's own disk, written while the servers have it already.

As Infiniswap has it (Gu et al., NSDI 2017): the copy is asynchronous and no task waits for it, and what a lost server had
is read from the disk, at its latency. What waits to be written lies in buffers of its own, of which there are as many as
the disk's queue takes: when they are used up, page-outs go no faster than the disk.
"""

from collections.abc import Callable
from typing import Any, Final

from netswap.actors.disk import Store
from netswap.actors.memory.files import LocalDisk

_STORE: Final = "swap backup"


class Backup:
    """The copies of one machine's pages, by their number in its swap space."""

    __slots__ = ("_disk", "_queue", "_store", "_waiting")

    def __init__(self, disk: LocalDisk, queue: int) -> None:
        """`queue`: the number of pages that may wait to be written."""
        self._disk = disk
        self._queue = queue
        self._store: Store = disk.keep(_STORE).setdefault(_STORE, Store())
        self._waiting: dict[int, int] = {}
        """The version of each page that is not on disk yet."""

    def has_room(self) -> bool:
        """Whether the queue takes another page."""
        return len(self._waiting) < self._queue

    def write(self, page: int, version: int, done: Callable[[Any], None], argument: Any) -> None:
        """Copy a page, and say when it is on disk."""
        self._waiting[page] = version
        self._disk.submit(self._written, (page, version, done, argument))

    def read(self, page: int, done: Callable[[Any], None], argument: Any) -> None:
        """Fetch a page, and say when it is there."""
        self._disk.submit(done, argument)

    def version(self, page: int) -> int:
        """The version of the copy of a page: one that waits to be written is read from its buffer."""
        waiting = self._waiting.get(page)
        return self._store.read(page, 1)[0] if waiting is None else waiting

    def _written(self, job: tuple[int, int, Callable[[Any], None], Any]) -> None:
        page, version, done, argument = job
        if self._waiting.get(page) == version:
            del self._waiting[page]
            self._store.write(page, (version,))
        done(argument)
