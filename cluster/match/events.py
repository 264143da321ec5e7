"""What a kernel's log says besides call traces: hung tasks, failed allocations, OOM reports, time-outs, lock-ups, bugs.

Messages: kernel/hung_task.c, mm/page_alloc.c warn_alloc, mm/oom_kill.c, mm/slub.c slab_out_of_memory, kernel/watchdog.c,
kernel/rcu/,
lib/bug.c, drivers/block/nbd.c, net/sunrpc/clnt.c, drivers/scsi/libiscsi.c, net/ceph/, mm/swapfile.c, drivers/tty/sysrq.c.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from netswap.cluster.match.reading import Line


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""

    kind: str
    line: Line
    said: dict[str, str] = field(default_factory=dict)
    """What the message has in it, by the names of its pattern."""


_WHO: Final = r"(?P<task>\S(?:.{0,30}?\S)?)"
_MODE: Final = r"(?P<mode>(?:0x)?[0-9a-fA-F]+)(?:\s*\((?P<flags>[A-Z_|0-9a-z]*)\)?)?"

PATTERNS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        (
            "hung task",
            r"INFO: task (?P<task>.+?):(?P<pid>\d+) (?:<\w+> )?(?:\w+ )*?blocked(?: on .{0,120}?)? "
            r"for more than (?P<seconds>\d+)",
        ),
        (
            "page allocation failure",
            rf"(?:{_WHO}: |(?:^|(?<=\s)))page allocation failure[:.]\s*order:\s*(?P<order>\d+)(?:,?\s*mode:\s*{_MODE})?",
        ),
        (
            "page allocation failure",
            rf"__alloc_pages: (?P<order>\d+)-order allocation failed(?: \(gfp={_MODE}/\d+\))?",
        ),
        (
            "page allocation failure",
            rf"{_WHO}: page allocation stalls for (?P<ms>\d+)ms, order:\s*(?P<order>\d+),?\s*mode:\s*{_MODE}",
        ),
        (
            "slab allocation failure",
            rf"SLUB: Unable to allocate memory on (?:CPU|node)[^(]*\(gfp={_MODE}",
        ),
        (
            "oom",
            rf"{_WHO} invoked oom-killer:\s*gfp_mask={_MODE}",
        ),
        (
            "memcg oom",
            r"Memory cgroup out of memory|memory: usage \d+kB, limit \d+kB|oom-kill:constraint=CONSTRAINT_MEMCG|"
            r"Task in \S+ killed as a result of limit",
        ),
        (
            "oom kill",
            r"Out of memory: Kill(?:ed)? process|Out of Memory: Killed process|Out of memory and no killable|"
            r"oom-kill:constraint=CONSTRAINT_NONE|VM: killing process \S|send sigkill to \d+ \(|lowmemorykiller: Kill",
        ),
        ("soft lockup", r"soft lockup - CPU#\d+ stuck for (?P<seconds>\d+)s!\s*\[(?P<task>.+?):(?P<pid>\d+)\]"),
        ("soft lockup", r"soft lockup (?:detected )?(?:on|-) CPU#?\d+(?P<task>)"),
        (
            "stall",
            r"rcu\w*:?.{0,20}(?:self-)?detected stalls?|rcu_\w+ (?:self-)?detected|detected stalls on CPUs|"
            r"detected hard LOCKUP|workqueue lockup|rcu_\w+ kthread starved|expedited stalls",
        ),
        (
            "bug",
            r"kernel BUG at|BUG: unable to handle|[Uu]nable to handle kernel|general protection fault|\bOops(?: -|"
            r": |\[)|BUG: scheduling while atomic|BUG: sleeping function|Kernel panic - not syncing|BUG: Bad page|"
            r"BUG: Bad rss|divide error:|Internal error: |BUG: K[A-Z]{2,4}AN|BUG: KFENCE|UBSAN: |BUG: spinlock|"
            r"Bad page state|Fatal exception: panic|Fatal exception in interrupt|list_(?:add|"
            r"del) corruption|invalid opcode: 0000|Kernel bug detected|refcount_t: ",
        ),
        ("warning", r"WARNING: (?:CPU: \d+ PID|at \S+:\d+)|NMI backtrace for cpu|cut here \]"),
        (
            "lock order",
            r"possible circular locking dependency|possible recursive locking|inconsistent lock state|"
            r"suspicious RCU usage|possible irq lock inversion|^\s*-> #\d+ \(.{1,80}?\)\{",
        ),
        (
            "nbd time-out",
            r"(?:block )?nbd\d+\w*: .{0,120}?(?:[Cc]onnection timed out|timed out|Possible stuck request|"
            r"Receive control failed|Receive data failed|Send (?:control|data|disc)?.{0,12}failed|"
            r"Other side returned error|[Dd]ead connection|shutting down socket|Attempted send on (?:closed|"
            r"invalid) socket|queue cleared|killing)|nbd: killing hung xmit",
        ),
        (
            "nfs time-out",
            r"nfs: server (?P<server>\S+) not responding|NFS: .{0,120}?(?:timed out|not responding)|"
            r"RPC: \d+ .{0,120}?time[sd]? ?out|nfs: RPC call returned error|lockd: server \S+ not responding|"
            r"NFS server \S+ not responding",
        ),
        ("nfs answers", r"nfs: server (?P<server>\S+) OK"),
        (
            "iscsi time-out",
            r"connection\d+:\d+: (?:ping timeout|detected conn error)|session\d+: session recovery timed out|"
            r"iscsi: .{0,120}?timed out|iSCSI (?!Login ).{0,120}?[Tt]ime-?out",
        ),
        (
            "ceph time-out",
            r"libceph: (?:osd|mon|mds)\d+ .{0,120}?(?:socket closed|socket error|io error|connect error|"
            r"connection reset|down|session lost|hung|timed? ?out)|rbd: rbd\d+: .{0,120}?(?:timed out|timeout|result)|"
            r"ceph: .{0,120}?(?:hung|caps stale|timed out)",
        ),
        ("drbd time-out", r"\bdrbd.{0,120}?(?:PingAck did not arrive|timed out|Remote failed to finish|ko = 0|"
            r"conn\( \w+ -> (?:Timeout|NetworkFailure|BrokenPipe))"),
        (
            "file server time-out",
            r"CIFS:? .{0,120}?(?:has not responded|timed out|not responding)|CIFS:? .{0,120}?(?:No response|"
            r"sends on sock \S+ stuck for)|9p.{0,120}?(?:timed out|interrupted)|"
            r"Lustre.{0,120}?(?:timed out|Connection .{0,120}? was lost)|"
            r"ceph-fuse.{0,120}?timed out",
        ),
        ("swap device", r"Adding (?P<kib>\d+)k swap on (?P<device>\S+?)\.?(?:\s|$)"),
        ("swap device", r"^\s*(?P<device>/\S+)\s+(?:partition|file)\s+(?P<kib>\d+)\s+\d+\s+-?\d+\s*$"),
        (
            "sysrq",
            r"[Ss]ys[Rr]q\s?: (?:Show (?:Blocked State|State)|show-task-states|show-blocked-tasks|Show backtrace)",
        ),
        (
            "no buffer",
            r"Memory squeeze|(?:[Rr]x|RX|[Rr]eceive|recv|netdev|skb|sk_buff|[Bb]uffer).{0,40}(?:alloc\w*|"
            r"refill).{0,25}(?:fail|error|unable)|(?:[Ff]ailed|[Uu]nable|[Cc]ould ?n[o']t|[Cc]annot|"
            r"can't) to (?:re)?alloc\w* .{0,20}(?:rx|RX|skb|sk_buff|receive)|(?:[Cc]ould ?not|[Cc]annot|can't|"
            r"failed to) (?:re)?(?:alloc\w*|fill) .{0,20}(?:rx|RX|skb|sk_buff|receive)|(?:out of|no|low on|"
            r"Low) memory (?:for|in|on|\().{0,20}(?:rx|RX|skb|receive|packet)|dropping packet.{0,12}(?:memory|skb)",
        ),
        ("tcp memory", r"TCP: out of memory -- consider tuning tcp_mem|Out of socket memory"),
        ("cma", r"cma: cma_alloc: .{0,80}?(?:alloc failed|failed)|cma_alloc: alloc failed"),
        (
            "card",
            r"NETDEV WATCHDOG: |transmit queue \d+ timed out|Detected Tx Unit Hang|Tx timeout|"
            r"adapter unexpectedly reset|Link is Down",
        ),
        (
            "disk",
            r"\bata\d+(?:\.\d+)?: (?:exception|failed command|hard resetting|SRST failed|link is slow)|"
            r"\bnvme\d*:? ?nvme\d+: (?:I/O \d+|I/O tag|controller is down|Abort status|Device not ready)|"
            r"\bsd \d+:\d+:\d+:\d+: (?:timing out|rejecting I/O|\[sd\w+\].{0,120}?(?:Medium Error|FAILED))|"
            r"mmc\d+: (?:[Tt]imeout|error|cache flush)|attempting task abort|megaraid_sas.{0,120}?(?:reset|timed? out)|"
            r"EXT4-fs error|XFS .{0,120}?(?:log I/O error|Corruption|metadata I/O error)|BTRFS.{0,120}?(?:error|critical)|"
            r"DID_(?:BAD_TARGET|TIME_OUT|SOFT_ERROR)",
        ),
        (
            "i/o error",
            r"(?:blk_update_request|print_req_error|end_request|Buffer I/O error|critical \w+ error|I/O error|"
            r"Read-error on swap-device|Write-error on swap-device).{0,120}?(?:dev(?:ice)? (?P<device>[\w/-]+)|"
            r"swap-device|$)",
        ),
        ("version", r"Linux version (?P<version>\d+\.\d+[\w.+~-]*)"),
        (
            "version",
            r"(?:Not tainted|Tainted:?(?: [A-Z][A-Z ]*| G|"
            r" \[\w+\]=\w+,?)*)[\s-]+\(?(?P<version>[2-9]\.\d+[\w.+~-]*)",
        ),
    )
)  # fmt: skip
"""In the order in which they are tried; a line is the first that it is, and a version beside."""

_CUES: Final = re.compile(
    r"WARNING|backtrace|cut here|blocked|alloc|Alloc|oom|OOM|[Mm]emory|stall|LOCKUP|lockup|stuck|BUG|UBSAN|"
    r"sigkill|lowmemorykiller|cma|-> #|ops|panic|handle|fault|error|Error|nbd|nfs|NFS|RPC|connection\d|"
    r"session\d|SCSI|ceph|rbd|drbd|CIFS|9p|Lustre|swap|partition|file |ysRq|ysrq|TCP|NETDEV|timed|"
    r"timeout|Timeout|TIME|ata\d|nvme|sd \d|mmc|abort|"
    r"EXT4|XFS|BTRFS|DID_|version|ainted|corruption|refcount|Tx |Link|reset|dependency|recursive|"
    r"inconsistent|suspicious|inversion|skb|rx|RX|opcode|Bad|VM: "
)


class Events:
    """The events of a log, line by line; a message that a mailer has wrapped is put together again."""

    def __init__(self) -> None:
        self.found: list[Event] = []
        self._before = ""
        self._wide = False
        """Whether the line before was so long that its end may have been put into the next line."""
        self._last: Event | None = None
        """The event of the line before."""

    def line(self, line: Line) -> Event | None:
        """The next line; the event that it is, a version left out."""
        before, self._before = self._before, line.text.strip()
        wide, self._wide = self._wide, len(line.whole) > _NARROW
        event: Event | None = None
        if _CUES.search(line.text):
            event = self._event(line, line.text, 0)
        if event is None and before and line.by == "" and wide and _WRAPPED.search(before):
            event = self._event(line, f"{before} {line.text.lstrip()}", len(before))
            if event is not None and self._is_more_of(event):
                event = None
        self._last = event
        return event

    def _is_more_of(self, event: Event) -> bool:
        """Whether the line before was that event already, and this line only has more of it."""
        if self._last is None or self._last.kind != event.kind:
            return False
        self._last.said.update(event.said)
        self.found.remove(event)
        return True

    def _event(self, line: Line, text: str, after: int) -> Event | None:
        """What a text is; of two lines joined only what lies across the joint counts."""
        found: Event | None = None
        for kind, pattern in PATTERNS:
            if found is not None and kind != "version":
                continue
            match = pattern.search(text)
            if match is None or (after and not match.start() < after < match.end()):
                continue
            event = Event(kind, line, {key: value for key, value in match.groupdict().items() if value})
            self.found.append(event)
            if kind != "version":
                found = event
        return found


_NARROW: Final = 30
_WRAPPED: Final = re.compile(
    r"INFO: task|page allocation|page$|page\s|oom-killer|soft lockup|not$|server|invoked|tainted|"
    r"Tainted|swap on$|nbd\d",
    re.I,
)
