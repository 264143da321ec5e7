"""Which machines share an actor."""

import pytest

from netswap.cluster.engine import placement
from netswap.cluster.scenario import load
from netswap.cluster.scenario.resolved import Resolved


def idle(count: int) -> Resolved:
    """So many machines that do nothing."""
    return load(f"title: t\nstop: 1s\nmachines: {{A: {{count: {count}, memory: 64MiB}}}}\n").resolved()


@pytest.mark.parametrize("count", [1, 2, placement.ALONE_MAX])
def test_few_machines_get_an_actor_each(count: int) -> None:
    assert placement.shares(idle(count), None, 2) == [[index] for index in range(count)]


@pytest.mark.parametrize("cores", [1, 2, 7])
def test_many_machines_get_an_actor_for_each_core(cores: int) -> None:
    """Each machine is in one of them, and equal ones are spread evenly: no actor has two more than another."""
    shares = placement.shares(idle(100), None, cores)
    assert sorted(index for share in shares for index in share) == list(range(100))
    assert len(shares) == cores
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_what_is_asked_for_is_had() -> None:
    assert placement.shares(idle(5), 2, 8) == [[0, 1], [2, 3], [4]]


def test_the_busiest_machine_is_not_joined_by_others_with_much_to_do() -> None:
    """All 19 swap to C: half of all frames are sent to it, or by it, so of two actors it has one nearly to itself."""
    resolved = load(
        """
title: t
stop: 10s
machines:
  A:
    count: 19
    memory: 64MiB
    swap: {server: C, size: 128MiB}
    programs: [{rank: {working_set: 96MiB, touch: 4MiB, compute: 1ms}}]
  C: {memory: 1GiB, programs: [{swap-server: {}}]}
"""
    ).resolved()
    shares = placement.shares(resolved, None, 2)
    mine = next(share for share in shares if 19 in share)
    assert len(mine) <= 3


@pytest.mark.parametrize(("machines", "per_actor", "cores"), [(3, None, 2), (100, None, 4), (7, 3, 2), (17, None, 64)])
def test_the_number_is_known_beforehand(machines: int, per_actor: int | None, cores: int) -> None:
    assert placement.actors(machines, per_actor, cores) == len(placement.shares(idle(machines), per_actor, cores))
