"""How far a run is, or a study: seen by a clock that the test turns."""

import io

import pytest
from rich.console import Console

from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.scenario import load
from netswap.cluster.show.progress import PLAIN_S, Progress, ProgressLine, time_left
from netswap.protocol.units import seconds

BEATS = """\
title: beats
stop: 60s
machines:
  A: {memory: 16MiB, programs: [{heartbeat: {every: 100ms}}]}
  B: {memory: 16MiB, programs: [{heartbeat: {every: 100ms}}]}
"""


class Clock:
    """It stands until it is turned."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pipe():
    """Where no terminal is."""
    return Console(file=io.StringIO(), force_terminal=False)


@pytest.mark.parametrize(
    ("done", "total", "elapsed_s", "said"),
    [
        (0, 40, 100, ""),
        (1, 40, 0, ""),
        (12, 40, 77.1, ", about 3 min left"),
        (20, 40, 45, ", about 45 s left"),
        (20, 40, 89, ", about 89 s left"),
        (20, 40, 90, ", about 2 min left"),
        (1, 100, 120, ", about 3 h left"),
        (39.99, 40, 10, ", about 1 s left"),
    ],
)
def test_the_time_left_is_that_of_the_rest_at_the_speed_so_far(done, total, elapsed_s, said):
    """12 of 40 in 77 s are 180 s for the other 28."""
    assert time_left(done, total, elapsed_s) == said


def test_without_a_terminal_a_line_comes_every_ten_seconds(clock, pipe):
    """However often somebody looks, and whatever ends meanwhile: 10 runs take 25 s, and 30 are left."""
    with Progress(pipe, 40, clock=clock) as progress:
        for half_second in range(1, 52):
            clock.now_s += 0.5
            progress.look()
            if half_second % 5 == 0:
                progress.one_more()
    assert pipe.file.getvalue().splitlines() == [
        "3 of 40 runs, about 2 min left",
        "7 of 40 runs, about 2 min left",
    ]


def test_on_a_terminal_the_line_is_there_at_once(clock):
    screen = Console(file=io.StringIO(), force_terminal=True, width=60)
    with Progress(screen, 40, clock=clock) as progress:
        assert "0 of 40 runs" in screen.file.getvalue()
        clock.now_s += 4
        progress.one_more()
        assert "1 of 40 runs, about 3 min left" in screen.file.getvalue()


def test_runs_that_were_there_before_say_nothing_of_the_speed(clock, pipe):
    """30 of 40 were: the first of the others took 11 s, so nine take 99 s."""
    with Progress(pipe, 40, 30, clock=clock) as progress:
        clock.now_s += 11
        progress.one_more()
    assert pipe.file.getvalue() == "31 of 40 runs, about 2 min left\n"


def test_a_bound_is_told_as_one(clock, pipe):
    with Progress(pipe, 24, at_most=True, clock=clock) as progress:
        clock.now_s += PLAIN_S
        progress.look()
    assert pipe.file.getvalue() == "0 of at most 24 runs\n"


def test_a_run_tells_its_time_speed_and_worst_machine_every_ten_seconds(clock, pipe):
    """12 virtual seconds in 10 s: the other 48 take 40 s. That it took 30 s until the first look is no speed."""
    resolved = load(BEATS).resolved()
    engine = InlineEngine(resolved)
    with ProgressLine(pipe, "beats", resolved.stop_ns, resolved.stall_after_ns, clock) as progress:
        clock.now_s += 30
        progress(engine)
        pipe.file.truncate(0)
        pipe.file.seek(0)
        for _ in range(20):
            clock.now_s += 0.5
            engine.run(engine.now_ns + seconds(6) // 10)
            progress(engine)
    engine.close()
    free = engine.state().machines[0].counters["free_pages"]  # 4096 pages of which few are used: the bar is full
    assert pipe.file.getvalue() == (
        "beats: 12.0 of 60 s, 1.2 virtual seconds a second, about 40 s left; "
        f"A healthy, {free:,} pages free [===|=========], 0 frames/s\n"
    )


def test_a_run_is_not_looked_at_more_often_than_is_told(clock, pipe):
    """On Ray a look is a call of every actor."""

    class Engine:
        now_ns = 0

        def state(self):
            raise AssertionError("looked at")

    with ProgressLine(pipe, "beats", seconds(60), seconds(1), clock) as progress:
        clock.now_s += PLAIN_S - 0.1
        progress(Engine())
