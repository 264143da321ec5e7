"""The same bytes everywhere: in one go or paused, in any process, in this one or on Ray, by hand or from a timeline."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import PERIOD_NS
from scenes import outage, seed

from netswap.cluster.judge.digest import Difference, first_difference
from netswap.cluster.lab import Cluster, Undo, open_cluster
from netswap.cluster.pytest_plugin import Open
from netswap.protocol.frame import Frame, cut
from netswap.protocol.units import milliseconds, parse_time, seconds

HERE = Path(__file__).parent
STOP = "1500ms"
STOP_NS = parse_time(STOP)
AT, LASTS = "500ms", "500ms"
AT_NS, LASTS_NS = parse_time(AT), parse_time(LASTS)
QUIET: dict[str, Any] = {"latency": "1ms", "jitter": "500us", "bandwidth": "1Gbit/s", "queue": 50}
CHANCE: dict[str, Any] = {
    **QUIET,
    "links": [
        {"from": "B", "to": "A", "loss": "1%", "duplicate": "1%", "reorder": "1%"},
        {"from": "C", "to": "A", "loss": "0.01%", "duplicate": "0.1%", "reorder": "0.1%"},
    ],
}
"""A network that draws from every stream of chance there is, and on which swapping still gets on."""
PAUSES = 20


def scene(timeline: str = outage(AT, LASTS), number: int = 1) -> str:
    """The seed's cast with a short outage, in which the reserve is needed."""
    return seed(stop=STOP, flood_from=AT, timeline=timeline, safeguards="reserve", number=number)


def opened(timeline: str = outage(AT, LASTS), number: int = 1) -> Cluster:
    """That scene in this process, on a network of chance, recorded."""
    return open_cluster(scene(timeline, number), set={"network": CHANCE}, record=True)


@cache
def in_one_go() -> str:
    """Its digest."""
    with opened() as cluster:
        return cluster.run().digest()


@cache
def moments() -> list[int]:
    """When something left a card, up to the end."""
    with opened() as cluster:
        frames = [frame for sent in cluster.run().sent() for frame, _ in cut(sent)]
    return sorted({frame[1] for frame in frames if frame[1] <= STOP_NS})


def test_the_scene_is_worth_comparing() -> None:
    """Frames are lost, doubled and cut off, swapping goes on, and the reserve is used."""
    with opened() as cluster:
        cluster.run()
        frames, a = cluster.frames(), cluster["A"]
    assert frames["duplicated"] > 0
    assert {"link-loss", "partition", "demux"} <= frames["dropped"].keys()
    assert a.pages_out > 0
    assert a.pages_in > 0
    assert a.used_reserve


# -- one run, and the same run in pieces --------------------------------------------------------------------------------


def in_pieces(pauses: list[int], look: bool) -> str:
    """The digest of the run if it is paused at these times, and looked at if `look`."""
    with opened() as cluster:
        for pause_ns in sorted(pauses):
            cluster.run_for(pause_ns - cluster.now_ns)
            assert cluster.now_ns == pause_ns
            if look:
                cluster.views()
        return cluster.run().digest()


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, STOP_NS), min_size=PAUSES, max_size=PAUSES), st.booleans())
def test_a_run_paused_at_any_times_gives_the_digest_of_a_run_in_one_go(pauses: list[int], look: bool) -> None:
    """A pause ends a window; windows are not in the digest, and nobody notices that somebody has looked."""
    assert in_pieces(pauses, look) == in_one_go()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_run_paused_at_the_very_moments_of_events_gives_the_same_digest_too(data: st.DataObject) -> None:
    """A nanosecond before a frame leaves, at that moment, and one after it."""
    edge = st.tuples(st.sampled_from(moments()), st.integers(-1, 1)).map(sum)
    pauses = data.draw(st.lists(edge.map(lambda ns: min(ns, STOP_NS)), min_size=PAUSES, max_size=PAUSES))
    assert in_pieces(pauses, look=False) == in_one_go()


@pytest.mark.parametrize("off_ns", [-1, 0, 1])
def test_a_pause_at_the_edges_of_the_fault_changes_nothing(off_ns: int) -> None:
    """A fault begins before the arrivals of its moment, and stops with them just as well."""
    assert in_pieces([AT_NS + off_ns, AT_NS + LASTS_NS + off_ns], look=True) == in_one_go()


