"""Short ways through a machine and its network: with each of them and without, all that a run says is the same."""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from netswap.actors.machine import Machine
from netswap.actors.memory.scan import Scan
from netswap.actors.net.nic import Nic
from netswap.actors.net.stack import Stack
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.lab import Cluster
from netswap.cluster.scenario import load
from netswap.protocol.errors import RemoteProtocolError
from netswap.protocol.frame import PAGE_OUT, UDP, as_read, cut, encode

SWAPS = """
title: page operations beside a flood, over an outage
stop: 700ms
kernel: {kernel}
safeguards: {safeguards}
reserve: {{pages: auto}}
network: {network}
machines:
  A:
    memory: 16MiB
    nic: {{ring: 64}}
    swap: {{server: C, transport: {transport}, size: 64MiB, in_flight: 8}}
    programs:
      - rank: {{working_set: 20MiB, touch: {touch}, compute: 5ms, start: {start}}}
      - service: {{port: 9000, sockets: 8, pages: 8}}
  B:
    programs:
      - flood: {{to: "A:9000", rate: 40Mbit/s, payload: 1472B, from: 150ms}}
  C:
    programs: [{{swap-server: {{disk_latency: 200us, disk_bandwidth: 100MB/s}}}}]
timeline:
  - {{at: 200ms, partition: [C], for: 50ms}}
  - {{at: 350ms, crash: C, for: 30ms}}
  - {{at: 500ms, pause: A, for: 30ms}}
"""
PLAIN = "{latency: 1ms}"
WITH_BANDWIDTH = "{latency: 1ms, bandwidth: 100Mbit/s}"
OF_CHANCE = "{latency: 300us, jitter: 50us, loss: 1%, duplicate: 1%, reorder: 1%, corrupt: 1%}"
NETWORKS = (PLAIN, WITH_BANDWIDTH, OF_CHANCE)
KERNELS = ("linux-2.6.22", "linux-6.11")
SHORT_WAYS = [(Stack, "pass_short"), (Machine, "_receive_whole"), (Nic, "_is_easy"), (Scan, "stops_at_once")]

RING = """
title: ranks that swap and exchange halos
stop: 40ms
network: {latency: 100us}
machines:
  A:
    count: 6
    memory: 4MiB
    swap: {server: C, size: 8MiB, in_flight: 4}
    programs:
      - rank: {working_set: 5MiB, touch: 256KiB, compute: 2ms, exchange: halo, message: 16KiB}
  C:
    programs: [{swap-server: {queue: 1000}}]
"""


def told(text: str, *, hands_over: bool = True, shares: list[list[int]] | None = None) -> tuple[str, list[bytes], Any]:
    """Digest, all that was sent, and what is to be seen of each machine and link."""
    scenario = load(text)
    engine = InlineEngine(scenario.resolved(), record=True, shares=shares, hands_over=hands_over)
    with Cluster(scenario, engine) as cluster:
        cluster.run()
        state = cluster.state()
        return cluster.digest(), cluster.sent(), (state.machines, state.links)


def swaps(kernel: str = "linux-2.6.22", network: str = PLAIN, transport: str = "nfs", *, throttled: bool = True) -> str:
    """The scenario of page operations; reclaim that is not `throttled` begins with nothing in memory."""
    safeguards, start, touch = ("reserve", "warm", "2MiB") if throttled else ("none", "cold", "12MiB")
    return SWAPS.format(
        kernel=kernel, network=network, safeguards=safeguards, transport=transport, start=start, touch=touch
    )


# -- frames that are handed over --------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("transport", ["nfs", "nbd"])
def test_frames_that_are_handed_over_arrive_as_those_that_are_decoded(network: str, transport: str) -> None:
    """The bytes of all that is sent, the digest, counters and links are the same."""
    text = swaps(network=network, transport=transport)
    assert told(text) == told(text, hands_over=False)


@pytest.mark.parametrize("shares", [None, [[0, 1, 2, 3, 4, 5, 6]], [[0, 2, 4, 6], [1, 3, 5]]])
def test_so_do_those_of_ranks_in_one_shard_or_in_several(shares: list[list[int]] | None) -> None:
    """What goes to another shard travels as bytes."""
    assert told(RING, shares=shares) == told(RING, shares=shares, hands_over=False)


def frame(kind: int, message: object, payload: object = 100) -> tuple[Any, ...]:
    """A frame with this message in it."""
    return (1, 10, 0, 5, 1, 146, 146, kind, 2049, 1, 0, (800, payload, 0, 1, 1, message))


def test_a_message_that_msgpack_reads_in_another_way_is_read_from_its_bytes() -> None:
    """A list comes as a tuple; whole numbers come as they are, and their frame is not read again."""
    odd, even = frame(UDP, ([1, 2], "a")), frame(UDP, (1, 2))
    sent = [(odd, encode(odd)), (even, encode(even))]
    read = as_read(sent)
    assert read == cut(b"".join(data for _, data in sent))
    assert read[0][0][-1][-1] == ((1, 2), "a")
    assert read[1] is sent[1]


@pytest.mark.parametrize("payload", [-1, 1.5, None])
def test_a_program_that_sends_nonsense_is_found_out_as_by_a_decoder(payload: object) -> None:
    """No stack can read a datagram of so many bytes."""
    bad = frame(UDP, (1,), payload)
    with pytest.raises(RemoteProtocolError, match="no stack can read the body"):
        as_read([(bad, encode(bad))])


def test_what_the_kernel_says_to_a_swap_server_is_not_read_again() -> None:
    """Only whole numbers are in it."""
    call = frame(PAGE_OUT, (7, 3, 1), 4224)
    sent = [(call, encode(call))]
    assert as_read(sent)[0] is sent[0]
    assert as_read(sent) == cut(sent[0][1], bodies=True)


# -- within a machine -------------------------------------------------------------------------------------------------


told_once = cache(told)
"""Each short way is compared with the same run."""


def never(*_: object) -> bool:
    """The long way."""
    return False


def counted(monkeypatch: pytest.MonkeyPatch, of: type, name: str) -> list[bool]:
    """What this method returns from now on."""
    original: Callable[..., bool] = getattr(of, name)
    results: list[bool] = []

    def method(*arguments: object) -> bool:
        results.append(original(*arguments))
        return results[-1]

    monkeypatch.setattr(of, name, method)
    return results


@pytest.mark.xdist_group("short ways")
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("of", "name"), SHORT_WAYS)
def test_a_short_way_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, of: type, name: str, kernel: str, network: str
) -> None:
    """Short frames without a buffer of their own, datagrams in two pieces, and in one, reclaim that ends at once."""
    text = swaps(kernel, network, throttled=of is not Scan)  # there reclaim goes the long way
    short = told_once(text)
    monkeypatch.setattr(of, name, never)
    assert told(text) == short


@pytest.mark.parametrize(("of", "name"), SHORT_WAYS)
def test_each_short_way_is_gone(monkeypatch: pytest.MonkeyPatch, of: type, name: str) -> None:
    """Or the comparison above would show nothing."""
    results = counted(monkeypatch, of, name)
    told(swaps(network=WITH_BANDWIDTH, throttled=of is not Scan))
    assert results.count(True) > 10
