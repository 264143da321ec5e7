"""Call traces of every form in which kernels and tools print them.

Forms: arch/x86/kernel/dumpstack.c (with and without addresses, `?` before what is only found on the stack),
arch/arm/kernel/traps.c (`from`), arch/powerpc/kernel/process.c (two addresses),
arch/mips, s390 (brackets); fs/proc/base.c (/proc/PID/stack: `[<0>]`),
kernel/sched/core.c sched_show_task (SysRq t and w, hung tasks), crash(8) `bt`, drgn, scripts/decode_stacktrace.sh.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from netswap.cluster.match.columns import Columns
from netswap.cluster.match.reading import Line


@dataclass(frozen=True, slots=True)
class Frame:
    """One function of a stack."""

    name: str
    """Without what compilers append."""
    sure: bool
    """Whether the kernel did not print `?` before it."""
    module: str
    line: Line


@dataclass(slots=True)
class Stack:
    """One call trace, the innermost function first."""

    cause: str
    """Why it was printed: a kind of event, `sysrq`, `/proc/PID/stack`, `crash`, or `trace`."""
    task: str = ""
    pid: int | None = None
    state: str = ""
    """D, R, S, ... where the log says so."""
    head: Line | None = None
    workqueue: str = ""
    in_interrupt: bool = False
    ran: bool = False
    """Whether registers of the kernel stand before it: it was taken from a processor."""
    frames: list[Frame] = field(default_factory=list)

    def functions(self) -> list[str]:
        """Names from the innermost on; what was only found on the stack is left out unless nothing else was."""
        sure = [frame.name for frame in self.frames if frame.sure]
        found = sure if len(sure) > 2 else [frame.name for frame in self.frames]
        return [name for at, name in enumerate(found) if name not in NOISE and (not at or found[at - 1] != name)]

    def last_called(self) -> list[str]:
        """What stands with `?` before all that is sure: functions that had returned when the task went to sleep."""
        first = next((at for at, frame in enumerate(self.frames) if frame.sure), 0)
        return [frame.name for frame in self.frames[:first]]

    @property
    def whole(self) -> bool:
        """Whether it ends where the kernel is entered."""
        last = self.frames[-1].name if self.frames else ""
        return last.startswith(("entry_", "ret_from_fork", "ret_fast_syscall", "el0_", "system_call_"))

    @property
    def asleep(self) -> bool:
        """Whether the innermost that is sure is the scheduler: its task had given its processor away."""
        sure = next((frame.name for frame in self.frames if frame.sure), "")
        return sure in ("__schedule", "schedule", "io_schedule", "schedule_timeout", "io_schedule_timeout")

    @property
    def runs(self) -> bool:
        """Whether its task ran when it was printed, and printed it itself or was interrupted."""
        doubtful = not any(frame.sure for frame in self.frames)
        return (
            self.ran or self.died or any((frame.sure or doubtful) and frame.name in PRINTERS for frame in self.frames)
        )

    @property
    def died(self) -> bool:
        """Whether the kernel was killing its task, or itself, for an error."""
        return any(frame.sure and frame.name in DEATHS for frame in self.frames)

    @property
    def failed(self) -> bool:
        """Whether it was printed because an allocation failed."""
        return any(frame.name in ("warn_alloc", "warn_alloc_failed") for frame in self.frames)

    def line(self) -> Line:
        """Where it begins in the log."""
        return self.head or self.frames[0].line


PRINTERS: Final = frozenset(
    (
        "dump_stack",
        "dump_stack_lvl",
        "__dump_stack",
        "show_stack",
        "show_stack_log_lvl",
        "dump_backtrace",
        "unwind_backtrace",
        "show_trace",
        "dump_trace",
        "warn_alloc",
        "warn_alloc_failed",
        "show_registers",
        "warn_slowpath_common",
        "warn_slowpath_null",
        "warn_slowpath_fmt",
        "__warn",
        "report_bug",
    )
)
"""Functions by which a task prints its own stack: kernel/panic.c, lib/dump_stack.c, mm/page_alloc.c."""

DEATHS: Final = frozenset(
    (
        "die",
        "__die",
        "oops_end",
        "do_invalid_op",
        "make_task_dead",
        "rewind_stack_and_make_dead",
        "rewind_stack_do_exit",
        "panic",
        "die_kernel_fault",
        "ubsan_epilogue",
        "kasan_report",
        "__kasan_report",
        "kmsan_report",
    )
)
"""Functions that run after a bug, or report one: arch/x86/kernel/dumpstack.c and traps.c, kernel/exit.c, kernel/panic.c,
lib/ubsan.c, mm/kasan/report.c.
"""

NOISE: Final = PRINTERS | frozenset(
    (
        "__schedule",
        "schedule",
        "io_schedule",
        "__switch_to",
        "context_switch",
        "schedule_preempt_disabled",
        "schedule_timeout",
        "io_schedule_timeout",
        "io_schedule_prepare",
        "bit_wait_io",
        "bit_wait",
        "__switch_to_asm",
        "print_trace_address",
        "schedule_timeout_uninterruptible",
        "need_resched",
        "finish_task_switch",
    )
)
"""Functions that say nothing of what a task waits for."""

_ADDRESS: Final = r"(?:\(?\[<?(?:0x)?[0-9a-fA-F]*>?\]\)?|<[0-9a-f]{6,16}>|\[[0-9a-f]{8,16}\])"
_NAME: Final = r"\.?(?P<name>[A-Za-z_$][\w$]*(?:\.[\w$]+)*)"
_MODULE: Final = r"(?:\s*\[(?P<module>[\w-]+)(?:[:\s][^\]]*)?\])?"
_ASKED: Final = re.compile(r"^\s*\[<0>\] ?\w")
"""Only /proc/PID/stack prints it so: fs/proc/base.c since 4.15."""
_BETWEEN: Final = re.compile(r"^\s*(?:[1-9]\d{0,6}:?|[-=#*]{3,})\s*$")
"""A process's number alone, or a line drawn, as a loop over processes prints between stacks."""
_FRAME: Final = re.compile(
    rf"(?:{_ADDRESS}\s*)*\s*(?P<unsure>\?\s+)?(?:{_ADDRESS}\s*)*(?:\(|(?P<brace>\{{))?(?<![\w+/=]){_NAME}\+"
    rf"(?(brace)\d+|0x[0-9a-f]+)(?:/(?:0x[0-9a-f]*)?)?(?![\w+/=])[)}}]?{_MODULE}"
)
_ARM_FIRST: Final = re.compile(
    rf"^\s*(?:{_ADDRESS}\s*)?\(?{_NAME}(?:\+0x[0-9a-f/x]+)?\)?{_MODULE}\)?\s+from\s+(?=\[<|\w)"
)
_CRASH: Final = re.compile(
    rf"^\s*#\d+\s+(?:\[[0-9a-f]+\]|0x[0-9a-f]+ in|"
    rf"\(.*?\))?\s*{_NAME}(?:\+0x[0-9a-f]+)?\s*(?:at [0-9a-f]{{8,16}}|\(|@|$){_MODULE}"
)
_BARE: Final = re.compile(
    rf"^\s{{0,40}}(?P<unsure>\?\s+)?(?:{_ADDRESS}\s*)?{_NAME}(?:\s\([\w./-]+:\d+.*\))?{_MODULE}\s*$"
)
_MARKS: Final = re.compile(
    r"</?(?:TASK|IRQ|NMI|EOI|EOE|SOFTIRQ|#\w+|ENTRY_TRAMPOLINE|\w+_STACK)>|<<EOE>>|Exception stack"
)
_SUFFIX: Final = re.compile(
    r"\.(?:isra|constprop|part|cold|llvm|lto_priv|clone|localalias|ipa_cp|str)(?:\.\w+)*(?=\.|$)|_noprof$"
)

