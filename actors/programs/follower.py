"""A rank that touches its pages as a trace has it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count as endless
from typing import Final

from netswap.actors.programs.system import System
from netswap.actors.programs.talks import NOBODY, Talks
from netswap.actors.programs.task import Program
from netswap.actors.recording import WHOLE, WRITE, Recording, TraceHeader, period_ns, scaled
from netswap.protocol.rpc import PAGE

_AT_ONCE: Final = 1000
"""Touches without a pause, of a trace that is followed as fast as can be: each takes 1 ns, so that time passes."""


@dataclass(slots=True)
class Follower:
    """Sizes in bytes, times in ns; its progress is the pages it has touched.

    What lies between two touches it computes. So none is made before its time, and all that a wait takes comes on top.
    """

    recording: Recording
    working_set: int
    access: str = "write"
    """Where the trace does not say it."""
    start: str = "warm"
    pace: str = "recorded"
    """`none`: as fast as can be."""
    speed_ppm: int = WHOLE
    rounds: int | None = 1
    """None: it is repeated for ever."""

    def talks(self) -> Talks:
        """The program sends to no machine."""
        return NOBODY

    def pages(self) -> int:
        """Anonymous pages it uses."""
        return -(-self.working_set // PAGE)

    def run(self, system: System) -> Program:
        """Touch and compute, round by round."""
        now_ns = 0
        paced = self.pace != "none"
        writes = self.access == "write"
        for touches, (recorded_ns, first, count, access) in enumerate(self._rounds(), 1):
            at_ns = scaled(recorded_ns, self.speed_ppm)
            if paced and at_ns > now_ns:
                yield system.compute(at_ns - now_ns)
            now_ns = at_ns
            yield system.touch(first, count, write=access == WRITE if access else writes)
            if not paced and touches % _AT_ONCE == 0:
                yield system.compute(_AT_ONCE)

    def _rounds(self) -> Iterator[tuple[int, int, int, int]]:
        """(when at the speed of the recording, first page, pages, access) of all records of all rounds."""
        header = TraceHeader(*self.recording.header())
        period = period_ns(header.last_ns, header.touches)
        for number in endless() if self.rounds is None else range(self.rounds):
            at_ns = number * period
            for one in self.recording.records():
                after_ns, first, count, access = one
                at_ns += after_ns
                yield at_ns, first, count, access
