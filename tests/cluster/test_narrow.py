"""No verdict and no number is ever shortened, however narrow the terminal is."""

import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from fcntl import ioctl
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from scenes import outage, seed

from netswap.actors.counters import COUNTERS
from netswap.cluster.claims import present as claims_present
from netswap.cluster.claims.ablation import Ablated
from netswap.cluster.claims.shown import Shown
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.engine.results import as_json, conclude
from netswap.cluster.scenario import load
from netswap.cluster.show import present
from netswap.cluster.show.tables import USUAL_WIDTH, listing, table
from netswap.cluster.study import present as study_present
from netswap.cluster.study.experiment import Experiment
from netswap.cluster.study.failure import Failure, Kind
from netswap.cluster.study.minimum import Answer, Question
from netswap.cluster.study.remedies import Remedies, Tried
from netswap.cluster.study.sweep import Row
from netswap.protocol.units import seconds

pytestmark = pytest.mark.xdist_group("narrow")  # its run is made once
WIDTHS = (30, 40, 80, 200)
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def screen(width, **environ):
    """A terminal of so many columns, without colours."""
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, _environ=environ)


def said(console):
    """What has been printed, which is nowhere shortened and nowhere wider than the terminal."""
    text = console.file.getvalue()
    assert ELLIPSIS not in text
    assert max(map(cell_len, text.splitlines())) <= console.width
    return text


def cut_or_missing(text, words):
    """Those that do not stand in one line as they are: a part of a longer word or number is none."""
    return [word for word in words if not re.search(rf"(?<!\w)(?<!\d[.,]){re.escape(word)}(?!\w|,\d)", text)]


@pytest.fixture(scope="module")
def summary():
    """A wedge with its flood: large numbers."""
    scenario = load(seed(stop="12s", timeline=outage("1s", "2s"), flood_from="1s", safeguards="none"))
    resolved = scenario.resolved()
    engine = InlineEngine(resolved)
    engine.run(resolved.stop_ns)
    result = conclude(scenario, resolved, engine.state())
    engine.close()
    return as_json(result, "inline", 12.345, "runs/the-seed-1", "netswap run seed.yaml")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_run_is_told_whole(summary, width):
    console = screen(width)
    present.show(console, summary, "netswap remedies seed.yaml")
    text = said(console)
    machine = summary["machines"]["A"]
    counts = [f"{count:,}" for count in machine["counters"]["dropped"].values() if count]
    times = [present.seconds(machine[name]) for name in ("stalled_at_ns", "stalled_ns")]
    counts += [f"{summary['frames'][name]:,}" for name in ("sent", "delivered", "under_way")]
    assert machine["verdict"] == "wedged"
    assert cut_or_missing(text, ["wedged", f"{machine['counters']['free_pages_min']:,}", *counts, *times]) == []


EXPERIMENT = Experiment(
    "outage by policy",
    ("machines.A.programs.0.heartbeat.every", "safeguards"),
    ("A.verdict", "A.recovered_after_ns"),
    (),
)
SAFEGUARDS = ["reserve-access", "memalloc-processing", "drop-at-demux"]
ROWS = [
    Row(dict(zip(EXPERIMENT.axes, varied, strict=True)), dict(zip(EXPERIMENT.show, shown, strict=True)), met, "d", failed)
    for varied, shown, met, failed in [
        (("1500ms", SAFEGUARDS), ("oom-killed", None), True, None),
        (("3ms", "none"), ("recovered", seconds(1234567)), False, None),
        (("7ms", "none"), (None, None), None, Failure(Kind.INFRASTRUCTURE, "its process was killed by SIGKILL")),
    ]
]  # fmt: skip


