"""`netswap ask`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from netswap.cluster.command.options import Json, Path_, Seed, Set, duration_checked
from netswap.cluster.command.status import checked, loaded_scenario, tell
from netswap.cluster.command.studies import line, say, study
from netswap.cluster.engine.surroundings import processors
from netswap.cluster.lab.runs import folder_for, write_json
from netswap.cluster.report import asked
from netswap.cluster.show.tables import table
from netswap.cluster.study.ask import Asking, Row, beforehand
from netswap.cluster.study.ask import ask as ask_all
from netswap.cluster.study.subject import subject_of


def ask(
    scenario: Path_,
    override: Set = [],  # noqa: B006  (typer copies it)
    machine: Annotated[
        str | None, typer.Option(metavar="NAME", help="the machine that is asked about; default: the first that swaps")
    ] = None,
    budget: Annotated[
        str, typer.Option(metavar="TIME", help="of work, for all runs together, the same on every computer")
    ] = "2min",
    to: Annotated[Path | None, typer.Option("--to", help="where the page goes; default: in a folder of runs/")] = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Ask what people ask of a machine that swaps: which outages it outlives, from where on it wedges, what would save it.

    Exit status: 0 it outlives what was asked, 1 it does not, 2 the input is wrong, 3 or 4 a run failed.
    """
    loaded = loaded_scenario(scenario, override, as_json)
    overrides = (*override, *([f"seed={seed}"] if seed is not None else []))
    subject = checked(lambda: subject_of(scenario, overrides, machine), as_json)
    budget_s = duration_checked("--budget", budget, as_json) / 1e9
    asking = Asking(subject, budget_s, _say_row, processors())
    runs, likely_s = checked(lambda: beforehand(subject), as_json)
    say(_before(asking, runs, likely_s))
    again = line("ask", scenario, set=override, machine=machine, budget=budget, seed=seed, json=as_json)
    with study(as_json, lambda: f"{len(asking.rows)} answers are known and told above; to begin again: {again}"):
        rows = ask_all(asking)
    told = _told(scenario, subject.machine, budget_s, rows)
    folder = folder_for(f"{loaded.title} asked", seed, to.parent if to is not None else None)
    page = None
    if asked.is_possible():
        where = (scenario, loaded.source_text)
        page = asked.write(
            to or folder / "report.html", loaded.title, _sentence(subject.machine, rows), told["rows"], where
        )
    if to is None:
        write_json(folder / "asked.json", told)
    _shown(told | {"page": str(page) if page else None}, rows, _sentence(subject.machine, rows), as_json)
    raise typer.Exit(any(row.good is False and row.facts.get("verdict") for row in rows))


def _before(asking: Asking, runs: int, likely_s: float) -> str:
    return (
        f"{runs} runs, about {likely_s:.0f} s of work in all if each goes to its end; searches if {asking.subject.machine} "
        f"does not outlive one; {asking.budget_s:.0f} s are the most, {asking.processes} runs at a time. A second of work is a "
        "second of CPU time on a fast computer, and several on a busy one"
    )


def _say_row(row: Row) -> None:
    say(f"  {row.question}: {row.answer}")


def _told(scenario: str, machine: str, budget_s: float, rows: list[Row]) -> dict[str, Any]:
    spent = {
        "runs": sum(row.runs for row in rows),
        "cpu_s": round(sum(row.cpu_s for row in rows), 2),
        "work_s": round(sum(row.work_s for row in rows), 2),
    }
    return {
        "scenario": scenario,
        "machine": machine,
        "budget_s": budget_s,
        **spent,
        "rows": [row.as_json() for row in rows],
    }


def _sentence(machine: str, rows: list[Row]) -> str:
    """The answer to all of it, in one sentence."""
    outages = [row for row in rows if row.facts.get("verdict")]
    ill = [row.question for row in outages if row.good is False]
    unknown = [row.question for row in outages if row.good is None]
    rest = f" Not known: {'; '.join(unknown)}." if unknown else ""
    if ill:
        return f"{machine} does not outlive: {'; '.join(ill)}.{rest}"
    if unknown:
        return f"{machine} outlives what is known.{rest}"
    return f"{machine} outlives all that was asked."


def _shown(told: dict[str, Any], rows: list[Row], sentence: str, as_json: bool) -> None:
    if as_json:
        tell(told)
        return
    console = Console()
    colours = {True: "green", False: "bold red", None: ""}
    cells = [
        (
            row.question,
            Text(row.answer, style=colours[row.good]),
            f"{row.runs}",
            f"{row.work_s:.1f} s",
            f"{row.cpu_s:.1f} s",
        )
        for row in rows
    ]
    whole = Text(f"of {told['budget_s']:g} s of work (--budget)")
    cells.append(("all", whole, f"{told['runs']}", f"{told['work_s']:.1f} s", f"{told['cpu_s']:.1f} s"))
    columns = ("question", "answer", "runs", "work", "CPU")
    table(console, columns, cells, right=("runs", "work", "CPU"), folds="answer")
    console.print(sentence, highlight=False)
    if told["page"]:
        print(told["page"])
