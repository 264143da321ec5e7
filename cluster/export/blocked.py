"""The tasks that a machine's kernel would show as blocked (SysRq w), with the functions in which they would sleep.

Only tasks that sleep uninterruptibly are there: a task that waits for a message is not. Sources of the call chains: mm/vmscan.c,
mm/page_alloc.c, mm/memory.c, mm/filemap.c, mm/page-writeback.c, block/ll_rw_blk.c or block/blk-mq-tag.c, net/core/stream.c,
drivers/block/nbd.c of 2.6.22 and 6.11. Addresses and offsets are those of no build, and left out.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from netswap.actors.machine.door import Machine
from netswap.actors.memory.files import File
from netswap.actors.process.loaded import Loaded
from netswap.actors.programs.task import Need
from netswap.actors.swap.nbd import NbdDevice
from netswap.actors.wait import CONNECTION, DISK, KINDS, MESSAGE, NOTHING, PAGE, REPLY, SLOT, THROTTLE
from netswap.cluster.kernels.functions import CHAINS

FIRST_PID: Final = 100
"""The process number of a machine's first program."""
KSWAPD: Final = 33
"""The process number of kswapd."""


class Blocked(NamedTuple):
    """A task that sleeps uninterruptibly."""

    pid: int
    name: str
    where: str
    """A key of `CHAINS`."""
    why: str
    """What it waits for, in words."""


def blocked(machine: Machine) -> list[Blocked]:
    """The blocked tasks of a machine, kswapd first."""
    found = [one for one in (_program(machine, one) for one in machine.programs) if one is not None]
    held_up = machine.reclaim.kswapd.waits_for()
    if held_up:
        where = "kswapd" if machine.reclaim.kswapd.wants_slot else "kswapd naps"
        found.insert(0, Blocked(KSWAPD, "kswapd0", where, held_up))
    return found


def _program(machine: Machine, one: Loaded) -> Blocked | None:
    request, kind = one.task.request, one.task.progress.waited.kind
    if request is None or one.task.finished or kind in (NOTHING, MESSAGE):
        return None
    reason = request.reason()
    where = sleep_of(machine, kind, reason.need, isinstance(reason.space, File))
    name = one.task.name.replace(" ", "-")[:15]
    return Blocked(FIRST_PID + one.task.place, name, where, f"{KINDS[kind]}: {reason.sentence}")


def sleep_of(machine: Machine, kind: int, need: Need, of_file: bool) -> str:
    """The kind of sleep of a program that waits for this kind of thing."""
    through_queue = isinstance(machine.device, NbdDevice) or machine.kernel.sleeps_for_slot
    reads = need is Need.PAGE_IN
    places = {
        REPLY: "file" if of_file else "page-in",
        DISK: "file",
        PAGE: "page",
        THROTTLE: "dirty" if need is Need.DIRTY_LIMIT else "throttle",
        CONNECTION: "send",
    }
    if kind == SLOT:
        if reads and not through_queue:  # a call of NFS waits for its slot, and the task for the page
            return "page-in"
        return "slot in" if reads else "slot out"
    return places[kind]


def dump(machine: Machine, at_ns: int, beside: Sequence[str] = ()) -> str:
    """What the kernel's log says after SysRq w; `beside`: lines that come after it."""
    now = machine.kernel.memalloc_sockets
    stamp = f"[{at_ns // 10**9:5d}.{at_ns // 1000 % 10**6:06d}] "
    lines = ["sysrq: Show Blocked State"] if now else ["SysRq : Show Blocked State"]
    if not now:
        lines += ["", "                         free                        sibling"]
        lines += ["  task             PC    stack   pid father child younger older"]
    for task in blocked(machine):
        chain = CHAINS[now][task.where]
        if now:
            said = f"task:{task.name:<15} state:D stack:0     pid:{task.pid:<5} tgid:{task.pid:<5} ppid:2      flags:0x00000000"
            lines += [said, "Call Trace:", " <TASK>", " __schedule", " schedule"]
            lines += [*(f" {function}" for function in chain), " </TASK>"]
        else:
            lines += [f"{task.name:<13.13} D 00000000     0 {task.pid:5d}      1", "Call Trace:"]
            lines += [f" {function}" for function in ("schedule", *chain)]
    return "".join(f"{stamp}{line}".rstrip() + "\n" for line in (*lines, *beside))
