"""Each example prints what is stored beside it, and stands in the list of examples."""

from pathlib import Path

import pytest
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
