"""What in a log does not fit the loop that is seen in it."""

from netswap.cluster.kernels.functions import LOCK
from netswap.cluster.match.log import Log
from netswap.cluster.match.reading import Line
from netswap.cluster.match.ring import NOT_THIS, Ring

_SAID = {
    "bug": "the kernel had a bug or was damaged",
    "stall": "a processor was held up (RCU stall, hard lock-up or a work queue that stands)",
    "soft lockup": "a processor did not come out of the kernel; in the loop tasks sleep",
    "oom": "the OOM killer was called; in the loop reclaim waits and nobody is killed, but for kernels that give up",
    "memcg oom": "a control group was at its limit, which the model does not have",
    "disk": "a disk of the machine had errors",
    "card": "a card or its driver stood still",
    "lock order": "a report on the order of locks",
    "cma": "the contiguous memory allocator (CMA) had no such area",
    "warning": "the kernel warns of something of its own",
}


def misfits(log: Log, ring: Ring) -> list[tuple[str, list[Line]]]:
    """Sentences, each with the lines that it rests on."""
    found: list[tuple[str, list[Line]]] = []
    for kind, sentence in _SAID.items():
        lines = [event.line for event in log.of_kind(kind)]
        if lines and ring.cause != kind:
            found.append((sentence, lines[:3]))
    for failure in ring.failures:
        said = any(sentence == failure.why_not for sentence, _ in found) or failure.event.line in ring.lines
        if failure.why_not and not said:
            found.append((failure.why_not, [failure.event.line]))
    if ring.grade != NOT_THIS:
        found += _of_waits(log)
        for block in log.blocks[-1:]:
            if not block.at_floor and block.usable > block.sum("min"):
                found.append(
                    (f"{block.usable} kB were free there, more than min ({block.sum('min')} kB)", [block.line])
                )
    return found


def _of_waits(log: Log) -> list[tuple[str, list[Line]]]:
    disks = [wait.stack.line() for wait in log.waits if wait.local]
    locks = [wait.stack.line() for wait in log.waits if wait.kind == LOCK]
    found = []
    if disks:
        found.append((f"{len(disks)} of the stacks wait for a disk of the machine or a file system", disks[:3]))
    if locks:
        found.append((f"{len(locks)} of the stacks wait for a lock, and the log does not say who holds it", locks[:3]))
    return found
