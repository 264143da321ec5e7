"""Kinds of logs that are met in public, made here from the kernel's message formats: what each shows, and what it does not.

Each claim has its twin: the same log with the one thing changed that decides.
"""

import json
import re
from collections.abc import Callable

import pytest
from kernel_logs import KSWAPD, ON_NBD, RECEIVE, RECLAIM, SWAP_IN, failed, frames, hung, mem_info, ring, stamped

from netswap.actors.wait import CONNECTION, REPLY, THROTTLE
from netswap.cluster.match.log import Log, of_reading
from netswap.cluster.match.lookalikes import unknown_stacks
from netswap.cluster.match.reading import read_text
from netswap.cluster.match.ring import COMPLETE, NOT_THIS, PART, SYMPTOM, Ring, ring_of


def log_of(lines: list[str]) -> Log:
    return of_reading(read_text("\n".join(lines) + "\n"))


def judged(lines: list[str]) -> tuple[str, str]:
    ring = ring_of(log_of(lines))
    return ring.grade, ring.cause


def bare(functions: list[str]) -> list[str]:
    """A stack as /proc/PID/stack shows it."""
    return [f"[<0>] {name}+0x{at + 16:x}/0x{at + 64:x}" for at, name in enumerate(functions)]


# -- whom a task waits for --------------------------------------------------------------------------------------------

FAULT = ["filemap_fault", "ext4_filemap_fault", "__do_fault", "handle_mm_fault"]
CRYPT = ["mempool_alloc", "bio_alloc_bioset", "kcryptd_crypt", "process_one_work", "worker_thread", "kthread"]


def test_what_called_the_allocator_is_not_what_reclaim_waits_for():
    """A fault of a file on a disk may have called it: the wait is that of reclaim, whose pages may go anywhere."""
    assert judged(hung("app", 9, [*RECLAIM[:4], *FAULT])) == (PART, "unknown storage")
    under = ["folio_wait_bit_common", "ext4_writepages", "pageout", "shrink_folio_list", *RECLAIM[1:4], *FAULT]
    assert judged(hung("app", 9, under)) == (NOT_THIS, "disk")


def test_a_task_that_writes_to_a_file_over_nfs_and_reclaims_does_not_say_that_pages_go_over_nfs():
    log = log_of(hung("app", 9, [*RECLAIM[:4], "nfs_file_write", "vfs_write"]))
    assert ring_of(log).transport == ""
    assert (
        ring_of(log_of(hung("app", 9, ["folio_wait_bit_common", "nfs_release_folio", *RECLAIM[1:4]]))).transport
        == "nfs"
    )


@pytest.mark.parametrize(
    ("task", "queue", "over"),
    [
        ("jbd2/drbd3-8", "", "drbd"),
        ("xfsaild/rbd0", "", "ceph"),
        ("kworker/1:2", "Workqueue: xfs-sync/rbd0 xfs_log_worker [xfs]", "ceph"),
        ("jbd2/nbd0-8", "", "nbd"),
    ],
)
def test_a_file_system_on_a_device_of_the_network_waits_for_the_network(task, queue, over):
    lines = hung(
        task, 7, ["xlog_wait_on_iclog", "xfs_log_force"] if "xfs" in task + queue else ["jbd2_log_wait_commit"]
    )
    lines[4:4] = [queue] if queue else []
    found = ring_of(log_of(lines))
    assert (found.grade, found.cause, found.transport) == (NOT_THIS, "server away", over)
    assert judged(hung("jbd2/sda1-8", 7, ["jbd2_log_wait_commit"])) == (NOT_THIS, "disk")


def test_nfsd_that_waits_for_its_own_lock_does_not_wait_for_a_server():
    own = ["mutex_lock", "nfs4_lock_state", "nfsd4_renew", "nfsd_dispatch", "svc_process", "nfsd"]
    assert judged(hung("nfsd", 7, own)) == (NOT_THIS, "lock")
    client = ["rpc_wait_bit_killable", "__rpc_execute", "nfs4_proc_getattr", "nfsd_dispatch", "svc_process", "nfsd"]
    assert judged(hung("nfsd", 7, client)) == (NOT_THIS, "server away")


def test_a_lock_of_a_network_file_system_is_not_said_to_be_an_answer_that_is_late():
    assert judged(hung("app", 7, ["mutex_lock", "fuse_lock_inode", "fuse_readdir"])) == (NOT_THIS, "lock")
    assert judged(hung("app", 7, ["request_wait_answer", "fuse_readdir"])) == (NOT_THIS, "server away")


