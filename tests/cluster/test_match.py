"""Kernel logs of every cause, in every wrapping: their grades, their waits, and what is said of each.

The logs are made here from the kernel's message formats. What a stack is, is what section 13.16 of the facts and the kernel's
sources say of its innermost functions; what grade a log has follows from which of the three links of the loop are in it.
"""

import json
import re
import tracemalloc
from io import BytesIO

import kernel_logs as logs
import pytest
from kernel_logs import (
    AWAY,
    KSWAPD,
    ON_DISK,
    ON_NBD,
    RECLAIM,
    SWAP_IN,
    WRAPPINGS,
    failed,
    frames,
    hung,
    mem_info,
)

from netswap.actors.wait import CONNECTION, DISK, PAGE, REPLY, SLOT, THROTTLE
from netswap.cluster.kernels.functions import CHAINS, LOCK, SLEEPS
from netswap.cluster.match.advice import advice_on, to_collect
from netswap.cluster.match.gfp import can_sleep
from netswap.cluster.match.log import Log, of_reading, parsed
from netswap.cluster.match.reading import CHUNK, NotText, read, read_text
from netswap.cluster.match.ring import COMPLETE, NOT_THIS, PART, SYMPTOM, ring_of
from netswap.cluster.match.scenario import chosen, scenario_of, sizes_of
from netswap.cluster.match.stacks import Frame, Stack, cleaned_name
from netswap.cluster.match.waits import wait_of
from netswap.cluster.scenario import load


def log_of(lines: list[str]) -> Log:
    return of_reading(read_text(logs.stamped(lines)))


def seen(text: str) -> tuple:
    """What is read of a log: the grade, waits, blocks, failures."""
    log = of_reading(read_text(text))
    ring = ring_of(log)
    waits = [(wait.stack.task, wait.stack.pid, wait.kind, wait.where) for wait in log.waits if wait.kind is not None]
    blocks = [(block.managed, block.min, block.boost, block.usable, block.totals["swap_total"]) for block in log.blocks]
    return ring.grade, waits, blocks, [(one.part, one.order, one.counts) for one in ring.failures]


WHOLE = (
    COMPLETE,
    [("kswapd0", 33, SLOT, "blk_mq_get_tag"), ("app", 999, REPLY, "folio_wait_bit_common")],
    [(500_000, 1000, 0, 340, 1_048_572)],
    [("receive", 0, True)],
)


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_the_same_lines_are_read_in_every_wrapping(wrapping):
    assert seen(WRAPPINGS[wrapping](logs.ring())) == WHOLE


def test_utf_16_is_read():
    log = parsed(BytesIO(logs.stamped(logs.ring()).encode("utf-16")))
    assert ring_of(log).grade == COMPLETE


def test_another_program_in_the_journal_is_left_out():
    text = "Mar  3 12:00:00 host app[7]: INFO: task kswapd0:33 blocked for more than 120 seconds.\n"
    assert ring_of(of_reading(read_text(text * 3))).cause == "nothing of a kernel"


def interleaved() -> str:
    """Two processors, line by line, each with its mark."""
    one, other = hung("kswapd0", 33, KSWAPD), hung("app", 999, RECLAIM)
    lines = [
        f"[  200.000000][   T{38 + place}] {line}"
        for pair in zip(one, other, strict=False)
        for place, line in enumerate(pair)
    ]
    rest = [f"[  200.000000][   T38] {line}" for line in one[len(other) :]]
    return "\n".join([*lines, *rest]) + "\n"


def beside() -> str:
    """Two stacks in two columns."""
    one, other = hung("kswapd0", 33, KSWAPD), hung("app", 999, RECLAIM)
    other += [""] * (len(one) - len(other))
    return "\n".join(f"{left:<90}{right}".rstrip() for left, right in zip(one, other, strict=True)) + "\n"


@pytest.mark.parametrize("text", [interleaved(), beside()], ids=["processors mixed", "side by side"])
def test_two_stacks_that_are_mixed_are_kept_apart(text):
    _, waits, _, _ = seen(text)
    assert waits == [
        ("kswapd0", 33, SLOT, "blk_mq_get_tag"),
        ("app", 999, THROTTLE, "throttle_direct_reclaim"),
    ] or waits == [
        ("app", 999, THROTTLE, "throttle_direct_reclaim"),
        ("kswapd0", 33, SLOT, "blk_mq_get_tag"),
    ]


