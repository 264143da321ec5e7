"""Kernel logs, made from the kernel's own message formats, and the wrappings in which people show them.

Formats: kernel/hung_task.c, kernel/sched/core.c sched_show_task, mm/page_alloc.c warn_alloc, mm/show_mem.c,
arch/x86/kernel/dumpstack.c.
"""

import html
import json
import re
from collections.abc import Callable, Sequence
from typing import Final

RECLAIM: Final = [
    "throttle_direct_reclaim",
    "try_to_free_pages",
    "__alloc_pages_slowpath.constprop.0",
    "__alloc_pages",
    "vma_alloc_folio",
    "do_anonymous_page",
    "handle_mm_fault",
    "exc_page_fault",
]
KSWAPD: Final = [
    "io_schedule",
    "blk_mq_get_tag",
    "__blk_mq_alloc_requests",
    "blk_mq_submit_bio",
    "__swap_writepage",
    "pageout",
    "shrink_folio_list",
    "shrink_node",
    "balance_pgdat",
    "kswapd",
    "kthread",
]
SWAP_IN: Final = ("io_schedule", "folio_wait_bit_common", "do_swap_page", "handle_mm_fault", "exc_page_fault")
RECEIVE: Final = [
    "dump_stack_lvl",
    "warn_alloc",
    "__alloc_pages_slowpath.constprop.0",
    "__alloc_pages",
    "page_frag_alloc_align",
    "__napi_alloc_skb",
    "e1000_clean_rx_irq",
    "e1000_clean",
    "__napi_poll",
    "net_rx_action",
    "__do_softirq",
]
ON_NBD: Final = "Adding 1048572k swap on /dev/nbd0.  Priority:-2 extents:1 across:1048572k"
ON_DISK: Final = "Adding 1048572k swap on /dev/sda2.  Priority:-2 extents:1 across:1048572k FS"
AWAY: Final = "nfs: server 10.0.0.3 not responding, still trying"


def frames(functions: Sequence[str]) -> list[str]:
    """The lines of a stack as x86-64 prints them since 4.9."""
    return [f" {name}+0x{16 * at + 17:x}/0x{400 + at:x}" for at, name in enumerate(functions)]


def hung(task: str, pid: int, functions: Sequence[str], version: str = "6.1.0-18-amd64") -> list[str]:
    """A task that khungtaskd reports."""
    return [
        f"INFO: task {task}:{pid} blocked for more than 120 seconds.",
        f"      Not tainted {version} #1",
        '"echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.',
        f"task:{task:<15} state:D stack:0     pid:{pid:<5} ppid:2      flags:0x00004000",
        "Call Trace:",
        " <TASK>",
        *frames(["__schedule", "schedule", *functions]),
        " </TASK>",
    ]


def failed(
    functions: Sequence[str] = RECEIVE,
    order: int = 0,
    mode: str = "0x820(GFP_ATOMIC)",
    task: str = "swapper/0",
    version: str = "6.1.0",
) -> list[str]:
    """A failed allocation in an interrupt."""
    return [
        f"{task}: page allocation failure: order:{order}, mode:{mode}, nodemask=(null),cpuset=/,mems_allowed=0",
        f"CPU: 0 PID: 0 Comm: {task} Not tainted {version} #1",
        "Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2 04/01/2014",
        "Call Trace:",
        " <IRQ>",
        *frames(functions),
        " </IRQ>",
    ]


def mem_info(
    free: int = 340, minimum: int = 1000, cma: int = 0, boost: int | None = 0, managed: int = 500_000
) -> list[str]:
    """A block of one zone, kB; `minimum` without boost; `boost` None is that of a kernel that does not print it."""
    raised = boost or 0
    marks = " ".join(f"{name}:{minimum * part // 4 + raised}kB" for name, part in (("min", 4), ("low", 5), ("high", 6)))
    said = "" if boost is None else f"boost:{boost}kB "
    return [
        "Mem-Info:",
        "active_anon:50000 inactive_anon:50000 isolated_anon:0",
        " active_file:1000 inactive_file:500 isolated_file:0",
        " unevictable:0 dirty:40 writeback:100",
        " slab_reclaimable:100 slab_unreclaimable:4000",
        f" mapped:100 shmem:0 pagetables:500 bounce:0 free:{free // 4} free_pcp:0 free_cma:{cma // 4}",
        "Node 0 active_anon:200000kB inactive_anon:200000kB mapped:400kB dirty:160kB all_unreclaimable? no",
        f"Node 0 DMA32 free:{free}kB {said}{marks} reserved_highatomic:0KB active_anon:200000kB inactive_anon:200000kB "
        f"writepending:0kB present:524288kB managed:{managed}kB mlocked:0kB bounce:0kB free_pcp:0kB local_pcp:0kB "
        f"free_cma:{cma}kB",
        "lowmem_reserve[]: 0 0 0 0",
        "Node 0 DMA32: 1*4kB (U) 0*8kB 1*16kB (M) = 20kB",
        "1600 total pagecache pages",
        "Free swap  = 900000kB",
        "Total swap = 1048572kB",
        "131072 pages RAM",
    ]


def ring() -> list[str]:
    """The whole loop over NBD: reclaim, a page-in, reception."""
    return [ON_NBD, *hung("kswapd0", 33, KSWAPD), *hung("app", 999, SWAP_IN), *failed(), *mem_info()]


# -- wrappings --------------------------------------------------------------------------------------------------------


def _stamp(at: int) -> str:
    return f"[{200 + at // 50:5d}.{at * 20000 % 10**6:06d}]"


