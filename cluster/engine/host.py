"""Machines that share a process, and how their batches travel: what a machine actor is made of, without Ray.

Where the host has the links to its machines too, it is a shard. Otherwise a blob *to* a host is a msgpack array
[index, until_ns, inbound, answers or nil, ...] of those of its machines that are due; the blob back is [index, next_ns,
silent_until_ns, outbound, ...]. Where nothing is due the blob is empty.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgpack

from netswap.actors.machine.door import Machine
from netswap.actors.machine.report import report
from netswap.actors.machine_report import MachineReport
from netswap.actors.settings import MachineSettings
from netswap.cluster.engine import build
from netswap.cluster.engine.orders import Answer, Order
from netswap.cluster.engine.pace import Tallies
from netswap.cluster.engine.shard import pack_told, unpack_step
from netswap.cluster.record.plan import Plan
from netswap.cluster.record.recorder import Recorder
from netswap.cluster.scenario.resolved import Resolved

_TRAVELS: Final = 3
"""What of an order goes to another process: what is handed over stays."""


def pack_orders(share: Iterable[int], orders: Mapping[int, Order]) -> bytes:
    """What a host with these machines is to do."""
    due = [part for index in share if index in orders for part in (index, *orders[index][:_TRAVELS])]
    return _pack(due) if due else b""


def unpack_answers(blob: bytes) -> dict[int, Answer]:
    """What a host's machines have answered."""
    if not blob:
        return {}
    parts = _unpack(blob)
    return {parts[at]: Answer(parts[at + 1], parts[at + 2], parts[at + 3]) for at in range(0, len(parts), 4)}


class Host:
    """Some machines of a scenario."""

    def __init__(self, share: Sequence[MachineSettings], names: Sequence[str], plan: Plan | None = None) -> None:
        """`share`: these machines; `names`: those of all; `plan`: what is recorded of them, if anything."""
        self.recorder = None if plan is None else Recorder(plan)
        self._machines = {settings.index: Machine(settings, self.recorder) for settings in share}
        self._names = list(names)

    def promises(self) -> dict[int, Answer]:
        """What each machine promises before anything has happened."""
        return {
            index: Answer(machine.next_ns(), machine.silent_until_ns(), b"")
            for index, machine in self._machines.items()
        }

    def reports(self, now_ns: int) -> list[MachineReport]:
        """What can be seen of each machine."""
        return [report(machine, self._names, now_ns) for machine in self._machines.values()]

    def recorded(self, now_ns: int) -> bytes:
        """See `Recorder.part`; called where something is recorded."""
        assert self.recorder is not None, "there is a plan"
        return self.recorder.part(self._machines.values(), now_ns)

    def tallies(self) -> Tallies:
        """See `Network.tallies`: of the links that are here."""
        return {}


class ShardHost(Host):
    """Some machines with all links to them. A blob is a packed step, or what was told (`netswap.cluster.engine.shard`)."""

    def __init__(
        self, resolved: Resolved, shares: Sequence[Sequence[int]], place: int, plan: Plan | None = None
    ) -> None:
        """`shares`: the machines of each shard; `place`: which of them this is."""
        super().__init__([resolved.machines[index] for index in shares[place]], resolved.names, plan)
        self._shard = build.shard(resolved, self._advance, self.promises(), shares, place, self.recorder)
        self._shard.network.arriving.hands_over = True

    def first_ns(self) -> int:
        """See `Told`."""
        return self._shard.first_ns()

    def exchange(self, blob: bytes) -> bytes:
        """One step."""
        return pack_told(self._shard.step(unpack_step(blob)))

    def tallies(self) -> Tallies:
        """See `Network.tallies`: of the links to these machines."""
        return self._shard.network.tallies()

    def _advance(self, orders: dict[int, Order]) -> dict[int, Answer]:
        answers: dict[int, Answer] = {}
        for index, order in orders.items():
            machine = self._machines[index]
            out = machine.advance(*order)
            answers[index] = Answer(machine.next_ns(), machine.silent_until_ns(), out, machine.said)
        return answers


class MachineHost(Host):
    """Some machines without their links."""

    def exchange(self, blob: bytes) -> bytes:
        """Advance those that are due."""
        if not blob:
            return b""
        parts = _unpack(blob)
        answers: list[Any] = []
        for at in range(0, len(parts), 4):
            machine = self._machines[parts[at]]
            out = machine.advance(*parts[at + 1 : at + 4])
            answers += (parts[at], machine.next_ns(), machine.silent_until_ns(), out)
        return _pack(answers)


def _pack(parts: list[Any]) -> bytes:
    packed: bytes = msgpack.packb(parts)
    return packed


def _unpack(blob: bytes) -> Any:
    return msgpack.unpackb(blob, use_list=False, max_bin_len=len(blob), max_array_len=len(blob))