def test_two_failures_that_are_mixed_without_a_mark_are_failures_of_reception():
    """Their heads stand together, and a message is cut in two by the other's."""
    one, other = failed(task="swapper/0"), failed(task="swapper/3")
    one[0:1] = ["swapper/0: page allocation failure: order:0", ", mode:0x820(GFP_ATOMIC), nodemask=(null)"]
    mixed = [line for pair in zip(one, [*other, ""], strict=True) for line in pair]
    ring = ring_of(of_reading(read_text(logs.plain(mixed))))
    assert [(one.part, one.counts) for one in ring.failures] == [("receive", True)] * 2
    assert ring.grade == SYMPTOM


# -- stacks -----------------------------------------------------------------------------------------------------------


HEAD = [
    "INFO: task app:999 blocked for more than 120 seconds.",
    "app             D ffff88003fd93b80     0   999      1 0x00000000",
]
RAW = " ffff88013afd71c0 0000000000000046 0000000000013b80 ffff88013aea41c0"
OUT = ["folio_wait_bit_common", "do_swap_page"]
STYLES = {
    "addresses": [
        *HEAD,
        RAW,
        "Call Trace:",
        *(f" [<ffffffff81377345>] {name}+0x149/0x165" for name in ["schedule", *OUT]),
    ],
    "all are found on the stack only": [
        *HEAD,
        "Call Trace:",
        *(f" [<ffffffff81377345>] ? {name}+0x149/0x165" for name in ["schedule", *OUT]),
    ],
    "some are found on the stack only": [
        *HEAD,
        "Call Trace:",
        *(f" {name}+0x1/0x2" for name in ["__schedule", "schedule"]),
        " ? blk_mq_get_tag+0x1/0x2",
        *(f" {name}+0x1/0x2" for name in OUT),
        " ? __pfx_rpc_wait_bit_killable+0x10/0x10",
    ],
    "what compilers append": [
        *HEAD,
        "Call Trace:",
        " __schedule.isra.0+0x1/0x2",
        " folio_wait_bit_common.constprop.0.cold+0x1/0x2",
        " do_swap_page.part.3+0x1/0x2",
    ],
    "modules": [*HEAD, "Call Trace:", *(f" {name}+0x1/0x2 [vmlinux]" for name in ["schedule", *OUT])],
    "arm": [
        *HEAD,
        "[<c0aa7f44>] (__schedule) from [<c0aa8000>] (schedule+0x58/0xd4)",
        "[<c0aa8000>] (schedule) from [<c023c37c>] (folio_wait_bit_common+0x1c8/0x2f4)",
        "[<c023c37c>] (folio_wait_bit_common) from [<c023d8fc>] (do_swap_page+0x14c/0x160)",
    ],
    "arm, of a module": [
        *HEAD,
        "[<80776938>] (schedule) from [<8014ac8c>] (io_schedule+0x20/0x40)",
        " r10:c0c531a4 r9:00000002 r8:c4179ecc",
        "[<8014ac8c>] (io_schedule) from [<7f4ba618>] (folio_wait_bit_common+0x80/0xe4 [mm])",
        "[<7f4ba618>] (folio_wait_bit_common [mm]) from [<8022e284>] (do_swap_page+0x30/0x8c)",
    ],
    "arm, today": [
        *HEAD,
        " __schedule from schedule+0x58/0xd4",
        " schedule from folio_wait_bit_common+0x1c8/0x2f4",
        " folio_wait_bit_common from do_swap_page+0x14c/0x160",
    ],
    "powerpc": [
        *HEAD,
        "Call Trace:",
        *(f"[c0000007ffe3b9a0] [c000000000a1b2c4] .{name}+0x2f4/0x9c0 (unreliable)" for name in ["schedule", *OUT]),
    ],
    "s390": [*HEAD, "Call Trace:", *(f"([<0000000000a1b2c4>] {name}+0x2f4/0x9c0)" for name in ["schedule", *OUT])],
    "x86-64 of 2.6.9": [
        *HEAD,
        "Call Trace:<ffffffff8030b9ce>{schedule+78} <ffffffff8015c2a4>{folio_wait_bit_common+195}",
        "       <ffffffff80168e2a>{do_swap_page+442}",
    ],
    "crash": [
        'PID: 999    TASK: ffff88013afd71c0  CPU: 1   COMMAND: "app"',
        " #0 [ffff8800baf1b6a8] __schedule at ffffffff8168c4c5",
        " #1 [ffff8800baf1b710] schedule at ffffffff8168cb19",
        " #2 [ffff8800baf1b720] folio_wait_bit_common at ffffffff81181cf1",
        " #3 [ffff8800baf1b7a0] do_swap_page at ffffffff811b0c3c [vmlinux]",
    ],
    "/proc/PID/stack": [
        "# cat /proc/999/stack",
        "[<0>] folio_wait_bit_common+0x13d/0x350",
        "[<0>] do_swap_page+0x1a2/0x700",
    ],
    "head and tail": [
        "==> /proc/999/stack <==",
        "[<ffffffff81181cf1>] folio_wait_bit_common+0x13d/0x350",
        "[<ffffffff811b0c3c>] do_swap_page+0x1a2/0x700",
        "[<ffffffffffffffff>] 0xffffffffffffffff",
    ],
    "names alone": [
        "SysRq : Show Blocked State",
        "app           D 00000000     0   999      1",
        "Call Trace:",
        " schedule",
        *(f" {name}" for name in OUT),
    ],
    "decoded": [
        *HEAD,
        "Call Trace:",
        *(f"{name} (mm/memory.c:{at})" for at, name in enumerate(["schedule", *OUT], 100)),
    ],
    "drgn": [
        "INFO: task app:999 blocked for more than 120 seconds.",
        "#0  context_switch (kernel/sched/core.c:5238:2)",
        "#1  folio_wait_bit_common (mm/filemap.c:1273:4)",
        "#2  do_swap_page (mm/memory.c:3850:10)",
    ],
}


