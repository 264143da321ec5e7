"""An export from its beginning to its end: the run once more, and what was collected as files, all of them or none."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from netswap.cluster.engine.engine import Engine
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.export import proc
from netswap.cluster.export.fates import Collector
from netswap.cluster.export.folder import Original
from netswap.cluster.export.lanes import Recorder
from netswap.cluster.export.replay import Look, replayed
from netswap.cluster.export.tally import Tallies
from netswap.cluster.export.window import Window
from netswap.protocol.units import format_time

Watch = Callable[[Engine], None]
_NAMED_MAX: Final = 12
"""Snapshots that are told by name."""


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


def to_proc(original: Original, asked: Asked, watch: Watch | None = None) -> Told:
    """Write what the kernels of machines would show: a folder for each machine, and in it one for each snapshot.

    Raises ScenarioError or OSError.
    """
    machines = sorted(asked.machines) or range(len(original.resolved.machines))
    tallies = Tallies([len(one.programs) for one in original.resolved.machines])
    found: dict[str, str] = {}
    looks: dict[int, Look] = {}
    for at_ns, named in _snapshots(original, asked.at_ns, machines).items():

        def look(engine: InlineEngine, at_ns: int = at_ns, named: Sequence[tuple[str, int]] = tuple(named)) -> None:
            for name, machine in named:
                folder = f"{original.resolved.names[machine]}/{name}"
                files = proc.files(engine.machine(machine), tallies, at_ns)
                found.update({f"{folder}/{path}": text for path, text in files.items()})

        looks[at_ns] = look
    replayed(original, tallies, looks, watch)
    for path, text in found.items():
        with whole(asked.out / path) as part:
            part.write_text(text)
    snapshots = sorted({"/".join(Path(path).parts[:2]) for path in found})
    few = len(snapshots) <= _NAMED_MAX
    return Told(f"snapshots {', '.join(snapshots)}" if few else f"{len(snapshots):,} snapshots", "")


def _snapshots(original: Original, at_ns: Sequence[int], machines: Iterable[int]) -> dict[int, list[tuple[str, int]]]:
    """(name, machine) of the snapshots of each time: those asked for, when each first stall is one, and the end."""
    stalls = {name: at_ns for at_ns, name in reversed(original.stalls)}
    found: dict[int, list[tuple[str, int]]] = {}
    for machine in machines:
        for one in at_ns:
            found.setdefault(one, []).append((f"at-{format_time(one)}", machine))
        begun_ns = stalls.get(original.resolved.names[machine])
        if begun_ns is not None:
            stalled_ns = min(begun_ns + original.resolved.stall_after_ns, original.end_ns)
            found.setdefault(stalled_ns, []).append(("stall", machine))
        found.setdefault(original.end_ns, []).append(("end", machine))
    return found


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
