"""The scenarios that the benchmarks measure: a benchmark is run by hand, and seldom, so that a mistake in one would stay."""

import runpy
from pathlib import Path

import pytest

from netswap.cluster.scenario import load

SCENES = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "scenes.py"))
TEXTS = {name: value for name, value in SCENES.items() if isinstance(value, str) and "\nmachines:\n" in value}
RINGS = {f"a ring of {count}": text for count, text in SCENES["RINGS"].items()}


@pytest.mark.parametrize("name", [*(name for name in TEXTS if not name.startswith("_")), *RINGS])
def test_a_scenario_that_is_measured_has_no_mistakes(name: str) -> None:
    """Which a benchmark would only find after half an hour."""
    assert load((TEXTS | RINGS)[name]).words.machines


def test_all_scenarios_are_among_them() -> None:
    """None escapes by its form: what the text of the module has as a scenario is there."""
    some = {"FLOOD", "PAGE_OUTS", "BOTH", "HALO", "RING", "IDLE", "STREAM", "BEATS", "MEMORY", "HOUR_WEDGED"}
    assert some <= set(TEXTS)
