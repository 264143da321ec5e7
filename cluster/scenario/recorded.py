"""The recordings that a scenario names: read where it is resolved, since the machines may be where the files are not."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from netswap.actors.recording import CAPTURE, CaptureHeader, Recording, TraceHeader, period_ns
from netswap.cluster.recordings import capture, trace
from netswap.cluster.recordings.capture import Taken
from netswap.cluster.recordings.files import RecordingError, sha256_of
from netswap.cluster.scenario import files
from netswap.cluster.scenario.errors import Problem
from netswap.cluster.scenario.models import Flood, Rank, ScenarioWords
from netswap.cluster.scenario.resolve import At
from netswap.cluster.scenario.source import Document, Place


@dataclass(frozen=True, slots=True)
class Found:
    """What has been read, and notes on what is not repeated of it."""

    recordings: dict[At, Recording] = field(default_factory=dict)
    notes: list[Problem] = field(default_factory=list)


def read(document: Document, words: ScenarioWords) -> Found:
    """Read all recordings; what is wrong with one is reported where the scenario names it."""
    found = Found()
    folder = Path() if document.file == files.TEXT else Path(document.file).parent
    for at, key, program in _named(words):
        place: Place = ("machines", at[0], "programs", at[1], *key)
        name = str(getattr(program, key[1]))
        try:
            taken = _of(program, (folder / name).absolute(), words.network.mtu)
        except RecordingError as error:
            document.report(place, f"{name}: {error.message}", error.hint)
            continue
        found.recordings[at] = taken.recording
        if taken.left_out:
            what = ", ".join(f"{count:,} {kind}" for kind, count in taken.left_out.items())
            message = f"{name}: {taken.frames:,} packets are sent again, and not {what}"
            found.notes.append(Problem(*document.position(place), message, "only UDP over IPv4 is sent again"))
    return found


def again(said: dict[str, Any], mtu: int) -> Recording:
    """The recording that a run's folder names. Raises RecordingError if the file is no longer what it was."""
    path = Path(said["path"])
    if sha256_of(path) != said["sha256"]:
        raise RecordingError("it has changed since", "put back the file that was there, or run the scenario again")
    return _taken(said["kind"], path, said["sha256"], json.dumps(said["only"]), mtu).recording


def _named(words: ScenarioWords) -> Iterator[tuple[At, tuple[str, str], Flood | Rank]]:
    """Each program that names a file, with the way to the key that does."""
    for name, machine in words.machines.items():
        for index, program in enumerate(machine.programs):
            if program.flood is not None and program.flood.pcap is not None:
                yield (name, index), ("flood", "pcap"), program.flood
            if program.rank is not None and program.rank.trace is not None:
                yield (name, index), ("rank", "trace"), program.rank


def _of(program: Flood | Rank, path: Path, mtu: int) -> Taken:
    if isinstance(program, Flood):
        only = {} if program.only is None else program.only.model_dump(exclude_none=True)
        taken = _taken(CAPTURE, path, sha256_of(path), json.dumps(only), mtu)
        header = CaptureHeader(*taken.recording.header())
        period = period_ns(header.last_ns, header.frames)
    else:
        taken = _taken("trace", path, sha256_of(path), "{}", mtu)
        told = TraceHeader(*taken.recording.header())
        period = period_ns(told.last_ns, told.touches)
    if program.repeat != 1 and not period:
        raise RecordingError("all of it is at one time, so there is no time after which to repeat it", "remove repeat")
    return taken


@lru_cache(maxsize=16)
def _taken(kind: str, path: Path, sha256: str, only: str, mtu: int) -> Taken:
    """A file is read once, however often it is named and its scenario is loaded. Raises RecordingError."""
    if kind == CAPTURE:
        return capture.take(path, sha256, json.loads(only), mtu)
    return Taken(trace.take(path, sha256), 0, {})
