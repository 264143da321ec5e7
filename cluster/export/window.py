"""Which part of a run, and which of its machines, an export is about."""

from typing import NamedTuple

from netswap.cluster.export.folder import Original, refused
from netswap.cluster.scenario.errors import Problem, ScenarioError
from netswap.protocol.units import UnitError, format_time, parse_time, seconds

AROUND_NS = seconds(1)
"""How much is shown before and after a moment."""
WEDGE = "wedge"
_ILL = ("lost-data", "wedged", "livelocked", "oom-killed", "killed")


class Window(NamedTuple):
    """From one time to another, ns; the end is no part of it."""

    from_ns: int
    until_ns: int

    def has(self, at_ns: int) -> bool:
        """Whether a moment lies in it."""
        return self.from_ns <= at_ns < self.until_ns

    def __str__(self) -> str:
        return f"{self.from_ns / 1e9:.3f} to {self.until_ns / 1e9:.3f} s"


def window_of(original: Original, from_: str | None, until: str | None, around: str | None) -> Window:
    """What `--from`, `--until` and `--around` say. Raises ScenarioError."""
    if around is not None:
        if from_ is not None or until is not None:
            raise wrong("--around", "a window is said twice", "leave out --from and --until")
        middle = _wedge_ns(original) if around == WEDGE else moment("--around", around)
        return _within(original, max(0, middle - AROUND_NS), middle + AROUND_NS)
    begin = 0 if from_ is None else moment("--from", from_)
    return _within(original, begin, original.end_ns if until is None else moment("--until", until))


def _within(original: Original, from_ns: int, until_ns: int) -> Window:
    end_ns = original.end_ns
    if from_ns >= min(until_ns, end_ns):
        what = f"nothing lies between {format_time(from_ns)} and {format_time(until_ns)}"
        raise wrong("--from", what, f"the run goes from 0s to {format_time(end_ns)}")
    return Window(from_ns, min(until_ns, end_ns))


def _wedge_ns(original: Original) -> int:
    """When the first machine stalled that is wedged, livelocked or killed; if none is, the first that stalled."""
    machines = original.result["machines"]
    stalls = original.stalls
    ill = [one for one in stalls if machines[one[1]]["verdict"] in _ILL] or stalls
    if not ill:
        raise refused(original.folder, "no machine of this run ever stalled", "name a time, as --around 5s")
    return ill[0][0]


def moment(option: str, text: str) -> int:
    """A time, ns. Raises ScenarioError."""
    try:
        return parse_time(text)
    except UnitError as error:
        raise wrong(option, error.message, error.hint) from None


def moment_of(original: Original, option: str, text: str) -> int:
    """A time of the run, ns. Raises ScenarioError."""
    at_ns = moment(option, text)
    if at_ns > original.end_ns:
        raise wrong(option, f"the run was over at {format_time(original.end_ns)}", "name an earlier time")
    return at_ns


def machine_of(original: Original, option: str, name: str) -> int:
    """The index of a machine. Raises ScenarioError."""
    names = original.resolved.names
    if name not in names:
        some = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise wrong(option, f'there is no machine "{name}" in this run', f"it has {some}")
    return names.index(name)


def ends_of(original: Original, link: str) -> tuple[int, int]:
    """The indexes of the two machines that `--link A:C` names. Raises ScenarioError."""
    one, colon, other = link.partition(":")
    if not colon or one == other:
        raise wrong("--link", f'"{link}" names no link', "write two machines, as A:C")
    return machine_of(original, "--link", one), machine_of(original, "--link", other)


def wrong(option: str, message: str, hint: str) -> ScenarioError:
    """What is wrong with an option."""
    return ScenarioError([Problem(option, 1, 1, message, hint)])