def test_another_seed_gives_another_digest() -> None:
    """A digest that never changed would prove nothing."""
    with opened(number=2) as cluster:
        assert cluster.run().digest() != in_one_go()


def test_two_runs_that_differ_are_told_apart_by_the_first_frame_that_differs() -> None:
    """Up to a fault that only one of the runs had, all frames are the same."""
    with opened() as one, opened() as other, opened("[]") as without:
        one.run().assert_same_as(other.run())
        without.run()
        with pytest.raises(AssertionError, match=r"the runs differ: \w+, frame \d+: Frame"):
            one.assert_same_as(without)
        difference = first_difference(list(one), one.sent(), without.sent())
    assert difference is not None
    assert min(frame.sent_ns for frame in (difference.one, difference.other) if frame) >= AT_NS


# -- other processes ----------------------------------------------------------------------------------------------------


def python(*words: str, hash_seed: int, path: Path = HERE) -> str:
    """What a new process with this PYTHONHASHSEED prints; `path` is where it finds a user's own programs."""
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(path)}
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def test_every_process_gives_the_same_digest_whatever_its_hashes(tmp_path: Path) -> None:
    """The order of sets and the hashes of texts differ from process to process; nothing is decided by them."""
    file = tmp_path / "scene.yaml"
    file.write_text(scene())
    words = [
        "-m",
        "netswap",
        "run",
        str(file),
        "--engine",
        "inline",
        "--json",
        "--run-dir",
        str(tmp_path / "run"),
    ]
    words += ["--record", "none", "--set", f"network={json.dumps(CHANCE)}"]
    digests = {json.loads(python(*words, hash_seed=hash_seed))["digest"] for hash_seed in (0, 1, 2)}
    assert digests == {in_one_go()}


