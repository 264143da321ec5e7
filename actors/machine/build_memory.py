"""The memory of a machine: its reserve, its pages and its reclaim, sized and chosen by settings, kernel and policy."""

from typing import Final, NamedTuple

from netswap.actors.counters import Tally
from netswap.actors.kernels.kernel import Kernel
from netswap.actors.memory.board import Board
from netswap.actors.memory.buddy import BuddyZone
from netswap.actors.memory.clean_minimum import CleanMinimum
from netswap.actors.memory.highatomic import HighAtomicZone
from netswap.actors.memory.laundry import Laundry
from netswap.actors.memory.reclaim import Reclaim
from netswap.actors.memory.rescue import CleanRescue
from netswap.actors.memory.reserve import Node, cover_tree, find, machine_tree, receive_charge
from netswap.actors.memory.scan import Scan
from netswap.actors.memory.traced import TracedBuddyZone, TracedHighAtomicZone, TracedZone, TracedZonedZone
from netswap.actors.memory.writeback import Writeback
from netswap.actors.memory.zone import Zone
from netswap.actors.memory.zones import Part, ZonedZone, lowmem_reserve, shares
from netswap.actors.net.drivers import parked
from netswap.actors.settings import MachineSettings, SettingsError, Swap
from netswap.actors.swap import transports
from netswap.actors.swap.device import SwapDevice
from netswap.protocol.rpc import PAGE

CLEAN_SHARE: Final = 20
SMALL_CLEAN_SHARE: Final = 10
"""Percent of memory that clean-minimum and clean-minimum-10 keep clean; with both, the larger counts."""


class Reserve(NamedTuple):
    """The reserve of a machine."""

    pages: int
    """Pages added under every watermark."""
    data: Node | None = None
    """The node that receive buffers are charged to, where they are."""
    tree: Node | None = None
    """What the reserve has to hold, by its formulas."""


def reserve(settings: MachineSettings, kernel: Kernel, tally: Tally) -> Reserve:
    """The reserve of a machine that swaps with access to one; sized as asked for, or by its formulas."""
    swap = settings.swap
    if swap is None or swap.on == transports.DISK or not settings.policy.reserve_access:
        return Reserve(0)
    tree = (_covering if kernel.memalloc_sockets else _charged)(settings, swap, kernel)
    data = None if kernel.memalloc_sockets else find(tree, "SKB data")
    if data is not None:
        data.usage_max = tally.emergency_bytes_max
        if settings.reserve_buffers is not None:
            data.limit = settings.reserve_buffers * receive_charge(kernel) + 1
    return Reserve(tree.pages if settings.reserve_pages is None else settings.reserve_pages, data, tree)


def _covering(settings: MachineSettings, swap: Swap, kernel: Kernel) -> Node:
    """The tree of a kernel that charges nothing: the pages that have to lie below the watermarks."""
    needs = transports.needs(settings, swap, kernel)
    slots = min(needs.in_flight, needs.slots)
    bounded = [slots] * len(transports.servers(swap)) if settings.policy.tx_bound else None
    buffers = settings.nic_ring + transports.reply_frames(settings, swap, needs)
    cover = settings.policy.fragment_cover
    return cover_tree(kernel, settings.cpus, cover_fragments=cover, transports=bounded, buffers=buffers)


def _charged(settings: MachineSettings, swap: Swap, kernel: Kernel) -> Node:
    """The tree of Zijlstra's series."""
    needs = transports.needs(settings, swap, kernel)
    servers = len(transports.servers(swap))
    return machine_tree(
        kernel,
        settings.cpus,
        cover_fragments=settings.policy.fragment_cover,
        parked=parked(kernel, settings.nic_refill, settings.nic_ring),
        reply_frames=transports.reply_frames(settings, swap, needs),
        transports=(needs.slots,) * servers,
        arp=servers if settings.arp else 0,
    )


