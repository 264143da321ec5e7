"""A sweep loses nothing: rows are written as they come, the same command goes on, and a run that fails is a row."""

import errno
import fcntl
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from netswap.cluster.command.app import app
from netswap.cluster.engine.engine import InfrastructureError
from netswap.cluster.engine.surroundings import processors
from netswap.cluster.lab import open_scenario
from netswap.cluster.scenario import load
from netswap.cluster.study import sweep
from netswap.cluster.study.experiment import load_experiment
from netswap.cluster.study.failure import Failure, Kind
from netswap.cluster.study.journal import FILE, BusyError, Journal, UnwrittenError, journal_in
from netswap.cluster.study.pool import safely
from netswap.cluster.study.sweep import key_of

SCENARIO = """\
title: a beat
stop: 2s
machines:
  A: {memory: 16MiB, programs: [{heartbeat: {every: 100ms}}]}
expect: [A is healthy]
"""
EXPERIMENT = """\
title: beats
scenario: beat.yaml
vary:
  machines.A.programs.0.heartbeat.every: [100ms, 200ms, 500ms]
  seed: [1, 2]
show: [A.verdict, A.progress, A.slow_down]
"""
CELLS = 6
BEATS = [20, 20, 10, 10, 4, 4]
RESULTS = ("results.json", "results.csv")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Each test works in a folder of its own, with an experiment in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beat.yaml").write_text(SCENARIO)
    (tmp_path / "beats.yaml").write_text(EXPERIMENT)
    return tmp_path


