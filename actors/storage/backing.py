"""The disk of a swap server: what it holds of each client, and the requests that wait for it."""

from collections.abc import Callable
from typing import Any

from netswap.actors.disk import Store
from netswap.actors.programs.system import System
from netswap.actors.programs.task import Need, Reason, Task
from netswap.actors.wait import DISK, MESSAGE
from netswap.protocol.rpc import PAGE
from netswap.protocol.units import seconds


class Job:
    """A request on its way through the disk."""

    __slots__ = ("answer", "key", "page", "versions", "to", "unit", "write")

    def __init__(
        self,
        key: tuple[int, int],
        page: int,
        versions: tuple[int, ...],
        answer: "Callable[[Job], None]",
        to: Any,
        write: bool,
        unit: int = PAGE,
    ) -> None:
        self.key = key
        """The client, and its number for the request."""
        self.page = page
        self.versions = versions
        """The versions to be written; of a read, once it is done, the versions to be sent."""
        self.write = write
        self.answer = answer
        self.to = to
        """Where the answer goes, in the transport's terms."""
        self.unit = unit
        """Bytes of each page that are kept here: the whole page, or a part."""


class DiskQueue:
    """The disk, its queue, and the thread that the verdict looks at."""

    __slots__ = (
        "_counts",
        "_disk_free_ns",
        "_last_ns",
        "_latency_ns",
        "_page_ns",
        "_queue",
        "_stores",
        "_system",
        "_task",
        "pending",
        "when_room",
    )

    def __init__(self, system: System, latency_ns: int, bandwidth: int, queue: int, *, counts: bool = True) -> None:
        """`bandwidth` in bytes per second, `queue` in requests; `counts`: whether served requests are the program's progress."""
        self.pending: dict[tuple[int, int], Job] = {}
        """Jobs under way, by client and number."""
        self.when_room: Callable[[], None] | None = None
        """Called when a request has been served."""
        self._counts = counts
        self._latency_ns = latency_ns
        self._queue = queue
        self._system = system
        self._stores: dict[int, Store] = system.disk.of(system.name)
        self._page_ns = PAGE * seconds(1) // bandwidth
        self._disk_free_ns = 0
        self._last_ns = 0
        """When the disk will be done with all its requests."""
        self._task: Task | None = None

    @property
    def idle(self) -> bool:
        """Whether there is no request."""
        return not self.pending

    def begin(self, task: Task) -> Any:
        """Wait: kernel threads never return to user space."""
        self._task = task
        return task.block(MESSAGE)

    def reason(self) -> Reason:
        """The disk, or a request."""
        if self.pending:
            return Reason(Need.STORE, f"its disk, which has {len(self.pending)} requests of at most {self._queue}")
        return Reason(Need.NOTHING, "a request")

    def is_over(self) -> bool:
        """Never: each request has a timer of its own."""
        return False

    def has_room(self) -> bool:
        """Whether another request may be submitted."""
        return len(self.pending) < self._queue

    def has_room_behind(self, waiting: int) -> bool:
        """Whether another request may wait, behind `waiting` others that have not been submitted yet."""
        return len(self.pending) + waiting < self._queue

    def submit(self, job: Job) -> None:
        """Let the disk read or write; then the job is answered."""
        system, pending = self._system, self.pending
        if not pending and self._task is not None:
            self._task.progress.work()
            self._task.block(DISK)
        pending[job.key] = job
        begin_ns = system.now_ns
        if begin_ns < self._disk_free_ns:
            begin_ns = self._disk_free_ns
        self._disk_free_ns = begin_ns + len(job.versions) * self._page_ns * job.unit // PAGE
        slow_ns = system.disk.slow_ns
        done_ns = self._disk_free_ns + (self._latency_ns if slow_ns is None else slow_ns)
        if done_ns > self._last_ns:
            self._last_ns = done_ns
        system.call_at(self._last_ns, self._done, job)

    def apply(self, job: Job) -> None:
        """Do at once what a request asks for: the caller has let the time pass that it takes."""
        client = job.key[0]
        store = self._stores.get(client)
        if store is None:
            store = self._stores[client] = Store()
        if job.write:
            store.write(job.page, job.versions)
        else:
            job.versions = store.read(job.page, len(job.versions))

    def _done(self, job: Job) -> None:
        self.apply(job)
        pending = self.pending
        del pending[job.key]
        if self._counts:
            progress = self._system.progress
            progress.add(1)
            if not pending:
                progress.waited.turn(MESSAGE)
                progress.rest()
        job.answer(job)
        if self.when_room is not None:
            self.when_room()
