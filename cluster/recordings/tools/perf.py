"""Page faults as `perf script` prints them.

    perf record -e page-faults -c 1 -d -p PID; perf script -F comm,tid,time,event,addr
    perf record -e exceptions:page_fault_user -p PID; perf script

Source: tools/perf/builtin-script.c (perf_sample__fprintf_start, process_event) and arch/x86/include/asm/trace/exceptions.h of
6.11; RISC-V's say a cause instead of an error code. Lines of other events and of call chains say nothing here.
"""

import re
from collections.abc import Iterator
from typing import Final

from netswap.cluster.recordings.files import RecordingError
from netswap.cluster.recordings.tools.access import Access, Lines, nanoseconds, numbered

_HEAD: Final = re.compile(r"^\s*(?:.*\s)?(\d+\.\d{3,9}):(?:\s+(.*))?$")
"""A sample: the process and its place, the time, and what is printed behind it."""
_FAULT: Final = re.compile(r"^(?:\d+\s+)?(?:page-faults|minor-faults|major-faults|faults)(?::[a-zA-Z]+)?:\s*(.*)$")
_HEX: Final = re.compile(r"[0-9a-f]{3,16}")
_EVENT: Final = re.compile(r"(?:^|\s)\S+:(?:\s|$)")
_TRACEPOINT: Final = re.compile(r"^(?:\d+\s+)?exceptions:page_fault_(?:user|kernel):\s*(.*)$")
_ADDRESS: Final = re.compile(r"\baddress=(?:0x)?([0-9a-f]+)")
_CODE: Final = re.compile(r"\berror_code=0x([0-9a-f]+)")
_WRITE: Final = 2
"""X86_PF_WRITE."""
_CAUSE: Final = re.compile(r"\bcause=0x([0-9a-f]+)")
_CAUSES: Final = {0xD: "r", 0xF: "w"}
"""EXC_LOAD_PAGE_FAULT and EXC_STORE_PAGE_FAULT of RISC-V."""
_HINT: Final = "record with -d, and print with perf script -F comm,tid,time,event,addr"


def accesses(lines: Lines) -> Iterator[Access]:
    """The faults. Raises RecordingError with the line that is none of perf script's, or that has no address."""
    for number, line in numbered(lines):
        head = _HEAD.match(line)
        if head is None:
            if line and not line.startswith(("#", "\t", " ")):
                raise RecordingError(f'line {number}: "{line:.40}" is no line of perf script', _HINT)
            continue
        said = (head[2] or "").strip()
        found = _tracepoint(said) or _event(said)
        if found is None:
            continue
        address, how = found
        if address is None:
            raise RecordingError(f"line {number}: this fault has no address", _HINT)
        yield Access(nanoseconds(head[1]), address, 1, how)


def _event(said: str) -> tuple[int | None, str] | None:
    """Address of a fault that is a software event, which may stand without its name; None for another event."""
    fault = _FAULT.match(said)
    if fault is None and (not said or _EVENT.search(said)):
        return None
    words = (fault[1] if fault else said).split()
    hexadecimal = [_HEX.fullmatch(word) is not None for word in words[:2]]
    has_address = hexadecimal in (
        [True],
        [True, True],
    )  # an instruction's address has its symbol behind it, or another address before
    return (int(words[0], 16) if has_address else None), ""


def _tracepoint(said: str) -> tuple[int | None, str] | None:
    fault = _TRACEPOINT.match(said)
    if fault is None:
        return None
    address, code = _ADDRESS.search(fault[1]), _CODE.search(fault[1])
    cause = _CAUSE.search(fault[1])
    how = "" if code is None else "w" if int(code[1], 16) & _WRITE else "r"
    how = _CAUSES.get(int(cause[1], 16), "") if cause is not None else how
    return (int(address[1], 16) if address else None), how
