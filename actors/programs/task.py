"""A process: a program's generator, the request it is blocked in, and whether it makes progress.

The request a task is blocked in *is* what it waits for, so the wait-for graph can be read off at any time.
"""

from collections.abc import Generator, Sequence
from contextlib import suppress
from enum import Enum, auto
from traceback import walk_tb
from typing import Any, Final, NamedTuple, Protocol

from netswap.actors.events import Events
from netswap.actors.memory.anonymous import AddressSpace
from netswap.actors.teller import Teller
from netswap.actors.wait import BLOCKED, NOTHING, Blocked, TracedWaited, Waited


class Need(Enum):
    """What a blocked task needs, for the wait-for graph to follow."""

    NOTHING = auto()
    """Nothing that another task could hold: time, or a message that need not come."""
    FREE_PAGE = auto()
    PAGE_IN = auto()
    """A page that is on its way: `Reason.page` of `Reason.space`."""
    STORE = auto()
    """The disk of a swap server that is a program of this machine."""
    DIRTY_LIMIT = auto()
    """Less to be dirty or under writeback."""
    PEER = auto()
    """Another machine: `Reason.peer`."""


class Reason(NamedTuple):
    """What a blocked task waits for, and the same in words."""

    need: Need
    sentence: str
    space: AddressSpace | None = None
    page: int = 0
    peer: int = 0


class SystemCall(Protocol):
    """A system call. A task that is woken begins its call again, as the kernel's own wait loops do."""

    @property
    def idle(self) -> bool:
        """Whether a wait in this call is no stall: an empty receive, a sleep."""

    def begin(self, task: "Task") -> Any:
        """The call's result, or `BLOCKED`: then `task.wake` has been left with the part that will end the wait."""

    def reason(self) -> Reason:
        """What it waits for."""

    def is_over(self) -> bool:
        """Whether that has come, so that the task should not be waiting any more: it is woken in the same instant."""


Program = Generator[SystemCall, Any, None]
STEPS_MAX: Final = 1_000_000
"""Steps that a program may take without time passing."""
PAGES_MAX: Final = 1 << 26
"""Pages, 256 GiB, that it may count in these steps: such a step may itself take a while of the host's time."""
_LOOK: Final = 1000
"""Steps after which both limits are looked at."""


class ProgramError(Exception):
    """A program has failed, at this line: by an exception of its own, or a yield of what is no request.

    `machine` and `place`: whose program it is, and which of its machine's. `file` is empty where the line that is at fault
    is the scenario's.
    """

    def __init__(
        self, file: str, line: int, message: str, hint: str = "repair it", machine: str = "", place: int = 0
    ) -> None:
        super().__init__(file, line, message, hint, machine, place)  # all of them, so that it can be pickled
        self.file = file
        self.line = line
        self.message = message
        self.hint = hint
        self.machine = machine
        self.place = place

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}; {self.hint}"