@pytest.mark.parametrize("style", STYLES)
def test_a_stack_is_read_in_every_style(style):
    log = of_reading(read_text("\n".join(STYLES[style]) + "\n"))
    (wait,) = log.waits
    assert (wait.kind, wait.where, wait.swaps, wait.stack.pid) == (REPLY, "folio_wait_bit_common", True, 999)


@pytest.mark.parametrize(
    ("printed", "name"),
    [
        ("__pfx_wait_woken", "wait_woken"),
        ("shrink_node.isra.0", "shrink_node"),
        ("shrink_node.cold.5", "shrink_node"),
        ("__alloc_pages_slowpath.constprop.0.isra.2", "__alloc_pages_slowpath"),
        ("nbd_queue_rq.llvm.123456789", "nbd_queue_rq"),
        (".schedule", "schedule"),
        ("__alloc_pages_noprof", "__alloc_pages"),
    ],
)
def test_what_compilers_append_to_a_name_is_left_out(printed, name):
    assert cleaned_name(printed) == name


def stack_of(functions: list[str], cause: str = "sysrq", task: str = "app") -> Stack:
    line = read_text("x").lines[0]
    return Stack(cause, task, 1, "D", line, frames=[Frame(cleaned_name(name), True, "", line) for name in functions])


WAITS_OF_CHAINS = {
    "page-in": REPLY,
    "file": REPLY,
    "page": THROTTLE,
    "throttle": THROTTLE,
    "dirty": THROTTLE,
    "slot in": SLOT,
    "slot out": SLOT,
    "send": CONNECTION,
    "kswapd": SLOT,
    "kswapd naps": THROTTLE,
}
"""A free page is waited for in a throttle of reclaim: the kernel has no other place for it."""


@pytest.mark.parametrize("now", [False, True], ids=["2.6.22", "6.11"])
@pytest.mark.parametrize("chain", sorted(WAITS_OF_CHAINS))
def test_what_export_writes_match_reads(now, chain):
    wait = wait_of(stack_of(list(CHAINS[now][chain])))
    assert wait.kind == WAITS_OF_CHAINS[chain]
    assert wait.swaps == (chain in ("page-in", "slot in", "slot out", "send", "kswapd"))
    assert wait.reclaims == (chain in ("page", "throttle", "dirty", "slot out", "kswapd", "kswapd naps"))


FACTS_13_16 = [
    (["throttle_direct_reclaim", "try_to_free_pages"], THROTTLE),
    (["mempool_alloc", "bio_alloc_bioset", "__swap_writepage", "pageout", "shrink_page_list"], SLOT),
    (["blk_mq_get_tag", "blk_mq_submit_bio", "__swap_writepage", "pageout"], SLOT),
    (["sk_stream_wait_memory", "tcp_sendmsg_locked", "sock_sendmsg", "sock_xmit", "nbd_send_cmd"], CONNECTION),
    (["rq_qos_wait", "wbt_wait", "__rq_qos_throttle", "blk_mq_submit_bio", "__swap_writepage", "pageout"], SLOT),
    (
        ["io_schedule_timeout", "balance_dirty_pages", "balance_dirty_pages_ratelimited", "generic_perform_write"],
        THROTTLE,
    ),
    (["io_schedule", "folio_wait_bit_common", "do_swap_page"], REPLY),
]


