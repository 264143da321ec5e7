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

COMPILED: Final = Path("build/compiled")
"""Where `make compiled` puts the compiled modules."""

Measured = dict[str, Any]
"""What one run gave: numbers by name."""


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


def timed(run: Callable[[], int]) -> Measured:
    """Run something that gives a number of frames; frames per CPU second, and the seconds."""
    wall = perf_counter()
    cpu = process_time()
    frames = run()
    cpu_s = process_time() - cpu
    return {"frames": frames, "cpu_s": cpu_s, "wall_s": perf_counter() - wall, "rate": frames / cpu_s}


def repeated(benchmark: Benchmark, times: int) -> Measured:
    """The run with the median rate, and the range of rates; each run has an interpreter of its own."""
    first = [str(COMPILED)] if benchmark.compiled else []
    with ProcessPoolExecutor(
        1, get_context("spawn"), initializer=_import_from, initargs=(first,), max_tasks_per_child=1
    ) as pool:
        runs = [pool.submit(benchmark.measure).result() for _ in range(times)]
    assert all(run.get("compiled", False) == benchmark.compiled for run in runs), "these are not the modules to measure"
    rates = sorted(run["rate"] for run in runs)
    middle = median(rates) if times % 2 else rates[times // 2]
    chosen = next(run for run in runs if run["rate"] == middle)
    return {**chosen, "rate_min": rates[0], "rate_max": rates[-1], "runs": times}


def _import_from(folders: list[str]) -> None:
    sys.path[:0] = folders
