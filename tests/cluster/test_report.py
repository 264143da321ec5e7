"""The report in a real browser with the network off, at the width of a screen and of a phone."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Page, sync_playwright
from scenes import outage, seed
from sessions import ROOT
from typer.testing import CliRunner

from netswap import open_run
from netswap.cluster.command.app import app
from netswap.cluster.judge import waits
from netswap.cluster.lab.runs import How, run, write_result
from netswap.cluster.record import store
from netswap.cluster.report import figures, graph, page, sweeps
from netswap.cluster.report.opened import Run
from netswap.cluster.report.page import specifications, tell
from netswap.cluster.scenario import load
from netswap.cluster.show.present import worst_first

pytestmark = pytest.mark.xdist_group("report")  # its runs are made once
CROWD = """
title: many ranks, one server away for a while
stop: 3s
network: {latency: 1ms}
machines:
  A:
    count: 20
    memory: 8MiB
    swap: {server: C, size: 32MiB}
    programs: [{rank: {working_set: 10MiB, touch: 256KiB, compute: 20ms}}]
  C: {programs: [{swap-server: {}}]}
timeline: [{at: 300ms, partition: [C], for: 2s}]
"""
CHROMIUM = shutil.which("chromium")
SCREENSHOTS = ROOT / "build" / "screenshots"
BYTES_MAX = 2_000_000
WIDTHS = (1280, 400)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this computer")


def made(folder: Path, safeguards: str) -> Run:
    """A run of the seed, small, in a folder: wedged with none, over it with a reserve."""
    text = seed(stop="12s", flood_from="1s", timeline=outage("1s", "1s"), safeguards=safeguards)
    scenario = load(text)
    command = f"netswap run seed.yaml --engine inline --set safeguards={safeguards}"
    folder.mkdir()
    finished = run(scenario, How("inline"), folder, command, plan=scenario.plan)
    assert finished.record is not None
    assert scenario.plan is not None
    write_result(folder, finished)
    store.write(folder, finished.record, scenario.plan)
    return open_run(folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Both runs."""
    folder = tmp_path_factory.mktemp("runs")
    return [made(folder / safeguards, safeguards) for safeguards in ("none", "reserve")]


@pytest.fixture(scope="module")
def written(runs: list[Run]) -> dict[str, Path]:
    """Their reports: of the first, and of both in contrast."""
    one = page.write(runs[0].folder / "report.html", runs[:1])
    return {"one": one, "both": page.write(runs[0].folder / "both.html", runs)}


