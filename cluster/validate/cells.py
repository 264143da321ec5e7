"""Cells of an experiment, as a csv has them: one row a run of the real machine, its settings and what became of it."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Final

from netswap.cluster.scenario.errors import Problem, ScenarioError
from netswap.cluster.scenario.words import nearest

PUBLIC: Final = Path(str(files("netswap"))) / "configs" / "validation" / "cells.csv"
"""The cells that come with the project."""
_USUAL: Final[dict[str, str]] = {
    "nic": "virtio-net-pci",
    "swap_path": "direct",
    "rx_head_fix": "0",
    "workload": "anon",
    "flood": "none",
    "svc": "",
    "pps": "6000",
    "partition_s": "10",
    "partmode": "drop",
    "flood_before_partition_s": "5",
    "ram_mb": "128",
    "min_free_kb": "1074",
    "udp_mem": "default",
    "tcp_mem": "default",
    "boost": "default",
    "other_keys": "",
}
"""The columns that make the machine, with what an empty field means."""
_RESULTS: Final = ("cell", "verdict", "recover_s_after_heal")
_SEEN_BESIDE: Final = (
    "run",
    "PFMemallocDrop",
    "pswpin",
    "pswpout",
    "swap_reqs_after_heal",
    "oom_kills",
    "min_free_seen_kb",
    "max_udp_pages",
    "max_tcp_pages",
    "max_frag_bytes",
    "rto",
    "hb_rate_before",
    "hb_rate_after",
)
"""What else was seen; nothing here reads it."""
ROWS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting of the real machine, and its runs. `line`: where it stands first."""

    name: str
    file: str
    line: int
    settings: Mapping[str, str]
    """By column."""
    extra: Mapping[str, str]
    """By key of `other_keys`."""
    verdicts: tuple[str, ...] = ()
    """The verdict of each run, as written."""
    recovered_s: tuple[float, ...] = ()
    """The time of each run that recovered, seconds after the heal."""

    def of(self, column: str) -> str:
        """What stands in a column."""
        return self.settings[column]

    def problem(self, column: str, message: str, hint: str) -> ScenarioError:
        """What is wrong in a column."""
        return ScenarioError([Problem(self.file, self.line, 1, f"{self.name}, {column}: {message}", hint)])

    def number(self, column: str, least: int = 0, most: int = 10_000_000) -> int:
        """A column that is a whole number. Raises ScenarioError."""
        return self._whole(column, self.settings[column], least, most)

    def extra_number(self, key: str, usual: int, least: int = 1, most: int = 1 << 40) -> int:
        """A key of `other_keys` that is a whole number; `usual` if it is not there. Raises ScenarioError."""
        return self._whole(f"other_keys, {key}", self.extra[key], least, most) if key in self.extra else usual

    def word(self, column: str, known: Sequence[str]) -> str:
        """A column that is one of these words. Raises ScenarioError."""
        value = self.settings[column]
        if value not in known:
            raise self.problem(column, f'there is no "{value}"', nearest(value, known))
        return value

    def _whole(self, what: str, text: str, least: int, most: int) -> int:
        try:
            value = float(text)
        except ValueError:
            raise self.problem(what, f'"{text}" is no number', "write a whole number") from None
        if not (value.is_integer() and least <= value <= most):
            raise self.problem(what, f"{text} is out of range", f"write a whole number from {least} to {most}")
        return int(value)

    @property
    def real_s(self) -> float | None:
        """The median of the times to recover; None if no run did."""
        return median(self.recovered_s) if self.recovered_s else None


def read(path: Path = PUBLIC) -> tuple[list[Cell], list[str]]:
    """The cells of a csv, in its order, and the columns that nothing here knows. Raises ScenarioError, OSError."""
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise ScenarioError([Problem(str(path), 1, 1, f"this is no csv: {error}", "separate by commas")]) from None
    if not rows or "cell" not in rows[0]:
        known = ", ".join((*_RESULTS, *_USUAL))
        raise ScenarioError(
            [Problem(str(path), 1, 1, "there is no column cell", f"the first line names columns: {known}")]
        )
    if len(rows) > ROWS_MAX:
        raise ScenarioError([Problem(str(path), ROWS_MAX, 1, "these are too many rows", f"write at most {ROWS_MAX}")])
    columns = rows[0]
    cells: dict[tuple[str, ...], Cell] = {}
    for line, row in enumerate(rows[1:], 2):
        if not any(field.strip() for field in row):
            continue
        if len(row) != len(columns):
            hint = f"write {len(columns)}, and quotes around one that has commas"
            raise ScenarioError([Problem(str(path), line, 1, f"{len(row)} fields", hint)])
        _add(cells, path, line, {name: field.strip() for name, field in zip(columns, row, strict=True)})
    return list(cells.values()), [one for one in columns if one not in (*_RESULTS, *_USUAL, *_SEEN_BESIDE)]


def _add(cells: dict[tuple[str, ...], Cell], path: Path, line: int, row: Mapping[str, str]) -> None:
    """One more run: of a cell that is there already, or of a new one."""
    settings = {name: row.get(name) or usual for name, usual in _USUAL.items()}
    key = (row["cell"], *settings.values())
    before = cells.get(key) or Cell(row["cell"], str(path), line, settings, _extra(path, line, settings["other_keys"]))
    verdict, time = row.get("verdict", ""), row.get("recover_s_after_heal", "")
    cells[key] = Cell(
        before.name,
        before.file,
        before.line,
        settings,
        before.extra,
        (*before.verdicts, verdict) if verdict else before.verdicts,
        (*before.recovered_s, _time(path, line, time)) if time else before.recovered_s,
    )


def _time(path: Path, line: int, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        hint = "write seconds, or nothing"
        raise ScenarioError([Problem(str(path), line, 1, f'"{text}" is no time to recover', hint)]) from None


def _extra(path: Path, line: int, text: str) -> dict[str, str]:
    """key=value, with spaces between them."""
    extra: dict[str, str] = {}
    for one in text.split():
        key, equals, value = one.partition("=")
        if not (key and equals and value):
            hint = "write key=value, with spaces between them"
            raise ScenarioError([Problem(str(path), line, 1, f'other_keys: "{one}" has no value', hint)])
        extra[key] = value
    return extra