def kcryptd() -> list[str]:
    lines = hung("kworker/u4:0", 6, ["congestion_wait", "throttle_vm_writeout", "shrink_zone", *RECLAIM[1:4], *CRYPT])
    return [*lines[:4], "Workqueue: kcryptd kcryptd_crypt [dm_crypt]", *lines[4:]]


def test_the_worker_that_encrypts_pages_is_a_daemon_of_the_same_host():
    swap = "Adding 1048572k swap on /dev/mapper/swap.  Priority:-2 extents:1 across:1048572k"
    assert judged(kcryptd()) == (PART, "encryption")
    assert judged([swap, *kcryptd()]) == (COMPLETE, "encryption")
    assert judged([swap.replace("mapper/swap", "sda2"), *kcryptd()])[0] != COMPLETE


def test_a_writer_that_cannot_send_its_pages_is_a_part():
    send = ["sk_stream_wait_memory", "tcp_sendmsg_locked", "sock_sendmsg", "sock_xmit", "nbd_send_cmd", "nbd_queue_rq"]
    assert judged(hung("kworker/u8:1", 5, [*send, "submit_bio", "do_writepages", "wb_workfn"])) == (PART, "sender")
    assert judged(hung("app", 5, [*send, "submit_bio", "blkdev_read_iter"]))[0] == NOT_THIS


def test_the_queue_that_was_run_before_a_request_was_waited_for_says_whose_it_is():
    """The kernel prints it with `?`: it had returned. Farther out a `?` is of calls long past, and says nothing."""
    head, sleep = hung("kswapd0", 33, [])[:6], frames(["schedule", *KSWAPD])
    assert judged([*head, *frames(["schedule"]), " ? zvol_request+0x1/0x2", *sleep[1:]]) == (PART, "unknown storage")
    assert judged([*head, " ? zvol_request+0x1/0x2", *sleep]) == (NOT_THIS, "disk")
    assert ring_of(log_of([*head, " ? nbd_queue_rq+0x1/0x2", *sleep])).transport == "nbd"


WRITES_INODE = [
    "bit_wait",
    "__wait_on_bit",
    "inode_wait_for_writeback",
    "evict",
    "prune_dcache_sb",
    "shrink_slab",
    "kswapd",
]
ASKS_FUSE = ["__fuse_request_send", "fuse_simple_request", "fuse_write_inode", "writeback_sb_inodes", "wb_workfn"]
SERVES_FUSE = ["throttle_direct_reclaim", "try_to_free_pages", "__alloc_pages", "fuse_copy_fill", "fuse_dev_do_read"]


def told(label: str, functions: list[str]) -> list[str]:
    """A stack as people tell of it, under a name of their own."""
    return [
        f"{label}:",
        *(f"    {name}+0x{at + 16:x}" for at, name in enumerate(["__switch_to", "schedule", *functions])),
    ]


def two_columns() -> list[str]:
    """As mails have them that were written with tabs."""
    left, right = told("kswapd (Task_A)", WRITES_INODE), told("writeback (Task_B)", ASKS_FUSE)
    right += [""] * (len(left) - len(right))
    beside = [f"{one:<44}{other.strip()}".rstrip() for one, other in zip(left, right, strict=True)]
    return [*beside, "", *told("Task_C", SERVES_FUSE)]


def test_the_loop_of_a_fuse_daemon_is_read_where_it_is_told_in_two_columns():
    """Reclaim waits for the writeback of an inode, that for the daemon, and who reads for the daemon is held in reclaim."""
    assert judged(two_columns()) == (COMPLETE, "daemon")
    without = [
        line for line in two_columns() if "fuse_simple_request" not in line and "__fuse_request_send" not in line
    ]
    assert judged([line.replace("fuse_write_inode", "their_write_inode") for line in without]) == (PART, "daemon")


def test_who_compacts_memory_and_waits_for_nfs_wants_memory():
    commit = ["wait_on_commit", "nfs_wb_folio", "nfs_release_folio", "migrate_pages", "compact_zone"]
    direct = [
        *commit,
        "try_to_compact_pages",
        "__alloc_pages_direct_compact",
        "__alloc_pages_slowpath",
        "nfs_write_begin",
    ]
    assert judged(['[92]   "khugepaged"', *bare(direct[:8])]) == (PART, "nfs")
    assert judged(['[12813]   "nfsd"', *bare([*direct, "nfsd_vfs_write", "nfsd_dispatch", "nfsd"])]) == (
        COMPLETE,
        "daemon",
    )
    assert judged(['[92]   "app"', *bare([*commit[:3], "vfs_fsync"])]) == (NOT_THIS, "server away")