def _each(before: Callable[[int], str]) -> Callable[[Sequence[str]], str]:
    return lambda lines: "".join(f"{before(at)}{line}\n" for at, line in enumerate(lines))


def _clock(at: int) -> str:
    return f"12:{at // 60:02d}:{at % 60:02d}"


plain = _each(lambda at: "")
stamped = _each(lambda at: f"{_stamp(at)} ")
syslog = _each(lambda at: f"Mar  3 {_clock(at)} host kernel: {_stamp(at)} ")


def _json(lines: Sequence[str]) -> str:
    return "".join(
        json.dumps({"MESSAGE": line, "SYSLOG_IDENTIFIER": "kernel", "_HOSTNAME": "host"}) + "\n" for line in lines
    )


def _wrapped(lines: Sequence[str]) -> str:
    """As a mailer breaks lines: at a space before column 72."""
    return "".join(re.sub(r"(.{40,70}?\S) (?=\S)", r"\1\n", line) + "\n" for line in lines)


def _at_80(lines: Sequence[str]) -> str:
    """As a narrow terminal breaks them: anywhere."""
    return "\n".join(
        line[at : at + 80] for line in stamped(lines).split("\n") for at in range(0, max(len(line), 1), 80)
    )


def _joined(lines: Sequence[str]) -> str:
    """As rsyslog does with what was printed at once: each message one line."""
    text = "\n".join(lines)
    return f"Mar  3 12:00:00 host kernel: {text}".replace("\n ", "#012 ") + "\n"


def _newest_first(lines: Sequence[str]) -> str:
    return "\n".join(reversed(syslog(lines).splitlines())) + "\n"


def _newest_first_unstamped(lines: Sequence[str]) -> str:
    return "\n".join(reversed([f"Mar  3 12:00:00 host kernel: {line}" for line in lines])) + "\n"


WRAPPINGS: Final[dict[str, Callable[[Sequence[str]], str]]] = {
    "bare": plain,
    "stamped": stamped,
    "level": _each(lambda at: f"<6>{_stamp(at)} "),
    "caller": _each(lambda at: f"{_stamp(at)}[   T38] "),
    "caller apart": _each(lambda at: f"{_stamp(at)} [  T38] "),
    "dmesg -T": _each(lambda at: f"[Tue Mar  3 {_clock(at)} 2026] "),
    "dmesg -T, French": _each(lambda at: f"[mar. mars  3 {_clock(at)} 2026] "),
    "dmesg -d": _each(lambda at: f"{_stamp(at)[:-1]} <    0.020000>] "),
    "dmesg -e": _each(lambda at: "[  +0.020000] "),
    "dmesg -x": _each(lambda at: f"kern  :err   : {_stamp(at)} "),
    "dmesg iso": _each(lambda at: f"2026-03-03T{_clock(at)},020000+01:00 "),
    "syslog": syslog,
    "syslog, no host": _each(lambda at: f"Mar  3 {_clock(at)} kernel: "),
    "journal, German": _each(lambda at: f"Mär 03 {_clock(at)} host kernel: "),
    "journal, Russian": _each(lambda at: f"мар 03 {_clock(at)} host kernel: "),
    "journal, Japanese": _each(lambda at: f" 3月 03 {_clock(at)} host kernel: "),
    "journal, Polish": _each(lambda at: f"mar 03 {_clock(at)}.123456 host.example.org kernel: "),
    "journal, full": _each(lambda at: f"Tue 2026-03-03 {_clock(at)} CET host kernel: "),
    "journal, Czech": _each(lambda at: f"3. 3. {_clock(at)} host kernel: "),
    "seconds since 1970": _each(lambda at: f"[{1772535600 + at}] "),
    "rsyslog iso": _each(lambda at: f"2026-03-03T{_clock(at)}.123456+01:00 host kernel: {_stamp(at)} "),
    "rfc 5424": _each(lambda at: f"<4>1 2026-03-03T{_clock(at)}Z host kernel - - - {_stamp(at)} "),
    "openwrt": _each(lambda at: f"Tue Mar  3 {_clock(at)} 2026 kern.warn kernel: {_stamp(at)} "),
    "netconsole": _each(lambda at: f"4,{900 + at},{200_000_000 + at * 20000},-;"),
    "journal as json": _json,
    "colours": _each(lambda at: f"\x1b[32m{_stamp(at)} \x1b[0m\x1b[33m"),
    "colours of a paste": _each(lambda at: f"^[[32m{_stamp(at)} ^[[0m"),
    "quoted mail": _each(lambda at: f"> > {_stamp(at)} "),
    "quoted bare mail": _each(lambda at: ">"),
    "html": lambda lines: html.escape(stamped(lines)).replace("\n", "<br>\n"),
    "html, escaped twice": lambda lines: html.escape(html.escape(stamped(lines))),
    "numbered": _each(lambda at: f"{5000 + at} Mar  3 {_clock(at)} host kernel: {_stamp(at)} "),
    "grep -n": _each(lambda at: f"{at + 1}:{_stamp(at)} "),
    "indented": _each(lambda at: f"    {_stamp(at)} "),
    "windows": lambda lines: stamped(lines).replace("\n", "\r\n"),
    "one line": _joined,
    "wrapped": _wrapped,
    "narrow": _at_80,
    "newest first": _newest_first,
    "newest first, no stamps": _newest_first_unstamped,
    "lost its head": lambda lines: stamped(lines)[7:],
}
"""The same lines, as people show them."""
