"""The swap device of a machine: one server or several, over NFS or NBD."""

from dataclasses import dataclass

from netswap.actors.machine.build_net import NetParts
from netswap.actors.memory.board import Board
from netswap.actors.memory.files import LocalDisk
from netswap.actors.net.local import handover, local_pair
from netswap.actors.net.loopback import Loopback, PairEnd, loopback_pair
from netswap.actors.settings import MachineSettings, SettingsError, Swap
from netswap.actors.swap import transports
from netswap.actors.swap.backup import Backup
from netswap.actors.swap.connections import ConnectedDevice
from netswap.actors.swap.device import Remote, SwapDevice
from netswap.actors.swap.layer import Layer
from netswap.actors.swap.nbd import NbdDevice, ProxiedNbdDevice
from netswap.actors.swap.nfs import GatheringNfsDevice, NfsDevice
from netswap.actors.swap.own_disk import DiskDevice
from netswap.actors.swap.spread import SpreadDevice
from netswap.protocol.rpc import CALL_PORT, PAGE


@dataclass(frozen=True, slots=True)
class SwapParts:
    """The swap device, and what it needs beside it."""

    device: SwapDevice | None = None
    kernel_end: PairEnd | None = None
    """A proxy's end of the pair whose other end the kernel swaps over."""
    daemon_end: PairEnd | None = None
    """The end of a swap-server of this machine that its own pages go to."""
    set_aside: int = 0
    """Pages of memory that the device keeps for itself."""


def swap_parts(settings: MachineSettings, board: Board, parts: NetParts, disk: LocalDisk) -> SwapParts:
    """`disk`: the machine's own. Raises `SettingsError`."""
    swap = settings.swap
    if swap is None:
        return SwapParts()
    in_flight = transports.needs(settings, swap, board.kernel).in_flight
    if swap.spread is not None:
        return _spread(swap, board, parts, in_flight, disk)
    if swap.on == transports.DISK:
        return SwapParts(
            _with(swap, board, DiskDevice(board, disk, settings.index, in_flight)), set_aside=_pooled(swap)
        )
    remote = Remote(swap.server, in_flight, retries=swap.retries, timeout_ns=swap.nbd_timeout_ns, persist=swap.persist)
    if swap.server == settings.index:
        kernels, daemons = _own_ends(settings, swap, board, parts)
        own = _with(swap, board, ProxiedNbdDevice(board, parts.tcp, remote, kernels))
        return SwapParts(own, daemon_end=daemons, set_aside=_pooled(swap))
    if not swap.proxied:
        return SwapParts(_with(swap, board, _device(swap, parts, remote)), set_aside=_pooled(swap))
    ours, theirs = _pair(settings, board, parts, "proxy", swap.server)
    parts.stack.need_routes(frozenset({swap.server}))
    proxied = _with(swap, board, ProxiedNbdDevice(board, parts.tcp, remote, ours))
    return SwapParts(proxied, theirs, set_aside=_pooled(swap))


def _with(swap: Swap, board: Board, device: SwapDevice) -> SwapDevice:
    """The device with what stands before it whatever its transport."""
    for link in device.links:
        link.hides_errors = swap.hides_errors
    if swap.layer is not None:
        pages = _pooled(swap)
        if board.zone.take_many(board.zone.high_mark, pages) < pages:
            wrong = f"{pages} pages of buffers for the layer before the swap do not fit into memory"
            raise SettingsError(wrong, "give the machine more memory, or the layer fewer requests")
        device.layer = Layer(board.zone, swap.layer.buffer_pages, swap.layer.requests)
    return device


def _pooled(swap: Swap) -> int:
    """Pages that the layer before the device has set aside."""
    return 0 if swap.layer is None else swap.layer.buffer_pages * swap.layer.requests


def _own_ends(
    settings: MachineSettings, swap: Swap, board: Board, parts: NetParts
) -> tuple[PairEnd, PairEnd]:
    """The kernel's end and the daemon's, of a server that is a process of this machine."""
    if swap.transport == transports.NBD:
        return _pair(settings, board, parts, "swap-server", swap.server)
    return handover(board.events, parts.net.buffers, swap.server, fuse=swap.transport == transports.FUSE)


def _pair(
    settings: MachineSettings, board: Board, parts: NetParts, program: str, server: int
) -> tuple[PairEnd, PairEnd]:
    """The pair between the kernel, which marks its end, and this program: of the kind that the program asks for."""
    kinds = [asked.get("socket", "unix") for kind, asked in settings.programs if kind == program]
    if kinds != ["tcp"]:
        return local_pair(board.events, parts.net.buffers, server)
    marked = board.policy.reserve_access or board.policy.tcp_exemption
    return loopback_pair(Loopback(parts.net, parts.tcp.memory), server, marked=marked)


def _device(swap: Swap, parts: NetParts, remote: Remote) -> SwapDevice:
    """The device for one server, over the transport that is asked for."""
    net, routed = parts.net, frozenset({remote.server})
    if swap.transport == transports.NBD:
        parts.stack.need_routes(routed)
        lines = [NbdDevice(net.board, parts.tcp, remote) for _ in range(swap.connections)]
        return lines[0] if len(lines) == 1 else ConnectedDevice(net.board.events, net.board.counters, lines)
    kind = GatheringNfsDevice if swap.request_pages > 1 else NfsDevice
    device = kind(net, parts.output, remote, swap.request_pages, swap.timeout_ns)
    parts.stack.serve(remote.port, device.reply, routed=routed)
    return device


def _spread(swap: Swap, board: Board, parts: NetParts, in_flight: int, disk: LocalDisk) -> SwapParts:
    """The device for several servers, each with one of its own, and perhaps the machine's disk."""
    spread = swap.spread
    assert spread is not None, "only a machine with several servers spreads its pages"
    queue = board.kernel.block_queue
    pages = transports.set_aside(swap, in_flight, board.kernel)
    if board.zone.take_many(board.zone.high_mark, pages) < pages:
        wrong = f"{pages} pages of buffers for several swap servers do not fit into memory"
        raise SettingsError(wrong, "give the machine more memory, or fewer requests in_flight")
    unit = -(-PAGE // spread.needed)
    remotes = [Remote(to, in_flight, CALL_PORT + place, unit) for place, to in enumerate(spread.servers)]
    devices = [_device(swap, parts, remote) for remote in remotes]
    backup = Backup(disk, queue) if spread.backup else None
    device = SpreadDevice(board.events, board.counters, spread, devices, swap.request_pages, backup)
    return SwapParts(device, set_aside=pages)