def test_the_blocked_tasks_of_a_telephone_have_their_time_in_their_heads():
    lines = ["Thread-19       D 7542.719029 2888 24823 5064 0x1404840", *bare(["schedule", *SERVES_FUSE])]
    (wait,) = log_of(lines).waits
    assert (wait.stack.task, wait.stack.state, wait.kind, wait.serves) == ("Thread-19", "D", THROTTLE, "fuse")


# -- what runs --------------------------------------------------------------------------------------------------------

DIRTY = ["balance_dirty_pages_ratelimited", "generic_perform_write", "vfs_write"]
REGISTERS = [
    "RIP: 0010:zone_reclaimable_pages+0x2a0/0x2c0",
    "NIP [c000000000469660] zone_reclaimable_pages+0x2a0/0x2c0",
    "PC is at zone_reclaimable_pages+0x2a0/0x2c0",
    "pc : zone_reclaimable_pages+0x2a0/0x2c0",
]


def test_a_task_that_prints_its_own_stack_waits_for_nothing():
    assert judged(["Call Trace:", *frames(DIRTY)]) == (PART, "unknown storage")
    assert judged(["Call Trace:", *frames(["dump_stack_lvl", "their_report", *DIRTY])])[0] == NOT_THIS


def test_a_task_that_is_deep_in_other_functions_does_not_sleep_in_the_one_that_called_them():
    """Unless the log says that it sleeps: a report of another kind may print a stack, too."""
    head, outer = (
        "Pid: 444, comm: kswapd0 Not tainted 3.5.0 #1",
        ["mempool_alloc", "bio_alloc_bioset", "swap_writepage", "pageout"],
    )
    inner = ["create_object", "their_alloc", "kmem_cache_alloc", "mempool_alloc_slab"]
    assert judged([head, "Call Trace:", *frames(["schedule", *outer, "shrink_page_list"])])[0] == PART
    assert judged([head, "Call Trace:", *frames([*inner, *outer, "shrink_page_list"])])[0] == NOT_THIS


def test_the_trace_of_an_nmi_is_of_a_processor():
    assert (
        judged(["Call Trace:", " <NMI>", " ? nmi_handle+0x1/0x2", " </NMI>", " <TASK>", *frames(RECLAIM)])[0]
        == NOT_THIS
    )


@pytest.mark.parametrize("registers", REGISTERS)
def test_a_trace_after_the_registers_of_the_kernel_is_of_a_processor(registers):
    trace = ["Call Trace:", *frames(RECLAIM)]
    assert judged(trace)[0] == PART
    assert judged([registers, *trace]) == (NOT_THIS, "unknown")
    assert judged(["RIP: 0033:0x7f0df5ec6707", *trace])[0] == PART


@pytest.mark.parametrize("death", ["die", "make_task_dead", "oops_end", "ubsan_epilogue", "kasan_report"])
def test_a_trace_of_a_death_is_of_a_bug_even_where_its_message_is_cut_off(death):
    assert judged(["Call Trace:", *frames(["schedule", "rpc_wait_bit_killable", "nfs4_do_close", death])]) == (
        NOT_THIS,
        "bug",
    )


def test_a_chain_of_locks_is_no_wait():
    chain = [
        " -> #3 (fs_reclaim){+.+.}-{0:0}:",
        *frames(["lock_acquire", "__mutex_lock", "nbd_queue_rq", *RECLAIM[1:]]),
    ]
    assert judged(chain) == (NOT_THIS, "lock order")


def test_a_disk_in_the_stack_of_a_failed_allocation_is_not_waited_for():
    """An interrupt has come over a task that was writing to a disk."""
    over = failed([*RECEIVE, "ext4_da_write_begin", "ext4_file_write_iter"])
    assert judged([*hung("app", 9, SWAP_IN), *over]) == (PART, "unknown storage")


# -- allocations ------------------------------------------------------------------------------------------------------

SEND = [
    "warn_alloc",
    "__alloc_skb",
    "tcp_stream_alloc_skb",
    "tcp_write_xmit",
    "tcp_sendmsg",
    "sock_xmit",
    "nbd_send_cmd",
]


