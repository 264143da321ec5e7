"""Tells a trace what happens to one machine: what its parts say is put into the words of `trace`, with time and index.

Parts have one, or None. Where a check of that would be made for each frame, a part of its own class is made instead.
"""

from typing import Any, Protocol

from netswap.actors.events import Events
from netswap.actors.trace import MARKS, Frames, Page, Trace
from netswap.protocol.frame import Raw


class Pages(Protocol):
    """Where it is seen how many pages are free."""

    free: int


class Space(Protocol):
    """An address space, as far as it is told of."""

    name: str
    base: int


class Teller:
    """The teller of one machine, over all its boots."""

    def __init__(self, trace: Trace, machine: int, events: Events) -> None:
        self.trace = trace
        self.machine = machine
        self.every_ns: int = trace.every_ns
        self.hears: frozenset[str] = trace.hears
        self.pages: Pages | None = None
        """The memory of this boot."""
        self.below = [False for _ in MARKS]
        self.crossings = 0
        """Watermarks that have been crossed so far."""
        self._events = events
        self._frame: Raw | None = None
        self._first = 0

    # -- frames -----------------------------------------------------------------------------------------------------

    def begin(self, frame: Raw, first: int) -> None:
        """What is told next concerns this frame of a train, and those after it."""
        self._frame = frame
        self._first = first

    def now(self) -> int:
        """The machine's time (ns)."""
        return self._events.now

    def current(self, count: int) -> Frames:
        """The frames from the current one on, `count` of them, now."""
        assert self._frame is not None, "a frame is being received"
        return Frames(self._events.now, self._frame, self._first, count)

    def received(self, frames: Frames) -> None:
        """Frames have come to the card."""
        if "frames" not in self.hears:
            return
        self.trace.frames_received(self.machine, frames)

    def queued(self, frames: Frames, where: str) -> None:
        """Frames wait there."""
        self.trace.frames_queued(self.machine, frames, where)

    def delivered(self, count: int) -> None:
        """Tell that `count` frames from the current one on have found their receiver."""
        self.trace.frames_delivered(self.machine, self.current(count))

    def dropped(self, frames: Frames, cause: str) -> None:
        """Frames have been lost."""
        if "frames" not in self.hears:
            return
        free = self.pages.free if self.pages is not None else 0
        self.trace.frames_dropped(self.machine, frames, cause, free)

    def first_dropped(self, at_ns: int, cause: str) -> None:
        """Frames are lost for a cause that none has been lost for before."""
        self.trace.first_dropped(at_ns, self.machine, cause, self.pages.free if self.pages is not None else 0)

    # -- memory -----------------------------------------------------------------------------------------------------

    def page_begun(self, space: Space, page: int, write: bool, kind: str) -> None:
        """A page goes out, or comes in."""
        self.trace.page_begun(self._events.now, self.machine, Page(space.name, space.base + page, write, kind))

    def page_answered(self, space: Space, page: int, write: bool, kind: str) -> None:
        """The page-out or page-in of a page has been answered."""
        self.trace.page_answered(self._events.now, self.machine, Page(space.name, space.base + page, write, kind))

    def crossed(self, place: int, free: int) -> None:
        """Free pages have come to the other side of a mark, one of `MARKS`."""
        self.crossings += 1
        self.below[place] = below = not self.below[place]
        self.trace.mark_crossed(self.machine, MARKS[place], below, (self._events.now, free))

    def retransmitted(self, protocol: str) -> None:
        """Something is sent again."""
        self.trace.retransmitted(self._events.now, self.machine, protocol)

    # -- programs ---------------------------------------------------------------------------------------------------

    def stepped(self, place: int, request: Any) -> None:
        """A program makes a system call."""
        self.trace.stepped(self._events.now, (self.machine, place), request)

    def turned(self, place: int, before: int, kind: int) -> None:
        """A program waits for another kind of thing than before, or anew for the same; 0 is no wait."""
        now, program = self._events.now, (self.machine, place)
        if before:
            self.trace.wait_ended(now, program, before)
        if kind:
            self.trace.wait_begun(now, program, kind)

    def killed(self, place: int) -> None:
        """A program has died for want of memory."""
        self.trace.killed(self._events.now, (self.machine, place))

    def changed(self, what: int) -> None:
        """The machine obeys a control."""
        self.trace.machine_changed(self._events.now, self.machine, what)