class Here:
    """Runs the jobs of a sweep in this process, and counts them; `instead` may do something else with some of them."""

    def __init__(self):
        self.ran = []
        self.instead = {}

    def __call__(self, jobs):
        for number, job in enumerate(jobs):
            varied = (job[0].words.machines["A"].programs[0].heartbeat.every // 10**6, job[0].seed)
            self.ran.append(varied)
            yield number, safely(self.instead.get(varied, sweep.perform), job)

    def performers(self, *_):
        """In the place of `sweep.performers`."""
        return contextmanager(lambda: (yield self))()


@pytest.fixture
def here(monkeypatch):
    """No process is needed to see what stands in a journal."""
    here = Here()
    monkeypatch.setattr(sweep, "performers", here.performers)
    return here


def swept(*words, status=0):
    """What the command prints."""
    done = CliRunner().invoke(app, ["sweep", "beats.yaml", "--run-dir", "out", *words])
    assert done.exit_code == status, (done.stdout, done.stderr, done.exception)
    return done


def results():
    """The bytes of the files."""
    return [Path("out", name).read_bytes() for name in RESULTS]


def lines():
    """Of the journal."""
    return Path("out", FILE).read_text().splitlines(keepends=True)


def undisturbed():
    """Table and results of a sweep that nothing happened to; the journal is taken away."""
    said = swept().stdout, results()
    for file in Path("out").iterdir():
        file.unlink()
    return said


def test_the_same_command_runs_nothing_twice(here):
    first = swept().stdout, results()
    assert len(here.ran) == CELLS
    again = swept()
    assert (again.stdout, results()) == first
    assert len(here.ran) == CELLS
    assert "6 of 6 runs are in out/rows.jsonl already" in again.stderr


@pytest.mark.parametrize("kept", range(CELLS + 1))
def test_a_sweep_that_was_cut_off_ends_as_one_that_was_not(here, kept):
    """Byte for byte, wherever it was cut; only what is missing is run."""
    expected = undisturbed()
    swept()
    rows = lines()
    Path("out", FILE).write_text("".join(rows[:kept]))
    here.ran.clear()
    assert (swept().stdout, results()) == expected
    assert len(here.ran) == CELLS - kept
    assert sorted(lines()) == sorted(rows)


@pytest.mark.parametrize("end", [1, 40, -1])
def test_a_torn_last_line_is_no_row(here, end):
    """One that lacks its end, even if that is the end of the line only."""
    expected = undisturbed()
    swept()
    rows = lines()
    Path("out", FILE).write_text("".join(rows[:-1]) + rows[-1][:end])
    here.ran.clear()
    again = swept()
    assert (again.stdout, results()) == expected
    assert len(here.ran) == 1
    assert "1 lines there are no rows" in again.stderr
    assert lines() == rows


@pytest.mark.parametrize(
    "line", ["garbage", "[]", "3", "{}", '{"key": 3}', '{"key": "a"}', "null", "\x00\x00", "[" * 9999]
)
def test_what_is_no_row_is_left_alone(here, line):
    """Whatever it is, and in the midst of others."""
    expected = undisturbed()
    swept()
    rows = lines()
    Path("out", FILE).write_text("".join([*rows[:2], line, "\n", *rows[3:]]))
    here.ran.clear()
    assert (swept().stdout, results()) == expected
    assert len(here.ran) == 1


def test_a_row_of_the_right_key_whose_fields_are_not_there_is_run_again(here):
    swept()
    key = json.loads(lines()[0])["key"]
    for row in ({"shown": {}}, {"failed": "so"}, {"shown": None, "met": 1, "digest": ""}):
        with Path("out", FILE).open("a") as file:
            print(json.dumps({"key": key, **row}), file=file)
        here.ran.clear()
        swept()
        assert here.ran == [(100, 1)]


def test_two_cells_that_are_the_same_are_one_run(here):
    Path("beats.yaml").write_text(EXPERIMENT.replace("[1, 2]", "[1, 2, 1]"))
    said = json.loads(swept("--json").stdout)
    assert len(here.ran) == CELLS
    assert len(said["runs"]) == 9
    assert said["runs"][0] == {**said["runs"][2], "varied": said["runs"][0]["varied"]}


def test_what_is_compared_is_compared_with_the_first_run_whoever_ran_it(here):
    """20 beats of 2 s beside 10 and 4, also when the first row comes from another process."""
    swept()
    Path("out", FILE).write_text(lines()[0])
    assert [run["shown"]["A.slow_down"] for run in json.loads(swept("--json").stdout)["runs"]] == [
        20 / beats for beats in BEATS
    ]


def test_rows_of_what_is_no_longer_asked_for_are_left_alone(here):
    """The row stays in the file: a user that puts the value back finds the row."""
    swept()
    Path("beats.yaml").write_text(EXPERIMENT.replace("200ms", "250ms"))
    changed = swept()
    assert len(here.ran) == CELLS + 2
    assert "2 rows there are of no run of this experiment" in changed.stderr
    Path("beats.yaml").write_text(EXPERIMENT)
    swept()
    assert len(here.ran) == CELLS + 2


KEYED = SCENARIO.replace("title", "kernel: linux-6.11\ntitle")


@pytest.mark.parametrize(
    ("changed", "show"),
    [
        (KEYED.replace("2s", "3s"), ["A.verdict"]),
        (KEYED.replace("healthy", "not wedged"), ["A.verdict"]),
        (KEYED.replace("16MiB", "17MiB"), ["A.verdict"]),
        (KEYED, ["A.progress"]),
        (KEYED, ["A.verdict", "A.progress"]),
    ],
)
def test_a_row_is_known_by_all_that_it_follows_from(changed, show):
    assert key_of(load(changed), show) != key_of(load(KEYED), ["A.verdict"])


def test_how_it_is_written_is_no_part_of_the_key():
    written = (
        KEYED.replace("16MiB", "16384KiB").replace("kernel: linux-6.11\n", "# A comment\n") + "kernel: linux-6.11\n"
    )
    assert key_of(load(written), ["A.verdict"]) == key_of(load(KEYED), ["A.verdict"])


def test_another_netswap_or_another_program_of_the_users_makes_other_rows(folder, monkeypatch):
    """What a class of one's own does stands in its file, not in the scenario."""
    program = folder / "own_beat.py"
    text = "class Beat:\n    def run(self, system):\n        yield system.sleep_until(10**9)\n"
    program.write_text(text)
    monkeypatch.syspath_prepend(folder)
    own = load(SCENARIO.replace("heartbeat: {every: 100ms}", "own_beat:Beat: {}").replace("expect", "# expect"))
    keys = [key_of(own, ["A.verdict"])]
    program.write_text(text + "# changed\n")
    keys.append(key_of(own, ["A.verdict"]))
    monkeypatch.setattr(sweep, "version", lambda _: "999")
    keys.append(key_of(own, ["A.verdict"]))
    assert len(set(keys)) == 3


# -- what fails -------------------------------------------------------------------------------------------------------


def fails(with_error):
    """A job that does."""

    def instead(job):
        raise with_error

    return instead


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (InfrastructureError("the disk is gone"), 3, "the disk is gone"),
        (MemoryError(), 3, "this computer has not enough memory for it"),
        (ZeroDivisionError("ours"), 4, "netswap failed: ZeroDivisionError: ours"),
    ],
)
def test_a_run_that_fails_is_a_row_with_its_reason(here, error, status, reason):
    """The others are run and told; no verdict stands in its row, and it is compared with nothing."""
    here.instead[200, 1] = fails(error)
    said = json.loads(swept("--json", status=status).stdout)["runs"]
    assert said[2] == {
        "varied": {"machines.A.programs.0.heartbeat.every": "200ms", "seed": 1},
        "shown": {"A.verdict": None, "A.progress": None, "A.slow_down": None},
        "met": None,
        "digest": None,
        "failed": reason,
    }
    assert [run["failed"] for run in said].count(None) == CELLS - 1
    table = swept(status=status).stdout
    assert re.search(r"^200ms +1 +failed +- +- *$", table, flags=re.M)
    assert f"failed: machines.A.programs.0.heartbeat.every=200ms, seed=1: {reason}\n" in table
    assert "6 runs, 0 of which missed an expectation, 1 failed; written to out" in table
    assert f"200ms,1,,,,,,{reason}\r\n" in Path("out/results.csv").read_bytes().decode()


