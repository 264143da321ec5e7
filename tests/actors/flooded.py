"""A machine that is flooded, and what comes to it: for tests that run it with steady stretches and without."""

from dataclasses import dataclass, field
from typing import Any

from graph import drawn
from scene import FRAMING, GIGABIT, MTU, RESERVE, SERVICE, A, B, C

from netswap.actors.machine import Machine
from netswap.actors.machine.report import report
from netswap.actors.machine_report import MachineReport
from netswap.actors.net import steady
from netswap.actors.policy import Policy
from netswap.actors.settings import Files, MachineSettings, Swap
from netswap.actors.trace import Trace
from netswap.protocol.frame import UDP, VERSION, encode, encode_arrival, encode_control
from netswap.protocol.units import kib, mib, milliseconds, seconds

Program = tuple[str, dict[str, Any]]
READS: Program = ("service", {"port": SERVICE, "sockets": 4})
"""Reads each datagram at once."""
READS_TOO: Program = ("service", {"port": SERVICE + 4, "sockets": 4})
WORKS: Program = ("service", {"port": SERVICE, "sockets": 4, "work": seconds(3600)})
"""Reads one datagram and no more, so that its sockets fill."""
WITH_PAGES: Program = ("service", {"port": SERVICE, "sockets": 4, "pages": 8})
SWAPS: Program = ("rank", {"working_set": mib(6), "touch": kib(512), "compute": milliseconds(2)})
"""Wants pages that the server never gives back."""


@dataclass(frozen=True)
class Train:
    """Frames that come from `at_ns` on; `first`: which frame of its train is the first of them."""

    at_ns: int
    count: int = 1
    gap_ns: int = 12_304
    source: int = B
    port: int = SERVICE
    flow: int = 0
    flows: int = 4
    ports: int = 4
    wire: int = 1538
    kind: int = UDP
    first: int = 0
    flags: int = 0
    copy: int = 0

    def encoded(self, number: int) -> bytes:
        """As it stands in a batch to a machine."""
        body = (0, self.wire - 66, self.flow, self.flows, self.ports, ())
        count = self.first + self.count
        frame = (
            VERSION,
            0,
            self.source,
            number,
            A,
            self.wire,
            self.wire,
            self.kind,
            self.port,
            count,
            self.gap_ns,
            body,
        )
        gap_ns = self.gap_ns if self.count > 1 else 0
        return encode_arrival(self.at_ns, self.copy, self.flags, self.first, self.count, gap_ns) + encode(frame)


@dataclass(frozen=True)
class Case:
    """A machine, all that comes to it, and when it is let go on and looked at."""

    programs: tuple[Program, ...] = (READS,)
    kernel: str = "linux-2.6.22"
    refill: str = "e1000"
    ring: int = 32
    reserve: bool = False
    files: bool = False
    """Whether there are clean pages of files, which kswapd looks for when it is pressed and stuck."""
    trains: tuple[Train, ...] = ()
    controls: tuple[tuple[int, int], ...] = ()
    """(ns, what)."""
    stops: tuple[int, ...] = ()
    """It is let go on up to each of them."""
    looks: frozenset[int] = field(default_factory=frozenset)
    """Which of the stops are looked at."""
    listens: bool = False
    """Whether a `Listener` hears of it."""

    def machine(self, trace: "Listener | None" = None) -> Machine:
        """A of 4 MiB; it swaps if it has a rank."""
        swaps = SWAPS in self.programs
        return Machine(
            MachineSettings(
                name="A",
                index=A,
                memory=mib(4),
                kernel=self.kernel,
                policy=Policy.of(RESERVE if self.reserve and swaps else ()),
                reserve_pages=100 if self.reserve and swaps else None,
                reserve_buffers=None,
                min_free=kib(256),
                cpus=1,
                nic_rate_bps=GIGABIT,
                nic_ring=self.ring,
                nic_refill=self.refill,
                swap=Swap(C, "nfs", mib(16), 16, 8, seconds(1.1), 1) if swaps else None,
                programs=self.programs,
                seed=1,
                stall_after_ns=milliseconds(40),
                framing=FRAMING,
                mtu=MTU,
                files=Files(clean=kib(512), text=kib(128)) if self.files else Files(),
            ),
            trace,
        )


class Listener(Trace):
    """Looks now and then, as a recorder does, and hears of watermarks and of the first frame lost for a cause."""

    every_ns = milliseconds(20)
    hears = frozenset({"marks"})

    def __init__(self) -> None:
        self.told: list[object] = []

    def tick(self, at_ns: int, machine: int, door: Any) -> None:
        """All numbers of the machine as they are then."""
        waits = [one.task.progress.count for one in door.programs]
        self.told.append((at_ns, door.zone.free, door.counters.received, dict(door.counters.dropped), waits))

    def mark_crossed(self, machine: int, mark: str, below: bool, free: tuple[int, int]) -> None:
        """Downward and upward."""
        self.told.append((mark, below, free))

    def first_dropped(self, at_ns: int, machine: int, cause: str, free: int) -> None:
        """Once for a cause."""
        self.told.append((at_ns, cause, free))


@dataclass
class Seen:
    """What was seen of a run."""

    reports: list[MachineReport]
    drawings: list[list[str]]
    sent: bytes
    told: list[object]


def run(case: Case, *, stretches: bool, draw: bool = True) -> Seen:
    """The case, with steady stretches or without."""
    before, steady.enabled = steady.enabled, stretches
    try:
        listener = Listener() if case.listens else None
        machine = case.machine(listener)
        sent = b""
        seen = Seen([], [], b"", [] if listener is None else listener.told)
        numbers = dict.fromkeys((B, C), 0)
        coming: list[tuple[int, bytes]] = [(at_ns, encode_control(at_ns, what)) for at_ns, what in case.controls]
        for train in case.trains:
            coming.append((train.at_ns, train.encoded(numbers[train.source])))
            numbers[train.source] += train.first + train.count
        coming.sort(key=lambda one: one[0])
        for index, stop in enumerate(sorted(case.stops)):
            inbound = b"".join(batch for at_ns, batch in coming if at_ns < stop)
            coming = [one for one in coming if one[0] >= stop]
            sent += machine.advance(stop, inbound)
            if index in case.looks or stop == max(case.stops):
                seen.reports.append(report(machine, ["A", "B", "C"], stop))
                if draw:
                    seen.drawings.append(drawn(machine))
        seen.sent = sent
        return seen
    finally:
        steady.enabled = before
