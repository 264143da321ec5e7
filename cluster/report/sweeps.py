"""The report of a sweep: verdicts as a heat map, recovery times with their spread, what a policy costs and what it brings."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from netswap.cluster.judge.verdict import Verdict
from netswap.cluster.report import charts
from netswap.cluster.report.page import rendered

RESULTS: Final = "results.json"
_COLOURS: Final = {
    "lost-data": charts.BLACK,
    "oom-killed": charts.BLACK,
    "killed": charts.BLACK,
    "wedged": charts.RED,
    "livelocked": charts.PINK,
    "blocked": charts.ORANGE,
    "undecided": charts.GREY,
    "recovered": charts.SKY,
    "slow": charts.YELLOW,
    "healthy": charts.GREEN,
    "finished": charts.BLUE,
    "failed": "#FFFFFF",
}
_GOOD: Final = ("recovered", "slow", "healthy", "finished")
_DARK: Final = ("lost-data", "oom-killed", "killed", "wedged", "healthy", "finished")
"""On these a word is white."""


@dataclass(frozen=True)
class Sweep:
    """What a sweep has left: `results.json`."""

    title: str
    axes: list[str]
    runs: list[dict[str, Any]]

    def first(self, ending: str) -> str | None:
        """The first thing shown whose name ends so, as `A.verdict`."""
        shown: dict[str, Any] = next((run["shown"] for run in self.runs if run["shown"]), {})
        return next((name for name in shown if name.endswith(ending)), None)

    @property
    def policy(self) -> str:
        """The axis that the rows of the heat map are of: the safeguards, else the last."""
        return "safeguards" if "safeguards" in self.axes else self.axes[-1]


def opened(folder: Path) -> Sweep | None:
    """The sweep of a folder; None if that is none."""
    path = folder / RESULTS
    if not path.exists():
        return None
    told = json.loads(path.read_text())
    return Sweep(told["experiment"], told["axes"], told["runs"])


def write(path: Path, sweep: Sweep) -> Path:
    """Write the report of a sweep. Raises OSError."""
    part = path.with_suffix(".part")
    made = {name: chart for name, chart in specifications(sweep).items() if chart is not None}
    part.write_text(rendered("sweep.html", sweep=sweep, charts=made, places=list(made)), encoding="utf-8")
    part.replace(path)
    return path


def specifications(sweep: Sweep) -> dict[str, dict[str, Any] | None]:
    """The charts, by place."""
    priced = price if sweep.first(".slow_down") else _cost
    return {"heat": heat(sweep), "spread": _spread(sweep), "frontier": frontier(sweep), "cost": priced(sweep)}


def _rows(sweep: Sweep) -> list[dict[str, Any]]:
    """A row for each run: `policy`, `case` (all other settings), and what is drawn."""
    others = [axis for axis in sweep.axes if axis != sweep.policy]
    verdict, after = sweep.first(".verdict"), sweep.first(".recovered_after_ns")
    cost = sweep.first(".cost_gib") or sweep.first(".kept_pages")
    rows = []
    for run in sweep.runs:
        shown = run["shown"] or {}
        rows.append(
            {
                "policy": _word(run["varied"].get(sweep.policy, "")),
                "case": ", ".join(_word(run["varied"][axis]) for axis in others) or sweep.title,
                "verdict": shown.get(verdict, "failed"),
                "after_s": None if shown.get(after) is None else shown[after] / 1e9,
                "cost": shown.get(cost),
                "slow_down": shown.get(sweep.first(".slow_down")),
            }
        )
    return rows


def _word(value: Any) -> str:
    if isinstance(value, list):
        return " + ".join(map(str, value))
    return Path(value).stem if isinstance(value, str) and value.endswith(".yaml") else str(value)


def heat(sweep: Sweep) -> dict[str, Any] | None:
    """Policy by case, the verdict as colour and as word; None where no verdict is shown."""
    import altair as alt

    if sweep.first(".verdict") is None:
        return None
    rows = _rows(sweep)
    cases, policies = (list(dict.fromkeys(row[key] for row in rows)) for key in ("case", "policy"))
    used = [str(one) for one in (*Verdict, "failed") if any(row["verdict"] == str(one) for row in rows)]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("case:N").sort(cases).title(None).axis(orient="top", labelAngle=-35, labelLimit=220, grid=False),
        y=alt.Y("policy:N").sort(policies).title(None).axis(labelLimit=200, grid=False),
    )
    colour = alt.Color("verdict:N").scale(domain=used, range=[_COLOURS[one] for one in used]).legend(None)
    cells = base.mark_rect(stroke="#FFFFFF", strokeWidth=2).encode(
        color=colour, tooltip=["policy:N", "case:N", "verdict:N", "after_s:Q", "cost:Q"]
    )
    ink = alt.condition(f"indexof({list(_DARK)}, datum.verdict) >= 0", alt.value("white"), alt.value("black"))
    words = base.mark_text(fontSize=11).encode(text="verdict:N", color=ink)
    return _done(alt.layer(cells, words), max(76 * len(cases), 160), 26 * len(policies))


def _spread(sweep: Sweep) -> dict[str, Any] | None:
    import altair as alt

    rows = [row for row in _rows(sweep) if row["after_s"] is not None]
    if not rows:
        return None
    policies = list(dict.fromkeys(row["policy"] for row in rows))
    base = alt.Chart(alt.InlineData(values=rows)).encode(y=alt.Y("policy:N").sort(policies).title(None))
    x = alt.X("after_s:Q").title("on again after the last heal (s)")
    bars = base.mark_rule(strokeWidth=2, color=charts.GREY).encode(x=alt.X("min(after_s):Q"), x2="max(after_s):Q")
    points = base.mark_point(filled=True, size=70, color=charts.BLUE).encode(
        x=x, tooltip=["policy:N", "case:N", "after_s:Q"]
    )
    middle = base.mark_tick(thickness=3, size=16, color=charts.BLACK).encode(x=alt.X("median(after_s):Q"))
    return _done(alt.layer(bars, points, middle), 620, 26 * len(policies))


def _cost(sweep: Sweep) -> dict[str, Any] | None:
    import altair as alt

    rows = [row for row in _rows(sweep) if row["cost"] is not None]
    if not rows:
        return None
    told = []
    for policy in dict.fromkeys(row["policy"] for row in rows):
        own = [row for row in rows if row["policy"] == policy]
        survived = sum(row["verdict"] in _GOOD for row in own) / len(own)
        told.append({"policy": policy, "cost": sum(row["cost"] for row in own) / len(own), "survived": survived})
    what = sweep.first(".cost_gib") or sweep.first(".kept_pages")
    base = alt.Chart(alt.InlineData(values=told)).encode(
        x=alt.X("cost:Q").title(f"{what}, on average"),
        y=alt.Y("survived:Q").title("runs without a machine that stays down").axis(format="%").scale(domain=[0, 1]),
        tooltip=["policy:N", "cost:Q", "survived:Q"],
    )
    points = base.mark_point(filled=True, size=90, color=charts.RED)
    names = base.mark_text(align="left", dx=8, fontSize=11).encode(text="policy:N")
    return _done(alt.layer(points, names), 620, 280)


def frontier(sweep: Sweep) -> dict[str, Any] | None:
    """How soon a machine is back against the one setting of numbers that is varied; None if there is none.

    Those that never are stand above all others, on a line of their own.
    """
    import altair as alt

    axis, after = _numbers_of(sweep), sweep.first(".recovered_after_ns")
    if axis is None or after is None:
        return None
    rows = _sizes(sweep, axis, after)
    back = [row["after_s"] for row in rows if row["after_s"] is not None]
    top = max(1.0, 1.25 * max(back, default=1.0))
    for row in rows:
        row["y"] = top if row["after_s"] is None else row["after_s"]
    colour, shape = _of_verdict(rows)
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("x:Q").title(axis).scale(type="symlog", constant=8).axis(values=sorted({row["x"] for row in rows})),
        y=alt.Y("y:Q").title("on again after the last heal (s)").scale(domain=[0, 1.08 * top], nice=False),
    )
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        color=colour, shape=shape, tooltip=["case:N", "x:Q", "verdict:N", "after_s:Q"]
    )
    layers = [points]
    if len(back) < len(rows):
        layers += _never(top)
    return _done(alt.layer(*layers), 620, 240)


def _sizes(sweep: Sweep, axis: str, after: str) -> list[dict[str, Any]]:
    """The sizes of each run: the setting `x`, when it was back, its verdict, and all other settings as `case`."""
    verdict = sweep.first(".verdict")
    return [
        {
            "x": run["varied"][axis],
            "after_s": None if run["shown"][after] is None else run["shown"][after] / 1e9,
            "verdict": run["shown"].get(verdict, "recovered"),
            "case": ", ".join(_word(value) for name, value in run["varied"].items() if name != axis),
        }
        for run in sweep.runs
        if run["shown"]
    ]


def _never(top: float) -> list[Any]:
    """The line of those that are not back."""
    import altair as alt

    line = alt.Chart(alt.InlineData(values=[{"y": top}])).encode(y="y:Q")
    word = line.mark_text(align="right", baseline="bottom", dx=-4, dy=-8, fontSize=11)
    return [
        line.mark_rule(color=charts.GREY, strokeDash=[4, 3]),
        word.encode(x=alt.value("width"), text=alt.value("never in this run")),
    ]


def _numbers_of(sweep: Sweep) -> str | None:
    """The axis whose values are three or more different numbers."""
    for axis in sweep.axes:
        values = [run["varied"].get(axis) for run in sweep.runs]
        if all(isinstance(value, int | float) for value in values) and len(set(values)) > 2:
            return axis
    return None


def _of_verdict(rows: list[dict[str, Any]]) -> tuple[Any, Any]:
    """Colour and shape of a point: a cross is a machine that stays down, whatever prints or sees the colour."""
    import altair as alt

    used = [str(one) for one in (*Verdict, "failed") if any(row["verdict"] == str(one) for row in rows)]
    shapes = ["circle" if one in _GOOD else "cross" for one in used]
    colour = alt.Color("verdict:N").scale(domain=used, range=[_COLOURS[one] for one in used])
    return colour, alt.Shape("verdict:N").scale(domain=used, range=shapes)


def price(sweep: Sweep) -> dict[str, Any] | None:
    """What each run keeps from programs against how much longer they take: its verdict as colour and shape."""
    import altair as alt

    rows = [row for row in _rows(sweep) if row["cost"] is not None and row["slow_down"] is not None]
    if not rows:
        return None
    _name(rows)
    colour, shape = _of_verdict(rows)
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("cost:Q")
        .title("memory kept from the job, in GiB more than in the first run")
        .scale(padding=60)
        .axis(tickCount=8),
        y=alt.Y("slow_down:Q")
        .title("times as long as in the first run")
        .scale(zero=False, padding=20)
        .axis(tickCount=8),
    )
    points = base.mark_point(filled=True, size=90, opacity=1).encode(
        color=colour, shape=shape, tooltip=["policy:N", "case:N", "verdict:N", "cost:Q", "slow_down:Q"]
    )
    right = base.transform_filter("!datum.is_left").mark_text(align="left", dx=8, fontSize=11).encode(text="name:N")
    left = (
        base.transform_filter("datum.is_left").mark_text(align="right", dx=2, dy=-12, fontSize=11).encode(text="name:N")
    )
    return _done(alt.layer(points, right, left), 660, 300)


def _name(rows: list[dict[str, Any]]) -> None:
    """Give each row a `name`, that of all rows at the same place together, and say on which side it finds room."""
    width, height = (max(row[key] for row in rows) - min(row[key] for row in rows) for key in ("cost", "slow_down"))
    several = len({row["case"] for row in rows}) > 1
    for row in rows:
        row["is_left"] = any(
            0 < other["cost"] - row["cost"] < 0.3 * width and abs(other["slow_down"] - row["slow_down"]) < 0.05 * height
            for other in rows
        )
        same = [one for one in rows if (one["cost"], one["slow_down"]) == (row["cost"], row["slow_down"])]
        names = dict.fromkeys(one["policy"] for one in same)
        row["name"] = " = ".join(names) + (f" ({row['case']})" if several else "")
        row["name"] = row["name"] if row is same[0] else ""


def _done(chart: Any, width: int, height: int) -> dict[str, Any]:
    made: dict[str, Any] = chart.properties(width=width, height=height).configure(**charts.config()).to_dict()
    return made
