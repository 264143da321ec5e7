"""What people see in a terminal: a progress line while a run goes on, and its result."""

import textwrap
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.text import Text

from netswap.cluster.judge.expectations import seen_text
from netswap.cluster.judge.verdict import BAD, Verdict
from netswap.cluster.record.record import Record
from netswap.cluster.show import sparks
from netswap.cluster.show.tables import Cell, fitted, table

_COLOURS = {
    Verdict.RECOVERED: "green",
    Verdict.HEALTHY: "green",
    Verdict.FINISHED: "green",
    Verdict.SLOW: "yellow",
    Verdict.UNDECIDED: "yellow",
    Verdict.BLOCKED: "red",
}
_MARKS = {
    True: Text("met   ", style="green"),
    False: Text("MISSED", style="bold red"),
    None: Text("open  ", style="yellow"),
}


def seconds(time_ns: int | None) -> str:
    """A virtual time, for people."""
    return "-" if time_ns is None else f"{time_ns / 1e9:.3f} s"


def verdict_text(verdict: str) -> Text:
    """A verdict in its colour."""
    known = Verdict(verdict)
    return Text(verdict, style="bold red" if known in BAD else _COLOURS.get(known, ""))


def machines_table(console: Console, summary: dict[str, Any], most: int = 12) -> None:
    """Each machine's verdict and times; of very many the worst."""
    columns = ("machine", "verdict", "stalled at", "for", "resumed after\nthe heal", "fewest\nfree pages", "dropped")
    ordered = worst_first(summary)
    rows = [
        (
            name,
            verdict_text(machine["verdict"]),
            seconds(machine["stalled_at_ns"]),
            seconds(machine["stalled_ns"] or None),
            seconds(machine["recovered_after_ns"]),
            f"{machine['counters']['free_pages_min']:,}",
            causes(machine["counters"]["dropped"], between="\n"),
        )
        for name, machine in ordered[:most]
    ]
    table(console, columns, rows, right=("fewest\nfree pages",))
    if len(ordered) > most:
        say(console, f"and {len(ordered) - most} more")


def programs_table(console: Console, summary: dict[str, Any], most: int = 12) -> None:
    """How fast each program of the worst machines got on, and where its time went."""
    columns = ("program", "verdict", "a second\nbefore", "during", "after the\nfaults", "its time went to")
    rows: list[tuple[Cell, ...]] = [
        (f"{name} {program['name']}", verdict_text(program["verdict"]), *map(_rate, program["rates"].values()), shares)
        for name, machine in worst_first(summary)
        for program in machine["programs"]
        for shares in [", ".join(f"{kind} {share:.0f} %" for kind, share in _largest(program["waited"]))]
    ]
    table(console, columns, rows[:most], right=columns[2:5], folds=columns[-1])
    if len(rows) > most:
        say(console, f"and {len(rows) - most} more programs")


def worst_first(summary: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The machines of a result, by their verdicts."""
    order = [str(verdict) for verdict in Verdict]
    return sorted(summary["machines"].items(), key=lambda row: order.index(row[1]["verdict"]))


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:,.1f}"


def _largest(shares: dict[str, float], most: int = 3) -> list[tuple[str, float]]:
    told = sorted(shares.items(), key=lambda share: -share[1])
    return [(kind, share) for kind, share in told[:most] if share >= 1]


def causes(dropped: dict[str, int], between: str = ", ") -> str:
    """Frames by cause, in words."""
    return between.join(f"{count:,} {cause}" for cause, count in dropped.items() if count) or "none"


def say(console: Console, line: str) -> None:
    """One line, as it is; on a terminal it is broken between words, and its rest stands under its beginning."""
    if not console.is_terminal:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
        return
    indent = len(line) - len(line.lstrip())
    hanging = indent + 2 if indent else 0
    lines = textwrap.wrap(line, console.width, subsequent_indent=" " * hanging, break_on_hyphens=False)
    console.print("\n".join(lines), highlight=False, markup=False)


def reasons(summary: dict[str, Any], most: int = 3) -> Iterable[str]:
    """Why the worst few machines are what they are."""
    for _, machine in [(name, one) for name, one in worst_first(summary) if one["reason"]][:most]:
        yield from machine["reason"]


def show(console: Console, summary: dict[str, Any], remedy: str, record: Record | None = None) -> None:
    """Print a finished run; `remedy` is the command line that finds what would have helped its stalled machines."""
    fitted(console)
    counted = summary["frames"]
    console.print(Text(summary["scenario"], style="bold"), f"({summary['engine']}, seed {summary['seed']})")
    machines_table(console, summary)
    console.print()
    programs_table(console, summary)
    console.print()
    for line in reasons(summary):
        say(console, line)
    for line in sparks.lines(record, worst_first(summary)[0][0], console) if record is not None else ():
        console.print(line, highlight=False, markup=False)
    say(
        console,
        f"frames: {counted['sent']:,} sent, {counted['delivered']:,} delivered, {counted['under_way']:,} under way; "
        f"dropped: {causes(counted['dropped'])}",
    )
    for outcome in summary["expectations"]:
        console.print(_MARKS[outcome["met"]], outcome["text"], f"(seen: {seen_text(outcome['seen'])})", highlight=False)
    if summary["verdict"] == "undecided":
        say(console, "undecided: the wall time was over before the virtual time, and no expectation is judged")
    if summary["verdict"] == "vacuous":
        console.print("vacuous: this run claims something of a reserve that was never touched", style="bold red")
    console.print(f"digest {summary['digest']}", highlight=False)
    say(
        console,
        f"{seconds(summary['virtual_ns'])} of virtual time in {summary['wall_s']} s and {summary['windows']:,} windows",
    )
    if any(machine["verdict"] in BAD for machine in summary["machines"].values()):
        say(console, f"what would have helped: {remedy}")
    say(console, f"written to {summary['run']}")
