"""Steady stretches in whole runs: with them and without, all that a run says is the same."""

from typing import Any

import pytest

from netswap.actors.net import steady
from netswap.cluster.lab import open_cluster

SCENARIO = """
title: a flood, an outage, and what is done to A meanwhile
stop: 4s
kernel: {kernel}
safeguards: {safeguards}
reserve: {{pages: auto}}
network: {{latency: 1ms, bandwidth: {bandwidth}}}
machines:
  A:
    memory: 32MiB
    nic: {{ring: 64}}
    swap: {{server: C, transport: nfs, size: 256MiB}}
    programs:
      - rank: {{working_set: 40MiB, touch: 2MiB, compute: 20ms}}
      - service: {{port: 9000, sockets: 8, pages: 8}}
      - service: {{port: 9100, sockets: 8}}
  B:
    programs:
      - flood: {{to: "A:9000", rate: 80Mbit/s, payload: 1472B, from: 500ms}}
  D:
    programs:
      - flood: {{to: "A:9100", rate: 60Mbit/s, payload: 1472B, from: 1500ms, for: 500ms, train: 100ms}}
  C:
    programs: [{{swap-server: {{disk_latency: 200us, disk_bandwidth: 100MB/s}}}}]
timeline:
  - {{at: 500ms, partition: [C], for: 3s}}
  - {{at: 1100ms, pause: A, for: 100ms}}
"""


def told(text: str, *, stretches: bool) -> tuple[str, list[Any]]:
    """Digest and reports, at the end and on the way."""
    before, steady.enabled = steady.enabled, stretches
    try:
        with open_cluster(text) as cluster:
            looks: list[Any] = []
            for at_ms in (700, 1300, 1301, 2600):
                cluster.run_to(at_ms * 1_000_000)
                looks.append(cluster.state().machines)
            cluster.run()
            return cluster.digest(), [*looks, cluster.state()]
    finally:
        steady.enabled = before


@pytest.mark.parametrize("bandwidth", ["1Gbit/s", "100Mbit/s"])
@pytest.mark.parametrize("safeguards", ["none", "reserve"])
@pytest.mark.parametrize("kernel", ["linux-2.6.22", "linux-6.11"])
def test_a_run_says_the_same_with_stretches_and_without(kernel: str, safeguards: str, bandwidth: str) -> None:
    """Digest, counters, slots of progress, waits, timers, the graph: at the end, and at looks in between."""
    text = SCENARIO.format(kernel=kernel, safeguards=safeguards, bandwidth=bandwidth)
    assert told(text, stretches=True) == told(text, stretches=False)
