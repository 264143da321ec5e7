"""What people see in a terminal: a progress line while a run goes on, and its result."""

import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cluster.engine import Engine
from cluster.experiment import Experiment, Row
from cluster.minimum import Answer, Question
from cluster.remedies import Remedies
from cluster.results import frames
from cluster.verdict import BAD, Verdict, judge

if TYPE_CHECKING:
    from cluster.claims.ablation import Ablated
    from cluster.claims.prove import Shown

Done = TypeVar("Done")

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
_LOOK_S = 1.0
_NO_EDGE = 10_000


def seconds(time_ns: int | None) -> str:
    """A virtual time, for people."""
    return "-" if time_ns is None else f"{time_ns / 1e9:.3f} s"


def verdict_text(verdict: str) -> Text:
    """A verdict in its colour."""
    known = Verdict(verdict)
    return Text(verdict, style="bold red" if known in BAD else _COLOURS.get(known, ""))


class ProgressLine:
    """Virtual time, the worst machine and frames per second; quiet where nobody looks."""

    def __init__(self, console: Console, title: str, stop_ns: int, stall_after_ns: int) -> None:
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._shown = console.is_terminal
        self._title = title
        self._stop_ns = stop_ns
        self._stall_after_ns = stall_after_ns
        self._looked_s = 0.0
        self._frames = 0

    def __enter__(self) -> "ProgressLine":
        if self._shown:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._live.stop()

    def __call__(self, engine: Engine) -> None:
        """Look at the cluster, about once a second."""
        now_s = monotonic()
        if not self._shown or now_s - self._looked_s < _LOOK_S:
            return
        state = engine.state()
        sent = frames(state)["sent"]
        rate = f"  {(sent - self._frames) / (now_s - self._looked_s):,.0f} frames/s" if self._looked_s else ""
        self._looked_s, self._frames = now_s, sent
        judged = judge(state, self._stall_after_ns)
        worst = min(judged, key=lambda name: list(Verdict).index(judged[name].verdict))
        free = next(machine["counters"]["free_pages"] for machine in state.machines if machine["name"] == worst)
        self._live.update(
            Text.assemble(
                f"{self._title}  {state.now_ns / 1e9:.1f} of {self._stop_ns / 1e9:g} s  {worst} ",
                verdict_text(judged[worst].verdict),
                f", {free:,} pages free{rate}",
                no_wrap=True,
                overflow="ellipsis",
            )
        )


def machines_table(summary: dict[str, Any], most: int = 12) -> Table:
    """Each machine's verdict and times; of very many the worst."""
    table = Table(box=None, pad_edge=False)
    for column in ("machine", "verdict", "stalled at", "for"):
        table.add_column(column, no_wrap=True)
    table.add_column("resumed after\nthe heal", no_wrap=True)
    table.add_column("fewest\nfree pages", justify="right", no_wrap=True)
    table.add_column("dropped")
    order = [str(verdict) for verdict in Verdict]
    rows = sorted(summary["machines"].items(), key=lambda row: order.index(row[1]["verdict"]))
    for name, machine in rows[:most]:
        counters = machine["counters"]
        table.add_row(
            name,
            verdict_text(machine["verdict"]),
            seconds(machine["stalled_at_ns"]),
            seconds(machine["stalled_ns"] or None),
            seconds(machine["recovered_after_ns"]),
            f"{counters['free_pages_min']:,}",
            causes(counters["dropped"], between="\n"),
        )
    if len(rows) > most:
        table.add_row(f"and {len(rows) - most} more", "")
    return table


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
    """Why the first few machines that are not well are not."""
    for _, machine in [(name, one) for name, one in summary["machines"].items() if one["reason"]][:most]:
        yield from machine["reason"]


def show(console: Console, summary: dict[str, Any], remedy: str) -> None:
    """A finished run; `remedy` is the line that finds out what would have helped who is ill."""
    counted = summary["frames"]
    console.print(Text(summary["scenario"], style="bold"), f"({summary['engine']}, seed {summary['seed']})")
    console.print(machines_table(summary))
    for line in reasons(summary):
        say(console, line)
    say(
        console,
        f"frames: {counted['sent']:,} sent, {counted['delivered']:,} delivered, {counted['under_way']:,} under way; "
        f"dropped: {causes(counted['dropped'])}",
    )
    for outcome in summary["expectations"]:
        console.print(_MARKS[outcome["met"]], outcome["text"], f"(seen: {outcome['seen']})", highlight=False)
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


def claim(console: Console, shown: "Shown") -> None:
    """One claim that has been put to the test: a line, and what was predicted and seen under it."""
    _tested(console, shown.holds, f"{shown.row:>3} {shown.era}  {shown.claim}")
    for name, seen in shown.seen.items():
        _seen(console, name, seen, shown.predicted.get(name))


