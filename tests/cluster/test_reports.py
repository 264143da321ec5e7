"""Public reports of machines that hung, or lost data, or did not: each comes out as it did."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REPORTS = sorted(one.stem for one in (ROOT / "configs" / "reports").glob("*.yaml"))
PAGE = (ROOT / "docs" / "reports.md").read_text()


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_comes_out_as_it_did(netswap, name):
    """All that the file expects; every one of them expects something, and opens with its question and its source."""
    path = ROOT / "configs" / "reports" / f"{name}.yaml"
    opening = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert any("?" in line for line in opening)
    assert any(line.startswith("# Source: ") for line in opening)
    netswap(path).run().check()


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_is_on_its_page(name):
    assert f"configs/reports/{name}.yaml" in PAGE
