"""Series as one line each: what a terminal can show of a picture."""

from collections.abc import Sequence
from typing import Final

from rich.console import Console

from netswap.cluster.record.record import Record

WIDTH: Final = 40
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_PLAIN: Final = "_.-:=+*#"
"""Where the terminal's encoding has no blocks."""
BAR: Final = 12
_FLOORS: Final = 4
"""Floors of free pages that fill a bar."""


def sparkline(values: Sequence[float], width: int = WIDTH, blocks: str = _BLOCKS) -> str:
    """Values as blocks between 0 and the largest; of each stretch the value that is farthest from the one before it."""
    if not values:
        return ""
    whole = max(values) or 1
    width = min(width, len(values))
    shown, before = [], values[0]
    for place in range(width):
        stretch = values[place * len(values) // width : (place + 1) * len(values) // width]
        least, most = min(stretch), max(stretch)
        before = most if most - before >= before - least else least
        shown.append(blocks[min(int(before / whole * len(blocks)), len(blocks) - 1)])
    return "".join(shown)


def lines(record: Record, machine: str, console: Console) -> list[str]:
    """Free pages, frames and progress of a machine over the run, a line each; nothing if it was not recorded."""
    index = record.names.index(machine)
    if index not in record.indexes:
        return []
    series = record.series(index)
    times = series["at_ns"]
    blocks = _BLOCKS if (console.encoding or "").lower().startswith("utf") else _PLAIN
    told = [f"{machine} from 0 to {times[-1] / 1e9:g} s"]
    rows: list[tuple[str, list[float]]] = [
        ("free pages", list(series["free"])),
        ("frames/s", _rates(series["delivered"], times)),
        ("progress/s", _rates(series["progress"], times)),
    ]
    for name, values in rows:
        told.append(f"  {name:<10}  {sparkline(values, blocks=blocks)}  {min(values):,.0f} to {max(values):,.0f}")
    return told


def _rates(counts: Sequence[int], times: Sequence[int], stretches: int = 2 * WIDTH) -> list[float]:
    """How much more a second, over stretches of the run."""
    step = max(1, len(counts) // stretches)
    places = range(0, len(counts) - step, step)
    return [(counts[at + step] - counts[at]) * 1e9 / max(times[at + step] - times[at], 1) for at in places] or [0.0]


def bar(free: int, floor: int) -> str:
    """Free pages as a bar, and in it the floor of packet reception: `[==|====----]`."""
    most = max(_FLOORS * floor, 1)
    filled, edge = min(free * BAR // most, BAR), BAR // _FLOORS
    cells = ["=" if place < filled else "-" for place in range(BAR)]
    cells.insert(edge, "|")
    return f"[{''.join(cells)}]"