@pytest.mark.parametrize("width", WIDTHS)
def test_a_sweep_is_told_whole(width):
    console = screen(width)
    study_present.sweep(console, EXPERIMENT, ROWS, Path("runs/outage-by-policy-1"))
    words = [
        "oom-killed",
        "recovered",
        "1234567.000 s",
        "1500ms",
        "3ms",
        "7ms",
        "none",
        *SAFEGUARDS,
        "failed",
        "SIGKILL",
    ]
    assert cut_or_missing(said(console), words) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_remedies_are_told_whole(width):
    as_is = Tried(None, {"A": "wedged", "B": "oom-killed"}, None, 1_234_567)
    few = Tried(SAFEGUARDS, {"A": "recovered", "B": "healthy"}, seconds(6), 7_654_321)
    console = screen(width)
    study_present.remedies(console, Remedies(as_is, few, [few._replace(safeguards=["min-free-20"])]))
    words = [
        "wedged",
        "oom-killed",
        "recovered",
        "healthy",
        "6.000 s",
        "1,234,567 pages",
        "7,654,321 pages",
        "min-free-20",
    ]
    assert cut_or_missing(said(console), [*words, *SAFEGUARDS]) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_a_minimum_is_told_whole(width):
    question = Question("a.yaml", (), "machines.A.swap.in_flight", "A is recovered", "KiB")
    console = screen(width)
    study_present.minimum(console, question, Answer(65536, 12345, {0: False, 12344: False, 12345: True, 65536: True}))
    assert (
        cut_or_missing(said(console), ["MISSED", "met", "0KiB", "12344KiB", "12345KiB", "65536KiB", "recovered"]) == []
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_claims_are_told_whole(width):
    console = screen(width)
    claim = "A flood whose sockets are full before the floor is reached does not wedge"
    seen = {"e1000, 10 sockets": "recovered", "pages": 1_234_567}
    claims_present.claim(console, Shown(35, claim, {"pages": 7}, seen, True, "a test", "linux-2.6.22"))
    claims_present.ablated(
        console, Ablated("slab-rule", claim, {"A is wedged": True}, {"pages": 99}, False, "linux-6.11")
    )
    words = ["holds", "FAILS", "35", "linux-2.6.22", "recovered", "1234567", "7", "99", "slab-rule"]
    assert cut_or_missing(said(console), words) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_lists_are_told_whole(width):
    console = screen(width)
    listing(console, list(COUNTERS.items()))
    text = said(console)
    assert cut_or_missing(text, COUNTERS) == []
    assert " ".join(text.split()) == " ".join(" ".join([name, doc]) for name, doc in COUNTERS.items()), width


@pytest.mark.parametrize("environ", [{}, {"COLUMNS": "0"}, {"COLUMNS": "-1"}, {"COLUMNS": ""}, {"COLUMNS": "none"}])
def test_a_terminal_that_does_not_know_its_width_has_the_usual_one(environ):
    console = screen(None, **environ)
    table(console, ["verdict", "number"], [["oom-killed", "1,234,567"]])
    assert console.width == USUAL_WIDTH
    assert said(console).splitlines() == ["verdict     number   ", "oom-killed  1,234,567"]


def test_a_file_or_a_pipe_does_not_break_lines():
    """A row is a line, whatever COLUMNS says."""
    console = Console(file=io.StringIO(), _environ={"COLUMNS": "30"})
    study_present.sweep(console, EXPERIMENT, ROWS, Path("runs/outage-by-policy-1"))
    row = next(line for line in console.file.getvalue().splitlines() if line.startswith("1500ms"))
    assert row.split() == ["1500ms", *" + ".join(SAFEGUARDS).split(), "oom-killed", "-"]


def test_names_of_columns_are_broken_before_a_table_is_given_up():
    """At 80 columns the outage by policy is a table still."""
    console = screen(24)
    table(console, ["A.verdict", "A.stalled_ns", "B.x"], [["healthy", "1", "2"]])
    assert [line.rstrip() for line in said(console).splitlines()] == [
        "A.       A.          B.",
        "verdict  stalled_ns  x",
        "healthy  1           2",
    ]


def test_a_plain_table_would_have_been_shortened():
    """The twin: what rich does with columns that may not wrap."""
    from rich.table import Table

    console = screen(12)
    plain = Table(box=None)
    plain.add_column("verdict", no_wrap=True)
    plain.add_column("pages", no_wrap=True)
    plain.add_row("oom-killed", "1,234,567")
    console.print(plain)
    assert ELLIPSIS in console.file.getvalue()


def test_the_command_itself_at_30_columns(tmp_path):
    """On a terminal of its own."""
    (tmp_path / "beat.yaml").write_text(
        "{title: a beat, stop: 1s, machines: {A: {memory: 16MiB, programs: [{heartbeat: {every: 100ms}}]}}}"
    )
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    words = [sys.executable, "-m", "netswap", "run", "beat.yaml", "--engine", "inline", "--run-dir", "out"]
    with subprocess.Popen(
        words,
        cwd=tmp_path,
        env={**environ, "TERM": "xterm", "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        text = b"".join(iter(lambda: read(ours), b"")).decode()
    os.close(ours)
    assert process.returncode == 0, text
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert ELLIPSIS not in plain
    assert "verdict: healthy" in plain
    assert max(len(line) for line in re.split(r"[\r\n]+", plain)) <= 30


def read(terminal):
    """What comes next; nothing when the other side has gone, which Linux calls an error."""
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        return b""
