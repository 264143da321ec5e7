"""C's side: a swap server with a disk. It is part of the kernel (nfsd), so its own memory is never swapped out."""

from array import array
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from actors.net.sockets import Datagram
from actors.programs.system import System
from actors.programs.task import BLOCKED, Program, Reason, Task
from protocol.errors import LocalProtocolError
from protocol.frame import PAGE_IN_REPLY, PAGE_OUT_REPLY
from protocol.rpc import HEADER, PAGE, SERVER_PORT, Message, message
from protocol.units import seconds

WARM_STAMP: Final = 1
"""What the disk holds for every page before anything has been written to it."""
REPLY_CACHE: Final = 1024
"""Replies kept for requests that come twice (fs/nfsd/nfscache.c)."""
_CHUNK: Final = 1 << 12


class Store:
    """The stamps of one client's pages, in chunks made on first write."""

    __slots__ = ("_chunks",)

    def __init__(self) -> None:
        self._chunks: dict[int, array[int]] = {}

    def read(self, page: int, count: int) -> tuple[int, ...]:
        """The stamps of what the disk holds for so many pages from `page` on."""
        return tuple([self._read(number) for number in range(page, page + count)])

    def write(self, page: int, stamps: tuple[int, ...]) -> None:
        """Replace what the disk holds from `page` on."""
        for number, stamp in enumerate(stamps, page):
            self._write(number, stamp)

    def _read(self, page: int) -> int:
        chunk = self._chunks.get(page // _CHUNK)
        return WARM_STAMP if chunk is None else chunk[page % _CHUNK]

    def _write(self, page: int, stamp: int) -> None:
        chunk = self._chunks.get(page // _CHUNK)
        if chunk is None:
            chunk = self._chunks[page // _CHUNK] = array("I", [WARM_STAMP]) * _CHUNK
        chunk[page % _CHUNK] = stamp


@dataclass(slots=True)
class SwapServer:
    """`disk_latency` in ns, `disk_bandwidth` in bytes per second, `queue` in requests; its progress is replies.

    Requests go through the disk in order; its latency is shared by those that wait together. More than `queue` requests
    at a time are dropped, as at any full socket: the client asks again. What has been written survives a crash; the queue
    and the cache of replies do not.
    """

    disk_latency: int = 200_000
    disk_bandwidth: int = 100_000_000
    queue: int = 128

    def run(self, system: System) -> Program:
        """The kernel's own threads do the work; the program itself only waits for them to have some."""
        server = _Disk(self, system)
        system.serve(SERVER_PORT, server.request)
        while True:
            yield server


class _Disk:
    """The disk, its queue, and the thread that the verdict looks at."""

    __slots__ = (
        "_disk_free_ns",
        "_done",
        "_last_ns",
        "_page_ns",
        "_pending",
        "_settings",
        "_stores",
        "_system",
        "_task",
    )

    def __init__(self, settings: SwapServer, system: System) -> None:
        self._settings = settings
        self._system = system
        self._stores: dict[int, Store] = system.disk.of(system.name)
        self._pending: set[tuple[int, int]] = set()
        self._done: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._page_ns = PAGE * seconds(1) // settings.disk_bandwidth
        self._disk_free_ns = 0
        self._last_ns = 0
        """When the disk will be done with all it has been asked for."""
        self._task: Task | None = None

    @property
    def idle(self) -> bool:
        """Whether there is no request."""
        return not self._pending

    def begin(self, task: Task) -> Any:
        """Kernel threads never return to user space."""
        self._task = task
        return BLOCKED

    def reason(self) -> Reason:
        """The disk, or a request."""
        return Reason("disk", "its disk") if self._pending else Reason("message", "a request")

    def request(self, datagram: Datagram) -> None:
        """A page-out or page-in has arrived; one that is being served already, or has been written, is not done twice."""
        try:
            said = message(datagram.message)
        except LocalProtocolError:
            return
        write = datagram.payload > HEADER
        key = (datagram.source, said.xid)
        if key in self._pending or len(self._pending) >= self._settings.queue:
            return
        if key in self._done:
            self._answer(datagram, said, write, said.stamps)
            return
        if not self._pending and self._task is not None:
            self._task.progress.work()
        self._pending.add(key)
        now = self._system.now_ns
        self._disk_free_ns = max(self._disk_free_ns, now) + len(said.stamps) * self._page_ns
        slow_ns = self._system.disk.slow_ns
        latency_ns = self._settings.disk_latency if slow_ns is None else slow_ns
        self._last_ns = max(self._last_ns, self._disk_free_ns + latency_ns)
        self._system.call_at(self._last_ns, self._disk_done, (datagram, said, write))

    def _disk_done(self, job: tuple[Datagram, Message, bool]) -> None:
        datagram, said, write = job
        key = (datagram.source, said.xid)
        store = self._stores.get(datagram.source)
        if store is None:
            store = self._stores[datagram.source] = Store()
        if write:
            store.write(said.page, said.stamps)
            self._done[key] = None
            if len(self._done) > REPLY_CACHE:
                self._done.popitem(last=False)
        self._pending.discard(key)
        self._system.progress.add(1)
        if not self._pending:
            self._system.progress.rest()
        self._answer(datagram, said, write, said.stamps if write else store.read(said.page, len(said.stamps)))

    def _answer(self, datagram: Datagram, said: Message, write: bool, stamps: tuple[int, ...]) -> None:
        self._system.send(
            datagram.source,
            datagram.source_port,
            HEADER if write else HEADER + len(stamps) * PAGE,
            (said.xid, said.page, *stamps),
            source_port=SERVER_PORT,
            kind=PAGE_OUT_REPLY if write else PAGE_IN_REPLY,
        )
