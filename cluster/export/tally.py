"""What the tables of a kernel count and the model's own counters do not: datagrams, segments, fragments, and pressure."""

from collections import Counter
from collections.abc import Sequence
from math import exp
from typing import Final

from netswap.actors.trace import Frames, Page, Trace
from netswap.actors.wait import MESSAGE, NOTHING, PAGE, REPLY, SLOT, THROTTLE
from netswap.protocol.frame import F_BODY, F_COUNT, F_KIND, F_SOURCE, F_TAIL, F_WIRE, FRAGMENT, TCP
from netswap.protocol.tcp import RST
from netswap.protocol.units import seconds

ON_MEMORY: Final = (REPLY, PAGE, SLOT, THROTTLE)
"""Waits that are for memory: a page of swap, a free one, or what frees one (psi_memstall_enter in mm)."""
PERIOD_NS: Final = seconds(2)
"""How often averages are brought up to date (PSI_FREQ, kernel/sched/psi.c)."""
AVERAGES: Final = (10, 60, 300)


class Pressure:
    """For how long some programs of a machine, and all that have something to do, have waited for memory."""

    def __init__(self, programs: int) -> None:
        self.total_ns = [0, 0]
        """Some, full."""
        self._kinds = [NOTHING] * programs
        self._since_ns = 0
        self._edge_ns = PERIOD_NS
        self._before = [0, 0]
        self._averages = [[0.0] * len(AVERAGES) for _ in range(2)]

    def turned(self, at_ns: int, place: int, kind: int) -> None:
        """A program waits for something else from now on."""
        self.pass_to(at_ns)
        self._kinds[place] = kind

    def pass_to(self, at_ns: int) -> None:
        """Time has come to there."""
        while self._edge_ns <= at_ns:
            self._count(self._edge_ns)
            self._average()
            self._edge_ns += PERIOD_NS
        self._count(at_ns)

    def _count(self, at_ns: int) -> None:
        passed_ns, self._since_ns = at_ns - self._since_ns, at_ns
        stalled = sum(kind in ON_MEMORY for kind in self._kinds)
        if stalled:
            self.total_ns[0] += passed_ns
            # One that computes is not stalled, and NOTHING may be that or a sleep: only receivers are known to be idle.
            if stalled + self._kinds.count(MESSAGE) == len(self._kinds):
                self.total_ns[1] += passed_ns

    def _average(self) -> None:
        for which, total_ns in enumerate(self.total_ns):
            share = 100 * (total_ns - self._before[which]) / PERIOD_NS
            self._before[which] = total_ns
            for place, window in enumerate(AVERAGES):
                keep = exp(-2 / window)
                self._averages[which][place] = self._averages[which][place] * keep + share * (1 - keep)

    def averages(self, which: int) -> list[float]:
        """Percent over 10, 60 and 300 s; `which`: 0 some, 1 full."""
        return self._averages[which]


class Tallies(Trace):
    """Counts, for each machine, under the names of the kernel's tables."""

    def __init__(self, programs: Sequence[int]) -> None:
        """`programs`: how many each machine has."""
        self.counts: list[Counter[str]] = [Counter() for _ in programs]
        self.pressure = [Pressure(count) for count in programs]

    # -- out ----------------------------------------------------------------------------------------------------------

    def link_sent(self, frames: Frames) -> None:
        """See `Trace.link_sent`."""
        frame, length = frames.frame, frames.length
        counts = self.counts[frame[F_SOURCE]]
        ends = frames.first + length == frame[F_COUNT]
        counts["tx_packets"] += length
        counts["tx_bytes"] += length * frame[F_WIRE] + (frame[F_TAIL] - frame[F_WIRE] if ends else 0)
        kind = frame[F_KIND]
        if kind & ~FRAGMENT > TCP:
            return
        counts["OutTransmits"] += length
        if kind == TCP:
            counts["OutRequests"] += length
            counts["OutRsts" if frame[F_BODY][1] & RST else "OutSegs"] += length
            return
        step = frame[F_BODY][1] if kind & FRAGMENT else 1
        begun = {0: int(frames.first == 0), 1: length}  # later fragments of other datagrams begin none
        datagrams = begun.get(step, 0)
        counts["OutRequests"] += datagrams
        counts["OutDatagrams"] += datagrams
        if kind & FRAGMENT:
            counts["FragCreates"] += length
            counts["FragOKs"] += datagrams

    # -- in -----------------------------------------------------------------------------------------------------------

    def frames_received(self, machine: int, frames: Frames) -> None:
        """See `Trace.frames_received`."""
        frame, length = frames.frame, frames.length
        ends = frames.first + length == frame[F_COUNT]
        self.counts[machine]["card_packets"] += length
        self.counts[machine]["card_bytes"] += length * frame[F_WIRE] + (frame[F_TAIL] - frame[F_WIRE] if ends else 0)
        if frame[F_KIND] & ~FRAGMENT <= TCP:
            self.counts[machine]["ip_frames"] += length
            if frame[F_KIND] & FRAGMENT:
                self.counts[machine]["fragments"] += length

    def frames_delivered(self, machine: int, frames: Frames) -> None:
        """See `Trace.frames_delivered`."""
        counts, kind = self.counts[machine], frames.frame[F_KIND]
        if kind & ~FRAGMENT > TCP:
            return
        datagrams = 1 if kind & FRAGMENT else frames.length
        counts["InDelivers"] += datagrams
        counts["InSegs" if kind == TCP else "InDatagrams"] += datagrams
        if kind & FRAGMENT:
            counts["ReasmOKs"] += 1

    def frames_dropped(self, machine: int, frames: Frames, cause: str, free: int) -> None:
        """See `Trace.frames_dropped`."""
        kind = frames.frame[F_KIND]
        if kind & ~FRAGMENT > TCP:
            return
        counts = self.counts[machine]
        counts[f"{'tcp' if kind == TCP else 'udp'} {cause}"] += frames.length
        if kind & FRAGMENT:
            counts[f"fragments {cause}"] += frames.length

    # -- what else the tables count -------------------------------------------------------------------------------------

    def page_begun(self, at_ns: int, machine: int, page: Page) -> None:
        """See `Trace.page_begun`."""
        self.counts[machine]["nr_vmscan_write" if page.write else "pgmajfault"] += 1

    def retransmitted(self, at_ns: int, machine: int, protocol: str) -> None:
        """See `Trace.retransmitted`."""
        if protocol == "tcp":
            self.counts[machine]["RetransSegs"] += 1

    def wait_begun(self, at_ns: int, program: tuple[int, int], kind: int) -> None:
        """See `Trace.wait_begun`."""
        self.pressure[program[0]].turned(at_ns, program[1], kind)

    def wait_ended(self, at_ns: int, program: tuple[int, int], kind: int) -> None:
        """See `Trace.wait_ended`."""
        self.pressure[program[0]].turned(at_ns, program[1], NOTHING)


def over(counts: Counter[str], *names: str) -> int:
    """The sum of several counts."""
    return sum(counts[name] for name in names)
