"""`netswap minimum`."""

from typing import Annotated

import typer
from rich.console import Console

from netswap.cluster.command.options import Json, Path_, Seed, Set
from netswap.cluster.command.status import checked, tell
from netswap.cluster.command.studies import line, say, study
from netswap.cluster.engine.surroundings import processors
from netswap.cluster.show.progress import Progress
from netswap.cluster.study import present
from netswap.cluster.study.minimum import Answer, Question, edges, narrow, runs_at_most, tries
from netswap.cluster.study.minimum import as_json as searched
from netswap.cluster.study.pool import Pool


def minimum(
    scenario: Path_,
    of: Annotated[str, typer.Option("--of", metavar="KEY", help="a dotted key whose value is a number")],
    until: Annotated[str, typer.Option("--until", metavar="EXPECTATION", help='as "A is recovered"')],
    override: Set = [],  # noqa: B006  (typer copies it)
    least: Annotated[int, typer.Option(min=0, help="the smallest value to try")] = 0,
    most: Annotated[int, typer.Option(min=1, help="the largest value to try")] = 65_536,
    unit: Annotated[str, typer.Option(help="written behind each value, as KiB")] = "",
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Find the smallest value with which an expectation is met, by running the scenario again and again.

    Exit status: 0 found, 1 not even the largest value is enough, 2 the input is wrong, 3 or 4 a run failed.
    """
    overrides = (*override, *([f"seed={seed}"] if seed is not None else []))
    question = Question(scenario, overrides, of, until, unit, min(least, most))
    for value in (question.least, most):
        checked(lambda value=value: question.load(value), as_json)  # type: ignore[misc]
    answer = Answer(most)
    with study(as_json, lambda: _standing(question, answer, override, seed)):
        _search(question, answer)
    if as_json:
        tell(searched(question, answer))
    else:
        present.minimum(Console(), question, answer)
    raise typer.Exit(answer.minimum is None)


def _search(question: Question, answer: Answer) -> None:
    workers = processors()
    total = runs_at_most(question, answer, workers)
    say(f"at most {total} runs, {workers} at a time")
    with Progress(Console(stderr=True), total, at_most=True) as progress, Pool(progress.look, workers) as pool:
        for progress.total in narrow(question, answer, tries(question, pool), workers):
            progress.one_more()


def _standing(question: Question, answer: Answer, override: list[str], seed: int | None) -> str:
    """The bounds that are known save the runs that found them."""
    fails, meets = edges(question, answer)
    known = [
        *([f"{question.of} = {fails}{question.unit} is not enough"] if fails >= question.least else []),
        *([f"{meets}{question.unit} is"] if meets <= answer.most else []),
    ]
    again = line(
        "minimum", question.scenario, of=question.of, until=question.until, set=override, least=fails + 1,
        most=min(meets, answer.most), unit=question.unit, seed=seed,
    )  # fmt: skip
    return f"{len(answer.tried)} runs are done{': ' if known else ''}{', '.join(known)}; to go on: {again}"
