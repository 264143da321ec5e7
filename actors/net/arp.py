"""Neighbours: before a packet can leave for a machine, the link address of that machine has to be known.

Source: net/core/neighbour.c and net/ipv4/arp.c. To find out takes memory on both sides: an entry in each table, a request,
a reply. All of it is GFP_ATOMIC. With `memalloc-processing` the request has the right of the packet that waits for it, and
entry and reply that of the packet that asks. (2.6.22 sends the request from a timer, without any right; that reception's
reserve has to cover ARP too was the argument of 2006, and the switch is where the series answers it.)

Packets for a neighbour that is still being asked wait, as many as the kernel lets; then the oldest are thrown away, here by
whole datagrams, since one that misses a fragment is lost anyway. A train of an open-loop source does not wait.
"""

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Final, NamedTuple

from netswap.actors.events import NEVER
from netswap.actors.memory.slab import Run, Slab
from netswap.actors.net.board import NetBoard
from netswap.actors.net.buffers import B_CHARGE
from netswap.actors.net.nic import Nic, Packets
from netswap.actors.net.sockets import Datagram
from netswap.protocol.arp import (
    DELAY_NS,
    DRAWN_NS,
    PACKET,
    PROBES,
    REACHABLE_NS,
    REPLY,
    REQUEST,
    RETRANSMIT_NS,
    STALE_NS,
    operation,
    wire,
)
from netswap.protocol.errors import LocalProtocolError
from netswap.protocol.frame import ARP, TCP
from netswap.protocol.tcp import S_PAYLOAD, Body

NONE: Final = "none"
INCOMPLETE: Final = "incomplete"
REACHABLE: Final = "reachable"
STALE: Final = "stale"
DELAY: Final = "delay"
PROBE: Final = "probe"
FAILED: Final = "failed"
_USABLE: Final = (REACHABLE, DELAY, PROBE)
ASKED: Final = (INCOMPLETE, PROBE)


class Waiting(NamedTuple):
    """A datagram that waits for the link address of its destination."""

    memory: list[Run]
    packets: Packets
    frames: int


class Neighbour:
    """The entry of another machine, and the datagrams that wait for its address."""

    __slots__ = (
        "confirmed_ns",
        "due_ns",
        "memalloc",
        "index",
        "last_ns",
        "previous_ns",
        "probes",
        "queue",
        "slab",
        "state",
        "used_ns",
    )

    def __init__(self, index: int, slab: Slab, now_ns: int) -> None:
        self.index = index
        self.slab = slab
        self.state = NONE
        self.confirmed_ns = -1
        self.used_ns = now_ns
        self.due_ns = NEVER
        """When its timer fires."""
        self.probes = 0
        self.last_ns = -1
        """When it was asked last, or would have been if there had been memory for it."""
        self.previous_ns = -1
        self.memalloc = False
        """Whether its request may use the reserve, since a waiting datagram may."""
        self.queue: deque[Waiting] = deque()


