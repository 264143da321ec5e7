"""Charts, as Altair makes them: the same time axis for all, colours that survive colour blindness and print.

The colours are those of Okabe and Ito (2008), and each has a place of its own in brightness where two of them touch.
"""

from hashlib import sha256
from typing import Any, Final

from netswap.actors.wait import KINDS
from netswap.cluster.record.columns import STATE_NAMES
from netswap.cluster.report.figures import Figures

WIDTH: Final = 900
"""Pixels of a chart for paper; on a page it follows the window."""
_HEIGHTS: Final = {"memory": 260, "fates": 130, "progress": 90}
BLUE, SKY, GREEN, YELLOW, ORANGE, RED, PINK, GREY, BLACK = (
    "#0072B2",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#E69F00",
    "#D55E00",
    "#CC79A7",
    "#999999",
    "#222222",
)
_RASTER: Final = 480
"""Pixels of a raster at most. A row is a whole number of them, since seams would be seen otherwise."""
_ROW: Final = 12
"""Pixels of a row, where there are few."""
_NAMES: Final = 24
_OF_OWNER: Final = {
    "free": SKY,
    "slabs": GREY,
    "moving": YELLOW,
    "services": GREEN,
    "cache": BLACK,
    "critical": BLUE,
    "reassembly": PINK,
    "ordinary": RED,
}
OWNER_WORDS: Final = {
    "free": "free",
    "slabs": "other kernel pages",
    "moving": "pages under way",
    "services": "services",
    "cache": "page cache",
    "critical": "critical receive buffers",
    "reassembly": "waiting fragments",
    "ordinary": "frames in ordinary sockets",
}
_OF_WAIT: Final = dict(zip(KINDS, ("#DDDDDD", RED, BLACK, BLUE, PINK, SKY, YELLOW, GREEN), strict=True))
_OF_STATE: Final = dict(zip(STATE_NAMES, ("#DDDDDD", SKY, BLUE, YELLOW, RED, BLACK, PINK, GREY), strict=True))
_DROPS: Final = (RED, ORANGE, PINK, YELLOW, BLUE, GREY, BLACK)
_DX: Final = {"low": -34, "min": -62}
"""Pixels: names of marks that lie near each other stand beside each other."""
_MARKS: Final = {"high": [1, 2], "low": [4, 2], "min": [8, 3], "atomic": [1, 0]}


CURSOR: Final = "pointed_at"
"""The parameter of each chart over time: the time (s) that is pointed at in any of them; null for none."""


def timeline(figures: Figures) -> dict[str, Any]:
    """Memory, frames, waits and progress of one machine over the same time, one above the other."""
    import altair as alt

    views = [
        _memory(figures).properties(name="memory"),
        _fates(figures).properties(name="fates"),
        _lanes(figures).properties(name="lanes"),
        _progress(figures).properties(name="progress"),
    ]
    whole = alt.vconcat(*views, spacing=14)
    return _made([figures], whole.resolve_scale(x="shared", color="independent", strokeDash="independent"))


def _made(of: list[Figures], chart: Any) -> dict[str, Any]:
    """The specification. Each selection belongs to one view, where Altair names all that lie on one another."""
    made: dict[str, Any] = chart.configure(**config()).to_dict(validate=False)
    made["datasets"] = {name: rows for one in of for name, rows in one.sources.items()}
    for one in of:
        one.sources.clear()
    for param in made.get("params", ()):
        param["views"] = param["views"][:1] if param["name"].startswith("zoom") else param["views"][-1:]
    made.setdefault("params", []).append({"name": CURSOR, "value": None})
    return made


def _source(figures: Figures, frame: Any) -> Any:
    """A frame as data of a chart: as text, since so it takes the least room, and once however many layers draw it."""
    import altair as alt

    text = frame.to_csv(index=False, float_format="%.9g")
    name = sha256(text.encode()).hexdigest()[:12]
    figures.sources[name] = text
    numbers = {column: "number" for column in frame if frame[column].dtype.kind in "iuf"}
    return alt.NamedData(name=name, format=alt.CsvDataFormat(type="csv", parse=numbers))


