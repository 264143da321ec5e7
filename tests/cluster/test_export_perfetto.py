"""A trace for Perfetto, read back from its protobuf, says what another listener has heard of the same run."""

from collections import Counter, defaultdict
from functools import cache
from typing import NamedTuple

import pytest
from exported import SCENES, Heard, heard, run
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

from netswap.actors.machine import Machine
from netswap.actors.wait import KINDS
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.export import exports
from netswap.cluster.export.exports import Asked
from netswap.cluster.export.window import Window
from netswap.protocol.units import milliseconds

pytestmark = pytest.mark.xdist_group("exports")  # its runs are made once
ALL = 1 << 40
EVERY = milliseconds(10)
NAMES = ["nbd", "nfs", "rough"]


class Slice(NamedTuple):
    """A slice, or a moment if it has no end."""

    process: str
    track: str
    begin: int
    end: int | None
    name: str
    flows: tuple[int, ...]
    args: dict[str, int | str]


class Read:
    """A trace as Perfetto reads it: tracks by their descriptors, slices closed by the next end on their track."""

    def __init__(self, data: bytes) -> None:
        trace = Trace()
        trace.ParseFromString(data)
        self.slices: list[Slice] = []
        self.counts: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        self.open: dict[int, list[Slice]] = defaultdict(list)
        processes: dict[int, str] = {}
        tracks: dict[int, tuple[str, str]] = {}
        for packet in trace.packet:
            descriptor = packet.track_descriptor
            if descriptor.HasField("process"):
                processes[descriptor.uuid] = descriptor.process.process_name
            elif descriptor.uuid:
                name = descriptor.thread.thread_name if descriptor.HasField("thread") else descriptor.name
                tracks[descriptor.uuid] = (processes[descriptor.parent_uuid], name)
            if packet.HasField("track_event"):
                self.event(packet.timestamp, packet.track_event, tracks)

    def event(self, at: int, event: TrackEvent, tracks: dict[int, tuple[str, str]]) -> None:
        """One event."""
        track = tracks[event.track_uuid]
        if event.type == TrackEvent.TYPE_COUNTER:
            self.counts[track].append((at, event.counter_value))
        elif event.type == TrackEvent.TYPE_SLICE_END:
            begun = self.open[event.track_uuid].pop()
            assert begun.begin <= at
            self.slices.append(begun._replace(end=at))
        else:
            args = {one.name: one.string_value or one.int_value for one in event.debug_annotations}
            found = Slice(*track, at, None, event.name, tuple(event.flow_ids), args)
            if event.type == TrackEvent.TYPE_SLICE_BEGIN:
                self.open[event.track_uuid].append(found)
                assert len(self.open[event.track_uuid]) == 1, "what overlaps stands on different tracks"
            else:
                self.slices.append(found)

    def on(self, track: str) -> list[Slice]:
        """Those of a lane, of all machines."""
        return [one for one in self.slices if one.track == track]


@cache
def read(name: str) -> Read:
    """The whole run as a trace."""
    original = run(name)
    out = original.folder / "trace.pftrace"
    exports.to_perfetto(original, Asked(out, Window(0, original.end_ns), every_ns=EVERY, most=ALL))
    return Read(out.read_bytes())


class Waits(Heard):
    """Also hears what programs wait for, and counts free pages."""

    every_ns = EVERY

    def __init__(self) -> None:
        super().__init__()
        self.begun: dict[tuple[int, int], tuple[int, int]] = {}
        self.over: Counter[tuple[tuple[int, int], str, int, int]] = Counter()
        self.answered: Counter[bool] = Counter()

    def wait_begun(self, at_ns: int, program: tuple[int, int], kind: int) -> None:
        self.begun[program] = (kind, at_ns)

    def wait_ended(self, at_ns: int, program: tuple[int, int], kind: int) -> None:
        self.over[program, KINDS[kind], self.begun.pop(program)[1], at_ns] += 1

    def tick(self, at_ns: int, machine: int, door: Machine) -> None:
        self.free.setdefault(machine, []).append((at_ns, door.zone.free))


@cache
def waits(name: str) -> Waits:
    """Another run."""
    told, original = Waits(), run(name)
    engine = InlineEngine(original.resolved, trace=told)
    engine.run(original.end_ns)
    engine.close()
    return told


@pytest.mark.parametrize("name", NAMES)
def test_what_programs_wait_for_are_the_slices_of_their_threads(name):
    original = run(name)
    told = waits(name)
    programs = {
        (machine, place): (one, program["name"])
        for machine, one in enumerate(original.resolved.names)
        for place, program in enumerate(original.result["machines"][one]["programs"])
    }
    expected = Counter(
        {(*programs[program], kind, begin, end): count for (program, kind, begin, end), count in told.over.items()}
    )
    expected.update(
        (*programs[program], KINDS[kind], begin, original.end_ns) for program, (kind, begin) in told.begun.items()
    )
    threads = set(programs.values())
    seen = Counter(
        (one.process, one.track, one.name, one.begin, one.end)
        for one in read(name).slices
        if (one.process, one.track) in threads
    )
    assert seen == expected
    assert len(expected) > 50


