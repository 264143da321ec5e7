"""Segments of TCP that leave together: announced and received as bursts and one by one, all that a run says is the same."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from netswap.actors.net import nic
from netswap.actors.net.nic import Nic
from netswap.actors.net.stack import Stack
from netswap.actors.net.tcp import Tcp
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.lab import Cluster
from netswap.cluster.scenario import load
from netswap.protocol.frame import Arrival, is_burst, one_of
from tests.actors.graph import drawn

SCENARIO = """
title: ranks that swap over NBD and exchange messages, and what is done to them
stop: 60ms
seed: {seed}
kernel: {kernel}
safeguards: {safeguards}
reserve: {{pages: 64}}
network: {network}
machines:
  A:
    count: 3
    memory: {memory}
    nic: {{refill: {refill}, ring: {ring}}}
    swap: {{server: C, transport: {transport}, size: 32MiB, in_flight: 8}}
    programs:
      - rank: {{working_set: {working_set}, touch: 256KiB, compute: 1ms, exchange: {exchange}, message: {message}}}
      - service: {{protocol: tcp, port: 9000, pages: {pages}}}
  B:
    programs: [{{flood: {{protocol: tcp, to: "A0:9000", rate: 300Mbit/s, payload: 20000B, from: 5ms}}}}]
  C:
    programs: [{{swap-server: {{disk_latency: 100us, disk_bandwidth: 200MB/s}}}}]
timeline: {timeline}
"""
NETWORKS = (
    "{latency: 100us}",
    "{latency: 100us, bandwidth: 300Mbit/s}",
    "{latency: 100us, bandwidth: 200Mbit/s, queue: 20}",
    "{latency: 100us, jitter: 30us, loss: 2%, duplicate: 1%, reorder: 2%, corrupt: 1%}",
)
TIMELINES = (
    "[]",
    "[{at: 20ms, pause: A0, for: 5ms}, {at: 40ms, cut: {from: A1, to: A2}, for: 4ms}]",
    "[{at: 15ms, crash: A1, for: 10ms}, {at: 30ms, freeze: A0, for: 8ms}]",
    "[{at: 10ms, partition: [C], for: 20ms}, {at: 40ms, hold: {from: A0, to: A1}, for: 3ms}]",
)


def told(text: str, looks: tuple[int, ...] = (), *, bursts: bool = True, hands_over: bool = True) -> Any:
    """Digest, all that was sent, what is to be seen of each machine and link, and all that each machine holds.

    `looks`: times at which the run is stopped and looked at, ns.
    """
    before, nic.bursts = nic.bursts, bursts
    try:
        scenario = load(text)
        engine = InlineEngine(scenario.resolved(), record=True, hands_over=hands_over)
        with Cluster(scenario, engine) as cluster:
            seen: list[Any] = []
            for at_ns in sorted(looks):
                cluster.run_to(at_ns)
                seen.append(cluster.state().machines)
            cluster.run()
            state = cluster.state()
            held = [_held(engine, index) for index in range(len(state.machines))]
            return cluster.digest(), cluster.sent(), state.machines, state.links, seen, held
    finally:
        nic.bursts = before


def _held(engine: InlineEngine, index: int) -> list[str]:
    """All that a machine holds, but for the flag itself, what it has said last and no loan; what is coming frame by frame."""
    machine = engine.machine(index)
    machine.said = []
    machine._arrivals = sorted(one for arrival in machine._arrivals for one in _each(arrival))
    machine.nic._unserved = [
        (one_of(frame, first + place), 0, 1, flags) if is_burst(frame) else (frame, first + place, 1, flags)
        for frame, first, count, flags in machine.nic._unserved
        for place in range(count)
    ]
    machine.nic._bursts, machine.nic._passes_bursts = False, None
    return [line.replace(" _lent=None", "") for line in drawn(machine)]


def _each(arrival: Arrival) -> Iterator[Any]:
    """An arrival of segments as those of each; any other as it is."""
    at_ns, source, number, copy, count, gap, first, flags, frame = arrival
    if not is_burst(frame):
        yield (at_ns, source, number, copy, count, gap * (count > 1), first, flags, frame)
        return
    for place in range(count):
        one = one_of(frame, first + place)
        yield (at_ns + place * gap, source, number + place, copy, 1, 0, 0, flags, one)


def scene(**values: object) -> str:
    """The scenario with these values instead of the simplest."""
    simplest: dict[str, object] = {
        "seed": 1,
        "kernel": "linux-2.6.22",
        "safeguards": "none",
        "network": NETWORKS[0],
        "memory": "8MiB",
        "refill": "e1000",
        "ring": 64,
        "transport": "nbd",
        "working_set": "10MiB",
        "exchange": "halo",
        "message": "16KiB",
        "pages": 8,
        "timeline": "[]",
    }
    return SCENARIO.format(**{**simplest, **values})


def same(one: Any, other: Any) -> None:
    """Both have said the same: the digests first, since the rest is long."""
    assert one[0] == other[0]
    for this, that in zip(one[1:], other[1:], strict=True):
        assert this == that


@pytest.mark.parametrize("timeline", TIMELINES)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_run_says_the_same_with_bursts_and_without(network: str, timeline: str) -> None:
    """Losses, copies, another order, queues that are full, pauses, crashes and cuts fall on segments, not on bursts."""
    text = scene(network=network, timeline=timeline)
    same(told(text), told(text, bursts=False))


@pytest.mark.parametrize("hands_over", [True, False])
@pytest.mark.parametrize("kernel", ["linux-2.6.22", "linux-6.1", "linux-6.11"])
def test_so_it_does_under_each_kernel_and_where_frames_are_decoded(kernel: str, hands_over: bool) -> None:
    """Between processes there are no bursts: a burst's bytes are those of its segments."""
    text = scene(kernel=kernel)
    same(told(text, hands_over=hands_over), told(text, bursts=False))


