"""A run as a trace for Perfetto (ui.perfetto.dev), in its protobuf.

A machine is a process, a program a thread with what it waits for as slices. Beside the threads stand lanes: pages under way,
trains of frames that leave, arrive or are lost, watermarks crossed; and counters of memory. Page-outs, page-ins and trains are
flows: arrows from machine to machine. Faults are lanes of a process of their own. Time 0 of the run is time 0 of the trace.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import CounterDescriptor, Trace, TrackEvent

from netswap.cluster.export.lanes import COUNTER, NOBODY, PROGRAM, Count, Mark, Recorder, Track, thinned

_SEQUENCE: Final = 1
_STATE_CLEARED: Final = 1
_MARK_BYTES: Final = 90
_COUNT_BYTES: Final = 26
"""Bytes of a mark, of which a slice takes two, and of a count, about."""
_BATCH: Final = 4096
"""Packets that are turned into bytes together."""
CLUSTER: Final = "cluster"
"""The process of what belongs to no machine."""
PROGRAMS_MAX: Final = 10_000


class Named(NamedTuple):
    """The machines' names, and those of the programs of each."""

    machines: Sequence[str]
    programs: Sequence[Sequence[str]]


class Writer:
    """Writes packets, each when it is whole."""

    def __init__(self, out: IO[bytes], named: Named) -> None:
        self._out = out
        self._named = named
        self._trace = Trace()
        self._tracks: dict[Track, int] = {}

    def packet(self) -> Any:
        """Another packet, to be filled in."""
        if len(self._trace.packet) >= _BATCH:
            self.flush()
        packet = self._trace.packet.add()
        packet.trusted_packet_sequence_id = _SEQUENCE
        return packet

    def flush(self) -> None:
        """Write what has been filled in: the bytes of a trace are those of its parts."""
        self._out.write(self._trace.SerializeToString())
        self._trace = Trace()

    def begin(self, note: str) -> None:
        """What stands before all events: the processes and their threads."""
        first = self.packet()
        first.sequence_flags = _STATE_CLEARED
        first.track_descriptor.uuid = _process(NOBODY)
        first.track_descriptor.process.pid = _pid(NOBODY)
        first.track_descriptor.process.process_name = CLUSTER
        for machine, name in enumerate(self._named.machines):
            descriptor = self.packet().track_descriptor
            descriptor.uuid = _process(machine)
            descriptor.process.pid = _pid(machine)
            descriptor.process.process_name = name
        if note:
            self.mark(Mark(0, None, Track(NOBODY, "lane", "note"), note))

    def track(self, track: Track) -> int:
        """The number of a track, which is described when it is first used."""
        known = self._tracks.get(track)
        if known is not None:
            return known
        number = self._tracks[track] = 1_000_000 + len(self._tracks)
        descriptor = self.packet().track_descriptor
        descriptor.uuid = number
        if track.kind == PROGRAM:
            descriptor.parent_uuid = _process(track.machine)
            descriptor.thread.pid = _pid(track.machine)
            descriptor.thread.tid = _pid(track.machine) * PROGRAMS_MAX + track.place + 1
            descriptor.thread.thread_name = self._named.programs[track.machine][track.place]
            return number
        descriptor.parent_uuid = _process(track.machine)
        descriptor.name = track.name
        if track.kind == COUNTER:
            descriptor.counter.unit = CounterDescriptor.UNIT_COUNT
        return number

    def mark(self, mark: Mark) -> None:
        """A slice or a moment."""
        track = self.track(mark.track)
        packet = self.packet()
        packet.timestamp = mark.at_ns
        event = packet.track_event
        event.type = TrackEvent.TYPE_INSTANT if mark.end_ns is None else TrackEvent.TYPE_SLICE_BEGIN
        event.track_uuid = track
        event.name = mark.name
        event.flow_ids.extend(mark.flows)
        for name, value in mark.args:
            said = event.debug_annotations.add()
            said.name = name
            if isinstance(value, int):
                said.int_value = value
            else:
                said.string_value = value

    def end(self, mark: Mark) -> None:
        """The end of a slice."""
        packet = self.packet()
        packet.timestamp = mark.end_ns
        packet.track_event.type = TrackEvent.TYPE_SLICE_END
        packet.track_event.track_uuid = self.track(mark.track)

    def count(self, count: Count) -> None:
        """The value of a counter."""
        track = self.track(count.track)
        packet = self.packet()
        packet.timestamp = count.at_ns
        packet.track_event.type = TrackEvent.TYPE_COUNTER
        packet.track_event.track_uuid = track
        packet.track_event.counter_value = count.value


def _pid(machine: int) -> int:
    return machine + 2


def _process(machine: int) -> int:
    return machine + 2


def write(path: Path, named: Named, recorded: Recorder, most: int) -> tuple[int, str]:
    """Write what was recorded, about `most` bytes of it; how many slices, moments and counts, and what was left out."""
    marks, note = _fitted(recorded, most)
    with path.open("wb") as out:
        writer = Writer(out, named)
        writer.begin(note)
        for place in (PROGRAM, COUNTER):  # programs above counters, and both above what the events of lanes bring
            used = {one.track for one in marks} | {one.track for one in recorded.counts}
            for track in sorted(track for track in used if track.kind == place):
                writer.track(track)
        for _, _, mark, is_end in _in_order(marks):
            if is_end:
                writer.end(mark)
            else:
                writer.mark(mark)
        for count in recorded.counts:
            writer.count(count)
        writer.flush()
    return len(marks) + len(recorded.counts), note


def _in_order(marks: Sequence[Mark]) -> list[tuple[int, int, Mark, bool]]:
    """Beginnings and ends by time; at one time what ends comes before what begins, but a slice begins before it ends."""
    found = []
    for place, mark in enumerate(marks):
        empty = mark.end_ns == mark.at_ns
        found.append((mark.at_ns, 3 * place + 1 if empty else 3 * (place + len(marks)), mark, False))
        if mark.end_ns is not None:
            found.append((mark.end_ns, 3 * place + 2 if empty else 3 * place, mark, True))
    found.sort(key=lambda one: one[:2])
    return found


def _fitted(recorded: Recorder, most: int) -> tuple[Sequence[Mark], str]:
    """The marks that fit: trains of frames are sampled where there are too many, and all else where that is not enough."""
    marks = recorded.marks
    frames = sum(_MARK_BYTES for mark in marks if mark.frames)
    others = sum(_MARK_BYTES + _COUNT_BYTES for mark in marks if not mark.frames) + _COUNT_BYTES * len(recorded.counts)
    if frames + others <= most:
        return marks, ""
    enough = others < most
    share = -(-frames // (most - others)) if enough else -(-(frames + others) // most)
    kept = thinned(marks, share, frames_only=enough)
    what = "trains of frames" if enough else "slices and moments"
    return kept, f"sampled: 1 in {share} of the {what} of each track is here, {len(kept):,} of {len(marks):,} in all"
