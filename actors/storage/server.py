"""C's side: a swap server with a disk.

Unless it is a process with pages of its own its memory is never swapped out: nfsd is part of the kernel, and nbd-server is
taken to be locked, with all that it needs.
"""

from dataclasses import dataclass
from typing import ClassVar

from netswap.actors.programs import daemon
from netswap.actors.programs.system import System
from netswap.actors.programs.talks import NOBODY, Talks
from netswap.actors.programs.task import Program
from netswap.actors.storage.backing import DiskQueue
from netswap.actors.storage.nbd_server import NbdServer
from netswap.actors.storage.nfs_server import NfsServer
from netswap.actors.storage.remote_memory import MemoryQueue
from netswap.actors.storage.user_server import UserServer
from netswap.protocol.rpc import PAGE, SERVER_PORT


@dataclass(slots=True)
class SwapServer:
    """`disk_latency` in ns, `disk_bandwidth` in bytes per second, `queue` in requests; its progress is replies.

    It serves NFS over UDP and NBD over TCP from one disk. Requests go through the disk in order; its latency is shared by
    those that wait together. More than `queue` requests at a time are dropped, as at any full socket: the client asks again;
    those that come over TCP wait in their sockets. What has been written to disk survives a crash; what it has in memory, the
    queue and the cache of replies do not.
    """

    disk_latency: int = 200_000
    disk_bandwidth: int = 100_000_000
    queue: int = 128
    pages: int | None = None
    """Pages of the process that serves; None if kernel threads serve."""
    lock: bool = False
    realtime: bool = False
    file: int | None = None
    """Bytes of the file that the process keeps pages in, through the page cache; None: it writes to the disk itself."""
    memory: int | None = None
    """Bytes of memory lent; None: all pages are kept on disk."""
    full: str = "evict"
    """What becomes of pages that do not fit into it: "evict" or "refuse"."""
    socket: str = "unix"
    """Where the process serves its own machine: the kind of its connection to the kernel."""
    io_flusher: bool = False
    counts_pages: ClassVar[bool] = False

    @property
    def unkillable(self) -> bool:
        """Whether the OOM killer leaves it alone, since it is no process."""
        return self.pages is None

    @property
    def on_swap_path(self) -> bool:
        """Whether the server is a daemon of user space."""
        return self.pages is not None

    def talks(self) -> Talks:
        """The server sends to no machine unasked."""
        return NOBODY

    def wire(self, system: System) -> None:
        """Listen to the own kernel before any program runs: it may have something to say at once."""
        if system.daemon_end is not None:
            system.daemon_end.owner = daemon.Ears(system)

    def file_pages(self) -> int:
        """Pages of its file."""
        return -(-(self.file or 0) // PAGE)

    def run(self, system: System) -> Program:
        """The kernel's own threads do the work, and the program itself only waits for them to have some; or it is a process."""
        if self.pages is not None:
            disk = DiskQueue(system, self.disk_latency, self.disk_bandwidth, self.queue, counts=False)
            yield from UserServer(system, disk, self.pages).run()
        disk = self._disk(system)
        system.serve(SERVER_PORT, NfsServer(disk, system).request)
        disk.when_room = NbdServer(disk, system).serve
        while True:
            yield disk

    def _disk(self, system: System) -> DiskQueue:
        if self.memory is None:
            return DiskQueue(system, self.disk_latency, self.disk_bandwidth, self.queue)
        refuses = self.full == "refuse"
        return MemoryQueue(system, self.disk_latency, self.disk_bandwidth, self.queue, self.memory, refuses=refuses)
