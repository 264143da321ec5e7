"""Every combination of an experiment, run and told: a row for each, in the journal as soon as it is known.

A run is known by its key, a hash of all that its row follows from. A row that is in the journal is not made again; one that
failed is no result, and is tried again.
"""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from netswap.cluster.engine.shipping import own_modules
from netswap.cluster.engine.surroundings import processors
from netswap.cluster.judge.expectations import JUDGED, look_up
from netswap.cluster.judge.verdict import Verdict
from netswap.cluster.judge.views import MachineView
from netswap.cluster.lab.cluster import open_scenario
from netswap.cluster.lab.runs import folder_for
from netswap.cluster.scenario import Scenario
from netswap.cluster.scenario.resolve import cast_of
from netswap.cluster.scenario.resolved import Resolved
from netswap.cluster.study.experiment import BEHIND, COST, SLOW_DOWN, Experiment
from netswap.cluster.study.failure import Failure, Kind
from netswap.cluster.study.journal import Journal, journal_in
from netswap.cluster.study.pool import Pool, Watch, nobody
from netswap.protocol.rpc import PAGE

GIB = 1 << 30


class Seen(NamedTuple):
    """What is kept of a run that has ended. `met`: whether all its expectations were."""

    shown: dict[str, Any]
    met: bool
    digest: str


class Row(NamedTuple):
    """What became of one run: of one that failed there is nothing but its reason."""

    varied: dict[str, Any]
    shown: dict[str, Any]
    met: bool | None
    digest: str | None
    failed: Failure | None


Job = tuple[Scenario, tuple[str, ...]]
Outcomes = Iterator[tuple[int, Seen | Failure]]


def perform(job: Job) -> Seen:
    """Run one combination to its end, in this process."""
    scenario, show = job
    with open_scenario(scenario) as cluster:
        views = cluster.run().views()
        cast = cast_of(scenario.words)
        shown = {name: _told([views[one] for one in cast.members(name.partition(".")[0])], name) for name in show}
        return Seen(shown, all(outcome.met for outcome in cluster.outcomes()), cluster.digest())


def _told(views: Sequence[MachineView], name: str) -> Any:
    """What is to be told of one machine, or of all that have one name."""
    attribute = name.partition(".")[2]
    if attribute == "verdict":
        return str(min((view.verdict for view in views), key=list(Verdict).index))
    seen: list[Any] = [look_up(view, BEHIND.get(attribute, attribute)) for view in views]
    if attribute not in JUDGED:
        return sum(seen)
    return max((time_ns for time_ns in seen if time_ns is not None), default=None)


