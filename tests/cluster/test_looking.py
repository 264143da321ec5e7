"""What a terminal shows of a run, and the story told again."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from scenes import outage, seed
from typer.testing import CliRunner

from netswap.cluster.command import looking
from netswap.cluster.command.app import app
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.record import store
from netswap.cluster.report import page
from netswap.cluster.scenario import load
from netswap.cluster.show.progress import ProgressLine
from netswap.cluster.show.sparks import WIDTH, bar, sparkline
from netswap.protocol.units import seconds

SCENE = seed(stop="12s", flood_from="1s", timeline=outage("1s", "1s"))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a run of the command, and what it has printed."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "scene.yaml").write_text(SCENE)
    words = ["run", str(folder / "scene.yaml"), "--engine", "inline", "--run-dir", str(folder / "run")]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 1, ran.output  # a machine is wedged, and nothing says that it should be
    return folder / "run", ran.output


def test_a_run_ends_with_three_lines_and_the_path_of_its_report(done: tuple[Path, str]) -> None:
    folder, printed = done
    assert re.search(r"^A from 0 to 12 s\n  free pages  \S+  \d+ to .*\n  frames/s .*\n  progress/s ", printed, re.M)
    assert printed.splitlines()[-1] == f"to look at: {folder / 'report.html'}"
    assert (folder / "report.html").exists()
    lines = [line for line in printed.splitlines() if line.startswith(("  free pages", "  frames/s", "  progress/s"))]
    assert max(map(len, lines)) <= 80


def test_the_story_is_told_again_as_it_was_told(done: tuple[Path, str]) -> None:
    folder, printed = done
    told = CliRunner().invoke(app, ["explain", str(folder)])
    assert told.exit_code == 0
    assert told.output in printed
    assert told.output.startswith("A wedged at ")


def test_or_as_a_graph(done: tuple[Path, str]) -> None:
    """Each edge of the JSON is one of the DOT."""
    folder, _ = done
    graph = json.loads(CliRunner().invoke(app, ["explain", str(folder), "--as", "json"]).output)
    dot = CliRunner().invoke(app, ["explain", str(folder), "--as", "dot"]).output
    assert dot.count(" -> ") == len(graph["edges"]) > 5
    assert all(f"{json.dumps(one)} -> {json.dumps(other)}" in dot for one, other in graph["edges"])
    assert {node["in_loop"] for node in graph["nodes"]} == {True, False}
    assert CliRunner().invoke(app, ["explain", str(folder), "--as", "svg"]).output.startswith("<svg")


def test_a_machine_that_is_not_there_is_an_error_of_the_input(done: tuple[Path, str], tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["explain", str(done[0]), "--machine", "X"])
    assert told.exit_code == 2
    assert "there is no machine 'X'; name one of A, B, C" in told.output
    assert CliRunner().invoke(app, ["explain", str(tmp_path)]).exit_code == 2


def test_without_the_libraries_a_run_says_so_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (store, page):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    (tmp_path / "scene.yaml").write_text(SCENE.replace("stop: 12s", "stop: 3s"))
    words = ["run", str(tmp_path / "scene.yaml"), "--engine", "inline", "--run-dir", str(tmp_path / "run")]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.output
    assert (
        "no series are kept: this needs libraries that a plain run does without: pip install 'netswap[see]'"
        in ran.output
    )
    assert not (tmp_path / "run" / "record").exists()


def test_what_is_asked_for_on_the_command_line_is_a_key_of_the_scenario() -> None:
    assert looking.asked("all") == ["record.machines=all"]
    assert looking.asked("A,C") == ["record.machines=[A,C]"]
    scenario = load(SCENE, overrides=looking.asked("A,C"))
    assert scenario.plan is not None
    assert scenario.plan.machines == (0, 2)


def test_a_line_of_blocks_has_the_extremes() -> None:
    """A dip of one value among 400 is seen."""
    values = [8.0] * 200 + [0.0] + [8.0] * 199
    line = sparkline(values)
    assert len(line) == WIDTH
    assert set(line) == {"█", "▁"}


def test_the_bar_has_the_floor_at_its_quarter() -> None:
    assert bar(272, 272) == "[===|---------]"
    assert bar(136, 272) == "[=--|---------]"
    assert bar(5000, 272) == "[===|=========]"


def test_meanwhile_the_worst_machine_its_reason_and_the_fault_are_told() -> None:
    """In the outage, 3 s after it began: the rank waits for its page."""
    scenario = load(seed(stop="60s", flood_from="1s", timeline=outage("1s", "20s")))
    pipe, resolved = Console(file=io.StringIO(), force_terminal=False), scenario.resolved()
    engine = InlineEngine(resolved)
    times = iter(range(0, 1000, 20))
    with ProgressLine(pipe, "seed", resolved.stop_ns, resolved.stall_after_ns, lambda: next(times)) as progress:
        engine.run(seconds(4))
        progress(engine)
    engine.close()
    told = pipe.file.getvalue()  # type: ignore[attr-defined]
    assert re.search(
        r"; A undecided \(rank 0 waits for .*\), \d+ pages free \[=.*\], .* frames/s; partition in force\n", told
    )
