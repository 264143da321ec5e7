"""Windows are a matter of speed: however far machines run ahead of each other, they send the same bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netswap.actors import events
from netswap.actors.machine import Machine
from netswap.actors.network.network import Network
from netswap.cluster.engine import build, pace
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.lab import Cluster, open_cluster
from netswap.cluster.scenario import load
from netswap.protocol.units import milliseconds

STOP = "stop: 50ms"
SCENE = """
title: a rank that swaps faster than its card sends
{stop}
network: {{latency: 100us}}
machines:
  A:
    memory: 8MiB
    swap: {{server: C, size: 64MiB, in_flight: 32}}
    programs:
      - rank: {{working_set: 32MiB, touch: 32MiB, start: cold}}
      - service: {{port: 9000, sockets: 4}}
  B:
    programs:
      - flood: {{to: "A:9000", rate: 100Mbit/s, payload: 1472B}}
  C:
    programs:
      - swap-server: {{disk_latency: 0ns, disk_bandwidth: 1000000MB/s}}
timeline: [{timeline}]
"""
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "no fault": ("", {}),
    "A goes down, and its card forgets what it had to send": ("{at: 20ms, crash: A, for: 10ms}", {}),
    "the server goes down and comes back": ("{at: 20ms, crash: C, for: 10ms}", {}),
    "A stands still": ("{at: 20ms, pause: A, for: 10ms}", {}),
    "B stands still, with trains in its card": ("{at: 20ms, pause: B, for: 7500us}", {}),
    "answers are held": ("{at: 20ms, hold: {from: C, to: A}, for: 10ms}", {}),
    "C is away": ("{at: 20ms, partition: [C], for: 10ms}", {}),
    "a slow disk": ("{at: 20ms, slow-disk: {machine: C, latency: 3ms}, for: 10ms}", {}),
    "a link changes while much is under way": ("{at: 20ms, slow: {from: A, to: C, jitter: 50us}, for: 10ms}", {}),
    "links that become faster than they are written": (
        "{at: 20ms, slow: {from: A, to: C, latency: 100us}, for: 10ms}",
        {"network.links": [{"from": "A", "to": "C", "latency": "2ms"}, {"from": "C", "to": "A", "latency": "1ms"}]},
    ),
    "links of chance": (
        "{at: 20ms, reorder: {from: A, to: C, rate: 5%}, for: 10ms}, {at: 25ms, duplicate: {from: C, to: A, rate: 5%}, for: 9ms}",
        {"network": {"latency": "100us", "jitter": "30us", "bandwidth": "1Gbit/s", "queue": 64, "loss": "0.1%"}},
    ),
    "switch ports": ("", {"network": {"latency": "100us", "port": {"bandwidth": "1Gbit/s", "queue": 64}}}),
    "a narrow switch port": (
        "{at: 20ms, pause: A, for: 5ms}",
        {"network": {"latency": "100us", "port": {"bandwidth": "110Mbit/s", "queue": 16}}},
    ),
    "addresses have to be asked for": (
        "{at: 20ms, crash: C, for: 5ms}",
        {"network": {"latency": "100us", "arp": "on"}},
    ),
    "swap and flood over TCP": (
        "{at: 20ms, cut: {from: C, to: A}, for: 5ms}",
        {
            "machines.A.swap.transport": "nbd",
            "machines.A.programs": [
                {"rank": {"working_set": "32MiB", "touch": "32MiB", "start": "cold"}},
                {"service": {"port": 9000, "sockets": 4, "protocol": "tcp"}},
            ],
            "machines.B.programs": [
                {"flood": {"to": "A:9000", "rate": "100Mbit/s", "payload": "1448B", "protocol": "tcp"}}
            ],
        },
    ),
    "a program that may send to anybody": (
        "{at: 20ms, pause: C, for: 5ms}",
        {"machines.C.programs": [{"swap-server": {}}, {"programs:Teller": {"to": 0, "port": 9001}}]},
    ),
}


@contextmanager
def rules(**limits: int) -> Iterator[None]:
    """How far machines may run ahead, for as long as the block lasts; `FEW` 0: all windows end at one time for all."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in limits.items():
            patch.setattr({"FEW": build, "ANNOUNCED_MAX": events}.get(name, pace), name, value)
        yield


