"""`netswap trace` makes a file that a scenario runs on, and says what is wrong with its input as all verbs do."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from netswap.cluster.command.app import app

LACKEY = "I  04001090,3\n S 1ffefffe78,8\nI  04001093,3\n L 1fff000f78,8\n L 1ffefffe78,8\n"
SCENARIO = (
    "title: followed\nstop: 1s\nmachines: {A: {programs: [rank: {trace: made.trace}]}}\nexpect: [A is finished]\n"
)


def said(*words: object) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exit_code, done.stdout, done.stderr


def test_a_trace_that_is_made_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "accesses.txt").write_text(LACKEY)
    (tmp_path / "followed.yaml").write_text(SCENARIO)
    status, out, _ = said("trace", "lackey", "accesses.txt", "-o", "made.trace")
    assert (status, out) == (0, "3 touches of 2 pages in 0.000000 s, written to made.trace\n")
    status, _, _ = said("run", "followed.yaml", "--engine", "inline", "--run-dir", "run")
    assert status == 0


def test_json_is_one_object(tmp_path: Path) -> None:
    (tmp_path / "accesses.txt").write_text(LACKEY)
    status, out, _ = said("trace", "lackey", tmp_path / "accesses.txt", "-o", tmp_path / "made.trace", "--json")
    told = json.loads(out)
    assert (status, told["touches"], told["tool"]) == (0, 3, "lackey")


def test_a_line_that_is_none_is_an_error_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "accesses.txt"
    file.write_text(f"{LACKEY}nonsense\n")
    status, out, err = said("trace", "lackey", file, "-o", tmp_path / "made.trace", "--json")
    assert status == 2
    assert err.startswith(f'{file}:6:1: line 6: "nonsense" is no line of lackey; ')
    assert json.loads(out)["errors"][0]["line"] == 6
    assert not (tmp_path / "made.trace").exists()


def test_a_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    status, _, err = said("trace", "perf", tmp_path / "nothing", "-o", tmp_path / "made.trace")
    assert status == 2
    assert "there is no such file" in err


def test_a_trace_that_cannot_be_written_is_no_mistake_of_the_input(tmp_path: Path) -> None:
    (tmp_path / "accesses.txt").write_text(LACKEY)
    status, _, err = said("trace", "lackey", tmp_path / "accesses.txt", "-o", tmp_path / "no" / "made.trace")
    assert status == 3
    assert "made.trace" in err
