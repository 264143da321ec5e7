"""Swap over NFS: requests as remote procedure calls over UDP, their time-outs, and the memory that sending takes.

The first time a request is sent by the task that made it. It is sent *again* by rpciod, whose allocations are GFP_ATOMIC: so
without a right to the reserve of its own, no retransmission leaves a machine that stands at the atomic floor.
"""

from collections import deque

from netswap.actors.events import Timer
from netswap.actors.memory.anonymous import AddressSpace
from netswap.actors.net.arp import Output
from netswap.actors.net.board import NetBoard
from netswap.actors.net.sockets import Datagram
from netswap.actors.swap.device import PageRequest, Remote, SwapDevice
from netswap.protocol.errors import LocalProtocolError
from netswap.protocol.frame import FRAGMENT, PAGE_IN, PAGE_OUT
from netswap.protocol.ip import datagram_wire
from netswap.protocol.rpc import DOUBLINGS, HEADER, PAGE, SERVER_PORT, message, retry_interval


class NfsDevice(SwapDevice):
    """Requests under way to one swap server, of one page each."""

    def __init__(
        self,
        net: NetBoard,
        nic: Output,
        remote: Remote,
        request_pages: int,
        timeout_ns: int,
    ) -> None:
        board, unit = net.board, remote.unit
        super().__init__(board.events, board.counters, remote.server, remote.in_flight, board.tally.boots)
        self._buffers = net.buffers
        self._nic = nic
        self._request_pages = request_pages
        """Most pages of a request: more than one where neighbours are gathered."""
        self._intervals_ns = [retry_interval(attempt, timeout_ns) for attempt in range(DOUBLINGS + 1)]
        self._wires = [datagram_wire(HEADER + pages * unit, net.framing, net.mtu) for pages in range(request_pages + 1)]
        """(packets, bytes on the wire of each but the last, of the last) of a call, by the number of pages that it carries."""
        self._port = remote.port
        self._retries = remote.retries
        self._unit = unit
        self._asks_for = 0 if unit == PAGE else unit
        self._teller = board.teller
        self._memalloc = board.policy.reserve_access
        self._atomic = board.zone.floors.atomic
        self._timers: list[deque[tuple[int, PageRequest, int]]] = [deque() for _ in range(DOUBLINGS + 1)]
        """(ns, request, attempt) of each length of time-out, in the order in which they end."""
        self._armed = [False] * len(self._timers)
        """Whether an event is under way that will look at the first."""

    # -- out --------------------------------------------------------------------------------------------------------

    def _send(self, request: PageRequest, *, reclaimer: bool = False) -> None:
        """Send a request, or fail to for want of memory; its time-out runs in both cases."""
        memalloc = reclaimer or self._memalloc
        floor = self._atomic
        now = self._events.now
        self.under_way[request.xid] = request
        request.previous_ns = request.last_ns
        request.last_ns = now
        self._arm(request, now)
        versions = request.versions
        if request.write:
            kind, pages = PAGE_OUT, len(versions)
        else:
            kind, pages, versions = PAGE_IN, 0, (self._asks_for,) * len(versions)
        packets, wire, tail = self._wires[pages]
        buffers = self._buffers
        if request.slab is None:
            request.slab = buffers.rpc.take_memalloc(floor) if memalloc else buffers.rpc.take(floor)
        memory = None if request.slab is None else buffers.transmit(packets, floor, memalloc)
        if memory is None:
            self._counters.tx_no_memory += 1
            return
        said = (request.xid, request.space.base + request.page, *versions)
        body: tuple[object, ...] = (self._port, HEADER + pages * self._unit, 0, 1, 1, said)
        if packets > 1:
            kind |= FRAGMENT
            body = (self._nic.sent & 0xFFFF, 0, body)
        self._nic.transmit(memory, self.server, (kind, SERVER_PORT, packets, wire, tail, body), memalloc=memalloc)

    # -- in ---------------------------------------------------------------------------------------------------------

    def reply(self, datagram: Datagram) -> None:
        """Take an answer of the server; a datagram that is none is ignored."""
        try:
            xid, _, versions = message(datagram.message)
        except LocalProtocolError:
            return
        request = self.under_way.get(xid)
        if request is None or len(versions) != len(request.versions):
            return
        self._nic.confirm(self.server)
        if request.write and 0 in versions:
            self._refused(request)
            return
        del self.under_way[xid]
        self._forget_answered(self._timers[(request.attempts - 1) % len(self._timers)])
        if request.slab is not None:
            self._buffers.rpc.give(request.slab)
        self._answered(request, versions)

    # -- time -------------------------------------------------------------------------------------------------------

    def timers(self) -> list[Timer]:
        """The time-outs of the requests."""
        return [self._timer(request) for request in self.under_way.values()]

    def _timer(self, request: PageRequest) -> Timer:
        due_ns = request.last_ns + self._intervals_ns[(request.attempts - 1) % len(self._intervals_ns)]
        return Timer("retransmission", request.last_ns, request.previous_ns, due_ns)

    def _arm(self, request: PageRequest, now: int) -> None:
        """Start the time-out of this transmission; those of one length expire in the order in which they began."""
        which = request.attempts % (DOUBLINGS + 1)
        due = now + self._intervals_ns[which]
        request.attempts += 1
        self._timers[which].append((due, request, request.attempts))
        if not self._armed[which]:
            self._armed[which] = True
            self._events.at(due, self._expire, which)

    def _forget_answered(self, timers: deque[tuple[int, PageRequest, int]]) -> None:
        """Take off the first time-outs, as far as their requests have been answered."""
        while timers and timers[0][1].xid not in self.under_way:
            timers.popleft()

    def _expire(self, which: int) -> None:
        timers = self._timers[which]
        now = self._events.now
        due: list[tuple[int, PageRequest, int]] = []
        while timers and (timers[0][0] <= now or timers[0][1].xid not in self.under_way):
            due.append(timers.popleft())
        self._armed[which] = bool(timers)
        if timers:
            self._events.at(timers[0][0], self._expire, which)
        for at_ns, request, attempt in due:
            if at_ns > now or request.xid not in self.under_way or request.attempts != attempt:
                continue
            if self._retries is not None and attempt > self._retries:
                self._give_up(request)
            else:
                self._counters.retransmissions += 1
                if self._teller is not None:
                    self._teller.retransmitted("nfs")
                self._send(request)

    def _give_up(self, request: PageRequest) -> None:
        """Fail a request after its last time-out: a soft mount's major time-out is EIO (net/sunrpc/clnt.c, call_timeout)."""
        del self.under_way[request.xid]
        if request.slab is not None:
            self._buffers.rpc.give(request.slab)
            request.slab = None
        self._failed(request)


