"""One page about one run, or about several beside each other. It opens with the network off."""

import json
import re
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from netswap.cluster.judge.expectations import seen_text
from netswap.cluster.judge.verdict import BAD
from netswap.cluster.record import store
from netswap.cluster.report import bundle, charts, graph
from netswap.cluster.report.figures import RASTER_MAX, Figures, figures, raster, takers
from netswap.cluster.report.opened import Run
from netswap.cluster.show.present import seconds, worst_first

LIBRARIES: Final = ("altair", "jinja2", "pandas", "pyarrow", "vl_convert")
_SECOND: Final = 1_000_000_000
_BAD: Final = {str(verdict) for verdict in BAD}
_ILL: Final = {*_BAD, "blocked", "undecided"}
_REFUSED_MAX: Final = 14
_WORDS: Final = {
    "first drop": "the first frame lost:",
    "below": "free pages come below",
    "again": "a request is sent again over",
    "stall": "does not get on from here",
    "fault": "",
}
"""How a page says what a moment is."""


@dataclass(frozen=True)
class Told:
    """One run, as the template tells it."""

    name: str
    run: Run
    figures: Figures | None
    machine: str
    charts: dict[str, dict[str, Any]]
    """By the name of their place on the page: Vega-Lite specifications."""
    takers: list[tuple[str, int, int]]
    before: list[tuple[float, str, str]]
    """What happened in the last second before the wedge: (seconds, machine and program, what)."""


def is_possible() -> bool:
    """Whether all libraries are there."""
    return all(find_spec(name) is not None for name in LIBRARIES)


def write(path: Path, runs: list[Run]) -> Path:
    """Write the report of these runs. Raises OSError."""
    part = path.with_suffix(".part")
    part.write_text(page(runs), encoding="utf-8")
    part.replace(path)
    return path


def page(runs: list[Run]) -> str:
    """The page as text."""
    told = [tell(run, name) for run, name in zip(runs, names(runs), strict=True)]
    return rendered(
        "page.html",
        title=runs[0].result["scenario"],
        question=question(runs[0].scenario),
        told=told,
        sentence=sentence,
        worst_first=worst_first,
        contrast=contrast(told),
        drawn_max=RASTER_MAX,
        charts=specifications(told),
    )


def rendered(template: str, **values: Any) -> str:
    """A template with its values; `charts` are the specifications, by place."""
    jinja2: Any = import_module("jinja2")
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {
        "seconds": seconds,
        "bad": lambda verdict: str(verdict) in _BAD,
        "mood": _mood,
        "seen": seen_text,
    }
    values["charts"] = _json(values["charts"])
    made: str = environment.get_template(template).render(script=bundle.script(), **values)
    return made


def pictures(folder: Path, runs: list[Run], kind: str) -> list[Path]:
    """Write each chart of these runs as an `svg` or a `png`, for papers. Raises OSError."""
    convert: Any = import_module("vl_convert")
    told = [tell(run, name) for run, name in zip(runs, names(runs), strict=True)]
    paths = []
    for place, chart in specifications(told).items():
        path = folder / f"{place}.{kind}"
        if kind == "svg":
            path.write_text(convert.vegalite_to_svg(chart), encoding="utf-8")
        else:
            path.write_bytes(convert.vegalite_to_png(chart, scale=2))
        paths.append(path)
    return paths


def specifications(told: list[Told]) -> dict[str, dict[str, Any]]:
    """All charts of a page, by the place where each stands."""
    made = {f"{place}-{number}": chart for number, one in enumerate(told) for place, chart in one.charts.items()}
    drawn = {one.name: one.figures for one in told if one.figures is not None}
    if len(drawn) > 1:
        made["contrast"] = charts.contrast(drawn)
    return made


def tell(run: Run, name: str) -> Told:
    """All that is said about one run."""
    drawn = figures(run) if run.has_series else None
    machine = drawn.machine if drawn is not None else worst_first(run.result)[0][0]
    made: dict[str, Any] = {}
    lost: list[tuple[str, int, int]] = []
    before: list[tuple[float, str, str]] = []
    if drawn is not None:
        made["timeline"] = charts.timeline(drawn)
    if (run.folder / store.FOLDER / "machines.parquet").exists():
        made["raster"] = charts.raster(raster(run))
    picture = graph.picture(run.result, machine)
    if picture is not None and run.result["machines"][machine]["verdict"] in _ILL:
        made["graph"] = picture
    stalled_ns = run.result["machines"][machine]["stalled_at_ns"]
    if drawn is not None and stalled_ns is not None:
        rows = run.series()
        rows = rows[rows["machine"] == machine]
        close = rows[(rows["at_ns"] >= stalled_ns - _SECOND) & (rows["at_ns"] <= stalled_ns + _SECOND)]
        close = close.assign(t=close["at_ns"] / _SECOND)
        if len(close):
            made["around"] = charts.around(drawn, close)
            lost = [(charts.OWNER_WORDS.get(one, one), was, now) for one, was, now in takers(rows, stalled_ns)]
            before = _before(drawn.moments, machine, stalled_ns)
    return Told(name, run, drawn, machine, made, lost, before)