@pytest.mark.parametrize(
    ("functions", "kind"), FACTS_13_16, ids=lambda value: value[0] if isinstance(value, list) else ""
)
def test_the_stacks_of_section_13_16(functions, kind):
    assert wait_of(stack_of(functions)).kind == kind


@pytest.mark.parametrize(
    ("functions", "kind"),
    [
        (["rpc_wait_bit_killable", "__wait_on_bit", "__rpc_execute", "nfs4_proc_getattr"], REPLY),
        (["request_wait_answer", "fuse_simple_request", "fuse_getattr"], REPLY),
        (["__mutex_lock", "nbd_handle_cmd", "nbd_queue_rq", "blk_mq_dispatch_rq_list"], CONNECTION),
        (["mempool_alloc", "rpc_malloc", "call_allocate"], PAGE),
        (["rwsem_down_read_slowpath", "down_read", "do_user_addr_fault"], LOCK),
        (["__wait_on_buffer", "jbd2_journal_commit_transaction", "kjournald2"], DISK),
        (["io_schedule", "wait_on_page_bit", "ext4_writepage", "pageout"], DISK),
        (["some_function_of_nobody", "another_one"], None),
    ],
)
def test_other_stacks(functions, kind):
    assert wait_of(stack_of(functions)).kind == kind


def test_a_task_that_runs_waits_for_nothing():
    assert wait_of(stack_of(RECLAIM, cause="soft lockup")).kind is None


def test_every_function_of_the_table_has_its_source():
    assert [name for name, sleep in SLEEPS.items() if not (sleep.where and sleep.what)] == []


@pytest.mark.parametrize(
    ("mode", "flags", "version", "sleeps"),
    [
        (0x20, "", (2, 6), False),  # __GFP_HIGH
        (0xD0, "", (2, 6), True),  # GFP_KERNEL: WAIT | IO | FS
        (0x4020, "", (3, 10), False),
        (0x2080020, "", (4, 4), False),
        (0x24000C0, "", (4, 4), True),
        (0x1080020, "", (4, 14), False),
        (0x14000C0, "", (4, 14), True),
        (0x480020, "", (4, 19), False),
        (0x6000C0, "", (4, 19), True),
        (0xA20, "", (5, 4), False),
        (0xCC0, "", (5, 4), True),
        (0x820, "", (6, 1), False),
        (0x40820, "GFP_ATOMIC|__GFP_COMP", None, False),
        (0xCC0, "GFP_KERNEL", None, True),
        (0x20, "", None, False),
        (0xD0, "", None, True),
        (0x480020, "", None, False),
        (0x1080020, "", None, False),
        (0x14000C0, "", None, True),
        (0x6200CA, "", None, True),
        (0x820, "", None, False),
    ],
)
def test_the_right_to_sleep_is_read_from_numbers_and_names(mode, flags, version, sleeps):
    """include/linux/gfp.h: __GFP_WAIT is 0x10 to 4.3; its successor 0x400000, 0x200000 from 4.17, 0x400 from 5.1 on."""
    assert can_sleep(mode, flags, version) is sleeps


# -- grades -----------------------------------------------------------------------------------------------------------

