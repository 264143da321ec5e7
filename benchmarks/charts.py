"""`python -m benchmarks.charts`: two pictures of benchmarks/latest.json, into docs/pictures.

What a frame costs in clusters of all sizes, and how the wall time of one cluster goes with the actors that it is packed into.
"""

import json
from pathlib import Path
from typing import Any, Final

import altair as alt
import pandas as pd

from benchmarks.on_ray import ACTORS
from benchmarks.run import LATEST
from benchmarks.scenes import RINGS

PICTURES: Final = Path(__file__).parents[1] / "docs/pictures"


def _cost(results: dict[str, Any]) -> alt.Chart:
    """CPU time a frame against the number of ranks."""
    costs_us = [1e6 / results[f"ring-of-{machines}"]["rate"] for machines in RINGS]
    x = alt.X("x:Q", scale=alt.Scale(type="log"), title="ranks that swap")
    y = alt.Y("y:Q", title="CPU time of a frame (µs), in process")
    drawn: alt.Chart = _sheet(list(RINGS), costs_us).mark_line(point=True).encode(x=x, y=y)
    return drawn


def _wall(results: dict[str, Any]) -> alt.Chart:
    """Wall time of `scenes.RING`, in process and on Ray."""
    names = {"in process": "ring-wall"} | {f"{count} on Ray": f"ring-wall-{count}-actors" for count in ACTORS}
    walls_s = [results[name]["wall_s"] for name in names.values()]
    x = alt.X("x:N", sort=None, title="actors", axis=alt.Axis(labelAngle=0))
    y = alt.Y("y:Q", title="wall time of 1,000 ranks (s)")
    drawn: alt.Chart = _sheet(list(names), walls_s).mark_bar(width=40).encode(x=x, y=y)
    return drawn


def _sheet(x: list[Any], y: list[float]) -> alt.Chart:
    """An empty one, with its data."""
    return alt.Chart(pd.DataFrame({"x": x, "y": y}), width=480, height=240)


def main() -> None:
    """Draw both. Raises KeyError if what is drawn has not been measured."""
    results = json.loads(LATEST.read_text())["results"]
    PICTURES.mkdir(exist_ok=True)
    _cost(results).save(PICTURES / "cost-of-a-frame.svg")
    _wall(results).save(PICTURES / "wall-time-and-actors.svg")


if __name__ == "__main__":
    main()
