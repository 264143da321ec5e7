"""`python -m benchmarks.run [names...]`: a table on the terminal, and the same as JSON in benchmarks/latest.json.

A benchmark module has `BENCHMARKS`; name it in `MODULES`. Modules whose libraries are not installed are left out.
"""

import argparse
import json
import platform
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.measure import COMPILED, Benchmark, Measured, repeated

MODULES: Final = ("benchmarks.in_process", "benchmarks.on_ray")
LATEST: Final = Path(__file__).with_name("latest.json")
_DETAILS: Final = ("windows", "frames", "page_outs", "windows_per_virtual_s", "built_s", "peak_mib")


def main() -> None:
    """Measure what was named, or all."""
    known = {benchmark.name: benchmark for module in MODULES for benchmark in import_module(module).BENCHMARKS}
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(known)}; none is all")
    parser.add_argument("--times", type=int, default=3, help="runs of each; the median counts (default 3)")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in known]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; known are {', '.join(known)}")
    console = Console()
    if not console.is_terminal:
        console.width = 200  # a file has no edge
    results: dict[str, Measured] = {}
    for name in chosen.names or known:
        if known[name].compiled and not (COMPILED / ".made").exists():
            console.print(f"{name}: left out, nothing is compiled (make compiled)", highlight=False)
            continue
        with console.status(name):
            results[name] = repeated(known[name], chosen.times)
        console.print(_line(known[name], results[name]), highlight=False)
    ratios = _ratios(known, results)
    console.print(_table(known, results, ratios))
    machine = {"python": platform.python_version(), "machine": platform.machine()}
    LATEST.write_text(json.dumps({**machine, "results": results, "times_simpy": ratios}, indent=2) + "\n")


def _ratios(known: dict[str, Benchmark], results: dict[str, Measured]) -> dict[str, float]:
    """How many times as fast as its peer each benchmark was."""
    return {
        ours: results[ours]["rate"] / results[name]["rate"]
        for name in results
        for ours in known[name].peer_of
        if ours in results
    }


def _line(benchmark: Benchmark, result: Measured) -> str:
    return f"{benchmark.name}: {result['rate']:,.0f} {benchmark.unit}"


def _table(known: dict[str, Benchmark], results: dict[str, Measured], ratios: dict[str, float]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in (
        "benchmark",
        "median",
        "min to max",
        "unit",
        "asked for",
        "times SimPy",
        "CPU s",
        "wall s",
        "details",
    ):
        table.add_column(heading, justify="left" if heading in ("benchmark", "unit", "details") else "right")
    for name, result in results.items():
        table.add_row(
            name,
            f"{result['rate']:,.0f}",
            f"{result['rate_min']:,.0f} to {result['rate_max']:,.0f}",
            known[name].unit,
            _asked(known[name]),
            f"{ratios[name]:.1f}" if name in ratios else "",
            f"{result['cpu_s']:.1f}",
            f"{result['wall_s']:.1f}",
            _details(result),
        )
    return table


def _asked(benchmark: Benchmark) -> str:
    if benchmark.floor is not None:
        return f"{benchmark.floor:,} or more"
    return "" if benchmark.most is None else f"{benchmark.most:g} or fewer"


def _details(result: dict[str, Any]) -> str:
    return ", ".join(f"{name} {result[name]:,.0f}" for name in _DETAILS if result.get(name))


if __name__ == "__main__":
    main()