def run(case: str, pieces: int = 1) -> Cluster:
    """One case, in so many pieces; it is open still."""
    timeline, changes = CASES[case]
    cluster = open_cluster(SCENE.format(stop=STOP, timeline=timeline), set=changes, record=True)
    for piece in range(1, pieces + 1):
        cluster.run_to(50_000_000 * piece // pieces)
    return cluster


@pytest.mark.parametrize("case", CASES)
def test_a_machine_that_runs_ahead_changes_nothing(case: str) -> None:
    """The same run with one lookahead for all, and in pieces."""
    with run(case) as ahead, run(case, pieces=3) as paused:
        ahead.assert_same_as(paused)
        with rules(FEW=0), run(case) as together:
            ahead.assert_same_as(together)
            assert ahead["A"].counters["pages_out"] > 50


@cache
def digest(case: str) -> str:
    """Of one case, by the rules as they are."""
    with run(case) as cluster:
        return cluster.digest()


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(CASES)),
    st.integers(1_000, 40_000_000),
    st.integers(0, 4_000),
    st.integers(0, 4_000),
)
def test_no_limit_to_running_ahead_changes_anything(case: str, ahead_ns: int, ahead_bytes: int, announced: int) -> None:
    """However small; the digest is over all that was sent, and all counters."""
    expected = digest(case)
    with rules(AHEAD_NS=ahead_ns, AHEAD_BYTES=ahead_bytes, ANNOUNCED_MAX=announced), run(case) as short:
        assert short.digest() == expected


def test_what_runs_ahead_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """B announces every frame by itself: it stops after so many bytes, and goes on when the others have come so far."""
    advance = Machine.advance
    ahead: list[int] = []

    def watched(machine: Machine, *order: Any) -> bytes:
        out = advance(machine, *order)
        if machine.settings.name == "B":
            ahead.append(len(out))
        return out

    monkeypatch.setattr(Machine, "advance", watched)
    singles = {
        "machines.B.programs": [{"flood": {"to": "A:9000", "rate": "100Mbit/s", "payload": "1472B", "train": "1ns"}}]
    }
    with (
        rules(ANNOUNCED_MAX=2_000, AHEAD_BYTES=4_000),
        open_cluster(SCENE.format(stop=STOP, timeline=""), set=singles) as all_,
    ):
        all_.run()
        assert all_.links()["B>A"]["sent"] > 400
    assert 1_500 < max(ahead) < 2_200, "a frame takes some 50 bytes"
    assert len(ahead) > sum(ahead) // 2_200


