"""From the bytes of a log, in whatever wrapping it came, to clean lines of kernel text.

Formats: include/linux/kern_levels.h and kernel/printk/printk.c (time stamps, `<6>`, `[T38]`, `[C1]`), dmesg(1) -T, -d, -x,
syslog (RFC 3164 and 5424), journalctl(1), netconsole's extended lines, rsyslog's `#012`, quoted mail, HTML.
"""

import html
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import IO, Final

CHUNK: Final = 1 << 18
STRETCH: Final = 1 << 14
"""Bytes of a stretch of a large file, which is looked at line by line, or passed over."""
WHOLE_MAX: Final = 1 << 20
"""Bytes that are read line by line in any case."""
LINE_MAX: Final = 1 << 14
"""Bytes of one line that are read; a logger may have put a whole report into one."""
PIECE_MAX: Final = 2000
"""Characters of one line of the kernel that are read; several may be in one line of a file."""
KEPT_MAX: Final = 120_000
"""Lines that are kept, so that memory is bounded whatever a file holds."""

NEEDLES: Final = (
    b"allocation failure",
    b"locked for more than",
    b"not responding",
    b"recovery timed out",
    b"soft lockup",
    b"k swap on ",
    b"block nbd",
    b"COMMAND: ",
    b"Mem-",
)
"""Beyond `WHOLE_MAX`, a stretch without any of these, and without a function of a stack, has nothing to say."""
_OFFSET: Final = b"+0x"
_FUNCTION: Final = re.compile(rb"[\w\]]\+0x[0-9a-f]{1,6}(?:/0x[0-9a-f]|\s|$)")


@dataclass(slots=True)
class Line:
    """A line of kernel text."""

    number: int
    """In the file, from 1."""
    text: str
    """Without prefix."""
    stamp: float | None = None
    """Seconds, where the prefix has them; of the kernel's clock or of a day."""
    by: str = ""
    """The task or CPU that printed the line, as `T38` or `C1`, where the prefix says so."""
    whole: str = ""
    """As it stands in the log, without colours and quoting; what an answer quotes."""


@dataclass(slots=True)
class Reading:
    """What was read."""

    lines: list[Line]
    total: int = 0
    """Lines of the file."""
    size: int = 0
    """Bytes of the file."""
    cut: bool = False
    """Whether there was more kernel text than is kept."""
    reversed: bool = False
    """Whether the newest line came first."""
    others: int = 0
    """Lines of other programs in a journal, left out."""


