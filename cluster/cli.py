"""The command `netswap`."""

import json
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console

from actors.counters import CAUSES, COUNTERS
from actors.kernels import KERNELS
from actors.programs.loader import PROGRAMS
from actors.programs.task import ProgramError
from actors.safeguards import PRESETS, SWITCHES
from cluster import present
from cluster.engine import InfrastructureError
from cluster.experiment import as_json as sweep_as_json
from cluster.experiment import load_experiment, performed, results_folder, write_results
from cluster.minimum import Question, search
from cluster.minimum import as_json as searched
from cluster.remedies import Patient
from cluster.remedies import as_json as remedies_found
from cluster.remedies import command_line as remedies_line
from cluster.remedies import search as search_remedies
from cluster.runs import How, command_line, folder_for, terminal
from cluster.runs import run as run_scenario
from cluster.scenario import Problem, Scenario, ScenarioError, load
from cluster.surroundings import is_compiled

if TYPE_CHECKING:
    from cluster.claims.ablation import Ablated
    from cluster.claims.prove import Shown

Tested = TypeVar("Tested", "Shown", "Ablated")
Loaded = TypeVar("Loaded")

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A laboratory for swapping over the network: which machines deadlock, why, and what saves them.",
)

INPUT_IS_WRONG = 2
INFRASTRUCTURE_FAILED = 3
INTERRUPTED = 130


class EngineName(StrEnum):
    """Where the actors run."""

    RAY = "ray"
    INLINE = "inline"


class ExchangeName(StrEnum):
    """How batches travel between actors on Ray."""

    GRAPH = "graph"
    CALLS = "calls"


class EraName(StrEnum):
    """Whose rules."""

    LINUX_2_6_22 = "linux-2.6.22"
    LINUX_6_11 = "linux-6.11"


class Topic(StrEnum):
    """What `netswap list` knows."""

    SAFEGUARDS = "safeguards"
    PROGRAMS = "programs"
    COUNTERS = "counters"
    CAUSES = "causes"
    KERNELS = "kernels"


Path_ = Annotated[str, typer.Argument(metavar="SCENARIO", help="a YAML file")]
Set = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="override a key, dotted; the value is YAML")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")]


