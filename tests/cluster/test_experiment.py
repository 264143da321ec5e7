"""`netswap sweep`: every combination of some settings, told in order."""

import csv
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from netswap.cluster.command.app import app
from netswap.cluster.lab import open_cluster
from netswap.cluster.scenario import ScenarioError
from netswap.cluster.study.experiment import load_experiment

SCENARIO = """\
title: a beat
stop: 2s
machines:
  A: {memory: 16MiB, programs: [{heartbeat: {every: 100ms}}]}
  B: {memory: 16MiB}
expect: [A is healthy]
"""
EXPERIMENT = """\
title: beats
scenario: beat.yaml
set: {stop: 3s}
vary:
  machines.A.programs.0.heartbeat.every: [100ms, 500ms]
  seed: [1, 2]
show: [A.verdict, A.progress]
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a scenario and an experiment."""
    (tmp_path / "beat.yaml").write_text(SCENARIO)
    (tmp_path / "beats.yaml").write_text(EXPERIMENT)
    return tmp_path


def sweep(folder, *words):
    """The command with --json; its exit status and object."""
    done = CliRunner().invoke(
        app, ["sweep", str(folder / "beats.yaml"), "--run-dir", str(folder / "out"), "--json", *words]
    )
    return done.exit_code, json.loads(done.stdout)


def problems(folder, old, new):
    """What is wrong with the experiment once a part of it has been replaced."""
    (folder / "beats.yaml").write_text(EXPERIMENT.replace(old, new))
    with pytest.raises(ScenarioError) as raised:
        load_experiment(folder / "beats.yaml")
    return [(one.line, one.column, one.message, one.hint) for one in raised.value.problems]


def test_each_combination_is_a_run_in_the_order_of_the_axes(folder):
    """3 s are 30 beats of 100 ms, or 6 of 500 ms."""
    status, found = sweep(folder)
    assert status == 0
    assert [list(run["varied"].values()) for run in found["runs"]] == [
        ["100ms", 1],
        ["100ms", 2],
        ["500ms", 1],
        ["500ms", 2],
    ]
    assert [run["shown"]["A.progress"] for run in found["runs"]] == [30, 30, 6, 6]
    assert {run["shown"]["A.verdict"] for run in found["runs"]} == {"healthy"}


def test_a_run_of_a_sweep_is_the_run_it_would_be_by_itself(folder):
    """The same digest."""
    _, found = sweep(folder)
    with open_cluster(folder / "beat.yaml", stop="3s", seed=2) as cluster:
        assert cluster.run().digest() == found["runs"][1]["digest"]


def test_an_expectation_that_one_run_misses_is_an_exit_status_of_1(folder):
    """The others are told all the same."""
    (folder / "beat.yaml").write_text(SCENARIO.replace("A is healthy", "A.progress == 30"))
    status, found = sweep(folder)
    assert status == 1
    assert [run["met"] for run in found["runs"]] == [True, True, False, False]


def test_the_results_stand_in_a_folder(folder):
    """As JSON and as comma-separated values."""
    _, found = sweep(folder)
    assert json.loads((folder / "out" / "results.json").read_text()) == found
    with (folder / "out" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["A.progress"] for row in rows] == ["30", "30", "6", "6"]


def test_several_scenarios_are_an_axis(folder):
    """The first one."""
    (folder / "other.yaml").write_text(SCENARIO.replace("100ms", "1s"))
    (folder / "beats.yaml").write_text(
        EXPERIMENT.replace("beat.yaml", "[beat.yaml, other.yaml]").split("vary")[0] + "show: [A.progress]"
    )
    _, found = sweep(folder)
    assert found["axes"] == ["scenario"]
    assert [run["shown"]["A.progress"] for run in found["runs"]] == [30, 3]


def test_a_value_that_the_scenario_refuses_is_told_where_the_experiment_has_it(folder):
    """All of them at once, each once."""
    assert problems(folder, "[100ms, 500ms]", "[100mss, 500ms, 1]") == [
        (
            5,
            3,
            'machines.A.programs.0.heartbeat.every=100mss: every: "mss" in "100mss" is no unit of time',
            "write 100ms, or another of ns, us, ms, s, min, h",
        ),
        (5, 3, 'machines.A.programs.0.heartbeat.every=1: every: "1" has no unit', "write 1s or 1ms"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("vary:", "varry:", 4, 'unknown key "varry"'),
        ("A.progress", "A.progres", 7, '"A.progres" cannot be shown'),
        ("A.progress", "progress", 7, '"progress" cannot be shown'),
        ("A.progress", "X.progress", 7, '"X.progress" cannot be shown'),
        ("title: beats\n", "", 1, '"title" is missing'),
    ],
)
def test_bad_input_is_told_with_its_place(folder, old, new, line, message):
    """Line, what is wrong, and a hint."""
    (found_line, _, found, hint), *_ = problems(folder, old, new)
    assert (found_line, found) == (line, message)
    assert hint


@pytest.mark.ray
def test_a_sweep_on_ray_gives_the_same_runs(folder):
    """Each as a task on a private cluster of its own; in a process of its own, since here Ray may be up already."""
    _, here = sweep(folder)
    words = ["sweep", "beats.yaml", "--run-dir", "out", "--engine", "ray", "--json"]
    done = subprocess.run([sys.executable, "-m", "netswap", *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == here


COUNTED = """\
title: four beats
stop: 2s
machines:
  A: {count: 4, memory: 16MiB, programs: [{heartbeat: {every: 100ms}}]}
"""


def test_of_a_counted_name_counters_are_summed_and_compared_with_the_first_run(folder):
    """4 times 20 beats, then 4 times 10; a fifth of 16 MiB is 819 pages, where the kernel's own minimum is 128."""
    (folder / "beat.yaml").write_text(COUNTED)
    text = """\
title: beats
scenario: beat.yaml
vary:
  machines.A.programs.0.heartbeat.every: [100ms, 200ms]
  safeguards: [none, min-free-20]
show: [A.verdict, A.progress, A.slow_down, A.cost_gib, A.stalled_ns, A3.progress]
"""
    (folder / "beats.yaml").write_text(text)
    _, said = sweep(folder)
    more = round(4 * (4096 // 5 - 128) * 4096 / 2**30, 3)
    assert [list(run["shown"].values()) for run in said["runs"]] == [
        ["healthy", 80, 1.0, 0.0, 0, 20],
        ["healthy", 80, 1.0, more, 0, 20],
        ["healthy", 40, 2.0, 0.0, 0, 10],
        ["healthy", 40, 2.0, more, 0, 10],
    ]