class NotText(Exception):  # noqa: N818  (it is what a reader looks for)
    """The file is no text; `line` says where that was seen."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


_ANSI: Final = re.compile(
    r"(?:\x1b|\^\[|#033|\\x1[bB]|\\033|\\e|␛)\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|[\x00-\x08\x0b-\x1f\x7f\ufeff]"
)
_TAG: Final = re.compile(
    r"</?(?:pre|code|br|p|div|span|b|i|em|tt|td|tr|li|font|blockquote|a|strong)(?:\s[^<>]*)?/?>", re.I
)
_QUOTE: Final = re.compile(r"^(?:\s{0,3}(?:>|\|(?=\s))\s?)+")
_STAMPED: Final = re.compile(r"(?:^|(?<!\d{6}\]) )(?=\[ {0,6}\d{1,7}\.\d{6}\])")
"""Where messages begin in a line that several were put into, as a page on the web shows them."""
_SOFT: Final = re.compile(r"[ -~]{50,75}=$")
"""The end of a line that quoted-printable has broken: RFC 2045, 6.7."""
_OCTET: Final = re.compile(r"=(3D|20|09|2E)")
_BREAK: Final = re.compile(r"#012|(?<=[^\\])\\n(?=\s|\[|$|[A-Z<])")
_MONTHLIKE: Final = (
    r"(?:[^\W\d_]{2,10}\.?,? +\d{1,2}\.?|\d{1,2}\.? ?[^\W\d_]{1,10}\.?(?: +\d{1,2}日?)?|\d{1,2}[月월] *\d{1,2}[日일]?|"
    r"\d{1,2}\. ?\d{1,2}\.)"
)
_ZONE: Final = r"(?: ?(?:Z|UTC|GMT|[A-Z]{3,4}T|[+-]\d\d:?\d\d))?"
_CLOCK: Final = r"(?P<clock>\d{1,2}:\d\d:\d\d)(?:[.,](?P<part>\d{1,9}))?"
_DATED: Final = re.compile(
    rf"^\[?(?:(?:(?:[^\W\d_]{{2,9}}\.?,? )?\d{{4}}[-/.]\d\d[-/.]\d\d[T ]{_CLOCK}(?: [A-Z]{{3,4}}(?= )|{_ZONE}))|"
    rf"(?:(?:[^\W\d_]{{2,9}}\.?,? +)?(?:\d{{4}} +)?{_MONTHLIKE}"
    r"(?: +\d{4})?,? +(?P<clock2>\d{1,2}:\d\d:\d\d)(?:[.,](?P<part2>\d{1,9}))?(?: +[A-Z]{3,4})?(?: +\d{4})?))\]?:?(?:\s|"
    r"$)"
)
_KERNEL_STAMP: Final = re.compile(
    r"^\[?\s{0,12}(?P<stamp>\+?\d{1,9}\.\d{3,9})(?:@\d+)?(?:,\d+)?(?:\s+<\s*[\d.]+>)?\](?:\[\s*(?P<by>[TC]\d+)\])?\s?"
)
_VENDOR: Final = re.compile(
    r"^(?:[ .]{0,2}\(\d\)\[[^\]]{1,24}\]|\[\s*\d+:\s*[^\[\]:]{1,16}:\s*\d+\]|[ADEFVW] \d+ \d+ )\s?|"
    r"^\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\s+(?:root\s+)?\d+\s+\d+\s+[DEFIVW]\s[^:\[\]]{0,24}:\s|"
    r"^(?:/?[\w.-]+)?(?:/[\w.-]+)+:(?:\d+:)?(?=\s*(?:\[|<\d|[^\W\d_]{3}\.? +\d{1,2} |\d{4}-\d\d-))|^\*\*(?=\[)"
)
"""What kernels of telephones put behind the time, Android's logcat, and what grep and editors of pages put before a line."""
_BARE_STAMP: Final = re.compile(r"^\s{0,6}(?P<stamp>\d{1,9}\.\d{6})\s(?=\S)")
_CALLER: Final = re.compile(r"^\[\s*(?P<by>[TC]\d+)\]\s?")
_DAY: Final = re.compile(
    rf"^\[\s*(?:\+?\d+[.,]\d+|1\d{{9}}|[^\[\]<>]{{0,24}}?{_CLOCK}[^\[\]<>]{{0,12}}|"
    rf"[^\W\d_]{{3}} ?\d{{1,2}} \d\d:\d\d)\s*\](?:\[\s*[TC]\d+\])?\s?"
)
_NUMBERED: Final = re.compile(
    r"^\d{1,8}[.:\s|-]\s*(?=\[\s*\d+\.\d|[^\W\d_]{3,9}\.? +\d{1,2} \d\d:\d\d:|\d{4}-\d\d-\d\d[T ]|<\d>)"
)
"""As grep -n and editors put before lines."""
_LEVEL: Final = re.compile(r"^(?:<\d{1,3}>|KERN_[A-Z]+\s?|\d,\d+,\d+,[-c+];)")
_FACILITY: Final = re.compile(
    r"^(?:kern|user|daemon)\s*(?:[.:]\s*(?:kern\.)?)\s*(?:emerg|alert|crit|err|warn|warning|notice|"
    r"info|debug)\s*:?\s+",
    re.I,
)
_HOST_KERNEL: Final = re.compile(r"^(?:(?P<host>[\w.:@%-]+)\s+){0,3}?(?:kernel|klogd|vmunix)(?:\[\d+\])?:\s?")
_HOST_LEVEL: Final = re.compile(r"^(?:[\w.:-]+\s+){1,3}(?=\d,\d+,\d+,[-c+];|<\d{1,3}>|\[\s*\d+\.\d+\])")
_OTHER: Final = re.compile(r"^(?:[\w.:-]+\s+)?(?P<ident>[A-Za-z][\w./@-]*)(?:\[\d+\]):\s")
_RFC5424: Final = re.compile(r"^<\d{1,3}>1 (\S+) (\S+) (\S+) \S+ \S+ (?:-|\[.*?\]) ?")


def read(stream: IO[bytes]) -> Reading:
    """All of a log that can be kernel text; `NotText` where it is no text at all."""
    found = Reading([])
    kept: list[Line] = []
    for number, raw in _joined(_lines(stream, found)):
        if len(kept) >= KEPT_MAX:
            found.cut = True
            continue
        for text in _pieces(raw):
            line = cleaned(number, text)
            if line is None:
                found.others += 1
            elif line.text.strip():
                kept.append(line)
    found.lines = kept
    if _is_newest_first(kept):
        groups = [list(group) for _, group in groupby(kept, key=lambda line: line.number)]
        found.lines = [line for group in reversed(groups) for line in group]
        found.reversed = True
    return found


def read_text(text: str) -> Reading:
    """The reading of a text, as `read` makes it of a stream."""
    return read(io.BytesIO(text.encode("utf-8", "surrogateescape")))


# -- bytes ------------------------------------------------------------------------------------------------------------


