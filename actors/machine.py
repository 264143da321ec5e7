"""One computer: memory, a card, a protocol stack, perhaps a swap device, and its programs.

A plain object that does no I/O. Its only door is `advance`: inbound bytes in, outbound bytes out, and two promises about
when something will leave. The same object runs in this process or inside a Ray actor.
"""

from collections import deque
from functools import partial
from hashlib import sha256
from heapq import heapify, heappop, heappush
from random import Random
from typing import Final

from netswap.actors.counters import Counters
from netswap.actors.disk import Disk
from netswap.actors.events import NEVER, Events
from netswap.actors.kernels import KERNELS
from netswap.actors.memory.anonymous import AddressSpace
from netswap.actors.memory.buddy import BuddyZone
from netswap.actors.memory.clean_minimum import CleanMinimum
from netswap.actors.memory.faults import Faults
from netswap.actors.memory.files import File, LocalDisk
from netswap.actors.memory.highatomic import HighAtomicZone
from netswap.actors.memory.laundry import Laundry
from netswap.actors.memory.oom import OomKiller
from netswap.actors.memory.reclaim import Reclaim
from netswap.actors.memory.rescue import CleanRescue
from netswap.actors.memory.reserve import Node, cover_tree, find, machine_tree, receive_charge
from netswap.actors.memory.writeback import Writeback
from netswap.actors.memory.zone import Zone
from netswap.actors.net.arp import Neighbours, Output
from netswap.actors.net.buffers import Buffers
from netswap.actors.net.drivers import on_link, parked
from netswap.actors.net.input_queue import InputQueue
from netswap.actors.net.local import LocalSocket, local_pair
from netswap.actors.net.memalloc import MemallocBuffers
from netswap.actors.net.nic import Nic
from netswap.actors.net.stack import Stack
from netswap.actors.net.tcp import Tcp
from netswap.actors.net.tcp_rules import TcpMem
from netswap.actors.net.udp_limits import LimitedStack
from netswap.actors.net.virtio import VirtioNic
from netswap.actors.programs import loader
from netswap.actors.programs.process import Process
from netswap.actors.programs.system import Host
from netswap.actors.settings import MachineSettings, SettingsError, Swap
from netswap.actors.swap import transports
from netswap.actors.swap.backup import Backup
from netswap.actors.swap.device import Request, SwapDevice
from netswap.actors.swap.nbd import NbdDevice, ProxiedNbdDevice
from netswap.actors.swap.nfs import GatheringNfsDevice, NfsDevice
from netswap.actors.swap.remote import RemoteDisk
from netswap.actors.swap.spread import SpreadDevice
from netswap.protocol.errors import RemoteProtocolError
from netswap.protocol.frame import (
    ARP,
    CRASH,
    PAUSE,
    RESTART,
    RESUME,
    SLOW_DISK,
    Arrival,
    Control,
    arrivals,
    split,
)
from netswap.protocol.rpc import CALL_PORT, PAGE

CLEAN_SHARE: Final = 20
SMALL_CLEAN_SHARE: Final = 10
"""What clean-minimum and clean-minimum-10 keep clean, percent of memory; the larger goes before."""


