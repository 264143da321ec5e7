"""`minimum`, `remedies` and `claims` as studies: what they say beforehand, and what is left of them when they end early."""

import json
import re
import shlex

import pytest
from typer.testing import CliRunner

from netswap.cluster.claims.claim import CLAIMS, ERA_2_6_22, Claim, Evidence
from netswap.cluster.command import minimum as minimum_command
from netswap.cluster.command import remedies as remedies_command
from netswap.cluster.command.app import app
from netswap.cluster.command.status import INFRASTRUCTURE_FAILED
from netswap.cluster.command.studies import line
from netswap.cluster.engine.surroundings import processors
from netswap.cluster.study.failure import Failure, Kind, RunFailedError
from netswap.cluster.study.remedies import Tried

BEAT = "{title: a beat, stop: 1s, machines: {A: {memory: 16MiB, programs: [{heartbeat: {every: 100ms}}]}}}"
SEARCH = ["minimum", "beat.yaml", "--of", "stop", "--unit", "ms", "--until", "A.progress >= 30", "--most", "7000"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beat.yaml").write_text(BEAT)


def netswap(*words):
    """The command."""
    return CliRunner().invoke(app, list(words))


def answers(threshold, until=None, error=None):
    """In the place of runs: a value is enough from the threshold on; after so many values an error."""
    given = []

    def under(values):
        for value in values:
            if len(given) == until:
                raise error
            given.append(value)
            yield value, value >= threshold

    return lambda *_: under


def test_minimum_says_how_many_runs_it_will_make(monkeypatch):
    """Before the first of them, on standard error."""
    monkeypatch.setattr(minimum_command, "processors", lambda: 3)
    monkeypatch.setattr(minimum_command, "tries", answers(0, 0, KeyboardInterrupt))
    done = netswap(*SEARCH, "--least", "1", "--most", "65")
    assert done.stderr.startswith("at most 11 runs, 3 at a time\n"), (
        "both ends, then 64 / 4 / 4 / 4: three rounds of three"
    )


def test_an_interrupted_search_goes_on_between_the_bounds_it_knows(monkeypatch):
    """The line that it says finds what the whole search finds, in fewer runs than are left of it and two more."""
    monkeypatch.setattr(minimum_command, "processors", lambda: 1)
    monkeypatch.setattr(minimum_command, "tries", answers(3001))
    whole = json.loads(netswap(*SEARCH, "--least", "1", "--json").stdout)
    monkeypatch.setattr(minimum_command, "tries", answers(3001, 6, KeyboardInterrupt))
    stopped = netswap(*SEARCH, "--least", "1")
    assert (stopped.exit_code, stopped.stdout) == (130, "")
    said = re.search(r"interrupted: 6 runs are done: (.*); to go on: netswap (.*)\n", stopped.stderr)
    assert said[1] == "stop = 2625ms is not enough, 3062ms is"
    monkeypatch.setattr(minimum_command, "tries", answers(3001))
    rest = json.loads(netswap(*shlex.split(said[2]), "--json").stdout)
    assert rest["minimum"] == whole["minimum"] == 3001
    assert len(rest["tried"]) <= len(whole["tried"]) - 6 + 2


def test_a_minimum_is_found_in_the_processes_of_a_pool():
    """30 beats of 100 ms each are there at 3000 ms, when the last is counted after that moment."""
    found = netswap(*SEARCH, "--least", "2900", "--most", "3101", "--json")
    assert found.exit_code == 0, found.stderr
    said = json.loads(found.stdout)
    assert said["monotone"]
    assert 2900 < said["minimum"] <= 3001
    assert f"{processors()} at a time" in found.stderr


@pytest.mark.parametrize(
    ("kind", "status", "verdict"),
    [(Kind.INFRASTRUCTURE, 3, "infrastructure failed"), (Kind.INTERNAL, 4, "internal error")],
)
def test_a_search_cannot_go_on_without_a_run_that_failed(monkeypatch, kind, status, verdict):
    """No value is called enough, or not enough, because a process died."""
    monkeypatch.setattr(minimum_command, "tries", answers(9, 2, RunFailedError(Failure(kind, "it died", "trace\n"))))
    done = netswap(*SEARCH, "--json", "--least", "1")
    assert done.exit_code == status
    assert json.loads(done.stdout) == {"verdict": verdict, "error": "it died", "run": None}
    assert "no result: it died; 2 runs are done" in done.stderr


def test_a_program_that_fails_in_a_search_is_told_with_its_place(tmp_path):
    (tmp_path / "beat.yaml").write_text(BEAT.replace("heartbeat: {every: 100ms}", '"programs:Fails": {after: 200ms}'))
    done = netswap(
        "minimum", "beat.yaml", "--of", "seed", "--until", "A is healthy", "--least", "1", "--most", "2", "--json"
    )
    assert done.exit_code == 2
    (error,) = json.loads(done.stdout)["errors"]
    assert error["file"].endswith("programs.py")
    assert error["line"] > 1
    assert error["hint"] == "repair it"


def test_remedies_says_how_many_runs_it_will_make(monkeypatch):
    done = netswap("remedies", "beat.yaml")
    presets, parts = remedies_command.runs_when_ill()
    assert done.stderr.startswith(
        f"one run as it is; if a machine is ill about {presets + parts} more, {presets} of proposals and {parts} of parts\n"
    )


def test_the_runs_that_are_said_are_those_that_are_made(monkeypatch):
    """Where the parts that are missed alone are enough."""
    presets, parts = remedies_command.runs_when_ill()
    made = []

    class Pool:
        def __init__(self, *_):
            """It watches nothing."""

        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda *_: None  # noqa: E731

        def as_they_come(self, _, jobs):
            for number, (_, safeguards) in enumerate(jobs):
                made.append(safeguards)
                helps = safeguards is not None and "drop-at-demux" in safeguards
                yield number, Tried(safeguards, {"A": "recovered" if helps else "wedged"}, None, 0)

    monkeypatch.setattr(remedies_command, "Pool", Pool)
    found = json.loads(netswap("remedies", "beat.yaml", "--json").stdout)
    assert found["fewest"]["safeguards"] == ["drop-at-demux"]
    assert len(made) == 1 + presets + parts


def test_interrupted_remedies_begin_again(monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(remedies_command, "as_it_is", interrupted)
    done = netswap("remedies", "beat.yaml", "--seed", "0", "--set", "stop=2s")
    assert done.exit_code == 130
    assert "to begin again: netswap remedies beat.yaml --set stop=2s --seed 0\n" in done.stderr


def test_interrupted_claims_go_on_with_those_that_are_left(monkeypatch):
    """Rows 1001 and 1002 of three: the second is interrupted."""

    def interrupted(_):
        raise KeyboardInterrupt

    for row, show in ((1001, lambda _: Evidence()), (1002, interrupted), (1003, lambda _: Evidence())):
        monkeypatch.setitem(CLAIMS, (row, ERA_2_6_22), Claim(row, ERA_2_6_22, "planted", "a test", show))
    one_after_the_other = lambda work, jobs, watch: map(work, jobs)  # noqa: E731
    monkeypatch.setattr("netswap.cluster.claims.prove.side_by_side", one_after_the_other)
    done = netswap("claims", "--only", "1001", "--only", "1002", "--only", "1003")
    assert done.exit_code == 130
    assert "1 of 3 have been shown; for the others: netswap claims --only 1002 --only 1003\n" in done.stderr


def test_a_claim_whose_process_is_killed_is_not_shown_and_the_others_are(monkeypatch):
    died = Failure(Kind.INFRASTRUCTURE, "its process was killed by SIGKILL")
    monkeypatch.setattr(
        "netswap.cluster.claims.prove.side_by_side", lambda work, jobs, watch: iter([died, work(jobs[1])])
    )
    for row in (1001, 1002):
        claim = Claim(row, ERA_2_6_22, "planted", "a test", lambda _: Evidence())
        monkeypatch.setitem(CLAIMS, (row, ERA_2_6_22), claim)
    done = netswap("claims", "--only", "1001", "--only", "1002", "--json")
    first, second = json.loads(done.stdout)["claims"]
    assert done.exit_code == INFRASTRUCTURE_FAILED
    assert (first["holds"], first["seen"]) == (False, {"could not be shown": "its process was killed by SIGKILL"})
    assert second["holds"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "netswap sweep 'a b.yaml'"),
        (
            {"run_dir": "out", "json": True, "address": None, "unit": ""},
            "netswap sweep 'a b.yaml' --run-dir out --json",
        ),
        ({"set": ["a=1", "b=x y"], "least": 0}, "netswap sweep 'a b.yaml' --set a=1 --set 'b=x y' --least 0"),
        ({"only": [1, 2], "ablation": False}, "netswap sweep 'a b.yaml' --only 1 --only 2"),
    ],
)
def test_a_line_that_goes_on_can_be_typed(options, said):
    assert line("sweep", "a b.yaml", **options) == said
