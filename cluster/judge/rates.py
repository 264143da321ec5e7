"""How fast a program got on before, during and after the faults, and what it waited for.

Progress is counted in slots of `stall_after`, so a phase is known to the slot: one that a fault touches belongs to the
fault, and a phase that holds no whole slot has no rate.
"""

from collections.abc import Sequence
from math import ceil
from typing import Final, NamedTuple

from netswap.actors.machine_report import ProgramReport
from netswap.actors.wait import KINDS

WORDS: Final = {
    "nothing": "nothing (it computed, or slept)",
    "reply": "a reply of the swap server",
    "page": "a free page",
    "slot": "a request slot",
    "connection": "a connection",
    "message": "a message",
    "throttle": "the throttle",
    "disk": "the disk",
}
"""Each kind of wait as a sentence names it."""

Interval = tuple[int, int | None]
"""When a fault began and ended, ns; None while it lasts."""


class Rates(NamedTuple):
    """Progress a second; None for a phase without a whole slot."""

    before: float | None
    """Before the first fault; of the whole run if there is none."""
    during: float | None
    """While faults last."""
    after: float | None
    """After the last heal."""


def rates(program: ProgramReport, faults: Sequence[Interval], now_ns: int) -> Rates:
    """The rates of one program, as a machine reports it."""
    slot_ns = program.slot_ns
    whole = now_ns // slot_ns
    counts = [*program.slots, program.open_slot][:whole]
    counts += [0] * (whole - len(counts))
    if not faults:
        return Rates(_rate(counts, slot_ns), None, None)
    first_ns = min(begin for begin, _ in faults)
    ends = [end for _, end in faults if end is not None]
    healed = ceil(max(ends) / slot_ns) if len(ends) == len(faults) else whole
    during = [count for at, count in enumerate(counts) if _is_touched(at * slot_ns, (at + 1) * slot_ns, faults)]
    return Rates(_rate(counts[: first_ns // slot_ns], slot_ns), _rate(during, slot_ns), _rate(counts[healed:], slot_ns))


def waited(program: ProgramReport) -> dict[str, float]:
    """Where the time of the whole run went, in percent for each kind of wait."""
    return _shares(program.waited_ns)


def waited_since(program: ProgramReport, slot: int) -> dict[str, float]:
    """Where the time from the begin of a slot on went, in percent for each kind of wait."""
    kinds = len(KINDS)
    before = program.waited_slots[(slot - 1) * kinds : slot * kinds] if slot else (0,) * kinds
    return _shares([spent - earlier for spent, earlier in zip(program.waited_ns, before, strict=True)])


def told(shares: dict[str, float], least: float = 1.0) -> str:
    """The largest shares, in words."""
    large = sorted(((share, kind) for kind, share in shares.items() if share >= least), reverse=True)
    return ", ".join(f"{share:.0f} % for {WORDS[kind]}" for share, kind in large)


def _shares(spent_ns: Sequence[int]) -> dict[str, float]:
    whole = sum(spent_ns)
    return {kind: round(100 * spent / whole, 1) if whole else 0.0 for kind, spent in zip(KINDS, spent_ns, strict=True)}


def _rate(counts: Sequence[int], slot_ns: int) -> float | None:
    return round(sum(counts) * 1e9 / (len(counts) * slot_ns), 3) if counts else None


def _is_touched(begin_ns: int, end_ns: int, faults: Sequence[Interval]) -> bool:
    return any(begin < end_ns and (end is None or end > begin_ns) for begin, end in faults)
