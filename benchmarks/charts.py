"""`python -m benchmarks.charts`: two pictures of benchmarks/latest.json, into docs/pictures.

What a frame costs in clusters of all sizes, and how the wall time of one cluster goes with the actors that it is packed into.
"""

import json
from pathlib import Path
from typing import Any, Final

import altair as alt

from benchmarks.on_ray import ACTORS
from benchmarks.run import LATEST
from benchmarks.scenes import RINGS

PICTURES: Final = Path(__file__).parents[1] / "docs/pictures"
_MICROSECONDS: Final = 1_000_000


def _cost(results: dict[str, Any]) -> alt.Chart:
    """CPU time a frame against the number of ranks."""
    found = {machines: results[f"ring-of-{machines}"] for machines in RINGS}
    rows = [{"ranks": machines, "us": _MICROSECONDS / one["rate"]} for machines, one in found.items()]
    return _drawn(
        rows,
        alt.X("ranks", type="quantitative", scale=alt.Scale(type="log"), title="ranks that swap"),
        alt.Y("us", type="quantitative", title="CPU time of a frame (µs), in process"),
    )


def _wall(results: dict[str, Any]) -> alt.Chart:
    """Wall time of `scenes.RING`, in process (0 actors) and on Ray."""
    walls = {"in process": results["ring-wall"]["wall_s"]}
    walls |= {f"{count} on Ray": results[f"ring-wall-{count}-actors"]["wall_s"] for count in ACTORS}
    rows = [{"actors": name, "s": wall_s} for name, wall_s in walls.items()]
    return _drawn(
        rows,
        alt.X("actors", type="nominal", sort=None, title="actors", axis=alt.Axis(labelAngle=0)),
        alt.Y("s", type="quantitative", title="wall time of 1,000 ranks (s)"),
    )


def _drawn(rows: list[dict[str, Any]], x: alt.X, y: alt.Y) -> alt.Chart:
    """A line through the points, from zero."""
    return alt.Chart(alt.Data(values=rows), width=480, height=240).mark_line(point=True).encode(x=x, y=y)


def main() -> None:
    """Draw both. Raises KeyError if what is drawn has not been measured."""
    results = json.loads(LATEST.read_text())["results"]
    PICTURES.mkdir(exist_ok=True)
    _cost(results).save(PICTURES / "cost-of-a-frame.svg")
    _wall(results).save(PICTURES / "wall-time-and-actors.svg")


if __name__ == "__main__":
    main()
