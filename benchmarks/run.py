"""`python -m benchmarks.run [names...]`: a table on the terminal, and the same as JSON in benchmarks/latest.json.

The name `table` stands for all that the table of docs/benchmarks.md needs, which is then shown too, and written as Markdown to
benchmarks/latest.md. A benchmark module has `BENCHMARKS`; name it in `MODULES`.
"""

import argparse
import json
import platform
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks import rows
from benchmarks.measure import Benchmark, LeftOutError, Measured, repeated

MODULES: Final = ("benchmarks.in_process", "benchmarks.on_ray")
LATEST: Final = Path(__file__).with_name("latest.json")
TABLE: Final = "table"
_DETAILS: Final = ("windows", "frames", "page_outs", "windows_per_virtual_s", "built_s", "peak_mib")


def main() -> None:
    """Measure what was named, or all."""
    known = {benchmark.name: benchmark for module in MODULES for benchmark in import_module(module).BENCHMARKS}
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"{TABLE}, or some of {', '.join(known)}; none is all")
    parser.add_argument("--times", type=int, default=3, help="runs of each; the median counts (default 3)")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in known and name != TABLE]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; known are {TABLE}, {', '.join(known)}")
    named = [one for name in chosen.names for one in (rows.NAMES if name == TABLE else (name,))]
    console = Console()
    if not console.is_terminal:
        console.width = 200  # a file has no edge
    results = _measured(console, [known[name] for name in dict.fromkeys(named or known)], chosen.times)
    ratios = _ratios(known, results)
    console.print(_table(known, results, ratios))
    if TABLE in chosen.names or not chosen.names:
        console.print(_asked_for(results))
        LATEST.with_suffix(".md").write_text(rows.markdown(results))


def _measured(console: Console, benchmarks: list[Benchmark], times: int) -> dict[str, Measured]:
    """One after the other; what there is so far is kept in `LATEST`, as this may take an hour."""
    results: dict[str, Measured] = {}
    about = {"python": platform.python_version(), "machine": platform.machine(), "date": datetime.now(UTC).isoformat()}
    for benchmark in benchmarks:
        try:
            with console.status(benchmark.name):
                results[benchmark.name] = repeated(benchmark, times)
        except LeftOutError as reason:
            console.print(f"{benchmark.name}: left out: {reason}", highlight=False)
            continue
        except Exception as error:  # the figures of an hour are not thrown away for one
            console.print(f"{benchmark.name}: failed: {type(error).__name__}: {error}", highlight=False)
            continue
        console.print(_line(benchmark, results[benchmark.name]), highlight=False)
        ratios = _ratios({one.name: one for one in benchmarks}, results)
        LATEST.write_text(json.dumps({**about, "results": results, "times_simpy": ratios}, indent=2) + "\n")
    return results


def _asked_for(results: dict[str, Measured]) -> Table:
    """The rows of the table, before and now."""
    table = Table(title="what was asked for", title_justify="left", box=None, pad_edge=False)
    for heading in rows.HEADINGS:
        table.add_column(heading, justify="left" if heading == rows.HEADINGS[0] else "right")
    for row in rows.ROWS:
        table.add_row(*rows.cells(row, results))
    return table


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
