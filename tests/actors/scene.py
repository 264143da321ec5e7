"""What the tests of single parts share: the parts of one machine without its programs, and frames as they reach it."""

from dataclasses import dataclass
from typing import Any

from netswap.actors.counters import Counters
from netswap.actors.events import Events
from netswap.actors.kernels import LINUX_2_6_22 as KERNEL
from netswap.actors.kernels import Kernel
from netswap.actors.kernels.udp import UdpMem
from netswap.actors.memory.board import Board
from netswap.actors.memory.reserve import Node
from netswap.actors.memory.zone import Zone
from netswap.actors.net.board import NetBoard
from netswap.actors.net.buffers import Buffer, Buffers
from netswap.actors.net.memalloc import MemallocBuffers
from netswap.actors.net.nic import Nic
from netswap.actors.net.sockets import Queues
from netswap.actors.net.stack import Stack
from netswap.actors.net.udp_limits import LimitedStack
from netswap.actors.policy import Policy
from netswap.actors.swap.device import Remote
from netswap.actors.swap.nfs import GatheringNfsDevice, NfsDevice
from netswap.protocol.frame import FRAGMENT, PAGE_IN, PAGE_OUT, UDP, VERSION, Frame, Raw, cut
from netswap.protocol.units import seconds

A, B, C = 0, 1, 2
GIGABIT = 1_000_000_000
SERVICE = 9000
MTU = 1500
FRAMING = 38
RESERVE = frozenset(
    {"reserve-access", "memalloc-processing", "drop-at-demux", "slab-rule", "fragment-cover", "tx-bound"}
)


@dataclass
class Host:
    """Memory, card and stack of machine A."""

    events: Events
    zone: Zone
    counters: Counters
    buffers: Buffers
    stack: Stack
    nic: Nic
    emergency: Node
    net: NetBoard

    def open(self, sockets: int = 1, rcvbuf: int = KERNEL.rmem_default, port: int = SERVICE) -> Queues:
        """Sockets of a program that does not read, from this port on."""
        queues = Queues()
        for number in range(sockets):
            self.stack.open(queues.open(port + number, rcvbuf))
        return queues

    def receive(self, frame: Raw, at_ns: int | None = None, flags: int = 0) -> None:
        """All frames of a train reach the card."""
        at_ns = self.events.now if at_ns is None else at_ns
        arrival: Any = (at_ns, frame[2], frame[3], 0, frame[9], frame[10], 0, flags, frame)
        assert self.nic.receive(arrival, at_ns + seconds(100)) is None

    def run_until(self, time_ns: int) -> None:
        """Let all events before that time happen."""
        while self.events.next_ns() < time_ns:
            self.events.step()
        self.events.now = time_ns

    def drain(self, free: int) -> int:
        """Take all pages but `free`; how many were taken."""
        return self.zone.take_many(free, self.zone.total)

    def drain_to_the_atomic_floor(self) -> None:
        """No page is left to reception, and no object either: the next allocation needs a page that it may not have."""
        floor = self.zone.floors.atomic
        self.drain(floor)
        buffers = self.buffers
        for cache in (
            buffers.receive,
            buffers.copies,
            buffers.shorts,
            buffers.heads,
            buffers.tx_headers,
            buffers.rpc,
            buffers.routes,
        ):
            while cache.take(floor) is not None:
                pass

    def device(self, in_flight: int = 32, timeout_ns: int = seconds(1.1), request_pages: int = 1) -> NfsDevice:
        """A's swap device, with C as the server; its owner is still to be given."""
        kind = GatheringNfsDevice if request_pages > 1 else NfsDevice
        device = kind(self.net, self.nic, Remote(C, in_flight), request_pages, timeout_ns)
        self.stack.serve(800, device.reply, routed=frozenset({C}))
        return device

    def sent(self) -> list[Frame]:
        """What has left the card since the last call."""
        return [Frame(*raw) for raw, _ in cut(b"".join(data for _, data in self.nic.take_out()))]

    def dropped(self) -> dict[str, int]:
        """Frames dropped so far, by cause."""
        return {cause: frames for cause, frames in self.counters.dropped.items() if frames}


def host(
    *switches: str,
    total: int = 4096,
    min_pages: int = 256,
    emergency: int = 0,
    emergency_bytes: int = 0,
    ring: int = 32,
    refill: str = "e1000",
    kernel: Kernel = KERNEL,
    udp_mem: UdpMem | None = None,
) -> Host:
    """A machine of 16 MiB; `emergency_bytes` is the limit on emergency receive buffers."""
    events = Events()
    zone = Zone(total, min_pages, emergency, kernel)
    counters = Counters()
    node = Node("SKB data", limit=emergency_bytes)
    on = frozenset(switches)
    access, guarded = "reserve-access" in on, "slab-rule" in on
    buffers = (
        MemallocBuffers(zone, kernel, access=access, rx_head="rx-head" in on, guarded=guarded)
        if kernel.memalloc_sockets
        else Buffers(zone, kernel, node if access else None, guarded=guarded)
    )
    net = NetBoard(Board(events, zone, kernel, counters, Policy.of(on)), buffers, FRAMING, MTU)
    stack = LimitedStack(net, udp_mem) if kernel.limits_udp else Stack(net)
    nic = Nic(net, stack, A, GIGABIT, ring, refill)
    return Host(events, zone, counters, buffers, stack, nic, node, net)


def udp(
    count: int = 1,
    *,
    source: int = B,
    number: int = 0,
    gap_ns: int = 0,
    wire: int = 1538,
    port: int = SERVICE,
    flow: int = 0,
    flows: int = 1,
    ports: int = 1,
    message: tuple[int, ...] = (),
    source_port: int = 0,
    sent_ns: int = 0,
    destination: int = A,
) -> Raw:
    """A train of whole datagrams."""
    body = (source_port, max(0, wire - 66), flow, flows, ports, message)
    return Frame(VERSION, sent_ns, source, number, destination, wire, wire, UDP, port, count, gap_ns, body)


def fragments(
    ident: int,
    payload: int,
    count: int,
    *,
    source: int = B,
    port: int = SERVICE,
    gap_ns: int = 0,
    tail: int = 1538,
    message: tuple[int, ...] = (),
    sent_ns: int = 0,
) -> Raw:
    """The first `count` fragments of one datagram of `payload` bytes."""
    body = (ident, 0, (0, payload, 0, 1, 1, message))
    return Frame(VERSION, sent_ns, source, ident, A, 1538, tail, UDP | FRAGMENT, port, count, gap_ns, body)


def answer(request: Frame, version: int | None = None) -> Raw:
    """C's reply to a request, as one short frame; `version` other than what was asked for, if given."""
    assert request.kind & ~FRAGMENT in (PAGE_OUT, PAGE_IN)
    datagram: Any = request.body[2] if request.kind & FRAGMENT else request.body
    xid, page, *said = datagram[5]
    versions = said if version is None else [version] * len(said)
    return udp(source=C, port=800, source_port=2049, wire=194, message=(xid, page, *versions))


def real_bytes(buffer: Buffer) -> int:
    """Bytes of the slab objects that a receive buffer is made of."""
    data, head, _, _ = buffer
    return data.cache.size + head.cache.size
