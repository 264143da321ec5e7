"""Floods that leave in bursts: a sender that a timer wakes sends together what has become due."""

import pytest

from netswap import ScenarioError, milliseconds, open_cluster
from netswap.cluster.scenario import load
from netswap.protocol.ip import datagram_wire

SCENE = """
title: a flood in bursts
stop: 1s
network: {{latency: 1ns}}
machines:
  A:
    memory: 64MiB
    programs:
      - service: {{port: 9000, buffer: 8MiB, reads: never}}
  B:
    programs:
      - flood: {{to: "A:9000", {flood}}}
"""
PER_MS = 6
"""Frames that are due in a millisecond: 60 in 10."""


def flood(payload: int, more: str = "") -> str:
    """A flood of six messages a millisecond."""
    packets, each, last = datagram_wire(payload)
    bits = 8 * ((packets - 1) * each + last) * PER_MS * 1000
    return SCENE.format(flood=f"payload: {payload}B, rate: {bits}bit/s{more}")


@pytest.mark.parametrize("payload", [1472, 4096])
@pytest.mark.parametrize(
    ("burst", "waiting"), [(", burst: 10ms", (60, 60, 120)), ("", (6 * 3, 6 * 9, 6 * 13))], ids=["bursts", "evenly"]
)
def test_what_is_due_in_the_time_of_a_burst_leaves_together(payload: int, burst: str, waiting: tuple[int, ...]) -> None:
    """After 3 ms all 60 messages of the first 10 have come, and no other before the next burst; the twin has them one by one.

    60 messages of 4096 bytes are 180 frames, which take 2.2 ms at 1 Gbit/s. One more may be under way of those that come evenly.
    """
    packets = datagram_wire(payload)[0]
    with open_cluster(flood(payload, burst)) as cluster:
        for at, messages in zip((3, 9, 13), waiting, strict=True):
            cluster.run_to(milliseconds(at))
            assert messages - 1 <= cluster["A"].socket_frames / packets <= messages + 1, at
        cluster.run_to(milliseconds(100) - 1)
        assert abs(cluster["A"].socket_frames / packets - 100 * PER_MS) <= 1


def test_a_burst_is_announced_as_one_train() -> None:
    """So that the two words do not go together."""
    with pytest.raises(ScenarioError) as error:
        load(flood(1472, ", burst: 10ms, train: 1ms"))
    assert "a burst is announced as one train" in str(error.value)
    assert "remove train, or burst" in str(error.value)