@pytest.fixture(scope="module")
def opened() -> Iterator[Callable[[Path, int], tuple[Page, list[str]]]]:
    """Opens a file at a width; the page, and all that the browser complained of or asked for beside it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])

        def open_page(path: Path, width: int) -> tuple[Page, list[str]]:
            found = browser.new_context(viewport={"width": width, "height": 900}, offline=True).new_page()
            heard: list[str] = []
            found.on("console", lambda said: heard.append(f"{said.type}: {said.text}"))
            found.on("pageerror", lambda error: heard.append(f"error: {error}"))
            found.on("request", lambda asked: heard.append(f"request: {asked.url}"))
            found.goto(path.as_uri())
            found.wait_for_selector("body[data-ready=yes]")
            assert heard.pop(0) == f"request: {path.as_uri()}"
            return found, heard

        yield open_page
        browser.close()


@needs_chromium
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("which", ["one", "both"])
def test_it_opens_with_the_network_off(
    opened: Any, written: dict[str, Path], runs: list[Run], which: str, width: int
) -> None:
    """No request, no complaint, every chart is drawn, and nothing is wider than the window."""
    found, heard = opened(written[which], width)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    found.screenshot(path=SCREENSHOTS / f"{which}-{width}.png", full_page=True)
    assert heard == []
    told = [tell(run, name) for run, name in zip(runs, ("none", "reserve"), strict=True)]
    for place in specifications(told if which == "both" else told[:1]):
        assert found.locator(f"#{place} svg path").count() > 3, place
    assert found.evaluate("document.documentElement.scrollWidth") <= width


@needs_chromium
@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_pointed_at_has_the_numbers_of_the_record(
    opened: Any, written: dict[str, Path], runs: list[Run], width: int
) -> None:
    found, _ = opened(written["one"], width)
    series = runs[0].series().query("machine == 'A'").set_index("at_ns")
    box = found.locator("#timeline-0 svg").bounding_box()
    for share in (0.4, 0.7):
        found.mouse.move(box["x"] + share * box["width"], box["y"] + 60)
        found.wait_for_selector("#vg-tooltip-element.visible")
        rows = found.locator("#vg-tooltip-element tr").all_inner_texts()
        told = dict(re.split(r"\t", row, maxsplit=1) for row in rows)
        row = series.loc[round(float(told["at (s)"]) * 1e9)]
        assert int(told["free"].replace(",", "")) == row["free"]
        assert int(told["frames in ordinary sockets"].replace(",", "")) == row["ordinary"]
        assert int(told["min"].replace(",", "")) == row["min"]


@needs_chromium
def test_all_charts_over_time_are_moved_and_pointed_at_together(opened: Any, written: dict[str, Path]) -> None:
    """Two runs: the contrast and a timeline of each. A drag in one moves all of them, a double click brings all back."""
    found, heard = opened(written["both"], 1280)
    stretches = "() => timed().map(place => drawn[place].scale('x').domain().map(Math.round))"
    pointed = "() => timed().map(place => drawn[place].signal('pointed_at'))"
    assert found.evaluate(stretches) == [[0, 12]] * 3
    found.locator("#timeline-1").scroll_into_view_if_needed()
    box = found.locator("#timeline-1 svg").bounding_box()
    at = (box["x"] + 0.4 * box["width"], box["y"] + 60)
    found.mouse.move(*at)
    found.wait_for_function(f"({pointed})().every(at => at !== null)")
    [times] = {tuple(found.evaluate(pointed))}
    assert len(set(times)) == 1
    assert 3 < times[0] < 6
    found.mouse.down()
    found.mouse.move(at[0] + 200, at[1], steps=4)
    found.mouse.up()
    moved = "stretches => stretches.every(one => one[0] < -1 && one[0] === stretches[0][0])"
    found.wait_for_function(f"({moved})(({stretches})())")
    found.mouse.dblclick(*at)
    found.wait_for_function(f"({stretches})().every(one => one[0] === 0 && one[1] === 12)")
    found.mouse.move(5, 5)
    found.wait_for_function(f"({pointed})().every(at => at === null)")
    assert heard == []


@needs_chromium
def test_on_paper_no_chart_is_cut_and_no_column_is_lost(opened: Any, written: dict[str, Path]) -> None:
    """A page of paper is 29.7 cm high: every chart fits into it, and the widest table into its width of 21 cm."""
    found, _ = opened(written["both"], 1280)
    found.emulate_media(media="print")
    found.set_viewport_size({"width": 794, "height": 1123})
    found.wait_for_timeout(300)
    heights = found.evaluate(
        "[...document.querySelectorAll('.chart svg')].map(one => one.getBoundingClientRect().height)"
    )
    assert len(heights) >= 3
    assert max(heights) < 1000
    assert found.evaluate(
        "[...document.querySelectorAll('.wide')].every(one => one.scrollWidth <= one.clientWidth + 1)"
    )
    avoided = found.evaluate("[...document.querySelectorAll('.chart')].map(one => getComputedStyle(one).breakInside)")
    assert set(avoided) == {"avoid"}


def test_it_is_one_small_file_that_says_what_was_asked_and_what_came_out(
    written: dict[str, Path], runs: list[Run]
) -> None:
    text = written["one"].read_text()
    assert written["both"].stat().st_size < BYTES_MAX
    order = [
        "Does A outlive an outage of its swap server while B floods it?",
        "A is wedged: it has come to a stand at",
        "Where the memory of A went",
        "Who waits for whom at the end",
        "The second before A came to a stand",
        "Counts",
        "The scenario",
        "The line that repeats it",
        "netswap run seed.yaml --engine inline --set safeguards=none",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    both = written["both"].read_text()
    assert "The contrast" in both
    assert "A came to a stand for" in both


def test_what_others_wrote_is_text_and_no_markup(runs: list[Run], tmp_path: Path) -> None:
    """A scenario that somebody else wrote may have anything in its title."""
    folder = tmp_path / "run"
    shutil.copytree(runs[0].folder, folder)
    for name in ("scenario.yaml", "result.json"):
        path = folder / name
        path.write_text(path.read_text().replace("the seed, small", "</script><script>alert(1)</script>"))
    assert "<script>alert" not in page.page([open_run(folder)])


def test_only_rows_that_were_recorded_are_drawn(runs: list[Run]) -> None:
    """Of each stretch that with the fewest free pages: nothing is averaged."""
    drawn, series = figures.figures(runs[0]), runs[0].series().query("machine == 'A'")
    assert len(drawn.memory) <= figures.ROWS_MAX + 2
    kept = drawn.memory.drop(columns="t").reset_index(drop=True)
    same = series[series["at_ns"].isin(kept["at_ns"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, same)
    assert kept["free"].min() == series["free"].min()


def test_lanes_cover_the_whole_run_without_a_gap(runs: list[Run]) -> None:
    for _, lane in figures.figures(runs[0]).lanes.groupby("program"):
        assert lane["t"].iloc[0] == 0
        assert lane["until"].iloc[-1] == 12
        assert list(lane["t"])[1:] == list(lane["until"])[:-1]


def test_loop_and_tail_of_the_graph_are_told_apart(runs: list[Run]) -> None:
    """The reply, the buffer, the queues, the service, its page and the requests wait for each other; the rank only waits."""
    told = waits.of_machine(runs[0].result, "A")
    loop = waits.loop_of(told)
    assert "A/rank 0" in told
    assert "A/rank 0" not in loop
    assert {"A/service 0", "A/reply", "A/receive buffer"} <= loop
    parts = {point["part"] for point in graph.picture(runs[0].result, "A")["datasets"].popitem()[1]}
    assert parts


def test_charts_are_pictures_too(runs: list[Run], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(runs[0].folder), "--format", "svg", "--to", str(tmp_path / "svg")])
    assert done.exit_code == 0, done.output
    names = {path.stem for path in (tmp_path / "svg").iterdir()}
    assert names == {"timeline-0", "graph-0", "around-0"}
    assert all(path.read_text().startswith("<svg") for path in (tmp_path / "svg").iterdir())


def test_two_runs_side_by_side(runs: list[Run], tmp_path: Path) -> None:
    words = ["compare", *(str(one.folder) for one in runs), "--to", str(tmp_path / "compare.html")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert re.search(r"verdict +wedged +recovered", done.output)
    assert (tmp_path / "compare.html").exists()


def test_a_folder_that_is_no_run_is_an_error_of_the_input(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert done.exit_code == 2
    assert "there is no result.json in it; name the folder of a run" in done.output


def swept(folder: Path) -> Path:
    """The folder of a sweep over policies and workloads, one run of which failed."""
    policies = {
        "none": ("wedged", None, 0.0),
        "reserve": ("recovered", 6.5e9, 0.42),
        "min-free-20": ("slow", 2e9, 0.74),
    }
    runs: list[dict[str, Any]] = []
    for place, workload in enumerate(("anonymous.yaml", "udp-service.yaml", "tcp-service.yaml")):
        for safeguards, (verdict, after, cost) in policies.items():
            shown = {
                "A.verdict": verdict,
                "A.recovered_after_ns": after and int(after + 1e9 * place),
                "A.cost_gib": cost,
            }
            varied = {"scenario": f"../matrix/{workload}", "safeguards": safeguards}
            runs.append({"varied": varied, "shown": shown, "met": True, "digest": "", "failed": None})
    runs[-1] |= {"shown": None, "met": None, "failed": "a process was killed"}
    folder.mkdir()
    told = {"experiment": "policy by workload", "axes": ["scenario", "safeguards"], "runs": runs}
    (folder / "results.json").write_text(json.dumps(told))
    return folder


@needs_chromium
@pytest.mark.parametrize("width", WIDTHS)
def test_a_sweep_is_a_heat_map_with_words(opened: Any, tmp_path: Path, width: int) -> None:
    """Nine cells, each with its verdict as a word; recovery times; cost against what it brings."""
    folder = swept(tmp_path / "sweep")
    assert CliRunner().invoke(app, ["report", str(folder)]).exit_code == 0
    found, heard = opened(folder / "report.html", width)
    found.screenshot(path=SCREENSHOTS / f"sweep-{width}.png", full_page=True)
    assert heard == []
    words = found.locator("#heat svg text").all_text_contents()
    assert [words.count(word) for word in ("wedged", "recovered", "slow", "failed")] == [3, 3, 2, 1]
    for place in ("spread", "cost"):
        assert found.locator(f"#{place} svg path").count() > 3
    assert found.evaluate("document.documentElement.scrollWidth") <= width


def of_numbers(shown: list[dict[str, Any]]) -> sweeps.Sweep:
    """A sweep over reserves of 0, 1, 2, ... pages."""
    runs = [{"varied": {"reserve.pages": place}, "shown": one} for place, one in enumerate(shown)]
    return sweeps.Sweep("sizes", ["reserve.pages"], runs)


def test_a_sweep_over_numbers_shows_how_much_is_enough() -> None:
    """Who is back after 4 s stands at 4; who is not stands above, at five quarters of the longest."""
    after = [None, 4_000_000_000, 2_000_000_000]
    verdicts = ["wedged", "recovered", "recovered"]
    shown = [{"A.verdict": one, "A.recovered_after_ns": at} for one, at in zip(verdicts, after, strict=True)]
    made = sweeps.specifications(of_numbers(shown))
    rows = next(one for one in made["frontier"]["datasets"].values() if len(one) == 3)
    assert [(row["x"], row["y"]) for row in rows] == [(0, 5.0), (1, 4.0), (2, 2.0)]
    assert sweeps.specifications(of_numbers(shown[:2]))["frontier"] is None
    assert made["cost"] is None


def test_what_runs_cost_is_memory_against_time_with_one_name_for_those_at_one_place() -> None:
    shown = [
        {"A.verdict": "healthy", "A.cost_gib": cost, "A.slow_down": down} for cost, down in ((0, 1), (0, 1), (0.5, 1.2))
    ]
    made = sweeps.specifications(of_numbers(shown))
    rows = next(one for one in made["cost"]["datasets"].values() if len(one) == 3)
    assert [row["name"] for row in rows] == ["0 = 1", "", "2"]


@needs_chromium
def test_of_many_machines_there_is_a_raster(opened: Any, tmp_path: Path) -> None:
    """A rank that swaps to a server that is away stalls: its line turns red."""
    (tmp_path / "crowd.yaml").write_text(CROWD)
    words = ["run", str(tmp_path / "crowd.yaml"), "--engine", "inline", "--run-dir", str(tmp_path / "run")]
    assert CliRunner().invoke(app, words).exit_code in (0, 1)
    found, heard = opened(tmp_path / "run" / "report.html", 1280)
    found.screenshot(path=SCREENSHOTS / "raster-1280.png", full_page=True)
    assert heard == []
    assert found.locator("#raster-0 svg path").count() > 21
    states = figures.raster(open_run(tmp_path / "run"))
    assert {"stalled", "swaps"} <= set(states["state"])
    assert states["machine"].nunique() == 21


def test_of_very_many_machines_some_are_drawn_and_always_the_worst(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 21 machines each seventh: A0, A7 and A14; one of the others is down to the end."""
    crash = CROWD.replace("partition: [C], for: 2s", "crash: A5, for: ever").replace("stop: 3s", "stop: 1s")
    (tmp_path / "crowd.yaml").write_text(crash)
    words = ["run", str(tmp_path / "crowd.yaml"), "--engine", "inline", "--run-dir", str(tmp_path / "run")]
    assert CliRunner().invoke(app, words).exit_code in (0, 1)
    monkeypatch.setattr(figures, "RASTER_MAX", 3)
    opened = open_run(tmp_path / "run")
    worst = worst_first(opened.result)[0][0]
    assert set(figures.raster(opened)["machine"]) == {"A0", "A7", "A14", worst}