def key_of(scenario: Scenario, show: Sequence[str]) -> str:
    """SHA-256 (hex) of all that a row follows from.

    That is the resolved scenario, what it expects, what is shown, the version of netswap, and the files of programs of the
    user's own.
    """
    resolved = scenario.resolved()
    whole = {
        "netswap": version("netswap"),
        "scenario": resolved.as_json(),
        "expect": [[one.text, list(one.machines)] for one in scenario.expectations],
        "show": list(show),
        "programs": _own_programs(resolved),
    }
    return sha256(json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _own_programs(resolved: Resolved) -> dict[str, str]:
    """SHA-256 of the module of each program that is the user's own."""
    kinds = {kind for machine in resolved.machines for kind, _ in machine.programs}
    found = {}
    for module in sorted({kind.partition(":")[0] for kind in kinds if ":" in kind}):
        with suppress(ImportError, ValueError, OSError):
            spec = find_spec(module)
            if spec is not None and spec.origin is not None:
                found[module] = sha256(Path(spec.origin).read_bytes()).hexdigest()
    return found


@dataclass(frozen=True, slots=True)
class Sweep:
    """An experiment and what is known of it by now."""

    experiment: Experiment
    journal: Journal
    keys: tuple[str, ...]
    """The key of each run of the experiment, in its order."""

    @property
    def total(self) -> int:
        """Runs that differ."""
        return len(set(self.keys))

    @property
    def known(self) -> int:
        """The combinations of which there is a result."""
        return self.total - len(self._left())

    @property
    def strange(self) -> int:
        """Rows of the journal that belong to no run of the experiment."""
        return len(self.journal.rows.keys() - set(self.keys))

    def modules(self) -> set[str]:
        """The user's own modules that its runs import."""
        return {name for run in self.experiment.runs for name in own_modules(run.scenario.resolved())}

    def perform_left(self, outcomes: Callable[[Sequence[Job]], Outcomes]) -> Iterator[None]:
        """Run what has no result, and write each row when it is there; then `None` is given back.

        `outcomes` runs jobs and gives back the number of each and what came of it. Raises `UnwrittenError`.
        """
        left = self._left()
        keys = list(left)
        for number, outcome in outcomes([(scenario, self.experiment.show) for scenario in left.values()]):
            self.journal.add(keys[number], _stored(outcome))
            yield

    def _left(self) -> dict[str, Scenario]:
        runs = zip(self.keys, self.experiment.runs, strict=True)
        return {key: run.scenario for key, run in runs if not isinstance(self._outcome(key), Seen)}

    def _outcome(self, key: str) -> Seen | Failure | None:
        """What the journal says of a run; None where it says nothing that can be used."""
        row = self.journal.rows.get(key)
        with suppress(TypeError, KeyError, ValueError, AttributeError):
            if row is not None and "failed" in row:
                failed = row["failed"]
                return Failure(Kind(failed["kind"]), str(failed["reason"]), str(failed["trace"]))
            if row is not None:
                shown = {name: row["shown"][name] for name in self.experiment.show}
                return Seen(shown, bool(row["met"]), str(row["digest"]))
        return None

    def rows(self) -> list[Row]:
        """All runs in the order of the experiment, each beside the first; every run has been performed."""
        outcomes = [self._outcome(key) for key in self.keys]
        first = outcomes[0].shown if outcomes and isinstance(outcomes[0], Seen) else {}
        return [
            _row(run.varied, outcome, first, self.experiment.show)
            for run, outcome in zip(self.experiment.runs, outcomes, strict=True)
        ]


def _stored(outcome: Seen | Failure) -> dict[str, Any]:
    if isinstance(outcome, Seen):
        return outcome._asdict()
    return {"failed": {"kind": outcome.kind, "reason": outcome.reason, "trace": outcome.trace}}


def _row(varied: dict[str, Any], outcome: Seen | Failure | None, first: dict[str, Any], show: Sequence[str]) -> Row:
    if isinstance(outcome, Seen):
        shown = {name: _beside(name, first.get(name), outcome.shown[name]) for name in show}
        return Row(varied, shown, outcome.met, outcome.digest, None)
    return Row(varied, dict.fromkeys(show), None, None, outcome or Failure(Kind.INTERNAL, "it has not been run"))


def _beside(name: str, first: Any, seen: Any) -> Any:
    attribute = name.partition(".")[2]
    if attribute == COST:
        return None if first is None else round((seen - first) * PAGE / GIB, 3)
    if attribute == SLOW_DOWN:
        return round(first / seen, 3) if seen and first is not None else None
    return seen


@contextmanager
def sweep_in(folder: Path, experiment: Experiment) -> Iterator[Sweep]:
    """An experiment with the journal of its results folder. Raises `BusyError` or `UnwrittenError`."""
    keys = tuple(key_of(run.scenario, experiment.show) for run in experiment.runs)
    with journal_in(folder) as journal:
        yield Sweep(experiment, journal, keys)


@contextmanager
def performers(
    engine: str, address: str | None, folder: Path, watch: Watch = nobody, modules: Iterable[str] = ()
) -> Iterator[Callable[[Sequence[Job]], Outcomes]]:
    """What runs jobs: processes here, or with engine "ray" tasks. Raises `InfrastructureError`.

    `modules`: the user's own, which the nodes of a cluster at `address` are sent.
    """
    if engine == "inline":
        with Pool(watch) as pool:
            yield lambda jobs: pool.as_they_come(perform, jobs)
        return
    from netswap.cluster.engine.on_ray import session
    from netswap.cluster.study.on_ray import tasks

    with session(processes=processors(), address=address, logs=folder / "ray", modules=modules):
        yield lambda jobs: tasks(perform, jobs, watch)


def results_folder(experiment: Experiment, asked: Path | None) -> Path:
    """Makes the folder that the results go to. Raises OSError."""
    return folder_for(experiment.title, None, asked)


def write_results(folder: Path, experiment: Experiment, rows: list[Row]) -> None:
    """The results as JSON, and as a table of values separated by commas. Raises OSError."""
    _write(folder / "results.json", json.dumps(as_json(experiment, rows), indent=1) + "\n")
    text = StringIO(newline="")
    table = csv.writer(text)
    table.writerow([*experiment.axes, *experiment.show, "met", "digest", "failed"])
    table.writerows([*row.varied.values(), *row.shown.values(), row.met, row.digest, _why(row)] for row in rows)
    _write(folder / "results.csv", text.getvalue())


def _write(path: Path, text: str) -> None:
    """Write a whole file, or none."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(text.encode())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def as_json(experiment: Experiment, rows: list[Row]) -> dict[str, Any]:
    """An experiment and what came of it as one object."""
    runs = [{**row._asdict(), "failed": _why(row)} for row in rows]
    return {"experiment": experiment.title, "axes": list(experiment.axes), "runs": runs}


def _why(row: Row) -> str | None:
    return row.failed.reason if row.failed else None
