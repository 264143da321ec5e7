"""Each example prints what is stored beside it, and stands in the list of examples."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from sessions import ROOT, Session, checkout, session

EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/session.txt"))
LIST = (ROOT / "examples" / "README.md").read_text()


def stored(example: Path) -> Session:
    """What stands beside an example."""
    return session((example / "session.txt").read_text())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_prints_what_is_stored_beside_it(example: Path, tmp_path: Path) -> None:
    """Run as its first line says, from the root of the repository."""
    printed = stored(example).run(checkout(tmp_path))
    assert stored(example).matches(printed), printed


def test_every_example_has_its_line_and_its_output() -> None:
    """No folder stands beside the list."""
    folders = [path for path in sorted((ROOT / "examples").iterdir()) if path.is_dir()]
    assert folders == EXAMPLES
    for example in EXAMPLES:
        assert f"({example.name}/session.txt)" in LIST
        assert stored(example).shown


def test_an_output_that_differs_in_one_line_is_seen() -> None:
    """The dots stand for whole lines, and for nothing within one."""
    one = session("$ two\nthe first\n...\nthe last\n")
    assert one.matches("the first\nanything\nthe last\n")
    assert not one.matches("the first, and more\nthe last\n")
    assert not one.matches("the first\nthe last\none too many\n")


NOTEBOOKS = sorted((ROOT / "examples").rglob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_its_first_cell_to_its_last(path: Path) -> None:
    """What it claims are assertions of its own; it is stored without outputs, and each cell that ends in a value shows one."""
    stored = nbformat.read(path, as_version=4)
    assert all(not cell.outputs for cell in stored.cells if cell.cell_type == "code")
    run = NotebookClient(stored, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    shown = [cell.outputs[-1]["data"] for cell in run.cells if cell.cell_type == "code" and cell.outputs]
    assert len(shown) >= 4
    assert all("text/html" in data for data in shown)
    assert f"({path.relative_to(ROOT / 'examples')})" in LIST
