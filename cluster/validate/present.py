"""What people see of a comparison."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from netswap.cluster.show.tables import table
from netswap.cluster.validate.compare import Compared, summed

COLUMNS = ("cell", "real", "ours", "T real", "T ours", "agree", "free before", "least free", "notes")


def shown(console: Console, compared: Sequence[Compared]) -> None:
    """A line for each cell, and how many agree."""
    rows = [[Text(one) if place != 5 else _coloured(one) for place, one in enumerate(row(each))] for each in compared]
    table(console, COLUMNS, rows, right=("T real", "T ours", "free before", "least free"), folds="notes")
    console.print(conclusion(compared), highlight=False)


def markdown(compared: Sequence[Compared]) -> str:
    """The compared cells as a table of a page."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *map(row, compared)]
    return "\n".join("| " + " | ".join(one.replace("|", "\\|") for one in line) + " |" for line in lines)


def row(one: Compared) -> list[str]:
    """The cells of one line."""
    return [
        one.cell.name,
        _several(one.real) or "?",
        _counted(one),
        _time(one.cell.real_s),
        _time(one.ours_s),
        _agree(one),
        _range([seen.free_before for seen in one.seen]),
        _range([seen.free_min for seen in one.seen]),
        "; ".join([*([one.failed] if one.failed else []), *one.notes]),
    ]


def conclusion(compared: Sequence[Compared]) -> str:
    """How many agree."""
    counts = summed(compared)
    return (
        f"{counts['agree']} of {counts['of']} cells have the verdict of the real machine in every run, "
        f"{counts['times_agree']} of {counts['times_of']} times to recover are within a factor of 1.5"
    )


def _several(words: Sequence[str]) -> str:
    return " or ".join(words)


def _counted(one: Compared) -> str:
    """Our verdicts, with how often each came if there are several."""
    verdicts = [seen.verdict for seen in one.seen]
    if len(one.ours) < 2:
        return _several(one.ours) or "-"
    return ", ".join(f"{verdict} {verdicts.count(verdict)}" for verdict in one.ours)


def _agree(one: Compared) -> str:
    if one.agrees is None:
        return "-"
    verdict = "yes" if one.agrees else "no" if not one.share else f"{one.share:.0%}"
    return f"{verdict}, but for T" if one.time_agrees is False else verdict


def _coloured(text: str) -> Text:
    return Text(text, style="green" if text == "yes" else "red" if text.startswith("no") else "")


def _time(time_s: float | None) -> str:
    return "-" if time_s is None else f"{time_s:.1f} s"


def _range(pages: Sequence[int]) -> str:
    if not pages:
        return "-"
    return f"{min(pages)}" if min(pages) == max(pages) else f"{min(pages)}-{max(pages)}"
