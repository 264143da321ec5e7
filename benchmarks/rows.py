"""The table of what was asked for at cluster scale: each row from the benchmarks of one run, before beside now.

`python -m benchmarks.run table` measures them all. Before: on 28 November 2026, before any of it was built, on two free cores
slower than others by a factor of two or so; ratios compare, absolute figures only roughly.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from benchmarks.measure import Measured

Results = Mapping[str, Measured]
OTHERS_MAX: Final = 0.2
"""Processors that others may use, for a figure to count as one of free cores."""
MIB: Final = 1 << 20


class Row(NamedTuple):
    """`of`: the benchmarks that `value` needs. `least`, `most`: what was asked for; neither: only shown."""

    what: str
    of: tuple[str, ...]
    value: Callable[[Results], float]
    before: str = ""
    least: float | None = None
    most: float | None = None

    def asked(self) -> str:
        """What was asked for, in words."""
        if self.least is not None:
            return f"at least {shown(self.least)}"
        return "" if self.most is None else f"at most {shown(self.most)}"

    def is_met(self, value: float) -> bool | None:
        """Whether a value is what was asked for; None if nothing was."""
        if self.least is not None:
            return value >= self.least
        return None if self.most is None else value <= self.most


def _field(what: str, name: str, field: str, before: str = "", **asked: float) -> Row:
    return Row(what, (name,), lambda results: float(results[name][field]), before, **asked)


def _ratio(what: str, over: str, under: str, field: str = "rate", before: str = "", **asked: float) -> Row:
    def value(results: Results) -> float:
        return float(results[over][field] / results[under][field])

    return Row(what, (over, under), value, before, **asked)


_WINDOWS_MAX: Final = {"none": 4_200, "reserve": 36_500}
_WINDOWS_BEFORE: Final = {"none": "56,704", "reserve": "57,563"}
_CPU_BEFORE: Final = {"none": "10", "reserve": "38"}
_PEERS: Final = (
    ("W1", "flood", "a flood", ("3.0", "5.3"), ("0.44", "0.78"), "0.012"),
    ("W2", "page-outs", "page-outs", ("1.2", "2.7"), ("0.13", "0.30"), "0.005"),
    ("W3", "both", "both", ("2.0", "4.4"), ("0.34", "0.73"), "0.011"),
)


def _three_machines() -> Iterator[Row]:
    for policy, most in _WINDOWS_MAX.items():
        scene, name = f"three-machines, 60 s, {policy}", f"three-machines-{policy}"
        yield _field(f"{scene}: windows", name, "windows", _WINDOWS_BEFORE[policy], most=most)
        cpu_s_max = 0.4 * float(_CPU_BEFORE[policy])
        yield _field(f"{scene}: CPU s in process", name, "cpu_s", _CPU_BEFORE[policy], most=cpu_s_max)
        yield _field(f"{scene}: CPU s in process, compiled", f"{name}-compiled", "cpu_s")
        yield _field(f"{scene}: wall s on Ray", f"ray-{name}", "wall_s", "80 to 120")
        yield _field(f"{scene}: CPU s on Ray, all actors", f"ray-{name}", "cpu_s")


def _peers() -> Iterator[Row]:
    for workload, ours, what, idiom, callbacks, c_loop in _PEERS:
        asked = workload == "W2"
        for name, how, place in ((ours, what, 0), (f"{ours}-compiled", f"{what}, compiled", 1)):
            simpy = f"simpy-{workload}"
            row = _ratio(f"{how}: times SimPy as documented", name, simpy, before=idiom[place])
            yield row._replace(least=2) if asked and not place else row
            row = _ratio(f"{how}: times SimPy, callbacks only", name, f"{simpy}-callbacks", before=callbacks[place])
            yield row._replace(least=1) if asked and place else row
            yield _ratio(f"{how}: times a C++ loop", name, f"floor-{workload}", before="" if place else c_loop)


def _compiled() -> Iterator[Row]:
    for name, before in (("page-outs", "2.3"), ("both", "2.2"), ("ring", "1.7")):
        yield _ratio(f"{name}: compiled, times plain", f"{name}-compiled", name, before=before, least=2.5)


def _ray() -> Iterator[Row]:
    for scene, before in (("halo", ""), ("ring", "1.2")):
        what = "1,000 ranks that swap to 20 servers" if scene == "ring" else "1,000 ranks, halo exchange over TCP"
        yield _field(f"{what}: wall s in process", f"{scene}-wall", "wall_s", "92.5" if before else "")
        one, two = f"{scene}-wall", f"{scene}-wall-2-actors"
        yield _field(f"{what}: wall s on Ray, 2 packed actors", two, "wall_s", "76.9" if before else "")
        yield _ratio(f"{what}: times as fast with 2 packed actors", one, two, "wall_s", before, least=1.7)
    waits = "an actor that waits: share of a core, %s"
    yield _field(waits % "the network's of 2 packed actors", "ring-wall-2-actors", "waits", most=0.05)
    yield _field(waits % "B's of three-machines, none", "ray-three-machines-none", "waits", "1", most=0.05)
    yield _field("make demo: wall s", "demo", "wall_s", "210", most=70)
    beside = "make demo beside 2 busy processes: times as long"
    yield _ratio(beside, "demo-beside-2", "demo", "wall_s", "4 to 10", most=3)


ROWS: Final = (
    *_three_machines(),
    *_ray(),
    *_peers(),
    *_compiled(),
    _field("a flood in trains of 1 ms: frames per CPU s", "flood", "rate", least=1_000_000),
    _field("a flood in trains of 1 s: frames per CPU s", "flood-1s", "rate", least=10_000_000),
    _field("a virtual hour of flood against a wedged A: CPU s", "hour-wedged", "cpu_s", most=20),
    _field("a virtual hour of flood against a protected A: CPU s", "hour-protected", "cpu_s", most=20),
    _field("an idle machine of 64 MiB: bytes", "idle-memory", "rate", "150,000 to 180,000", most=60_000),
    _field("10,000 ranks: built in, wall s", "ring-of-10000", "built_s", most=60),
    _field("10,000 ranks: most memory, MiB", "ring-of-10000", "peak_mib", most=24 * 1024),
    _ratio("10,000 ranks: CPU of a frame, times that of 100 ranks", "ring-of-100", "ring-of-10000", most=2),
)
NAMES: Final = tuple(dict.fromkeys(name for row in ROWS for name in row.of))
"""The benchmarks that the table needs."""


def shown(value: float) -> str:
    """A number as the table shows it: three digits, or all before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def cells(row: Row, results: Results) -> tuple[str, ...]:
    """What a row says: what, before, now, asked for, whether it is so, runs, and the processors that others used meanwhile."""
    missing = [name for name in row.of if name not in results]
    if missing:
        return (row.what, row.before, f"not measured: {', '.join(missing)}", row.asked(), "", "", "")
    value = row.value(results)
    met = row.is_met(value)
    others = max(results[name].get("others", 0.0) for name in row.of)
    load = "free" if others <= OTHERS_MAX else f"{others:.1f}"
    runs = str(min(results[name].get("runs", 1) for name in row.of))
    return (row.what, row.before, shown(value), row.asked(), "" if met is None else "yes" if met else "no", runs, load)


HEADINGS: Final = ("what", "before", "now", "asked for", "is so", "runs", "cores used by others")


def markdown(results: Results) -> str:
    """The table as docs/benchmarks.md shows it."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "| --- | --: | --: | --: | --- | --: | --: |"]
    lines += ["| " + " | ".join(cells(row, results)) + " |" for row in ROWS]
    return "\n".join(lines) + "\n"
