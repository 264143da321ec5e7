"""How far a run is, or a study of many: a line that changes on a terminal, elsewhere a line every 10 s."""

import sys
from collections.abc import Callable
from time import monotonic
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from netswap.actors.machine_report import MachineReport, NodeKind
from netswap.cluster.engine.engine import Engine
from netswap.cluster.engine.results import frames
from netswap.cluster.judge.state import State
from netswap.cluster.judge.verdict import BAD, Verdict, judge
from netswap.cluster.show.present import verdict_text
from netswap.cluster.show.sparks import bar
from netswap.cluster.show.tables import fitted

Clock = Callable[[], float]
"""Wall time in seconds, from anywhere."""

LIVE_S: Final = 1.0
PLAIN_S: Final = 10.0
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_ILL: Final = (*BAD, Verdict.BLOCKED, Verdict.UNDECIDED)


def time_left(done: float, total: float, elapsed_s: float) -> str:
    """What is left at the speed so far, in words; nothing where no speed is known."""
    if done <= 0 or elapsed_s <= 0:
        return ""
    left_s = elapsed_s * (total - done) / done
    if left_s >= 1.5 * _HOUR_S:
        return f", about {left_s / _HOUR_S:.0f} h left"
    if left_s >= 1.5 * _MINUTE_S:
        return f", about {left_s / _MINUTE_S:.0f} min left"
    return f", about {max(left_s, 1):.0f} s left"


def _live(console: Console) -> Live:
    """What others print to the terminal meanwhile stands above the line; what goes elsewhere goes there."""
    stdout, stderr = sys.stdout.isatty(), sys.stderr.isatty()
    fitted(console)
    return Live(console=console, auto_refresh=False, transient=True, redirect_stdout=stdout, redirect_stderr=stderr)


class Line:
    """One line about what goes on, told anew when that is due."""

    def __init__(self, console: Console, clock: Clock = monotonic) -> None:
        """Nothing is ever told on a quiet console."""
        self._console = console
        self._live = _live(console) if console.is_terminal else None
        self._clock = clock
        self.began_s = self._told_s = clock()

    def __enter__(self) -> Self:
        self.began_s = self._told_s = self._clock()
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    @property
    def elapsed_s(self) -> float:
        """Wall time since the line began."""
        return self._clock() - self.began_s

    def tell(self, made: Callable[[], Text], now: bool = False) -> None:
        """Tell what is made, if it is due or on a terminal has to be seen `now`."""
        due_s = self._told_s + (LIVE_S if self._live else PLAIN_S)
        if self._console.quiet or (self._clock() < due_s and not (now and self._live)):
            return
        self._told_s = self._clock()
        if self._live:
            self._live.update(made(), refresh=True)
        else:
            self._console.print(made(), highlight=False, soft_wrap=True)


class ProgressLine:
    """The progress of one run: virtual time, its speed, the time left, the worst machine, frames per second."""

    def __init__(
        self, console: Console, title: str, stop_ns: int, stall_after_ns: int, clock: Clock = monotonic
    ) -> None:
        self._line = Line(console, clock)
        self._title = title
        self._stop_ns = stop_ns
        self._stall_after_ns = stall_after_ns
        self._clock = clock
        self._began: tuple[float, int] | None = None
        """Wall time and virtual time when the engine was first seen at work: until then, it had to start."""

    def __enter__(self) -> Self:
        self._line.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._line.__exit__()

    def __call__(self, engine: Engine) -> None:
        """Look at the cluster, if that is due."""
        began = self._began = self._began or (self._clock(), engine.now_ns)
        self._line.tell(lambda: self._text(engine.state(), *began))

    def _text(self, state: State, began_s: float, began_ns: int) -> Text:
        elapsed_s, elapsed_ns = self._clock() - began_s, state.now_ns - began_ns
        judged = judge(state, self._stall_after_ns)
        worst = min(judged, key=lambda name: list(Verdict).index(judged[name].verdict))
        report = next(machine for machine in state.machines if machine.name == worst)
        free = report.counters["free_pages"]
        speed = per_s = ""
        if elapsed_s > 0:
            speed = f", {elapsed_ns / 1e9 / elapsed_s:,.3g} virtual seconds a second"
            per_s = f", {frames(state)['sent'] / elapsed_s:,.0f} frames/s"
        return Text.assemble(
            f"{self._title}: {state.now_ns / 1e9:.1f} of {self._stop_ns / 1e9:g} s{speed}",
            f"{time_left(elapsed_ns, self._stop_ns - began_ns, elapsed_s)}; {worst} ",
            verdict_text(judged[worst].verdict),
            f"{_why(report, judged[worst].verdict)}, {free:,} pages free {bar(free, report.atomic_floor)}{per_s}",
            _in_force(state),
        )


def _why(report: MachineReport, verdict: Verdict) -> str:
    """What the first of a machine's programs waits for, where it does not get on."""
    stalled = [node.sentence for node in report.waits if node.id.kind is NodeKind.TASK]
    return f" ({stalled[0]})" if stalled and verdict in _ILL else ""


def _in_force(state: State) -> str:
    """The faults that last."""
    verbs = [verb for verb, _, _, end in state.faults if end is None]
    return f"; {', '.join(dict.fromkeys(verbs))} in force" if verbs else ""


class Progress:
    """Progress of many runs: how many are done, and the time left. A pool calls `look` while it waits."""

    def __init__(
        self,
        console: Console,
        total: int,
        known: int = 0,
        *,
        at_most: bool = False,
        what: str = "runs",
        clock: Clock = monotonic,
    ) -> None:
        """`known`: those that were there before; `at_most`: the total is a bound."""
        self._line = Line(console, clock)
        self.total = total
        self.done = self._known = known
        self._of = "of at most" if at_most else "of"
        self._what = what

    def __enter__(self) -> Self:
        self._line.__enter__()
        self._line.tell(self._text, now=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._line.__exit__()

    def one_more(self) -> None:
        """A run has ended."""
        self.done += 1
        self._line.tell(self._text, now=True)

    def look(self) -> None:
        """Tell, if that is due."""
        self._line.tell(self._text)

    def _text(self) -> Text:
        left = time_left(self.done - self._known, self.total - self._known, self._line.elapsed_s)
        return Text(f"{self.done} {self._of} {self.total} {self._what}{left}")