class Progress:
    """The progress of a task, in slots of `stall_after`: a stall cannot hide between two slots."""

    __slots__ = (
        "_edge_ns",
        "_events",
        "_slot_count",
        "busy",
        "count",
        "counts_pages",
        "cpu_ns",
        "last_ns",
        "slots",
        "stall_after_ns",
        "stalls",
        "unended",
        "waited",
    )

    def __init__(self, events: Events, stall_after_ns: int, *, counts_pages: bool = True) -> None:
        self.stall_after_ns = stall_after_ns
        self.counts_pages = counts_pages
        """Whether the pages that it touches are what it counts."""
        self.count = 0
        self.cpu_ns = 0
        """Time it has computed."""
        self.last_ns = 0
        """The last progress, or when the task stopped being idle."""
        self.busy = True
        self.waited = Waited(events, stall_after_ns)
        self.stalls: list[tuple[int, int]] = []
        self.unended: list[tuple[int, int]] = []
        """Stalls that lasted until the machine went down."""
        self.slots: list[int] = []
        """How much progress each past slot of `stall_after` saw."""
        self._events = events
        self._edge_ns = stall_after_ns
        self._slot_count = 0

    def listen(self, teller: Teller, place: int) -> None:
        """Tell of the waits of this program, from the time on at which its machine starts first."""
        if not isinstance(self.waited, TracedWaited):
            self.waited = TracedWaited(self._events, self.stall_after_ns, teller, place)

    @property
    def now_ns(self) -> int:
        """The machine's clock."""
        return self._events.now

    def add(self, amount: int) -> None:
        """Note that the task has made progress."""
        now = self._events.now
        if now >= self._edge_ns:
            self._roll(now)
        self.count += amount
        self.last_ns = now

    def touched(self, pages: int) -> None:
        """Note that the task has touched `pages` more pages, whether or not it counts them."""
        now = self._events.now
        if now >= self._edge_ns:
            self._roll(now)
        if self.counts_pages:
            self.count += pages
        self.last_ns = now

    def rest(self) -> None:
        """Note that the task has nothing to do."""
        now = self._events.now
        if now - self.last_ns >= self.stall_after_ns:
            self._close(now)
        self.busy = False

    def go_down(self) -> None:
        """Note that the machine is down: the task neither gets on nor stalls."""
        now = self._events.now
        if self.open_stall(now) is not None:
            self.unended.append((self.last_ns, now))
        self.busy = False

    def work(self) -> None:
        """Note that the task has something to do again."""
        self.busy = True
        self.last_ns = self._events.now

    @property
    def edge_ns(self) -> int:
        """The first progress from then on ends a slot."""
        return self._edge_ns

    @property
    def slot_ns(self) -> int:
        """How long a slot is."""
        return self.stall_after_ns

    def skip(self, amount: int, edges: Sequence[tuple[int, int]]) -> None:
        """Note `amount` steps of progress at once, of a task that rests; the last of them is yet to come and to be noted.

        `edges`: (steps before it, time) of the first of them after each edge.
        """
        before = self.count
        for steps, first_ns in edges:
            self.count = before + steps
            self._roll(first_ns)
        self.count = before + amount

    @property
    def open_slot(self) -> int:
        """The progress that no entry of `slots` holds yet: that of the slot which follows them."""
        return self.count - self._slot_count

    def open_stall(self, now_ns: int) -> int | None:
        """Since when the task stalls, if it does."""
        return self.last_ns if self.busy and now_ns - self.last_ns >= self.stall_after_ns else None

    def _roll(self, now: int) -> None:
        self._close(now)
        while self._edge_ns <= now:
            self.slots.append(self.count - self._slot_count)
            self._slot_count = self.count
            self._edge_ns += self.stall_after_ns

    def _close(self, now: int) -> None:
        if self.busy and now - self.last_ns >= self.stall_after_ns:
            self.stalls.append((self.last_ns, now))