def argument(figures: Figures) -> dict[str, Any]:
    """The memory alone: the picture of the argument."""
    chart = _memory(figures)
    del chart.layer[-2:]  # paper is not pointed at
    return _made([figures], chart.properties(height=_HEIGHTS["memory"]))


def config() -> dict[str, Any]:
    """What all charts look like."""
    return {
        "font": "system-ui, sans-serif",
        "axis": {"grid": True, "gridColor": "#EEEEEE", "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal"},
        "legend": {"orient": "bottom", "columns": 4, "labelFontSize": 11, "title": None, "labelLimit": 220},
        "view": {"stroke": "#CCCCCC"},
        "title": {"anchor": "start", "fontSize": 13, "fontWeight": 600},
    }  # fmt: skip


def _x(title: str = "") -> Any:
    import altair as alt

    return alt.X("t:Q").title(title or None).axis(format=".4~f", tickCount=8)


def _cursor() -> Any:
    """A line at the time that is pointed at, in whichever chart that is."""
    import altair as alt

    at = alt.expr(f"{CURSOR} === null ? -9 : scale('x', {CURSOR})")
    return (
        alt.Chart(alt.InlineData(values=[{}]))
        .mark_rule(color=BLACK, strokeWidth=1, strokeDash=[2, 2], opacity=0.7, clip=True)
        .encode(x=alt.value(at))
    )


def _zoom(suffix: str = "") -> Any:
    """Drag to move, shift and wheel to zoom."""
    import altair as alt

    return alt.selection_interval(bind="scales", encodings=["x"], zoom="wheel![event.shiftKey]", name=f"zoom{suffix}")


def _bands(figures: Figures, *, named: bool = False) -> list[Any]:
    """The faults as bands behind, and the stall and the recovery as lines before."""
    import altair as alt

    layers: list[Any] = []
    if len(figures.faults):
        base = alt.Chart(_source(figures, figures.faults))
        layers.append(
            base.mark_rect(color="#000000", opacity=0.07).encode(
                x=_x(), x2="until:Q", tooltip=["what:N", "t:Q", "until:Q"]
            )
        )
        if named:
            layers.append(
                base.mark_text(
                    align="left", baseline="top", dx=3, dy=3, fontSize=11, color="#555555", clip=True, limit=300
                ).encode(x=_x(), y=alt.value(0), text="what:N")
            )
    if len(figures.marks):
        base = alt.Chart(_source(figures, figures.marks))
        layers.append(
            base.mark_rule(color=BLACK, strokeWidth=1.5, strokeDash=[5, 3]).encode(x=_x(), tooltip=["what:N", "t:Q"])
        )
        if named:
            layers.append(
                base.mark_text(
                    align="left", baseline="top", dx=4, dy=18, fontSize=12, fontWeight="bold", clip=True
                ).encode(x=_x(), y=alt.value(0), text="what:N")
            )
    return layers


