"""Which machines share an actor."""

from heapq import heapify, heapreplace
from typing import Final

from netswap.cluster.scenario import cost
from netswap.cluster.scenario.resolved import Resolved

ALONE_MAX: Final = 16
"""Up to this number of machines get an actor each, unless something else is asked for."""


def actors(machines: int, machines_per_actor: int | None, cores: int) -> int:
    """How many machine actors there are; `machines_per_actor`: None for what is best."""
    if machines_per_actor is not None:
        return -(-machines // machines_per_actor)
    return machines if machines <= ALONE_MAX else min(machines, max(1, cores))


def shares(resolved: Resolved, machines_per_actor: int | None, cores: int) -> list[list[int]]:
    """The machines of each actor, by index, in order.

    As many to an actor as asked for, one after the other; or an actor each; or, of many machines, as many actors as there are
    cores, with about equal work as far as the scenario tells it: the busiest machine first, each to the actor with the
    least.
    """
    count = len(resolved.machines)
    if machines_per_actor is not None:
        return [list(range(at, min(at + machines_per_actor, count))) for at in range(0, count, machines_per_actor)]
    placed: list[list[int]] = [[] for _ in range(actors(count, None, cores))]
    if len(placed) == count:
        return [[index] for index in range(count)]
    loads = cost.loads(resolved)
    least = [(0.0, place) for place in range(len(placed))]
    heapify(least)
    for index in sorted(range(count), key=lambda index: -loads[index]):
        load, place = least[0]
        placed[place].append(index)
        heapreplace(least, (load + loads[index], place))
    return [sorted(share) for share in placed]
