"""Two connected sockets within one machine: what is written at one end is read at the other, and no card is between them.

Source: net/unix/af_unix.c (unix_stream_sendmsg, unix_write_space), net/core/sock.c (sock_alloc_send_pskb). The writer
allocates, with its own rights, and is charged until the reader has read: a head, an object for what is short, and a page for
each page of payload. A writer may write while less than its send buffer is charged, and is woken once a quarter of it is.
Folded: a message is one buffer, and is written whole or not at all.
"""

from collections import deque
from typing import Any, Final, NamedTuple, Protocol

from netswap.actors.events import Events, Timer
from netswap.actors.memory.slab import Run, Slab
from netswap.actors.net.buffers import Buffers
from netswap.actors.net.tcp_connection import CLOSED, ESTABLISHED
from netswap.protocol.rpc import PAGE
from netswap.protocol.tcp import Message

RESET: Final = "the other end is closed"


class PairUser(Protocol):
    """The user of one end."""

    def readable(self, connection: Any) -> None:
        """There is something to read."""

    def writable(self, connection: Any) -> None:
        """There is room for more, or memory may be had again."""

    def closed(self, connection: Any, why: str) -> None:
        """The pair is gone, and what was in it."""


class Held(NamedTuple):
    """One message in the queue, with its memory."""

    size: int
    message: Message
    runs: list[Run]
    pages: list[Slab]
    charge: int


class LocalSocket:
    """One end. Sizes in bytes."""

    __slots__ = (
        "_buffers",
        "_events",
        "_queue",
        "_retry_ns",
        "_waiting",
        "owner",
        "peer",
        "server",
        "sndbuf",
        "state",
        "wmem",
    )

    def __init__(self, events: Events, buffers: Buffers, server: int) -> None:
        """`server`: the swap server that the pair leads to."""
        self.server = server
        self.owner: PairUser
        self.peer: LocalSocket = self
        self.state = CLOSED
        self.wmem = 0
        """Bytes written here and not read yet."""
        self.sndbuf = buffers.kernel.rmem_default  # wmem_default is the same number
        self._events = events
        self._buffers = buffers
        self._retry_ns = buffers.kernel.tcp.memory_wait_ns
        self._queue: deque[Held] = deque()
        """Messages to be read here."""
        self._waiting = False
        """Whether the owner is to be told when there is room."""

    def open(self) -> None:
        """Let both ends be used from now on."""
        self.state = self.peer.state = ESTABLISHED

    def close(self) -> None:
        """Forget all that has not been read, and tell the other end's owner."""
        if self.state == CLOSED:
            return
        for end in (self, self.peer):
            end.state = CLOSED
            end._waiting = False
            while end._queue:
                end._take()
        self.peer.owner.closed(self.peer, RESET)

    def timers(self) -> list[Timer]:
        """None: a task that waits for memory here looks again by itself."""
        return []

    # -- reading ----------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether there is something to read."""
        return bool(self._queue)

    def read(self) -> list[tuple[int, Message]]:
        """Take the next message, with its size; its memory is free."""
        held = self._take()
        peer = self.peer
        if peer._waiting and peer.has_room():
            peer._waiting = False
            self._events.after(0, self._tell_writable, peer)
        return [(held.size, held.message)]

    def _take(self) -> Held:
        held = self._queue.popleft()
        self._buffers.release(held.runs)
        for page in held.pages:
            self._buffers.pages.give(page)
        self.peer.wmem -= held.charge
        return held

    # -- writing ----------------------------------------------------------------------------------------------------

    def has_send_room(self) -> bool:
        """Whether a writer may write."""
        return self.wmem < self.sndbuf

    def has_room(self) -> bool:
        """Whether it is worth to wake a writer (unix_writable)."""
        return 4 * self.wmem <= self.sndbuf

    def write(self, size: int, message: Message, *, floor: int, memalloc: bool = False) -> int:
        """Write a message whole: `size`, or 0 if there is no room or no memory; then the owner is told when to go on.

        `floor` is how far down the writer's allocations may go, `memalloc` whether they may ignore it.
        """
        held = self._allocate(size, message, floor, memalloc) if self.has_send_room() else None
        if held is None:
            self._wait()
            return 0
        self.wmem += held.charge
        self.peer._queue.append(held)
        self.peer.owner.readable(self.peer)
        return size

    def _allocate(self, size: int, message: Message, floor: int, memalloc: bool) -> Held | None:
        buffers = self._buffers
        runs = buffers.transmit(1, floor, memalloc=memalloc)
        if runs is None:
            return None
        pages: list[Slab] = []
        for _ in range(size // PAGE):
            page = buffers.pages.take_memalloc(floor) if memalloc else buffers.pages.take(floor)
            if page is None:
                buffers.release(runs)
                for one in pages:
                    buffers.pages.give(one)
                return None
            pages.append(page)
        kernel = buffers.kernel
        return Held(size, message, runs, pages, kernel.skb_head_charge + kernel.tx_header + len(pages) * PAGE)

    def _wait(self) -> None:
        """Wait for room, or for a while if it was memory that was missing."""
        self._waiting = True
        if self.has_send_room():
            self._events.after(self._retry_ns, self._look_again)

    def _look_again(self, _: object) -> None:
        if self._waiting and self.state == ESTABLISHED:
            self._waiting = False
            self.owner.writable(self)

    def _tell_writable(self, end: "LocalSocket") -> None:
        if end.state == ESTABLISHED:
            end.owner.writable(end)


class Handover(LocalSocket):
    """One end of the request queue of a block device of user space: pages are copied between the kernel's and the daemon's own.

    ublk maps its queue once and for all (drivers/block/ublk_drv.c); FUSE takes an object for each request of the kernel and
    none for an answer (fs/fuse/dev.c). Neither takes a page: the loop device over the FUSE file is taken to use direct I/O.
    """

    __slots__ = ("_takes_object",)

    def __init__(self, events: Events, buffers: Buffers, server: int, *, takes_object: bool) -> None:
        """`takes_object`: what is written here takes an object of a slab until it has been read."""
        super().__init__(events, buffers, server)
        self._takes_object = takes_object

    def _allocate(self, size: int, message: Message, floor: int, memalloc: bool) -> Held | None:
        if not self._takes_object:
            return Held(size, message, [], [], 0)
        runs = self._buffers.transmit(1, floor, memalloc=memalloc)
        return None if runs is None else Held(size, message, runs, [], 0)


def handover(events: Events, buffers: Buffers, server: int, *, fuse: bool) -> tuple[LocalSocket, LocalSocket]:
    """The kernel's end and the daemon's of such a queue, not open yet."""
    kernel, daemon = (
        Handover(events, buffers, server, takes_object=fuse),
        Handover(events, buffers, server, takes_object=False),
    )
    kernel.peer, daemon.peer = daemon, kernel
    return kernel, daemon


def local_pair(events: Events, buffers: Buffers, server: int) -> tuple[LocalSocket, LocalSocket]:
    """Two ends connected with each other, not open yet."""
    one, other = LocalSocket(events, buffers, server), LocalSocket(events, buffers, server)
    one.peer, other.peer = other, one
    return one, other
