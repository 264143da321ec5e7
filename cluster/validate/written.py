"""The cells as scenario files, for people who want to run or change one."""

from collections.abc import Sequence
from pathlib import Path

from netswap.cluster.validate import mapping
from netswap.cluster.validate.cells import PUBLIC, Cell

FOLDER = PUBLIC.parent


def texts(cells: Sequence[Cell]) -> dict[str, str]:
    """The text of each, by the name of its file. Raises ScenarioError."""
    found: dict[str, str] = {}
    for cell in cells:
        said = mapping.scenario(cell)
        real = ", ".join(dict.fromkeys(cell.verdicts)) or "not known"
        time = "" if cell.real_s is None else f", after {cell.real_s:.1f} s"
        head = [
            "Made by `netswap validate --write` from a row of cells.csv: change that, or cluster/validate/guest.py.",
            f"The real machine: {real}{time}.",
            *(f"Approximate: {note}." for note in said.notes),
        ]
        found[f"{cell.name.replace('/', '-')}.yaml"] = "".join(f"# {line}\n" for line in head) + said.text()
    return found


def write(cells: Sequence[Cell], folder: Path) -> None:
    """Write them. Raises ScenarioError, OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts(cells).items():
        (folder / name).write_text(text, encoding="utf-8")
