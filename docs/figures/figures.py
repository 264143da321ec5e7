"""`make figures`: the pictures of the documents, each from a run of the scenario of the argument.

Each picture says in a comment of which run it is; tests/test_figures.py compares that with the committed digests.
"""

import tempfile
from importlib import import_module
from pathlib import Path
from typing import Final

from netswap.cluster.lab.runs import How, run, write_result
from netswap.cluster.record import store
from netswap.cluster.report import charts
from netswap.cluster.report.figures import figures
from netswap.cluster.report.opened import open_run
from netswap.cluster.scenario import load

FOLDER: Final = Path(__file__).parent
SCENARIO: Final = Path("configs") / "three-machines.yaml"
ROWS: Final = 240
"""So many are enough for a page, and keep a picture small."""
POLICIES: Final = ("none", "reserve", "min-free-20", "recursive-reclaim")


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
    svg: str = import_module("vl_convert").vegalite_to_svg(drawn)
    return f"<!-- {SCENARIO} safeguards={safeguards} digest={finished.result.digest} -->\n{svg}\n"


def main() -> None:
    """Draw all of them anew."""
    for safeguards in POLICIES:
        path = FOLDER / f"{safeguards}.svg"
        path.write_text(picture(safeguards), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
