"""A's side of swap: requests under way to a server, and how many there may be; the transports say how requests travel.

A request is made by the task that needs it: a page-out by a reclaimer (PF_MEMALLOC, down to no free page at all), a page-in by
the process that waits for it. Both submit pages one by one; a transport whose requests carry several pages gathers
neighbours until it is *unplugged*.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from netswap.actors.counters import Counters
from netswap.actors.events import Events, Timer
from netswap.actors.memory.anonymous import AddressSpace
from netswap.actors.memory.slab import Slab
from netswap.actors.swap.layer import RETRY_NS, Layer
from netswap.actors.wait import REPLY, SLOT
from netswap.protocol.rpc import CALL_PORT, PAGE
from netswap.protocol.units import seconds

PUT_OFF_NS: Final = seconds(5)
"""The time after which a page is sent again that the server had no room for (NFS_JUKEBOX_RETRY_TIME, fs/nfs/nfs3proc.c)."""


class PageRequest:
    """Pages that follow each other, on their way out or in."""

    __slots__ = ("attempts", "last_ns", "page", "previous_ns", "slab", "space", "versions", "write", "xid")

    def __init__(self, xid: int, write: bool, space: AddressSpace, page: int) -> None:
        self.xid = xid
        self.write = write
        self.space = space
        self.page = page
        """The first page."""
        self.versions: tuple[int, ...] = (space.versions[page] if write else 0,)
        """A version for each page; 0 for a page to be read."""
        self.attempts = 0
        self.last_ns = -1
        """When it was sent last, or would have been if there had been memory for it."""
        self.previous_ns = -1
        self.slab: Slab | None = None

    def has(self, number: int) -> bool:
        """Whether this page of the machine's swap space is among the request's pages."""
        first = self.space.base + self.page
        return first <= number < first + len(self.versions)


class SwapUser(Protocol):
    """The part that has to know that a request has been answered."""

    def page_written(self, space: AddressSpace, page: int, version: int) -> None:
        """A page-out has been answered."""

    def page_read(self, space: AddressSpace, page: int, version: int) -> None:
        """A page-in has been answered with the contents `version`."""

    def moved(self, request: PageRequest) -> None:
        """A request that had to wait has found a slot, or has been sent."""

    def slot_free(self) -> None:
        """Another request may start."""

    def put_off(self) -> None:
        """The server has no room for a page; it is asked again."""

    def page_not_written(self, space: AddressSpace, page: int) -> None:
        """A page-out has failed."""

    def page_not_read(self, space: AddressSpace, page: int) -> None:
        """A page-in has failed."""


@dataclass(frozen=True, slots=True)
class Remote:
    """The address of one swap server, and the limits of the device for it."""

    server: int
    """The machine's index."""
    in_flight: int
    """Most requests under way."""
    port: int = CALL_PORT
    """The port of the device's own socket, if it has one."""
    unit: int = PAGE
    """The bytes of each page that this server keeps."""
    retries: int | None = None
    """Over NFS: how often a request is sent again before it fails."""
    timeout_ns: int | None = None
    """Over NBD: the age at which a request ends the connection."""
    persist: bool = True
    """Over NBD: whether a connection that is gone is opened anew."""


