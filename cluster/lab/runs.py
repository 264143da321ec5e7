"""One run, from a scenario to its result and its folder."""

import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any, Final

from netswap.actors.programs.task import ProgramError
from netswap.cluster.engine import placement
from netswap.cluster.engine.engine import EXCHANGES, Engine
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.engine.results import Result, as_json, conclude
from netswap.cluster.engine.shipping import own_modules
from netswap.cluster.engine.surroundings import Terminal, noise_to, processors
from netswap.cluster.record.plan import Plan
from netswap.cluster.record.record import Record
from netswap.cluster.scenario import Scenario
from netswap.cluster.scenario.resolved import Resolved

PROCESSES_AT_ONCE: Final = 8
"""Workers that a private Ray cluster starts beforehand, at most."""
Watch = Callable[[Engine], None]


@dataclass(frozen=True, slots=True)
class How:
    """Where and how a scenario is run."""

    engine: str = "ray"
    machines_per_actor: int | None = None
    """None for what is best: see `netswap.cluster.engine.placement`."""
    exchange: str = EXCHANGES[0]
    address: str | None = None
    """An existing Ray cluster; None starts a private one."""
    ray_logs: bool = False
    """Show Ray's own messages in the terminal too."""
    wall_limit_s: float = inf
    """Wall time after which the run ends early, between windows; from then on nothing can be decided."""

    def hosts(self, resolved: Resolved) -> int:
        """Machine actors, as far as this computer's cores tell; 0 in process."""
        machines = len(resolved.machines)
        return 0 if self.engine == "inline" else placement.actors(machines, self.machines_per_actor, processors())


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that has ended, with what it left behind."""

    result: Result
    summary: dict[str, Any]
    """The one JSON object."""
    record: Record | None = None
    """What has been recorded."""


class _TimeIsUp(Exception):  # noqa: N818  (nothing is wrong)
    """The wall time of a run is over."""


def run(
    scenario: Scenario, how: How, folder: Path, command: str, watch: Watch | None = None, plan: Plan | None = None
) -> Finished:
    """Run a scenario to its end, or until its wall time is over. Raises `InfrastructureError`.

    The folder gets the scenario beforehand; that it gets the result, too, is `write_result`. `plan`: what is recorded.
    """
    began = monotonic()
    resolved = scenario.resolved()
    prepare(folder, scenario, resolved)
    with ExitStack() as stack:
        engine = open_engine(resolved, how, folder, stack, plan)

        def look(now_ns: int) -> None:
            if watch is not None:
                watch(engine)
            if now_ns < resolved.stop_ns and monotonic() - began > how.wall_limit_s:
                raise _TimeIsUp

        try:
            engine.run(resolved.stop_ns, look)
            cut_short = False
        except _TimeIsUp:
            cut_short = True
        except ProgramError as error:
            raise scenario.located(error) from error
        result = conclude(scenario, resolved, engine.state(), cut_short=cut_short)
        parts = [] if plan is None else engine.recorded()
    summary = as_json(result, how.engine, monotonic() - began, str(folder), command)
    return Finished(result, summary, Record(parts, resolved.names) if parts else None)


def write_result(folder: Path, finished: Finished) -> None:
    """Leave the result in the run's folder. Raises OSError."""
    write_json(folder / "result.json", finished.summary)


@contextmanager
def terminal(how: How, folder: Path) -> Iterator[Terminal]:
    """Where we may write while Ray's own messages go to a file in the run's folder."""
    if how.engine == "inline" or how.ray_logs:
        yield Terminal(sys.stdout, sys.stderr)
        return
    (folder / "ray").mkdir(parents=True, exist_ok=True)
    with noise_to(folder / "ray" / "terminal.txt") as saved:
        yield saved


def open_engine(resolved: Resolved, how: How, folder: Path, stack: ExitStack, plan: Plan | None = None) -> Engine:
    """The engine asked for; `stack` gives back what it takes."""
    if how.engine == "inline":
        inline = InlineEngine(resolved, plan=plan)
        stack.callback(inline.close)
        return inline
    from netswap.cluster.engine.on_ray import RayEngine, session

    processes = min(how.hosts(resolved) + 1, PROCESSES_AT_ONCE)
    modules = own_modules(resolved)
    stack.enter_context(session(processes=processes, address=how.address, logs=folder / "ray", modules=modules))
    engine = RayEngine(resolved, machines_per_actor=how.machines_per_actor, exchange=how.exchange, plan=plan)
    stack.callback(engine.close)
    return engine


def prepare(folder: Path, scenario: Scenario, resolved: Resolved) -> None:
    """Make the run's folder, with the scenario as written and as resolved."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scenario.yaml").write_text(scenario.source_text)
    write_json(folder / "resolved.json", resolved.as_json())


def write_json(path: Path, value: dict[str, Any]) -> None:
    """One JSON object, indented: all of it, or nothing of it. Raises OSError."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(json.dumps(value, indent=1) + "\n")
        part.replace(path)
    except BaseException as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)
        raise


def folder_for(title: str, seed: int | None, asked: Path | None) -> Path:
    """Makes `asked`, or the first free `runs/TITLE-SEED-N`: of two runs at a time each gets one of its own."""
    if asked is not None:
        asked.mkdir(parents=True, exist_ok=True)
        return asked
    word = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "run"
    name = word if seed is None else f"{word}-{seed}"
    for number in count(1):
        folder = Path("runs") / f"{name}-{number}"
        with suppress(FileExistsError):
            folder.mkdir(parents=True)
            break
    return folder


def command_line(scenario: str, how: How, overrides: list[str], seed: int | None) -> str:
    """The line that repeats a run."""
    words = ["netswap", "run", scenario]
    if how.engine != "ray":
        words += ["--engine", how.engine]
    elif how.exchange != EXCHANGES[0]:
        words += ["--exchange", how.exchange]
    if how.machines_per_actor is not None:
        words += ["--machines-per-actor", str(how.machines_per_actor)]
    if how.address is not None:
        words += ["--address", how.address]
    for override in overrides:
        words += ["--set", override]
    if seed is not None:
        words += ["--seed", str(seed)]
    return shlex.join(words)
