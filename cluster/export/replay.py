"""A run once more, in this process, with a trace that listens or an export that looks."""

from collections.abc import Callable, Mapping
from importlib.metadata import version

from netswap.actors.settings import SettingsError
from netswap.actors.trace import Trace
from netswap.cluster.engine.engine import Engine
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.export.folder import Original, refused
from netswap.cluster.judge.digest import digest

Look = Callable[[InlineEngine], None]
"""Looks at all machines, which stand at the same time."""


def replayed(
    original: Original,
    trace: Trace | None = None,
    looks: Mapping[int, Look] | None = None,
    watch: Callable[[Engine], None] | None = None,
) -> None:
    """Run it again to where it ended, whatever engine it ran on first.

    `looks`: what to call at which times (ns); `watch`: what to call now and then meanwhile.

    Raises ScenarioError if it comes out otherwise: then nothing that was collected is of this run.
    """
    try:
        engine = InlineEngine(original.resolved, trace=trace)
    except SettingsError as error:
        raise refused(original.folder, error.message, error.hint) from error

    def look(now_ns: int) -> None:
        if watch is not None:
            watch(engine)

    looks = looks or {}
    try:
        for at_ns in sorted(looks):
            engine.run(min(at_ns, original.end_ns), look)
            looks[at_ns](engine)
        engine.run(original.end_ns, look)
        seen = digest(engine.state())
    finally:
        engine.close()
    if seen != original.digest:
        raise _another(original)


def _another(original: Original) -> Exception:
    """The error of a run that is no longer the one that the folder tells of."""
    here = version("netswap")
    what = f"{original.writer} wrote this run, and here, in {here}, the same scenario comes out otherwise"
    if original.version == here:
        what = f"netswap {here} wrote this run, and the same scenario comes out otherwise: programs or sources have changed"
    again = original.result.get("command") or "netswap run"
    return refused(original.folder, what, f"run it again: {again}")