FUSE = [
    "request_wait_answer",
    "__fuse_simple_request",
    "fuse_write_inode",
    "write_inode_now",
    "evict",
    "prune_icache_sb",
    "super_cache_scan",
    "do_shrink_slab",
    "shrink_slab",
    "shrink_node",
    "do_try_to_free_pages",
    "try_to_free_pages",
    "__alloc_pages_slowpath",
    "__alloc_pages",
    "tcp_sendmsg_locked",
]
NFS_DIRTY = [
    "io_schedule_timeout",
    "balance_dirty_pages",
    "balance_dirty_pages_ratelimited",
    "nfs_file_write",
    "vfs_write",
]
LOOPBACK = [
    "io_schedule",
    "wait_on_page_bit",
    "wait_on_page_writeback",
    "shrink_page_list",
    "nfs_release_page",
    "try_to_free_pages",
    "svc_recv",
    "nfsd",
]
STAT = [
    "rpc_wait_bit_killable",
    "__rpc_execute",
    "rpc_run_task",
    "nfs4_call_sync_sequence",
    "nfs4_proc_getattr",
    "nfs_getattr",
    "vfs_statx",
]
JOURNAL = ["io_schedule", "bit_wait_io", "__wait_on_buffer", "jbd2_journal_commit_transaction", "kjournald2", "kthread"]
ON_DISK_RECLAIM = [
    "io_schedule",
    "blk_mq_get_tag",
    "blk_mq_submit_bio",
    "xfs_vm_writepage",
    "pageout",
    "shrink_page_list",
    "try_to_free_pages",
]
RETRANSMIT = [
    "warn_alloc",
    "__alloc_pages",
    "__alloc_skb",
    "tcp_stream_alloc_skb",
    "tcp_retransmit_skb",
    "tcp_retransmit_timer",
    "call_timer_fn",
    "__do_softirq",
]
TSO = [
    "warn_alloc",
    "__alloc_pages",
    "kmalloc_large_node",
    "__alloc_skb",
    "skb_copy",
    "validate_xmit_skb",
    "__dev_queue_xmit",
]
COHERENT = [
    "warn_alloc",
    "__alloc_pages",
    "dma_direct_alloc",
    "dma_alloc_attrs",
    "e1000_setup_rx_resources",
    "e1000e_open",
    "__dev_open",
]
OOM = [
    "app invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO), order=0, oom_score_adj=0",
    "CPU: 0 PID: 900 Comm: app Not tainted 6.1.0 #1",
    "Call Trace:",
    *frames(
        ["dump_stack_lvl", "dump_header", "oom_kill_process", "out_of_memory", "__alloc_pages_slowpath", "do_swap_page"]
    ),
    *mem_info(free=950),
    "Out of memory: Killed process 900 (app) total-vm:1000kB, anon-rss:900kB, file-rss:0kB, shmem-rss:0kB, UID:0",
]
OOPS = [
    "BUG: unable to handle page fault for address: 0000000000000008",
    "Oops: 0000 [#1] PREEMPT SMP NOPTI",
    "CPU: 1 PID: 33 Comm: kswapd0 Not tainted 6.1.0 #1",
    "Call Trace:",
    *frames(["shrink_folio_list", "shrink_node", "kswapd"]),
]
LOCKUP = [
    "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [kswapd0:33]",
    "CPU: 0 PID: 33 Comm: kswapd0 Not tainted 6.1.0 #1",
    "Call Trace:",
    *frames(["shrink_lruvec", "shrink_node", "balance_pgdat", "kswapd"]),
]
OLD_FAILURE = [
    "swapper: page allocation failure. order:0, mode:0x20",
    "Pid: 0, comm: swapper Not tainted 2.6.32-5-amd64 #1",
    "Call Trace:",
    " <IRQ>  [<ffffffff810ba81c>] ? __alloc_pages_nodemask+0x591/0x5fc",
    *(
        f" [<ffffffff810e6e7e>] ? {name}+0x5b/0x1ca"
        for name in [
            "__alloc_skb",
            "__netdev_alloc_skb",
            "e1000_alloc_rx_buffers",
            "e1000_clean_rx_irq",
            "net_rx_action",
        ]
    ),
]

