"""The report of a machine, as plain data: counters, programs, timers, and the wait-for graph.

`netswap.actors.machine.report` reads it off a machine; it crosses between processes as it is. Times in ns.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from netswap.actors.events import Timer


class NodeKind(StrEnum):
    """What a node of the wait-for graph stands for."""

    TASK = "task"
    """A program that is blocked."""
    ANSWER = "answer"
    """What other machines wait for: this machine's answer to a message."""
    FREE_PAGE = "free page"
    DISK = "disk"
    """The machine's own disk."""
    DIRTY_LIMIT = "dirty limit"
    PAGE_OUTS = "page-outs"
    """Requests under way to the swap servers, or to one of them."""
    ROOM = "room"
    """Room on a swap server."""
    SENDER = "sender"
    """The holder of a connection's lock, which keeps all others from sending."""
    PAGE = "page"
    """A page on its way from a swap server."""
    REPLY = "reply"
    ADDRESS = "address"
    """A link address that ARP has not found."""
    RECEIVE_BUFFER = "receive buffer"
    ORDINARY_BUFFER = "ordinary buffer"
    """A receive buffer that is not from the reserve."""
    TCP_MEM = "tcp_mem"
    QUEUES = "queues"
    """Receive queues of a program, which hold pages until it reads them."""
    REASSEMBLY = "reassembly"


class NodeId(NamedTuple):
    """Which node of which machine."""

    machine: str
    kind: NodeKind
    detail: str = ""
    """Which of several: the name of a task, the number of a page, the server of a reply."""

    @property
    def name(self) -> str:
        """The node's name in the graph of all machines: "A/rank 0", "A/free page", "A/reply of C"."""
        words = [self.detail] if self.kind is NodeKind.TASK else [self.kind.value, self.detail]
        return f"{self.machine}/{' '.join(word for word in words if word)}"


@dataclass(frozen=True, slots=True)
class WaitNode:
    """A node of the wait-for graph, with the nodes that it waits for; those may be another machine's."""

    id: NodeId
    sentence: str
    waits_for: tuple[NodeId, ...]
    quantities: dict[str, int]
    """The numbers of the sentence, by name."""


@dataclass(frozen=True, slots=True)
class ProgramReport:
    """One program. Its stalls are (begin, end)."""

    name: str
    kind: str
    pages: int
    """Pages of its own."""
    locked: bool
    """Whether these are kept in memory."""
    finished: bool
    idle: bool
    """Whether it has nothing to do."""
    progress: int
    last_ns: int
    """When it got on last."""
    stalls: tuple[tuple[int, int], ...]
    """Stalls after which it got on."""
    unended: tuple[tuple[int, int], ...]
    """Stalls that a crash has ended."""
    stalled_since_ns: int | None
    """Since when it stalls; None if it does not."""
    slot_ns: int
    slots: tuple[int, ...]
    """Progress in each slot of `slot_ns` that is over."""
    open_slot: int
    """Progress in the slot under way."""
    waited_ns: tuple[int, ...]
    """How long it has waited for each of `netswap.actors.programs.wait.KINDS`."""
    waited_slots: tuple[int, ...]
    """How long the program had waited at the end of each slot: a number for each of the kinds."""
    killed_ns: int | None
    """When it was killed, and has died."""
    freed_pages: int
    """Pages that were free at once thereby."""
    killed_by: str = ""
    """What has killed it: "oom" or "sigbus"; empty for a program that lives."""


@dataclass(frozen=True, slots=True)
class MachineReport:
    """One machine at one moment."""

    name: str
    down: bool
    paused: bool
    digest: str
    """SHA-256 (hex) of all that it has sent."""
    counters: dict[str, int]
    """By the names of `netswap.actors.counters.COUNTERS`."""
    dropped: dict[str, int]
    """Frames by the causes of `netswap.actors.counters.CAUSES`."""
    free_blocks: tuple[int, ...]
    """Free blocks of each order, from single pages on; empty where pages are only counted."""
    programs: tuple[ProgramReport, ...]
    timers: tuple[Timer, ...]
    """Timers that could still end a wait."""
    overslept: tuple[str, ...]
    """Tasks that wait although what they wait for has come, in words. Any at all is a bug."""
    swaps: bool
    """Whether it has a swap device."""
    atomic_floor: int
    """Free pages at which reception gets no more."""
    frames_max: int
    """Most frames that have waited in ordinary sockets, or for their other fragments."""
    frame_bytes: int
    """Bytes of a full receive buffer with its head."""
    page_bytes: int
    ring: int
    """Descriptors of the card's receive ring."""
    last_reply_ns: int | None
    """When the swap device got its last reply; None without one."""
    waits: tuple[WaitNode, ...]
