"""Allocations that failed: which of them mean that reception fails for want of memory, and which are harmless or another's."""

import re
from dataclasses import dataclass
from typing import Final

from netswap.cluster.kernels.functions import PATHS
from netswap.cluster.match.events import Event
from netswap.cluster.match.gfp import can_sleep
from netswap.cluster.match.log import Log
from netswap.cluster.match.meminfo import MemInfo
from netswap.cluster.match.waits import Wait

_RECEIVES: Final = re.compile(
    r"(?:^|_)(?:rx|recv|receive|refill|napi|poll|rcv|input|rxq|rxd|rxbuf)(?:_|$|\d)|[a-z]Rx[A-Z]|alloc_rx"
)
_PLENTY: Final = 4
"""Times the high mark: so much does not become free while a report is printed."""
_SOFT: Final = re.compile(r"^(?:swapper|ksoftirqd|irq/|napi/)")


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed allocation."""

    event: Event
    part: str
    """`receive`, `send`, `offload`, `set-up`, or `other`."""
    order: int
    block: MemInfo | None
    why_not: str
    """Why it is not a want of memory for the network; empty if it is."""

    @property
    def counts(self) -> bool:
        """Whether reception or transmission failed for want of memory."""
        return not self.why_not and self.part in ("receive", "send")


def failures_of(log: Log) -> list[Failure]:
    """All of a log, judged."""
    return [_failure(log, event) for event in log.of_kind("page allocation failure", "slab allocation failure")]


def _failure(log: Log, event: Event) -> Failure:
    wait, block = log.wait_after(event), log.block_after(event)
    order = int(event.said.get("order", "0"))
    mode = event.said.get("mode")  # missing where another processor printed in between
    sleeps = None if mode is None else can_sleep(int(mode, 16), event.said.get("flags", ""), log.version)
    part = _part(event, wait, sleeps)
    return Failure(event, part, order, block, _why_not(part, order, block, sleeps))


def _part(event: Event, wait: Wait | None, sleeps: bool | None) -> str:
    """What of the network it was for, by the innermost function that tells."""
    names = wait.stack.functions() if wait is not None else []
    for name in names:
        for part in ("offload", "set-up", "send"):
            if name in PATHS[part]:
                return part
        if re.search(r"(?:_|^)(?:open|probe|ioctl|setup|init|up|change_mtu|alloc_(?:src|dest)_ring)(?:_|$)", name):
            return "set-up"
        if name in PATHS["softirq"] or _RECEIVES.search(name):
            return "receive"
    if wait is not None and wait.stack.in_interrupt and wait.paths & {"buffer"}:
        return "receive"
    if wait is not None and wait.paths & {"buffer"}:
        return "other" if sleeps else "receive"
    if len(names) < 3 and not sleeps and _SOFT.match(event.said.get("task", "").strip()):
        return "receive"  # a trace that is missing or cut, in a context that does little else
    return "other"


def _why_not(part: str, order: int, block: MemInfo | None, sleeps: bool | None) -> str:
    if block is not None and block.all_cma:
        return (
            f"{block.sum('free_cma')} of the {block.sum('free')} kB that are free belong to the contiguous memory allocator "
            "(CMA), which lends them to movable pages only"
        )
    if part == "offload":
        return f"it is a card's offload or a copy of a packet that wants {1 << order} pages in a row; the kernel does without"
    if part == "set-up":
        return "it is the set-up of a device, not reception"
    if part == "other":
        return "it is not for the network"
    if order and block is None:
        return f"it wants {1 << order} pages in a row; whether pages were free the log does not say"
    if order and block is not None and block.usable > block.min:
        return f"{block.usable} kB were free, but not {1 << order} pages in a row: memory is fragmented, not full"
    if not order and block is not None and block.usable > _PLENTY * block.high:
        return (
            f"{block.usable} kB were free, far above the high mark ({block.high} kB): one page was not what was missing; the "
            "zone was another, or these pages are CMA's, which old kernels do not print"
        )
    if sleeps and part == "receive":
        return "the request could wait, as those of reception cannot"
    return ""
