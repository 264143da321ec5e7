"""The page of what was asked about a machine."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from netswap.cluster.report.page import question, rendered


def is_possible() -> bool:
    """Whether the library is there that makes pages."""
    return find_spec("jinja2") is not None and find_spec("vl_convert") is not None


def write(path: Path, title: str, sentence: str, rows: Sequence[Mapping[str, Any]], scenario: tuple[str, str]) -> Path:
    """Write it; a row is question, answer, good, runs, work_s, cpu_s, command; `scenario`: path and text. Raises OSError."""
    part = path.with_name(f"{path.name}.part")
    text = rendered(
        "ask.html",
        title=title,
        question=question(scenario[1]),
        sentence=sentence,
        ill=any(row["good"] is False and row["facts"].get("verdict") for row in rows),
        rows=rows,
        scenario_path=scenario[0],
        scenario=scenario[1],
        charts={},
    )
    part.write_text(text, encoding="utf-8")
    part.replace(path)
    return path
