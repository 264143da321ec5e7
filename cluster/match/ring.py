"""From waits and events to the loop: which of its links a log shows, and one of four grades.

The loop (README.md, section 1 of the facts): a reclaimer waits until a page has been written out; the page, and each page that
comes back, waits for the network or for a daemon; and what would end that wait needs memory: a receive buffer, or memory of the
daemon.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from netswap.cluster.match.evidence import Evidence, evidence_of
from netswap.cluster.match.failures import Failure
from netswap.cluster.match.log import Log
from netswap.cluster.match.lookalikes import other_cause
from netswap.cluster.match.reading import Line
from netswap.cluster.match.waits import Wait

COMPLETE: Final = "ring complete"
PART: Final = "part of a ring"
SYMPTOM: Final = "symptom only"
NOT_THIS: Final = "not this"
_DAEMON_CAUSES: Final = {"proxy": "proxy", "dm-crypt": "encryption"}
_MAPPED: Final = re.compile(r"\bdm-\d|mapper/|crypt")
GRADES: Final = (COMPLETE, PART, SYMPTOM, NOT_THIS)


@dataclass(slots=True)
class Link:
    """One wait of the loop."""

    name: str
    """`reclaim`, `storage`, `memory`: what waits, what it waits for, and what that lacks."""
    sentence: str
    lines: list[Line] = field(default_factory=list)
    """Lines of the log that show the wait; none if it is missing."""

    @property
    def seen(self) -> bool:
        """Whether the log shows it."""
        return bool(self.lines)


@dataclass(slots=True)
class Ring:
    """What a log shows of the loop."""

    grade: str
    cause: str
    """Which loop, or which other cause: a key of advice.py."""
    reason: str
    links: list[Link]
    transport: str
    """Over what pages go, as far as the log says."""
    failures: list[Failure]
    lines: list[Line] = field(default_factory=list)
    """What shows another cause."""


def ring_of(log: Log) -> Ring:
    """Judge a log."""
    evidence = evidence_of(log)
    rings = [ring for ring in (_of_daemon(evidence), _of_network(evidence)) if ring is not None]
    ring = next((ring for ring in rings if ring.grade == COMPLETE), rings[0] if rings else None)
    if ring is not None and (ring.grade == COMPLETE or not _is_broken(log, ring)):
        return ring
    other = other_cause(evidence)
    links = ring.links if ring is not None else _links(evidence)
    return Ring(NOT_THIS, other.cause, other.reason, links, evidence.transport, evidence.failures, other.lines)


def _is_broken(log: Log, ring: Ring) -> bool:
    """Whether the kernel had a bug before the first line of the ring: then what waits waits for what that has broken."""
    place = {id(line): at for at, line in enumerate(log.reading.lines)}
    bugs = [place[id(event.line)] for event in log.of_kind("bug", "stall")]
    shown = [place[id(line)] for link in ring.links for line in link.lines]
    return bool(bugs) and (not shown or min(bugs) <= min(shown))


# -- the loop through a storage daemon of the same host ---------------------------------------------------------------


def _of_daemon(evidence: Evidence) -> Ring | None:
    """A daemon that needs memory, and waits for what it would have to write itself."""
    daemons = [wait for wait in [*evidence.reclaimers, *evidence.swappers] if wait.serves]
    if not daemons:
        return None
    for daemon in daemons:
        clients = _clients(evidence, daemon)
        if clients:
            return _daemon_ring(COMPLETE, evidence, daemon, clients)
    if evidence.local:
        return None
    return _daemon_ring(PART, evidence, daemons[0], [])


def _clients(evidence: Evidence, daemon: Wait) -> list[Line]:
    """Lines that show that what the daemon serves is what reclaim, writeback or swap wait for."""
    served = daemon.serves
    found = []
    if daemon.transport and served in (daemon.transport, "proxy"):
        found.append(daemon.stack.line())
    for wait in evidence.log.waits:
        if wait is daemon or wait.kind is None:
            continue
        wants = wait.reclaims or wait.swaps or bool(wait.paths & {"writeback", "dirty-limit", "reclaim"})
        if wants and (wait.transport == served or (served == "proxy" and wait.transport)):
            found.append(wait.stack.line())
    if served == "dm-crypt":
        found += [event.line for event in evidence.log.of_kind("swap device") if _MAPPED.search(event.said["device"])][
            :1
        ]
    if evidence.swap_on and (evidence.swap_on == served or (served == "proxy" and evidence.swap_on != "local")):
        found += [event.line for event in evidence.log.of_kind("swap device")][:1]
    if served in evidence.time_outs and (evidence.reclaimers or evidence.swappers):
        found += evidence.time_outs[served][:2]
    return found


def _daemon_ring(grade: str, evidence: Evidence, daemon: Wait, clients: list[Line]) -> Ring:
    name = daemon.stack.task or "the daemon"
    others = [wait for wait in [*evidence.reclaimers, *evidence.swappers] if wait is not daemon]
    waits = daemon if daemon.reclaims or not others else others[0]
    links = [
        Link("reclaim", "a task that wants memory waits until pages have been written", [waits.stack.line()]),
        Link("storage", f"the pages are written by {name}, on this host", clients),
        Link("memory", f"{name} itself waits for memory", [daemon.stack.line()]),
    ]
    cause = _DAEMON_CAUSES.get(daemon.serves, "daemon dirty" if "dirty-limit" in daemon.paths else "daemon")
    if grade == COMPLETE:
        reason = f"{name} has to write what reclaim waits for, and waits for reclaim itself: {daemon.sentence}"
    else:
        reason = f"{name} waits for memory; the log does not show that reclaim waits for {name}"
    transport = evidence.transport or daemon.serves
    return Ring(grade, cause, reason, links, transport, evidence.failures)


# -- the loop through reception ---------------------------------------------------------------------------------------


def _links(evidence: Evidence) -> list[Link]:
    """The three links, each with the lines that show it."""
    transport = evidence.transport
    over = f" over {transport}" if transport else ""
    swapping = [
        wait for wait in [*evidence.swappers, *evidence.reclaimers, *evidence.senders] if wait.transport or wait.swaps
    ]
    storage = [wait.stack.line() for wait in swapping]
    storage += (
        [line for lines in evidence.time_outs.values() for line in lines[:2]] if evidence.swap_on != "local" else []
    )
    return [
        Link("reclaim", "a task that wants memory waits until pages have been written", _heads(evidence.reclaimers)),
        Link("storage", f"pages on their way to or from storage wait for an answer{over}", _few(storage)),
        Link("memory", "reception fails for want of memory", _few(starved(evidence))),
    ]


def starved(evidence: Evidence) -> list[Line]:
    """Lines that say that a packet could not be received, or not be sent, for want of memory."""
    log = evidence.log
    found = [failure.event.line for failure in evidence.failures if failure.counts]
    harmless = bool(evidence.failures) and not found
    if not harmless:
        found += [event.line for event in log.of_kind("no buffer", "tcp memory")]
    found += [block.line for block in log.blocks if block.at_floor and not block.all_cma]
    return found


def _heads(waits: list[Wait]) -> list[Line]:
    return _few([wait.stack.line() for wait in waits])


def _few(lines: list[Line]) -> list[Line]:
    """Some of many, each once."""
    return list({id(line): line for line in lines}.values())[:6]


def _of_network(evidence: Evidence) -> Ring | None:
    """The loop through reception, as far as it is there; None if this is something else."""
    links = _links(evidence)
    reclaim, storage, memory = links
    transport = evidence.transport
    waits = bool(evidence.reclaimers or evidence.swappers)
    if transport and reclaim.seen and storage.seen and memory.seen and waits:
        reason = (
            f"reclaim waits for pages that go over {transport}, these wait for an answer, and answers find no memory"
        )
        return Ring(COMPLETE, _cause(evidence), reason, links, transport, evidence.failures)
    if (waits or evidence.senders) and not evidence.local and not _is_noise(evidence):
        return Ring(PART, _cause(evidence), _part_reason(evidence, links), links, transport, evidence.failures)
    if memory.seen:
        if evidence.time_outs:
            reason = (
                f"reception fails for want of memory, and {transport or 'the server'} does not answer in "
                f"time; who waits for that is not shown"
            )
            return Ring(PART, _cause(evidence), reason, links, transport, evidence.failures)
        if own := next((failure.over for failure in evidence.failures if failure.counts and failure.over), ""):
            reason = f"{own} itself finds no memory to send or to receive with; who waits for it is not shown"
            return Ring(PART, "nfs" if own == "nfs" else "tcp", reason, links, own, evidence.failures)
        reason = (
            "reception fails for want of memory; that alone proves nothing: it happens on machines that "
            "never swap over a network"
        )
        by_limit = not any(failure.counts for failure in evidence.failures) and evidence.log.of_kind("tcp memory")
        return Ring(SYMPTOM, "tcp memory" if by_limit else "reception", reason, links, transport, evidence.failures)
    return _faint(evidence, links)


def _faint(evidence: Evidence, links: list[Link]) -> Ring | None:
    """What is a symptom although nothing says that memory was full: pages in a row, and failures without a trace."""
    rows = [failure for failure in evidence.failures if failure.in_a_row]
    blind = [failure for failure in evidence.failures if failure.blind]
    if not (rows or blind) or evidence.local:
        return None
    lines = _few([failure.event.line for failure in rows or blind])
    if rows:
        reason = f"reception fails for want of pages in a row: {rows[0].why_not or 'memory is full'}; that alone proves nothing"
        return Ring(SYMPTOM, "fragmentation", reason, links, evidence.transport, evidence.failures, lines)
    reason = (
        "an allocation that may not wait has failed, as those of reception do, but the log has no whole trace of it; that alone "
        "proves nothing"
    )
    return Ring(SYMPTOM, "reception", reason, links, evidence.transport, evidence.failures, lines)


def _is_noise(evidence: Evidence) -> bool:
    """Whether the only waits are those of a limit of a control group, or of a kernel that is broken."""
    waits = [*evidence.reclaimers, *evidence.swappers, *evidence.senders]
    return not evidence.transport and all("memcg" in wait.paths for wait in waits)


def _cause(evidence: Evidence) -> str:
    if evidence.log.of_kind("tcp memory"):
        return "tcp memory"
    if any(
        wait.where in ("sk_stream_wait_memory", "wait_for_tcp_memory") or "turn to send" in wait.what
        for wait in evidence.log.waits
        if wait.kind is not None
    ):
        return "sender"
    transport = evidence.transport
    if transport in ("fuse", "a process (ublk)", "a process (tcmu)", "moosefs"):
        return "daemon"
    if transport == "nfs":
        return "nfs"
    return "tcp" if transport else "unknown storage"


def _part_reason(evidence: Evidence, links: list[Link]) -> str:
    has = " and ".join(link.sentence for link in links if link.seen)
    lacks = "; ".join(f"that {link.sentence}" for link in links if not link.seen)
    where = "" if evidence.transport else "; the log does not say where pages go"
    missing = f"; not in the log: {lacks}" if lacks else ""
    return f"{has}{missing}{where}"
