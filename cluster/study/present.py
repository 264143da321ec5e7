"""What people see of a study that has ended."""

from pathlib import Path

from rich.console import Console
from rich.text import Text

from netswap.cluster.show.present import say, seconds, verdict_text
from netswap.cluster.show.tables import fitted, table
from netswap.cluster.study.experiment import Experiment
from netswap.cluster.study.minimum import Answer, Question
from netswap.cluster.study.remedies import Remedies
from netswap.cluster.study.sweep import Row


def minimum(console: Console, question: Question, answer: Answer) -> None:
    """What a search for the smallest value has found, and what it tried."""
    fitted(console)
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
    columns = ("safeguards", "verdict", "resumed after the heal", "kept from programs")
    rows = []
    for tried in [found.as_is, *([found.fewest] if found.fewest else []), *found.presets]:
        safeguards = "as it is" if tried.safeguards is None else " + ".join(tried.safeguards)
        verdicts = Text(", ").join(verdict_text(one) for one in dict.fromkeys(tried.verdicts.values()))
        rows.append((safeguards, verdicts, seconds(tried.recovered_after_ns), f"{tried.kept_pages:,} pages"))
    table(console, columns, rows, title=f"what would have helped {', '.join(found.as_is.ill)}", folds="safeguards")
    if found.fewest is None:
        say(console, "not even all parts of the reserve help")
    else:
        say(console, f"the fewest parts of the reserve that help: {' + '.join(found.fewest.safeguards or [])}")


def sweep(console: Console, experiment: Experiment, rows: list[Row], folder: Path) -> None:
    """All combinations of an experiment, a line each, and why those that failed did."""
    columns = (*experiment.axes, *experiment.show)
    cells = [[*_settings(row), *_shown(row)] for row in rows]
    table(console, columns, cells, title=experiment.title, folds=_widest(experiment, rows))
    failed = [row for row in rows if row.failed]
    for row in failed:
        settings = ", ".join(f"{name}={value}" for name, value in zip(row.varied, _settings(row), strict=True))
        say(console, f"failed: {settings or experiment.title}: {row.failed.reason if row.failed else ''}")
    missed = sum(row.met is False for row in rows)
    failures = f", {len(failed)} failed" if failed else ""
    say(console, f"{len(rows)} runs, {missed} of which missed an expectation{failures}; written to {folder}")


def _widest(experiment: Experiment, rows: list[Row]) -> str:
    """The axis with the longest cells."""
    places = range(len(experiment.axes))
    widest = max(places, key=lambda place: max((len(_settings(row)[place]) for row in rows), default=0), default=None)
    return "" if widest is None else experiment.axes[widest]


def _settings(row: Row) -> list[str]:
    return [_setting(name, value) for name, value in row.varied.items()]


def _setting(name: str, value: object) -> str:
    """What was varied, in short: a scenario by the name of its file, a list of safeguards as their sum."""
    if name == "scenario":
        return Path(str(value)).stem
    return " + ".join(map(str, value)) if isinstance(value, list) else str(value)


def _shown(row: Row) -> list[Text | str]:
    if row.failed:
        return [Text("failed", style="bold red"), *["-"] * (len(row.shown) - 1)]
    return [_cell(name, value) for name, value in row.shown.items()]


def _cell(name: str, value: object) -> Text | str:
    if name.endswith(".verdict"):
        return verdict_text(str(value))
    if name.endswith("_ns"):
        return seconds(value if isinstance(value, int) else None)
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)
