"""The network in shards: the same bytes and the same fates, however the machines are dealt out and whatever happens meanwhile."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netswap.cluster.engine import build
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.engine.shard import (
    FaultChange,
    Step,
    Told,
    Window,
    pack_step,
    pack_told,
    unpack_step,
    unpack_told,
)
from netswap.cluster.lab import Cluster
from netswap.cluster.pytest_plugin import Open
from netswap.cluster.scenario import Scenario, load

SCENE = """
title: ranks that swap and exchange, a flood, and all that can go wrong
stop: 30ms
seed: 3
network: {network}
machines:
  A:
    count: 4
    memory: 8MiB
    swap: {{server: C, size: 64MiB, in_flight: 32}}
    programs:
      - rank: {{working_set: 16MiB, touch: 512KiB, compute: 1ms, exchange: ring, message: 20KiB}}
      - service: {{port: 9000, sockets: 4}}
  B:
    programs:
      - flood: {{to: "A2:9000", rate: 100Mbit/s, payload: 1472B}}
  C:
    programs:
      - swap-server: {{disk_latency: 0ns, disk_bandwidth: 1000000MB/s}}
timeline: [{timeline}]
"""
MACHINES = 6
NETWORKS = {
    "plain": "{latency: 100us}",
    "chance": "{latency: 100us, jitter: 30us, bandwidth: 1Gbit/s, queue: 64, loss: 1%, duplicate: 1%, reorder: 1%}",
    "ports": "{latency: 100us, port: {bandwidth: 1Gbit/s, queue: 64}}",
}
FAULTS = {
    "none": "",
    "partition": "{at: 10ms, partition: [C], for: 5ms}",
    "cut": "{at: 10ms, cut: {from: C, to: A0}, for: 5ms}",
    "hold": "{at: 10ms, hold: {from: C, to: A}, for: 5ms}",
    "slow": "{at: 10ms, slow: {from: A0, to: C, latency: 1ms, jitter: 50us}, for: 5ms}",
    "lossy": "{at: 10ms, lossy: {from: A1, to: C, rate: 20%}, for: 5ms}",
    "crash of a client": "{at: 10ms, crash: A1, for: 5ms}",
    "crash of the server": "{at: 10ms, crash: C, for: 5ms}",
    "pause of a client": "{at: 10ms, pause: A2, for: 5ms}",
    "pause of the server": "{at: 10ms, pause: C, for: 5ms}",
    "two at once": "{at: 10ms, pause: A0, for: 5ms}, {at: 10ms, partition: [A0, A1], for: 3ms}",
}
IN_BLOCKS, DEALT_OUT = [[0, 1, 2], [3, 4, 5]], [[0, 3], [1, 4], [2, 5]]
ALONE = [[index] for index in range(MACHINES)]


def scene(network: str = "plain", fault: str = "none") -> Scenario:
    """The scenario on this network, with this fault."""
    return load(SCENE.format(network=NETWORKS[network], timeline=FAULTS[fault]))


def opened(scenario: Scenario, shares: Sequence[Sequence[int]] | None) -> Cluster:
    """In this process, in these shards; None: as it is run by itself."""
    return Cluster(scenario, InlineEngine(scenario.resolved(), record=True, shares=shares))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("network", NETWORKS)
def test_shards_send_the_same_bytes_and_see_the_same_fates(network: str, fault: str) -> None:
    """In blocks, dealt out so that nearly every frame crosses, and each machine in one of its own."""
    scenario = scene(network, fault)
    with opened(scenario, None) as whole:
        whole.run()
        assert whole["A0"].counters["received"] > 50
        for shares in (IN_BLOCKS, DEALT_OUT, ALONE):
            with opened(scenario, shares) as parts:
                parts.run()
                parts.assert_same_as(whole)
                assert parts.digest() == whole.digest()


@settings(max_examples=10, deadline=None)
@given(
    st.permutations(range(MACHINES)),
    st.integers(1, MACHINES),
    st.lists(st.integers(0, 30_000), max_size=6),
    st.sampled_from(sorted(FAULTS)),
    st.sampled_from(sorted(NETWORKS)),
)
def test_looks_at_any_moments_change_nothing_and_see_the_same(
    order: list[int], count: int, looks_us: list[int], fault: str, network: str
) -> None:
    """Any machines in any shard; at each look no frame is lost between two shards."""
    scenario = scene(network, fault)
    shares = [sorted(order[place::count]) for place in range(count)]
    with opened(scenario, None) as whole, opened(scenario, shares) as parts:
        for look_us in sorted(looks_us):
            for cluster in (whole, parts):
                cluster.run_to(max(cluster.now_ns, look_us * 1000))
            assert parts.state().links == whole.state().links
        parts.run()
        whole.run()
        assert parts.digest() == whole.digest()


@pytest.mark.parametrize("shares", [IN_BLOCKS, DEALT_OUT, ALONE])
def test_a_fault_by_hand_gives_the_bytes_of_the_same_fault_in_a_timeline(shares: list[list[int]]) -> None:
    """At its beginning and its end the clock stands; nothing waits between two shards then."""
    with opened(scene("plain", "partition"), shares) as timed, opened(scene(), shares) as by_hand:
        timed.run()
        by_hand.run_to(10_000_000)
        with by_hand.partition({"C"}):
            by_hand.run_to(15_000_000)
        by_hand.run()
        by_hand.assert_same_as(timed)


@pytest.mark.ray
@pytest.mark.parametrize("exchange", ["connections", "calls"])
@pytest.mark.parametrize("fault", ["partition", "crash of the server"])
def test_on_ray_each_packed_actor_has_its_shard(
    fault: str, exchange: str, netswap: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes and fates, with looks in between."""
    text = SCENE.format(network=NETWORKS["plain"], timeline=FAULTS[fault])
    with opened(scene("plain", fault), None) as whole:
        monkeypatch.setattr(build, "FEW", 2)
        parts = netswap(text, engine="ray", machines_per_actor=3, exchange=exchange)
        for look_ms in (3, 11, 30):
            for cluster in (whole, parts):
                cluster.run_to(look_ms * 1_000_000)
            assert parts.state() == whole.state()._replace(windows=parts.state().windows)
        assert parts.digest() == whole.digest()


def test_windows_are_hardly_more_than_with_one_shard() -> None:
    """What has been sent to another shard is bounded by its sender, who knows less of its link."""
    windows = []
    for shares in ([range(MACHINES)], DEALT_OUT):
        with opened(scene(), shares) as cluster:
            windows.append(cluster.run().state().windows)
    assert windows[0] <= windows[1] <= windows[0] * 1.1


def test_what_travels_is_what_was_said() -> None:
    fault = FaultChange(True, 1, "cut", {"from": [0], "to": [1, 2]}, 5)
    step = Step(Window(10, 20), Window(5, 10), [fault], [b"a", b""], everybody=True)
    assert unpack_step(pack_step(step)) == step
    told = Told(1 << 62, [b"", b"x"])
    assert unpack_told(pack_told(told)) == told
