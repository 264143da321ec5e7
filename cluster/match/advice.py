"""For each cause: which scenario of configs/ shows it, what helps there, and what to collect where a log does not say enough."""

from typing import Final, NamedTuple

from netswap.cluster.match.ring import COMPLETE, NOT_THIS, PART, SYMPTOM, Ring


class Advice(NamedTuple):
    """What netswap has to say of a cause."""

    scenarios: tuple[tuple[str, str], ...] = ()
    """(file, what it shows)."""
    helps: tuple[str, ...] = ()


_MINIMUM: Final = (
    "a larger min_free_kbytes moves the level at which memory stands still, and only delays it (claims 5 and 62); "
    "`netswap minimum` finds how much suffices for one outage"
)
_MARK: Final = (
    "a swap socket that the kernel knows as one (Linux 3.6 and later: swapon on a file over NFS, `nbd-client -swap`; safeguards "
    "`merged`): its replies may use what lies below the watermarks, and others are dropped after demultiplexing"
)
_RESERVE: Final = (
    "a reserve for reception with all its rules (safeguards `reserve`, claim 2); `netswap remedies` finds the smallest part "
    "of it that suffices"
)
_EXEMPT: Final = (
    "a daemon that is both locked in memory and exempt from reclaim and its throttles (safeguard `exempt-daemons`, claims 49 and "
    "52). Linux 5.6 and later has a part of that, prctl(PR_SET_IO_FLUSHER), which ends waits for the daemon's own writeback but "
    "gives it no memory below min. Locked memory alone does not help (claim 68)"
)
_ELSEWHERE: Final = "the daemon on another host, or swap that needs no process of this one"
_SOCKETS: Final = "fewer or smaller receive buffers, so that they are full before memory is (claim 35)"
_LOOP: Final = (_RESERVE, _MARK, _SOCKETS, _MINIMUM)

_FILES: Final[dict[str, tuple[str, ...]]] = {
    "nfs": ("three-machines.yaml", "claims/row-61.yaml"),
    "tcp": ("matrix/tcp-service.yaml", "claims/row-12.yaml"),
    "sender": ("claims/row-48.yaml",),
    "tcp memory": ("claims/row-12.yaml", "claims/row-67.yaml"),
    "daemon": ("claims/row-49.yaml", "claims/row-68.yaml"),
    "daemon dirty": ("claims/row-52.yaml",),
    "proxy": ("claims/row-68.yaml", "claims/row-50.yaml"),
    "encryption": ("claims/row-68.yaml",),
    "unknown storage": ("claims/row-51.yaml", "three-machines.yaml"),
    "reception": ("claims/row-35.yaml",),
    "fragmentation": ("claims/row-27.yaml",),
    "oom": ("claims/row-28.yaml", "claims/row-66.yaml"),
    "server away": ("claims/row-30.yaml", "claims/row-20.yaml"),
}
"""By `Ring.cause`, in configs/."""
_SHOWS: Final = {
    "three-machines.yaml": "the whole loop over NFS: an outage, a flood, and replies that find no buffer",
    "matrix/tcp-service.yaml": "the loop with swap over TCP (NBD)",
    "claims/row-12.yaml": "replies refused by TCP's own limit, with pages free",
    "claims/row-20.yaml": "an outage alone, after the flood has stopped",
    "claims/row-27.yaml": "pages enough and no block of them, with jumbo frames",
    "claims/row-28.yaml": "reclaim in vain: killed, or waiting in silence",
    "claims/row-30.yaml": "when a request is sent again, and when it is given up",
    "claims/row-35.yaml": "how many sockets a flood has to fill before reception fails",
    "claims/row-48.yaml": "a sender that is blocked, and all others behind it",
    "claims/row-49.yaml": "servers in processes, each on the machine that needs the other",
    "claims/row-50.yaml": "a proxy whose socket on the wire is not marked",
    "claims/row-51.yaml": "many reclaimers at the same moment",
    "claims/row-52.yaml": "a storage server that the dirty limit holds up",
    "claims/row-61.yaml": "the loop under the rules of Linux 3.6 and later",
    "claims/row-66.yaml": "sockets without a bound, and the OOM killer",
    "claims/row-67.yaml": "swap at a full tcp_mem, which crawls",
    "claims/row-68.yaml": "swap through a process of the same host",
}
_HELPS: Final[dict[str, tuple[str, ...]]] = {
    "nfs": _LOOP,
    "tcp": _LOOP,
    "sender": ("fewer requests under way (`in_flight`), or several connections", _MARK),
    "tcp memory": ("a larger tcp_mem, readers that read, and the exemption of the swap socket (claims 13 and 14)",),
    "daemon": (_EXEMPT, _ELSEWHERE),
    "daemon dirty": (_EXEMPT, "less under way to it does not help (claim 52)"),
    "proxy": (_EXEMPT, _ELSEWHERE),
    "encryption": ("swap that this host does not encrypt by itself, or whose device does it", _MINIMUM),
    "reception": (
        "where nothing swaps over a network: nothing, frames that are lost are sent again",
        _SOCKETS,
        _MINIMUM,
    ),
    "fragmentation": ("frames and offloads that need no pages in a row (MTU 1500, scatter-gather), or compaction",),
    "cma": ("a smaller CMA area (`cma=` on the kernel's command line), or a larger min_free_kbytes",),
    "server away": ("the server, or the way to it; what waits goes on at the next retransmission",),
}
"""By `Ring.cause`."""

_COLLECT: Final = {
    "reclaim": "who waits for memory: `echo w > /proc/sysrq-trigger; dmesg`, and `cat /proc/$(pgrep -x kswapd0)/stack`",
    "storage": "where pages go, and what has not been answered: `cat /proc/swaps /proc/mounts`, `ss -tmn` and `ss -umn`, "
    "/proc/PID/stack of all that are in state D",
    "memory": "whether reception fails: `dmesg | grep -A40 'page allocation failure'`, `echo m > /proc/sysrq-trigger`, "
    "/proc/zoneinfo, `ethtool -S`, /proc/net/softnet_stat",
    "daemon": "what the storage daemon waits for: `cat /proc/PID/task/*/stack`, and VmLck and VmSwap in its /proc/PID/status",
}


def advice_on(ring: Ring) -> Advice:
    """What there is on its cause."""
    files = _FILES.get(ring.cause, ())
    return Advice(tuple((f"configs/{file}", _SHOWS[file]) for file in files), _HELPS.get(ring.cause, ()))


def to_collect(ring: Ring) -> list[str]:
    """What to collect next; empty where the log says all, or something else."""
    if ring.grade == COMPLETE or (
        ring.grade == NOT_THIS and ring.cause not in ("server away", "lock", "unknown", "nothing", "oom")
    ):
        return []
    missing = [link.name for link in ring.links if not link.seen]
    if ring.cause.startswith("daemon") and ring.grade == PART:
        missing.append("daemon")
    if ring.grade == SYMPTOM or not ring.transport:
        missing.append("storage")
    return [text for name, text in _COLLECT.items() if name in missing]
