"""The parts of a machine: those that a crash takes away, and those that last."""

from dataclasses import dataclass

from netswap.actors.counters import Counters
from netswap.actors.disk import Disk
from netswap.actors.events import Events
from netswap.actors.kernels.kernel import Kernel
from netswap.actors.machine.build_net import NetParts
from netswap.actors.machine.build_swap import SwapParts
from netswap.actors.memory.files import LocalDisk
from netswap.actors.memory.oom import OomKiller
from netswap.actors.memory.reclaim import Reclaim
from netswap.actors.memory.reserve import Node
from netswap.actors.memory.writeback import Writeback
from netswap.actors.memory.zone import Zone
from netswap.actors.process.loaded import Loaded
from netswap.actors.teller import Teller


@dataclass(frozen=True, slots=True)
class Lasting:
    """The parts that a crash does not take away."""

    kernel: Kernel
    events: Events
    counters: Counters
    disk: Disk
    teller: Teller | None = None
    """Tells what happens to the machine, if a trace listens."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that a crash takes away."""

    boots: int
    """How often the machine had been started before."""
    zone: Zone
    emergency_data: Node | None
    """The node that emergency receive buffers are charged to, if they are."""
    frames: NetParts
    swap: SwapParts
    local: LocalDisk
    """The machine's own disk."""
    reclaim: Reclaim
    writeback: Writeback
    programs: list[Loaded]
    oom: OomKiller
