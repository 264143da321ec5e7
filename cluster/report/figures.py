"""What is drawn, as small tables: rows that were recorded, chosen so that charts stay small and nothing is averaged."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from netswap.actors.counters import CAUSES
from netswap.cluster.record.columns import OWNERS
from netswap.cluster.report.opened import Run
from netswap.cluster.show.present import worst_first

ROWS_MAX: Final = 700
"""Rows of a chart: more cannot be told apart, and make the page large."""
LANES_MAX: Final = 10
RASTER_MAX: Final = 400
"""Machines of a raster."""
CELLS_MAX: Final = 40_000
_SECOND: Final = 1_000_000_000
_USUAL: Final = 0.95
"""The quantile of all rates of a program that counts as its best, so that a start in warm memory does not hide all else."""
FATES: Final = ("delivered", *(f"dropped_{cause.replace('-', '_')}" for cause in CAUSES))


@dataclass(frozen=True)
class Figures:
    """The figures of one run: the machine that it is about, and pandas frames of what is drawn. `t`: virtual time, seconds."""

    machine: str
    memory: Any
    """Rows of `series` as recorded, of each stretch the one with the fewest free pages."""
    fates: Any
    """`t`, `fate`, `per_s`: frames a second between two of these rows."""
    lanes: Any
    """`program`, `waits`, `t`, `until`: what a program waits for most of the time."""
    progress: Any
    """`t`, `program`, `per_s`, `share`: progress a second, and as share of the program's best."""
    faults: Any
    """`t`, `until`, `what`."""
    marks: Any
    """`t`, `what`: the stall, and the recovery, of the machine."""
    moments: Any
    """The table of moments."""
    sources: dict[str, str] = field(default_factory=dict)
    """What a chart of them is drawn from, while it is made: tables as text, by name."""


def figures(run: Run, machine: str | None = None, most: int = ROWS_MAX) -> Figures:
    """What is drawn of a run; `machine`: the one it is about, else the worst; `most`: rows of a chart.

    Raises FileNotFoundError without series.
    """
    series, programs, moments = run.series(), run.series("programs"), run.series("moments")
    names = set(series["machine"])
    name = machine or next(one for one, _ in worst_first(run.result) if one in names)
    end_s = run.result["virtual_ns"] / _SECOND
    rows = _lowest(series[series["machine"] == name], most)
    return Figures(
        machine=name,
        memory=rows,
        fates=_fates(rows),
        lanes=_lanes(programs, _order(run, names), end_s),
        progress=_progress(programs[programs["machine"] == name]),
        faults=_faults(moments, end_s),
        marks=_marks(run.result["machines"][name], moments),
        moments=moments,
    )


def _order(run: Run, names: set[str]) -> list[tuple[str, str]]:
    """(machine, program) of the lanes, the worst machine's first."""
    pairs = [
        (name, one["name"]) for name, machine in worst_first(run.result) if name in names for one in machine["programs"]
    ]
    return pairs[:LANES_MAX]


