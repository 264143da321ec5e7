"""A run's folder, opened again: its result, and its series as pandas frames."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from netswap.cluster.record import store
from netswap.cluster.show import html


class Run:
    """What a run has left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def result(self) -> dict[str, Any]:
        """The one JSON object of the run. Raises FileNotFoundError."""
        told: dict[str, Any] = json.loads((self.folder / "result.json").read_text())
        return told

    @cached_property
    def resolved(self) -> dict[str, Any]:
        """The scenario as it ran: whole numbers in base units. Raises FileNotFoundError."""
        told: dict[str, Any] = json.loads((self.folder / "resolved.json").read_text())
        return told

    @property
    def scenario(self) -> str:
        """The text of the scenario, before any override. Raises FileNotFoundError."""
        return (self.folder / "scenario.yaml").read_text()

    @property
    def version(self) -> str:
        """The netswap that wrote it; "0.2.0 or older" where it does not say."""
        return str(self.result.get("version", "0.2.0 or older"))

    @property
    def has_series(self) -> bool:
        """Whether series have been recorded."""
        return (self.folder / store.FOLDER / "series.parquet").exists()

    def series(self, table: str = "series") -> Any:
        """One of the tables of `netswap.cluster.record.columns.TABLES`, as a pandas frame.

        Raises FileNotFoundError where it was not recorded, ValueError if there is no such table, ImportError where the
        libraries of `netswap[see]` are missing.
        """
        return store.read(self.folder, table)

    def _repr_html_(self) -> str:
        """The result, for notebooks."""
        return html.of_result(self.result)


def open_run(folder: str | Path) -> Run:
    """Open the folder of a run. Raises FileNotFoundError if there is no result in it."""
    run = Run(Path(folder))
    if not (run.folder / "result.json").exists():
        raise FileNotFoundError(f"{folder} is no folder of a run that has ended: there is no result.json in it")
    return run