class Task:
    """A program running on a machine."""

    __slots__ = (
        "_close",
        "_send",
        "_throw",
        "_missed",
        "finished",
        "freed_pages",
        "killed_by",
        "frozen",
        "frozen_ns",
        "_frozen_since_ns",
        "killed_ns",
        "machine",
        "name",
        "place",
        "progress",
        "request",
        "teller",
    )

    def __init__(self, machine: str, place: int, name: str, program: Program, progress: Progress) -> None:
        """`place`: which of the machine's programs it is, counted from 0."""
        self.machine = machine
        self.place = place
        self.name = name
        self.progress = progress
        self.request: SystemCall | None = None
        self.teller: Teller | None = None
        self.finished = False
        self.killed_ns: int | None = None
        """When it died, killed."""
        self.killed_by = ""
        """What has killed it: "oom" or "sigbus"."""
        self.frozen = False
        """Whether it stands still (SIGSTOP); what the kernel does in its name goes on to its end."""
        self.frozen_ns = 0
        """For how long it has stood still, until it went on last."""
        self._frozen_since_ns = 0
        self._missed = False
        """Whether it was to run while it stood still."""
        self.freed_pages = 0
        """Pages that came back thereby, at once."""
        self._send = program.send
        self._throw = program.throw
        self._close = program.close

    def listen(self, teller: Teller) -> None:
        """Tell of system calls and waits. Called before the program begins: a check in `_run` would be felt."""
        self.teller = teller
        if "waits" in teller.hears:
            self.progress.listen(teller, self.place)
        if "steps" not in teller.hears:
            return
        send = self._send

        def told(value: Any) -> Any:
            request = send(value)
            teller.stepped(self.place, request)
            return request

        self._send = told

    def start(self, _: object = None) -> None:
        """Let the program run until it blocks for the first time."""
        if self.frozen:
            self._missed = True
            return
        self._run(None)

    def freeze(self) -> None:
        """Stand still from now on."""
        if not self.frozen:
            self.frozen = True
            self._frozen_since_ns = self.progress.now_ns

    def thaw(self) -> None:
        """Go on, where it stood; what it was to do meanwhile it does now."""
        if not self.frozen:
            return
        self.frozen = False
        self.frozen_ns += self.progress.now_ns - self._frozen_since_ns
        if self._missed:
            self._missed = False
            if self.request is None:
                self._run(None)
            else:
                self.wake()

    def kill(self) -> None:
        """Close the program, since the machine is down; what it does in its clean-up has no effect."""
        self.request = None
        with suppress(Exception):
            self._close()
        self.progress.waited.turn(NOTHING)
        self.progress.go_down()

    def end(self, ended: SystemCall, by: str = "oom") -> None:
        """Note that it has been killed, for want of memory or `by` a SIGBUS: it waits for `ended`, for ever."""
        self.killed_by = by
        self.request = ended
        self.killed_ns = self.progress.now_ns
        self.progress.waited.turn(NOTHING)
        self.progress.go_down()
        if self.teller is not None:
            self.teller.killed(self.place)

    def block(self, kind: int) -> Blocked:
        """What a request returns that has to wait for this kind of thing (`netswap.actors.wait`)."""
        waited = self.progress.waited
        waited.turn(kind)
        if waited.at_once > STEPS_MAX:
            raise self._stands_still()
        return BLOCKED

    def wake(self, _: object = None) -> None:
        """Try the request again: what the task waits for may have come."""
        if self.frozen:
            self._missed = True
            return
        request = self.request
        assert request is not None, f"{self.name} is not waiting"
        value = request.begin(self)
        if value is not BLOCKED:
            if request.idle:
                self.progress.work()
            self._run(value)

    def _run(self, value: Any) -> None:
        steps, began = 0, self.progress.count
        while True:
            try:
                request = self._send(value)
                begin = getattr(request, "begin", None)
                if begin is None:
                    begin = self._throw(TypeError(f"{request!r} is no request to the system")).begin
            except StopIteration:
                self.request = None
                self.finished = True
                self.progress.waited.turn(NOTHING)
                self.progress.rest()
                return
            except Exception as error:
                raise self._failed(error) from error
            value = begin(self)
            if value is BLOCKED:
                break
            steps += 1
            if not steps % _LOOK and (steps >= STEPS_MAX or self.progress.count - began > PAGES_MAX):
                raise self._stands_still()
        self.request = request
        if request.idle:
            self.progress.rest()

    def _failed(self, error: Exception) -> ProgramError:
        """The error, with the innermost line of the program's own file."""
        own = error.__traceback__ and error.__traceback__.tb_next  # the first is ours, and that which tells
        own = own.tb_next if own and own.tb_frame.f_code.co_name == "told" else own
        lines = list(walk_tb(own))
        file = lines[0][0].f_code.co_filename if lines else "?"
        line = next((number for frame, number in reversed(lines) if frame.f_code.co_filename == file), 0)
        said = f"{self.name} on {self.machine} failed at {self._now()}: {type(error).__name__}: {error}"
        return ProgramError(file, line, said, machine=self.machine, place=self.place)

    def _stands_still(self) -> ProgramError:
        """The error of a program that never lets time pass: the run would not get beyond this instant."""
        steps = "has taken a million steps, or touched 256 GiB,"
        said = f"{self.name} on {self.machine} {steps} at {self._now()}, and no time has passed"
        hint = "let it compute, sleep or wait for something between its steps: a rank has compute, as compute: 1ms"
        return ProgramError("", 0, said, hint, self.machine, self.place)

    def _now(self) -> str:
        return f"{self.progress.now_ns / 1e9:.6f} s"
