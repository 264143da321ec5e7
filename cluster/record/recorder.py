"""Listens to machines, links and clock, in one process: what it has heard goes to `record` as bytes."""

from collections.abc import Iterable
from typing import Any, Final

import msgpack

from netswap.actors.machine.door import Machine
from netswap.actors.trace import Frames, Trace
from netswap.cluster.record.look import Look, stalls
from netswap.cluster.record.moments import MOST_MOMENTS, Moment
from netswap.cluster.record.plan import Plan
from netswap.cluster.record.rows import Rows
from netswap.protocol.frame import CRASH, F_DESTINATION, FREEZE, PAUSE, RESTART, RESUME, SLOW_DISK, THAW

_CHANGES: Final = {
    CRASH: "crash",
    RESTART: "restart",
    PAUSE: "pause",
    RESUME: "resume",
    SLOW_DISK: "slow-disk",
    FREEZE: "freeze",
    THAW: "thaw",
}


class Recorder(Trace):
    """The recorder of the machines and links of one process."""

    hears = frozenset({"marks"})

    def __init__(self, plan: Plan) -> None:
        self.every_ns = plan.every_ns
        self._looks: dict[int, Look] = {}
        self._rows: dict[int, Rows] = {}
        self._moments: list[Moment] = []
        self._counts: dict[tuple[int, str, str], int] = {}
        self._below: dict[tuple[int, str], int] = {}
        """The look before which free pages have last come to a mark: (machine, mark)."""
        self._faults: dict[int, Moment] = {}
        self._lost: dict[tuple[int, int, str], int] = {}
        """Frames lost on links: (machine that they were for, look before which it was, cause)."""
        self._first: dict[tuple[int, str], int] = {}
        """When the first of them was lost (ns): (machine, cause)."""

    # -- series -----------------------------------------------------------------------------------------------------

    def tick(self, at_ns: int, machine: int, door: Machine) -> None:
        """Look at a machine."""
        rows = self._rows.get(machine)
        row = self._look(at_ns, machine, door)
        if rows is None:
            rows = self._rows[machine] = Rows(len(row))
        rows.extend(row)
        rows.pack()

    def _look(self, at_ns: int, machine: int, door: Machine) -> list[int]:
        look = self._looks.get(machine)
        if look is None or look.parts is not door.parts:
            look = self._looks[machine] = Look(door)
        return look.row(at_ns)

    # -- moments ----------------------------------------------------------------------------------------------------

    def link_dropped(self, frames: Frames, cause: str) -> None:
        """Frames are lost on a link."""
        machine, every_ns = frames.frame[F_DESTINATION], self.every_ns
        first = self._first.get((machine, cause))
        if first is None or frames.at_ns < first:
            self._first[machine, cause] = frames.at_ns
        if frames.length == 1 or not frames.gap_ns:
            key = (machine, frames.at_ns // every_ns, cause)
            self._lost[key] = self._lost.get(key, 0) + frames.length
            return
        for place in range(frames.length):
            key = (machine, (frames.at_ns + place * frames.gap_ns) // every_ns, cause)
            self._lost[key] = self._lost.get(key, 0) + 1

    def first_dropped(self, at_ns: int, machine: int, cause: str, free: int) -> None:
        """A frame is lost in a machine, for a cause that is new there."""
        self._note(at_ns, machine, "first drop", detail=cause, free=free)

    def mark_crossed(self, machine: int, mark: str, below: bool, free: tuple[int, int]) -> None:
        """Free pages come to a mark: told once between two looks, since they may go to and fro as fast as pages move."""
        if not below:
            return
        at_ns, pages = free
        place = at_ns // self.every_ns
        if self._below.get((machine, mark)) != place:
            self._below[machine, mark] = place
            self._note(at_ns, machine, "below", detail=mark, free=pages)

    def fault_begun(self, at_ns: int, place: int, verb: str, args: dict[str, Any]) -> None:
        """A fault begins."""
        self._faults[place] = Moment(at_ns, None, -1, -1, verb, msgpack.packb(args).hex(), None)

    def fault_ended(self, at_ns: int, place: int) -> None:
        """That fault ends."""
        self._faults[place] = self._faults[place]._replace(end_ns=at_ns)

    def killed(self, at_ns: int, program: tuple[int, int]) -> None:
        """A program has died."""
        self._note(at_ns, program[0], "killed", program=program[1])

    def retransmitted(self, at_ns: int, machine: int, protocol: str) -> None:
        """Something is sent again."""
        self._note(at_ns, machine, "again", detail=protocol)

    def machine_changed(self, at_ns: int, machine: int, what: int) -> None:
        """A machine obeys a control."""
        self._note(at_ns, machine, _CHANGES.get(what, "disk-ok"))

    def _note(
        self, at_ns: int, machine: int, what: str, *, program: int = -1, detail: str = "", free: int | None = None
    ) -> None:
        key = (machine, what, detail)
        count = self._counts[key] = self._counts.get(key, 0) + 1
        if count <= MOST_MOMENTS:
            self._moments.append(Moment(at_ns, None, machine, program, what, detail, free))

    # -- what there is ----------------------------------------------------------------------------------------------

    def part(self, doors: Iterable[Machine], now_ns: int) -> bytes:
        """All that has been recorded here so far, with a last look at these machines, as bytes for `record.Record`."""
        machines = {}
        moments = list(self._moments)
        for door in doors:
            index = door.settings.index
            row = self._look(now_ns, index, door)
            last = Rows(len(row))
            last.extend(row)
            rows = self._rows.get(index)
            names = [one.task.name for one in door.programs]
            machines[index] = (names, len(row), [*(rows.packed() if rows is not None else ()), *last.packed()])
            moments += [
                Moment(begin, end, index, place, "stall", "", None)
                for begin, end, place in stalls(door.programs, now_ns)
            ]
        told = {
            "every_ns": self.every_ns,
            "machines": machines,
            "moments": moments,
            "left_out": [(*key, count) for key, count in self._counts.items() if count > MOST_MOMENTS],
            "first_lost": [(*key, at_ns) for key, at_ns in self._first.items()],
            "lost": [(*key, count) for key, count in self._lost.items()],
            "faults": list(self._faults.values()),
        }
        packed: bytes = msgpack.packb(told)
        return packed
