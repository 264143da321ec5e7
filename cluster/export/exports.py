"""An export from its beginning to its end: the run once more, and what was collected as files, all of them or none."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from netswap.cluster.engine.engine import Engine
from netswap.cluster.export.fates import Collector
from netswap.cluster.export.folder import Original
from netswap.cluster.export.lanes import Recorder
from netswap.cluster.export.replay import replayed
from netswap.cluster.export.window import Window

Watch = Callable[[Engine], None]


class Asked(NamedTuple):
    """What is to be exported, and where to."""

    out: Path
    window: Window
    machines: frozenset[int] = frozenset()
    """None of them: all."""
    links: tuple[tuple[int, int], ...] = ()
    """Pairs of machines, both directions of each; none of them: all links of `machines`."""
    at_ns: tuple[int, ...] = ()
    every_ns: int = 0
    snap: int = 0
    most: int = 0
    """Bytes that a file may take, about."""

    def has_link(self, source: int, to: int) -> bool:
        """Whether frames from one machine to another are wanted."""
        if self.links:
            return (source, to) in self.links or (to, source) in self.links
        return not self.machines or source in self.machines or to in self.machines


class Told(NamedTuple):
    """What an export has come to."""

    sentence: str
    note: str
    """What was left out, in words; "" if nothing was."""


def to_pcapng(original: Original, asked: Asked, watch: Watch | None = None) -> Told:
    """Write the frames of a run as a capture. Raises ScenarioError or OSError."""
    from netswap.cluster.export import pcapng

    collected = Collector(original.resolved.names, asked.window, asked.has_link)
    replayed(original, collected, watch=watch)
    with whole(asked.out) as part:
        written = pcapng.write(part, original.resolved.machines, collected, asked.snap, asked.most)
    return Told(f"{written.packets:,} frames of {asked.window}", written.note)


def to_perfetto(original: Original, asked: Asked, watch: Watch | None = None) -> Told:
    """Write what happens in a run as a trace of Perfetto's. Raises ScenarioError or OSError."""
    from netswap.cluster.export import perfetto

    names = original.resolved.names
    recorded = Recorder(names, asked.window, asked.machines, asked.every_ns)
    replayed(original, recorded, watch=watch)
    recorded.close(original.end_ns)
    programs = [[one["name"] for one in original.result["machines"][name]["programs"]] for name in names]
    with whole(asked.out) as part:
        events, note = perfetto.write(part, perfetto.Named(names, programs), recorded, asked.most)
    return Told(f"{events:,} slices, moments and counts of {asked.window}", note)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write so that there is all of a file or nothing of it."""
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