class GatheringNfsDevice(NfsDevice):
    """Requests of at most `request_pages` pages: neighbours that are submitted one after the other travel together."""

    _writes: PageRequest | None = None
    """Page-outs that are being gathered."""
    _reading: AddressSpace | None = None
    """The space of the pages to be read that are being gathered."""
    _reads: tuple[int, ...] = ()
    """The pages to be read that are being gathered, in order."""

    def can_page_out(self) -> bool:
        """Whether another page-out may start; a request that is being gathered takes one more page, even in the last slot."""
        if self.backlog or self.put_off:
            return False
        return len(self.under_way) < self.in_flight or self._writes is not None

    def page_out(self, space: AddressSpace, page: int) -> None:
        """Write a page to the server with its neighbours, as a reclaimer."""
        self.writeback += 1
        run = self._writes
        if run is None or run.space is not space or page != run.page + len(run.versions):
            self._send_writes()
            self._writes = run = self._request(space, page, write=True)
        else:
            run.versions = (*run.versions, space.versions[page])
        if len(run.versions) == self._request_pages:
            self._send_writes()

    def page_in(self, space: AddressSpace, page: int) -> None:
        """Read a page back with its neighbours, as the process that needs it."""
        self._reading = space
        self._reads = tuple(sorted((*self._reads, page)))

    def unplug(self) -> None:
        """Send the pages that have been gathered."""
        if self._writes is not None:
            self._send_writes()
        if self._reading is not None:
            self._send_reads(self._reading)

    def _send_writes(self) -> None:
        run, self._writes = self._writes, None
        if run is not None:
            self._start(run, reclaimer=True)

    def _send_reads(self, space: AddressSpace) -> None:
        pages, self._reads, self._reading = self._reads, (), None
        run: PageRequest | None = None
        for page in pages:
            if run is not None and page == run.page + len(run.versions) and len(run.versions) < self._request_pages:
                run.versions = (*run.versions, 0)
                continue
            if run is not None:
                self._start(run)
            run = self._request(space, page, write=False)
        if run is not None:
            self._start(run)