_HUNG: Final = re.compile(r"INFO: task (?P<task>.+?):(?P<pid>\d+) (?:<\w+> )?(?:\w+ )*?blocked")
_TASK: Final = re.compile(r"^\s*task:(?P<task>\S.{0,15}?)\s*state:(?P<state>[A-Z])\b.*?pid:\s*(?P<pid>\d+)")
_TASK_OLD: Final = re.compile(
    r"^(?P<task>\S(?:.{0,14}?\S)?)\s+(?P<state>[RSDTtXZPI])\s+(?:running task\s+|[0-9a-f]{8,16}\s+|\d+\.\d{6}\s+(?=\d)|"
    r"\(?[a-z]*\)?\s*|\?\s+)?(?P<rest>\d+\s+\d+.*|0x[0-9a-f]+.*)$"
)
_COMM: Final = re.compile(
    r"(?:CPU:\s*\d+\s+)?(?:UID: \d+\s+)?P(?:ID|"
    r"id):\s*(?P<pid>\d+),?\s+[Cc]omm:\s*(?P<task>.+?)(?:\s+(?:Kdump|Not tainted|Tainted|tainted)|"
    r"\s*$)"
)
_KDB_HEAD: Final = re.compile(r"^\s*pid (?P<pid>\d+): (?P<task>\S{1,15})\s*$")
_NAMED_HEAD: Final = re.compile(r'^\s*\[(?P<pid>\d+)\]\s+"(?P<task>[^"]{1,15})"\s*$')
_LABEL: Final = re.compile(
    r"^\s*(?P<task>(?:[\w./-]{1,16} ?)?\(?\b(?:[Tt]ask|[Tt]hread|[Pp]rocess)[ _-]?\w{0,8}\)?|"
    r"[\w./-]{1,16}\([Tt](?:ask|hread)[ _-]\w{1,8}\))\s*:\s*$"
)
"""What people write above the stack of each task, where they tell of several."""
_LOCKDEP: Final = re.compile(r"^\s*-> #\d+ \(.{1,80}?\)\{")
"""One of the locks of a chain; its stack was taken when the lock was: kernel/locking/lockdep.c print_circular_bug_entry."""
_CRASH_HEAD: Final = re.compile(
    r'^\s*PID:\s*(?P<pid>\d+)\s+TASK:\s*[0-9a-f]+\s+CPU:\s*\d+\s+COMMAND:\s*"(?P<task>[^"]*)'
)
_PROC: Final = re.compile(
    r"(?:/proc/(?P<pid>\d+|self)(?:/task/\d+)?|(?P<group>\b\d+)\[(?P<thread>\d+)\])/stack\b\s*[:=]?"
)
_PROC_COMM: Final = re.compile(r"/proc/(?P<pid>\d+)/comm\b\s*[:=]\s*(?P<task>\S+)")
_TRACE: Final = re.compile(r"^\s*(?:[Cc]all\s?[Tt]race|Backtrace|stack backtrace|Trace)\s*:?(?=\s|:|$|\[)")
_REGISTERS: Final = re.compile(
    r"^\s*(?:RIP: 0010:|EIP: (?:0060:|\w+\+0x)|NIP \[|pc : |PC is at |epc : |IP is at |Krnl PSW|RIP: e030:)"
)
"""What kernels print of a task that ran in the kernel: show_regs of x86, PowerPC, ARM, RISC-V, MIPS, s390."""
_QUEUE: Final = re.compile(r"^\s*Workqueue:\s*(?P<queue>.+)")
_ALONE: Final = re.compile(
    r"(?:INFO: task|: page allocation|soft lockup|invoked oom|Mem-[Ii]nfo|[Ss]ys[Rr]q ?:|kernel BUG|Oops|stall)"
)