def ablated(console: Console, shown: "Ablated") -> None:
    """One part of the reserve that has been taken away: what fails without it, and does not with it."""
    _tested(console, shown.holds, f"{shown.switch} ({shown.era}): {shown.failure}")
    for what, seen in (("without", shown.without), ("with", shown.with_it)):
        for name, value in seen.items():
            _seen(console, f"{what} it: {name}", value, True)


def _tested(console: Console, holds: bool, text: str) -> None:
    mark = Text("holds ", style="green") if holds else Text("FAILS ", style="bold red")
    console.print(Text.assemble(mark, text), soft_wrap=not console.is_terminal)


def _seen(console: Console, name: str, seen: object, predicted: object) -> None:
    """An expectation that was met needs no more than its words."""
    if predicted is True:
        say(console, f"          {name}" + ("" if seen is True else f": seen {seen}"))
    else:
        say(console, f"          {name}: predicted {predicted}, seen {seen}")


def minimum(console: Console, question: Question, answer: Answer) -> None:
    """What a search for the smallest value has found, and what it tried."""
    for value, met in sorted(answer.tried.items()):
        mark = Text("met   ", style="green") if met else Text("MISSED", style="red")
        console.print(mark, f"{question.of} = {value}{question.unit}", highlight=False)
    if answer.minimum is None:
        say(console, f"not even {answer.most}{question.unit} is enough for: {question.until}")
    else:
        say(console, f"{question.until}: from {question.of} = {answer.minimum}{question.unit} on")
    if not answer.is_monotone:
        console.print("not monotone: some larger values were not enough", style="bold red")


def remedies(console: Console, found: Remedies) -> None:
    """Under what those that were ill are not, and what it costs them."""
    if not found.as_is.ill:
        say(console, "no machine is wedged, livelocked or killed: nobody needs help")
        return
    _fit(console)
    table = Table(
        title=f"what would have helped {', '.join(found.as_is.ill)}", title_justify="left", box=None, pad_edge=False
    )
    for column in ("safeguards", "verdict", "resumed after the heal", "kept from programs"):
        table.add_column(column, overflow="fold")
    for tried in [found.as_is, *([found.fewest] if found.fewest else []), *found.presets]:
        safeguards = "as it is" if tried.safeguards is None else " + ".join(tried.safeguards)
        verdicts = Text(", ").join(verdict_text(one) for one in dict.fromkeys(tried.verdicts.values()))
        table.add_row(safeguards, verdicts, seconds(tried.recovered_after_ns), f"{tried.kept_pages:,} pages")
    console.print(table, highlight=False)
    if found.fewest is None:
        say(console, "not even all parts of the reserve help")
    else:
        say(console, f"the fewest parts of the reserve that help: {' + '.join(found.fewest.safeguards or [])}")


def _fit(console: Console) -> None:
    """A file or a pipe does not break lines."""
    if not console.is_terminal:
        console.width = _NO_EDGE


def counted(console: Console, runs: Iterable[Done], total: int | None = None) -> Iterator[Done]:
    """What runs have given, as it comes, with how many there are by now for those who watch."""
    of = "" if total is None else f" of {total}"
    with console.status(f"0{of} runs") as status:
        for number, done in enumerate(runs, 1):
            status.update(f"{number}{of} runs")
            yield done


def sweep(console: Console, experiment: Experiment, rows: list[Row], folder: Path) -> None:
    """All combinations of an experiment, a line each."""
    table = Table(title=experiment.title, title_justify="left", box=None, pad_edge=False)
    for column in (*experiment.axes, *experiment.show):
        table.add_column(column, overflow="fold")
    for row in rows:
        varied = [_setting(name, value) for name, value in row.varied.items()]
        table.add_row(*varied, *(_cell(name, value) for name, value in row.shown.items()))
    _fit(console)
    console.print(table, highlight=False)
    missed = sum(not row.met for row in rows)
    say(console, f"{len(rows)} runs, {missed} of which missed an expectation; written to {folder}")


def _setting(name: str, value: object) -> str:
    """What was varied, in short: a scenario by the name of its file, a list of safeguards as their sum."""
    if name == "scenario":
        return Path(str(value)).stem
    return " + ".join(map(str, value)) if isinstance(value, list) else str(value)


def _cell(name: str, value: object) -> Text | str:
    if name.endswith(".verdict"):
        return verdict_text(str(value))
    if name.endswith("_ns"):
        return seconds(value if isinstance(value, int) else None)
    return f"{value:,}" if isinstance(value, int) else str(value)
