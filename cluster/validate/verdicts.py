"""Verdicts of the experiment: how a csv writes them, how a run is judged by the same definitions, and what a scenario expects."""

from collections.abc import Sequence
from typing import Final

RECOVERS: Final = "recovers"
WORKS: Final = "works"
WEDGED: Final = "wedged"
CRAWLS: Final = "crawls"
OOM: Final = "OOM"

SLOT_S: Final = 0.5
"""The resolution of times to recover."""
STEADY_SLOTS: Final = 10
"""Half seconds in a row, each with a beat, that make a heartbeat steady again: a choice."""
CRAWLING: Final = 1.0
"""Pages a second, in and out together, from which on a machine without a steady heartbeat crawls and is not wedged: a choice,
below the 2-10 that were seen of those that crawled, and above the next to nothing of those that were wedged."""

_EXPECTED: Final = {
    WORKS: "A is not wedged",
    RECOVERS: "A is not wedged",
    CRAWLS: "A is slow",
    WEDGED: "A is wedged",
}


def known(written: str) -> str:
    """A verdict in the words above: `+OOM` where a program was killed and the heartbeat went on, OOM alone where it did not."""
    words = written.replace("+", " ").replace(",", " ").split()
    killed = OOM in words
    went_on = [word for word in (RECOVERS, WORKS, CRAWLS) if word in words]
    if not went_on:
        return OOM if killed else words[0] if words else ""
    return f"{went_on[0]}+{OOM}" if killed else went_on[0]


def steady_from(beats: Sequence[int]) -> int | None:
    """The first half second from which on each has a beat, long enough; None if there is none. `beats`: in each half second."""
    run = 0
    for place, count in enumerate(beats):
        run = run + 1 if count else 0
        if run == STEADY_SLOTS:
            return place - STEADY_SLOTS + 1
    return None


def judged(steady: int | None, pages_per_s: float, *, killed: bool, fault: bool) -> str:
    """The verdict of a run. `steady`: as above, from the heal on; `pages_per_s`: to and from the swap, while it was watched."""
    if steady is not None:
        went_on = RECOVERS if fault else WORKS
        return f"{went_on}+{OOM}" if killed else went_on
    if killed:
        return OOM
    return CRAWLS if pages_per_s >= CRAWLING else WEDGED


def expected(written: Sequence[str]) -> list[str]:
    """What a scenario expects of A, if reality had one verdict; of several nothing can be expected of one run."""
    verdicts = {known(one) for one in written}
    if len(verdicts) != 1:
        return ["A.lost_pages == 0"]
    (verdict,) = verdicts
    if OOM in verdict:
        return ["A is oom-killed"]
    return [_EXPECTED.get(verdict, "A.lost_pages == 0")]