@dataclass(slots=True)
class _Writer:
    """What one printer, or one column, is in the middle of."""

    stack: Stack | None = None
    pending: Stack | None = None
    open: bool = False
    """Whether a bare name is a function."""
    ran: bool = False
    """Whether registers have been printed, and no trace yet."""


class Stacks:
    """The call traces of a log, line by line."""

    def __init__(self) -> None:
        self.found: list[Stack] = []
        self.sysrq = False
        """Whether a SysRq t or w has begun."""
        self._writers: dict[str, _Writer] = {}
        self._names: dict[int, str] = {}
        """Tasks that /proc/PID/comm has named."""
        self._columns: dict[str, Columns] = {}

    def line(self, line: Line) -> None:
        """The next line."""
        columns = self._columns.setdefault(line.by, Columns())
        parts = columns.split(line.text)
        for place, text in enumerate(parts):
            if text.strip():
                self._text(line, text, self._writers.setdefault(f"{line.by}/{place}", _Writer()))

    def cause(self, line: Line, kind: str, task: str = "") -> None:
        """An event has been read there whose trace follows; `task`: whose it is, where the message says so."""
        writer = self._writers.setdefault(f"{line.by}/0", _Writer())
        if kind == "sysrq":
            self.sysrq, writer.pending, writer.stack, writer.open = True, None, None, False
            return
        if writer.pending is not None and not writer.pending.frames and writer.pending.head is line:
            writer.pending.cause = kind
            return
        writer.pending = Stack(kind, task, head=line)
        writer.open = False

    def _text(self, line: Line, text: str, writer: _Writer) -> None:
        if self._is_head(line, text, writer):
            return
        if _REGISTERS.match(text):
            writer.ran = True
        marked = _MARKS.sub(" ", text)
        if marked != text and writer.stack is None and writer.pending is None:
            writer.open = True
        if "<NMI>" in text:
            self._current(line, writer).ran = True
        if "<IRQ>" in text or "<SOFTIRQ>" in text:
            self._current(line, writer).in_interrupt = True
        if match := _TRACE.match(marked):
            self._begin(writer)
            writer.open = True
            marked = marked[match.end() :].lstrip(": ")
        frames = _frames(line, marked, writer.open)
        if frames:
            asked = _ASKED.search(text) is not None
            if asked and writer.stack is not None and writer.stack.whole:
                writer.stack = None
            stack = self._current(line, writer)
            stack.frames.extend(frames)
            if asked and stack.head is None:
                stack.cause = "/proc/PID/stack"
            writer.open = True
        elif writer.pending is None and _BETWEEN.match(text):
            writer.stack, writer.open = None, False
        elif marked.strip() and not _is_filler(marked):
            writer.open = False

    def _is_head(self, line: Line, text: str, writer: _Writer) -> bool:
        """Whether it says whose trace follows, or is one of the lines between."""
        if match := _QUEUE.match(text):
            self._current(line, writer).workqueue = match["queue"].strip()
            return True
        for pattern, cause in (
            (_HUNG, "hung task"),
            (_CRASH_HEAD, "crash"),
            (_KDB_HEAD, "crash"),
            (_NAMED_HEAD, "/proc/PID/stack"),
            (_LABEL, "trace"),
            (_TASK, ""),
            (_COMM, "trace"),
            (_TASK_OLD, ""),
        ):
            match = pattern.search(text) if pattern in (_HUNG, _COMM) else pattern.match(text)
            if match is not None:
                self._headed(line, match, cause, writer)
                return True
        if _LOCKDEP.match(text):
            writer.pending = Stack("lock order", head=line)
            writer.stack, writer.open = None, True
            return True
        if match := _PROC_COMM.search(text):
            self._names[int(match["pid"])] = match["task"]
            return True
        if match := _PROC.search(text):
            return self._proc(line, text[match.end() :], match, writer)
        return False

    def _proc(self, line: Line, rest: str, match: re.Match[str], writer: _Writer) -> bool:
        """The head of a /proc/PID/stack; its first function may stand in the same line."""
        number = match["thread"] or match["pid"]
        pid = None if number == "self" else int(number)
        writer.pending = Stack("/proc/PID/stack", self._names.get(pid or 0, ""), pid, head=line)
        writer.stack, writer.open = None, False
        if "+0x" in rest:
            self._current(line, writer).frames.extend(_frames(line, rest, True))
            writer.open = True
        return True

    def _headed(self, line: Line, match: re.Match[str], cause: str, writer: _Writer) -> None:
        groups = match.groupdict()
        state = groups.get("state") or ("D" if cause == "hung task" else "")
        pid = int(groups["pid"]) if groups.get("pid") else _pid_of(groups.get("rest") or "")
        waiting = writer.pending
        joins = waiting is not None and not waiting.frames
        if (
            joins
            and waiting is not None
            and (not waiting.task or (cause in ("", "trace") and _same_task(waiting.task, match["task"])))
        ):
            waiting.task = waiting.task or match["task"].strip()
            waiting.pid, waiting.state = waiting.pid or pid, waiting.state or state
            return
        writer.pending = Stack(cause or ("sysrq" if self.sysrq else "trace"), match["task"].strip(), pid, state, line)
        writer.stack, writer.open = None, cause == "crash" or "state" not in groups

    def _begin(self, writer: _Writer) -> None:
        """`Call Trace:` after frames begins another trace, of a task that is not named unless a head came before."""
        if writer.pending is None and writer.stack is not None and writer.stack.frames:
            writer.stack = None

    def _current(self, line: Line, writer: _Writer) -> Stack:
        """The trace that this line belongs to."""
        if writer.pending is not None:
            writer.stack, writer.pending = writer.pending, None
            self.found.append(writer.stack)
        if writer.stack is None:
            writer.stack = Stack("trace", head=None)
            self.found.append(writer.stack)
        if writer.ran and not writer.stack.frames:
            writer.stack.ran = True
        writer.ran = False
        return writer.stack


