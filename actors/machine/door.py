"""One computer: memory, a card, a protocol stack, perhaps a swap device, and its programs.

A plain object that does no I/O. Its only door is `advance`: inbound bytes in, outbound bytes out, and two promises about
when something will leave. A machine that knows when it could be answered goes no farther than that. The same object runs
in this process or inside a Ray actor.
"""

from collections import deque
from collections.abc import Sequence
from hashlib import sha256
from heapq import heapify, heappop, heappush
from typing import Final

from netswap.actors.counters import Counters
from netswap.actors.disk import Disk
from netswap.actors.events import NEVER, Events, Halt
from netswap.actors.machine.assembly import assemble
from netswap.actors.machine.parts import Lasting, Parts
from netswap.actors.machine.rule_book import rule_book
from netswap.actors.machine.tally import tallied
from netswap.actors.net.traced import held_frames
from netswap.actors.settings import MachineSettings
from netswap.actors.teller import Teller
from netswap.actors.trace import Frames, Trace
from netswap.protocol.errors import RemoteProtocolError
from netswap.protocol.frame import (
    A_AT,
    A_COUNT,
    A_FRAME,
    CRASH,
    F_COUNT,
    F_KIND,
    FRAGMENT,
    FREEZE,
    PAUSE,
    RESTART,
    RESUME,
    SLOW_DISK,
    THAW,
    Arrival,
    Control,
    Raw,
    arrivals,
    split_arrival,
)

_FEW: Final = 8
"""A batch that is smaller than what waits by this factor is put into it arrival by arrival; a larger one is sorted in."""


