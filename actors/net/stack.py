"""From a received buffer to whom it is for: fragments wait, then demux, and only here is it known what is critical.

Source: net/core/dev.c, net/ipv4 of 2.6.22 with Zijlstra's netvm patches: an emergency buffer for a socket that does not
serve the VM is dropped here and its memory goes back to the reserve; while an emergency packet is processed the task has
PF_MEMALLOC, so that small allocations on the way (a route entry) succeed.
"""

from collections.abc import Callable

from actors.counters import Counters
from actors.events import Events
from actors.kernels import Kernel
from actors.memory.zone import Zone
from actors.net.buffers import Buffer, Buffers
from actors.net.reassembly import Reassembly
from actors.net.routes import Routes
from actors.net.sockets import Datagram, Socket
from protocol.frame import FRAGMENT, Raw

Handler = Callable[[Datagram], None]
"""A kernel's own user of a port: takes the datagram before it is freed; it never queues."""


class Stack:
    """The protocol layers of one machine."""

    __slots__ = ("_buffers", "_counters", "_drop_at_demux", "_dropped", "_handlers", "_memalloc_processing", "_routes",
                 "_routed", "noncritical", "noncritical_max", "reassembly", "sockets", "woken")

    def __init__(self, events: Events, zone: Zone, kernel: Kernel, buffers: Buffers, counters: Counters, mtu: int,
                 switches: frozenset[str]) -> None:
        self._buffers = buffers
        self._counters = counters
        self._dropped = counters.dropped
        self._handlers: dict[int, Handler] = {}
        self._routed: frozenset[int] = frozenset()
        self._routes = Routes(events, kernel, buffers.routes, zone.floors.atomic)
        self._drop_at_demux = "drop-at-demux" in switches
        self._memalloc_processing = "memalloc-processing" in switches
        self.reassembly = Reassembly(events, kernel, mtu, self.drop)
        self.sockets: dict[int, Socket] = {}
        self.woken: list[Callable[[], None]] = []
        """Programs to run once the card has been served: a softirq ends before any process runs."""
        self.noncritical = 0
        """Frames held by ordinary sockets."""
        self.noncritical_max = 0

    def serve(self, port: int, handler: Handler, *, routed: frozenset[int] = frozenset()) -> None:
        """Let the kernel itself take what comes to `port`.

        Datagrams from the machines in `routed` need a route cache entry to be processed.
        """
        self._handlers[port] = handler
        self._routed |= routed

    def input(self, frame: Raw, index: int, buffer: Buffer) -> None:
        """Frame `index` of a train has been received into `buffer`."""
        body = frame[11]
        if frame[7] & FRAGMENT:
            ident, step, body = body
            offset = 0 if step else index
            key = (frame[2], ident + index if step else ident)
            buffers = self.reassembly.add(key, offset, body[1], buffer)
            if buffers is None:
                self._high_water()
                return
            index = 0
        else:
            buffers = (buffer,)
        source_port, payload, flow, flows, ports, message = body
        port = frame[8] + (flow + index) % flows % ports if ports > 1 else frame[8]
        socket = self.sockets.get(port)
        if socket is None:
            self._to_kernel(Datagram(frame[2], source_port, port, payload, message, buffers, 0))
            return
        if self._drop_at_demux:
            for emergency in buffers:
                if emergency[3]:
                    self.drop(buffers, "demux")
                    return
        truesize = buffer[2] if len(buffers) == 1 else sum(one[2] for one in buffers)
        if socket.charged + truesize >= socket.rcvbuf:
            socket.dropped += len(buffers)
            self.drop(buffers, "socket-full")
            return
        socket.charged += truesize
        self._counters.delivered += len(buffers)
        self.noncritical += len(buffers)
        self._high_water()
        queues = socket.queues
        queues.buffers += len(buffers)
        queues.datagrams.append((socket, Datagram(frame[2], source_port, port, payload, message, buffers, truesize)))
        if queues.wake is not None:
            self.woken.append(queues.wake)
            queues.wake = None

    def read(self, socket: Socket, datagram: Datagram) -> None:
        """A program has copied a datagram out of its socket."""
        socket.charged -= datagram.truesize
        socket.queues.buffers -= len(datagram.buffers)
        self.noncritical -= len(datagram.buffers)
        for buffer in datagram.buffers:
            self._buffers.free(buffer)

    def drop(self, buffers: tuple[Buffer, ...], cause: str) -> None:
        """Throw received frames away; their memory is free at once."""
        self._dropped[cause] += len(buffers)
        for buffer in buffers:
            self._buffers.free(buffer)

    def _to_kernel(self, datagram: Datagram) -> None:
        handler = self._handlers.get(datagram.port)
        if handler is None:
            self.drop(datagram.buffers, "no-socket")
            return
        if datagram.source in self._routed:
            entitled = self._memalloc_processing and any(buffer[3] for buffer in datagram.buffers)
            if not self._routes.find(datagram.source, entitled=entitled):
                self.drop(datagram.buffers, "no-memory")
                return
        self._counters.delivered += len(datagram.buffers)
        for buffer in datagram.buffers:
            self._buffers.free(buffer)
        handler(datagram)

    def _high_water(self) -> None:
        held = self.noncritical + self.reassembly.frames
        if held > self.noncritical_max:
            self.noncritical_max = held
