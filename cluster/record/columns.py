"""The columns of a record's tables, with units: what is written, what the reference says, and what charts name."""

from typing import Final

from netswap.actors.counters import CAUSES
from netswap.actors.wait import KINDS

OWNERS: Final = {
    "ranks": "pages of ranks in memory",
    "services": "pages of all other programs in memory",
    "cache": "pages of files in memory",
    "moving": "pages on their way to the swap server or the disk, or from there",
    "ordinary": "pages of frames that wait in ordinary sockets, reckoned as full frames",
    "reassembly": "pages of fragments that wait for the rest of their datagrams, reckoned as full frames",
    "critical": "pages charged to the reserve for receive buffers",
    "slabs": "all other pages of the kernel: the ring, requests, headers, free objects",
}
"""The owners of the pages that are not free. With `free` and `aside` they are all pages of the machine."""

SERIES: Final = {
    "at_ns": "virtual time, ns",
    "machine": "the machine's name",
    "state": "the machine as one word: see below",
    "free": "free pages",
    "aside": "free pages that are set aside for atomic requests of several pages",
    "high": "the high watermark, pages",
    "low": "the low watermark, pages",
    "min": "the min watermark, pages: the floor of programs",
    "atomic": "the floor of packet reception, pages",
    "reserve": "pages of the emergency pool",
    "reserve_used": "pages out that were taken below the watermarks, by right",
    **OWNERS,
    "requests": "requests under way to swap servers",
    "backlog": "requests that wait for a slot",
    "put_off": "requests that wait until the server has room",
    "writing": "pages being written, to the server and to disk",
    "waiters": "tasks that wait for a free page",
    "socket_frames": "frames that wait in ordinary sockets",
    "held": "fragments that wait for others, and frames in the ring of a paused machine",
    "pages_out": "page-outs answered so far",
    "pages_in": "page-ins answered so far",
    "retransmissions": "requests sent again so far",
    "tx_no_memory": "transmissions that failed for want of memory, so far",
    "sent": "frames given to the network so far, those of trains under way included",
    "received": "frames that came to the card so far",
    "delivered": "frames handed to a socket or to the kernel's own user of them, so far",
    **{f"dropped_{cause.replace('-', '_')}": f"frames lost so far: {cause}" for cause in CAUSES},
    "progress": "what its programs have counted so far",
}
"""Columns of `series.parquet`: a row for each machine and look. What is counted "so far" never falls, over crashes too."""

PROGRAMS: Final = {
    "at_ns": "virtual time, ns",
    "machine": "the machine's name",
    "program": "the program's name, as `rank 0`",
    "waits": "what it waits for, as `waited` of a result names it; `nothing` where it does not",
    "stalled": "whether it has not got on for `stall_after` though it has something to do",
    "progress": "what it has counted so far",
    "resident": "its own pages in memory",
}
"""Columns of `programs.parquet`: a row for each program and look."""

MOMENTS: Final = {
    "at_ns": "virtual time, ns",
    "until_ns": "when it was over, ns; null for what has no end, or did not end in the run",
    "machine": "the machine's name; null for a fault, which concerns several",
    "program": "the program's name, where one is concerned",
    "what": "what happened: see below",
    "detail": "more of it: the fault with its machines, the cause, the mark, the protocol",
    "free": "the machine's free pages then; null where they were not looked at",
}
"""Columns of `moments.parquet`, in the order of time."""

MACHINES: Final = {
    "at_ns": "virtual time, ns",
    "machine": "the machine's name",
    "state": "the machine as one word",
    "free": "free pages",
}
"""Columns of `machines.parquet`: all machines of a run whose series are of some of them only."""

QUANTILES: Final = {
    "at_ns": "virtual time, ns",
    "column": "a column of `series.parquet`",
    "minimum": "the smallest value of any machine",
    "p10": "the value that a tenth of the machines do not exceed",
    "median": "the value that half of the machines do not exceed",
    "p90": "the value that nine tenths of the machines do not exceed",
    "maximum": "the largest value of any machine",
}
"""Columns of `quantiles.parquet`, over all machines of such a run."""

TABLES: Final = {
    "series": SERIES,
    "programs": PROGRAMS,
    "moments": MOMENTS,
    "machines": MACHINES,
    "quantiles": QUANTILES,
}
"""All tables, each a file of that name."""

STATES: Final = {
    "idle": "its programs wait for messages, or have finished",
    "runs": "one computes, or sleeps",
    "swaps": "one waits for a page to come, to leave, or for a slot of the swap device",
    "short": "one waits for a free page",
    "stalled": "one has not got on for `stall_after`",
    "killed": "one was killed, for want of memory or by a page that cannot be read",
    "paused": "it stands still",
    "down": "it has crashed",
}
"""What a machine is, as one word: of what its programs are, the last in this list."""

WHATS: Final = {
    "fault": "a fault is in force",
    "stall": "a program has not got on for `stall_after`, from its last progress to the next",
    "first drop": "a frame is lost for a cause for the first time",
    "below": "free pages have come to a mark or below; at most once between two looks",
    "killed": "a program is killed, for want of memory or by a page that cannot be read",
    "again": "a request or segment is sent again",
    "crash": "the machine goes down",
    "restart": "the machine starts again",
    "pause": "the machine stands still",
    "resume": "the machine goes on",
    "slow-disk": "its disk becomes slow",
    "disk-ok": "its disk is as before",
    "freeze": "a program stands still",
    "thaw": "a program goes on",
    "not kept": "how many more moments of a kind there were than are kept, of each machine",
}
"""What a moment can be."""

NAMES: Final = tuple(name for name in SERIES if name not in ("at_ns", "machine"))
"""What a look at a machine yields, in this order: whole numbers, the state as its place in `STATES`."""
STATE_NAMES: Final = tuple(STATES)
WAITS: Final = KINDS
"""What a program can wait for."""
EACH_PROGRAM: Final = ("waits", "stalled", "progress", "resident")
"""What a look at a program yields, in this order."""
