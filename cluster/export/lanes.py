"""What happens in a run as slices, moments and counts on tracks: collected while it goes on, written by `perfetto`."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from netswap.actors.trace import Frames, Page, Trace
from netswap.actors.wait import KINDS
from netswap.cluster.export.window import Window
from netswap.protocol import nbd
from netswap.protocol.frame import (
    CRASH,
    F_BODY,
    F_DESTINATION,
    F_KIND,
    F_NUMBER,
    F_PORT,
    F_SOURCE,
    F_WIRE,
    FRAGMENT,
    FREEZE,
    KIND_NAMES,
    OWN_DISK,
    PAUSE,
    RESTART,
    RESUME,
    SLOW_DISK,
    TCP,
    THAW,
    Raw,
)

NOBODY: Final = -1
"""The machine's index on a track that belongs to no machine."""
PROGRAM: Final = "program"
COUNTER: Final = "counter"
LANE: Final = "lane"
_CHANGES: Final = {
    CRASH: "crash",
    RESTART: "restart",
    PAUSE: "pause",
    RESUME: "resume",
    SLOW_DISK: "slow disk",
    OWN_DISK: "disk as it was",
    FREEZE: "freeze",
    THAW: "thaw",
}
_PAGE_KINDS: Final = ("page-out", "page-out-reply", "page-in", "page-in-reply")


class Track(NamedTuple):
    """A line of the picture."""

    machine: int
    kind: str
    """`PROGRAM`, `COUNTER` or `LANE`."""
    name: str
    place: int = 0
    """Which program; which of several lanes of the same name, for what overlaps."""


class Mark(NamedTuple):
    """A slice, or a moment if it has no end of its own."""

    at_ns: int
    end_ns: int | None
    track: Track
    name: str
    flows: tuple[int, ...] = ()
    args: tuple[tuple[str, int | str], ...] = ()
    frames: int = 0
    """How many frames it tells of; 0 for anything else."""


class Count(NamedTuple):
    """The value of a counter from a time on."""

    at_ns: int
    track: Track
    value: int


class Lanes:
    """Lanes of one name: what lasts at the same time stands in different ones."""

    def __init__(self, machine: int, name: str) -> None:
        self._machine = machine
        self._name = name
        self._taken: list[bool] = []

    def take(self) -> Track:
        """The first that is free."""
        if False not in self._taken:
            self._taken.append(False)
        place = self._taken.index(False)
        self._taken[place] = True
        return Track(self._machine, LANE, self._name, place)

    def give(self, track: Track) -> None:
        """Free the lane of a track again."""
        self._taken[track.place] = False


Open = tuple[int, Track, str, int]
"""(begin, track, name, flow) of what has no end yet."""