ODD = {
    "without programs": "title: t\nstop: 100ms\nmachines:\n  A: {}\n  B: {}\n",
    "one look": "title: t\nstop: 1ms\nmachines:\n  A: {programs: [{heartbeat: {every: 100us}}]}\n  B: {}\n",
    "a fault for ever": seed(stop="3s", flood_from="1s", timeline="[{at: 1s, partition: [C], for: ever}]"),
    "a crash": seed(stop="3s", flood_from="1s", timeline="[{at: 1s, crash: A, for: ever}]"),
    "many machines": "title: t\nstop: 200ms\nmachines:\n  A: {count: 20, programs: [{heartbeat: {every: 1ms}}]}\n",
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
def test_every_run_has_a_report(text: str, tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text(text)
    words = ["run", str(tmp_path / "odd.yaml"), "--engine", "inline", "--run-dir", str(tmp_path / "run")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code in (0, 1), done.output
    assert "to look at: " in done.output
    assert (tmp_path / "run" / "report.html").stat().st_size < BYTES_MAX


@pytest.mark.parametrize("verb", ["report", "compare"])
def test_where_the_libraries_are_missing_one_sentence_says_so(
    runs: list[Run], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(page, "find_spec", lambda name: None)
    done = CliRunner().invoke(app, [verb, *(str(one.folder) for one in runs)])
    assert done.exit_code == 2
    assert "pip install 'netswap[see]'" in done.output
