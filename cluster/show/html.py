"""A run as a small table, for notebooks."""

from html import escape
from typing import Any, Final

from netswap.cluster.show.present import seconds, worst_first

_ROWS_MAX: Final = 12


def of_result(summary: dict[str, Any]) -> str:
    """The machines of a result (`result.json`), the worst first, and why the worst is what it is."""
    ordered = worst_first(summary)
    head = "".join(f"<th>{name}</th>" for name in ("machine", "verdict", "stalled at", "for", "free pages"))
    rows = "".join(_row(name, machine) for name, machine in ordered[:_ROWS_MAX])
    more = f"<p>and {len(ordered) - _ROWS_MAX} more</p>" if len(ordered) > _ROWS_MAX else ""
    why = "\n".join(ordered[0][1]["reason"]) if ordered else ""
    title = f"{escape(summary['scenario'])}, at {seconds(summary['virtual_ns'])}"
    return f"<h4>{title}</h4><table><tr>{head}</tr>{rows}</table>{more}<pre>{escape(why)}</pre>"


def _row(name: str, machine: dict[str, Any]) -> str:
    cells = (
        name,
        machine["verdict"],
        seconds(machine["stalled_at_ns"]),
        seconds(machine["stalled_ns"] or None),
        f"{machine['counters']['free_pages']:,}",
    )
    return "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>"
