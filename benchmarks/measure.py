"""What a measurement is and how one is taken: each in a fresh process, several times, CPU time of the loop alone."""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, Final

import psutil

COMPILED: Final = Path("build/compiled")
"""Where `make compiled` puts the compiled modules."""
LONG_S: Final = 100.0
"""A benchmark that has taken longer is not run again, however often was asked for."""
LOOK_S: Final = 0.5
"""Before each run: how much of the cores others use."""

Measured = dict[str, Any]
"""What one run gave: numbers by name."""


class LeftOutError(Exception):
    """What is needed for this measurement is not here; says what."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`measure` is called in a process of its own; `unit` says what its `rate` counts, `floor` the least that is right."""

    name: str
    measure: Callable[[], Measured]
    unit: str
    floor: int | None = None
    most: float | None = None
    peer_of: tuple[str, ...] = ()
    """The benchmarks of ours that this peer stands beside."""
    compiled: bool = False
    """Whether it runs the compiled modules, not the sources."""
    once: bool = False
    """Takes minutes: is run once, whatever is asked for."""


def timed(run: Callable[[], int]) -> Measured:
    """Run something that gives a number of frames; frames per CPU second, and the seconds."""
    wall = perf_counter()
    cpu = process_time()
    frames = run()
    cpu_s = process_time() - cpu
    return {"frames": frames, "cpu_s": cpu_s, "wall_s": perf_counter() - wall, "rate": frames / cpu_s}


def repeated(benchmark: Benchmark, times: int) -> Measured:
    """The run with the median rate, and the range of rates; each run has an interpreter of its own.

    `others`: the processors that others used just before, on average. Raises `LeftOutError`.
    """
    first = [str(COMPILED)] if benchmark.compiled else []
    if first and not (COMPILED / ".made").exists():
        raise LeftOutError("nothing is compiled (make compiled)")
    times = 1 if benchmark.once else times
    began = perf_counter()
    others: list[float] = []
    runs: list[Measured] = []
    with ProcessPoolExecutor(
        1, get_context("spawn"), initializer=_import_from, initargs=(first,), max_tasks_per_child=1
    ) as pool:
        for _ in range(times):
            others.append(_others())
            runs.append(pool.submit(benchmark.measure).result())
            if perf_counter() - began > LONG_S:
                break
    assert all(run.get("compiled", False) == benchmark.compiled for run in runs), "these are not the modules to measure"
    rates = sorted(run["rate"] for run in runs)
    middle = median(rates) if len(rates) % 2 else rates[len(rates) // 2]
    chosen = next(run for run in runs if run["rate"] == middle)
    return {**chosen, "rate_min": rates[0], "rate_max": rates[-1], "runs": len(runs), "others": sum(others) / len(runs)}


def _others() -> float:
    """Processors in use while we do nothing."""
    return float(psutil.cpu_percent(LOOK_S)) / 100 * (psutil.cpu_count() or 1)


def _import_from(folders: list[str]) -> None:
    sys.path[:0] = folders
