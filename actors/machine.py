"""One computer: memory, a card, a protocol stack, perhaps a swap device, and its programs.

A plain object that does no I/O. Its only door is `advance`: inbound bytes in, outbound bytes out, and two promises about
when something will leave. The same object runs in this process or inside a Ray actor.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from heapq import heappop, heappush
from importlib import import_module
from typing import Any, Final

from actors.counters import Counters
from actors.events import NEVER, Events
from actors.kernels import KERNELS
from actors.memory.anonymous import AddressSpace
from actors.memory.faults import Faults
from actors.memory.reclaim import Reclaim
from actors.memory.reserve import Node, find, machine_tree, receive_charge
from actors.memory.zone import Zone
from actors.net.buffers import Buffers
from actors.net.nic import Nic
from actors.net.stack import Stack
from actors.programs.flood import Flood
from actors.programs.heartbeat import Heartbeat
from actors.programs.rank import Rank
from actors.programs.service import Service
from actors.programs.system import System
from actors.programs.task import Progress, Task
from actors.swap.device import SwapDevice
from actors.swap.server import WARM_STAMP, SwapServer
from protocol.errors import RemoteProtocolError
from protocol.frame import Arrival, arrivals
from protocol.ip import datagram_wire
from protocol.rpc import CALL_PORT, HEADER, PAGE

PROGRAMS: Final[dict[str, Callable[..., Any]]] = {
    "rank": Rank,
    "service": Service,
    "flood": Flood,
    "swap-server": SwapServer,
    "heartbeat": Heartbeat,
}
_OWN_ADDRESSES: Final = ("flood",)


@dataclass(frozen=True, slots=True)
class Swap:
    """Where a machine's pages go. `server` is a machine's index, `size` in bytes, `readahead` in pages."""

    server: int
    size: int
    in_flight: int
    readahead: int
    timeout_ns: int


@dataclass(frozen=True, slots=True)
class MachineSettings:
    """One machine of a scenario, everything in pages, bytes and ns."""

    name: str
    index: int
    memory: int
    kernel: str
    switches: frozenset[str]
    reserve_pages: int | None
    reserve_buffers: int | None
    min_free: int | None
    cpus: int
    nic_rate_bps: int
    nic_ring: int
    nic_refill: str
    swap: Swap | None
    programs: tuple[tuple[str, dict[str, Any]], ...]
    seed: int
    stall_after_ns: int
    framing: int
    mtu: int


class Machine:
    """Built from its settings; then driven through `advance` alone."""

    def __init__(self, settings: MachineSettings) -> None:
        self.settings = settings
        self.kernel = KERNELS[settings.kernel]
        self.events = Events()
        self.counters = Counters()
        self.reserve = self._reserve()
        self.zone = self._zone()
        switches = settings.switches
        access = find(self.reserve, "SKB data") if self.reserve and "reserve-access" in switches else None
        self.emergency_data = access
        self.buffers = Buffers(self.zone, self.kernel, access, guarded="slab-rule" in switches)
        self.stack = Stack(self.events, self.zone, self.kernel, self.buffers, self.counters, settings.mtu, switches)
        self.nic = Nic(
            self.events,
            self.kernel,
            self.buffers,
            self.stack,
            self.counters,
            settings.index,
            settings.nic_rate_bps,
            settings.nic_ring,
            settings.nic_refill,
        )
        self.device = self._swap_device()
        self.reclaim = Reclaim(self.events, self.zone, self.kernel, self.device)
        self.faults = Faults(
            self.zone, self.reclaim, self.device, self.counters, settings.swap.readahead if settings.swap else 1
        )
        if self.device is not None:
            self.device.owner = self
            self.stack.serve(CALL_PORT, self.device.reply, routed=frozenset({self.device.server}))
        self.tasks: list[Task] = []
        self.spaces: list[AddressSpace] = []
        self.systems: list[System] = []
        self._arrivals: list[Arrival] = []
        self._sent = sha256()
        self._load()

    # -- the door ---------------------------------------------------------------------------------------------------

    def advance(self, until_ns: int, inbound: bytes = b"") -> bytes:
        """Do all that lies strictly before `until_ns`, and return what was sent.

        Raises `RemoteProtocolError` if `inbound` is no batch of arrivals; nothing of the batch is taken then.
        """
        if inbound:
            self._take_in(inbound)
        events = self.events
        heap = events.heap
        soon = events.soon
        waiting = self._arrivals
        receive = self.nic.receive
        while True:
            arrival_ns = waiting[0][0] if waiting else NEVER
            limit_ns = arrival_ns if arrival_ns < until_ns else until_ns - 1
            while True:
                if soon and not (heap and heap[0][0] <= events.now):
                    if events.now > limit_ns:
                        break
                    action, argument = soon.popleft()
                elif heap and heap[0][0] <= limit_ns:
                    events.now, _, action, argument = heappop(heap)
                else:
                    break
                action(argument)
            if arrival_ns >= until_ns:
                break
            arrival = heappop(waiting)
            rest = receive(arrival, min(until_ns, waiting[0][0]) if waiting else until_ns)
            if rest is not None:
                heappush(waiting, rest)
        events.now = until_ns
        out = self.nic.take_out()
        self._sent.update(out)
        return out

    def next_ns(self) -> int:
        """Nothing leaves before then unless something arrives."""
        return self.events.next_ns()

    def silent_until_ns(self) -> int:
        """Nothing leaves before then whatever arrives."""
        return self.events.now

    # -- what the swap device reports -------------------------------------------------------------------------------

    def page_written(self, space: AddressSpace, page: int, stamp: int) -> None:
        """A page-out has been answered."""
        self.reclaim.written(space, page, stamp)

    def page_read(self, space: AddressSpace, page: int, stamp: int) -> None:
        """A page-in has been answered."""
        self.faults.page_read(space, page, stamp)

    def slot_free(self) -> None:
        """Another request may start."""
        self.reclaim.slot_free()

    # -- building ---------------------------------------------------------------------------------------------------

    def _reserve(self) -> Node | None:
        """The reserve tree of a machine that swaps with access to a reserve; sized as asked for, or by its formulas."""
        settings = self.settings
        if settings.swap is None or "reserve-access" not in settings.switches:
            return None
        tree = machine_tree(
            self.kernel,
            settings.cpus,
            cover_fragments="fragment-cover" in settings.switches,
            parked=settings.nic_ring if settings.nic_refill == "tg3" else 0,
            reply_frames=datagram_wire(HEADER + PAGE, settings.framing, settings.mtu)[0],
        )
        if settings.reserve_buffers is not None:
            find(tree, "SKB data").limit = settings.reserve_buffers * receive_charge(self.kernel) + 1
        return tree

    def _zone(self) -> Zone:
        settings = self.settings
        total = settings.memory // PAGE
        if settings.min_free is None:
            min_pages = self.kernel.min_free_kib(total) * 1024 // PAGE
        else:
            min_pages = settings.min_free // PAGE
        emergency = 0
        if self.reserve is not None:
            emergency = self.reserve.pages if settings.reserve_pages is None else settings.reserve_pages
        return Zone(total, min_pages, emergency)

    def _swap_device(self) -> SwapDevice | None:
        settings = self.settings
        swap = settings.swap
        if swap is None:
            return None
        return SwapDevice(
            self.events,
            self.zone,
            self.kernel,
            self.buffers,
            self.nic,
            self.counters,
            swap.server,
            swap.in_flight,
            swap.timeout_ns,
            settings.framing,
            settings.mtu,
            settings.switches,
        )

    def _load(self) -> None:
        """Start the programs, daemons first: their memory is the oldest, and the hand begins with it."""
        kinds: dict[str, int] = {}
        base = 0
        loaded: list[tuple[bool, AddressSpace, Any]] = []
        for kind, values in self.settings.programs:
            number = kinds[kind] = kinds.get(kind, -1) + 1
            if kind in _OWN_ADDRESSES:
                values = {**values, "framing": self.settings.framing, "mtu": self.settings.mtu}
            program = _program(kind)(**values)
            space = AddressSpace(f"{kind} {number}", base, _pages(program))
            base += space.pages
            progress = Progress(self.events, self.settings.stall_after_ns)
            system = System(
                space.name,
                self.settings.name,
                space,
                progress,
                self.events,
                self.zone,
                self.faults,
                self.stack,
                self.nic,
                self.buffers,
                self.settings.framing,
                self.settings.mtu,
                self.settings.seed,
            )
            task = Task(space.name, program.run(system), progress)
            self.tasks.append(task)
            self.spaces.append(space)
            self.systems.append(system)
            loaded.append((kind == "rank", space, program))
            self.events.at(0, task.start)
        loaded.sort(key=lambda entry: entry[0])
        self.reclaim.hand.spaces = [
            space for _, space, program in loaded if space.pages and not getattr(program, "lock", False)
        ]
        self._warm_up(loaded)

    def _warm_up(self, loaded: list[tuple[bool, AddressSpace, Any]]) -> None:
        """Time 0 of a machine that has run for long: daemons resident, warm ranks up to the high mark."""
        warm = [space for rank, space, program in loaded if rank and program.start == "warm"]
        for rank, space, _ in loaded:
            if not rank and space.pages:
                if self.zone.take_many(self.zone.high_mark, space.pages) < space.pages:
                    raise ValueError(f"{self.settings.name}: {space.name} does not fit into memory")
                space.warm(space.pages, WARM_STAMP)
        room = max(0, self.zone.free - self.zone.high_mark)
        wanted = sum(space.pages for space in warm)
        for space in warm:
            resident = space.pages if wanted <= room else space.pages * room // wanted
            if resident < space.pages and self.device is None:
                raise ValueError(f"{self.settings.name}: {space.name} does not fit into memory, and there is no swap")
            space.warm(resident, WARM_STAMP)
            self.zone.take_many(self.zone.high_mark, resident)

    def _take_in(self, inbound: bytes) -> None:
        try:
            batch = arrivals(inbound)
        except RemoteProtocolError:
            self.counters.malformed += 1
            raise
        for arrival in batch:
            heappush(self._arrivals, arrival)

    # -- what others may see ----------------------------------------------------------------------------------------

    def sent_digest(self) -> str:
        """SHA-256 (hex) over all that this machine has sent."""
        return self._sent.hexdigest()


def _program(kind: str) -> Callable[..., Any]:
    if kind in PROGRAMS:
        return PROGRAMS[kind]
    module, _, name = kind.partition(":")
    program: Callable[..., Any] = getattr(import_module(module), name)
    return program


def _pages(program: Any) -> int:
    pages = getattr(program, "pages", 0)
    return int(pages() if callable(pages) else pages)
