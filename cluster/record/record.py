"""All that has been recorded of a run: the parts of several processes put together, as tables without a library's help."""

from array import array
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Final

import msgpack

from netswap.cluster.record.columns import EACH_PROGRAM, NAMES
from netswap.cluster.record.moments import LINK_CAUSES, MOST_MOMENTS, Moment
from netswap.cluster.record.plan import FEW, Plan
from netswap.cluster.record.rows import Rows

_STRETCH: Final = 4
"""This number of names in a row or more are told as a stretch."""


class Record:
    """What has been recorded of a run."""

    def __init__(self, parts: Iterable[bytes], names: Sequence[str]) -> None:
        """`parts`: those of all processes (`Recorder.part`); `names`: the machines', by index."""
        read = [msgpack.unpackb(part, strict_map_key=False, max_bin_len=len(part)) for part in parts]
        self.names = list(names)
        self.every_ns: int = read[0]["every_ns"]
        self._machines: dict[int, Any] = {index: one for part in read for index, one in part["machines"].items()}
        self._lost: dict[int, dict[str, dict[int, int]]] = {}
        for part in read:
            for machine, place, cause, count in part["lost"]:
                counts = self._lost.setdefault(machine, {}).setdefault(cause, {})
                counts[place] = counts.get(place, 0) + count
        self._first_lost = [one for part in read for one in part["first_lost"]]
        self._faults = [fault for part in read for fault in part["faults"]]
        self._moments = [moment for part in read for moment in part["moments"]]
        self._left_out = [one for part in read for one in part["left_out"]]

    @property
    def indexes(self) -> list[int]:
        """The machines that were recorded, in the order of the scenario."""
        return sorted(self._machines)

    def programs(self, machine: int) -> list[str]:
        """The names of a machine's programs."""
        names: list[str] = self._machines[machine][0]
        return names

    def series(self, machine: int) -> "dict[str, array[int]]":
        """The columns of a machine's looks, `at_ns` and `columns.NAMES`, with what links lost of what was for it."""
        columns = self._columns[machine]
        told = {"at_ns": columns[0], **dict(zip(NAMES, columns[1:], strict=False))}
        for cause in LINK_CAUSES:
            counts = self._lost.get(machine, {}).get(cause)
            if counts:
                told[f"dropped_{cause.replace('-', '_')}"] = _so_far(counts, columns[0], self.every_ns)
        return told

    def of_program(self, machine: int, place: int) -> "dict[str, array[int]]":
        """The columns of one program's looks, by `columns.EACH_PROGRAM`."""
        first = 1 + len(NAMES) + place * len(EACH_PROGRAM)
        return dict(zip(EACH_PROGRAM, self._columns[machine][first:], strict=False))

    @cached_property
    def _columns(self) -> "dict[int, list[array[int]]]":
        return {index: Rows(one[1], one[2]).columns() for index, one in self._machines.items()}

    # -- moments ----------------------------------------------------------------------------------------------------

    def moments(self) -> list[Moment]:
        """In the order of time, then of the scenario. The detail of a fault says what the fault does, and to what."""
        told = [self._fault(fault) for fault in self._faults]
        told += [
            Moment(at_ns, None, machine, -1, "first drop", cause, None) for machine, cause, at_ns in self._first_lost
        ]
        told += [Moment(*one) for one in self._moments]
        ends = {index: self._columns[index][0][-1] for index in self._machines}
        for machine, what, detail, count in self._left_out:
            said = f"{count - MOST_MOMENTS} {what} {detail}".rstrip()
            told.append(Moment(ends[machine], None, machine, -1, "not kept", said, None))
        return sorted(told, key=lambda one: (one.at_ns, one.machine, one.program, one.what, one.detail))

    def _fault(self, fault: Sequence[Any]) -> Moment:
        begun = Moment(*fault)
        said = self.said(begun.what, msgpack.unpackb(bytes.fromhex(begun.detail)))
        return begun._replace(what="fault", detail=said)

    def said(self, verb: str, args: dict[str, Any]) -> str:
        """A fault in words: "partition A B | C", "cut C > A"."""
        words = [verb]
        for key, value in args.items():
            if key == "groups":
                words.append(" | ".join(self._listed(group) for group in value))
            elif key in ("machines", "from"):
                words.append(self._listed(value))
            elif key == "to":
                words.append(f"> {self._listed(value)}")
            elif value is not None:
                words.append(f"{key} {value}")
        return " ".join(words)

    def _listed(self, indexes: int | list[int]) -> str:
        listed = stretches([self.names[index] for index in ([indexes] if isinstance(indexes, int) else indexes)])
        return " ".join(listed[:FEW] + ([f"and {len(listed) - FEW} more"] if len(listed) > FEW else []))

    # -- which machines ---------------------------------------------------------------------------------------------

    def chosen(self, plan: Plan) -> list[int]:
        """Machines whose series are kept in full: those of the plan; else all of few, or those of many that stalled longest."""
        if plan.machines is not None:
            return [index for index in self.indexes if index in plan.machines]
        if len(self._machines) <= FEW:
            return self.indexes
        stalled = dict.fromkeys(self._machines, 0)
        for begin, end, machine, _, what, _, _ in self._moments:
            if what == "stall":
                stalled[machine] += (self._columns[machine][0][-1] if end is None else end) - begin
        free = 1 + NAMES.index("free")
        worst = sorted(self._machines, key=lambda index: (-stalled[index], min(self._columns[index][free]), index))
        return sorted(worst[:FEW])


def stretches(names: Sequence[str]) -> list[str]:
    """Names, where those of a counted machine that follow each other are one: A0 to A499."""
    told: list[list[str]] = []
    for name in names:
        before = told[-1][-1] if told else ""
        if told and _next(before) == name:
            told[-1].append(name)
        else:
            told.append([name])
    return [word for one in told for word in (one if len(one) < _STRETCH else [f"{one[0]} to {one[-1]}"])]


def _next(name: str) -> str:
    """The name of the machine after this one of a counted name, or nothing."""
    base = name.rstrip("0123456789")
    return f"{base}{int(name[len(base) :]) + 1}" if base != name else ""


def _so_far(counts: dict[int, int], at_ns: "array[int]", every_ns: int) -> "array[int]":
    """What links had lost by each look: `counts` says how many between two of them."""
    told, whole = array("q"), 0
    left = sorted(counts.items(), reverse=True)
    for now_ns in at_ns:
        while left and left[-1][0] * every_ns < now_ns:
            whole += left.pop()[1]
        told.append(whole)
    return told