GRADES = {
    "the loop over nbd": (logs.ring(), COMPLETE, "tcp"),
    "the loop over nfs": ([AWAY, *hung("app", 999, RECLAIM), *hung("app2", 998, SWAP_IN), *failed()], COMPLETE, "nfs"),
    "the loop, transmission fails": (
        [ON_NBD, *hung("kswapd0", 33, KSWAPD), *failed(RETRANSMIT, task="ksoftirqd/0")],
        COMPLETE,
        "tcp",
    ),
    "the loop, by free pages": (
        [ON_NBD, *hung("kswapd0", 33, KSWAPD), "sysrq: Show Memory", *mem_info(free=340)],
        COMPLETE,
        "tcp",
    ),
    "the loop, of 2.6.32": (
        [
            AWAY,
            *hung(
                "kswapd0",
                33,
                ["get_request_wait", "__make_request", "swap_writepage", "pageout", "shrink_zone", "kswapd"],
                "2.6.32-5-amd64",
            ),
            *OLD_FAILURE,
        ],
        COMPLETE,
        "nfs",
    ),
    "tcp's limit": (
        [ON_NBD, *hung("kswapd0", 33, KSWAPD), "TCP: out of memory -- consider tuning tcp_mem"],
        COMPLETE,
        "tcp memory",
    ),
    "a fuse daemon in its own file system": (hung("glusterfs", 77, FUSE), COMPLETE, "daemon"),
    "nbd-server on the machine that swaps": (
        [ON_NBD, *hung("nbd-server", 77, RECLAIM), *hung("app", 9, SWAP_IN)],
        COMPLETE,
        "daemon",
    ),
    "nfsd of a mount of its own": (hung("nfsd", 77, LOOPBACK), COMPLETE, "daemon"),
    "a proxy": ([ON_NBD, *hung("stunnel", 77, RECLAIM)], COMPLETE, "proxy"),
    "a daemon alone": (hung("glusterfs", 77, RECLAIM), PART, "daemon"),
    "the throttle alone": (hung("app", 999, RECLAIM), PART, "unknown storage"),
    "a page-in over nbd alone": ([ON_NBD, *hung("app", 999, SWAP_IN)], PART, "tcp"),
    "writing over nfs": ([AWAY, *hung("dd", 5, NFS_DIRTY)], PART, "nfs"),
    "reception and a server away": ([AWAY, *failed()], PART, "nfs"),
    "reception alone": (failed(), SYMPTOM, "reception"),
    "reception, with memory": ([*failed(), *mem_info()], SYMPTOM, "reception"),
    "reception of 2.6.32": (OLD_FAILURE, SYMPTOM, "reception"),
    "a driver without buffer": (["eth0: Memory squeeze, dropping packet."], SYMPTOM, "reception"),
    "reception and swap on disk": ([ON_DISK, *hung("app", 9, SWAP_IN), *failed()], SYMPTOM, "reception"),
    "plenty is free": ([*failed(), *mem_info(free=90_000)], NOT_THIS, "free memory"),
    "cma": ([*failed(), *mem_info(free=60_000, cma=58_000)], NOT_THIS, "cma"),
    "offload": (failed(TSO, order=5, mode="0x40820(GFP_ATOMIC|__GFP_COMP)"), NOT_THIS, "fragmentation"),
    "fragmentation": ([*failed(order=3), *mem_info(free=90_000)], SYMPTOM, "fragmentation"),
    "a card is set up": (failed(COHERENT, order=4, mode="0xcc0(GFP_KERNEL)", task="ip"), NOT_THIS, "fragmentation"),
    "a journal": (hung("jbd2/sda1-8", 300, JOURNAL), NOT_THIS, "disk"),
    "reclaim on a disk": (hung("kswapd0", 33, ON_DISK_RECLAIM), NOT_THIS, "disk"),
    "swap on a disk": ([ON_DISK, *hung("kswapd0", 33, KSWAPD), *hung("app", 9, SWAP_IN)], NOT_THIS, "disk"),
    "an oops": ([*OOPS, *hung("app", 999, RECLAIM)], NOT_THIS, "bug"),
    "a stall": (
        ["rcu: INFO: rcu_sched self-detected stall on CPU", "rcu: \t0-....: (5249 ticks this GP)"],
        NOT_THIS,
        "stall",
    ),
    "kswapd spins": (LOCKUP, NOT_THIS, "soft lockup"),
    "oom": (OOM, NOT_THIS, "oom"),
    "a group's limit": (["Memory cgroup out of memory: Killed process 9 (app) total-vm:1kB"], NOT_THIS, "memcg"),
    "a server away": ([AWAY, *hung("ls", 7, STAT)], NOT_THIS, "server away"),
    "btrfs": (
        hung("x", 8, ["rwsem_down_read_slowpath", "down_read", "btrfs_tree_read_lock", "btrfs_search_slot"]),
        NOT_THIS,
        "disk",
    ),
    "a lock": (hung("x", 8, ["rwsem_down_read_slowpath", "down_read", "do_user_addr_fault"]), NOT_THIS, "lock"),
    "a stack of nobody": (hung("x", 8, ["their_own_wait", "their_ioctl"]), NOT_THIS, "unknown"),
    "no kernel": (["hello", "world"], NOT_THIS, "nothing of a kernel"),
}


@pytest.mark.parametrize("name", GRADES)
def test_each_cause_has_its_grade(name):
    lines, grade, cause = GRADES[name]
    ring = ring_of(log_of(lines))
    assert (ring.grade, ring.cause) == (grade, cause), ring.reason


LINKS = {
    "transport": [AWAY],
    "reclaim": hung("app", 999, RECLAIM),
    "storage": hung("app2", 998, SWAP_IN),
    "memory": failed(),
}


@pytest.mark.parametrize("without", ["transport", "reclaim", "memory"])
def test_without_one_of_its_links_a_ring_is_only_a_part(without):
    """The twin of the grade. Without its transport no link is missing, but it is not known to be the network."""
    assert ring_of(log_of([line for lines in LINKS.values() for line in lines])).grade == COMPLETE
    ring = ring_of(log_of([line for name, lines in LINKS.items() if name != without for line in lines]))
    assert ring.grade == PART
    assert [link.name for link in ring.links if not link.seen] == ([] if without == "transport" else [without])


def test_a_bug_after_the_ring_does_not_hide_it():
    assert ring_of(log_of([*logs.ring(), *OOPS])).grade == COMPLETE