WINDOWS = [
    # scenario, what is set, the most windows; with one lookahead for all it took so many
    ("configs/claims/row-12.yaml", {}, 600, 698),
    ("configs/claims/row-30.yaml", {}, 1_300, 2_595),
    ("configs/claims/row-35.yaml", {}, 2_000, 16_547),
    ("configs/claims/row-56.yaml", {}, 2_500, 55_066),
    ("configs/claims/row-49.yaml", {}, 2_150, 2_110),
    pytest.param("configs/three-machines.yaml", {"safeguards": "none"}, 4_200, 56_704, marks=pytest.mark.slow),
    pytest.param("configs/three-machines.yaml", {"safeguards": "reserve"}, 36_500, 57_563, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("path", "changes", "most", "before"), WINDOWS)
def test_windows_are_few(path: str, changes: dict[str, Any], most: int, before: int) -> None:
    """Two for each page-in that is waited for, and hardly any while nothing can happen."""
    with open_cluster(path, **changes) as cluster:
        assert cluster.run().state().windows <= most


def test_a_machine_that_only_repeats_itself_takes_a_window_for_each_repetition() -> None:
    """A has lost its server, and is flooded: its request goes out again after 1.1 s, 2.2 s, 4.4 s; B runs ahead by a second."""
    away = SCENE.format(stop="stop: 9s", timeline="{at: 1ms, partition: [C], for: 8s}")
    rank = {"working_set": "32MiB", "touch": "32MiB"}
    programs = [{"rank": rank}, {"service": {"port": 9000, "sockets": 4}}]
    with open_cluster(away, set={"machines.A.programs": programs}) as cluster:
        cluster.run_to(milliseconds(5))
        before = cluster.state().windows
        cluster.run_to(milliseconds(8_000))
        assert cluster.state().windows - before < 60


def test_heartbeats_that_concern_nobody_take_a_window_a_second() -> None:
    """They send nothing, and nobody sends to them."""
    beats = """
title: beats
stop: 5s
network: {latency: 100us}
machines:
  M: {count: 4, memory: 16MiB, programs: [{heartbeat: {every: 1ms}}]}
"""
    with open_cluster(beats) as cluster:
        assert cluster.run().state().windows <= 6
        assert cluster.frames()["sent"] == 0


def test_windows_are_as_long_as_what_a_card_has_to_send() -> None:
    """Up to 32 page-outs lie in the card: until they have left nothing else of A's can be felt."""
    quiet = {"machines.B.programs": []}
    windows = []
    for few in (build.FEW, 0):
        with rules(FEW=few), open_cluster(SCENE.format(stop=STOP, timeline=""), set=quiet) as cluster:
            windows.append(cluster.run().state().windows)
    assert windows[0] * 3 < windows[1] * 2


# -- one moment ------------------------------------------------------------------------------------------------------


def stopped_midway() -> InlineEngine:
    """A run that a watcher has stopped between two windows, while machines are at different times."""
    engine = InlineEngine(load(SCENE.format(stop=STOP, timeline="")).resolved(), record=True)
    looks = iter(range(40))
    assert not engine._clock.run(milliseconds(50), lambda: next(looks, None) is not None)
    times = [engine.machine(index).events.now for index in range(3)]
    assert len({*times}) > 1, "or this tests nothing"
    assert min(times) <= engine.now_ns < max(times)
    return engine


def test_a_look_at_a_run_that_goes_on_shows_one_moment() -> None:
    """All machines come to where the farthest is, and the run ends as if nobody had looked."""
    engine = stopped_midway()
    state = engine.state()
    assert {engine.machine(index).events.now for index in range(3)} == {state.now_ns}
    engine.run(milliseconds(50))
    with run("no fault") as whole:
        assert [engine.outbound(index) for index in range(3)] == whole.sent()
    engine.close()


def test_a_fault_by_hand_finds_all_machines_at_one_time() -> None:
    """Even in a run that has been stopped on its way."""
    engine = stopped_midway()
    engine.end(engine.begin("cut", {"from": [2], "to": [0]}))
    assert {engine.machine(index).events.now for index in range(3)} == {engine.now_ns}
    engine.run(milliseconds(50))
    engine.close()


def test_nobody_is_led_back_in_time() -> None:
    """A run that has been stopped on its way, and is then asked for less, ends where the farthest machine is."""
    engine = stopped_midway()
    farthest = max(engine.machine(index).events.now for index in range(3))
    engine.run(engine.now_ns + 1)
    assert engine.now_ns == farthest
    engine.close()


# -- who sends to whom -----------------------------------------------------------------------------------------------

CLIENT, FLOODER, SERVER = load(SCENE.format(stop=STOP, timeline="")).resolved().machines
SWAP = {(0, 2), (2, 0)}
ALL = {(1, 0), (1, 2), (0, 1), (2, 1)}


def flood(**more: Any) -> dict[str, Any]:
    """Settings of a flood to A."""
    return {"to": [0], "port": 9000, "rate": 1_000_000, "payload": 100, **more}


@pytest.mark.parametrize(
    ("kind", "told", "expected"),
    [
        ("flood", flood(), {(1, 0)}),
        ("flood", flood(to=[0, 2]), {(1, 0), (1, 2)}),
        ("flood", flood(protocol="tcp"), {(1, 0), (0, 1)}),
        ("flood", flood(port=2049), {(1, 0), (0, 1)}),
        ("flood", flood(port=790, sockets=11), {(1, 0), (0, 1)}),
        ("flood", flood(port=790, sockets=10), {(1, 0)}),
        ("flood", flood(link="arp"), {(1, 0), (0, 1)}),
        ("flood", flood(link="ipv6"), {(1, 0)}),
        ("rank", {"working_set": 4096, "touch": 4096}, set()),
        (
            "rank",
            {"working_set": 4096, "touch": 4096, "exchange": "ring", "message": 1, "partners": [[0, 2]]},
            {(1, 2), (2, 1)},
        ),
        ("heartbeat", {"every": 1_000_000}, set()),
        ("service", {"port": 9000}, set()),
        ("reader", {"file": 4096, "rate": 1}, set()),
        ("writer", {"file": 4096, "rate": 1}, set()),
        ("proxy", {}, set()),
        ("own.program:Sender", {}, ALL),
    ],
)
def test_who_may_send_to_whom_is_known_from_what_the_programs_declare(
    kind: str, told: dict[str, Any], expected: set[tuple[int, int]]
) -> None:
    """A is C's client; to whom a program of one's own sends nobody knows."""
    b = replace(FLOODER, programs=((kind, told),))
    assert build.talks([CLIENT, b, SERVER]) == SWAP | expected


def test_whoever_is_asked_for_its_address_answers() -> None:
    """So with ARP a flood has a way back."""
    b = replace(FLOODER, programs=(("flood", flood()),), arp=True)
    assert build.talks([CLIENT, b, SERVER]) == SWAP | {(1, 0), (0, 1)}


def test_of_many_machines_all_may_send_to_all() -> None:
    assert build.talks([replace(FLOODER, index=index) for index in range(build.FEW + 1)]) is None


def test_a_frame_that_was_not_to_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that declares too little is found out at once."""
    monkeypatch.setattr(build, "talks", lambda machines: SWAP)
    with (
        open_cluster(SCENE.format(stop=STOP, timeline="")) as cluster,
        pytest.raises(RuntimeError, match="B sends to A"),
    ):
        cluster.run()


def test_windows_that_are_too_long_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What reaches a machine for a time that is over there is an error, always: here the network claims slow links."""
    ways = Network.ways

    def slower(network: Network) -> list[list[tuple[int, int]]]:
        return [[(to, 9 * ns) for to, ns in links] for links in ways(network)]

    monkeypatch.setattr(Network, "ways", slower)
    with open_cluster(SCENE.format(stop=STOP, timeline="")) as cluster, pytest.raises(RuntimeError, match="already"):
        cluster.run()
