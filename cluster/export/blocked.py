"""The tasks that a machine's kernel would show as blocked (SysRq w), with the functions in which they would sleep.

Only who sleeps uninterruptibly is there: whoever waits for a message is not. Sources of the call chains: mm/vmscan.c,
mm/page_alloc.c, mm/memory.c, mm/filemap.c, mm/page-writeback.c, block/ll_rw_blk.c or block/blk-mq-tag.c, net/core/stream.c,
drivers/block/nbd.c of 2.6.22 and 6.11. Addresses and offsets are those of no build, and left out.
"""

from typing import Final, NamedTuple

from netswap.actors.machine import Machine
from netswap.actors.memory.files import File
from netswap.actors.process.loader import Loaded
from netswap.actors.programs.task import Need
from netswap.actors.swap.nbd import NbdDevice
from netswap.actors.wait import CONNECTION, DISK, KINDS, MESSAGE, NOTHING, PAGE, REPLY, SLOT, THROTTLE

FIRST_PID: Final = 100
"""The process number of a machine's first program."""
KSWAPD: Final = 33
"""That of kswapd."""
_NFS_2007: Final = (
    "io_schedule",
    "sync_page",
    "__wait_on_bit_lock",
    "__lock_page",
    "do_swap_page",
    "__handle_mm_fault",
)
_RECLAIM_2007: Final = ("shrink_zone", "try_to_free_pages", "__alloc_pages", "read_swap_cache_async", "do_swap_page")
_RECLAIM_NOW: Final = (
    "do_try_to_free_pages", "try_to_free_pages", "__alloc_pages_slowpath.constprop.0", "__alloc_pages_noprof",
    "vma_alloc_folio_noprof", "do_swap_page", "handle_mm_fault", "exc_page_fault", "asm_exc_page_fault",
)  # fmt: skip
_FAULT_NOW: Final = ("handle_mm_fault", "exc_page_fault", "asm_exc_page_fault")
_SEND_2007: Final = (
    "sk_stream_wait_memory",
    "tcp_sendmsg",
    "inet_sendmsg",
    "sock_sendmsg",
    "sock_xmit",
    "nbd_send_req",
)
_SEND_NOW: Final = (
    "sk_stream_wait_memory", "tcp_sendmsg_locked", "tcp_sendmsg", "sock_sendmsg", "__sock_xmit", "nbd_handle_cmd",
    "nbd_queue_rq", "blk_mq_dispatch_rq_list",
)  # fmt: skip
_TAG_2007: Final = ("io_schedule", "get_request_wait", "__make_request", "generic_make_request", "submit_bio")
_TAG_NOW: Final = ("io_schedule", "blk_mq_get_tag", "__blk_mq_alloc_requests", "blk_mq_submit_bio", "submit_bio_noacct")

CHAINS: Final = {
    False: {
        "page-in": _NFS_2007,
        "file": ("io_schedule", "sync_page", "__wait_on_bit_lock", "__lock_page", "filemap_nopage", "__do_fault"),
        "page": ("io_schedule_timeout", "congestion_wait", "try_to_free_pages", *_RECLAIM_2007[2:]),
        "throttle": ("io_schedule_timeout", "congestion_wait", "throttle_vm_writeout", *_RECLAIM_2007),
        "dirty": ("io_schedule_timeout", "congestion_wait", "balance_dirty_pages_ratelimited_nr", "generic_file_write"),
        "slot in": (*_TAG_2007, "swap_readpage", "read_swap_cache_async", "do_swap_page"),
        "slot out": (*_TAG_2007, "swap_writepage", "pageout", "shrink_page_list", *_RECLAIM_2007),
        "send": (*_SEND_2007, "do_nbd_request", "swap_readpage", "do_swap_page"),
        "kswapd": (*_TAG_2007, "swap_writepage", "pageout", "shrink_zone", "balance_pgdat", "kswapd"),
        "kswapd naps": ("io_schedule_timeout", "congestion_wait", "throttle_vm_writeout", "balance_pgdat", "kswapd"),
    },
    True: {
        "page-in": ("io_schedule", "folio_wait_bit_common", "do_swap_page", *_FAULT_NOW),
        "file": ("io_schedule", "folio_wait_bit_common", "filemap_fault", "__do_fault", *_FAULT_NOW),
        "page": ("schedule_timeout", "reclaim_throttle", "shrink_node", *_RECLAIM_NOW),
        "throttle": ("throttle_direct_reclaim", *_RECLAIM_NOW[1:]),
        "dirty": ("io_schedule_timeout", "balance_dirty_pages", "balance_dirty_pages_ratelimited_flags",
                  "generic_perform_write", "vfs_write"),
        "slot in": (*_TAG_NOW, "swap_read_folio", "do_swap_page", *_FAULT_NOW),
        "slot out": (*_TAG_NOW, "__swap_writepage", "pageout", "shrink_folio_list", "shrink_node", *_RECLAIM_NOW),
        "send": (*_SEND_NOW, "swap_read_folio", "do_swap_page", *_FAULT_NOW),
        "kswapd": (*_TAG_NOW, "__swap_writepage", "pageout", "shrink_folio_list", "shrink_node", "balance_pgdat", "kswapd"),
        "kswapd naps": ("schedule_timeout", "reclaim_throttle", "shrink_node", "balance_pgdat", "kswapd"),
    },
}  # fmt: skip
"""The functions of each kind of sleep, the innermost first; by whether the kernel is of today."""


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


def dump(machine: Machine, at_ns: int) -> str:
    """What the kernel's log says after SysRq w."""
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
    return "".join(f"{stamp}{line}".rstrip() + "\n" for line in lines)
