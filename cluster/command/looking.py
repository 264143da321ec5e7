"""What a run leaves to be looked at, as far as the libraries for it are there."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from netswap.cluster.command.status import wrong
from netswap.cluster.lab.runs import Finished
from netswap.cluster.record import store
from netswap.cluster.record.plan import Plan
from netswap.cluster.report import page
from netswap.cluster.report.opened import Run, open_run
from netswap.cluster.scenario import Problem, Scenario
from netswap.cluster.scenario.words import RECORDED

REPORT: Final = "report.html"


def asked(record: str | None) -> list[str]:
    """What `--record` says, as an override."""
    if record is None:
        return []
    return [f"record.machines={record}" if record in RECORDED else f"record.machines=[{record}]"]


def plan_of(scenario: Scenario) -> Plan | None:
    """What is recorded; nothing, and a sentence about it, where the libraries are missing."""
    if scenario.plan is not None and not store.is_possible():
        print(f"no series are kept: {store.missing()}", file=sys.stderr)
        return None
    return scenario.plan


def keep(folder: Path, scenario: Scenario, finished: Finished) -> None:
    """Leave the series in the run's folder. Raises OSError."""
    if finished.record is not None and scenario.plan is not None:
        store.write(folder, finished.record, scenario.plan)


def reported(folder: Path) -> Path | None:
    """Make the report of a run whose series have been kept, and say where it is. Raises OSError."""
    if not (folder / store.FOLDER).exists() or not page.is_possible():
        return None
    return page.write(folder / REPORT, [open_run(folder)])


def opened(runs: Sequence[Path]) -> list[Run]:
    """These runs, and the libraries to look at them; otherwise the end, with status 2."""
    if not page.is_possible():
        raise wrong([Problem("netswap report", 1, 1, "libraries are missing", store.missing())], False)
    found, problems = [], []
    for run in runs:
        try:
            found.append(open_run(run))
        except FileNotFoundError as error:
            problems.append(Problem(str(run), 1, 1, str(error), "name the folder of a run, as runs/TITLE-1-1"))
    if problems:
        raise wrong(problems, False)
    return found
