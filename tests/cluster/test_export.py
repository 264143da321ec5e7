"""An export runs a run again: the same scenario from its folder, and it has to come out the same."""

import json
from pathlib import Path

import pytest
from exported import Heard, kept, run
from typer.testing import CliRunner, Result

from netswap.cluster.command import export as command
from netswap.cluster.command.app import app
from netswap.cluster.export import folder, window
from netswap.cluster.export.replay import replayed
from netswap.cluster.scenario import ScenarioError, load

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted([*(ROOT / "configs").glob("*.yaml"), *(ROOT / "configs" / "claims").glob("*.yaml")])
WRITTEN, WRONG_INPUT, DISK = 0, 2, 3
ENDS = """
title: one that stalls
stop: 3s
machines:
  A: {memory: 64MiB, swap: {server: C, size: 64MiB}, programs: [{rank: {working_set: 80MiB, touch: 1MiB, compute: 1ms}}]}
  C: {programs: [{swap-server: {}}]}
timeline: [{at: 500ms, partition: [C], for: 1500ms}]
expect: []
"""


def export(original: folder.Original, *words: str) -> Result:
    """`netswap export` of a run, in this process."""
    result = CliRunner().invoke(app, ["export", str(original.folder), *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def original(tmp_path: Path) -> folder.Original:
    """A run in a folder that the test may change."""
    for name in ("resolved.json", "result.json", "scenario.yaml"):
        (tmp_path / name).write_bytes((run("nbd").folder / name).read_bytes())
    return folder.opened(tmp_path)


def changed(original: folder.Original, name: str, **values: object) -> None:
    """Change a file of a run's folder; None takes a key away."""
    path = original.folder / name
    said = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({key: value for key, value in said.items() if value is not None}))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_what_a_folder_keeps_of_a_scenario_is_all_of_it(path: Path) -> None:
    resolved = load(path).resolved()
    assert folder.resolved_of(json.loads(json.dumps(resolved.as_json()))) == resolved


def test_to_listen_to_a_run_from_its_folder_gives_its_digest(original: folder.Original) -> None:
    told = Heard()
    replayed(original, told)
    assert told.links


def test_a_run_that_was_cut_short_is_run_again_to_where_it_was(tmp_path: Path) -> None:
    cut = kept(ROOT / "configs" / "three-machines.yaml", tmp_path, wall_limit_s=0)
    assert cut.end_ns < cut.resolved.stop_ns
    replayed(cut)


def test_a_result_says_which_version_wrote_it(original: folder.Original) -> None:
    from importlib.metadata import version

    assert original.version == original.result["version"] == version("netswap")


@pytest.mark.parametrize(
    ("wrote", "said"), [("0.1.7", "netswap 0.1.7 wrote this run"), (None, "an earlier netswap wrote this run")]
)
def test_a_run_that_comes_out_otherwise_is_refused_with_the_version_that_wrote_it(
    original: folder.Original, wrote: str | None, said: str
) -> None:
    changed(original, "result.json", digest="0" * 64, version=wrote)
    result = export(original, "--to", "pcapng")
    assert result.exit_code == WRONG_INPUT
    assert said in result.stderr
    assert len([line for line in result.stderr.splitlines() if line]) == 1
    assert sorted(path.name for path in original.folder.iterdir()) == ["resolved.json", "result.json", "scenario.yaml"]


def test_files_of_another_version_are_refused(original: folder.Original) -> None:
    changed(original, "resolved.json", machines=[{"name": "A"}])
    result = export(original, "--to", "perfetto")
    assert result.exit_code == WRONG_INPUT
    assert "cannot be understood" in result.stderr


@pytest.mark.parametrize("missing", ["resolved.json", "result.json"])
def test_a_folder_that_is_no_runs_is_refused(original: folder.Original, missing: str) -> None:
    (original.folder / missing).unlink()
    result = export(original, "--to", "pcapng")
    assert (result.exit_code, f"there is no {missing}" in result.stderr) == (WRONG_INPUT, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--machine", "D"], 'there is no machine "D" in this run; it has A, B, C'),
        (["--link", "A"], '"A" names no link'),
        (["--link", "A:D"], 'there is no machine "D"'),
        (["--from", "2"], "has no unit"),
        (["--from", "5s"], "nothing lies between"),
        (["--from", "2ms", "--until", "1ms"], "nothing lies between"),
        (["--around", "10ms", "--until", "20ms"], "a window is said twice"),
        (["--around", "wedge"], "no machine of this run ever stalled"),
        (["--size", "0B"], "is nothing"),
        (["--at", "10ms"], "--at:1:1: this says nothing about pcapng; leave it out, or write --to proc"),
    ],
)
def test_options_that_cannot_be_are_said_before_anything_runs(
    original: folder.Original, words: list[str], said: str
) -> None:
    result = export(original, "--to", "pcapng", *words)
    assert (result.exit_code, said in result.stderr) == (WRONG_INPUT, True), result.stderr


def test_a_snapshot_after_the_end_is_refused(original: folder.Original) -> None:
    result = export(original, "--to", "proc", "--at", "1h")
    assert (result.exit_code, "the run was over at 300ms" in result.stderr) == (WRONG_INPUT, True)
    result = export(original, "--to", "proc", "--around", "wedge")
    assert (result.exit_code, "a snapshot is of one moment" in result.stderr) == (WRONG_INPUT, True)


@pytest.mark.parametrize("to", ["pcapng", "perfetto"])
def test_a_library_that_is_missing_is_said_with_the_extra_that_has_it(
    original: folder.Original, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    result = export(original, "--to", to)
    assert result.exit_code == WRONG_INPUT
    assert (
        result.stderr
        == f"--to {to}:1:1: the library that writes {to} is not installed; it comes with the extra netswap[see]\n"
    )


def test_an_export_says_what_it_has_written_and_where(original: folder.Original) -> None:
    result = export(original, "--to", "pcapng", "--until", "10ms")
    path = original.folder / "frames.pcapng"
    assert result.exit_code == WRITTEN
    assert result.stdout.endswith(f"frames of 0.000 to 0.010 s, written to {path}\n")
    assert path.stat().st_size > 0
    again = export(original, "--to", "pcapng", "--until", "10ms", "--json", "--out", str(original.folder / "x" / "y"))
    assert json.loads(again.stdout)["out"] == str(original.folder / "x" / "y")
    assert (original.folder / "x" / "y").read_bytes() == path.read_bytes()


def test_a_file_that_cannot_be_written_leaves_none(original: folder.Original) -> None:
    (original.folder / "file").write_text("")
    result = export(original, "--to", "pcapng", "--until", "1ms", "--out", str(original.folder / "file" / "frames"))
    assert result.exit_code == DISK
    assert "file/frames" in result.stderr


def test_around_a_wedge_is_a_second_before_and_after_the_first_stall(tmp_path: Path) -> None:
    """The rank stalls at the outage at 500 ms: the window begins with the run, for a second before there is none."""
    original = kept(ENDS, tmp_path)
    ((at_ns, name),) = original.stalls
    assert name == "A"
    assert window.window_of(original, None, None, "wedge") == (max(0, at_ns - 10**9), at_ns + 10**9)
    with pytest.raises(ScenarioError, match="has no unit"):
        window.window_of(original, None, None, "5")