def _same_task(one: str, other: str) -> bool:
    """Whether two names are one task's; a table cuts them to 13 or 15 characters."""
    one, other = one.strip(), other.strip()
    return bool(one) and bool(other) and (one.startswith(other[:13]) or other.startswith(one[:13]))


def _pid_of(rest: str) -> int | None:
    """The process number in a task's line before 5.10: free stack, then the number, then the parent's."""
    numbers = re.findall(r"\b\d+\b", rest.split(" 0x")[0])
    return int(numbers[1]) if len(numbers) > 1 else None


def _frames(line: Line, text: str, opened: bool) -> list[Frame]:
    """The functions that a line names; a bare name counts only where a trace is open."""
    if match := _CRASH.match(text):
        return [_frame(line, match)]
    found = [_frame(line, match) for match in _FRAME.finditer(text)] if "+" in text else []
    if text.lstrip().startswith(("RIP", "NIP", "pc ", "PC ", "lr ", "LR ", "Code", "EIP", "IP:")):
        return []
    if " from " in text and (first := _ARM_FIRST.match(text)):
        head = _frame(line, first)
        return [head, *(one for one in found if one.name != head.name)]
    if not found and opened and (match := _BARE.match(text)) and _could_be(match["name"], match["module"]):
        found = [_frame(line, match)]
    return found