@pytest.mark.parametrize(
    ("lines", "grade", "cause"),
    [
        (failed(order=1), SYMPTOM, "fragmentation"),
        (failed(["warn_alloc", "cache_alloc_refill", "kmem_cache_alloc"], order=2), SYMPTOM, "fragmentation"),
        (failed([], task="app"), SYMPTOM, "reception"),
        (failed([], task="app", order=9), NOT_THIS, "fragmentation"),
        (failed([], task="app", mode="0xcc0(GFP_KERNEL)"), NOT_THIS, "unknown"),
        (failed(["warn_alloc", "theirrx", "their_dpc", "ret_from_irq"]), SYMPTOM, "reception"),
        (failed(["warn_alloc", "theirs", "their_dpc", "ret_from_irq"]), NOT_THIS, "other"),
        (failed(["warn_alloc", "skb_copy", "their_rx"]), SYMPTOM, "reception"),
        (failed(["warn_alloc", "skb_copy", "their_rx"], order=2), NOT_THIS, "fragmentation"),
        (failed(SEND, task="app"), PART, "tcp"),
        (["page allocation failure: order:0, mode:0x2080020(GFP_ATOMIC)", *failed()[1:]], SYMPTOM, "reception"),
        (["cma: cma_alloc: alloc failed, req-size: 2025 pages, ret: -12"], NOT_THIS, "cma"),
        (["TCP: out of memory -- consider tuning tcp_mem"], SYMPTOM, "tcp memory"),
    ],
)
def test_what_a_failed_allocation_proves(lines, grade, cause):
    assert judged(lines) == (grade, cause)


OVER_NFS = ["tcp_sendmsg", "sock_sendmsg", "xs_sendpages", "xs_tcp_send_request", "xprt_transmit", "__rpc_execute"]


def test_an_interrupt_does_not_work_for_the_task_that_it_has_interrupted():
    """A card's reception that came over a task which was sending to a server of NFS is not that server's."""
    assert judged(failed([*RECEIVE, "do_softirq", "__local_bh_enable_ip", *OVER_NFS])) == (SYMPTOM, "reception")
    own = ["warn_alloc", "__alloc_pages", "__alloc_skb", "sk_stream_alloc_skb", *OVER_NFS]
    assert judged(failed(own, task="kworker/1:1"))[0] == PART


@pytest.mark.parametrize(
    ("functions", "grade", "cause"),
    [
        (RECEIVE, SYMPTOM, "reception"),
        (["dump_stack_lvl", "warn_alloc", "__alloc_pages", "their_probe"], NOT_THIS, "set-up"),
        (["dump_stack_lvl", "__napi_alloc_skb", "net_rx_action"], NOT_THIS, "nothing"),
    ],
)
def test_a_failure_whose_message_is_cut_off_is_known_by_its_trace(functions, grade, cause):
    """`warn_alloc` is called for nothing else."""
    assert judged(failed(functions)[1:]) == (grade, cause)


@pytest.mark.parametrize(("mode", "grade", "cause"), [("0x20", SYMPTOM, "reception"), ("0x1f0", NOT_THIS, "unknown")])
def test_a_failure_of_2_4_says_whether_it_could_have_been_reception(mode, grade, cause):
    """GFP_ATOMIC and GFP_KERNEL of include/linux/mm.h of 2.4; the message of `__alloc_pages` has no trace."""
    assert judged([f"__alloc_pages: 0-order allocation failed (gfp={mode}/0)"]) == (grade, cause)


def test_what_a_slab_does_is_not_reception():
    """`cache_alloc_refill` fills a list of objects, of whatever kind."""
    lines = failed(["warn_alloc", "cache_alloc_refill", "__kmalloc", "their_ioctl", "sys_ioctl"], task="app")
    assert [one.part for one in ring_of(log_of(lines)).failures] == ["set-up"]


def big(free: int) -> list[str]:
    """A block of a machine with 64 GiB: DMA32 keeps 15,500,000 / 256 pages, 242,187 kB, from those who may have Normal."""
    lines = mem_info(free=400, minimum=60_000, managed=62_000_000)
    at = next(at for at, line in enumerate(lines) if line.startswith("Node 0 DMA32"))
    low = re.sub(r"free:\d+kB", f"free:{free}kB", mem_info(minimum=1000)[at])
    normal = lines[at].replace("DMA32", "Normal")
    return [
        *lines[:at],
        low,
        "lowmem_reserve[]: 0 0 60546 60546 60546",
        normal,
        "lowmem_reserve[]: 0 0 0 0 0",
        *lines[at + 2 :],
    ]