class SwapDevice:
    """Requests under way to one swap server."""

    def __init__(self, events: Events, counters: Counters, server: int, in_flight: int, boots: int = 0) -> None:
        """`boots`: how often the machine has been started before; each boot numbers its requests elsewhere.

        (net/sunrpc/xprt.c: anywhere at random.)
        """
        self.server = server
        self.in_flight = in_flight
        """Most requests under way."""
        self.under_way: dict[int, PageRequest] = {}
        self.writeback = 0
        """Pages that are being written out."""
        self.backlog: deque[PageRequest] = deque()
        """Requests that wait for a slot."""
        self.last_reply_ns: int | None = None
        """When a request was answered last."""
        self.put_off: list[PageRequest] = []
        """Requests that wait until the server has room again; meanwhile no page is sent to it."""
        self.has_failed = False
        """Whether it is lost: every request fails from now on."""
        self.hides_errors = False
        """Whether a failed page-out is reported as done: its page is taken to be on the server, and is not."""
        self.layer: Layer | None = None
        """What takes a buffer for each request before the device gets it."""
        self.owner: SwapUser
        self.counts = counters
        """Where pages are counted. A page spread over several servers is counted once, not at each of them."""
        self._events = events
        self._counters = counters
        self._xid = boots << 32

    @property
    def links(self) -> "Sequence[SwapDevice]":
        """The devices with one server each: this one, or those that it is made of."""
        return (self,)

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent; a transport without connections always can."""
        return True

    # -- what a transport does in its own way -----------------------------------------------------------------------

    def _send(self, request: PageRequest, *, reclaimer: bool = False) -> None:
        """Send a request that has a slot; `reclaimer`: with the rights of one (PF_MEMALLOC)."""
        raise NotImplementedError

    def timers(self) -> list[Timer]:
        """The timers that may end a wait for this server."""
        raise NotImplementedError

    # -- what reports look at ---------------------------------------------------------------------------------------

    def stage(self, number: int) -> int:
        """The kind of wait of the request for this page of the swap space (`netswap.actors.wait`)."""
        if self.backlog and any(request.has(number) for request in self.backlog):
            return SLOT
        return REPLY

    def knows(self, number: int) -> bool:
        """Whether there is a request for this page."""
        requests = (*self.under_way.values(), *self.backlog, *self.put_off)
        return any(request.has(number) for request in requests)

    def waits_for_slot(self, number: int) -> bool:
        """Whether the request for this page, or for a part of it, has not found a slot yet."""
        return any(request.has(number) for link in self.links for request in link.backlog)

    def hindrance(self) -> str:
        """The wait of a page-out that would start now, in words; nothing if it could start at once."""
        if self.put_off:
            return "room at the server"
        if self.backlog and self.layer is not None and len(self.under_way) < self.in_flight:
            return self.layer.hindrance()
        if self.backlog or len(self.under_way) >= self.in_flight:
            return f"a request slot ({len(self.under_way)} of {self.in_flight} are taken)"
        return ""

    # -- what reclaim and faults ask for ----------------------------------------------------------------------------

    def can_page_out(self) -> bool:
        """Whether a slot is free, and the server has room as far as is known."""
        if self.has_failed:
            return False
        return len(self.under_way) < self.in_flight and not self.backlog and not self.put_off

    def has_slot(self) -> bool:
        """Whether a request would be sent at once."""
        return len(self.under_way) < self.in_flight and not self.backlog

    def page_out(self, space: AddressSpace, page: int) -> None:
        """Write a page to the server, as a reclaimer."""
        self.writeback += 1
        request = self._request(space, page, write=True)
        if self.has_failed:
            self._fail_later(request)
        else:
            self._submit(request, reclaimer=True)

    def write_file(self, file: AddressSpace, page: int) -> None:
        """Write a page of a file that is on the server too, with the rights of the task that flushes it."""
        self.writeback += 1
        self._start(self._request(file, page, write=True))

    def page_in(self, space: AddressSpace, page: int) -> None:
        """Read a page back, as the process that needs it."""
        self._start(self._request(space, page, write=False))

    def unplug(self) -> None:
        """Note that no more pages are submitted for now."""

    def _request(self, space: AddressSpace, page: int, *, write: bool) -> PageRequest:
        self._xid += 1
        return PageRequest(self._xid, write, space, page)

    def _start(self, request: PageRequest, *, reclaimer: bool = False) -> None:
        """Send a request, or let it wait for a slot; a device that is lost fails it."""
        if self.has_failed:
            self._fail_later(request)
        elif len(self.under_way) >= self.in_flight:
            self.backlog.append(request)
        else:
            self._submit(request, reclaimer=reclaimer)

    def _submit(self, request: PageRequest, *, reclaimer: bool) -> None:
        """Send a request that may have a slot, once the layer before the device has a buffer for it."""
        if self.layer is None or self.layer.take(request.xid):
            self._send(request, reclaimer=reclaimer)
            return
        self.backlog.append(request)
        self._watch_layer(self.layer)

    def _watch_layer(self, layer: Layer) -> None:
        if layer.waits_since_ns is None:
            layer.waits_since_ns = self._events.now
            self._events.after(RETRY_NS, self._look_for_buffers, layer)

    def _look_for_buffers(self, layer: Layer) -> None:
        """Let requests that wait for a buffer look for memory again."""
        layer.previous_ns, layer.last_ns = layer.last_ns, self._events.now
        layer.waits_since_ns = None
        self._proceed()

    def layer_timers(self) -> list[Timer]:
        """When a request that waits for a buffer of the layer looks again."""
        layer = self.layer
        if layer is None or layer.waits_since_ns is None:
            return []
        return [Timer("mempool", layer.last_ns, layer.previous_ns, layer.waits_since_ns + RETRY_NS)]

    def _leave_layer(self, request: PageRequest) -> None:
        if self.layer is not None:
            self.layer.give(request.xid)

    def _failed(self, request: PageRequest) -> None:
        """Fail a request that has been taken off: an error reaches the page, or is taken for success."""
        self._counters.io_errors += 1
        self._leave_layer(request)
        if request.write and self.hides_errors:
            self._answered(request, request.versions)
            return
        owner, space = self.owner, request.space
        pages = range(request.page, request.page + len(request.versions))
        if request.write:
            self.writeback -= len(pages)
        tell = owner.page_not_written if request.write else owner.page_not_read
        for page in pages:
            tell(space, page)
        self._proceed()

    def _lose(self) -> None:
        """Fail all requests there are; those to come fail as well."""
        self.has_failed = True
        requests = [*self.under_way.values(), *self.backlog]
        self.under_way.clear()
        self.backlog.clear()
        for request in requests:
            self._failed(request)

    def _fail_later(self, request: PageRequest) -> None:
        """Fail a request to a device that is lost, once its caller has returned."""
        self._events.after(0, self._failed, request)

    def _refused(self, request: PageRequest) -> None:
        """Take back a page that the server has no room for: it gives up its slot, and is sent again later."""
        del self.under_way[request.xid]
        self._leave_layer(request)
        self.put_off.append(request)
        self.last_reply_ns = self._events.now
        self._events.after(PUT_OFF_NS, self._ask_again, request)
        self.owner.put_off()
        self._proceed()

    def _ask_again(self, request: PageRequest) -> None:
        self.put_off.remove(request)
        self._start(request)

    # -- answers ----------------------------------------------------------------------------------------------------

    def _answered(self, request: PageRequest, versions: tuple[int, ...]) -> None:
        """Finish a request that has been answered, a page-in with these versions: tell the owner, and start the next."""
        self.last_reply_ns = self._events.now
        self._leave_layer(request)
        owner, space, page = self.owner, request.space, request.page
        if request.write:
            self.writeback -= len(versions)
            self.counts.pages_out += len(versions)
            for version in request.versions:
                owner.page_written(space, page, version)
                page += 1
        else:
            self.counts.pages_in += len(versions)
            for version in versions:
                owner.page_read(space, page, version)
                page += 1
        self._proceed()

    def _proceed(self) -> None:
        """Start requests that wait for a slot."""
        layer = self.layer
        while self.backlog and len(self.under_way) < self.in_flight:
            if layer is not None and not layer.take(self.backlog[0].xid):
                self._watch_layer(layer)
                break
            request = self.backlog.popleft()
            self._send(request)
            self.owner.moved(request)
        self.owner.slot_free()
