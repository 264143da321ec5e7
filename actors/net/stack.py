"""From a received buffer to its receiver: fragments wait, then demux, and only here is it known which frame is critical.

Source: net/core/dev.c, net/ipv4 of 2.6.22 with Zijlstra's netvm patches: an emergency buffer for a socket that does not
serve the VM is dropped here and its memory goes back to the reserve; while an emergency packet is processed the task has
PF_MEMALLOC, so that small allocations on the way (a route entry) succeed.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

from netswap.actors.memory.slab import SlabCache
from netswap.actors.net.board import NetBoard
from netswap.actors.net.buffers import B_CHARGE, B_TRUESIZE, Buffer
from netswap.actors.net.reassembly import Reassembly, RefusingReassembly
from netswap.actors.net.routes import Routes
from netswap.actors.net.sockets import Datagram, Queues, Socket
from netswap.protocol.frame import F_BODY, F_COUNT, F_KIND, F_PORT, F_SOURCE, FRAGMENT, TCP, Raw, one_of

_named: Final = tuple.__new__
"""Names the fields of a tuple that is complete already (four times as fast as the named tuple's own constructor)."""

_PORTS: Final = 4
"""The place in the body of a whole datagram of how many ports its train goes to."""

Handler = Callable[[Datagram], None]
"""The kernel's own user of a port: it takes what the datagram says; its buffers are free already."""


Segments = Callable[[Raw, Buffer], str]
"""Takes a received TCP segment with its buffer; else the cause for which it must be dropped."""


class Express(Protocol):
    """A TCP connection whose owner reads at once, for segments that come one after the other."""

    def pass_on(self, segment: Any, truesize: int) -> bool:
        """Take a segment that will be free, with its buffer of this truesize, once the card has been served; else False."""

    def passed_on(self) -> None:
        """The buffer is free, and the owner has read."""

    def ends_passing(self) -> None:
        """No more comes for now."""


def _no_express(frame: Raw) -> Express | None:
    return None


def _no_acknowledge(frame: Raw) -> bool:
    return False


def _no_tcp(frame: Raw, buffer: Buffer) -> str:
    return "no-socket"


class Stack:
    """The protocol layers of one machine."""

    __slots__ = (
        "_acknowledge",
        "_buffers",
        "_caches_routes",
        "_counters",
        "_drop_at_demux",
        "_dropped",
        "_emergency_links",
        "_events",
        "_express",
        "_head_decides",
        "_handlers",
        "_memalloc_processing",
        "_routes",
        "_routed",
        "_segments",
        "_teller",
        "noncritical",
        "noncritical_max",
        "reassembly",
        "sockets",
        "woken",
    )

    def __init__(
        self,
        net: NetBoard,
    ) -> None:
        board, buffers = net.board, net.buffers
        events, kernel, counters, policy = board.events, board.kernel, board.counters, board.policy
        self._buffers = buffers
        self._counters = counters
        self._dropped = counters.dropped
        self._events = events
        self._teller = board.teller
        self._handlers: dict[int, Handler] = {}
        self._routed: frozenset[int] = frozenset()
        self._routes = Routes(events, kernel, buffers.routes, board.zone.floors.atomic)
        self._drop_at_demux = policy.drop_at_demux
        self._segments: Segments = _no_tcp
        self._express: Callable[[Raw], Express | None] = _no_express
        self._acknowledge: Callable[[Raw], bool] = _no_acknowledge
        self._memalloc_processing = policy.memalloc_processing
        self._head_decides = kernel.memalloc_sockets
        """Whether the mark of a datagram is that of its head, into which the others are put (inet_frag_reasm_prepare)."""
        self._caches_routes = kernel.route_entries > 0
        self.reassembly = (RefusingReassembly if kernel.refuses_fragments else Reassembly)(
            events, kernel, net.mtu, self.drop
        )
        self._emergency_links = kernel.emergency_links
        self.sockets: dict[int, Socket] = {}
        self.woken: list[Callable[[], None]] = []
        """Programs to run once the card has been served: a softirq ends before any process runs."""
        self.noncritical = 0
        """Frames held by ordinary sockets."""
        self.noncritical_max = board.tally.noncritical_max

    def serve(self, port: int, handler: Handler, *, routed: frozenset[int] = frozenset()) -> None:
        """Let the kernel itself take what comes to `port`; frames that are no IPv4 to the negative of their kind.

        `routed`: as in `need_routes`.
        """
        self._handlers[port] = handler
        self.need_routes(routed)

    def need_routes(self, machines: frozenset[int]) -> None:
        """Let frames from these machines need a route cache entry to be processed, if there is such a cache."""
        if self._caches_routes:
            self._routed |= machines

    def open(self, socket: Socket) -> None:
        """Let a program's socket take what comes to its port."""
        self.sockets[socket.port] = socket

    def serve_tcp(
        self,
        segments: Segments,
        express: Callable[[Raw], Express | None] = _no_express,
        acknowledge: Callable[[Raw], bool] = _no_acknowledge,
    ) -> None:
        """Let `segments` take all TCP segments.

        `express` finds the connection of a burst that may be passed on. `acknowledge` takes a segment that only acknowledges, if
        nothing is allocated for what it lets happen.
        """
        self._segments = segments
        self._express = express
        self._acknowledge = acknowledge

    def express(self, frame: Raw) -> Express | None:
        """The connection that takes the segments of a burst, if they need nothing here, no route either."""
        return None if frame[F_SOURCE] in self._routed or self.woken else self._express(frame)

    def passed_on(self) -> None:
        """A segment has been received, delivered and read."""
        self._counters.delivered += 1
        held = self.noncritical + self.reassembly.frames + 1
        if held > self.noncritical_max:
            self.noncritical_max = held

    def has_handler(self, port: int, kind: int) -> bool:
        """Whether the kernel itself takes what comes to this port, or frames of this kind to none."""
        return (port or -kind) in self._handlers

    def is_full(self, socket: Socket, truesize: int) -> bool:
        """Whether a socket takes no datagram of this truesize, and none that is larger."""
        return socket.charged + truesize >= socket.room

    def state(self) -> tuple[int, ...]:
        """What a frame may change here, but for its socket's own."""
        cache = self.reassembly
        return (self.noncritical, self.noncritical_max, cache.frames, cache.truesize, cache.truesize_max)

    def hold(self, frames: int) -> None:
        """Count `frames` more (or less, if negative) that wait in ordinary sockets."""
        self.noncritical += frames
        self._high_water()

    def input(self, frame: Raw, index: int, buffer: Buffer) -> None:
        """Frame `index` of a train has been received into `buffer`."""
        body = frame[F_BODY]
        kind = frame[F_KIND]
        if kind == TCP:
            self._segment(frame if frame[F_COUNT] == 1 else one_of(frame, index), buffer)
            return
        if not kind & FRAGMENT:
            self._datagram(frame, index, body, (buffer,))
            return
        ident, step, datagram = body
        key = (frame[F_SOURCE], ident + index if step else ident)
        buffers = self.reassembly.add(key, step - 1 if step else index, datagram[1], buffer)
        if buffers is None:
            self._high_water()
        else:
            self._datagram(frame, 0, datagram, buffers)

    def pass_short(self, frame: Raw, cache: SlabCache) -> bool:
        """Hand a short datagram to the kernel's own user of its port, as `input` does.

        A buffer with its data from `cache` would be free again before its user sees the datagram, so nothing is left of it.
        False, and nothing is done, if the frame is another one, or if its buffer or its route are not to be had simply.
        """
        if frame[F_KIND] >= TCP:
            return frame[F_KIND] == TCP and self._pass_segment(frame, cache)
        port, source, body = frame[F_PORT], frame[F_SOURCE], frame[F_BODY]
        handler = self._user(source, port, body)
        if handler is None or not self._buffers.lend_copy(cache):
            return False
        if source in self._routed:
            self._routes.find(source, memalloc=False)
        self._counters.delivered += 1
        source_port, payload, _, _, _, message = body
        handler(_named(Datagram, (source, source_port, port, payload, message, (), 0)))
        return True

    def _pass_segment(self, frame: Raw, cache: SlabCache) -> bool:
        """As `pass_short`, for a segment that only acknowledges."""
        if not self._events.quiet_ns or frame[F_COUNT] > 1 or frame[F_SOURCE] in self._routed:
            return False
        if not self._buffers.would_lend(cache):
            return False
        if not self._acknowledge(frame):
            return False
        self._counters.delivered += 1
        return True

    def _user(self, source: int, port: int, body: tuple[Any, ...]) -> Handler | None:
        """The kernel's own user of a port, if it gets this datagram without the need of a new route."""
        if (
            not port
            or port in self.sockets
            or body[_PORTS] > 1
            or (source in self._routed and not self._routes.has(source))
        ):
            return None
        return self._handlers.get(port)

    def input_whole(self, frame: Raw, fragments: list[Buffer]) -> None:
        """All fragments of a datagram have come one after the other: as `input` for each, if `expects` says so."""
        frames = len(fragments)
        self.reassembly.passed(frames)
        held = self.noncritical + self.reassembly.frames + frames - 1
        if held > self.noncritical_max:
            self.noncritical_max = held
        port, source, body = frame[F_PORT], frame[F_SOURCE], frame[F_BODY][2]
        handler, buffers = self._user(source, port, body), tuple(fragments)
        if handler is None:
            self._datagram(frame, 0, body, buffers)
            return
        if source in self._routed:
            self._routes.find(source, memalloc=False)
        self._counters.delivered += frames
        self._buffers.free_all(buffers)
        handler(_named(Datagram, (source, body[0], port, body[1], body[-1], buffers, 0)))

    def expects(self, frame: Raw) -> bool:
        """Whether the fragments of this train would all find room in the cache, and nothing of their datagram there."""
        ident, step, datagram = frame[F_BODY]
        return not step and self.reassembly.has_room((frame[F_SOURCE], ident), frame[F_COUNT], datagram[1])

    def _datagram(self, frame: Raw, index: int, body: tuple[Any, ...], buffers: tuple[Buffer, ...]) -> None:
        """Find the receiver of a whole datagram, and hand it over."""
        source_port, payload, flow, flows, ports, message = body
        port = frame[F_PORT] + (flow + index) % flows % ports if ports > 1 else frame[F_PORT]
        socket = self.sockets.get(port)
        if socket is None:
            self._to_kernel(
                _named(Datagram, (frame[F_SOURCE], source_port, port, payload, message, buffers, 0)), frame[F_KIND]
            )
            return
        frames = len(buffers)
        if frames == 1:
            truesize = buffers[0][B_TRUESIZE]
            emergency = buffers[0][B_CHARGE]
        else:
            truesize = sum([one[B_TRUESIZE] for one in buffers])
            emergency = buffers[0][B_CHARGE] if self._head_decides else max([one[B_CHARGE] for one in buffers])
        if emergency and self._drop_at_demux:
            self.drop(buffers, "demux")
            return
        if socket.charged + truesize >= socket.room and self._refuses(socket, truesize):
            self.drop(buffers, "socket-full")
            return
        socket.charged += truesize
        self._counters.delivered += frames
        self.noncritical += frames
        held = self.noncritical + self.reassembly.frames
        if held > self.noncritical_max:
            self.noncritical_max = held
        queues = socket.queues
        queues.buffers += frames
        queues.datagrams.append(
            (socket, _named(Datagram, (frame[F_SOURCE], source_port, port, payload, message, buffers, truesize)))
        )
        if queues.wake is not None:
            self.woken.append(queues.wake)
            queues.wake = None

    def _refuses(self, socket: Socket, truesize: int) -> bool:
        """Whether a socket without room does not take a datagram of this truesize."""
        return True

    def read(self, socket: Socket, datagram: Datagram) -> None:
        """A program has copied a datagram out of its socket."""
        buffers = datagram.buffers
        socket.charged -= datagram.truesize
        socket.queues.buffers -= len(buffers)
        self.noncritical -= len(buffers)
        self._buffers.free_all(buffers)

    def close(self, queues: Queues) -> None:
        """Close the sockets of a program that has ended: what waits there is freed, and what still comes has no socket."""
        queues.wake = None
        for port in queues.sockets:
            del self.sockets[port]
        while queues.datagrams:
            self.read(*queues.datagrams.popleft())

    def drop(self, buffers: tuple[Buffer, ...], cause: str) -> None:
        """Throw received frames away; their memory is free at once."""
        if self._teller is not None and not self._dropped[cause]:
            self._teller.first_dropped(self._events.now, cause)
        self._dropped[cause] += len(buffers)
        self._buffers.free_all(buffers)

    def _segment(self, frame: Raw, buffer: Buffer) -> None:
        """Hand a segment to TCP, which finds its connection and decides whether it is kept."""
        routed = frame[F_SOURCE] not in self._routed or self._has_route(frame[F_SOURCE], (buffer,))
        cause = self._segments(frame, buffer) if routed else "no-memory"
        if cause:
            self.drop((buffer,), cause)
        else:
            self._counters.delivered += 1

    def _has_route(self, source: int, buffers: tuple[Buffer, ...]) -> bool:
        """Whether there is, or can be made, the route cache entry that frames from `source` need."""
        memalloc = self._memalloc_processing and any(buffer[B_CHARGE] for buffer in buffers)
        return self._routes.find(source, memalloc=memalloc)

    def _to_kernel(self, datagram: Datagram, link: int) -> None:
        source, _, port, _, _, buffers, _ = datagram
        if not port and not self._may_pass(datagram, link):
            self.drop(buffers, "demux")
            return
        handler = self._handlers.get(port or -link)
        if handler is None:
            self.drop(buffers, "no-socket")
            return
        if source in self._routed and port and not self._has_route(source, buffers):
            self.drop(buffers, "no-memory")
            return
        self._counters.delivered += len(buffers)
        self._buffers.free_all(buffers)
        handler(datagram)

    def _may_pass(self, datagram: Datagram, link: int) -> bool:
        """Whether a frame that is no IPv4 gets as far as its protocol: in an emergency buffer only some do."""
        emergency = self._drop_at_demux and any(buffer[B_CHARGE] for buffer in datagram.buffers)
        return not emergency or link in self._emergency_links

    def _high_water(self) -> None:
        held = self.noncritical + self.reassembly.frames
        if held > self.noncritical_max:
            self.noncritical_max = held
