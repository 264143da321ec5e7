"""What is read off a machine at each look: cheap reads only, since there are a hundred looks a virtual second."""

from collections.abc import Iterator, Sequence
from typing import Final

from netswap.actors.machine.door import Machine
from netswap.actors.process.loaded import Loaded
from netswap.actors.swap.device import SwapDevice
from netswap.actors.wait import CONNECTION, DISK, KINDS, MESSAGE, NOTHING, PAGE, REPLY, SLOT, THROTTLE
from netswap.cluster.record.columns import NAMES, STATE_NAMES
from netswap.protocol import rpc

_IDLE: Final = STATE_NAMES.index("idle")
_STALLED: Final = STATE_NAMES.index("stalled")
_KILLED: Final = STATE_NAMES.index("killed")
_PAUSED: Final = STATE_NAMES.index("paused")
_DOWN: Final = STATE_NAMES.index("down")
_WORDS: Final = {
    NOTHING: "runs",
    MESSAGE: "idle",
    PAGE: "short",
    REPLY: "swaps",
    SLOT: "swaps",
    CONNECTION: "swaps",
    THROTTLE: "swaps",
    DISK: "swaps",
}
_OF_WAIT: Final = tuple(STATE_NAMES.index(_WORDS[kind]) for kind in range(len(KINDS)))
"""The state of a program that waits for each kind of thing."""
_RECEIVED: Final = 1 + NAMES.index("received")
_DROPPED: Final = 2 + NAMES.index("delivered")
_PROGRESS: Final = 1 + NAMES.index("progress")
"""Where these stand in a row, which begins with its time."""
_FEW: Final = 64
"""Up to this number of requests are looked at one by one."""


class Look:
    """One machine, for as long as it is up."""

    def __init__(self, machine: Machine) -> None:
        self.parts = machine.parts
        self._machine = machine
        self._programs = [(one, one.task, one.space, one.task.progress) for one in machine.programs]
        self._ranks = [one.space for one in machine.programs if one.is_workload]
        self._others = [one.space for one in machine.programs if not one.is_workload]
        self._links: Sequence[SwapDevice] = machine.device.links if machine.device is not None else ()
        self._has_files = bool(machine.reclaim.scan.cache.files)
        self._next: object = None
        self._known: tuple[int, ...] = ()
        self._row: list[int] = []

    def row(self, at_ns: int) -> list[int]:
        """All that a look yields: the time, what `columns.NAMES` names, and for each program `columns.EACH_PROGRAM`.

        Where the event that comes next is that of the last look, none has happened since. If nothing has been delivered
        either, what has come meanwhile was lost, and all else is as it was.
        """
        machine = self._machine
        events, counted = machine.events, machine.counters
        state, programs = self.programs(at_ns)
        upcoming = events.heap[0] if events.heap else None
        known = (len(events.heap), machine.zone.free, counted.delivered, machine.nic.sent, machine.down, machine.paused)
        if known != self._known or upcoming is not self._next or events.soon or machine.paused:
            self._known, self._next = known, upcoming
            self._row = [at_ns, *self.machine(state), *programs]
            return self._row
        row = self._row = [at_ns, *self._row[1:]]
        if not machine.down:
            row[1] = state
        row[_RECEIVED] = counted.received
        row[_DROPPED:_PROGRESS] = counted.dropped.values()
        row[_PROGRESS + 1 :] = programs
        return row

    def programs(self, now_ns: int) -> tuple[int, list[int]]:
        """The machine's state as its programs say, and for each program what `columns.EACH_PROGRAM` names."""
        state = 0
        told: list[int] = []
        for _, task, space, progress in self._programs:
            kind = progress.waited.kind
            stalled = progress.open_stall(now_ns) is not None
            if task.killed_ns is not None:
                one = _KILLED
            elif stalled:
                one = _STALLED
            elif task.finished:
                one = _IDLE
            else:
                one = _OF_WAIT[kind]
            if one > state:
                state = one
            told += (kind, stalled, progress.count, space.resident)
        return state, told

    def machine(self, state: int) -> list[int]:
        """The numbers that `columns.NAMES` names; `state`: as its programs say."""
        machine = self._machine
        zone, floors, stack, counted = machine.zone, machine.zone.floors, machine.stack, machine.counters
        down = machine.down
        if down:
            state = _DOWN
        elif machine.paused:
            state = _PAUSED
        owners = [0] * 8 if down else self._owners()
        requests, backlog, put_off = (0, 0, 0) if down else self._requests()
        return [
            state,
            zone.free,
            zone.aside_free,
            zone.high_mark,
            zone.low_mark,
            floors.kernel,
            floors.atomic,
            zone.emergency,
            zone.reserve_used,
            *owners,
            requests,
            backlog,
            put_off,
            machine.writeback.under_way(),
            len(machine.reclaim.waiters),
            0 if down else stack.noncritical,
            0 if down else machine.held(),
            counted.pages_out,
            counted.pages_in,
            counted.retransmissions,
            counted.tx_no_memory,
            machine.nic.sent,
            counted.received,
            counted.delivered,
            *counted.dropped.values(),
            sum([progress.count for _, _, _, progress in self._programs]),
        ]

    def _owners(self) -> list[int]:
        """Pages by owner, as `columns.OWNERS`; what is reckoned is never more than there is."""
        machine = self._machine
        zone, stack, cache = machine.zone, machine.stack, machine.reclaim.scan.cache
        ranks = sum([space.resident for space in self._ranks])
        others = sum([space.resident for space in self._others])
        files = cache.resident() if self._has_files else 0
        moving = machine.writeback.under_way() + self._reading()
        if self._has_files:
            moving -= cache.flushing()
        kernel = zone.total - zone.free - zone.aside_free - ranks - others - files
        moving = min(moving, kernel)
        kernel -= moving
        critical = 0 if machine.emergency_data is None else min(machine.emergency_data.usage // rpc.PAGE, kernel)
        kernel -= critical
        ordinary, fragments = stack.noncritical, stack.reassembly.frames
        ordinary = min(machine.kernel.frame_pages(ordinary), kernel) if ordinary else 0
        kernel -= ordinary
        fragments = min(machine.kernel.frame_pages(fragments), kernel) if fragments else 0
        return [ranks, others, files, moving, ordinary, fragments, critical, kernel - fragments]

    def _reading(self) -> int:
        """Pages for which memory has been found and that have not come yet; of many requests one page each."""
        reading = self._machine.local.reading
        for link in self._links:
            requests = link.under_way.values()
            if len(requests) <= _FEW:
                reading += sum([len(request.versions) for request in requests if not request.write])
            else:
                reading += max(0, len(requests) - link.writeback)
        return reading

    def _requests(self) -> tuple[int, int, int]:
        """Requests under way, those that wait for a slot, and those that the server has put off."""
        requests = backlog = put_off = 0
        for link in self._links:
            requests += len(link.under_way)
            backlog += len(link.backlog)
            put_off += len(link.put_off)
        return requests, backlog, put_off


def stalls(programs: Sequence[Loaded], now_ns: int) -> Iterator[tuple[int, int | None, int]]:
    """(begin, end or None, place of the program) of all stalls so far."""
    for one in programs:
        progress = one.task.progress
        for begin, end in (*progress.stalls, *progress.unended):
            yield begin, end, one.place
        since_ns = progress.open_stall(now_ns)
        if since_ns is not None:
            yield since_ns, None, one.place
