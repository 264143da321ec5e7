"""From the settings of a machine to its parts: the order in which they are made, and the arguments that each takes.

A part is complete when it is made. Four ties lead back to what is made later, since memory is needed to write and writing
frees it: the part that a device's answers go to (`Completion.own`), where a card's worker gets its page, the OOM killer,
and the SIGBUS of a page that cannot be read. All four are tied in `assemble`.
"""

from collections.abc import Sequence
from functools import partial

from netswap.actors.counters import Tally
from netswap.actors.disk import Disk
from netswap.actors.machine import build_memory
from netswap.actors.machine.build_net import NetParts, net_parts
from netswap.actors.machine.build_swap import SwapParts, swap_parts
from netswap.actors.machine.completion import Completion
from netswap.actors.machine.parts import Lasting, Parts
from netswap.actors.memory.anonymous import ClockHand
from netswap.actors.memory.board import Board
from netswap.actors.memory.files import LocalDisk, PageCache
from netswap.actors.memory.oom import OomKiller
from netswap.actors.memory.page_faults import PageFaults
from netswap.actors.memory.ports import Toucher
from netswap.actors.memory.reclaim import Reclaim
from netswap.actors.memory.scan import Scan
from netswap.actors.memory.traced import watch
from netswap.actors.memory.writeback import Writeback
from netswap.actors.memory.zone import Zone
from netswap.actors.net.virtio import VirtioNic
from netswap.actors.process import loader
from netswap.actors.process.loaded import Loaded
from netswap.actors.process.process import Process
from netswap.actors.programs.system import Host
from netswap.actors.settings import MachineSettings
from netswap.actors.swap.device import SwapDevice
from netswap.actors.swap.nbd import NbdDevice
from netswap.actors.swap.remote import RemoteDisk
from netswap.actors.swap.transports import NFS
from netswap.actors.teller import Teller
from netswap.protocol.rpc import PAGE


def assemble(settings: MachineSettings, lasting: Lasting, tally: Tally, before: Sequence[Loaded] = ()) -> Parts:
    """Start a machine: all of it, with its programs in memory. Raises `SettingsError`.

    `before`: the programs that ran until a crash.
    """
    kernel, events, counters = lasting.kernel, lasting.events, lasting.counters
    reserve = build_memory.reserve(settings, kernel, tally)
    zone = build_memory.zone(
        settings, kernel, tally, reserve.pages, traced=lasting.teller is not None and "marks" in lasting.teller.hears
    )
    board = Board(events, zone, kernel, counters, settings.policy, tally, lasting.teller)
    frames = net_parts(settings, board, reserve.data)
    files = settings.files
    local = LocalDisk(events, lasting.disk, files.disk_latency_ns, files.disk_bandwidth, kernel.block_queue)
    swap = swap_parts(settings, board, frames, local)
    writeback = Writeback(board, PageCache(ClockHand()), local, swap.device, settings.cpus)
    reclaim = build_memory.reclaim(board, swap.device, writeback)
    faults = PageFaults(board, reclaim, swap.device, local, settings.swap.readahead if settings.swap else 1)
    Completion(board, reclaim, writeback, faults).own(local, swap.device)
    if isinstance(frames.nic, VirtioNic):
        frames.nic.obtain = partial(reclaim.obtain, user=False)
    host = _host(settings, frames, swap, faults, lasting.disk, writeback)
    swap_pages = settings.swap.size // PAGE if settings.swap else None
    programs = loader.load(settings.programs, host, tally.boots * (swap_pages or 0), before)
    _fill_memory(settings, zone, reclaim.scan, programs, swap.device)
    for file in writeback.cache.files:
        writeback.dirtied(file)
    scan = reclaim.scan
    if scan.clean_minimum is not None:
        scan.clean_minimum.look()
    processes = [Process(one, board, reclaim, faults) for one in loader.oldest_first(programs)]
    scan.oom = oom = _oom_killer(board, reclaim, processes)
    faults.on_bus_error = partial(_bus_error, processes)
    if board.teller is not None:
        _listen(board.teller, zone, programs)
    return Parts(tally.boots, zone, reserve.data, frames, swap, local, reclaim, writeback, programs, oom)


def _host(
    settings: MachineSettings, frames: NetParts, swap: SwapParts, faults: PageFaults, disk: Disk, writeback: Writeback
) -> Host:
    """The parts that system calls act on."""
    return Host(
        name=settings.name,
        seed=settings.seed,
        stall_after_ns=settings.stall_after_ns,
        net=frames.net,
        faults=faults,
        stack=frames.stack,
        nic=frames.output,
        disk=disk,
        writeback=writeback,
        tcp=frames.tcp,
        kernel_end=swap.kernel_end,
        daemon_end=swap.daemon_end,
        line=swap.device if isinstance(swap.device, NbdDevice) else None,
    )


def _fill_memory(
    settings: MachineSettings,
    zone: Zone,
    scan: Scan,
    programs: list[Loaded],
    device: SwapDevice | None,
) -> None:
    """Fill the memory as in a machine that has run for long, and set the clock hands going round it."""
    cache = scan.cache
    swap_pages = settings.swap.size // PAGE if settings.swap else None
    scan.go_round(loader.swappable(programs), swap_pages)
    cache.locked = loader.locked(programs)
    loader.cached_files(settings.files, zone, cache)
    remote = device and RemoteDisk(device)
    for one in programs:
        for file in (one.system.text, one.system.file):
            if file is not None:
                file.disk = remote if file.remote else None
                file.nofs = file.remote and settings.swap is not None and settings.swap.transport == NFS
                cache.add(file)
    loader.warm_up(programs, zone, swap_pages)
    zone.settle()


def _listen(teller: Teller, zone: Zone, programs: list[Loaded]) -> None:
    """Let what has been made without a board tell what happens too."""
    watch(zone, teller)
    for one in programs:
        one.task.listen(teller)


def _bus_error(processes: Sequence[Process], task: Toucher) -> None:
    """Kill the process whose page cannot be read."""
    next(one for one in processes if one.task is task).gets_bus_error()


def _oom_killer(board: Board, reclaim: Reclaim, processes: Sequence[Process]) -> OomKiller:
    """The OOM killer of all programs, daemons first, in the order in which they were started."""
    counted, scan = board.counters, reclaim.scan
    return OomKiller(
        board,
        scan.reclaimable,
        lambda: scan.dropped + counted.pages_out + counted.file_pages_out,
        processes,
        lambda: counted.pages_out + counted.file_pages_out,
    )
