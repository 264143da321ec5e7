"""A's side of swap over NFS: requests under way, their time-outs, and the memory that sending takes.

A request is sent by whoever made it: a page-out by the reclaimer (PF_MEMALLOC, down to no free page at all), a page-in
by the process that waits for it. It is sent *again* by rpciod, whose allocations are GFP_ATOMIC: so without a right to
the reserve of its own, no retransmission leaves a machine that stands at the atomic floor.
"""

from collections import deque
from typing import Protocol

from actors.counters import Counters
from actors.events import Events
from actors.kernels import Kernel
from actors.memory.anonymous import AddressSpace
from actors.memory.slab import Slab
from actors.memory.zone import Zone
from actors.net.arp import Output
from actors.net.buffers import Buffers
from actors.net.sockets import Datagram
from protocol.errors import LocalProtocolError
from protocol.frame import FRAGMENT, PAGE_IN, PAGE_OUT
from protocol.ip import datagram_wire
from protocol.rpc import CALL_PORT, DOUBLINGS, HEADER, PAGE, SERVER_PORT, Message, message, retry_interval


class Request:
    """One page on its way out or in."""

    __slots__ = ("attempts", "last_ns", "page", "previous_ns", "slab", "space", "stamp", "write", "xid")

    def __init__(self, xid: int, write: bool, space: AddressSpace, page: int) -> None:
        self.xid = xid
        self.write = write
        self.space = space
        self.page = page
        self.stamp = space.stamps[page] if write else 0
        self.attempts = 0
        self.last_ns = -1
        """When it was sent last, or would have been if there had been memory for it."""
        self.previous_ns = -1
        self.slab: Slab | None = None


class Owner(Protocol):
    """Whoever has to know that a request has been answered."""

    def page_written(self, space: AddressSpace, page: int, stamp: int) -> None:
        """A page-out has been answered."""

    def page_read(self, space: AddressSpace, page: int, stamp: int) -> None:
        """A page-in has been answered with the contents `stamp`."""

    def slot_free(self) -> None:
        """Another request may start."""