def names(runs: list[Run]) -> list[str]:
    """How runs are told apart: by what differs in their command lines, else by their folders."""
    words = [set(re.findall(r"--(?:set|seed) \S+", run.result["command"])) for run in runs]
    common = set.intersection(*words)
    own = [", ".join(sorted(word.split(" ", 1)[1].strip("'") for word in one - common)) for one in words]
    if len(runs) > 1 and len(set(own)) == len(runs):
        return [one or "as it is" for one in own]
    return [run.folder.name for run in runs]


def question(scenario: str) -> str:
    """What the scenario asks: its first comment."""
    lines = []
    for line in scenario.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines)


def sentence(result: dict[str, Any]) -> str:
    """The verdict, as one sentence."""
    name, machine = worst_first(result)[0]
    verdict = machine["verdict"]
    if result["verdict"] != "ok":
        return f"The run is {result['verdict']}: nothing follows from it."
    if verdict in ("healthy", "finished"):
        return "No machine came to a stand."
    if verdict == "recovered":
        after = machine["recovered_after_ns"]
        when = f", {seconds(after)} after the last fault had ended" if after is not None else ""
        return f"{name} came to a stand for {seconds(machine['stalled_ns'])}, and went on{when}."
    at = machine["stalled_at_ns"]
    return f"{name} is {verdict}" + (f": it has come to a stand at {seconds(at)}." if at is not None else ".")


def _mood(verdict: str) -> str:
    """The class of a sentence: it is bad news, good news, or neither."""
    return "bad" if verdict in _BAD else "good" if verdict in ("recovered", "healthy", "finished") else ""


def _before(moments: Any, machine: str, stalled_ns: int) -> list[tuple[float, str, str]]:
    """What happened around the stall: the min mark, first losses, requests sent again, faults."""
    rows = moments[(moments["at_ns"] >= stalled_ns - _SECOND) & (moments["at_ns"] <= stalled_ns + _SECOND)]
    rows = rows[(rows["what"] != "below") | (rows["detail"] == "min")]
    rows = rows[(rows["machine"] == machine) | rows["machine"].isna()]
    told = []
    for row in rows.itertuples():
        who = " ".join(one for one in (row.machine, row.program) if isinstance(one, str)) or "the network"
        free = "" if row.free != row.free else f", {int(row.free):,} pages free"
        told.append((row.at_ns / _SECOND, who, f"{_WORDS.get(row.what, row.what)} {row.detail}{free}".strip()))
    return told[:_REFUSED_MAX]


def contrast(told: list[Told]) -> list[tuple[str, list[str]]]:
    """(what, its value in each run) of what is compared."""
    if len(told) < 2:
        return []
    shown = [one.run.result["machines"][one.machine] for one in told]
    counters = [one["counters"] for one in shown]
    return [
        ("machine", [one.machine for one in told]),
        ("verdict", [one["verdict"] for one in shown]),
        ("stalled at", [seconds(one["stalled_at_ns"]) for one in shown]),
        ("for", [seconds(one["stalled_ns"] or None) for one in shown]),
        ("resumed after the heal", [seconds(one["recovered_after_ns"]) for one in shown]),
        ("fewest free pages", [f"{one['free_pages_min']:,}" for one in counters]),
        ("pages of the reserve", [f"{one['reserve_pages']:,}" for one in counters]),
        ("most of them in use", [f"{one['reserve_used_max']:,}" for one in counters]),
        ("most pages in ordinary sockets", [f"{one['noncritical_pages_max']:,}" for one in counters]),
        ("frames dropped", [f"{sum(one['dropped'].values()):,}" for one in counters]),
        ("progress", [f"{one['progress']:,}" for one in counters]),
    ]


def _json(value: Any) -> str:
    """As it may stand in a script."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
