"""The state of a machine as far as a frame can feel it: two pictures that are alike are the same but for which slab is which.

What receiving a frame reads or changes is all here: the card's ring, the slab caches of its buffers, the zone, the charge to the
reserve, the sockets of the flow, the counters that are not multiplied. See `steady` for what that is good for.
"""

from typing import Any, NamedTuple

from netswap.actors.counters import Counters
from netswap.actors.memory.fragments import FragmentBlock, PageFragCache
from netswap.actors.memory.slab import PageMarkedCache, Slab, SlabCache
from netswap.actors.net.board import NetBoard
from netswap.actors.net.buffers import Buffers
from netswap.actors.net.memalloc import MemallocBuffers
from netswap.actors.net.nic import Nic
from netswap.actors.net.sockets import Reader, Socket
from netswap.actors.net.stack import Stack
from netswap.protocol.frame import F_BODY, F_KIND, F_PORT, F_SOURCE, F_WIRE, Raw


class Flow(NamedTuple):
    """What all frames of a flow have in common, in fields of `Frame` and of the body of a datagram."""

    source: int
    wire: int
    kind: int
    port: int
    source_port: int
    payload: int
    flows: int
    ports: int
    message: tuple[Any, ...]


def flow_of(frame: Raw) -> Flow:
    """The flow of a frame that is neither a fragment nor a segment."""
    source_port, payload, _, flows, ports, message = frame[F_BODY]
    return Flow(
        frame[F_SOURCE], frame[F_WIRE], frame[F_KIND], frame[F_PORT], source_port, payload, flows, ports, message
    )


class Round(NamedTuple):
    """The sockets that a flow goes to in turn."""

    state: tuple[object, ...]
    readers: tuple[Reader, ...]
    """Readers that are waiting for a datagram from one of the sockets."""
    is_even: bool
    """Whether it makes no difference which of them comes next: all are closed, or full, or read at once by one reader."""
    is_open: bool
    """Whether there is a socket on each of the ports: then a frame that is dropped at demux is dropped whichever comes next."""


def round_of(stack: Stack, flow: Flow, truesize: int) -> Round | None:
    """The round of a flow; None if a frame may do what no picture shows. `truesize`: the least that its frames may have."""
    ports = range(flow.port, flow.port + min(flow.flows, flow.ports))
    sockets = [stack.sockets.get(port) for port in ports]
    open_ = [socket for socket in sockets if socket is not None]
    if len(open_) < len(sockets) and stack.has_handler(flow.port, flow.kind):
        return None
    full = [stack.is_full(socket, truesize) for socket in open_]
    waking = [socket.queues for socket, is_full in zip(open_, full, strict=True) if socket.queues.wake and not is_full]
    readers: dict[Reader, None] = {}
    for queues in waking:
        if queues.reader is None:
            return None
        readers[queues.reader] = None
    read = len(waking) == len(sockets) and len(readers) == 1 and len({_size(socket) for socket in open_}) == 1
    is_even = not open_ or (len(open_) == len(sockets) and (all(full) or read))
    return Round(tuple(_socket(socket) for socket in sockets), tuple(readers), is_even, len(open_) == len(sockets))


def _size(socket: Socket) -> tuple[int, int, int]:
    return (socket.charged, socket.rcvbuf, socket.room)


def _socket(socket: Socket | None) -> tuple[object, ...]:
    """All that decides what becomes of a datagram there."""
    if socket is None:
        return ()
    queues = socket.queues
    return (socket, *_size(socket), queues, queues.buffers, len(queues.datagrams), queues.wake is None, queues.reader)


class Picture(NamedTuple):
    """The state at one moment. The slabs in it stay alive, so that none can be taken for another."""

    rough: tuple[int, ...]
    """Numbers that are had at once, and mostly differ if anything does."""
    fine: tuple[object, ...]
    slabs: tuple[tuple[object, ...], ...]
    """Each slab that has been met, in order: its cache, free objects, whether it is the reserve's, itself if others hold some."""

    def is_like(self, other: "Picture") -> bool:
        """Whether nothing that is received next could tell them apart."""
        return self.rough == other.rough and self.slabs == other.slabs and self.fine == other.fine