def test_a_program_of_the_users_that_fails_is_the_inputs_failure():
    """In a process of its own, where it is found by the same path: status 2, and the place in the program."""
    Path("beats.yaml").write_text(
        EXPERIMENT.replace("machines.A.programs.0.heartbeat.every: [100ms, 200ms, 500ms]", "stop: [500ms, 2s]")
    )
    Path("beat.yaml").write_text(SCENARIO.replace("heartbeat: {every: 100ms}", '"programs:Fails": {after: 1s}'))
    said = json.loads(swept("--json", status=2).stdout)["runs"]
    assert [run["failed"] is None for run in said] == [True, True, False, False]
    assert re.search(r"programs\.py:\d+:1: .*; repair it", said[2]["failed"])


def test_where_the_first_run_failed_nothing_is_compared_with_it(here):
    here.instead[100, 1] = fails(MemoryError())
    said = json.loads(swept("--json", status=3).stdout)["runs"]
    assert {run["shown"]["A.slow_down"] for run in said} == {None}
    assert [run["shown"]["A.progress"] for run in said] == [None, *BEATS[1:]]


def test_a_failure_is_no_result_and_is_tried_again(here):
    """When the reason has gone, the sweep is what it would have been."""
    expected = undisturbed()
    here.instead[200, 1] = fails(MemoryError())
    swept(status=3)
    here.instead.clear()
    here.ran.clear()
    assert (swept().stdout, results()) == expected
    assert here.ran == [(200, 1)]


def test_a_failure_goes_before_an_expectation_that_is_missed(here):
    """Status 1 says that an expectation was not met, and nothing else."""
    Path("beat.yaml").write_text(SCENARIO.replace("A is healthy", "A.progress > 5"))
    swept(status=1)
    here.instead[200, 1] = fails(MemoryError())
    Path("out", FILE).unlink()
    swept(status=3)