def raster(rows: Any) -> dict[str, Any]:
    """Machines over time, their state as colour."""
    import altair as alt

    names = list(dict.fromkeys(rows["machine"]))
    count = len(names)
    text = rows.to_csv(index=False, float_format="%.9g")
    numbers = {"place": "number", "t": "number", "until": "number"}
    cells = (
        alt.Chart(alt.NamedData(name="raster", format=alt.CsvDataFormat(type="csv", parse=numbers)))
        .transform_calculate(below="datum.place + 1")
        .mark_rect(clip=True)
        .encode(
            x=_x("virtual time (s)"),
            x2="until:Q",
            y=alt.Y("place:Q").scale(domain=[count, 0], nice=False).title(None).axis(_names_of_rows(names)),
            y2="below:Q",
            color=alt.Color("state:N").scale(domain=list(_OF_STATE), range=list(_OF_STATE.values())),
            tooltip=["machine:N", "state:N", "t:Q", "until:Q"],
        )
        .add_params(_zoom())
    )
    chart = alt.layer(cells, _cursor()).properties(width=WIDTH, height=count * max(1, min(_ROW, _RASTER // count)))
    made: dict[str, Any] = chart.configure(**config()).to_dict(validate=False)
    made["params"].append({"name": CURSOR, "value": None})
    made["datasets"] = {"raster": text}
    return made


def _names_of_rows(names: list[str]) -> Any:
    """Some of the rows of a raster bear their names: as many as stand clear of each other."""
    import altair as alt

    each = max(1, -(-len(names) // _NAMES))
    values = list(range(0, len(names), each))
    named = "{" + ", ".join(f"'{place}': '{names[place]}'" for place in values) + "}[datum.value]"
    return alt.Axis(values=values, labelExpr=named, grid=False, labelLimit=110, labelBaseline="top")


def _top(figures: Figures) -> float:
    """The pages that are worth showing: the marks, and what stands above free pages when there are few."""
    rows = figures.memory
    whole = rows[_shown([figures])].sum(axis=1)
    over = 1.15 * float((whole - rows["free"]).max() + rows["free"].min())
    return min(float(whole.max()), max(3 * float(rows["high"].max()), over))


def _shown(of: list[Figures]) -> list[Any]:
    """The owners that there are in any of these runs."""
    return [name for name in _OF_OWNER if name in ("free", "slabs") or any(one.memory[name].max() > 0 for one in of)]


def _memory(figures: Figures, top: float | None = None, suffix: str = "", shown: list[Any] | None = None) -> Any:
    """Free pages from 0 up, and on them those that are not a rank's; the marks are lines to be read against free pages."""
    import altair as alt

    rows, machine = figures.memory, figures.machine
    shown = shown or _shown([figures])
    top = top or _top(figures)
    data = rows[["t", "high", "low", "min", "atomic", "ranks", *shown]].copy()
    source = _source(figures, data)
    words = [OWNER_WORDS[name] for name in shown]
    order = "indexof(" + str(shown) + ", datum.owner)"
    scale = alt.Scale(domain=words, range=[_OF_OWNER[name] for name in shown])
    naming = "{" + ", ".join(f"'{name}': '{OWNER_WORDS[name]}'" for name in shown) + "}[datum.owner]"
    area = (
        alt.Chart(source)
        .transform_fold(shown, as_=["owner", "pages"])
        .transform_calculate(place=order, who=naming)
        .mark_area(interpolate="step-after", clip=True, opacity=0.9)
        .encode(
            x=_x(),
            y=alt.Y("pages:Q")
            .stack("zero")
            .title(f"pages of {machine} (ranks left out)")
            .scale(domain=[0, 1.2 * top], nice=False),
            color=alt.Color("who:N").scale(scale),
            order=alt.Order("place:Q"),
        )
    )
    lines = [_mark(figures, data, name, dash) for name, dash in _MARKS.items()]
    hover = _hover(source, shown, suffix)
    layers = [area.add_params(_zoom(suffix)), *_bands(figures, named=True), *lines, _cursor(), hover]
    return alt.layer(*layers).properties(width=WIDTH, height=_HEIGHTS["memory"])


def _hover(source: Any, shown: list[Any], suffix: str) -> Any:
    """The numbers of the row that is nearest to where one points."""
    import altair as alt

    over = alt.selection_point(
        on="pointermove", nearest=True, encodings=["x"], empty=False, clear="pointerout", name=f"over{suffix}"
    )
    told = [alt.Tooltip("t:Q", title="at (s)"), *(alt.Tooltip(f"{name}:Q", title=OWNER_WORDS[name]) for name in shown)]
    told += [alt.Tooltip(f"{name}:Q") for name in ("ranks", *_MARKS)]
    return (
        alt.Chart(source)
        .mark_rule(color=BLACK)
        .encode(x=_x(), tooltip=told, opacity=alt.condition(over, alt.value(0.6), alt.value(0)))
        .add_params(over)
    )


def _mark(figures: Figures, data: Any, name: str, dash: list[int]) -> Any:
    import altair as alt

    base = alt.Chart(_source(figures, data)).encode(y=f"{name}:Q")
    line = base.mark_line(interpolate="step-after", color=BLACK, strokeDash=dash, strokeWidth=1.2, clip=True).encode(
        x=_x()
    )
    label = (
        alt.Chart(_source(figures, data.tail(1)))
        .mark_text(align="right", baseline="bottom", dx=_DX.get(name, -2), dy=-1, fontSize=10, color=BLACK)
        .encode(x=alt.value("width"), y=f"{name}:Q", text=alt.value({"atomic": "floor of reception"}.get(name, name)))
    )
    return line + label


def _fates(figures: Figures) -> Any:
    import altair as alt

    fates = list(dict.fromkeys(figures.fates["fate"]))
    colours = [GREEN if fate == "delivered" else _DROPS[(fates.index(fate) - 1) % len(_DROPS)] for fate in fates]
    area = (
        alt.Chart(_source(figures, figures.fates))
        .mark_area(interpolate="step-before", clip=True, opacity=0.9)
        .encode(
            x=_x(),
            y=alt.Y("per_s:Q").stack("zero").title("frames a second"),
            color=alt.Color("fate:N").scale(domain=fates, range=colours),
            tooltip=["fate:N", "t:Q", "per_s:Q"],
        )
    )
    return alt.layer(area, *_bands(figures), _cursor()).properties(width=WIDTH, height=_HEIGHTS["fates"])


def _lanes(figures: Figures) -> Any:
    import altair as alt

    lanes = figures.lanes
    order = list(dict.fromkeys(lanes["program"]))
    used = [kind for kind in KINDS if kind in set(lanes["waits"])]
    bars = (
        alt.Chart(_source(figures, lanes))
        .mark_bar(height={"band": 0.75}, clip=True)
        .encode(
            x=_x(),
            x2="until:Q",
            y=alt.Y("program:N").sort(order).title(None).axis(labelLimit=110),
            color=alt.Color("waits:N").scale(domain=used, range=[_OF_WAIT[kind] for kind in used]),
            tooltip=["program:N", "waits:N", "t:Q", "until:Q"],
        )
    )
    return alt.layer(bars, *_bands(figures), _cursor()).properties(width=WIDTH, height=22 * max(2, len(order)))


def _progress(figures: Figures) -> Any:
    import altair as alt

    lines = (
        alt.Chart(_source(figures, figures.progress))
        .mark_line(interpolate="step-before", clip=True, strokeWidth=1.5)
        .encode(
            x=_x("virtual time (s)"),
            y=alt.Y("share:Q").title("progress").axis(format="%", tickCount=3).scale(domain=[0, 1]),
            color=alt.Color("program:N").scale(range=[BLUE, ORANGE, GREEN, PINK, RED, SKY, BLACK]),
            strokeDash=alt.StrokeDash("program:N"),
            tooltip=["program:N", "t:Q", "per_s:Q"],
        )
    )
    return alt.layer(lines, *_bands(figures), _cursor()).properties(width=WIDTH, height=_HEIGHTS["progress"])


def around(figures: Figures, rows: Any) -> dict[str, Any]:
    """The memory of a stretch of time, every look of it."""
    close = Figures(**{**figures.__dict__, "memory": rows})
    begin, end = float(rows["t"].iloc[0]), float(rows["t"].iloc[-1])
    chart = _memory(close)
    made: dict[str, Any] = _within(begin, end, _made([close], chart.properties(height=200)))
    return made


def _within(begin: float, end: float, drawn: Any) -> Any:
    """The specification of a chart, or a part of one, with its time from `begin` to `end`."""
    if isinstance(drawn, list):
        return [_within(begin, end, one) for one in drawn]
    if not isinstance(drawn, dict):
        return drawn
    made = {key: value if key in ("datasets", "data") else _within(begin, end, value) for key, value in drawn.items()}
    if made.get("field") == "t" and "axis" in made:
        made["scale"] = {"domain": [begin, end], "nice": False}
    return made


def contrast(named: dict[str, Figures]) -> dict[str, Any]:
    """The memory of the same machine in several runs, one above the other, on one scale."""
    import altair as alt

    shown, top = _shown(list(named.values())), max(map(_top, named.values()))
    views = [
        _memory(one, top, str(place), shown).properties(height=170, title=name)
        for place, (name, one) in enumerate(named.items())
    ]
    return _made(list(named.values()), alt.vconcat(*views, spacing=12).resolve_scale(x="shared"))