@app.callback(invoke_without_command=True)
def top(show_version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    """A laboratory for swapping over the network."""
    if show_version:
        print(f"netswap {version('netswap')}{' (compiled)' if is_compiled() else ''}")
        raise typer.Exit


@app.command()
def run(
    scenario: Path_,
    engine: Annotated[EngineName, typer.Option(help="on Ray, or all in this process")] = EngineName.RAY,
    machines_per_actor: Annotated[int, typer.Option(min=1, help="machines in each Ray actor")] = 1,
    address: Annotated[
        str | None, typer.Option(help="an existing Ray cluster (auto, host:port); default: a private one")
    ] = None,
    exchange: Annotated[
        ExchangeName, typer.Option(help="on Ray: through a compiled graph, or by plain calls")
    ] = ExchangeName.GRAPH,
    override: Set = [],  # noqa: B006  (typer copies it)
    seed: Annotated[int | None, typer.Option(help="the number all chance comes from")] = None,
    as_json: Json = False,
    run_dir: Annotated[Path | None, typer.Option(help="the run's folder; default runs/TITLE-SEED-N")] = None,
    ray_logs: Annotated[bool, typer.Option("--ray-logs", help="show Ray's own messages")] = False,
) -> None:
    """Run a scenario and judge it.

    Exit status: 0 all expectations met, 1 one was not (or the run proves nothing), 2 the input is wrong, 3 Ray failed.
    """
    overrides = [*override, *([f"seed={seed}"] if seed is not None else [])]
    loaded = _load(scenario, overrides, as_json)
    how = How(str(engine), machines_per_actor, str(exchange), address, ray_logs)
    folder = _folder(lambda: folder_for(loaded.title, loaded.seed, run_dir), run_dir, as_json)
    resolved = loaded.resolved()
    line = command_line(scenario, how, override, seed)
    try:
        with (
            terminal(how, folder) as screen,
            present.ProgressLine(
                Console(file=screen.err, quiet=as_json), loaded.title, resolved["stop_ns"], resolved["stall_after_ns"]
            ) as progress,
        ):
            finished = run_scenario(loaded, how, folder, line, progress)
    except ProgramError as error:
        problem = Problem(error.file, error.line, 1, error.message, f"repair it; what there is stands in {folder}")
        raise _wrong([problem], as_json) from None
    except InfrastructureError as error:
        raise typer.Exit(_failed(error, folder, as_json)) from None
    except KeyboardInterrupt:
        print(f"interrupted; what there is stands in {folder}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print(json.dumps(finished.summary))
    else:
        present.show(Console(), finished.summary, remedies_line(scenario, overrides))
    raise typer.Exit(finished.result.exit_status)


@app.command()
def claims(
    only: Annotated[list[int], typer.Option("--only", metavar="ROW", help="this row; may be given again")] = [],  # noqa: B006
    era: Annotated[EraName | None, typer.Option(help="only the rules of this kernel")] = None,
    ablation: Annotated[bool, typer.Option("--ablation", help="take away each part of the reserve instead")] = False,
    as_json: Json = False,
) -> None:
    """Put every claim of the argument to the test: what is predicted, and what is seen.

    Exit status: 0 all hold, 1 one does not, 2 there is no such row.
    """
    from cluster.claims import prove  # every scenario of it is read by then

    try:
        chosen = prove.choose(only, era)
    except prove.UnknownRow as error:
        raise _wrong([Problem("--only", 1, 1, *error.args)], as_json) from None
    if ablation:
        raise _prove("ablation", prove.ablations(), None if as_json else present.ablated)
    raise _prove("claims", prove.prove(chosen), None if as_json else present.claim)


def _prove(name: str, tested: Iterator[Tested], show: Callable[[Console, Tested], None] | None) -> typer.Exit:
    """Show each as it comes, or all as one object."""
    console = Console()
    shown = []
    for one in tested:
        shown.append(one)
        if show is not None:
            show(console, one)
    hold = sum(one.holds for one in shown)
    if show is None:
        print(json.dumps({name: [one._asdict() for one in shown], "hold": hold, "fail": len(shown) - hold}))
    else:
        print(f"{hold} hold, {len(shown) - hold} fail")
    return typer.Exit(hold < len(shown))


@app.command()
def minimum(
    scenario: Path_,
    of: Annotated[str, typer.Option("--of", metavar="KEY", help="a dotted key whose value is a number")],
    until: Annotated[str, typer.Option("--until", metavar="EXPECTATION", help='as "A is recovered"')],
    override: Set = [],  # noqa: B006  (typer copies it)
    least: Annotated[int, typer.Option(min=0, help="the smallest value to try")] = 0,
    most: Annotated[int, typer.Option(min=1, help="the largest value to try")] = 65_536,
    unit: Annotated[str, typer.Option(help="written behind each value, as KiB")] = "",
    seed: Annotated[int | None, typer.Option(help="the number all chance comes from")] = None,
    as_json: Json = False,
) -> None:
    """Find the smallest value with which an expectation is met, by running the scenario again and again.

    Exit status: 0 found, 1 not even the largest value is enough, 2 the input is wrong.
    """
    overrides = (*override, *([f"seed={seed}"] if seed is not None else []))
    question = Question(scenario, overrides, of, until, unit, min(least, most))
    for value in (question.least, most):
        _checked(lambda value=value: question.load(value), as_json)  # type: ignore[misc]
    answer = search(question, most)
    if as_json:
        print(json.dumps(searched(question, answer)))
    else:
        present.minimum(Console(), question, answer)
    raise typer.Exit(answer.minimum is None)


@app.command()
def remedies(
    scenario: Path_,
    override: Set = [],  # noqa: B006  (typer copies it)
    seed: Annotated[int | None, typer.Option(help="the number all chance comes from")] = None,
    as_json: Json = False,
) -> None:
    """Find out what would have helped, by running the scenario under every proposal and under parts of the reserve.

    Exit status: 0 something helps, or nobody needs help; 1 nothing does; 2 the input is wrong.
    """
    overrides = (*override, *([f"seed={seed}"] if seed is not None else []))
    patient = Patient(scenario, overrides)
    _checked(patient.load, as_json)
    screen = Console(stderr=True, quiet=as_json)
    found = search_remedies(patient, lambda tried: present.counted(screen, tried))
    if as_json:
        print(json.dumps(remedies_found(patient, found)))
    else:
        present.remedies(Console(), found)
    helps = not found.as_is.ill or found.fewest or any(one.helps for one in found.presets)
    raise typer.Exit(not helps)


@app.command()
def sweep(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="a YAML file")],
    engine: Annotated[
        EngineName, typer.Option(help="each run as a task on Ray, or in a process here")
    ] = EngineName.INLINE,
    address: Annotated[str | None, typer.Option(help="an existing Ray cluster; default: a private one")] = None,
    as_json: Json = False,
    run_dir: Annotated[Path | None, typer.Option(help="the folder for results; default runs/TITLE-N")] = None,
) -> None:
    """Run a scenario with every combination of some settings.

    Exit status: 0 all expectations of all runs met, 1 one was not, 2 the input is wrong, 3 Ray failed.
    """
    loaded = _checked(lambda: load_experiment(experiment), as_json)
    folder = _folder(lambda: results_folder(loaded, run_dir), run_dir, as_json)
    try:
        with performed(loaded, str(engine), address, folder) as rows:
            done = list(present.counted(Console(stderr=True, quiet=as_json), rows, len(loaded.runs)))
    except InfrastructureError as error:
        raise typer.Exit(_failed(error, folder, as_json)) from None
    write_results(folder, loaded, done)
    if as_json:
        print(json.dumps(sweep_as_json(loaded, done)))
    else:
        present.sweep(Console(), loaded, done, folder)
    raise typer.Exit(not all(row.met for row in done))


