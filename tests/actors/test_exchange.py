"""Blocking exchanges among ranks: who hears of whom, what a step waits for, and what a lost connection or machine costs."""

from typing import Any

import pytest

from netswap.actors.programs.collectives import EXCHANGES, Round, partners
from netswap.cluster.lab import Cluster, open_cluster
from netswap.protocol.units import milliseconds, seconds

SIZES = [*range(2, 18), 31, 32, 33, 100]


def run(exchange: str, ranks: int) -> list[set[int]]:
    """Every rank does one step and says all it knows in each message; what each knows then (blocks for ever: an error)."""
    left = [list(EXCHANGES[exchange](rank, ranks)) for rank in range(ranks)]
    known = [{rank} for rank in range(ranks)]
    wire: dict[tuple[int, int], list[set[int]]] = {}
    said = [False] * ranks
    while any(left):
        before = sum(map(len, left)), sum(said)
        for rank in range(ranks):
            if left[rank] and not said[rank]:
                said[rank] = True
                for other in left[rank][0].to:
                    wire.setdefault((rank, other), []).append(set(known[rank]))
        for rank in range(ranks):
            if left[rank] and all(wire.get((other, rank)) for other in left[rank][0].source):
                for other in left[rank][0].source:
                    known[rank] |= wire[other, rank].pop(0)
                left[rank].pop(0)
                said[rank] = False
        assert (sum(map(len, left)), sum(said)) != before, f"{exchange} of {ranks} blocks for ever"
    assert not any(wire.values()), "a message that nobody awaits"
    return known


@pytest.mark.parametrize("ranks", SIZES)
def test_each_exchange_tells_its_ranks_what_it_should(ranks: int) -> None:
    """Ring: the one before; halo: both neighbours, round the ends; allreduce: all of them."""
    for rank, known in enumerate(run("ring", ranks)):
        assert known == {rank, (rank - 1) % ranks}
    for rank, known in enumerate(run("halo", ranks)):
        assert known == {rank, (rank - 1) % ranks, (rank + 1) % ranks}
    assert all(known == set(range(ranks)) for known in run("allreduce", ranks))


def test_an_allreduce_of_a_power_of_two_takes_its_logarithm_in_rounds() -> None:
    """2^k ranks: k rounds, each with another partner; any other number: one more to fold and one to unfold."""
    assert EXCHANGES["allreduce"](5, 8) == [Round((4,), (4,)), Round((7,), (7,)), Round((1,), (1,))]
    assert EXCHANGES["allreduce"](0, 5) == [Round(to=(1,)), Round(source=(1,))]
    assert len(EXCHANGES["allreduce"](1, 5)) == 2 + 2
    assert partners("allreduce", 5, 8) == [1, 4, 7]


# -- on machines --------------------------------------------------------------------------------------------------------


def ranks(exchange: str, number: int, message: str, *, rank: str = "", **keys: Any) -> Cluster:
    """So many machines, each with a rank that touches 4 pages a step and computes for 10 ms."""
    text = f"""
title: ranks
stop: 100s
network: {{latency: 1ms}}
machines:
  A:
    count: {number}
    memory: 16MiB
    programs:
      - rank: {{working_set: 1MiB, touch: 16KiB, compute: 10ms, exchange: {exchange}, message: {message}{rank}}}
"""
    return open_cluster(text, **keys)


def steps(cluster: Cluster, number: int) -> list[int]:
    """Steps that each has begun; a step touches 4 pages."""
    return [cluster[f"A{index}"].progress // 4 for index in range(number)]


@pytest.mark.parametrize(("exchange", "rounds"), [("ring", 1), ("halo", 1), ("allreduce", 3)])
def test_a_step_takes_its_rounds(exchange: str, rounds: int) -> None:
    """10 ms of computing, and for each round a small message: 1 ms of latency, and 10 us on the wire at most.

    The calls before the first step take two round trips.
    """
    with ranks(exchange, 8, "1KiB") as cluster:
        cluster.run_to(seconds(2))
        least = milliseconds(10) + rounds * milliseconds(1)
        most = least + rounds * 10_000
        for done in steps(cluster, 8):
            assert (seconds(2) - milliseconds(5)) // most <= done <= seconds(2) // least + 1


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_messages_longer_than_all_buffers_block_nobody_for_ever(exchange: str) -> None:
    """Everybody sends 1 MiB before anybody has read: who waits for room reads meanwhile, so that all get on."""
    with ranks(exchange, 5, "1MiB", rank=", steps: 3") as cluster:
        cluster.run_to(seconds(20))
        assert all(cluster[f"A{index}"].verdict == "finished" for index in range(5))


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_exchanges_go_on_over_links_that_lose_double_and_reorder(exchange: str) -> None:
    """All ranks do all their steps; frames are conserved, and nothing is kept at the end."""
    network = {"latency": "1ms", "jitter": "1ms", "loss": "2%", "duplicate": "2%", "reorder": "2%"}
    with ranks(exchange, 5, "20KiB", rank=", steps: 50", network=network) as cluster:
        cluster.run_to(seconds(99))
        assert steps(cluster, 5) == [50] * 5
        frames = cluster.frames()
        assert frames["sent"] + frames["duplicated"] == (
            frames["delivered"] + sum(frames["dropped"].values()) + frames["under_way"]
        )
        assert sum(cluster[f"A{index}"].socket_frames for index in range(5)) == 0


def test_one_stall_delays_everybody_by_as_much() -> None:
    """Row 56, the max rule: a pause of 3 s of one rank costs every rank of an allreduce 3 s of steps, within two."""
    plain, paused = ranks("allreduce", 4, "1KiB"), ranks("allreduce", 4, "1KiB")
    with plain, paused:
        plain.run_to(seconds(7))
        paused.run_to(seconds(2))
        with paused.pause("A2"):
            paused.run_for(seconds(3))
        paused.run_to(seconds(10))
        for one, other in zip(steps(plain, 4), steps(paused, 4), strict=True):
            assert abs(one - other) <= 20  # a time-out of 0.2 s, in which the resumed one is found again


def test_a_broken_connection_costs_time_and_no_message() -> None:
    """An outage of 1100 s outlasts every retransmission (924.6 s); the ranks call again and go on where they were."""
    with ranks("ring", 3, "20KiB", rank=", steps: 400", stop="1600s") as cluster:
        cluster.run_to(seconds(2))
        before = min(steps(cluster, 3))
        with cluster.partition({"A0"}):
            cluster.run_for(seconds(1100))
            assert max(steps(cluster, 3)) < before + 10
        cluster.run_to(seconds(1599))
        assert steps(cluster, 3) == [400] * 3


def test_a_rank_whose_machine_was_restarted_is_told_all_it_had_been_told() -> None:
    """It starts at step 0, and the others wait until it has caught up: they do all their steps, and it does too."""
    with ranks("halo", 3, "1KiB", rank=", steps: 300") as cluster:
        cluster.run_to(seconds(1))
        done = steps(cluster, 3)[1]
        with cluster.crash("A1"):
            cluster.run_for(seconds(2))
        cluster.run_to(seconds(90))
        assert [steps(cluster, 3)[index] for index in (0, 2)] == [300, 300]
        assert steps(cluster, 3)[1] == 300 + done
        assert cluster["A1"].programs["rank 0"]["finished"]
