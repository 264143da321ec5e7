"""The way of frames in and out of a machine: buffers, protocol stack, card, neighbours and TCP, wired to each other."""

from dataclasses import dataclass
from random import Random

from netswap.actors.kernels.tcp import TcpMem
from netswap.actors.kernels.udp import UdpMem
from netswap.actors.memory.board import Board
from netswap.actors.memory.reserve import Node
from netswap.actors.net import steady
from netswap.actors.net.arp import Neighbours, Output
from netswap.actors.net.board import NetBoard
from netswap.actors.net.buffers import Buffers
from netswap.actors.net.input_queue import InputQueue
from netswap.actors.net.memalloc import MemallocBuffers
from netswap.actors.net.nic import Nic
from netswap.actors.net.stack import Stack
from netswap.actors.net.steady import Steady, supports
from netswap.actors.net.tcp import Tcp
from netswap.actors.net.traced import TracedLimitedStack, TracedNic, TracedStack, TracedVirtioNic
from netswap.actors.net.udp_limits import LimitedStack
from netswap.actors.net.virtio import VirtioNic
from netswap.actors.settings import MachineSettings
from netswap.protocol.frame import ARP


@dataclass(frozen=True, slots=True)
class NetParts:
    """All parts that a frame passes."""

    net: NetBoard
    stack: Stack
    input_queue: InputQueue | None
    nic: Nic
    steady: Steady | None
    """Where steady stretches are looked for: what receives in the card's place."""
    neighbours: Neighbours | None
    output: Output
    """The neighbour table, if addresses have to be asked for, or the card: all that is sent goes through it."""
    tcp: Tcp


def net_parts(settings: MachineSettings, board: Board, data: Node | None) -> NetParts:
    """`data`: the node that emergency receive buffers are charged to."""
    buffers = _buffers(settings, board, data)
    net = NetBoard(board, buffers, settings.framing, settings.mtu)
    stack = _stack(settings, net)
    softirq_ns = settings.nic_softirq_ns
    queue = InputQueue(board.events, stack, softirq_ns, board.of_frames) if softirq_ns else None
    nic = _nic(settings, net, queue or stack)
    neighbours = _neighbours(settings, net, nic, stack) if settings.arp else None
    output = neighbours or nic
    tcp = Tcp(net, output, stack.hold, None if settings.tcp_mem is None else TcpMem(*settings.tcp_mem))
    stack.serve_tcp(tcp.input, tcp.express, tcp.acknowledge)
    teller = board.teller
    if queue is None and (teller is None or not teller.hears & {"waits", "steps"}):
        tcp.woken = stack.woken
    return NetParts(net, stack, queue, nic, _steady(net, stack, queue, nic), neighbours, output, tcp)


def _buffers(settings: MachineSettings, board: Board, data: Node | None) -> Buffers:
    """Receive buffers by this kernel's rules, with access to the reserve if the policy and a swap socket give it."""
    policy = board.policy
    if not board.kernel.memalloc_sockets:
        return Buffers(board.zone, board.kernel, data, guarded=policy.slab_rule)
    access = settings.swap is not None and policy.reserve_access
    return MemallocBuffers(board.zone, board.kernel, access=access, rx_head=policy.rx_head, guarded=policy.slab_rule)


def _stack(settings: MachineSettings, net: NetBoard) -> Stack:
    """The protocol layers by this kernel's rules; a traced class of them where a trace wants to be told of each frame."""
    traced = net.board.of_frames is not None
    if net.board.kernel.limits_udp:
        limits = None if settings.udp_mem is None else UdpMem(*settings.udp_mem)
        return (TracedLimitedStack if traced else LimitedStack)(net, limits)
    return (TracedStack if traced else Stack)(net)


def _nic(settings: MachineSettings, net: NetBoard, above: Stack | InputQueue) -> Nic:
    kind: type[Nic] = VirtioNic if settings.nic_refill == "virtio" else Nic
    if net.board.of_frames is not None:
        kind = TracedVirtioNic if settings.nic_refill == "virtio" else TracedNic
    return kind(net, above, settings.index, settings.nic_rate_bps, settings.nic_ring, settings.nic_refill)


def _steady(net: NetBoard, stack: Stack, queue: InputQueue | None, nic: Nic) -> Steady | None:
    """Not where a trace is told of each frame or step, or where each frame takes its time."""
    if not steady.enabled or net.board.of_steps is not None or queue is not None or not supports(net, nic):
        return None
    return Steady(net, stack, nic)


def _neighbours(settings: MachineSettings, net: NetBoard, nic: Nic, stack: Stack) -> Neighbours:
    """The neighbour table between senders and the card."""
    neighbours = Neighbours(net, nic, Random(f"{settings.seed}/machine/{settings.name}/arp"))
    stack.serve(-ARP, neighbours.receive)
    return neighbours