@app.command()
def check(scenario: Path_, override: Set = [], as_json: Json = False) -> None:  # noqa: B006  (typer copies it)
    """Check a scenario without running it."""
    loaded = _load(scenario, override, as_json)
    resolved = loaded.resolved()
    if as_json:
        print(json.dumps({"errors": [], "scenario": loaded.title, "machines": len(resolved["machines"])}))
    else:
        print(
            f"{scenario}: {loaded.title}: {len(resolved['machines'])} machines, {len(resolved['timeline'])} faults, "
            f"{len(loaded.expectations)} expectations in force"
        )


@app.command("list")
def list_(topic: Topic) -> None:
    """List what scenarios can name."""
    rows = {
        Topic.SAFEGUARDS: [
            *((name, preset.doc) for name, preset in PRESETS.items()),
            *((name, switch.doc) for name, switch in SWITCHES.items() if name not in PRESETS),
        ],
        Topic.PROGRAMS: [(name, (program.__doc__ or "").split("\n")[0]) for name, program in PROGRAMS.items()],
        Topic.COUNTERS: list(COUNTERS.items()),
        Topic.CAUSES: list(CAUSES.items()),
        Topic.KERNELS: [(name, kernel.doc) for name, kernel in KERNELS.items()],
    }[topic]
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print(f"{name:<{width}}  {text}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenarios, for editors."""
    print(json.dumps(Scenario.schema(), indent=2))


def _load(scenario: str, overrides: list[str], as_json: bool) -> Scenario:
    """The scenario, or all its errors on standard error and exit status 2."""
    return _checked(lambda: load(Path(scenario), overrides=overrides), as_json)


def _checked(loaded: Callable[[], Loaded], as_json: bool) -> Loaded:
    """What was loaded, or all errors on standard error and exit status 2."""
    try:
        return loaded()
    except ScenarioError as error:
        raise _wrong(error.problems, as_json) from None


def _folder(made: Callable[[], Path], asked: Path | None, as_json: bool) -> Path:
    """The run's folder, made; or why it cannot be, and exit status 2."""
    try:
        return made()
    except OSError as error:
        label = f"--run-dir {asked or 'runs'}"
        problem = Problem(label, 1, 1, f"this cannot be a folder: {error.strerror}", "name one that can be written to")
        raise _wrong([problem], as_json) from None


def _wrong(problems: list[Problem], as_json: bool) -> typer.Exit:
    """Say what is wrong with the input."""
    for problem in problems:
        print(problem, file=sys.stderr)
    if as_json:
        fields = ("file", "line", "column", "message", "hint")
        print(json.dumps({"errors": [{name: getattr(problem, name) for name in fields} for problem in problems]}))
    return typer.Exit(INPUT_IS_WRONG)


def _failed(error: InfrastructureError, folder: Path, as_json: bool) -> int:
    print(f"Ray failed, which is no result: {error}; its logs are in {folder / 'ray'}", file=sys.stderr)
    if as_json:
        print(json.dumps({"verdict": "infrastructure failed", "error": str(error), "run": str(folder)}))
    return INFRASTRUCTURE_FAILED


def main() -> None:
    """Entry point."""
    app()


if __name__ == "__main__":
    main()
