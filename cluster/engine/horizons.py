"""How far each machine can advance before anything reaches it that is not known yet.

What is not known yet has a chain of causes. It begins at a machine that acts by itself, or on an arrival that is known;
each link adds its latency, and a machine's promise of silence only delays. So the earliest unknown arrival at a machine is
the end of a shortest path in time, over the links that may carry anything, from all machines at once. A chain that begins
at the machine itself is not looked at here: it begins with something that the machine has sent, and it stops by itself
when that could be answered (`answers`).
"""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from netswap.actors.events import NEVER

Ways = list[list[tuple[int, int]]]
"""For each machine, (destination, latency in ns) of all to which it may send."""


class Look(NamedTuple):
    """What a machine can rely on, for each machine, in ns; nothing is later than the limit that was given."""

    reached: list[int]
    """Nothing unknown that begins elsewhere reaches it before."""
    sends: list[int]
    """Nothing unknown leaves it before."""


def look(ways: Ways, acts: Sequence[int], silent: Sequence[int], limit_ns: int) -> Look:
    """`acts`: when each machine does something as far as is known; `silent`: it sends nothing before, whatever comes.

    Dijkstra's algorithm, with two labels for each machine: the first times at which it may send for causes that begin at
    different machines. The machine where the first of them began needs the second.
    """
    reached = [limit_ns] * len(ways)
    sends = [limit_ns] * len(ways)
    first = [max(pair) for pair in zip(acts, silent, strict=True)]
    roots = list(range(len(ways)))
    second = [limit_ns] * len(ways)
    heap = [(at_ns, machine, machine) for machine, at_ns in enumerate(first) if at_ns < limit_ns]
    heapify(heap)
    while heap:
        at_ns, machine, root = heappop(heap)
        if at_ns > (first[machine] if roots[machine] == root else second[machine]):
            continue
        if at_ns < sends[machine]:
            sends[machine] = at_ns
        for to, latency_ns in ways[machine]:
            arrives_ns = at_ns + latency_ns
            if to == root or arrives_ns >= limit_ns:
                continue
            if arrives_ns < reached[to]:
                reached[to] = arrives_ns
            label_ns = arrives_ns if arrives_ns > silent[to] else silent[to]
            if roots[to] == root:
                if label_ns >= first[to]:
                    continue
                first[to] = label_ns
            elif label_ns < first[to]:
                first[to], second[to], roots[to] = label_ns, first[to], root
            elif label_ns < second[to]:
                second[to] = label_ns
            else:
                continue
            heappush(heap, (label_ns, to, root))
    return Look(reached, sends)


def answers(ways: Ways) -> list[list[int]]:
    """For each machine and each other, how long what is sent there takes until something that it causes can be back.

    In ns; `NEVER` where nothing leads back.
    """
    table = [[NEVER] * len(ways) for _ in ways]
    back = [_shortest(ways, machine) for machine in range(len(ways))]
    for machine, links in enumerate(ways):
        for to, latency_ns in links:
            table[machine][to] = min(NEVER, latency_ns + back[to][machine])
    return table


def _shortest(ways: Ways, start: int) -> list[int]:
    """How long it takes from one machine to each, in ns; `NEVER` where no links lead."""
    found = [NEVER] * len(ways)
    found[start] = 0
    heap = [(0, start)]
    while heap:
        so_far_ns, machine = heappop(heap)
        if so_far_ns > found[machine]:
            continue
        for to, latency_ns in ways[machine]:
            if so_far_ns + latency_ns < found[to]:
                found[to] = so_far_ns + latency_ns
                heappush(heap, (found[to], to))
    return found