class _Names:
    """Numbers for slabs, in the order in which they are met, and how many of their objects have been."""

    __slots__ = ("held", "numbers")

    def __init__(self) -> None:
        self.numbers: dict[Slab, int] = {}
        self.held: list[int] = []

    def of(self, slab: Slab) -> int:
        """The slab's number."""
        number = self.numbers.get(slab)
        if number is None:
            number = self.numbers[slab] = len(self.held)
            self.held.append(0)
        return number

    def hold(self, slab: Slab) -> int:
        """The slab's number; one of the slab's objects has been met."""
        number = self.of(slab)
        self.held[number] += 1
        return number

    def slabs(self) -> tuple[tuple[object, ...], ...]:
        """All of them, as in `Picture`."""
        return tuple(
            (slab.cache, slab.free, slab.from_reserve, None if _is_ours(slab, held) else slab, _place(slab))
            for slab, held in zip(self.numbers, self.held, strict=True)
        )


def _is_ours(slab: Slab, held: int) -> bool:
    """Whether all of a slab's objects in use are the `held` that have been met."""
    if isinstance(slab, FragmentBlock):
        return held == slab.out
    return slab.free + held == slab.cache.per_slab


def _place(slab: Slab) -> tuple[object, ...]:
    """What else decides about a block of pages when it comes back."""
    block = slab.block if isinstance(slab, FragmentBlock) else None
    return () if block is None else (block.order, block.aside, block.zone)


def rough(net: NetBoard, nic: Nic) -> tuple[int, ...]:
    """Numbers of the state that are had at once."""
    zone, buffers = net.board.zone, net.buffers
    reserve = buffers.reserve
    return (
        zone.free,
        zone.aside_free,
        zone.reserve_used,
        zone.free_min,
        zone.reserve_used_max,
        zone.no_block,
        len(zone.waiters),
        nic.filled(),
        nic.cleaned,
        nic.unserved,
        nic.watchdog_due_ns,
        buffers.heads.slabs,
        buffers.standard.slabs,
        buffers.copies.slabs,
        buffers.shorts.slabs,
        len(buffers.cached_heads) if isinstance(buffers, MemallocBuffers) else 0,
        0 if reserve is None else reserve.usage,
        0 if reserve is None else reserve.usage_max,
    )


def take_picture(net: NetBoard, nic: Nic, stack: Stack, state: tuple[object, ...]) -> Picture:
    """The state of now; `state`: that of the sockets of a flow."""
    names, buffers = _Names(), net.buffers
    hold = names.hold
    ring = [(hold(data), hold(head), truesize, charge) for data, head, truesize, charge in nic.ring]
    heads = [hold(head) for head in buffers.cached_heads] if isinstance(buffers, MemallocBuffers) else []
    caches = [_cache(cache, names) for cache in _caches(buffers)]
    zone = net.board.zone
    fine = (ring, heads, caches, state, stack.state(), _counted(net.board.counters), zone.floors, zone.grouping())
    return Picture(rough(net, nic), fine, names.slabs())


def _caches(buffers: Buffers) -> list[SlabCache]:
    """The caches that receive buffers come from, each once."""
    return list(dict.fromkeys((buffers.heads, buffers.standard, buffers.copies, buffers.shorts)))


def _cache(cache: SlabCache, names: _Names) -> tuple[object, ...]:
    """A cache's slabs with free objects, in their order; a slab on top without any is as good as none."""
    if isinstance(cache, PageFragCache):
        current = cache.current
        return (-1 if current is None else names.of(current),)
    top, partial = cache.top, cache.partial
    marked = [names.of(slab) for slab in cache.marked] if isinstance(cache, PageMarkedCache) else []
    return (
        names.of(top) if top.free else -1,
        [names.of(slab) for slab in partial],
        marked,
        cache.reserved,
        cache.slabs,
    )


def _counted(counters: Counters) -> tuple[int, ...]:
    """What no frame of a steady stretch adds to."""
    return (
        counters.pages_out,
        counters.pages_in,
        counters.file_pages_in,
        counters.file_pages_out,
        counters.retransmissions,
        counters.tx_no_memory,
        counters.unresolved,
        counters.faults,
        counters.oom_kills,
    )