FRIENDS = ["ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "yew"]
FIRST_PORT = 5000


class Recorded(NamedTuple):
    """What another process has sent."""

    digest: str
    names: list[str]
    sent: list[bytes]

    def order(self) -> list[int]:
        """The ports to which the first round went, in its order."""
        return [frame[8] for frame, _ in cut(self.sent[0])][: len(FRIENDS)]


def gossip(program: str, hash_seed: int, folder: Path) -> Recorded:
    """One machine gossips with another in a process of its own."""
    file = folder / "gossip.yaml"
    own = {f"programs:{program}": {"friends": FRIENDS, "to": 1, "port": FIRST_PORT}}
    file.write_text(f"title: gossip\nstop: 100ms\nmachines:\n  A: {{programs: [{json.dumps(own)}]}}\n  B: {{}}\n")
    told = json.loads(python(str(HERE / "recorder.py"), str(file), hash_seed=hash_seed))
    return Recorded(told["digest"], told["names"], [bytes.fromhex(data) for data in told["sent"]])


def test_a_program_that_depends_on_the_order_of_a_set_is_found_with_its_first_frame(tmp_path: Path) -> None:
    """The machine, the place of the frame, and both frames are named."""
    one, other = (gossip("Gossip", hash_seed, tmp_path) for hash_seed in (1, 2))
    assert sorted(one.order()) == sorted(other.order())
    place = next(at for at, pair in enumerate(zip(one.order(), other.order(), strict=True)) if pair[0] != pair[1])

    assert one.digest != other.digest
    difference = first_difference(one.names, one.sent, other.sent)
    assert isinstance(difference, Difference)
    assert isinstance(difference.one, Frame)
    assert isinstance(difference.other, Frame)
    assert (difference.machine, difference.position) == ("A", place)
    assert (difference.one.port, difference.other.port) == (one.order()[place], other.order()[place])
    assert difference.one.sent_ns < PERIOD_NS
    assert str(difference).startswith(f"A, frame {place}: ")


def test_the_same_program_that_sorts_its_set_is_the_same_in_every_process(tmp_path: Path) -> None:
    """The twin: it is the order of the set that made the difference."""
    one, other = (gossip("OrderlyGossip", hash_seed, tmp_path) for hash_seed in (1, 2))
    assert one.order() == sorted(one.order())
    assert one == other
    assert first_difference(one.names, one.sent, other.sent) is None


# -- Ray ----------------------------------------------------------------------------------------------------------------


@pytest.mark.ray
@pytest.mark.parametrize("exchange", ["connections", "calls"])
@pytest.mark.parametrize("machines_per_actor", [1, 2])
def test_ray_gives_the_digest_of_this_process(netswap: Open, exchange: str, machines_per_actor: int) -> None:
    """However machines are packed into actors, and however their batches travel."""
    cluster = netswap(
        scene(), set={"network": CHANCE}, engine="ray", exchange=exchange, machines_per_actor=machines_per_actor
    )
    assert cluster.run().digest() == in_one_go()


# -- by hand, and from a timeline ---------------------------------------------------------------------------------------

Verb = Callable[[Cluster], Undo]
FAULTS: dict[str, Verb] = {
    "partition: [C]": lambda cluster: cluster.partition({"C"}),
    "partition: [[A], [B, C]]": lambda cluster: cluster.partition("A", {"B", "C"}),
    "cut: {from: C, to: A}": lambda cluster: cluster.cut("C", "A"),
    "hold: {from: C, to: A}": lambda cluster: cluster.hold("C", "A"),
    "hold: {from: A, to: C, only: page-out}": lambda cluster: cluster.hold("A", "C", only="page-out"),
    "slow: {from: A, to: C, latency: 5ms, jitter: 1ms}": lambda cluster: cluster.slow(
        "A", "C", latency=milliseconds(5), jitter=milliseconds(1)
    ),
    "slow: {from: B, to: A, bandwidth: 1Mbit/s}": lambda cluster: cluster.slow("B", "A", bandwidth=1_000_000),
    "lossy: {from: A, to: C, rate: 20%}": lambda cluster: cluster.lossy("A", "C", rate_ppm=200_000),
    "duplicate: {from: C, to: A, rate: 20%}": lambda cluster: cluster.duplicate("C", "A", rate_ppm=200_000),
    "reorder: {from: C, to: A, rate: 20%}": lambda cluster: cluster.reorder("C", "A", rate_ppm=200_000),
}


def scripted(fault: str) -> str:
    """The scene with this fault in its timeline."""
    return scene(f"[{{at: {AT}, {fault}, for: {LASTS}}}]")


def by_hand(cluster: Cluster, verb: Verb) -> str:
    """The digest of a run in which somebody applies the fault and ends it."""
    cluster.run_for(AT_NS)
    with verb(cluster):
        cluster.run_for(LASTS_NS)
    return cluster.run().digest()


@cache
def untouched() -> str:
    """The digest of the run without a fault, on a network without chance."""
    with open_cluster(scene("[]"), set={"network": QUIET}) as cluster:
        return cluster.run().digest()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_by_hand_gives_the_bytes_of_the_same_fault_in_a_timeline(netswap: Open, fault: str) -> None:
    """Every verb has its word in a timeline; and each of them makes a difference at all."""
    network = {"network": QUIET}
    in_timeline = netswap(scripted(fault), set=network).run().digest()
    assert by_hand(netswap(scene("[]"), set=network), FAULTS[fault]) == in_timeline
    assert untouched() != in_timeline


@pytest.mark.ray
@pytest.mark.parametrize("fault", ["partition: [C]", "hold: {from: C, to: A}"])
def test_on_ray_too_a_fault_by_hand_gives_the_bytes_of_a_timeline(netswap: Open, fault: str) -> None:
    """A paused cluster of actors is a paused cluster."""
    network = {"network": QUIET}
    in_timeline = netswap(scripted(fault), set=network).run().digest()
    assert netswap(scripted(fault), set=network, engine="ray").run().digest() == in_timeline
    assert by_hand(netswap(scene("[]"), set=network, engine="ray"), FAULTS[fault]) == in_timeline


def test_a_fault_of_no_length_changes_nothing(netswap: Open) -> None:
    """Nothing arrives while it lasts."""
    cluster = netswap(scene("[]"), set={"network": QUIET})
    cluster.run_for(seconds(1))
    with cluster.cut("C", "A"):
        pass
    assert cluster.run().digest() == untouched()
