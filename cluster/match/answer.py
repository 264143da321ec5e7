"""What `netswap match` says: one JSON object, and the same as text."""

from typing import Any

from netswap.actors.wait import KINDS
from netswap.cluster.kernels.functions import LOCK, SLEEPS
from netswap.cluster.match.advice import advice_on, to_collect
from netswap.cluster.match.failures import Failure
from netswap.cluster.match.log import Log
from netswap.cluster.match.lookalikes import unknown_stacks
from netswap.cluster.match.meminfo import MemInfo
from netswap.cluster.match.misfits import misfits
from netswap.cluster.match.reading import Line
from netswap.cluster.match.ring import NOT_THIS, Ring
from netswap.cluster.match.waits import Wait

QUOTE_MAX = 160
"""Characters of a line that are quoted."""
_SHOWN = 12


def answer(name: str, log: Log, ring: Ring, block: MemInfo | None) -> dict[str, Any]:
    """All that is said of a log; docs/match.md has the keys."""
    advice = advice_on(ring)
    reading = log.reading
    known = [wait for wait in log.waits if wait.kind is not None]
    return {
        "log": name,
        "lines": reading.total,
        "bytes": reading.size,
        "newest_first": reading.reversed,
        "cut": reading.cut,
        "kernel": log.kernel or None,
        "grade": ring.grade,
        "cause": ring.cause,
        "reason": ring.reason,
        "transport": ring.transport or None,
        "shown_by": _quotes(ring.lines),
        "links": [
            {"link": link.name, "sentence": link.sentence, "seen": link.seen, "lines": _quotes(link.lines)} for link in ring.links
        ],
        "waits": [_wait(wait) for wait in known],
        "unknown": [_unknown(wait) for wait in unknown_stacks(log)],
        "failures": [_failure(one) for one in ring.failures],
        "does_not_fit": [{"sentence": sentence, "lines": _quotes(lines)} for sentence, lines in misfits(log, ring)],
        "memory": None if block is None else memory(block),
        "scenarios": [{"file": file, "shows": shows} for file, shows in advice.scenarios],
        "helps": list(advice.helps),
        "collect": to_collect(ring),
    }  # fmt: skip


def memory(block: MemInfo) -> dict[str, Any]:
    """A Mem-Info block in KiB; `min` is without boost, `marks` are as printed."""
    marks = {name: block.sum(name) for name in ("min", "low", "high")}
    return {
        "line": block.line.number,
        "managed_kib": block.managed,
        "free_kib": block.sum("free"),
        "free_cma_kib": block.sum("free_cma"),
        "min_kib": block.min,
        "boost_kib": block.boost,
        "marks_kib": marks,
        "page_kib": block.page_kib,
        "anonymous_kib": block.counter_kib("active_anon", "inactive_anon"),
        "file_kib": block.counter_kib("active_file", "inactive_file"),
        "swap_kib": block.totals.get("swap_total"),
        "swap_free_kib": block.totals.get("swap_free"),
        "at_floor": block.at_floor,
        "free_is_cma": block.all_cma,
    }


def _quotes(lines: list[Line]) -> list[dict[str, Any]]:
    return [{"line": line.number, "text": line.whole[:QUOTE_MAX]} for line in lines]


def _wait(wait: Wait) -> dict[str, Any]:
    stack, sleep = wait.stack, SLEEPS.get(wait.where)
    return {
        "line": stack.line().number,
        "task": stack.task or None,
        "pid": stack.pid,
        "state": stack.state or None,
        "wait": "lock" if wait.kind == LOCK or wait.kind is None else KINDS[wait.kind],
        "what": wait.what,
        "function": wait.where,
        "since": sleep.since or None if sleep else None,
        "until": sleep.until or None if sleep else None,
        "source": sleep.where if sleep else None,
        "over": wait.transport or None,
        "serves": wait.serves or None,
        "sentence": wait.sentence,
    }


def _failure(one: Failure) -> dict[str, Any]:
    why = one.why_not or None
    return {"line": one.event.line.number, "for": one.part, "order": one.order, "counts": one.counts, "why_not": why}


def _unknown(wait: Wait) -> dict[str, Any]:
    stack = wait.stack
    return {"line": stack.line().number, "task": stack.task, "pid": stack.pid, "functions": stack.functions()[:8]}


# -- text -------------------------------------------------------------------------------------------------------------


def as_text(told: dict[str, Any]) -> str:
    """The answer as text for people."""
    lines = [f"{told['log']}: {told['grade']}", f"  {told['reason']}", *_quoted(told["shown_by"], "    ")]
    if told["newest_first"]:
        lines.append("  (the newest line came first; it was read from its end)")
    if told["cut"]:
        lines.append("  (there is more kernel text than netswap keeps; the first part was read)")
    if told["grade"] != NOT_THIS or any(link["seen"] for link in told["links"]):
        lines += ["", "the loop"]
        for link in told["links"]:
            lines += [
                f"  {'seen   ' if link['seen'] else 'missing'} {link['sentence']}",
                *_quoted(link["lines"][:3], "            "),
            ]
    lines += _section("what the stacks wait for", [f"line {one['line']}: {one['sentence']}" for one in told["waits"]])
    lines += _section("unknown", [_unknown_text(one) for one in told["unknown"]])
    lines += _misfits(told["does_not_fit"])
    if told["memory"] is not None:
        lines += ["", *_memory_text(told["memory"])]
    lines += _section("scenarios that show it", [f"{one['file']}: {one['shows']}" for one in told["scenarios"]])
    lines += _section("what helps there", told["helps"])
    lines += _section("collect next", told["collect"])
    return "\n".join(lines)


def _section(title: str, items: list[str]) -> list[str]:
    more = [f"  and {len(items) - _SHOWN} more"] if len(items) > _SHOWN else []
    return ["", title, *(f"  {item}" for item in items[:_SHOWN]), *more] if items else []


def _quoted(quotes: list[dict[str, Any]], indent: str) -> list[str]:
    return [f"{indent}{quote['line']}: {quote['text']}" for quote in quotes]


def _unknown_text(one: dict[str, Any]) -> str:
    return (
        f"line {one['line']}: {one['task']}: {' < '.join(one['functions'][:4])}: netswap does not know "
        f"what this waits for"
    )


def _misfits(told: list[dict[str, Any]]) -> list[str]:
    lines = ["", "what does not fit"] if told else []
    for one in told:
        lines += [f"  {one['sentence']}", *_quoted(one["lines"], "    ")]
    return lines


def _memory_text(memory: dict[str, Any]) -> list[str]:
    marks = memory["marks_kib"]
    boost = f", of which {memory['boost_kib']} are boost" if memory["boost_kib"] else ""
    cma = f", {memory['free_cma_kib']} of it CMA's" if memory["free_cma_kib"] else ""
    floor = "; no zone has a page for reception (three eighths of min)" if memory["at_floor"] else ""
    return [
        f"memory, from line {memory['line']}",
        f"  {memory['managed_kib']} kB managed, {memory['free_kib']} kB free{cma}{floor}",
        f"  min {marks['min']}, low {marks['low']}, high {marks['high']} kB{boost}",
    ]
