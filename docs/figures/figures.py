"""`make figures`: the pictures of the documents, each from runs.

- The four of the argument are drawn from a run each, which their first comment names with its digest.
- `sizing` is drawn from reserve-pages.json: what the experiment reserve-pages.yaml gave, which is run anew.
- `matrix` and `mpi-cost` are drawn from the tables of docs/proposals.md and README.md, since their runs take an hour.

tests/test_figures.py draws those of tables again and compares, and holds the others to digests.
"""

import json
import re
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from netswap.cluster.lab.runs import How, run, write_result
from netswap.cluster.record import store
from netswap.cluster.report import charts, sweeps
from netswap.cluster.report.figures import figures
from netswap.cluster.report.opened import open_run
from netswap.cluster.report.sweeps import Sweep
from netswap.cluster.scenario import load
from netswap.cluster.study.experiment import load_experiment
from netswap.cluster.study.sweep import perform

FOLDER: Final = Path(__file__).resolve().parent
ROOT: Final = FOLDER.parents[1]
SCENARIO: Final = Path("configs") / "three-machines.yaml"
ROWS: Final = 240
"""Rows of a chart: enough for a page, and a picture stays small."""
POLICIES: Final = ("none", "reserve", "min-free-20", "recursive-reclaim")
EXPERIMENT: Final = FOLDER / "reserve-pages.yaml"
KEPT: Final = FOLDER / "reserve-pages.json"
TABLES: Final = ("matrix", "mpi-cost", "sizing")
"""The pictures that are drawn from numbers which stand in the repository."""


def picture(safeguards: str) -> str:
    """The memory of A under this policy, as SVG."""
    scenario = load(SCENARIO, safeguards=safeguards)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        finished = run(scenario, How("inline"), folder, "", plan=scenario.plan)
        assert finished.record is not None
        assert scenario.plan is not None
        write_result(folder, finished)
        store.write(folder, finished.record, scenario.plan)
        drawn = charts.argument(figures(open_run(folder), "A", ROWS))
    return f"<!-- {SCENARIO} safeguards={safeguards} digest={finished.result.digest} -->\n{_svg(drawn)}"


def table(name: str) -> str:
    """One of `TABLES`, as SVG."""
    if name == "matrix":
        drawn, source = sweeps.heat(matrix((ROOT / "docs" / "proposals.md").read_text())), "docs/proposals.md"
    elif name == "mpi-cost":
        drawn, source = sweeps.price(mpi_cost((ROOT / "README.md").read_text())), "README.md"
    else:
        drawn, source = sweeps.frontier(kept()), f"docs/figures/{KEPT.name}"
    assert drawn is not None
    return f"<!-- {source} -->\n{_svg(drawn)}"


def matrix(text: str) -> Sweep:
    """The verdicts of both tables of policies and workloads, kernel by kernel."""
    runs = []
    for kernel, rows in re.findall(r"^`(linux-[\d.]+)`:\n\n((?:\|.*\n)+)", text, re.M):
        head, _, *lines = [[cell.strip(" `*") for cell in row.strip("|\n").split("|")] for row in rows.splitlines()]
        for policy, *cells in lines:
            runs += [
                _as_run(
                    {"kernel": kernel, "scenario": workload, "safeguards": policy},
                    verdict=cell.split(",")[0].strip("*"),
                )
                for workload, cell in zip(head[1:-1], cells[:-1], strict=True)
            ]
    return Sweep("policy by workload", ["kernel", "scenario", "safeguards"], runs)


def mpi_cost(text: str) -> Sweep:
    """What `netswap sweep configs/experiments/mpi-cost.yaml` prints, as a page shows it."""
    axes = ("timeline.0.for", "safeguards")
    block = text.split("sweep configs/experiments/mpi-cost.yaml\n    ...\n", 1)[1]
    runs = []
    for line in block.splitlines()[1:]:
        if line.strip() == "...":
            break
        outage, policy, verdict, cost, slow_down, *_ = line.split()
        case = {"1us": "no outage", "1500ms": "1.5 s"}[outage]
        told = {"verdict": verdict, "cost_gib": float(cost), "slow_down": float(slow_down)}
        runs.append(_as_run(dict(zip(axes, (case, policy), strict=True)), **told))
    return Sweep("what each policy costs a job", list(axes), runs)


def _as_run(varied: dict[str, Any], **shown: Any) -> dict[str, Any]:
    return {"varied": varied, "shown": {f"A.{name}": value for name, value in shown.items()}}


def kept() -> Sweep:
    """What the experiment gave when it was run last."""
    told = json.loads(KEPT.read_text())
    return Sweep(told["experiment"], told["axes"], told["runs"])


def cell(place: int) -> dict[str, Any]:
    """One run of the experiment, as it is kept."""
    experiment = load_experiment(EXPERIMENT)
    one = experiment.runs[place]
    seen = perform((one.scenario, experiment.show))
    return {"varied": one.varied, "shown": seen.shown, "digest": seen.digest}


def sized() -> None:
    """Run the experiment anew, and keep what it gives."""
    experiment = load_experiment(EXPERIMENT)
    runs = [cell(place) for place in range(len(experiment.runs))]
    told = {"experiment": experiment.title, "axes": list(experiment.axes), "runs": runs}
    KEPT.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _svg(drawn: dict[str, Any]) -> str:
    svg: str = import_module("vl_convert").vegalite_to_svg(drawn)
    return f"{svg}\n"


def main() -> None:
    """Draw all of them anew."""
    sized()
    for draw, names in ((table, TABLES), (picture, POLICIES)):
        for name in names:
            path = FOLDER / f"{name}.svg"
            path.write_text(draw(name), encoding="utf-8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
