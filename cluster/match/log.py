"""A log as what is in it: call traces with their waits, events, Mem-Info blocks."""

import re
from dataclasses import dataclass
from typing import IO

from netswap.cluster.match.events import Event, Events
from netswap.cluster.match.meminfo import Blocks, MemInfo
from netswap.cluster.match.reading import Reading, read
from netswap.cluster.match.stacks import Stack, Stacks
from netswap.cluster.match.waits import Wait, wait_of

_NEAR = 80
"""Lines in which a report begins its trace, even where two are mixed."""


@dataclass(slots=True)
class Log:
    """All that was found, in the order of time."""

    reading: Reading
    waits: list[Wait]
    """The wait of each call trace."""
    events: list[Event]
    blocks: list[MemInfo]

    def of_kind(self, *kinds: str) -> list[Event]:
        """The events of these kinds."""
        return [event for event in self.events if event.kind in kinds]

    def wait_after(self, event: Event) -> Wait | None:
        """The wait of the trace which an event has printed; where processors are mixed, of one near it of the same kind."""
        own = next((wait for wait in self.waits if wait.stack.head is event.line), None)
        if own is not None:
            return own
        near = range(event.line.number, event.line.number + _NEAR)
        others = (
            wait
            for wait in self.waits
            if wait.stack.line().number in near and wait.stack.cause in ("trace", event.kind)
        )
        return next((wait for wait in others if "buffer" in wait.paths or wait.stack.failed), None)

    def block_after(self, event: Event) -> MemInfo | None:
        """The Mem-Info block that an event has printed."""
        return next((block for block in self.blocks if block.event is event), None)

    @property
    def kernel(self) -> str:
        """The kernel's version as the log has it first; empty if it does not."""
        return next((event.said["version"] for event in self.events if event.kind == "version"), "")

    @property
    def version(self) -> tuple[int, int] | None:
        """The kernel's version as numbers; of 2.6 the third stands for the second, as kernels count features there."""
        found = re.match(r"(\d+)\.(\d+)", self.kernel)
        return (int(found[1]), int(found[2])) if found else None

    @property
    def empty(self) -> bool:
        """Whether nothing of a kernel is in it."""
        return not (self.waits or self.events or self.blocks)


def parsed(stream: IO[bytes]) -> Log:
    """Read a log; `reading.NotText` where it is none."""
    return of_reading(read(stream))


def of_reading(reading: Reading) -> Log:
    """The log of lines that have been read."""
    events, stacks, blocks = Events(), Stacks(), Blocks()
    last: Event | None = None
    for line in reading.lines:
        event = events.line(line)
        if event is not None:
            stacks.cause(line, event.kind, event.said.get("task", ""))
            if event.kind in ("page allocation failure", "slab allocation failure", "oom", "sysrq"):
                last = event
        if not blocks.line(line, last):
            stacks.line(line)
    blocks.close()
    whole = [stack for stack in stacks.found if stack.functions()]
    return Log(reading, _distinct(whole), events.found, blocks.found)


def _distinct(stacks: list[Stack]) -> list[Wait]:
    """The waits of all stacks; a task that is reported again and again in the same place is one."""
    seen: set[tuple[str, int | None, str, tuple[str, ...]]] = set()
    found = []
    for stack in stacks:
        key = (stack.task, stack.pid, stack.cause, tuple(stack.functions()))
        if stack.task and key in seen:
            continue
        seen.add(key)
        found.append(wait_of(stack))
    return found