class Neighbours:
    """The neighbour table of one machine. It stands before the card: all that is sent goes through it."""

    def __init__(
        self,
        net: NetBoard,
        nic: Nic,
        draw: Random,
    ) -> None:
        """`draw`: the chance by which an answer is good for a shorter or longer time."""
        board = net.board
        self.entries: dict[int, Neighbour] = {}
        self._events = board.events
        self._kernel = board.kernel
        self._buffers = net.buffers
        self._nic = nic
        self._counters = board.counters
        self._floor = board.zone.floors.atomic
        self._wire = wire(PACKET, net.framing)
        self._draw = draw
        self._drawn_ns = 0
        self._reachable_ns = self._drawn()
        self._memalloc_processing = board.policy.memalloc_processing
        self._queued = 0

    @property
    def sent(self) -> int:
        """Packets given to the card, and those that have ever waited here: never the same for two datagrams."""
        return self._nic.sent + self._queued

    @property
    def idle_ns(self) -> int:
        """Nothing that is sent from now on leaves before then."""
        return self._nic.idle_ns

    def wire_ns(self, wire: int) -> int:
        """How long the card takes for `wire` bytes."""
        return self._nic.wire_ns(wire)

    def transmit(self, memory: list[Run], destination: int, packets: Packets, *, memalloc: bool = False) -> None:
        """Send a datagram's packets as soon as the neighbour is known; `memory` is free when they have left.

        `memalloc`: what has to be allocated to find the neighbour's address may come from the reserve.
        """
        neighbour = self._for_sending(destination, memalloc=memalloc)
        if neighbour is None:
            self._counters.tx_no_memory += 1
            self._buffers.release(memory)
        elif neighbour.state in _USABLE:
            self._nic.transmit(memory, destination, packets)
        else:
            _, _, frames, _, _, _ = packets
            self._queue(neighbour, Waiting(memory, packets, frames))

    def send_segments(
        self, destination: int, port: int, overhead: int, bodies: list[Body], *, memalloc: bool = False
    ) -> None:
        """Send segments of one connection, each as `transmit` does; the socket keeps their memory."""
        neighbour = self.entries.get(destination)
        if neighbour is not None and neighbour.state in _USABLE:
            self._for_sending(destination, memalloc=memalloc)
            self._nic.send_segments(destination, port, overhead, bodies)
            return
        for body in bodies:
            wire = body[S_PAYLOAD] + overhead
            self.transmit([], destination, (TCP, port, 1, wire, wire, body), memalloc=memalloc)

    def send_train(
        self, destination: int, kind: int, port: int, count: int, gap_ns: int, wire: int, body: tuple[object, ...]
    ) -> None:
        """Let a train leave, if the neighbour is known; else the train is lost, and the neighbour is asked."""
        neighbour = self._for_sending(destination, memalloc=False)
        if neighbour is not None and neighbour.state in _USABLE:
            self._nic.send_train(destination, kind, port, count, gap_ns, wire, body)
        else:
            self._counters.unresolved += count

    def receive(self, datagram: Datagram) -> None:
        """Take a request or a reply; what is neither is ignored."""
        try:
            said = operation(datagram.message)
        except LocalProtocolError:
            return
        source = datagram.source
        if said == REPLY:
            neighbour = self.entries.get(source)
            if neighbour is not None:
                self._confirm(neighbour)
            return
        memalloc = self._memalloc_processing and any(buffer[B_CHARGE] for buffer in datagram.buffers)
        neighbour = self.entries.get(source) or self._create(source, memalloc=memalloc)
        if neighbour is None:
            return
        if neighbour.state is not REACHABLE:
            self._set(neighbour, STALE, max(self._events.now, neighbour.used_ns + STALE_NS))
            self._flush(neighbour)
        self._say(source, REPLY, memalloc=memalloc)

    def confirm(self, index: int) -> None:
        """A machine has answered on a layer above, so its address is right (dst_confirm in include/net/dst.h; facts 13.9)."""
        neighbour = self.entries.get(index)
        if neighbour is not None:
            neighbour.confirmed_ns = self._events.now

    # -- sending ----------------------------------------------------------------------------------------------------

    def _for_sending(self, destination: int, *, memalloc: bool) -> Neighbour | None:
        """The entry for a packet that is to leave now, which may start a question; None if there is no memory for one."""
        neighbour = self.entries.get(destination) or self._create(destination, memalloc=memalloc)
        if neighbour is None:
            return None
        now = self._events.now
        neighbour.used_ns = now
        neighbour.memalloc = self._memalloc_processing and memalloc
        if neighbour.state is STALE:
            self._set(neighbour, DELAY, now + DELAY_NS)
        elif neighbour.state in (NONE, FAILED):
            self._begin_asking(neighbour, INCOMPLETE)
        return neighbour

    def _create(self, index: int, *, memalloc: bool) -> Neighbour | None:
        cache = self._buffers.neighbours
        slab = cache.take_memalloc(self._floor) if memalloc else cache.take(self._floor)
        if slab is None:
            return None
        neighbour = self.entries[index] = Neighbour(index, slab, self._events.now)
        return neighbour

    def _queue(self, neighbour: Neighbour, datagram: Waiting) -> None:
        queue = neighbour.queue
        self._queued += datagram.frames
        queue.append(datagram)
        frames = sum(one.frames for one in queue)
        while frames > self._kernel.neighbour_queue:
            frames -= self._throw_away(queue.popleft())

    def _throw_away(self, datagram: Waiting) -> int:
        """Drop a datagram that has waited in vain; the number of frames it would have been."""
        self._counters.unresolved += datagram.frames
        self._buffers.release(datagram.memory)
        return datagram.frames

    def _flush(self, neighbour: Neighbour) -> None:
        while neighbour.queue:
            memory, packets, _ = neighbour.queue.popleft()
            self._nic.transmit(memory, neighbour.index, packets)

    # -- asking -----------------------------------------------------------------------------------------------------

    def _begin_asking(self, neighbour: Neighbour, state: str) -> None:
        neighbour.state = state
        neighbour.probes = 0
        self._ask(neighbour)

    def _ask(self, neighbour: Neighbour) -> None:
        """Send a request, or fail to for want of memory; the time until the next one runs in both cases."""
        now = self._events.now
        neighbour.probes += 1
        neighbour.previous_ns, neighbour.last_ns = neighbour.last_ns, now
        self._say(neighbour.index, REQUEST, memalloc=neighbour.memalloc)
        self._set(neighbour, neighbour.state, now + RETRANSMIT_NS)

    def _say(self, to: int, said: int, *, memalloc: bool) -> None:
        memory = self._buffers.transmit(1, self._floor, memalloc=memalloc)
        if memory is None:
            self._counters.tx_no_memory += 1
            return
        self._nic.transmit(memory, to, (ARP, 0, 1, self._wire, self._wire, (0, PACKET, 0, 1, 1, (said,))))

    def _confirm(self, neighbour: Neighbour) -> None:
        """Note that a neighbour has answered."""
        now = self._events.now
        neighbour.confirmed_ns = now
        self._set(neighbour, REACHABLE, now + self._good_for_ns())
        self._flush(neighbour)

    def _good_for_ns(self) -> int:
        if self._events.now - self._drawn_ns >= DRAWN_NS:
            self._drawn_ns = self._events.now // DRAWN_NS * DRAWN_NS
            self._reachable_ns = self._drawn()
        return self._reachable_ns

    def _drawn(self) -> int:
        return REACHABLE_NS // 2 + self._draw.randrange(REACHABLE_NS)

    # -- its timer --------------------------------------------------------------------------------------------------

    def _set(self, neighbour: Neighbour, state: str, due_ns: int) -> None:
        """Another state, or the same for longer; its timer fires then."""
        neighbour.state = state
        neighbour.due_ns = due_ns
        self._events.at(due_ns, self._expire, neighbour)

    def _expire(self, neighbour: Neighbour) -> None:
        if neighbour.due_ns <= self._events.now:
            neighbour.due_ns = NEVER
            _AFTER[neighbour.state](self, neighbour)

    def _reachable_over(self, neighbour: Neighbour) -> None:
        """One that is in use is asked, if nothing is heard of it for a while; another is forgotten in time."""
        now = self._events.now
        good_until_ns = neighbour.confirmed_ns + self._good_for_ns()
        if now < good_until_ns:
            self._set(neighbour, REACHABLE, good_until_ns)
        elif now <= neighbour.used_ns + DELAY_NS:
            self._set(neighbour, DELAY, now + DELAY_NS)
        else:
            self._set(neighbour, STALE, max(now, neighbour.used_ns + STALE_NS))

    def _delay_over(self, neighbour: Neighbour) -> None:
        if self._events.now <= neighbour.confirmed_ns + DELAY_NS:
            self._set(neighbour, REACHABLE, neighbour.confirmed_ns + self._good_for_ns())
        else:
            self._begin_asking(neighbour, PROBE)

    def _asked_in_vain(self, neighbour: Neighbour) -> None:
        if neighbour.probes < PROBES:
            self._ask(neighbour)
            return
        self._set(neighbour, FAILED, max(self._events.now, neighbour.used_ns + STALE_NS))
        while neighbour.queue:
            self._throw_away(neighbour.queue.popleft())

    def _unused(self, neighbour: Neighbour) -> None:
        """Free an entry that no packet has used for long."""
        due_ns = neighbour.used_ns + STALE_NS
        if due_ns > self._events.now:
            self._set(neighbour, neighbour.state, due_ns)
        else:
            del self.entries[neighbour.index]
            self._buffers.neighbours.give(neighbour.slab)


_AFTER: Final[dict[str, Callable[[Neighbours, Neighbour], None]]] = {
    INCOMPLETE: Neighbours._asked_in_vain,
    REACHABLE: Neighbours._reachable_over,
    STALE: Neighbours._unused,
    DELAY: Neighbours._delay_over,
    PROBE: Neighbours._asked_in_vain,
    FAILED: Neighbours._unused,
}

Output = Nic | Neighbours
"""What a machine sends through: its card, behind its neighbour table if it has one."""
