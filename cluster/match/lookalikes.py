"""What looks like the loop and is another thing."""

from collections.abc import Callable
from typing import Final, NamedTuple

from netswap.actors.wait import CONNECTION, DISK, PAGE, REPLY, SLOT
from netswap.cluster.kernels.functions import LOCK
from netswap.cluster.match.evidence import Evidence
from netswap.cluster.match.log import Log
from netswap.cluster.match.reading import Line
from netswap.cluster.match.waits import Wait


class Other(NamedTuple):
    """Another cause."""

    cause: str
    reason: str
    lines: list[Line]


def other_cause(evidence: Evidence) -> Other:
    """The first of the known others that the log shows."""
    for look in _LOOKS:
        found = look(evidence)
        if found is not None:
            return found
    return Other(
        "nothing", "the log has kernel messages, and none of them is a wait for memory or for network storage", []
    )


def _empty(evidence: Evidence) -> Other | None:
    if evidence.log.empty:
        return Other("nothing of a kernel", "nothing of a kernel is in it", [])
    return None


def _by_event(cause: str, reason: str, *kinds: str) -> Callable[[Evidence], Other | None]:
    def look(evidence: Evidence) -> Other | None:
        lines = [event.line for event in evidence.log.of_kind(*kinds)]
        return Other(cause, reason, lines[:6]) if lines else None

    return look


def _died(evidence: Evidence) -> Other | None:
    """A trace of a task, or a kernel, that was being killed for an error whose message the log does not have."""
    lines = [wait.stack.line() for wait in evidence.log.waits if wait.stack.died]
    return Other("bug", _BUG, lines[:6]) if lines else None


def _failed(evidence: Evidence) -> Other | None:
    """Allocations that failed for another reason."""
    told = [failure for failure in evidence.failures if failure.why_not]
    for failure in sorted(told, key=lambda failure: failure.part == "unknown"):
        free = failure.block is not None and failure.block.all_cma
        cause = "cma" if free else "fragmentation" if failure.order else failure.part
        cause = "free memory" if cause in ("receive", "send") else cause
        return Other(cause, f"an allocation failed, but {failure.why_not}", [failure.event.line])
    return None


def _disk(evidence: Evidence) -> Other | None:
    log = evidence.log
    if evidence.time_outs:
        return None
    waits = [wait.stack.line() for wait in log.waits if wait.kind is not None and (wait.local or wait.kind == DISK)]
    errors = [event.line for event in log.of_kind("disk", "i/o error")]
    swap = [event.line for event in log.of_kind("swap device")] if evidence.swap_on == "local" else []
    if not (waits or errors or (swap and (evidence.reclaimers or evidence.swappers))):
        return None
    reason = (
        "the tasks wait for a disk of the machine or for a file system on one; its answer needs no "
        "memory from the network"
    )
    return Other("disk", reason, (waits + errors + swap)[:6])


def _away(evidence: Evidence) -> Other | None:
    """Storage that does not answer, and no task that waits for memory."""
    lines = [line for lines in evidence.time_outs.values() for line in lines]
    waits = [wait.stack.line() for wait in evidence.log.waits if wait.transport and wait.kind not in (None, LOCK)]
    if not (lines or waits):
        return None
    what = evidence.transport or "the storage"
    who = "a daemon that is stuck or gone" if what in _LOCAL_DAEMONS else "a server or a network that is away"
    reason = f"{what} does not answer, and nobody in the log waits for memory: {who} does that by itself"
    return Other("server away", reason, (lines + waits)[:6])


def _spinning(evidence: Evidence) -> Other | None:
    events = evidence.log.of_kind("soft lockup")
    if not events:
        return None
    mine = [event for event in events if event.said.get("task", "").startswith("kswapd")]
    reason = "a processor does not come out of the kernel; a task that runs waits for nothing"
    if mine:
        reason = (
            "kswapd runs without end and waits for nothing: reclaim finds nothing that it could free, or "
            "a list or shrinker is wrong"
        )
    return Other("soft lockup", reason, [event.line for event in mine or events][:6])


def _locks(evidence: Evidence) -> Other | None:
    lines = [wait.stack.line() for wait in evidence.log.waits if wait.kind == LOCK]
    reason = "the tasks wait for a lock; who holds it, and what that task waits for, the log does not show"
    return Other("lock", reason, lines[:6]) if lines else None


def _strange(evidence: Evidence) -> Other | None:
    log: Log = evidence.log
    lines = [wait.stack.line() for wait in unknown_stacks(log)]
    if lines:
        return Other("unknown", "netswap knows none of these stacks, so it does not know what they wait for", lines[:6])
    bare = [event.line for event in log.of_kind("hung task")] if not any(wait.known for wait in log.waits) else []
    if bare:
        return Other("unknown", "tasks hang, and the log has no trace of where", bare[:6])
    ran = [wait.stack.line() for wait in log.waits if wait.stack.ran]
    reason = "the log has the trace of a processor that was stopped in the kernel, and not the message that says why"
    return Other("unknown", reason, ran[:6]) if ran else None


def _slow(evidence: Evidence) -> Other | None:
    """Storage of which the log does not say where it is."""
    lines = [wait.stack.line() for wait in evidence.log.waits if wait.kind in (REPLY, SLOT, CONNECTION, PAGE)]
    reason = "nobody in the log waits for memory; what the tasks wait for is not said to be storage over a network"
    return Other("other waits", reason, lines[:6]) if lines else None


def unknown_stacks(log: Log) -> list[Wait]:
    """Traces of tasks that wait in functions that the table does not have."""
    shown = ("/proc/PID/stack", "crash")
    return [
        wait
        for wait in log.waits
        if wait.kind is None
        and not wait.stack.runs
        and (
            wait.stack.state == "D"
            or wait.stack.cause in shown
            or (wait.stack.cause in ("sysrq", "trace") and _named(wait))
            or (wait.stack.cause == "trace" and wait.stack.asleep)
        )
        and "idle" not in wait.paths
    ]


def _named(wait: Wait) -> bool:
    """Whether a task is named, and it is not known that it sleeps as it should."""
    return bool(wait.stack.task) and wait.stack.state in ("D", "")


_LOCAL_DAEMONS: Final = ("fuse", "a process (ublk)", "a process (tcmu)")


_BUG: Final = "the kernel had a bug or was damaged; what hangs after that hangs for that reason"
_KILLED: Final = "memory ran out, and the OOM killer ended a program"
_LOOKS: Final[tuple[Callable[[Evidence], Other | None], ...]] = (
    _empty,
    _by_event("bug", _BUG, "bug"),
    _died,
    _by_event("stall", "a processor was held up (RCU stall, hard lock-up or a work queue that stands)", "stall"),
    _spinning,
    _failed,
    _disk,
    _by_event("memcg", "a control group was at its limit of memory; the machine was not", "memcg oom"),
    _by_event("oom", f"{_KILLED}; nobody waits for pages that go over a network", "oom", "oom kill"),
    _away,
    _by_event("card", "a card or its driver stood still", "card"),
    _locks,
    _by_event("cma", "the contiguous memory allocator (CMA) had no such area; that is no want of memory for the network", "cma"),
    _by_event("lock order", "a report on the order of locks; nothing hangs by that", "lock order"),
    _strange,
    _slow,
    _by_event("warning", "the kernel warns of something of its own, and nothing in the log waits", "warning"),
)  # fmt: skip
"""In the order in which they are asked."""