class Recorder(Trace):
    """Hears a run; `marks` and `counts` are what lies in the window, each machine's in its order."""

    def __init__(self, names: Sequence[str], window: Window, machines: frozenset[int], every_ns: int) -> None:
        """`machines`: those that are wanted; none of them: all."""
        self.every_ns = every_ns
        self.marks: list[Mark] = []
        self.counts: list[Count] = []
        self._names = names
        self._window = window
        self._machines = machines
        self._waits: dict[tuple[int, int], tuple[int, str]] = {}
        self._calls: dict[tuple[int, int], str] = {}
        self._faults: dict[int, Open] = {}
        self._pages: dict[tuple[int, str, int, bool], Open] = {}
        self._flows: dict[tuple[int, int], int] = {}
        """By machine and page: the flow of the page's latest operation."""
        self._asked: dict[tuple[int, int], int] = {}
        """By machine and handle of NBD: the page."""
        self._lanes: dict[tuple[int, str], Lanes] = {}
        self._next_flow = 1

    def _wants(self, machine: int) -> bool:
        return not self._machines or machine in self._machines

    def _mark(self, mark: Mark) -> None:
        """Keep a mark if any part of its time lies in the window."""
        window = self._window
        end_ns = mark.at_ns if mark.end_ns is None else mark.end_ns
        wanted = mark.track.machine == NOBODY or self._wants(mark.track.machine)
        if wanted and mark.at_ns < window.until_ns and end_ns >= window.from_ns:
            self.marks.append(mark)

    def _moment(self, at_ns: int, machine: int, lane: str, name: str, *args: tuple[str, int | str]) -> None:
        self._mark(Mark(at_ns, None, Track(machine, LANE, lane), name, (), args))

    def close(self, end_ns: int) -> None:
        """The run is over: what has not ended lasts to there."""
        for program, (begin_ns, name) in self._waits.items():
            self._mark(Mark(begin_ns, end_ns, self._program(program), name))
        for begin_ns, track, name, flow in (*self._pages.values(), *self._faults.values()):
            self._mark(Mark(begin_ns, end_ns, track, name, (flow,) if flow else ()))
        self.marks.sort(key=lambda mark: mark.at_ns)

    def _lane(self, machine: int, name: str) -> Lanes:
        return self._lanes.setdefault((machine, name), Lanes(machine, name))

    # -- faults and machines ------------------------------------------------------------------------------------------

    def fault_begun(self, at_ns: int, place: int, verb: str, args: dict[str, Any]) -> None:
        """See `Trace.fault_begun`."""
        self._faults[place] = (at_ns, self._lane(NOBODY, "faults").take(), verb, 0)

    def fault_ended(self, at_ns: int, place: int) -> None:
        """See `Trace.fault_ended`."""
        begin_ns, track, verb, _ = self._faults.pop(place)
        self._lane(NOBODY, "faults").give(track)
        self._mark(Mark(begin_ns, at_ns, track, verb))

    def machine_changed(self, at_ns: int, machine: int, what: int) -> None:
        """See `Trace.machine_changed`."""
        self._moment(at_ns, machine, "events", _CHANGES[what])
        if what == CRASH:
            for key in [key for key in self._pages if key[0] == machine]:
                self._page_over(at_ns, key)

    def mark_crossed(self, machine: int, mark: str, below: bool, free: tuple[int, int]) -> None:
        """See `Trace.mark_crossed`."""
        self._moment(free[0], machine, "events", f"{'below' if below else 'above'} {mark}", ("free", free[1]))

    def killed(self, at_ns: int, program: tuple[int, int]) -> None:
        """See `Trace.killed`."""
        self._mark(Mark(at_ns, None, self._program(program), "killed"))

    def retransmitted(self, at_ns: int, machine: int, protocol: str) -> None:
        """See `Trace.retransmitted`."""
        self._moment(at_ns, machine, "retransmissions", protocol)

    def tick(self, at_ns: int, machine: int, door: Any) -> None:
        """See `Trace.tick`."""
        if self._wants(machine) and self._window.has(at_ns):
            for name, value in counted(door):
                self.counts.append(Count(at_ns, Track(machine, COUNTER, name), value))

    # -- programs -----------------------------------------------------------------------------------------------------

    def _program(self, program: tuple[int, int]) -> Track:
        return Track(program[0], PROGRAM, "", program[1])

    def stepped(self, at_ns: int, program: tuple[int, int], request: Any) -> None:
        """See `Trace.stepped`."""
        self._calls[program] = type(request).__name__

    def wait_begun(self, at_ns: int, program: tuple[int, int], kind: int) -> None:
        """See `Trace.wait_begun`."""
        self._waits[program] = (at_ns, KINDS[kind])

    def wait_ended(self, at_ns: int, program: tuple[int, int], kind: int) -> None:
        """See `Trace.wait_ended`."""
        begin_ns, name = self._waits.pop(program)
        args = (("call", self._calls.get(program, "")),)
        self._mark(Mark(begin_ns, at_ns, self._program(program), name, (), args))

    # -- pages --------------------------------------------------------------------------------------------------------

    def page_begun(self, at_ns: int, machine: int, page: Page) -> None:
        """See `Trace.page_begun`."""
        name = f"page-{'out' if page.write else 'in'}" + (" of a file" if page.kind == "file" else "")
        flow = self._next_flow
        self._next_flow += 1
        key = (machine, page.space, page.number, page.write)
        if key in self._pages:
            self._page_over(at_ns, key)
        self._pages[key] = (at_ns, self._lane(machine, "pages under way").take(), name, flow)
        if page.kind == "swap":
            self._flows[machine, page.number] = flow

    def page_answered(self, at_ns: int, machine: int, page: Page) -> None:
        """See `Trace.page_answered`."""
        key = (machine, page.space, page.number, page.write)
        if key in self._pages:
            self._page_over(at_ns, key)

    def _page_over(self, at_ns: int, key: tuple[int, str, int, bool]) -> None:
        begin_ns, track, name, flow = self._pages.pop(key)
        self._lane(key[0], "pages under way").give(track)
        args: tuple[tuple[str, int | str], ...] = (("of", key[1]), ("number", key[2]))
        self._mark(Mark(begin_ns, at_ns, track, name, (flow,), args))

    # -- frames -------------------------------------------------------------------------------------------------------

    def link_sent(self, frames: Frames) -> None:
        """See `Trace.link_sent`."""
        self._frames(frames, frames.frame[F_SOURCE], "sends", f"to {self._names[frames.frame[F_DESTINATION]]}")

    def link_delivered(self, frames: Frames) -> None:
        """See `Trace.link_delivered`."""
        self._frames(frames, frames.frame[F_DESTINATION], "receives", f"from {self._names[frames.frame[F_SOURCE]]}")

    def link_dropped(self, frames: Frames, cause: str) -> None:
        """See `Trace.link_dropped`."""
        self._frames(frames, frames.frame[F_DESTINATION], "drops", cause)

    def frames_dropped(self, machine: int, frames: Frames, cause: str, free: int) -> None:
        """See `Trace.frames_dropped`."""
        self._frames(frames, machine, "drops", cause, ("free", free))

    def _frames(self, frames: Frames, machine: int, lane: str, what: str, *args: tuple[str, int | str]) -> None:
        frame = frames.frame
        name = f"{KIND_NAMES.get(frame[F_KIND] & ~FRAGMENT, 'other')} {what}"
        flows = self._flows_of(frame) or (1 << 62 | frame[F_SOURCE] << 42 | frame[F_NUMBER] & (1 << 42) - 1,)
        told = (("frames", frames.length), ("number", frames.number), ("bytes", frame[F_WIRE]), *args)
        self._mark(Mark(frames.at_ns, None, Track(machine, LANE, lane), name, flows, told, frames.length))

    def _flows_of(self, frame: Raw) -> tuple[int, ...]:
        """The flows of the pages that a frame is about."""
        kind = frame[F_KIND] & ~FRAGMENT
        if kind == TCP:
            return self._flows_of_records(frame) if frame[F_BODY][7] else ()
        if KIND_NAMES.get(kind) not in _PAGE_KINDS:
            return ()
        message = (frame[F_BODY][2] if frame[F_KIND] & FRAGMENT else frame[F_BODY])[5]
        client = frame[F_DESTINATION] if KIND_NAMES[kind].endswith("reply") else frame[F_SOURCE]
        pages = range(message[1], message[1] + len(message) - 2) if len(message) > 2 else ()
        return tuple(self._flows[client, page] for page in pages if (client, page) in self._flows)

    def _flows_of_records(self, frame: Raw) -> tuple[int, ...]:
        """The flows of the messages of NBD that end in a segment."""
        source, to, port, source_port, records = (
            frame[F_SOURCE],
            frame[F_DESTINATION],
            frame[F_PORT],
            frame[F_BODY][0],
            frame[F_BODY][7],
        )
        flows = []
        for _, message in records:
            if port == nbd.PORT and len(message) == 4:
                self._asked[source, message[1]] = message[2]
                flows.append(self._flows.get((source, message[2]), 0))
            elif source_port == nbd.PORT and len(message) == 3:
                flows.append(self._flows.get((to, self._asked.get((to, message[1]), -1)), 0))
        return tuple(flow for flow in flows if flow)


def counted(door: Any) -> list[tuple[str, int]]:
    """The counters of a machine, in pages but for the frames."""
    zone, reclaim, device = door.zone, door.reclaim, door.device
    return [
        ("free pages", zone.free),
        ("reserve pages in use", zone.reserve_used),
        ("pages of programs", sum(one.space.resident for one in door.programs)),
        ("page cache", reclaim.scan.cache.resident()),
        ("pages under writeback", 0 if device is None else device.writeback),
        ("frames in sockets", 0 if door.down else door.stack.noncritical),
        ("frames in the ring, the input queue and reassembly", 0 if door.down else door.held()),
    ]


def thinned(marks: Sequence[Mark], share: int, *, frames_only: bool) -> list[Mark]:
    """One in `share` of the marks of each track, or only of those that tell of frames; faults stay."""
    seen: Counter[Track] = Counter()
    kept = []
    for mark in marks:
        if mark.track.machine == NOBODY or (frames_only and not mark.frames):
            kept.append(mark)
            continue
        if seen[mark.track] % share == 0:
            kept.append(mark)
        seen[mark.track] += 1
    return kept
