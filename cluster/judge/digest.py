"""The proof that two runs are the same, and where they part if they are not."""

import json
from hashlib import sha256
from typing import Any, NamedTuple

from netswap.actors.counters import LATER
from netswap.cluster.judge.state import State
from netswap.protocol.frame import Frame, cut


def digest(state: State) -> str:
    """SHA-256 (hex) over what each machine sent, in scenario order, then the fates of all frames and the counters."""
    whole = sha256()
    for machine in state.machines:
        whole.update(bytes.fromhex(machine.digest))
    counted = [[_counters(machine.counters), machine.dropped] for machine in state.machines]
    whole.update(json.dumps([state.links, counted], sort_keys=True).encode())
    return whole.hexdigest()


def _counters(counters: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counters.items() if count or name not in LATER}


class Difference(NamedTuple):
    """The first frame in which two runs differ. A frame is None where one run had sent all."""

    machine: str
    position: int
    one: Frame | None
    other: Frame | None

    def __str__(self) -> str:
        return f"{self.machine}, frame {self.position}: {self.one} in one run, {self.other} in the other"


def first_difference(names: list[str], one: list[bytes], other: list[bytes]) -> Difference | None:
    """Compare what each machine sent in two runs; the earliest difference by time of sending, or None."""
    found: list[tuple[Any, Difference]] = []
    for name, mine, theirs in zip(names, one, other, strict=True):
        if mine == theirs:
            continue
        left = [Frame(*frame) for frame, _ in cut(mine)]
        right = [Frame(*frame) for frame, _ in cut(theirs)]
        position = next(
            (at for at, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]),
            min(len(left), len(right)),
        )
        pair = [frames[position] if position < len(frames) else None for frames in (left, right)]
        sent_ns = min(frame.sent_ns for frame in pair if frame is not None)
        found.append((sent_ns, Difference(name, position, pair[0], pair[1])))
    return min(found, key=lambda entry: entry[0])[1] if found else None