@pytest.mark.parametrize(("free", "floor"), [(242_184 + 376, True), (242_184 + 380, False)])
def test_what_a_low_zone_keeps_for_others_is_not_free_for_reception(free, floor):
    """60,546 pages are 242,184 kB; above them three eighths of min, 94 pages, stand as in every zone (facts, 4.2)."""
    (block,) = log_of([*failed(), *big(free)]).blocks
    assert block.at_floor is floor
    assert judged([*failed(), *big(free)]) == (SYMPTOM, "reception")


# -- what is not known ------------------------------------------------------------------------------------------------


def test_tasks_that_hang_without_a_trace_are_unknown():
    found = ring_of(log_of([f"INFO: task kswapd{at}:{at + 30} blocked for more than 120 seconds." for at in range(2)]))
    assert (found.grade, found.cause, len(found.lines)) == (NOT_THIS, "unknown", 2)


@pytest.mark.parametrize("head", ["# cat /proc/77/stack", "==> /proc/77/task/78/stack <==", "===> 77[78]/stack <==="])
def test_a_stack_that_was_asked_for_is_unknown_if_the_table_does_not_have_it(head):
    log = log_of([head, *bare(["their_own_wait", "their_ioctl"])])
    assert ring_of(log).cause == "unknown"
    assert [wait.stack.functions()[0] for wait in unknown_stacks(log)] == ["their_own_wait"]


@pytest.mark.parametrize("between", [["10190"], ["----"], []])
def test_stacks_of_proc_without_their_files_names_are_known_by_their_addresses(between):
    """fs/proc/base.c prints `[<0>]`, nothing else does; a number, a line or the kernel's entry parts two of them."""
    one = bare(["their_own_wait", "their_write", "entry_SYSCALL_64_after_hwframe"])
    two = bare(["__lock_buffer", "buffer_migrate_page_norefs", "migrate_pages"])
    log = log_of([*between, *one, *between, *two])
    assert [(wait.stack.cause, wait.where) for wait in log.waits] == [
        ("/proc/PID/stack", ""),
        ("/proc/PID/stack", "__lock_buffer"),
    ]
    assert [wait.stack.functions()[0] for wait in unknown_stacks(log)] == ["their_own_wait"]


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (hung("app", 7, ["blk_mq_get_tag", "blk_mq_submit_bio"]), "other waits"),
        (["drbd r0 b: conn( Connected -> NetworkFailure ) peer( Secondary -> Unknown )"], "server away"),
        (["send sigkill to 378 (Usage), adj 10, size 5552"], "oom"),
        (["VM: killing process their-daemon"], "oom"),
        (["iSCSI Login timeout on Network Portal 192.0.2.3:3260"], "nothing of a kernel"),  # the target's own
        (["iscsi: session1: their command timed out"], "server away"),
        (["CIFS VFS: sends on sock 00000000a1b2c3d4 stuck for 15 seconds"], "server away"),
        (["Call Trace:", *frames(["schedule", "their_own_wait", "generic_make_request", "submit_bio"])], "unknown"),
        (["Call Trace:", *frames(["bch2_their_scan", "do_shrink_slab", "shrink_slab", "shrink_node"])], "nothing"),
        (["BUG: KMSAN: uninit-value in their_function+0x1/0x2"], "bug"),
        (["watchdog: CPU 4 self-detected hard LOCKUP @ their_function+0x1/0x2"], "stall"),
        (
            ["WARNING: at include/linux/skbuff.h:1382 skb_trim+0x1a/0x2b()", *frames(["skb_trim", "net_rx_action"])],
            "warning",
        ),
    ],
)
def test_other_causes_have_their_names(lines, cause):
    assert judged(lines) == (NOT_THIS, cause)


# -- wrappings --------------------------------------------------------------------------------------------------------


def printable(lines: list[str]) -> str:
    """As mailers of RFC 2045 send them: broken after 75 characters, with `=` at the break."""
    pieces = []
    for line in stamped(lines).replace("=", "=3D").splitlines():
        while len(line) > 76:
            pieces.append(line[:75] + "=")
            line = line[75:]
        pieces.append(line)
    return "\n".join(pieces) + "\n"


def one_line(lines: list[str]) -> str:
    """As a page shows them that has lost its line ends."""
    return " ".join(stamped(lines).splitlines()) + "\n"


