"""The pictures of the documents are those of the runs as they are now."""

import json
import re
import runpy

import pytest
from sessions import ROOT

FOLDER = ROOT / "docs" / "figures"
FIGURES = runpy.run_path(str(FOLDER / "figures.py"))
POLICIES = [FOLDER / f"{safeguards}.svg" for safeguards in FIGURES["POLICIES"]]
DIGESTS = (ROOT / "tests" / "digests" / "digests.txt").read_text()
PROPOSALS = (ROOT / "docs" / "proposals.md").read_text()


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_a_picture_is_of_the_run_that_has_this_digest(path):
    """Drawing them takes minutes; that a run is still the same is known by its digest, where that is committed."""
    told = re.match(r"<!-- (\S+) safeguards=(\S+) digest=([0-9a-f]{64}) -->\n<svg", path.read_text())
    assert told is not None
    assert told[2] == path.stem
    committed = re.findall(rf"^\S+ kernel=linux-2.6.22 safeguards={told[2]} (\w+)$", DIGESTS, re.M)
    assert not committed or told[3] in committed, "make figures"


@pytest.mark.parametrize("name", FIGURES["TABLES"])
def test_a_picture_of_numbers_in_the_repository_is_drawn_from_them_as_they_are(name):
    assert (FOLDER / f"{name}.svg").read_text() == FIGURES["table"](name), "make figures"


def test_every_picture_is_drawn_and_shown():
    """By `make figures`, and in a page."""
    names = {*FIGURES["POLICIES"], *FIGURES["TABLES"]}
    assert {path.stem for path in FOLDER.glob("*.svg")} == names
    pages = "".join(path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    assert all(f"figures/{name}.svg)" in pages for name in names)


def test_the_heat_map_has_a_cell_for_each_of_the_experiment():
    """Five workloads, two kernels, twelve policies; the words are those of the tables, as often as there."""
    cells = [run["shown"]["A.verdict"] for run in FIGURES["matrix"](PROPOSALS).runs]
    assert len(cells) == 5 * 2 * 12
    for verdict in ("wedged", "livelocked", "oom-killed"):
        assert cells.count(verdict) == PROPOSALS.count(f" **{verdict}** |")
    assert set(cells) == {"wedged", "livelocked", "oom-killed", "recovered", "undecided"}


def test_the_cost_to_a_job_is_that_of_ten_runs():
    told = FIGURES["mpi_cost"]((ROOT / "README.md").read_text()).runs
    assert len(told) == 10
    assert told[0]["shown"] == {"A.verdict": "healthy", "A.cost_gib": 0.0, "A.slow_down": 1.0}


@pytest.mark.parametrize("place", [0, pytest.param(-1, marks=pytest.mark.slow)])
def test_what_is_kept_of_the_experiment_is_what_its_runs_give(place):
    """One run of it here; all would take a minute."""
    told = json.loads(FIGURES["KEPT"].read_text())["runs"]
    assert FIGURES["cell"](place) == told[place], "make figures"
