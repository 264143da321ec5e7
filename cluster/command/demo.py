"""`make demo`: the deadlock of 2007 and its cure, on a private local Ray cluster, an actor for each part."""

import os
import sys
from importlib.resources import files
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table
from rich.text import Text

from netswap.cluster.command import status
from netswap.cluster.engine import supervisor
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.engine.results import Result, as_json, conclude
from netswap.cluster.engine.surroundings import noise_to
from netswap.cluster.lab.runs import How, command_line, folder_for, prepare, write_json
from netswap.cluster.record import store
from netswap.cluster.record.record import Record
from netswap.cluster.report import page
from netswap.cluster.report.opened import open_run
from netswap.cluster.scenario import Scenario, load
from netswap.cluster.show import present
from netswap.cluster.show.progress import ProgressLine

SCENARIO = Path(str(files("netswap"))) / "configs" / "three-machines.yaml"
POLICIES = ("none", "reserve")


def main() -> NoReturn:
    """Run the scenario under both policies, on Ray and in process; leaves with 0 if all is as expected."""
    supervisor.supervised()
    try:
        with noise_to(Path(os.devnull)) as screen:
            as_expected = _demo(Console(file=screen.out))
    except KeyboardInterrupt:
        print("interrupted; nothing is left behind", file=sys.stderr)
        raise SystemExit(status.INTERRUPTED) from None
    raise SystemExit(not as_expected)


def _demo(console: Console) -> bool:
    """Whether all is as expected and all digests agree."""
    from netswap.cluster.engine.on_ray import session

    console.print(SCENARIO.read_text().split("\n")[0].removeprefix("# "), style="bold")
    present.say(console, "A swaps to C and serves B. At 5 s C becomes unreachable, for 10 s, and B starts to flood A.")
    console.print()
    scenarios = {policy: load(SCENARIO, safeguards=policy) for policy in POLICIES}
    began = monotonic()
    with session():
        started_s = monotonic() - began
        present.say(console, f"a private Ray cluster started in {started_s:.1f} s; A, B, C and the network are actors")
        folder = folder_for("demo", None, None)
        summaries = {
            policy: _on_ray(console, policy, scenario, folder / policy) for policy, scenario in scenarios.items()
        }
    same = {
        policy: _in_process(console, scenario) == summaries[policy]["digest"] for policy, scenario in scenarios.items()
    }
    _contrast(console, summaries, same)
    if page.is_possible():
        path = page.write(folder / "report.html", [open_run(folder / policy) for policy in POLICIES])
        present.say(console, f"to look at: {path}")
    return all(same.values()) and all(one["met"] for one in summaries.values())


def _on_ray(console: Console, policy: str, scenario: Scenario, folder: Path) -> dict[str, Any]:
    from netswap.cluster.engine.on_ray import RayEngine

    resolved = scenario.resolved()
    plan = scenario.plan if page.is_possible() else None
    engine = RayEngine(resolved, plan=plan)
    began = monotonic()
    try:
        title = f"safeguards: {policy}"
        with ProgressLine(console, title, resolved.stop_ns, resolved.stall_after_ns) as progress:
            engine.run(resolved.stop_ns, lambda _: progress(engine))
        result = conclude(scenario, resolved, engine.state())
        parts = engine.recorded() if plan is not None else []
    finally:
        engine.close()
    wall_s = monotonic() - began
    present.say(
        console,
        f"safeguards: {policy:<8} {resolved.stop_ns / 1e9:.0f} virtual seconds in {wall_s:.0f} s, "
        f"{result.state.windows:,} windows",
    )
    command = command_line("configs/three-machines.yaml", How(), [f"safeguards={policy}"], None)
    summary = as_json(result, "ray", wall_s, str(folder), command)
    prepare(folder, scenario, resolved)
    write_json(folder / "result.json", summary)
    if plan is not None:
        store.write(folder, Record(parts, resolved.names), plan)
    return {**summary, "met": result.exit_status == 0}


def _in_process(console: Console, scenario: Scenario) -> str:
    resolved = scenario.resolved()
    engine = InlineEngine(resolved)
    try:
        engine.run(resolved.stop_ns)
        result: Result = conclude(scenario, resolved, engine.state())
    finally:
        engine.close()
    return result.digest


def _contrast(console: Console, summaries: dict[str, dict[str, Any]], same: dict[str, bool]) -> None:
    """What the argument of 2007 was about, in one table."""
    rows = {policy: summary["machines"]["A"] for policy, summary in summaries.items()}
    table = Table(title="\nmachine A", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for policy in rows:
        table.add_column(f"safeguards: {policy}")
    table.add_row("verdict", *(present.verdict_text(row["verdict"]) for row in rows.values()))
    table.add_row("stalled at", *(present.seconds(row["stalled_at_ns"]) for row in rows.values()))
    table.add_row("resumed after the heal", *(_resumed(row) for row in rows.values()))
    table.add_row(
        "frames dropped", *(present.causes(row["counters"]["dropped"], between="\n") for row in rows.values())
    )
    table.add_row(
        "most pages held by non-critical frames",
        *(f"{row['counters']['noncritical_pages_max']:,}" for row in rows.values()),
    )
    table.add_row("lowest free pages", *(f"{row['counters']['free_pages_min']:,}" for row in rows.values()))
    table.add_row("pages reserved for it", *(f"{row['counters']['reserve_pages']:,}" for row in rows.values()))
    console.print(table, highlight=False)
    console.print("\nwhy:", style="bold")
    for line in summaries["none"]["machines"]["A"]["reason"]:
        present.say(console, line)
    console.print()
    for policy, summary in summaries.items():
        verdict = (
            Text("the same in process", style="green") if same[policy] else Text("DIFFERS in process", style="bold red")
        )
        console.print(f"digest {policy:<8} {summary['digest']}", verdict, highlight=False)


def _resumed(row: dict[str, Any]) -> str:
    return "never" if row["recovered_after_ns"] is None else present.seconds(row["recovered_after_ns"])


if __name__ == "__main__":
    sys.exit(status.main(main))