def _lowest(rows: Any, most: int) -> Any:
    """At most `most` rows: of each stretch that with the fewest free pages, as it is; the first and the last always."""
    rows = rows.reset_index(drop=True)
    stretch = max(1, -(-len(rows) // most))
    chosen = rows["free"].groupby(rows.index // stretch).idxmin()
    kept = rows.loc[sorted({0, *chosen, len(rows) - 1})].reset_index(drop=True)
    kept.insert(0, "t", kept["at_ns"] / _SECOND)
    return kept


def _fates(rows: Any) -> Any:
    """Frames a second by fate, only those fates that there are."""
    there = [name for name in FATES if rows[name].iloc[-1] > 0] or ["delivered"]
    counts = rows[["t", *there]]
    rates = counts[there].diff().div(counts["t"].diff(), axis=0).fillna(0).round(1)
    rates.insert(0, "t", counts["t"])
    told = rates.melt("t", var_name="fate", value_name="per_s")
    told["fate"] = told["fate"].str.replace("dropped_", "dropped: ").str.replace("_", "-")
    return told


def _lanes(programs: Any, order: Sequence[tuple[str, str]], end_s: float) -> Any:
    """Stretches in which a program waits most of the time for the same."""
    parts = []
    for machine, program in order:
        rows = programs[(programs["machine"] == machine) & (programs["program"] == program)].reset_index(drop=True)
        stretch = max(1, -(-len(rows) // ROWS_MAX))
        groups = rows.index // stretch
        waits = _counted(groups, rows["waits"].astype(str)).idxmax(axis=1)
        began = rows["at_ns"].groupby(groups).first().shift(fill_value=0) / _SECOND
        began = began.where(began.index == 0, rows["at_ns"].groupby(groups).last().shift(fill_value=0) / _SECOND)
        changed = waits.ne(waits.shift())
        starts = began[changed]
        untils = starts.shift(-1, fill_value=end_s)
        name = f"{machine} {program}"
        parts.append(_frame({"program": name, "waits": waits[changed], "t": starts, "until": untils}))
    return _joined(parts, ("program", "waits", "t", "until"))


def _progress(programs: Any) -> Any:
    parts = []
    for program, rows in programs.groupby("program", observed=True):
        rows = rows.reset_index(drop=True).iloc[:: max(1, len(rows) // (ROWS_MAX // 4))]
        t = rows["at_ns"] / _SECOND
        per_s = rows["progress"].diff().div(t.diff()).fillna(0).round(1)
        share = (per_s / max(per_s.quantile(_USUAL), 1e-9)).clip(upper=1).round(4)
        parts.append(_frame({"program": program, "t": t, "per_s": per_s, "share": share}))
    return _joined(parts, ("program", "t", "per_s", "share"))


def _faults(moments: Any, end_s: float) -> Any:
    rows = moments[moments["what"] == "fault"]
    return _frame(
        {
            "t": (rows["at_ns"] / _SECOND).to_list(),
            "until": [end_s if until != until else until / _SECOND for until in rows["until_ns"]],
            "what": rows["detail"].to_list(),
        }
    )


def _marks(machine: dict[str, Any], moments: Any) -> Any:
    """The begin of the longest stall, and the end of the one that outlasted the faults."""
    found = []
    if machine["stalled_at_ns"] is not None:
        found.append((machine["stalled_at_ns"] / _SECOND, "stalls"))
    ends = moments[moments["what"] == "fault"]["until_ns"]
    if machine["recovered_after_ns"] is not None and len(ends):
        found.append(((ends.max() + machine["recovered_after_ns"]) / _SECOND, "goes on"))
    return _frame({"t": [at for at, _ in found], "what": [what for _, what in found]})


def raster(run: Run) -> Any:
    """`machine`, `place`, `state`, `t`, `until`: what each machine of many is; of very many each nth, and the worst."""
    rows, names = run.series("machines"), list(run.result["machines"])
    kept = {*names[:: max(1, -(-len(names) // RASTER_MAX))], worst_first(run.result)[0][0]}
    chosen = [name for name in names if name in kept]
    times = sorted(set(rows["at_ns"]))
    stretch = max(1, -(-len(times) * len(chosen) // CELLS_MAX))
    wide = rows.pivot(index="machine", columns="at_ns", values="state").loc[chosen, times[::stretch]]
    ends = [*(at / _SECOND for at in times[::stretch])]
    begins = [0.0, *ends[:-1]]
    parts = []
    for place, (machine, states) in enumerate(zip(chosen, wide.astype(str).to_numpy(), strict=True)):
        changes = [at for at in range(len(ends)) if at == 0 or states[at] != states[at - 1]]
        for at, after in zip(changes, [*changes[1:], len(ends)], strict=True):
            parts.append((machine, place, states[at], begins[at], ends[after - 1]))
    return _frame(
        dict(zip(("machine", "place", "state", "t", "until"), map(list, zip(*parts, strict=True)), strict=True))
    )


def takers(series: Any, stalled_ns: int) -> list[tuple[str, int, int]]:
    """(owner, pages before, pages after) of the second around a stall: the owners that took the last pages, the most first.

    Before: at the last look with free pages above the low mark; after: at the first with as few as there ever were.
    """
    rows = series.reset_index(drop=True)
    least = rows["free"][rows["at_ns"] <= stalled_ns + _SECOND].min()
    after = rows[(rows["free"] == least)].iloc[0]
    earlier = rows[(rows["at_ns"] < after["at_ns"]) & (rows["free"] > rows["low"])]
    before = earlier.iloc[-1] if len(earlier) else rows.iloc[0]
    owners = ["free", *OWNERS]
    told = [(name, int(before[name]), int(after[name])) for name in owners]
    return sorted((one for one in told if one[1] != one[2]), key=lambda one: one[1] - one[2])


def _counted(groups: Any, words: Any) -> Any:
    """How often each word stands in each group."""
    import pandas as pd

    return pd.crosstab(groups, words.to_numpy())


def _frame(columns: dict[str, Any]) -> Any:
    import pandas as pd

    return pd.DataFrame(columns)


def _joined(parts: list[Any], columns: Sequence[str]) -> Any:
    import pandas as pd

    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({name: [] for name in columns})
