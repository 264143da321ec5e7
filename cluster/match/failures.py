"""Allocations that failed: which of them mean that reception fails for want of memory, and which are harmless or another's."""

import re
from dataclasses import dataclass
from typing import Final

from netswap.cluster.kernels.functions import PATHS
from netswap.cluster.match import transports
from netswap.cluster.match.events import Event
from netswap.cluster.match.gfp import can_sleep
from netswap.cluster.match.log import Log
from netswap.cluster.match.meminfo import MemInfo
from netswap.cluster.match.waits import Wait

_RECEIVES: Final = re.compile(
    r"(?:^|_)(?:rx|recv|receive|refill|napi|poll|rcv|input|rxq|rxd|rxbuf)(?:_|$|\d)|[a-z]Rx[A-Z]|alloc_rx|[a-z]rx$"
)
_ALLOCATORS: Final = re.compile(
    r"^_{0,4}(?:alloc_(?:pages?|frozen|slab)|get_free_pages|get_zeroed_page|folio_alloc|vma_alloc|kmem_|kmalloc|krealloc|slab_|new_slab|"
    r"cache_(?:grow|alloc)|fallback_alloc|allocate_slab|do_kmalloc|do_cache_alloc|wakeup_kswapd|zone_watermark|out_of_memory|"
    r"get_page_from_freelist)"
)
"""Functions of mm/page_alloc.c, mm/slab.c, mm/slub.c: they do not say for what an allocation was."""
_PLENTY: Final = 4
"""Times the high mark: an amount that does not become free while a report is printed."""
_COSTLY: Final = 3
"""The largest order that the kernel takes for usual: PAGE_ALLOC_COSTLY_ORDER."""
_INTERRUPT: Final = re.compile(
    r"^(?:net_rx_action|_*do_softirq|handle_softirqs|run_ksoftirqd|call_softirq|irq_exit|handle_irq|do_IRQ|common_interrupt)"
)
_SOFT: Final = re.compile(r"^(?:swapper|ksoftirqd|irq/|napi/)")


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed allocation."""

    event: Event
    part: str
    """`receive`, `send`, `offload`, `set-up`, `other`, or `unknown` where the log has no trace of it."""
    order: int
    sleeps: bool | None
    """Whether the request could wait; None where that is not known."""
    block: MemInfo | None
    over: str
    """The network storage that sent or received when it failed; empty if none did."""
    why_not: str
    """Why it is not a want of memory for the network; empty if it is."""

    @property
    def counts(self) -> bool:
        """Whether reception or transmission failed for want of memory."""
        return not self.why_not

    @property
    def in_a_row(self) -> bool:
        """Whether reception or transmission failed for want of pages in a row."""
        return (
            self.order > 0 and self.part in ("receive", "send") and not (self.block is not None and self.block.all_cma)
        )

    @property
    def blind(self) -> bool:
        """Whether it may have been reception: it could not wait, wanted no more than that wants, and has left no trace."""
        return self.part == "unknown" and self.sleeps is False and self.order <= _COSTLY and self.block is None


def failures_of(log: Log) -> list[Failure]:
    """All of a log, judged; those of which a log that is cut has the trace and not the message, too."""
    told = [
        (event, log.wait_after(event)) for event in log.of_kind("page allocation failure", "slab allocation failure")
    ]
    owned = [wait for _, wait in told if wait is not None]
    bare = [wait for wait in log.waits if wait.stack.failed and not any(wait is own for own in owned)]
    if told and not owned:  # of processors that are mixed the trace may be that of a message
        bare = []
    told += [(Event("page allocation failure", wait.stack.line(), {"task": wait.stack.task}), wait) for wait in bare]
    return [_failure(log, event, wait) for event, wait in told]


def _failure(log: Log, event: Event, wait: Wait | None) -> Failure:
    block = log.block_after(event)
    order = int(event.said.get("order", "0"))
    mode = event.said.get("mode")  # missing where another processor printed in between
    sleeps = None if mode is None else can_sleep(int(mode, 16), event.said.get("flags", ""), log.version)
    part = _part(event, wait, sleeps)
    over = transports.of_functions(_before_interrupt(wait.stack.functions())) if wait is not None else ""
    return Failure(event, part, order, sleeps, block, over, _why_not(part, order, block))


def _before_interrupt(names: list[str]) -> list[str]:
    """The functions that did it: an interrupt does not work for the task that it has interrupted, whatever that one sent."""
    return names[: next((at for at, name in enumerate(names) if _INTERRUPT.match(name)), len(names))]


def _part(event: Event, wait: Wait | None, sleeps: bool | None) -> str:
    """What of the network it was for, by the innermost function that tells."""
    names = [name for name in wait.stack.functions() if not _ALLOCATORS.match(name)] if wait is not None else []
    soft = _SOFT.match(event.said.get("task", "").strip()) or (wait is not None and wait.stack.in_interrupt)
    if not names:  # a trace that is missing or cut; an interrupt does little else
        return "receive" if soft and not sleeps else "unknown"
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
    return "receive" if len(names) < 3 and soft and not sleeps else "other"


def _why_not(part: str, order: int, block: MemInfo | None) -> str:
    if block is not None and block.all_cma:
        return (
            f"{block.sum('free_cma')} of the {block.sum('free')} kB that are free belong to the contiguous memory allocator "
            "(CMA), which lends them to movable pages only"
        )
    if part == "offload" and order:
        return f"it is a card's offload or a copy of a packet that wants {1 << order} pages in a row; the kernel does without"
    if part == "set-up":
        return "it is the set-up of a device, not reception"
    if part == "other":
        return "nothing in its trace is of the network"
    if part == "unknown":
        return "the log has no trace of it, or one that is cut, so that it is not known what it was for"
    if order and block is None:
        return f"it wants {1 << order} pages in a row; whether pages were free the log does not say"
    if order and block is not None and block.usable > block.min:
        return f"{block.usable} kB were free, but not {1 << order} pages in a row: memory is fragmented, not full"
    if not order and block is not None and block.usable > _PLENTY * block.high:
        return (
            f"{block.usable} kB were free, far above the high mark ({block.high} kB): one page was not what was missing; the "
            "zone was another, or these pages are CMA's, which old kernels do not print"
        )
    return ""