def numbered(lines: list[str]) -> str:
    return "".join(f"  {at}. <4>{line}\n" for at, line in enumerate(stamped(lines).splitlines(), 1))


BEFORE = {
    "a telephone": "<4>[  200.123456] [3:        kswapd0:   60] ",
    "another": "<6>[  200.123456]  (0)[60:kswapd0]",
    "logcat": "01-02 03:04:05.123     0     0 W         : ",
    "grep": "/var/log/kern.log:Mar  3 12:00:05 host kernel: [  200.123456] ",
}


def before(name: str) -> Callable[[list[str]], str]:
    return lambda lines: "".join(f"{BEFORE[name]}{line}\n" for line in lines)


def container(lines: list[str]) -> str:
    """As a runtime of containers keeps what they print."""
    return "".join(json.dumps({"log": f"{line}\n", "stream": "stdout"}) + "\n" for line in stamped(lines).splitlines())


def bold(lines: list[str]) -> str:
    return "".join(f"**{line}**\n" for line in stamped(lines).splitlines())


@pytest.mark.parametrize("wrap", [printable, one_line, numbered, container, bold, *(before(name) for name in BEFORE)])
def test_the_ring_is_read_in_what_mailers_and_pages_make_of_it(wrap):
    assert ring_of(of_reading(read_text(wrap(ring())))).grade == COMPLETE


def test_a_log_without_times_that_begins_with_its_newest_line_is_turned_round():
    lines = ["app             D ffff88003fd93b80     0   999      1 0x00000000", "Call Trace:"]
    lines += frames(["__schedule", "schedule", *RECLAIM, "ret_from_fork"])
    assert not read_text("\n".join(lines)).reversed
    turned = read_text("\n".join(reversed(lines)))
    assert turned.reversed
    assert [wait.where for wait in of_reading(turned).waits] == [RECLAIM[0]]


def test_marks_above_all_memory_are_of_a_damaged_kernel():
    lines = [re.sub(r"min:\d+kB", "min:99395541895224kB", line) for line in mem_info(free=340)]
    assert judged(mem_info(free=340)) == (SYMPTOM, "reception")
    assert judged(lines)[0] == NOT_THIS


def of_text(text: str) -> Ring:
    return ring_of(of_reading(read_text(text)))


def test_a_stack_whose_first_function_stands_in_its_head_is_whole():
    lines = ["/proc/43/comm = glusterfsd", "/proc/43/stack : " + bare(RECLAIM)[0], *bare(RECLAIM)[1:]]
    (wait,) = log_of(lines).waits
    assert (wait.stack.task, wait.stack.pid, wait.kind, wait.where) == ("glusterfsd", 43, THROTTLE, RECLAIM[0])
    assert of_text("\n".join(lines)).cause == "daemon"


def test_a_debugger_of_2_4_is_read():
    kdb = [
        "pid 5: bdflush",
        *(f"\t{name}+0x{at + 16:x}" for at, name in enumerate(["schedule", "wait_for_tcp_memory", "tcp_sendmsg"])),
        "\t[nbd]nbd_send_req+0x8f",
        "\tflush_dirty_buffers+0x81",
        "pid 8: reader",
        "\tschedule+0x2d8",
        "\t___wait_on_page+0x8b(0xc6ebe400, 0x7fffffff)",
        "\tgeneric_file_read+0x5d",
    ]
    waits = [(wait.stack.task, wait.stack.pid, wait.kind, wait.transport) for wait in log_of(kdb).waits]
    assert waits == [("bdflush", 5, CONNECTION, "nbd"), ("reader", 8, REPLY, "")]
    assert judged(kdb) == (PART, "sender")


def test_the_head_of_a_failure_and_its_trace_belong_together_whatever_they_call_the_task():
    """Who publishes a log changes names; processors change places."""
    lines = [
        "xxxx: page allocation failure: order:4, mode:0x20",
        "Call Trace:",
        *frames(["warn_alloc", "their_usb_ioctl"]),
    ]
    lines[1:1] = ["CPU: 0 PID: 179 Comm: app Not tainted 4.9.56 #53"]
    assert [one.part for one in ring_of(log_of(lines)).failures] == ["set-up"]


def test_a_ring_over_nbd_is_not_hidden_by_what_is_read_since():
    assert judged([ON_NBD, *hung("kswapd0", 33, KSWAPD), *failed(), *kcryptd()])[0] == COMPLETE
