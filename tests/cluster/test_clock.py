"""Windows are a matter of speed: a machine that runs ahead of the others sends what it sends side by side with them."""

from dataclasses import replace
from typing import Any

import pytest

from netswap.actors.machine import Machine
from netswap.cluster.engine import build, clock
from netswap.cluster.lab import Cluster, open_cluster
from netswap.cluster.scenario import load
from netswap.protocol.frame import arrivals

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
    "A stands still": ("{at: 20ms, pause: A, for: 10ms}", {}),
    "a link changes while much is under way": ("{at: 20ms, slow: {from: A, to: C, jitter: 50us}, for: 10ms}", {}),
    "links of chance": (
        "",
        {"network": {"latency": "100us", "jitter": "30us", "bandwidth": "1Gbit/s", "queue": 64, "loss": "0.1%"}},
    ),
    "switch ports": ("", {"network": {"latency": "100us", "port": {"bandwidth": "1Gbit/s", "queue": 64}}}),
}


def run(case: str, pieces: int = 1) -> Cluster:
    """One case, in so many pieces; it is open still."""
    timeline, settings = CASES[case]
    cluster = open_cluster(SCENE.format(stop=STOP, timeline=timeline), set=settings, record=True)
    for piece in range(1, pieces + 1):
        cluster.run_to(50_000_000 * piece // pieces)
    return cluster


@pytest.mark.parametrize("case", CASES)
def test_a_machine_that_runs_ahead_changes_nothing(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same run, with windows that end at one time for all, and in pieces."""
    with run(case) as ahead, run(case, pieces=3) as paused:
        ahead.assert_same_as(paused)
        monkeypatch.setattr(clock, "FEW", 0)
        with run(case) as together:
            ahead.assert_same_as(together)
            assert ahead["A"].counters["pages_out"] > 200


CLIENT, FLOODER, SERVER = load(SCENE.format(stop=STOP, timeline="")).resolved().machines


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        ("flood", {"to": [0]}, {(1, 2), (2, 1)}),
        ("flood", {"to": [2]}, {(0, 1), (1, 0)}),
        ("rank", {"exchange": "none"}, {(0, 1), (1, 0), (1, 2), (2, 1)}),
        ("rank", {"exchange": "ring"}, set()),
        ("own.program:Sender", {}, set()),
    ],
)
def test_strangers_are_those_of_whom_neither_sends_to_the_other_unasked(
    kind: str, settings: dict[str, Any], expected: set[tuple[int, int]]
) -> None:
    """A is C's client; to whom a program of one's own sends nobody knows."""
    b = replace(FLOODER, programs=((kind, settings),))
    assert build.never_talk([CLIENT, b, SERVER]) == expected


@pytest.mark.parametrize("few", [clock.FEW, 0])
@pytest.mark.parametrize("case", CASES)
def test_nothing_arrives_in_the_past(case: str, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No machine is told of an arrival before the time to which it has advanced."""
    advance = Machine.advance

    def checked(machine: Machine, until_ns: int, inbound: bytes = b"") -> bytes:
        assert all(arrival[0] >= machine.events.now for arrival in arrivals(inbound, []))
        return advance(machine, until_ns, inbound)

    monkeypatch.setattr(clock, "FEW", few)
    monkeypatch.setattr(Machine, "advance", checked)
    run(case).close()


def test_windows_are_as_long_as_what_a_card_has_to_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to 32 page-outs lie in the card: until they have left nothing else of A's can be felt."""
    quiet = {"machines.B.programs": []}
    windows = []
    for few in (clock.FEW, 0):
        monkeypatch.setattr(clock, "FEW", few)
        with open_cluster(SCENE.format(stop=STOP, timeline=""), set=quiet) as cluster:
            windows.append(cluster.run().state().windows)
    assert windows[0] * 3 < windows[1] * 2