def test_an_interrupt_tells_what_is_saved_and_the_line_that_goes_on(here):
    """The line is one that does."""
    expected = undisturbed()
    here.instead[500, 1] = fails(KeyboardInterrupt())
    stopped = swept(status=130)
    assert stopped.stdout == ""
    said = re.search(r"interrupted: 4 of 6 runs are in out/rows.jsonl; to go on: netswap (.*)\n", stopped.stderr)
    here.instead.clear()
    here.ran.clear()
    done = CliRunner().invoke(app, shlex.split(said[1]))
    assert (done.stdout, results()) == expected
    assert here.ran == [(500, 1), (500, 2)]


def test_without_a_folder_the_line_that_goes_on_is_told_before_the_first_run(here):
    """Each such sweep has a folder of its own, and SIGKILL says nothing."""
    done = CliRunner().invoke(app, ["sweep", "beats.yaml"])
    assert "go on with: netswap sweep beats.yaml --run-dir runs/beats-1\n" in done.stderr
    again = CliRunner().invoke(app, ["sweep", "beats.yaml", "--run-dir", "runs/beats-1"])
    assert len(here.ran) == CELLS
    assert again.stdout == done.stdout


# -- the disk ---------------------------------------------------------------------------------------------------------


@contextmanager
def a_disk_that_is_full_after(size):
    """Of the journal; what still fits is written, as Linux does."""
    write = os.pwrite

    def full(file, data, at):
        if at >= size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data[: size - at], at)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        yield


def test_a_full_disk_costs_one_run_and_is_the_infrastructures_failure(here):
    """Half of the third row fits: it is taken back."""
    expected = undisturbed()
    swept()
    rows = lines()
    size = sum(map(len, rows[:2])) + len(rows[2]) // 2
    Path("out", FILE).unlink()
    with a_disk_that_is_full_after(size):
        stopped = swept(status=3)
    assert "out cannot be written to: No space left on device; 2 of 6 runs are in out/rows.jsonl" in stopped.stderr
    assert lines() == rows[:2]
    here.ran.clear()
    assert (swept().stdout, results()) == expected
    assert len(here.ran) == CELLS - 2


def test_results_that_cannot_be_written_cost_neither_table_nor_rows(here, monkeypatch):
    """Told first, and what was there before stays whole."""
    expected = swept().stdout, results()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        stopped = swept(status=3)
    assert (stopped.stdout, results()) == expected
    assert "No space left on device" in stopped.stderr
    assert {file.name for file in Path("out").iterdir()} == {FILE, *RESULTS}


def test_a_folder_without_room_for_rows_is_found_before_the_first_run(here):
    Path("out").mkdir()
    Path("out", FILE).mkdir()
    assert "cannot be written to: Is a directory" in swept(status=3).stderr
    assert here.ran == []


def test_two_sweeps_never_write_to_one_folder(here):
    """The second is an error of the input; when the first has gone, it may."""
    Path("out").mkdir()
    with journal_in(Path("out")):
        said = json.loads(swept("--json", status=2).stdout)["errors"][0]
        assert (said["file"], said["message"]) == ("--run-dir out", "another sweep writes to this folder")
        with pytest.raises(BusyError), journal_in(Path("out")):
            pass
    assert here.ran == []
    swept()


def test_without_the_lock_both_would_have_written(monkeypatch):
    """The twin."""
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    Path("out").mkdir()
    with journal_in(Path("out")) as one, journal_in(Path("out")) as other:
        one.add("a", {"row": 1})
        other.add("b", {"row": 2})
    with journal_in(Path("out")) as left:
        assert left.rows.keys() == {"b"}


def test_a_row_is_on_the_disk_when_it_has_been_added(folder, monkeypatch):
    """Each line is written whole, and brought to the disk, before the next run is looked at."""
    brought = []
    monkeypatch.setattr(os, "fsync", lambda file: brought.append(os.fstat(file).st_size))
    with journal_in(folder) as journal:
        for number in range(3):
            journal.add(str(number), {})
            assert brought[number:] == [(folder / FILE).stat().st_size]