@settings(
    max_examples=8, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate)
)  # to shrink takes minutes
@given(
    values=st.fixed_dictionaries(
        {
            "seed": st.integers(0, 1000),
            "kernel": st.sampled_from(["linux-2.6.22", "linux-6.1", "linux-6.11"]),
            "safeguards": st.sampled_from(["none", "reserve"]),
            "network": st.sampled_from(NETWORKS),
            "memory": st.sampled_from(["4MiB", "6MiB", "16MiB"]),
            "refill": st.sampled_from(["e1000", "e1000e", "tg3", "8139cp"]),
            "ring": st.sampled_from([16, 40, 256]),
            "transport": st.sampled_from(["nbd", "nfs"]),
            "working_set": st.sampled_from(["3MiB", "8MiB", "20MiB"]),
            "exchange": st.sampled_from(["ring", "halo", "allreduce"]),
            "message": st.sampled_from(["100B", "3000B", "16KiB", "200KiB"]),
            "pages": st.sampled_from([0, 8]),
            "timeline": st.sampled_from(TIMELINES),
        }
    ),
    looks=st.lists(st.integers(1, 59_999_999), max_size=6).map(tuple),
)
def test_whatever_the_machines_are_and_wherever_windows_end(values: dict[str, object], looks: tuple[int, ...]) -> None:
    """Looks end windows, and cut bursts; memory is short in some, so that buffers fail in the middle of one."""
    text = scene(**values)
    same(told(text, looks), told(text, looks, bursts=False))


def test_bursts_are_what_a_message_is_announced_and_received_as(monkeypatch: pytest.MonkeyPatch) -> None:
    """16 KiB are 11 segments of 1448 bytes and one of 456: a burst of 11 where the window is open, most of it in one step."""
    announced: list[int] = []
    passed: list[int] = []
    send, receive = Nic._send_burst, Nic._receive_burst

    def sends(self: Nic, destination: int, port: int, wire: int, bodies: Any) -> None:
        announced.append(len(bodies))
        send(self, destination, port, wire, bodies)

    def receives(self: Nic, stack: Stack, arrival: Any, limit_ns: int) -> Any:
        rest = receive(self, stack, arrival, limit_ns)
        passed.append(arrival[4] - (0 if rest is None else rest[4]))
        return rest

    monkeypatch.setattr(Nic, "_send_burst", sends)
    monkeypatch.setattr(Nic, "_receive_burst", receives)
    told(scene(exchange="ring", memory="16MiB"))
    assert 16 * 1024 // 1448 in announced
    assert max(passed) > 2
    announced.clear()
    told(scene(exchange="ring", memory="16MiB"), bursts=False)
    assert not announced


def test_a_short_way_that_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A burst that is passed on to a reader that does not read at once says other windows."""
    text = scene(message="200KiB", pages=0)
    right = told(text)
    monkeypatch.setattr(Tcp, "express", lambda self, frame: self.connections[frame[2], frame[-1][0][0], frame[8]])
    assert told(text)[:2] != right[:2]
