"""Remote memory: a swap server lends memory, and is short of it itself. What does not fit goes to its disk, or is refused.

As in Infiniswap (Gu et al., NSDI 2017) a server lends what it does not need, and keeps a headroom: here its high mark, below
which it takes no page for others. Pages that it has in memory are read and written at once. When there is no room for
another, the one that was used longest ago is written to disk for it, and the answer waits for that; or the page is
refused, and the client asks again (NFS3ERR_JUKEBOX, RFC 1813; ENOSPC over NBD). What lies in memory alone is lost in a crash.
"""

from collections import OrderedDict
from typing import NamedTuple

from netswap.actors.disk import REFUSED, Store
from netswap.actors.programs.system import System
from netswap.actors.storage.backing import DiskQueue, Job
from netswap.protocol.rpc import PAGE

_Key = tuple[int, int]
"""A client, and the number of a page."""


class _Held(NamedTuple):
    version: int
    unit: int
    """Bytes of the page that are kept here."""


class MemoryQueue(DiskQueue):
    """Serves requests from memory, and from disk if their pages are there or have to go there."""

    __slots__ = ("_bytes", "_held", "_limit", "_refuses", "_taken")

    def __init__(
        self, system: System, latency_ns: int, bandwidth: int, queue: int, memory: int, *, refuses: bool
    ) -> None:
        """`memory`: bytes lent at most. `refuses`: pages without room are refused."""
        super().__init__(system, latency_ns, bandwidth, queue)
        self._held: OrderedDict[_Key, _Held] = OrderedDict()
        """Pages in memory, first the page that was used longest ago."""
        self._bytes = 0
        self._limit = memory
        self._taken = 0
        """Pages of the machine that are lent."""
        self._refuses = refuses

    def submit(self, job: Job) -> None:
        """Answer requests at once that memory is enough for; the others go through the disk's queue."""
        if self._write(job) if job.write else self._is_here(job):
            self.pending[job.key] = job
            self._system.call_at(self._system.now_ns, self._done, job)
        else:
            super().submit(job)

    def apply(self, job: Job) -> None:
        """Do at once what a request asks for. Written pages are in memory already, unless there was none to have."""
        store = self._store(job.key[0])
        if not job.write:
            job.versions = tuple([self._read(store, job.key[0], page) for page in _pages(job)])
            return
        for page, version in zip(_pages(job), job.versions, strict=True):
            if version != REFUSED and (job.key[0], page) not in self._held:
                store.write(page, (version,))

    def _store(self, client: int) -> Store:
        """The pages of a client on disk."""
        store = self._stores.get(client)
        if store is None:
            store = self._stores[client] = Store()
        return store

    def _is_here(self, job: Job) -> bool:
        return all((job.key[0], page) in self._held for page in _pages(job))

    def _read(self, store: Store, source: int, page: int) -> int:
        held = self._held.get((source, page))
        if held is None:
            return store.read(page, 1)[0]
        self._held.move_to_end((source, page))
        return held.version

    def _write(self, job: Job) -> bool:
        """Take pages into memory as far as there is room; whether the disk has nothing to do for that."""
        fits = True
        versions = list(job.versions)
        for place, page in enumerate(_pages(job)):
            key, new = (job.key[0], page), _Held(job.versions[place], job.unit)
            if self._has_room(key, new):
                self._keep(key, new)
            elif self._refuses:
                versions[place] = REFUSED
            else:
                fits = False
                if self._evict(new.unit):
                    self._keep(key, new)
        job.versions = tuple(versions)
        return fits

    def _has_room(self, key: _Key, new: _Held) -> bool:
        """Whether a page is here already, or the machine has a page to spare if this one takes one more."""
        if key in self._held:
            return True
        if self._bytes + new.unit > self._limit:
            return False
        if self._bytes + new.unit > self._taken * PAGE:
            if not self._system.lend_page():
                return False
            self._taken += 1
        return True

    def _keep(self, key: _Key, new: _Held) -> None:
        if key not in self._held:
            self._bytes += new.unit
        self._held[key] = new
        self._held.move_to_end(key)

    def _evict(self, size: int) -> bool:
        """Write at least `size` bytes to disk, pages used longest ago first; whether there were as many."""
        freed = 0
        while freed < size and self._held:
            (source, page), old = self._held.popitem(last=False)
            self._store(source).write(page, (old.version,))
            freed += old.unit
        self._bytes -= freed
        return freed >= size


def _pages(job: Job) -> range:
    return range(job.page, job.page + len(job.versions))