def test_what_cannot_be_opened_says_why(folder):
    with pytest.raises(UnwrittenError, match="No such file"), journal_in(folder / "nowhere"):
        pass


def test_a_stored_failure_is_the_failure(folder):
    """Also its kind, which decides the status, and the traceback."""
    one = Failure(Kind.INTERNAL, "netswap failed: so", "Traceback")
    with sweep.sweep_in(folder, load_experiment("beats.yaml")) as begun:
        list(begun.perform_left(lambda jobs: iter([(0, one)])))
        assert begun.rows()[0].failed == one


# -- processes --------------------------------------------------------------------------------------------------------

KILLER = """\
import os
import signal
from dataclasses import dataclass


@dataclass
class Beat:
    number: int
    last: int

    def run(self, system):
        with open("ran.txt", "a") as file:
            print(self.number, file=file)
        if self.number == self.last and not os.path.exists("killed"):
            open("killed", "w").close()
            os.kill(WHOM, signal.SIGKILL)
            signal.pause()
        for _ in range(self.number):
            yield system.sleep_until(system.now_ns + 10**6)
            system.progress.add(1)
"""


@pytest.fixture
def killer(folder, monkeypatch):
    """An experiment whose last run kills somebody once, when it begins; how to sweep it, and what was run."""

    def prepared(whom):
        last = processors() + 2
        (folder / "killer.py").write_text(KILLER.replace("WHOM", whom))
        (folder / "beat.yaml").write_text(
            "{title: a beat, stop: 2s, machines: {A: {memory: 16MiB, programs: [{'killer:Beat': "
            f"{{number: 1, last: {last}}}}}]}}}}}}"
        )
        (folder / "beats.yaml").write_text(
            "{title: beats, scenario: beat.yaml, show: [A.progress], vary: {machines.A.programs.0.killer:Beat.number: "
            f"{list(range(1, last + 1))}}}}}"
        )
        return last

    def run():
        done = subprocess.run(
            [sys.executable, "-m", "netswap", "sweep", "beats.yaml", "--run-dir", "out"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), str(folder)])},
            capture_output=True,
            text=True,
            timeout=200,
        )
        ran = sorted(map(int, (folder / "ran.txt").read_text().split()))
        (folder / "ran.txt").unlink()
        return done, ran

    return prepared, run


def test_a_sweep_that_is_killed_goes_on_and_ends_as_if_it_had_not_been(folder, killer):
    """SIGKILL in the last run: of the others, no more than there are processes beside it are run again."""
    prepare, run = killer
    last = prepare("os.getppid()")
    first, ran = run()
    assert first.returncode == -signal.SIGKILL
    assert ran[-1] == last
    written = len(lines())
    assert last - processors() <= written < last
    again, ran = run()
    assert again.returncode == 0, again.stderr
    assert len(ran) == last - written
    assert f"{written} of {last} runs are in out/rows.jsonl already" in again.stderr
    disturbed = again.stdout, results()
    for file in Path("out").iterdir():
        file.unlink()
    whole, ran = run()
    assert ran == list(range(1, last + 1))
    assert (whole.stdout, results()) == disturbed


def test_a_worker_that_is_killed_is_a_row_and_the_sweep_goes_to_its_end(killer):
    prepare, run = killer
    last = prepare("os.getpid()")
    first, _ = run()
    assert first.returncode == 3
    assert f"Beat.number={last}: its process was killed by SIGKILL, as where memory runs out\n" in first.stdout
    assert len(lines()) == last
    again, ran = run()
    assert (again.returncode, ran) == (0, [last])


def test_each_row_has_the_digest_of_its_run_by_itself(here):
    swept()
    stored = Journal(os.open(Path("out", FILE), os.O_RDWR)).rows
    for run in load_experiment("beats.yaml").runs:
        with open_scenario(run.scenario) as cluster:
            digest = cluster.run().digest()
        assert stored[key_of(run.scenario, ["A.verdict", "A.progress", "A.slow_down"])]["digest"] == digest