def _frame(line: Line, match: re.Match[str]) -> Frame:
    groups = match.groupdict()
    name = groups["name"]
    pointer = name.startswith("__pfx_")
    return Frame(cleaned_name(name), not groups.get("unsure") and not pointer, groups.get("module") or "", line)


def cleaned_name(name: str) -> str:
    """A function as its source calls it: without `__pfx_`, `.isra.0`, `.cold`, `_noprof` and the like."""
    before = ""
    name = name.removeprefix("__pfx_").removeprefix(".")
    while before != name:
        before, name = name, _SUFFIX.sub("", name)
    return name


def _could_be(name: str, module: str | None) -> bool:
    """Whether a word by itself is a function; plain words of sentences are not."""
    return (
        "_" in name
        or module is not None
        or name in ("schedule", "pageout", "kswapd", "kthread", "nfsd", "pdflush", "writeout")
    )


def _is_filler(text: str) -> bool:
    """Registers, raw stack words, and what kernels print between a head and its trace."""
    words = text.split()
    if all(re.fullmatch(r"[0-9a-fA-FxX<>\[\]?:|.\-]+", word) for word in words):
        return True
    return bool(
        re.match(
            r"^\s*(?:Not tainted|Tainted|\"echo|Hardware name|Stack\s*:|Workqueue|"
            r"[RE]?[A-Z0-9]{2,3}:\s|Code:|ORIG_RAX|Modules linked|"
            r"swapper|.* cpuset=|mems_allowed|free\s+sibling|task\s+PC|---|Sched|in:imklog|fs:|FS:|CS:|CR\d|DR\d)",
            text,
        )
    ) and not _ALONE.search(text)