def _lines(stream: IO[bytes], found: Reading) -> Iterator[tuple[int, str]]:
    """Numbered lines of the stretches that may say something; none once enough are kept."""
    rest = b""
    encoding = ""
    awake = True
    while chunk := stream.read(CHUNK):
        encoding = encoding or _encoding(chunk)
        found.size += len(chunk)
        if encoding != "utf-8":
            chunk = chunk.decode(encoding, "ignore").encode()
        whole = found.size <= WHOLE_MAX
        if not whole and not awake and not _speaks(chunk):
            found.total += chunk.count(b"\n")
            rest = _tail(rest, chunk)
            continue
        for at in range(0, len(chunk), STRETCH):
            piece = chunk[at : at + STRETCH]
            was, awake = awake, whole or _speaks(piece)
            if found.cut or not (awake or was):
                found.total += piece.count(b"\n")
                rest = _tail(rest, piece)
                continue
            parts = (rest + piece).split(b"\n")
            rest = parts.pop()[-LINE_MAX:]
            for part in parts:
                found.total += 1
                yield found.total, part[:LINE_MAX].decode("utf-8", "replace")
    if rest:
        found.total += 1
        yield found.total, rest.decode("utf-8", "replace")


def _tail(rest: bytes, piece: bytes) -> bytes:
    """The beginning of a line whose end is not read yet."""
    end = piece.rfind(b"\n")
    return (rest + piece)[-LINE_MAX:] if end < 0 else piece[end + 1 :]


def _speaks(piece: bytes) -> bool:
    """Whether a stretch of a large file may have kernel text that counts."""
    if _OFFSET in piece and _FUNCTION.search(piece):
        return True
    return any(needle in piece for needle in NEEDLES)


