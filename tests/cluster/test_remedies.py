"""`netswap remedies`: what would have helped, and at what cost."""

import json

import pytest
from scenes import outage, seed
from typer.testing import CliRunner

from netswap.cluster.command.app import app
from netswap.cluster.study import remedies
from netswap.cluster.study.remedies import Tried

PARTS = ["reserve-access", "memalloc-processing", "drop-at-demux", "slab-rule"]


def tried(safeguards, *, helps):
    """A run that has been done."""
    return Tried(safeguards, {"A": "recovered" if helps else "wedged"}, 1 if helps else None, 0)


def under(needed):
    """What a run says where all of these are needed, or all of one list of several."""
    ways = [needed] if isinstance(needed[0], str) else needed
    return lambda jobs: [tried(job, helps=any(set(way) <= set(job) for way in ways)) for job in jobs]


def test_the_fewest_are_those_that_are_missed_alone():
    found = remedies.fewest(PARTS, under(["reserve-access", "drop-at-demux"]))
    assert found.safeguards == ["reserve-access", "drop-at-demux"]


def test_where_one_can_stand_in_for_another_one_of_them_stays():
    """Neither is missed alone; both together are."""
    found = remedies.fewest(PARTS, under([["reserve-access", "slab-rule"], ["reserve-access", "drop-at-demux"]]))
    assert found.helps
    assert not any(
        under([["reserve-access", "slab-rule"], ["reserve-access", "drop-at-demux"]])(
            [[part for part in found.safeguards if part != one] for one in found.safeguards]
        )[index].helps
        for index, one in enumerate(found.safeguards)
    )


def test_there_may_be_no_help_among_them():
    assert remedies.fewest(PARTS, under(["rx-head"])) is None


@pytest.fixture
def scenario(tmp_path):
    """The seed's deadlock, as a file."""
    path = tmp_path / "seed.yaml"
    path.write_text(seed(stop="12s", timeline=outage("1s", "2s"), flood_from="1s", safeguards="none"))
    return path


def test_what_would_have_helped_the_machine_of_2007(scenario):
    """Access to the reserve and the drop at demux, as the message says; each proposal is told of, and what it keeps."""
    done = CliRunner().invoke(app, ["remedies", str(scenario), "--json"])
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert found["as_is"]["verdicts"] == {"A": "wedged"}
    assert found["fewest"]["helps"]
    assert {"reserve-access", "drop-at-demux"} <= set(found["fewest"]["safeguards"])
    helps = {one["safeguards"][0]: one["helps"] for one in found["presets"]}
    assert helps["reserve"]
    assert not helps["recursive-reclaim"]
    kept = {one["safeguards"][0]: one["kept_pages"] for one in found["presets"]}
    assert kept["min-free-20"] > kept["reserve"] > kept["recursive-reclaim"] == found["as_is"]["kept_pages"]


def test_who_is_well_needs_no_help(tmp_path):
    path = tmp_path / "beat.yaml"
    path.write_text(
        "{title: a beat, stop: 1s, machines: {A: {memory: 16MiB, programs: [{heartbeat: {every: 100ms}}]}}}"
    )
    done = CliRunner().invoke(app, ["remedies", str(path)])
    assert done.exit_code == 0
    assert "nobody needs help" in done.stdout


def test_a_slip_is_told_as_everywhere(tmp_path):
    done = CliRunner().invoke(app, ["remedies", str(tmp_path / "nothing.yaml")])
    assert done.exit_code == 2