class SwapDevice:
    """Requests under way to one swap server."""

    def __init__(
        self,
        events: Events,
        zone: Zone,
        kernel: Kernel,
        buffers: Buffers,
        nic: Output,
        counters: Counters,
        server: int,
        in_flight: int,
        timeout_ns: int,
        framing: int,
        mtu: int,
        switches: frozenset[str],
    ) -> None:
        self.server = server
        self.in_flight = min(in_flight, kernel.rpc_slots_max) if "tx-bound" in switches else in_flight
        """Most requests under way: what is asked for, but with the bound no more than the reserve was sized for."""
        self.under_way: dict[int, Request] = {}
        self.writeback = 0
        """Page-outs under way."""
        self.backlog: deque[Request] = deque()
        """Page-ins that wait for a slot."""
        self.last_reply_ns: int | None = None
        """When a request was answered last."""
        self.owner: Owner
        self._events = events
        self._zone = zone
        self._buffers = buffers
        self._nic = nic
        self._counters = counters
        self._intervals_ns = [retry_interval(attempt, timeout_ns) for attempt in range(DOUBLINGS + 1)]
        self._call = datagram_wire(HEADER, framing, mtu)
        self._call_with_page = datagram_wire(HEADER + PAGE, framing, mtu)
        self._entitled = "reserve-access" in switches
        throttle = zone.total * kernel.dirty_ratio_floor * 11 // 1000
        self._writeback_max = throttle if kernel.throttles_writeout else zone.total
        self._atomic = zone.floors.atomic
        self._xid = 0
        self._timers: list[deque[tuple[int, Request, int]]] = [deque() for _ in range(DOUBLINGS + 1)]
        """(ns, request, attempt) of each length of time-out, in the order in which they end."""
        self._armed = [False] * len(self._timers)
        """Whether an event is under way that will look at them."""

    def number_from(self, xid: int) -> None:
        """Let requests be numbered from here on: another boot begins elsewhere (net/sunrpc/xprt.c: anywhere at random)."""
        self._xid = xid

    def can_page_out(self) -> bool:
        """Whether a slot is free, and throttle_vm_writeout lets reclaimers go on."""
        return len(self.under_way) < self.in_flight and not self.backlog and self.writeback <= self._writeback_max

    def page_out(self, space: AddressSpace, page: int) -> None:
        """Write a page to the server, as a reclaimer."""
        self.writeback += 1
        self._send(self._request(space, page, write=True), floor=self._atomic, entitled=True)

    def page_in(self, space: AddressSpace, page: int) -> None:
        """Read a page back, as the process that needs it."""
        request = self._request(space, page, write=False)
        if len(self.under_way) >= self.in_flight:
            self.backlog.append(request)
        else:
            self._send(request, floor=self._atomic, entitled=self._entitled)

    def reply(self, datagram: Datagram) -> None:
        """The server has answered; what is no answer is ignored."""
        try:
            answer: Message = message(datagram.message)
        except LocalProtocolError:
            return
        request = self.under_way.pop(answer.xid, None)
        if request is None:
            return
        self.last_reply_ns = self._events.now
        self._forget_answered(self._timers[(request.attempts - 1) % len(self._timers)])
        if request.slab is not None:
            self._buffers.rpc.give(request.slab)
        if request.write:
            self.writeback -= 1
            self._counters.pages_out += 1
            self.owner.page_written(request.space, request.page, request.stamp)
        else:
            self._counters.pages_in += 1
            self.owner.page_read(request.space, request.page, answer.stamp)
        while self.backlog and len(self.under_way) < self.in_flight:
            self._send(self.backlog.popleft(), floor=self._atomic, entitled=self._entitled)
        self.owner.slot_free()

    def _request(self, space: AddressSpace, page: int, *, write: bool) -> Request:
        self._xid += 1
        return Request(self._xid, write, space, page)

    def _send(self, request: Request, floor: int, *, entitled: bool) -> None:
        """Send a request, or fail to for want of memory; its time-out runs in both cases."""
        events = self._events
        now = events.now
        self.under_way[request.xid] = request
        request.previous_ns = request.last_ns
        request.last_ns = now
        self._arm(request, now)
        packets, wire, tail = self._call_with_page if request.write else self._call
        if request.slab is None:
            rpc = self._buffers.rpc
            request.slab = rpc.take_entitled(floor) if entitled else rpc.take(floor)
        slabs = None if request.slab is None else self._buffers.transmit(packets, floor, entitled=entitled)
        if slabs is None:
            self._counters.tx_no_memory += 1
            return
        kind = PAGE_OUT if request.write else PAGE_IN
        payload = HEADER + PAGE if request.write else HEADER
        said = (request.xid, request.space.base + request.page, request.stamp)
        body: tuple[object, ...] = (CALL_PORT, payload, 0, 1, 1, said)
        if packets > 1:
            kind |= FRAGMENT
            body = (self._nic.sent & 0xFFFF, 0, body)
        self._nic.transmit(slabs, self.server, kind, SERVER_PORT, packets, wire, tail, body, entitled=entitled)

    def _arm(self, request: Request, now: int) -> None:
        """Start the time-out of this transmission; those of one length expire in the order in which they began."""
        which = request.attempts % (DOUBLINGS + 1)
        due = now + self._intervals_ns[which]
        request.attempts += 1
        self._timers[which].append((due, request, request.attempts))
        if not self._armed[which]:
            self._armed[which] = True
            self._events.at(due, self._expire, which)

    def _forget_answered(self, timers: deque[tuple[int, Request, int]]) -> None:
        """A time-out whose request has been answered meanwhile is over."""
        while timers and timers[0][1].xid not in self.under_way:
            timers.popleft()

    def _expire(self, which: int) -> None:
        timers = self._timers[which]
        now = self._events.now
        due: list[tuple[int, Request, int]] = []
        while timers and (timers[0][0] <= now or timers[0][1].xid not in self.under_way):
            due.append(timers.popleft())
        self._armed[which] = bool(timers)
        if timers:
            self._events.at(timers[0][0], self._expire, which)
        for at_ns, request, attempt in due:
            if at_ns <= now and request.xid in self.under_way and request.attempts == attempt:
                self._counters.retransmissions += 1
                self._send(request, floor=self._atomic, entitled=self._entitled)