@pytest.mark.parametrize("name", NAMES)
def test_free_pages_are_counted_every_10_ms(name):
    names = run(name).resolved.names
    seen = {process: counts for (process, track), counts in read(name).counts.items() if track == "free pages"}
    assert seen == {names[machine]: counts for machine, counts in waits(name).free.items()}


@pytest.mark.parametrize("name", NAMES)
def test_each_frame_stands_where_it_leaves_and_where_it_is_lost(name):
    names = run(name).resolved.names
    sent = Counter()
    lost = Counter()
    for one in read(name).on("sends"):
        sent[one.process, one.name.split(" to ")[1]] += one.args["frames"]
    for one in read(name).on("drops"):
        lost[one.process, one.name.split(" ", 1)[1]] += one.args["frames"]
    assert sent == Counter(
        {(names[source], names[to]): links["sent"] for (source, to), links in heard(name).links.items()}
    )
    assert lost == Counter({(names[machine], cause): count for (machine, cause), count in heard(name).dropped.items()})


@pytest.mark.parametrize("name", NAMES)
def test_pages_under_way_are_slices_with_a_flow_each_to_the_server_and_back(name):
    """The flow of a page that was read: from its slice at A to frames at C, and to frames at A again."""
    slices = read(name).on("pages under way")
    assert len(slices) == sum(heard(name).pages.values()) > 50
    places = defaultdict(set)
    for one in read(name).slices:
        for flow in one.flows:
            places[flow].add((one.process, one.track))
    whole = {("A", "pages under way"), ("A", "sends"), ("C", "receives"), ("C", "sends"), ("A", "receives")}
    ended = [one for one in slices if one.name == "page-in" and one.end < run(name).end_ns]
    assert sum(whole <= places[one.flows[0]] for one in ended) > len(ended) * 0.9


def test_faults_stand_in_a_lane_of_their_own():
    """The outage: from 20 to 60 ms."""
    assert [(one.name, one.begin, one.end) for one in read("nbd").on("faults")] == [
        ("partition", milliseconds(20), milliseconds(60))
    ]


@pytest.mark.parametrize("name", NAMES)
def test_retransmissions_are_moments(name):
    assert Counter(one.name for one in read(name).on("retransmissions")) == heard(name).again


def test_a_window_and_a_machine_have_their_part(tmp_path):
    original = run("nbd")
    window = Window(milliseconds(5), milliseconds(25))
    exports.to_perfetto(original, Asked(tmp_path / "t", window, frozenset({0}), every_ns=EVERY, most=ALL))
    part = Read((tmp_path / "t").read_bytes())
    whole = read("nbd")

    def inside(one: Slice) -> bool:
        last = one.begin if one.end is None else one.end
        return one.begin < window.until_ns and last >= window.from_ns and one.process in ("A", "cluster")

    key = [(one.process, one.track, one.begin, one.name) for one in whole.slices if inside(one)]
    assert Counter((one.process, one.track, one.begin, one.name) for one in part.slices) == Counter(key)
    assert {process for process, _ in part.counts} == {"A"}


def test_a_trace_that_would_be_too_large_is_sampled_and_says_so(tmp_path):
    original = run("nbd")
    whole = read("nbd")
    most = (original.folder / "trace.pftrace").stat().st_size * 8 // 10
    asked = Asked(tmp_path / "t", Window(0, original.end_ns), every_ns=EVERY, most=most)
    told = exports.to_perfetto(original, asked)
    part = Read((tmp_path / "t").read_bytes())
    assert told.note.startswith("sampled: 1 in 2 of the trains of frames of each track is here")
    assert [one.name for one in part.on("note")] == [told.note]
    assert len(part.on("sends")) < len(whole.on("sends"))
    assert len(part.on("pages under way")) == len(whole.on("pages under way"))
    assert (tmp_path / "t").stat().st_size < most * 1.1


def test_where_that_is_not_enough_all_is_sampled_but_for_faults(tmp_path):
    original = run("nbd")
    asked = Asked(tmp_path / "t", Window(0, original.end_ns), every_ns=EVERY, most=50_000)
    told = exports.to_perfetto(original, asked)
    part = Read((tmp_path / "t").read_bytes())
    assert "of the slices and moments of each track" in told.note
    assert part.on("faults") == read("nbd").on("faults")
    assert len(part.slices) < len(read("nbd").slices) / 2


def test_the_scenes_are_those_of_the_captures():
    assert set(NAMES) <= set(SCENES)