def test_a_ring_quotes_a_line_for_each_of_its_links():
    ring = ring_of(log_of(logs.ring()))
    assert [link.name for link in ring.links if link.seen] == ["reclaim", "storage", "memory"]
    assert all("[" in line.whole for link in ring.links for line in link.lines)


@pytest.mark.parametrize("name", GRADES)
def test_every_scenario_that_is_named_is_there_and_loads(name):
    lines, grade, _ = GRADES[name]
    ring = ring_of(log_of(lines))
    advice = advice_on(ring)
    assert advice.scenarios or grade == NOT_THIS
    for file, _ in advice.scenarios:
        assert load(file).title


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("the throttle alone", "ss -tmn"),
        ("a page-in over nbd alone", "sysrq-trigger"),
        ("a daemon alone", "/stack"),
        ("reception alone", "/proc/swaps"),
    ],
)
def test_what_is_missing_is_to_be_collected(name, asked):
    assert asked in " ".join(to_collect(ring_of(log_of(GRADES[name][0]))))


def test_a_complete_ring_asks_for_nothing_more():
    assert to_collect(ring_of(log_of(logs.ring()))) == []


# -- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("boost", "free"), [(0, 340), (2048, 340), (None, 340)])
def test_min_is_told_without_boost(boost, free):
    block = chosen(log_of([*failed(), *mem_info(free=free, minimum=1000, boost=boost)]))
    assert (block.min, block.boost) == (1000, boost or 0)


def test_a_boost_that_is_not_printed_is_what_of_min_four_times_the_distance_is_not():
    """low - min is a fourth of min: 1000 / 4 = 250, so of a printed 5096 kB 5096 - 1000 - 16 are boost (16 for rounding)."""
    lines = [re.sub(r"boost:\d+kB ", "", line) for line in mem_info(minimum=1000, boost=4096)]
    block = chosen(log_of([*failed(version="5.4.0"), *lines]))
    assert (block.boost, block.min) == (5096 - 1000 - 16, 1016)


@pytest.mark.parametrize(("free", "floor"), [(376, True), (380, False)])
def test_the_floor_of_reception_is_three_eighths_of_min(free, floor):
    """3/8 of 250 pages is 94 (250 - 125 = 125, 125 - 31); a request wants more than that (facts, 4.2)."""
    block = chosen(log_of([*failed(), *mem_info(free=free, minimum=1000)]))
    assert block.at_floor is floor


@pytest.mark.parametrize("page_kib", [4, 16, 64])
def test_counters_are_in_pages_and_zones_in_kilobytes(page_kib):
    lines = [
        re.sub(r"free:\d+ free_pcp", f"free:{6400 // page_kib} free_pcp", line)
        for line in mem_info(free=6400, minimum=8000)
    ]
    block = chosen(log_of([*failed(), *lines]))
    assert (block.page_kib, block.counter_kib("active_anon")) == (page_kib, 50000 * page_kib)


