"""From a call trace to what its task waits for in the terms of the model (actors/wait.py), by the table of kernel functions."""

import re
from dataclasses import dataclass
from typing import Final

from netswap.actors.wait import CONNECTION, DISK, KINDS, PAGE, REPLY, SLOT, THROTTLE
from netswap.cluster.kernels.functions import LOCK, PATHS, SLEEPS
from netswap.cluster.match import transports
from netswap.cluster.match.stacks import Stack

RECLAIM_KINDS: Final = (THROTTLE, SLOT, CONNECTION, REPLY, PAGE)
_SENDERS: Final = frozenset(
    ("nbd_send_cmd", "nbd_handle_cmd", "nbd_send_req", "nbd_queue_rq", "__sock_xmit", "sock_xmit", "do_nbd_request")
)
_BIOS: Final = frozenset(
    ("bio_alloc", "bio_alloc_bioset", "get_swap_bio", "__swap_writepage", "swap_writepage", "bvec_alloc")
)
_OF_WAITING: Final = re.compile(
    r"wait|sched|sleep|bit|lock|down|throttle|congest|io_|timeout|sync|blkio|ktime|get_cycles"
)
"""Functions that stand on a stack within the function in which its task sleeps."""
_LEFT_OVER: Final = 2
_RUNS: Final = (
    "soft lockup",
    "stall",
    "bug",
    "page allocation failure",
    "slab allocation failure",
    "oom",
    "lock order",
    "card",
    "warning",
)


@dataclass(frozen=True, slots=True)
class Wait:
    """What a stack says."""

    stack: Stack
    kind: int | None
    """One of actors/wait.py, `LOCK`, or None if nothing in the table is in it."""
    what: str
    where: str
    """The function in which it sleeps, as the table has it."""
    paths: frozenset[str]
    """Keys of `PATHS`: on which way it came there."""
    transport: str
    """Network storage in the stack."""
    local: bool
    """A disk of the machine is what it waits for."""
    serves: str
    """What it answers for, if it is a daemon."""

    @property
    def known(self) -> bool:
        """Whether the model has this wait, or we know that it has not."""
        return self.kind is not None

    @property
    def reclaims(self) -> bool:
        """Whether it wants memory and waits for that: in reclaim, for pages to be cleaned, or at a throttle."""
        wants = self.paths & {"reclaim", "dirty-limit"} or (self.kind == PAGE and "allocation" in self.paths)
        return bool(wants) and self.kind in RECLAIM_KINDS and not self.local

    @property
    def swaps(self) -> bool:
        """Whether it waits for a page to come from swap, or to get there."""
        return (
            bool(self.paths & {"swap-in", "swap-out"})
            and self.kind in (REPLY, SLOT, CONNECTION, PAGE, LOCK)
            and not self.local
        )

    @property
    def sends(self) -> bool:
        """Whether it waits to send pages that are written back over the network."""
        return self.kind == CONNECTION and bool(self.transport) and "writeback" in self.paths

    @property
    def sentence(self) -> str:
        """In words."""
        stack = self.stack
        who = stack.task or "a task"
        who += f" ({stack.pid})" if stack.pid is not None else ""
        if self.kind is None:
            return f"{who}: a stack that netswap does not know"
        name = "a lock" if self.kind == LOCK else KINDS[self.kind]
        way = self._way()
        over = f", over {self.transport}" if self.transport else ""
        return f"{who} waits for {name}: {self.what} ({self.where}){way}{over}"

    def _way(self) -> str:
        if "swap-out" in self.paths:
            return ", to write a page out"
        if "swap-in" in self.paths and "reclaim" not in self.paths:
            return ", for a page of its own that is on the swap device"
        if "dirty-limit" in self.paths:
            return ", to write to a file"
        if "reclaim" in self.paths:
            return ", in reclaim"
        return ", in writeback" if "writeback" in self.paths else ""


def wait_of(stack: Stack) -> Wait:
    """What a stack waits for."""
    names = stack.functions()
    paths = frozenset(path for path, functions in PATHS.items() if functions.intersection(names))
    kind, what, where = _sleep(names, paths)
    transport = transports.of_stack(stack)
    by_chance = stack.cause == "trace" and stack.state != "D" and (where not in SLEEPS or not _is_asleep(names, where))
    ran = stack.cause in _RUNS or stack.state == "R" or stack.in_interrupt or stack.runs
    if ran or by_chance:  # what runs, or ran, waits for nothing
        kind = None
    queue = transports.queue_of(stack) if kind == SLOT and not transport else ""
    transport = transport or (queue if queue != "local" else "")
    local = not (ran or transport) and (queue == "local" or transports.is_local(stack))
    blocked = kind is None and stack.state == "D" and not ran and bool(names)
    if local and (blocked or kind in (REPLY, SLOT, LOCK, CONNECTION)):
        kind, what, where = DISK, "a disk of the machine, or a file system on it", where or names[0]
    elif transport and (blocked or kind == DISK):
        kind, what, where = REPLY, "an answer", where or names[0]
    return Wait(stack, kind, what, where, paths, transport, local, transports.served_by(stack))


def _is_asleep(names: list[str], where: str) -> bool:
    """Whether the functions that `where` has called are of waiting, too, but for what old kernels print that was not called."""
    return sum(not _OF_WAITING.search(name) for name in names[: names.index(where)]) <= _LEFT_OVER


def _sleep(names: list[str], paths: frozenset[str]) -> tuple[int | None, str, str]:
    """Kind, words and function of the innermost sleep."""
    for at, name in enumerate(names):
        sleep = SLEEPS.get(name)
        if sleep is None:
            continue
        outer = names[at:]
        if name.startswith("mempool_alloc") and _BIOS.intersection(outer):
            return SLOT, "a request that another has to give back", name
        if sleep.kind == LOCK:
            if _SENDERS.intersection(outer):
                return CONNECTION, "its turn to send on the connection", name
            return LOCK, sleep.what, name
        if sleep.kind == THROTTLE and "dirty-limit" in paths:
            return THROTTLE, "less to be dirty", next((one for one in outer if one.startswith("balance_dirty")), name)
        return sleep.kind, sleep.what, name
    if "allocation" in paths and names and names[0] in PATHS["allocation"] | PATHS["reclaim"]:
        return PAGE, "a free page", names[0]
    return None, "", ""