class Machine:
    """Built from its settings; then driven through `advance` alone."""

    def __init__(self, settings: MachineSettings) -> None:
        """Raises `SettingsError`."""
        self.settings = settings
        self.kernel = on_link(KERNELS[settings.kernel], settings.nic_refill, settings.mtu)
        self.events = Events()
        self.counters = Counters()
        self.disk = Disk()
        self.down = False
        """It has crashed, and not been restarted yet."""
        self.paused = False
        self._paused_ns = 0
        self._boots = 0
        self._arrivals: list[Arrival] = []
        self._controls: deque[Control] = deque()
        self._left = b""
        """What it sent before it went down."""
        self._sent = sha256()
        self._boot()

    def _boot(self, before: "list[loader.Loaded] | None" = None) -> None:
        """Make all that a crash takes away; `before`: the programs that ran until then."""
        settings = self.settings
        self.reserve = self._reserve()
        self.zone = self._zone()
        policy = settings.policy
        charged = self.reserve is not None and not self.kernel.memalloc_sockets
        self.emergency_data = find(self.reserve, "SKB data") if self.reserve and charged else None
        self.buffers = self._buffers()
        stack = LimitedStack if self.kernel.limits_udp else Stack
        self.stack = stack(self.events, self.zone, self.kernel, self.buffers, self.counters, settings.mtu, policy)
        if isinstance(self.stack, LimitedStack) and settings.udp_mem is not None:
            self.stack.pages_max = settings.udp_mem
        self.input_queue = (
            InputQueue(self.events, self.stack, settings.nic_softirq_ns) if settings.nic_softirq_ns else None
        )
        self.nic = self._nic()
        self.neighbours = self._neighbours() if settings.arp else None
        self.output: Output = self.neighbours or self.nic
        self.tcp = self._tcp()
        self.stack.serve_tcp(self.tcp.input)
        self.set_aside = 0
        self.kernel_end: LocalSocket | None = None
        self.device = self._swap_device()
        throttled = policy.reclaim_throttle
        self.reclaim = Reclaim(self.events, self.zone, self.kernel, self.device, throttled=throttled)
        if isinstance(self.nic, VirtioNic):
            self.nic.obtain = partial(self.reclaim.obtain, user=False)
        files = settings.files
        self.local = LocalDisk(
            self.events, self.disk, files.disk_latency_ns, files.disk_bandwidth, self.kernel.block_queue
        )
        self.local.owner = self
        if isinstance(self.device, SpreadDevice) and self.device.spread.backup:
            self.device.use(Backup(self.local, self.kernel.block_queue))
        self.writeback = Writeback(self.events, self.zone, self.kernel, self.reclaim.cache, self.local, self.device)
        self.reclaim.use(self.local, self.writeback)
        self._proposals()
        share = self.reclaim.clean_minimum is not None
        recursive, atomic = policy.recursive_reclaim or share, policy.atomic_reclaim or share
        if recursive or atomic:
            pages = self.kernel.swap_cluster_max
            self.zone.on_shortage(CleanRescue(self.zone, self.reclaim, pages, recursive=recursive, atomic=atomic))
        self.faults = Faults(
            self.zone,
            self.reclaim,
            self.device,
            self.local,
            self.counters,
            settings.swap.readahead if settings.swap else 1,
            self.kernel.file_readahead,
        )
        if self.device is not None:
            self.device.owner = self
            self.device.number_from(self._boots << 32)
        swap_pages = settings.swap.size // PAGE if settings.swap else None
        base = self._boots * (swap_pages or 0)
        self.programs = loader.load(settings.programs, self._host(), base, before or ())
        self._fill_memory(swap_pages)
        if self.reclaim.clean_minimum is not None:
            self.reclaim.clean_minimum.look()
        self._flushes_remotely = any(file.remote for file in self.reclaim.cache.files)
        if swap_pages is not None and sum(space.pages for space in loader.swappable(self.programs)) > swap_pages:
            self.reclaim.swap_pages = swap_pages
        self.oom = self._oom_killer()
        self._boots += 1

    # -- the door ---------------------------------------------------------------------------------------------------

    def advance(self, until_ns: int, inbound: bytes = b"") -> bytes:
        """Do all that lies strictly before `until_ns`, and return what was sent.

        Raises `RemoteProtocolError` if `inbound` is no batch of arrivals; nothing of the batch is taken then.
        """
        if inbound:
            self._take_in(inbound)
        controls = self._controls
        while controls and controls[0].at_ns < until_ns:
            control = controls.popleft()
            self._run(control.at_ns)
            self._obey(control)
        self._run(until_ns)
        out = self._left + self.nic.take_out()
        self._left = b""
        self._sent.update(out)
        return out

    def _run(self, until_ns: int) -> None:
        """Do all that lies strictly before `until_ns`, and is due by itself."""
        if self.down or self.paused:
            self._stand_still(until_ns)
            return
        events = self.events
        heap = events.heap
        soon = events.soon
        waiting = self._arrivals
        receive = self.nic.receive
        while True:
            arrival_ns = waiting[0][0] if waiting else NEVER
            limit_ns = arrival_ns if arrival_ns < until_ns else until_ns - 1
            while True:
                if heap and heap[0][0] <= limit_ns and (not soon or heap[0][0] <= events.now):
                    events.now, _, action, argument = heappop(heap)
                    action(argument)
                elif soon and events.now <= limit_ns:
                    while soon:  # nothing comes before these any more: what is due now goes to their end
                        action, argument = soon.popleft()
                        action(argument)
                else:
                    break
            if arrival_ns >= until_ns:
                break
            arrival = heappop(waiting)
            rest = receive(arrival, waiting[0][0] if waiting and waiting[0][0] < until_ns else until_ns)
            if rest is not None:
                heappush(waiting, rest)
        events.now = until_ns

    def next_ns(self) -> int:
        """Nothing leaves before then unless something arrives."""
        return NEVER if self.down or self.paused else self.events.next_ns()

    def silent_until_ns(self) -> int:
        """Nothing leaves before then whatever arrives: what has been sent has to leave the card first."""
        return max(self.events.now, self.nic.idle_ns)

    # -- what is done to it from outside ----------------------------------------------------------------------------

    def _obey(self, control: Control) -> None:
        what = control.what
        if what == CRASH:
            self._go_down()
        elif what == RESTART:
            self._restart()
        elif what == PAUSE:
            self.paused = True
            self._paused_ns = self.events.now
        elif what == RESUME:
            self.paused = False
            self._go_on()
        else:
            self.disk.slow_ns = control.value if what == SLOW_DISK else None

    def _go_down(self) -> None:
        """All that is not on a disk is gone, the frames that were waiting to be received or completed too."""
        self.down = True
        self._left += self.nic.take_out()
        for one in self.programs:
            one.task.kill()
        self.nic.take_out()  # what the programs said when they were killed
        self.events.clear()
        self.counters.dropped["crashed"] += self.held()

    def _restart(self) -> None:
        """As at time 0, with what is on the disk; counts and numbers go on, the peaks of what came before stand."""
        zone, stack, output, reclaim, data = self.zone, self.stack, self.output, self.reclaim, self.emergency_data
        under_way_max = self.writeback.under_way_max
        tcp = self.tcp
        self._boot(self.programs)
        self.tcp.go_on_from(tcp)
        self.nic.sent = output.sent
        self.zone.free_min = min(zone.free_min, self.zone.free_min)
        self.zone.no_block += zone.no_block
        self.zone.reserve_used_max = max(zone.reserve_used_max, self.zone.reserve_used_max)
        self.stack.noncritical_max = stack.noncritical_max
        self.reclaim.kswapd_wakes += reclaim.kswapd_wakes
        self.reclaim.writeout_naps += reclaim.writeout_naps
        self.writeback.under_way_max = under_way_max
        if data is not None and self.emergency_data is not None:
            self.emergency_data.usage_max = data.usage_max
        self.down = False

    def _go_on(self) -> None:
        """After a pause: timers that are late by now, then what lies in the ring."""
        if not self.down:
            self.events.go_on(self._paused_ns)
            self.nic.go_on(self._paused_ns)

    def _stand_still(self, until_ns: int) -> None:
        """Nothing happens but to the card: one that is down loses what comes, one that is paused keeps what it has room for."""
        waiting = self._arrivals
        while waiting and waiting[0][0] < until_ns:
            arrival = heappop(waiting)
            limit_ns = min(until_ns, waiting[0][0]) if waiting else until_ns
            frames, rest = split(arrival, limit_ns)
            if self.down:
                self.counters.received += frames
                self.counters.dropped["crashed"] += frames
            else:
                self.nic.keep(arrival, frames)
            if rest is not None:
                heappush(waiting, rest)
        self.events.now = until_ns

    # -- what the swap device reports -------------------------------------------------------------------------------

    def page_written(self, space: AddressSpace, page: int, stamp: int) -> None:
        """A page-out has been answered."""
        if isinstance(space, File):
            self.file_written(space, page, stamp)
        else:
            self.reclaim.written(space, page, stamp)

    def page_read(self, space: AddressSpace, page: int, stamp: int) -> None:
        """A page-in has been answered."""
        if isinstance(space, File):
            self.file_read(space, page)
        else:
            self.faults.page_read(space, page, stamp)

    def moved(self, request: Request) -> None:
        """A request that had to wait has got on."""
        for page in range(request.page, request.page + len(request.stamps)):
            self.faults.moved(request.space, page)

    def slot_free(self) -> None:
        """Another request may start."""
        self.reclaim.slot_free()
        if self._flushes_remotely:
            self.writeback.proceed()

    def put_off(self) -> None:
        """The server has no room for a page."""

    # -- what the disk reports --------------------------------------------------------------------------------------

    def file_written(self, file: File, page: int, stamp: int) -> None:
        """A page of a file is on disk."""
        self.counters.file_pages_out += 1
        self.reclaim.file_written(file, page, stamp)
        self.writeback.proceed()

    def file_read(self, file: File, page: int) -> None:
        """A page of a file has been read."""
        self.counters.file_pages_in += 1
        self.faults.file_read(file, page)

    # -- building ---------------------------------------------------------------------------------------------------

    def _proposals(self) -> None:
        """What reclaim does differently where a proposal says so."""
        policy, reclaim = self.settings.policy, self.reclaim
        percent = CLEAN_SHARE if policy.clean_minimum else SMALL_CLEAN_SHARE if policy.clean_minimum_10 else 0
        if percent:
            reclaim.clean_minimum = CleanMinimum(self.zone, reclaim.cache, percent)
        if policy.laundry and self.device is not None:
            reclaim.laundry = Laundry(self.zone, self.device, self.local)

    def _reserve(self) -> Node | None:
        """The reserve tree of a machine that swaps with access to a reserve; sized as asked for, or by its formulas."""
        settings = self.settings
        if settings.swap is None or not settings.policy.reserve_access:
            return None
        needs = transports.needs(settings, settings.swap, self.kernel)
        servers = len(transports.servers(settings.swap))
        frames = transports.reply_frames(settings, settings.swap, needs)
        cover = settings.policy.fragment_cover
        if self.kernel.memalloc_sockets:
            slots = min(needs.in_flight, needs.slots)
            bounded = [slots] * servers if settings.policy.tx_bound else None
            buffers = settings.nic_ring + frames
            return cover_tree(self.kernel, settings.cpus, cover_fragments=cover, transports=bounded, buffers=buffers)
        tree = machine_tree(
            self.kernel,
            settings.cpus,
            cover_fragments=cover,
            parked=parked(self.kernel, settings.nic_refill, settings.nic_ring),
            reply_frames=frames,
            transports=(needs.slots,) * servers,
            arp=servers if settings.arp else 0,
        )
        if settings.reserve_buffers is not None:
            find(tree, "SKB data").limit = settings.reserve_buffers * receive_charge(self.kernel) + 1
        return tree

    def _buffers(self) -> Buffers:
        """Receive buffers by this kernel's rules, with access to the reserve if the policy and a swap socket give it."""
        settings, policy = self.settings, self.settings.policy
        guarded = policy.slab_rule
        if not self.kernel.memalloc_sockets:
            return Buffers(self.zone, self.kernel, self.emergency_data, guarded=guarded)
        access = settings.swap is not None and policy.reserve_access
        return MemallocBuffers(self.zone, self.kernel, access=access, rx_head=policy.rx_head, guarded=guarded)

    def _nic(self) -> Nic:
        settings = self.settings
        kind = VirtioNic if settings.nic_refill == "virtio" else Nic
        return kind(
            self.events,
            self.kernel,
            self.buffers,
            self.input_queue or self.stack,
            self.counters,
            settings.index,
            settings.nic_rate_bps,
            settings.nic_ring,
            settings.nic_refill,
        )

    def _min_pages(self, total: int) -> int:
        """The min watermark: what the user set, or else the kernel's own, or a fifth of memory if the policy says so."""
        if self.settings.min_free is not None:
            return self.settings.min_free // PAGE
        fifth = total // 5 if self.settings.policy.min_free_20 else 0
        return max(self.kernel.min_free_kib(total) * 1024 // PAGE, fifth)

    def _zone(self) -> Zone:
        settings = self.settings
        total = settings.memory // PAGE
        min_pages = self._min_pages(total)
        emergency = 0
        if self.reserve is not None:
            emergency = self.reserve.pages if settings.reserve_pages is None else settings.reserve_pages
        hint = "give it more memory, or keep fewer pages free"
        try:
            zone = self._free_pages(total, min_pages)
        except ValueError as error:
            raise SettingsError(str(error), hint) from None
        if not zone.resize_reserve(emergency):
            raise SettingsError(f"min {min_pages} and reserve {emergency} do not fit into {total} pages", hint)
        return zone

    def _free_pages(self, total: int, min_pages: int) -> Zone:
        """Counted, unless the card asks for several in a row and cannot do with less."""
        if self.kernel.sets_blocks_aside:
            return HighAtomicZone(total, min_pages, kernel=self.kernel)
        if self.kernel.rx_data <= PAGE:
            return Zone(total, min_pages, kernel=self.kernel)
        stream = f"{self.settings.seed}/machine/{self.settings.name}/frames"
        return BuddyZone(total, min_pages, kernel=self.kernel, stream=stream)

    def _oom_killer(self) -> OomKiller:
        """Over all programs, daemons first, as they were started."""
        reclaim, counted = self.reclaim, self.counters
        reclaim.oom = oom = OomKiller(
            self.events,
            self.zone,
            self.kernel,
            counted,
            reclaim.reclaimable,
            lambda: reclaim.dropped + counted.pages_out + counted.file_pages_out,
        )
        oom.processes = [
            Process(one, self.events, self.kernel, counted, reclaim, self.faults)
            for one in loader.oldest_first(self.programs)
        ]
        return oom

    def _neighbours(self) -> Neighbours:
        """Between whoever sends and the card."""
        settings = self.settings
        neighbours = Neighbours(
            self.events,
            self.kernel,
            self.buffers,
            self.nic,
            self.counters,
            self.zone.floors.atomic,
            settings.framing,
            Random(f"{settings.seed}/machine/{settings.name}/arp"),
            entitles=settings.policy.memalloc_processing,
        )
        self.stack.serve(-ARP, neighbours.receive)
        return neighbours

    def _tcp(self) -> Tcp:
        settings = self.settings
        return Tcp(
            self.events,
            self.buffers,
            self.output,
            self.counters,
            self.zone.floors.atomic,
            None if settings.tcp_mem is None else TcpMem(*settings.tcp_mem),
            self.zone.total,
            settings.framing,
            settings.mtu,
            settings.policy,
            self.stack.hold,
        )

    def _swap_device(self) -> SwapDevice | None:
        swap = self.settings.swap
        if swap is None:
            return None
        in_flight = transports.needs(self.settings, swap, self.kernel).in_flight
        make = self._nbd if swap.transport == transports.NBD else self._nfs
        if swap.spread is None:
            return make(swap, in_flight, swap.server, CALL_PORT, PAGE)
        self._set_aside(transports.set_aside(swap, in_flight, self.kernel))
        unit = -(-PAGE // swap.spread.needed)
        devices = [make(swap, in_flight, to, CALL_PORT + place, unit) for place, to in enumerate(swap.spread.servers)]
        return SpreadDevice(self.events, self.counters, swap.spread, devices, swap.request_pages)

    def _set_aside(self, pages: int) -> None:
        """Memory that the swap device keeps for itself."""
        self.set_aside = pages
        if self.zone.take_many(self.zone.high_mark, pages) < pages:
            wrong = f"{pages} pages of buffers for several swap servers do not fit into memory"
            raise SettingsError(wrong, "give the machine more memory, or fewer requests in_flight")

    def _nbd(self, swap: Swap, in_flight: int, server: int, port: int, unit: int) -> SwapDevice:
        self.stack.need_routes(frozenset({server}))
        kind = ProxiedNbdDevice if swap.proxied else NbdDevice
        device = kind(
            self.events,
            self.zone,
            self.kernel,
            self.counters,
            self.tcp,
            server,
            in_flight,
            self.settings.policy,
            unit,
        )
        if isinstance(device, ProxiedNbdDevice):
            device.local, self.kernel_end = local_pair(self.events, self.buffers, server)
        return device

    def _nfs(self, swap: Swap, in_flight: int, server: int, port: int, unit: int) -> SwapDevice:
        settings = self.settings
        kind = GatheringNfsDevice if swap.request_pages > 1 else NfsDevice
        device = kind(
            self.events,
            self.zone,
            self.kernel,
            self.buffers,
            self.output,
            self.counters,
            server,
            in_flight,
            swap.request_pages,
            swap.timeout_ns,
            settings.framing,
            settings.mtu,
            settings.policy,
            port,
            unit,
        )
        self.stack.serve(port, device.reply, routed=frozenset({server}))
        return device

    def _fill_memory(self, swap_pages: int | None) -> None:
        """What a machine that has run for long has in memory, and who goes round it."""
        settings, cache = self.settings, self.reclaim.cache
        self.reclaim.hand.spaces = loader.swappable(self.programs)
        cache.locked = loader.locked(self.programs)
        loader.cached_files(settings.files, self.zone, cache)
        remote = self.device and RemoteDisk(self.device)
        for one in self.programs:
            for file in (one.system.text, one.system.file):
                if file is not None:
                    file.disk = remote if file.remote else None
                    cache.add(file)
        loader.warm_up(self.programs, self.zone, swap_pages)
        self.zone.settle()
        for file in cache.files:
            self.writeback.dirtied(file)

    def _host(self) -> Host:
        settings = self.settings
        return Host(
            settings.name,
            settings.seed,
            settings.stall_after_ns,
            settings.framing,
            settings.mtu,
            self.events,
            self.zone,
            self.faults,
            self.stack,
            self.output,
            self.buffers,
            self.disk,
            self.writeback,
            self.tcp,
            self.kernel_end,
            settings.policy.exempt_daemons,
        )

    def _take_in(self, inbound: bytes) -> None:
        controls: list[Control] = []
        try:
            batch = arrivals(inbound, controls)
        except RemoteProtocolError:
            self.counters.malformed += 1
            raise
        self._arrivals += batch
        heapify(self._arrivals)
        self._controls.extend(controls)

    # -- what others may see ----------------------------------------------------------------------------------------

    def held(self) -> int:
        """Frames that have come and are neither delivered nor dropped yet."""
        queued = 0 if self.input_queue is None else self.input_queue.frames
        return self.stack.reassembly.frames + self.nic.unserved + queued

    def sent_digest(self) -> str:
        """SHA-256 (hex) over all that this machine has sent."""
        return self._sent.hexdigest()
