"""What a run leaves to be looked at, as far as the libraries for it are there."""

import sys
from pathlib import Path

from netswap.cluster.record import store
from netswap.cluster.record.plan import Plan
from netswap.cluster.runs import Finished
from netswap.cluster.scenario import Scenario
from netswap.cluster.scenario.words import RECORDED


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