BLOCKS = {
    "6.1": mem_info(),
    "boosted": mem_info(minimum=4000, boost=20480, free=30000),
    "cma": mem_info(free=60_000, cma=58_000),
    "64 GiB": mem_info(free=60_000, minimum=67_584, managed=65_000_000),
    "2.6.22": [
        "Mem-info:",
        "Active:12368 inactive:117493 dirty:0 writeback:8 unstable:0",
        " free:273 slab:914 mapped:0 pagetables:0 bounce:0",
        "Normal free:1092kB min:2896kB low:3620kB high:4344kB active:49472kB inactive:469972kB present:524288kB "
        "pages_scanned:0 all_unreclaimable? no",
        "lowmem_reserve[]: 0 0",
        "Free swap  = 1960980kB",
        "Total swap = 2097152kB",
    ],
    "no swap": [line for line in mem_info() if "swap" not in line],
    "cut off": mem_info()[:8],
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_becomes_a_scenario_that_is_right(name, tmp_path):
    """Its memory is what is managed, or present; min_free is min without boost; all is whole pages."""
    log = log_of(BLOCKS[name])
    block = chosen(log)
    sizes = sizes_of(block)
    path = tmp_path / "made.yaml"
    path.write_text(scenario_of("a log", log, block, "nbd"))
    machine = load(path).resolved().machines[0]
    assert machine.memory == block.managed * 1024 == sizes.memory * 1024
    assert sizes.minimum == block.min // 4 * 4
    assert sizes.working <= sizes.swap
    assert all(size % 4 == 0 for size in sizes)


def two_zones(other: str, node: int = 0) -> list[str]:
    """A block with a zone of 15 MiB before its DMA32 of 500,000 kB."""
    lines = mem_info()
    place = next(at for at, line in enumerate(lines) if line.startswith("Node 0 DMA32 free:"))
    zone = re.sub("managed:\\d+kB", "managed:15360kB", lines[place]).replace("Node 0 DMA32", f"Node {node} {other}")
    return [*lines[:place], zone, *lines[place:]]


def made_of(lines: list[str], version: str) -> tuple[str, object]:
    """The scenario of a block in a log of this kernel, as text and as the machine A."""
    log = log_of([f"Linux version {version} (a@b) (gcc) #1 SMP", *lines])
    text = scenario_of("a log", log, chosen(log), "nbd")
    return text, load(text).resolved().machines[0]


def test_the_zones_of_a_block_are_those_of_its_scenario():
    """Together they are its memory; the twins, zones of two nodes and of 32 bits, are one zone, which is said."""
    text, machine = made_of(two_zones("DMA"), "6.1.0-13-amd64")
    assert [(zone.name, zone.pages) for zone in machine.zones] == [("DMA", 15360 // 4), ("DMA32", 500_000 // 4)]
    assert "one zone" not in text
    for lines in (two_zones("DMA", node=1), two_zones("HighMem")):
        text, machine = made_of(lines, "6.1.0-13-amd64")
        assert machine.zones == ()
        assert "# The scenario has one zone, and" in text


@pytest.mark.parametrize(
    ("version", "kernel", "policy", "off"),
    [
        ("2.6.32", "linux-2.6.22", "none", ""),
        ("4.4.0", "linux-6.1", "merged", "vm: {watermark_boost_factor: 0, watermark_scale_factor: 1}"),
        ("4.19.0", "linux-6.1", "merged", "vm: {watermark_boost_factor: 0}"),
        ("6.1.0", "linux-6.1", "merged", ""),
        ("6.12.9", "linux-6.11", "merged", ""),
    ],
)
def test_the_kernel_of_a_scenario_is_the_nearest_without_what_came_later(version, kernel, policy, off):
    """Swap over a network is merged since 3.6, the boost came with 5.0, the scale of the marks with 4.6."""
    text, _ = made_of(mem_info(), version)
    assert f"\nkernel: {kernel}\n" in text
    assert f"\nsafeguards: {policy}\n" in text
    assert ("    vm: {" in text) == bool(off)
    assert off in text


def test_the_block_with_the_least_free_memory_is_chosen():
    log = log_of([*mem_info(free=5000), *failed(), *mem_info(free=340), *failed(task="other"), *mem_info(free=900)])
    assert chosen(log).usable == 340


# -- what is no log ---------------------------------------------------------------------------------------------------


def test_what_is_no_text_is_refused():
    with pytest.raises(NotText):
        parsed(BytesIO(bytes(range(256)) * 500))


def test_zeros_of_a_file_system_that_lost_power_are_passed_over():
    text = logs.stamped(logs.ring()).encode()
    assert ring_of(parsed(BytesIO(text[:2000] + bytes(5000) + b"\n" + text))).grade == COMPLETE


class Junk(BytesIO):
    """Megabytes that are made while they are read."""

    def __init__(self, chunks: int, end: bytes) -> None:
        self.left, self.end = chunks, end

    def read(self, size: int | None = None) -> bytes:
        self.left -= 1
        if self.left < 0:
            end, self.end = self.end, b""
            return end
        return (b"a quick brown fox, and what it did; " * 3 + b"\n") * (CHUNK // 109)


def test_much_junk_is_passed_over_in_little_memory():
    """16 MiB here; a gigabyte is the same 4096 times over. What stands at its end is found, at its line."""
    end = logs.stamped(logs.ring()).encode()
    tracemalloc.start()
    found = read(Junk(64, end))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20
    assert ring_of(of_reading(found)).grade == COMPLETE
    assert found.total == 64 * (CHUNK // 109) + len(logs.ring())
    assert found.lines[-1].number == found.total


def test_no_line_is_too_long():
    assert ring_of(parsed(BytesIO(b"x" * 5_000_000 + b"\n" + logs.stamped(logs.ring()).encode()))).grade == COMPLETE


def test_a_stack_of_nobody_is_said_to_be_unknown():
    from netswap.cluster.match.answer import answer, as_text

    log = log_of([*logs.ring(), *hung("strange", 7, ["their_own_wait", "their_ioctl"])])
    told = answer("a log", log, ring_of(log), chosen(log))
    assert [one["task"] for one in told["unknown"]] == ["strange"]
    assert "netswap does not know" in as_text(told)
    assert json.loads(json.dumps(told)) == told
