"""Traffic that changes nothing is left out of a run of `netswap ask`, and what is answered stays the same."""

from types import SimpleNamespace

import pytest

from netswap.cluster.scenario import load
from netswap.cluster.study.lulls import _CALM_FRAMES, _LOOKS, _STILL, Lulls
from netswap.cluster.study.subject import Job, Subject, Traffic, outlived, subject_of
from netswap.protocol.units import milliseconds, seconds

HEALS_NS = seconds(62)
FRAMES_PER_LOOK = 2 * _CALM_FRAMES // _LOOKS
"""So many that the looks which have to be calm see more than `_CALM_FRAMES`."""
READ = """title: a service that reads on while its machine waits
stop: 40s
kernel: linux-6.1
safeguards: merged
network: {latency: 1ms}
machines:
  A:
    memory: 64MiB
    nic: {rate: 50Mbit/s}
    swap: {server: C, transport: nbd, size: 128MiB}
    programs:
      - rank: {working_set: 96MiB, touch: 1MiB, compute: 100ms, pattern: random}
      - service: {port: 9000, sockets: 2, pages: 8, buffer: 64KiB, lock: true}
  B:
    programs: [{flood: {to: "A:9000", rate: 10Mbit/s, payload: 1472B}}]
  C:
    programs: [{swap-server: {}}]
"""


class Senders:
    """It notes whether they stand still."""

    still = False

    def freeze(self):
        """As `Cluster.freeze`, and what ends it."""
        self.still = True
        return self.go_on

    def go_on(self) -> None:
        """They send again."""
        self.still = False


def state(at: int, *, free: int = 1000, due_ns: int = 0, stalled: int | None = 5, **counters: int):
    """What a look sees after `at` steps of 20 ms with `FRAMES_PER_LOOK` frames each."""
    counted = {**dict.fromkeys(_STILL, 7), "free_pages": free, "received": at * FRAMES_PER_LOOK, **counters}
    rank = SimpleNamespace(name="rank 0", stalled_since_ns=stalled, killed_ns=None)
    timers = [SimpleNamespace(due_ns=due_ns)]
    machine = SimpleNamespace(name="A", counters=counted, programs=[rank], timers=timers)
    return SimpleNamespace(now_ns=seconds(4) + at * milliseconds(20), machines=[machine])


def lulls_of(senders: Senders | None, heals_ns: int = HEALS_NS) -> Lulls:
    """For A, whose server is C."""
    return Lulls(["A"], ["C"], heals_ns, senders.freeze if senders else None)


def test_traffic_that_changes_nothing_stands_still_until_shortly_before_the_outage_ends():
    """40,000 frames at 20 ms for each 15,000 are 53 ms."""
    senders = Senders()
    lulls = lulls_of(senders)
    until = [lulls.look(state(at)) for at in range(_LOOKS)]
    assert until[:-1] == [0] * (_LOOKS - 1)
    assert until[-1] == HEALS_NS - milliseconds(20) * 40_000 // FRAMES_PER_LOOK
    assert senders.still


def test_it_goes_on_at_the_next_look_and_is_counted():
    senders = Senders()
    lulls = lulls_of(senders)
    for at in range(_LOOKS):
        lulls.look(state(at))
    assert lulls.look(state(2 * _LOOKS)) == 0
    assert not senders.still
    assert lulls.left_out_ns == (_LOOKS + 1) * milliseconds(20)


@pytest.mark.parametrize("name", _STILL)
def test_nothing_is_left_out_while_a_counter_moves(name):
    lulls = lulls_of(Senders())
    assert not any(lulls.look(state(at, **{name: at})) for at in range(5 * _LOOKS))


@pytest.mark.parametrize("step", [-1, 1])
def test_nothing_is_left_out_while_free_pages_go_down_or_up(step):
    """A page in 20 ms."""
    lulls = lulls_of(Senders())
    assert not any(lulls.look(state(at, free=1000 + step * at)) for at in range(5 * _LOOKS))


def test_free_pages_that_only_go_to_and_fro_are_no_change():
    lulls = lulls_of(Senders())
    assert any(lulls.look(state(at, free=1000 + at % 2)) for at in range(_LOOKS))


def test_nothing_is_left_out_after_fewer_frames():
    lulls = lulls_of(Senders())
    assert not any(lulls.look(state(at, received=at)) for at in range(_LOOKS))


def test_nothing_is_left_out_where_nobody_may_stand_still():
    lulls = lulls_of(None)
    assert not any(lulls.look(state(at)) for at in range(5 * _LOOKS))


def test_after_the_outage_it_stands_still_until_shortly_before_the_next_timer():
    due_ns = seconds(30)
    lulls = lulls_of(Senders(), heals_ns=seconds(3))
    until = [lulls.look(state(at, due_ns=due_ns)) for at in range(_LOOKS)]
    assert until[-1] == due_ns - milliseconds(20) * 40_000 // FRAMES_PER_LOOK


@pytest.mark.parametrize("seen", [{"due_ns": 0}, {"due_ns": seconds(30), "stalled": None}])
def test_after_the_outage_nothing_is_left_out_without_a_timer_or_once_it_goes_on(seen):
    lulls = lulls_of(Senders(), heals_ns=seconds(3))
    assert not any(lulls.look(state(at, **seen)) for at in range(5 * _LOOKS))


def test_what_is_answered_is_the_same_with_all_of_the_traffic(tmp_path, monkeypatch):
    """20 s away at 50 Mbit/s: the traffic is left out for more than half of them, and the machine goes on as it would."""
    path = tmp_path / "read.yaml"
    path.write_text(READ)
    job = Job(subject_of(str(path), ()), 20, Traffic.LINE, 1000.0)
    short = outlived(job)
    monkeypatch.setattr(Subject, "senders", lambda *_: [])
    whole = outlived(job)
    assert short.left_out_ns > seconds(10)
    assert whole.left_out_ns == 0
    assert short.well
    assert short[:3] == whole[:3]
    assert short.work_s < whole.work_s


def test_a_flood_that_goes_elsewhere_too_is_never_stopped(tmp_path):
    """B also sends to C: to stop it would change what C gets."""
    path = tmp_path / "elsewhere.yaml"
    flood = '{flood: {to: "A:9000", rate: 10Mbit/s, payload: 1472B}}'
    text = READ.replace(flood, flood + ', {flood: {to: "C:9000", rate: 1Mbit/s, payload: 1472B}}')
    path.write_text(text.replace("{swap-server: {}}", "{swap-server: {}}, {service: {port: 9000}}"))
    found = subject_of(str(path), ())
    assert found.floods == (("B", 0),)
    assert found.senders(load(str(path))) == []
