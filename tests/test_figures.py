"""The pictures of the documents are those of the runs as they are now."""

import re

import pytest
from sessions import ROOT

PICTURES = sorted((ROOT / "docs" / "figures").glob("*.svg"))
DIGESTS = (ROOT / "tests" / "digests" / "digests.txt").read_text()


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_of_the_run_that_has_this_digest(path):
    """Drawing them takes minutes; that a run is still the same is known by its digest, where that is committed."""
    told = re.match(r"<!-- (\S+) safeguards=(\S+) digest=([0-9a-f]{64}) -->\n<svg", path.read_text())
    assert told is not None
    assert told[2] == path.stem
    committed = re.findall(rf"^\S+ kernel=linux-2.6.22 safeguards={told[2]} (\w+)$", DIGESTS, re.M)
    assert not committed or told[3] in committed, "make figures"


def test_there_are_pictures():
    assert [path.stem for path in PICTURES] == ["min-free-20", "none", "recursive-reclaim", "reserve"]
