"""The same chart by three libraries, each as a page of its own: `python charting.py LIBRARY PAGE POINTS`.

Runs in any interpreter that has the library, without netswap. Prints one JSON object: version, and seconds of CPU and wall time.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

NEEDS: Final = {"altair": ("altair", "vl_convert"), "plotly": ("plotly",), "bokeh": ("bokeh",)}


def points(count: int) -> tuple[list[float], list[int]]:
    """Times (s) and free pages: a saw, as reclaim makes it."""
    return [place / 100 for place in range(count)], [900 + (place * 37) % 200 for place in range(count)]


def altair(count: int, page: Path) -> None:
    """As the report does it: rows as text, the script bundled by vl-convert."""
    alt: Any = import_module("altair")
    t, free = points(count)
    rows = "t,free\n" + "".join(f"{at},{pages}\n" for at, pages in zip(t, free, strict=True))
    source = alt.NamedData(name="rows", format=alt.CsvDataFormat(type="csv", parse={"t": "number", "free": "number"}))
    chart = alt.Chart(source, width=900, height=260).mark_line(interpolate="step-after")
    drawn = chart.encode(x="t:Q", y="free:Q", tooltip=["t:Q", "free:Q"]).to_dict(validate=False)
    drawn["datasets"] = {"rows": rows}
    script = import_module("vl_convert").javascript_bundle().replace("</script", "<\\/script")
    page.write_text(
        f'<!doctype html><meta charset="utf-8"><div id="chart"></div><script>{script}</script>'
        f'<script>vegaEmbed("#chart", {json.dumps(drawn)}, {{actions: false, renderer: "svg"}})</script>'
    )


def plotly(count: int, page: Path) -> None:
    """Its own script within the page."""
    go: Any = import_module("plotly.graph_objects")
    t, free = points(count)
    figure = go.Figure(go.Scatter(x=t, y=free, mode="lines", line={"shape": "hv"}))
    figure.update_layout(width=1000, height=360)
    figure.write_html(page, include_plotlyjs=True)


def bokeh(count: int, page: Path) -> None:
    """Its own script within the page."""
    plotting, io, resources = (import_module(f"bokeh.{name}") for name in ("plotting", "io", "resources"))
    t, free = points(count)
    drawn = plotting.figure(width=1000, height=360, tools="hover,xpan,xwheel_zoom,reset")
    drawn.step(t, free, mode="after")
    io.save(drawn, filename=page, resources=resources.INLINE, title="chart")


MAKERS: Final[dict[str, Callable[[int, Path], None]]] = {"altair": altair, "plotly": plotly, "bokeh": bokeh}


def main(library: str, page: str, count: str) -> None:
    """Make the page once the library has been imported."""
    modules = [import_module(name) for name in NEEDS[library]]
    cpu, wall = time.process_time(), time.perf_counter()
    MAKERS[library](int(count), Path(page))
    told = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
    print(json.dumps({"version": ", ".join(module.__version__ for module in modules), **told}))


if __name__ == "__main__":
    main(*sys.argv[1:])