class Machine:
    """Built from its settings; then driven through `advance` alone."""

    def __init__(self, settings: MachineSettings, trace: Trace | None = None) -> None:
        """`trace`: is told what happens here, over all boots. Raises `SettingsError`."""
        self.settings = settings
        self.kernel = rule_book(settings)
        self.events = Events()
        self.counters = Counters()
        self.disk = Disk()
        self._teller = None if trace is None else Teller(trace, settings.index, self.events)
        self._tick_ns = NEVER if trace is None or not trace.every_ns else trace.every_ns
        """When the trace looks at this machine next."""
        self.down = False
        """Whether it has crashed, and not been restarted yet."""
        self.paused = False
        self._paused_ns = 0
        self._arrivals: list[Arrival] = []
        self._controls: deque[Control] = deque()
        self.said: list[tuple[Raw, bytes]] = []
        """What `advance` has returned last, each frame with its bytes."""
        self._left: list[tuple[Raw, bytes]] = []
        """What it sent before it went down."""
        self._sent = sha256()
        self._boot(None)

    def _boot(self, before: Parts | None) -> None:
        """Make all that a crash takes away; `before`: the parts that it has taken."""
        lasting = Lasting(self.kernel, self.events, self.counters, self.disk, self._teller)
        programs = before.programs if before is not None else ()
        self.parts = parts = assemble(self.settings, lasting, tallied(before), programs)
        # What reports look at, and what is looked up for each batch.
        frames, swap = parts.frames, parts.swap
        self.zone, self.buffers, self.emergency_data = parts.zone, frames.net.buffers, parts.emergency_data
        self.stack, self.nic, self.neighbours, self.tcp = frames.stack, frames.nic, frames.neighbours, frames.tcp
        self.steady = frames.steady
        self.device, self.set_aside, self.local = swap.device, swap.set_aside, parts.local
        self.reclaim, self.writeback, self.oom = parts.reclaim, parts.writeback, parts.oom
        self.programs = parts.programs

    # -- the door ---------------------------------------------------------------------------------------------------

    def advance(
        self,
        until_ns: int,
        inbound: bytes = b"",
        answers: Sequence[int] | None = None,
        handed: Sequence[Arrival] = (),
    ) -> bytes:
        """Do all that lies strictly before `until_ns`, and return what was sent.

        `handed`: arrivals beside those of `inbound`, of frames that this process has made itself: they need no decoding.

        `answers`: from now on, for each machine, how long (ns) what is sent to it takes until something that it causes can
        be back here. A machine that has been told goes no farther than that after it has sent something, even if `until_ns` is
        later, nor much farther once it has announced `events.ANNOUNCED_MAX` bytes; what has come for later then stays here, and
        `next_ns` counts it in. One that has not been told comes to `until_ns` always.

        Raises `RemoteProtocolError` if `inbound` is no batch of arrivals; nothing of the batch is taken then.
        """
        events = self.events
        if answers is not None:
            events.answers = answers
        if inbound:
            self._take_in(inbound)
        if handed:
            self._keep(handed, [])
        events.begin(until_ns)
        try:  # noqa: SIM105  (a `with` in each window would be felt)
            self._go()
        except Halt:
            pass
        events.end()
        self.said = said = self.nic.take_out()
        if self._left:
            self.said = said = self._left + said
            self._left = []
        if not said:
            return b""
        out = b"".join([data for _, data in said])
        self._sent.update(out)
        return out

    def _go(self) -> None:
        """Do what lies before `halt_ns`, which may come nearer on the way."""
        events, controls = self.events, self._controls
        while controls and controls[0].at_ns < events.halt_ns:
            self._run_to(controls[0].at_ns)
            self._obey(controls.popleft())
        self._run_to(events.halt_ns)

    def _run_to(self, until_ns: int) -> None:
        """As `_run`, with halts at which the trace looks at the machine."""
        teller = self._teller
        while teller is not None and self._tick_ns < min(until_ns, self.events.halt_ns):
            self._run(self._tick_ns)
            self.settle()
            teller.trace.tick(self._tick_ns, teller.machine, self)
            self._tick_ns += teller.every_ns
        self._run(until_ns)

    def _run(self, until_ns: int) -> None:
        """Do all that lies strictly before `until_ns`, and is due by itself."""
        if self.down or self.paused:
            self._stand_still(until_ns)
            return
        events = self.events
        heap = events.heap
        soon = events.soon
        waiting = self._arrivals
        steady = self.steady
        receive = self.nic.receive if steady is None else steady.receive
        while True:
            arrival_ns = waiting[0][0] if waiting else NEVER
            limit_ns = arrival_ns if arrival_ns < until_ns else until_ns - 1
            if steady is not None and steady.alert and (soon or (heap and heap[0][0] <= limit_ns)):
                steady.interrupt()
            while True:
                if heap and heap[0][0] <= limit_ns and (not soon or heap[0][0] <= events.now):
                    events.now, _, action, argument = heappop(heap)
                    action(argument)
                elif soon and events.now <= limit_ns:
                    while soon:  # nothing comes before these any more: what is due now goes to their end
                        action, argument = soon.popleft()
                        action(argument)
                else:
                    break
            if arrival_ns >= until_ns:
                break
            arrival = heappop(waiting)
            if arrival[A_COUNT] != arrival[A_FRAME][F_COUNT] and self._receive_whole(arrival, until_ns):
                continue
            rest = receive(arrival, waiting[0][0] if waiting and waiting[0][0] < until_ns else until_ns)
            if rest is not None:
                heappush(waiting, rest)
        events.now = until_ns

    def _receive_whole(self, arrival: Arrival, until_ns: int) -> bool:
        """Receive at once a datagram whose last, shorter fragments are the next arrival; False if it has to be done one by one.

        On a link with a bandwidth they keep no beat. Nothing in the machine can tell the difference, see `Nic.receive`.
        """
        events, waiting, frame = self.events, self._arrivals, arrival[A_FRAME]
        if not frame[F_KIND] & FRAGMENT or self._teller is not None or not waiting or events.soon:
            return False
        at_ns, source, number, copy, count, gap, first, flags, _ = arrival
        rest_ns, rest_source, rest_number, rest_copy, left, rest_gap, rest_first, rest_flags, _ = waiting[0]
        last_ns = rest_ns + (left - 1) * rest_gap
        if (
            first
            or flags
            or rest_flags
            or (rest_source, rest_number, rest_copy, rest_first) != (source, number + count, copy, count)
            or count + left != frame[F_COUNT]
            or rest_ns < at_ns + (count - 1) * gap
            or last_ns >= until_ns
            or (events.heap and events.heap[0][0] <= last_ns)
            or any(other[0] <= last_ns for other in waiting[1:3])
        ):
            return False
        receive = self.nic.receive_whole if self.steady is None else self.steady.receive_whole
        if not receive(arrival, last_ns):
            return False
        heappop(waiting)
        return True

    def next_ns(self) -> int:
        """Nothing leaves before then unless something arrives that has not been told yet."""
        next_ns = self._controls[0].at_ns if self._controls else NEVER
        if self.down or self.paused:
            return next_ns
        if self._arrivals:
            next_ns = min(next_ns, self._arrivals[0][0])
        return min(next_ns, self.events.next_ns())

    def silent_until_ns(self) -> int:
        """Nothing leaves before then whatever arrives: what has been sent has to leave the card first."""
        return max(self.events.now, self.nic.idle_ns)

    # -- what is done to it from outside ----------------------------------------------------------------------------

    def settle(self) -> None:
        """Pay for frames that have come and have only been counted; to be called before any part of this machine is looked at."""
        if self.steady is not None:
            self.steady.settle()

    def _obey(self, control: Control) -> None:
        if self.steady is not None:
            self.steady.interrupt()
        what = control.what
        if what == CRASH:
            self._go_down()
        elif what == RESTART:
            self._restart()
        elif what == PAUSE:
            self.paused = True
            self._paused_ns = self.events.now
        elif what == RESUME:
            self.paused = False
            self._go_on()
        elif what in (FREEZE, THAW):
            self._signal(control.value, stop=what == FREEZE)
        else:
            self.disk.slow_ns = control.value if what == SLOW_DISK else None
        if self._teller is not None:
            self._teller.changed(what)

    def _signal(self, place: int, *, stop: bool) -> None:
        """Stop a program, or let it continue; a machine that is down has none, and starts all of them anew."""
        if not self.down and place < len(self.programs):
            one = self.programs[place]
            if stop:
                one.system.freeze(one.task)
            else:
                one.system.thaw(one.task)

    def _go_down(self) -> None:
        """Lose all that is not on a disk, the frames that were waiting to be received or completed too."""
        self.down = True
        self._left += self.nic.take_out()
        for one in self.programs:
            one.task.kill()
        self.nic.take_out()  # what the programs said when they were killed
        self.events.clear()
        self._count_crashed(self.held(), self.events.now)
        if self._teller is not None:
            for frame, first, count in held_frames(self.nic, self.stack, self.parts.frames.input_queue):
                self._teller.dropped(Frames(self.events.now, frame, first, count), "crashed")

    def _count_crashed(self, frames: int, at_ns: int) -> None:
        """Note that `frames` frames are lost with the machine, the first of them at `at_ns`."""
        dropped = self.counters.dropped
        if self._teller is not None and frames and not dropped["crashed"]:
            self._teller.first_dropped(at_ns, "crashed")
        dropped["crashed"] += frames

    def _restart(self) -> None:
        """Start as at time 0, with what is on the disk; counts, peaks and numbers go on."""
        self._boot(self.parts)
        self.down = False

    def _go_on(self) -> None:
        """Go on after a pause: first timers that are late by now, then the frames in the ring."""
        if not self.down:
            self.events.go_on(self._paused_ns)
            self.nic.go_on(self._paused_ns)

    def _stand_still(self, until_ns: int) -> None:
        """Let only the card act: of a machine that is down it loses all frames, of a paused one it keeps what it has room for."""
        waiting = self._arrivals
        while waiting and waiting[0][0] < until_ns:
            arrival = heappop(waiting)
            limit_ns = min(until_ns, waiting[0][0]) if waiting else until_ns
            frames, rest = split_arrival(arrival, limit_ns)
            if self.down:
                self.counters.received += frames
                self._count_crashed(frames, arrival[A_AT])
                if self._teller is not None:
                    at_ns, _, _, copy, _, gap_ns, first, flags, frame = arrival
                    told = Frames(at_ns, frame, first, frames, gap_ns, copy, flags)
                    self._teller.received(told)
                    self._teller.dropped(told, "crashed")
            else:
                self.nic.keep(arrival, frames)
            if rest is not None:
                heappush(waiting, rest)
        self.events.now = until_ns

    def _take_in(self, inbound: bytes) -> None:
        controls: list[Control] = []
        try:
            batch = arrivals(inbound, controls)
        except RemoteProtocolError:
            self.counters.malformed += 1
            raise
        self._keep(batch, controls)

    def _keep(self, batch: Sequence[Arrival], controls: list[Control]) -> None:
        """Let them wait for their times."""
        self._check_times(batch, controls)
        waiting = self._arrivals
        if len(batch) * _FEW < len(waiting):
            for arrival in batch:
                heappush(waiting, arrival)
        else:
            waiting += batch
            heapify(waiting)
        self._controls.extend(controls)

    def _check_times(self, batch: Sequence[Arrival], controls: list[Control]) -> None:
        """Nothing may come for a time that is over: the clock that let the machine go so far was wrong."""
        first_ns = min(min(batch)[0] if batch else NEVER, controls[0].at_ns if controls else NEVER)
        if first_ns < self.events.now:
            name, now = self.settings.name, self.events.now
            raise RuntimeError(f"something reaches {name} at {first_ns} ns, and {name} is at {now} ns already")

    # -- what others may see ----------------------------------------------------------------------------------------

    def held(self) -> int:
        """Frames that have come and are neither delivered nor dropped yet."""
        queue = self.parts.frames.input_queue
        queued = 0 if queue is None else queue.frames
        return self.stack.reassembly.frames + self.nic.unserved + queued

    def sent_digest(self) -> str:
        """SHA-256 (hex) over all that this machine has sent."""
        return self._sent.hexdigest()