def zone(settings: MachineSettings, kernel: Kernel, tally: Tally, emergency: int, *, traced: bool = False) -> Zone:
    """A zone with all pages free, and an emergency pool of `emergency` pages; `traced`: one that is listened to.

    Raises `SettingsError`.
    """
    total = settings.memory // PAGE
    if settings.zones and kernel.rx_data > PAGE and not kernel.sets_blocks_aside:
        raise SettingsError("blocks of pages in several zones are not built", "write zones: one, or an mtu of 1500B")
    min_pages = _min_pages(settings, kernel, total)
    hint = "give it more memory, or keep fewer pages free"
    try:
        if settings.zones:
            made: Zone = _several(settings, kernel, tally, min_pages, traced=traced)
        else:
            made = _free_pages(settings, kernel, tally, (total, min_pages), traced=traced)
    except ValueError as error:
        raise SettingsError(str(error), hint) from None
    if not made.resize_reserve(emergency):
        raise SettingsError(f"min {min_pages} and reserve {emergency} do not fit into {total} pages", hint)
    return made


def _min_pages(settings: MachineSettings, kernel: Kernel, total: int) -> int:
    """The min watermark: what the user set, or else the kernel's own, or a fifth of memory if the policy says so.

    Transparent huge pages raise any of them.
    """
    fifth = total // 5 if settings.policy.min_free_20 else 0
    at_boot = sum(one.at_boot for one in settings.zones) if settings.zones else total
    pages = max(kernel.min_free_kib(at_boot) * 1024 // PAGE, fifth)
    if settings.min_free is not None:
        pages = settings.min_free // PAGE
    return kernel.thp_min_pages(total, pages, len(settings.zones) or 1) if settings.thp else pages


def _several(settings: MachineSettings, kernel: Kernel, tally: Tally, min_pages: int, *, traced: bool) -> ZonedZone:
    """The zones of a machine of several. Marks that are not the kernel's own have been set after boot."""
    sizes = settings.zones
    written = settings.min_free is not None or settings.policy.min_free_20
    each = shares(min_pages, [one.pages if written else one.at_boot for one in sizes])
    kept = lowmem_reserve([one.at_boot for one in sizes])
    of_kind = HighAtomicZone if kernel.sets_blocks_aside else Zone
    parts = []
    for one, least, reserve in zip(sizes, each, kept, strict=True):
        made = of_kind(one.pages, least, kernel=kernel)
        made.lowmem_reserve = reserve
        made.set_marks()
        parts.append(Part(one.name, made))
    return (TracedZonedZone if traced else ZonedZone)(parts, kernel, tally)


def _free_pages(
    settings: MachineSettings, kernel: Kernel, tally: Tally, size: tuple[int, int], *, traced: bool
) -> Zone:
    """A zone that counts its pages, or one with blocks if the card asks for several in a row and cannot do with less.

    `size`: all pages, and those of the min watermark.
    """
    if kernel.sets_blocks_aside:
        return (TracedHighAtomicZone if traced else HighAtomicZone)(*size, kernel=kernel, tally=tally)
    if kernel.rx_data <= PAGE:
        return (TracedZone if traced else Zone)(*size, kernel=kernel, tally=tally)
    stream = f"{settings.seed}/machine/{settings.name}/frames"
    return (TracedBuddyZone if traced else BuddyZone)(*size, kernel=kernel, tally=tally, stream=stream)


def reclaim(board: Board, device: SwapDevice | None, writeback: Writeback) -> Reclaim:
    """kswapd and direct reclaim, with the rules of the policy's proposals."""
    policy, zone = board.policy, board.zone
    percent = CLEAN_SHARE if policy.clean_minimum else SMALL_CLEAN_SHARE if policy.clean_minimum_10 else 0
    laundry = None
    if policy.laundry and device is not None:
        laundry = Laundry(zone, device, writeback.disk, board.teller)
    scan = Scan(
        board,
        device,
        writeback,
        clean_minimum=CleanMinimum(zone, writeback.cache, percent) if percent else None,
        laundry=laundry,
    )
    recursive, atomic = policy.recursive_reclaim or percent > 0, policy.atomic_reclaim or percent > 0
    if recursive or atomic:
        pages = board.kernel.swap_cluster_max
        zone.on_shortage(CleanRescue(zone, scan, pages, recursive=recursive, atomic=atomic))
    return Reclaim(board, scan)