def _encoding(first: bytes) -> str:
    """UTF-8, or UTF-16 as editors on Windows write it; what is neither is no text."""
    if first[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    sample = first[:65536].replace(b"\0", b"")
    odd = sum(sample.count(bytes((code,))) for code in range(1, 32) if code not in (7, 8, 9, 10, 12, 13, 27))
    wide = sample.decode("utf-8", "replace").count("\ufffd")
    if len(sample) and (odd + wide) * 10 > len(sample):
        line = first.count(b"\n", 0, next((i for i, byte in enumerate(first) if byte in range(1, 7)), 0)) + 1
        raise NotText(line, "this is no text")
    if first and not sample:
        raise NotText(1, "this is nothing but zero bytes")
    return "utf-8"


def _joined(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The lines without the breaks and the octets of quoted-printable, once a break has been met."""
    first, begun, printable = 0, "", False
    for number, raw in lines:
        text = raw.rstrip("\r\n")
        if _SOFT.search(text) and len(begun) < LINE_MAX:
            first, begun, printable = first or number, begun + text[:-1], True
            continue
        whole = begun + text if begun else raw
        yield first or number, _OCTET.sub(lambda octet: chr(int(octet[1], 16)), whole) if printable else whole
        first, begun = 0, ""
    if begun:
        yield first, begun


# -- text -------------------------------------------------------------------------------------------------------------


def _pieces(raw: str) -> Iterator[str]:
    """The kernel's lines in one line of a file: a journal's JSON, `#012`, and line ends that are written out."""
    text = raw.rstrip("\r\n")
    if text.lstrip().startswith("{") and ('"MESSAGE"' in text or '"log"' in text):
        text = _of_json(text)
    if "&" in text:
        text = html.unescape(html.unescape(text))
    if "<" in text:
        text = _TAG.sub(lambda tag: "\n" if tag[0].lower().startswith(("<br", "</p", "</div", "</li")) else "", text)
    if "#012" in text or "\\n" in text:
        text = _BREAK.sub("\n", text)
    if text.count("] ") > 1:
        text = _STAMPED.sub("\n", text, count=0) if len(_STAMPED.findall(text)) > 1 else text
    yield from text.split("\n")


def _of_json(text: str) -> str:
    try:
        entry = json.loads(text)
        message = entry["MESSAGE"] if "MESSAGE" in entry else entry["log"]
        if isinstance(message, list):
            message = bytes(message).decode("utf-8", "replace")
        ident = entry.get("SYSLOG_IDENTIFIER", "kernel")
        return str(message) if ident == "kernel" else ""
    except (ValueError, KeyError, TypeError, RecursionError):
        return text


def cleaned(number: int, raw: str) -> Line | None:
    """A line without what loggers, mailers and terminals put before it; None if another program wrote it."""
    text = _ANSI.sub("", raw[:PIECE_MAX]).replace("\xa0", " ").expandtabs(8)
    text = _QUOTE.sub("", text) if text.lstrip()[:1] in (">", "|") else text
    text = text.removesuffix("**") if text.startswith("**") else text
    line = Line(number, text, whole=text.strip())
    dated = False
    for _ in range(6):
        rest, dated, other = _one_prefix(line, dated)
        if other:
            return None
        if rest == line.text:
            break
        line.text = rest
    return line


def _one_prefix(line: Line, dated: bool) -> tuple[str, bool, bool]:
    """The text without its first prefix; whether a date has been seen; whether the line is another program's."""
    text = line.text
    bare = text.lstrip(" ")
    if match := _RFC5424.match(bare):
        return bare[match.end() :], True, match[3] not in ("kernel", "-", "klogd")
    if match := _NUMBERED.match(bare):
        return bare[match.end() :], dated, False
    for pattern in (_KERNEL_STAMP, _CALLER, _DAY, _LEVEL, _BARE_STAMP, _VENDOR):
        if match := pattern.match(bare):
            _noted(line, match)
            return bare[match.end() :], dated, False
    if match := _DATED.match(bare):
        _noted(line, match)
        return bare[match.end() :], True, False
    if match := _FACILITY.match(bare):
        return bare[match.end() :], dated, False
    if match := _HOST_KERNEL.match(bare):
        return bare[match.end() :], dated, False
    if dated and (match := _HOST_LEVEL.match(bare)):
        return bare[match.end() :], dated, False
    return text, dated, bool(dated and _OTHER.match(bare))


def _noted(line: Line, match: re.Match[str]) -> None:
    """Stamp and printer, as far as this prefix has them; the kernel's own stamp goes before a logger's."""
    groups = match.groupdict()
    if groups.get("by"):
        line.by = groups["by"]
    if groups.get("stamp") and not groups["stamp"].startswith("+"):
        line.stamp = float(groups["stamp"])
    clock = groups.get("clock") or groups.get("clock2")
    if clock and line.stamp is None:
        hours, minutes, seconds = (int(part) for part in clock.split(":"))
        part = groups.get("part") or groups.get("part2") or "0"
        line.stamp = hours * 3600 + minutes * 60 + seconds + float(f"0.{part}")


# -- order ------------------------------------------------------------------------------------------------------------

_SHAPES: Final = (
    ("frame", re.compile(r"\w\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?|^\s*#\d+ \[")),
    ("close", re.compile(r"^\s*</(?:TASK|IRQ)>\s*$")),
    ("open", re.compile(r"^\s*(?:Call [Tt]race:?|Backtrace:?|<TASK>|<IRQ>)\s*$")),
    ("head", re.compile(r"INFO: task |\bComm: |\bcomm: |state:[A-Z]|page allocation failure|invoked oom-killer")),
)
_FORTH: Final = frozenset(
    (("head", "open"), ("open", "frame"), ("frame", "close"), ("close", "head"), ("close", "open"))
)
_INNER: Final = re.compile(
    r"\b(?:__schedule|schedule|io_schedule|dump_stack|dump_stack_lvl|warn_alloc|warn_alloc_failed)\+0x"
)
_OUTER: Final = re.compile(
    r"\b(?:ret_from_fork|kernel_thread_helper|child_rip|entry_SYSCALL\w*|system_call_fastpath|do_syscall_64|kthread|page_fault|"
    r"asm_exc_page_fault|start_kernel|ret_fast_syscall|el0_svc\w*)(?:\.\w+)*\+0x"
)
"""Functions with which nearly all traces begin and end."""
_DAY_S: Final = 86400


def _is_newest_first(lines: list[Line]) -> bool:
    """Whether most stamps go down, or, where they say nothing, whether most traces stand on their heads."""
    back = forth = 0
    stamps = [line.stamp for line in lines if line.stamp is not None]
    for one, other in pairwise(stamps):
        if abs(other - one) < _DAY_S // 2:
            back, forth = back + (other < one), forth + (other > one)
    if back + forth > len(lines) // 8:
        return back > forth
    shapes = [shape for shape in (_shape(line.text) for line in lines) if shape]
    for pair in pairwise(shapes):
        forth += pair in _FORTH
        back += pair[::-1] in _FORTH
    ends = [end for end in (_end_of_trace(line.text) for line in lines) if end]
    for end, after in pairwise(ends):
        forth += (end, after) == ("inner", "outer")
        back += (end, after) == ("outer", "inner")
    return back > forth and (back > 1 or not forth)


def _end_of_trace(text: str) -> str:
    """Which end of a trace a line is, empty if it is none or both."""
    inner, outer = bool(_INNER.search(text)), bool(_OUTER.search(text))
    return "" if inner == outer else "inner" if inner else "outer"


def _shape(text: str) -> str:
    return next((name for name, pattern in _SHAPES if pattern.search(text)), "")
