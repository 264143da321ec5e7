"""One machine, driven through its door alone: cutting time differently changes nothing, and bad bytes harm nobody."""

import pickle
from functools import cache
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scene import FRAMING, GIGABIT, MTU, RESERVE, SERVICE, A, B, C

from netswap.actors import events
from netswap.actors.events import NEVER
from netswap.actors.machine import Machine
from netswap.actors.network.link import LinkSettings
from netswap.actors.network.network import Network
from netswap.actors.policy import Policy
from netswap.actors.settings import MachineSettings, SettingsError, Swap
from netswap.protocol.errors import RemoteProtocolError
from netswap.protocol.frame import (
    CRASH,
    PAUSE,
    RESTART,
    RESUME,
    VERSION,
    arrivals,
    cut,
    encode,
    encode_arrival,
    encode_control,
)
from netswap.protocol.units import kib, mib, microseconds, milliseconds, seconds

NAMES = ("A", "B", "C")
LATENCY = microseconds(200)
END = milliseconds(60)
SWITCHES = {"none": frozenset[str](), "reserve": RESERVE}


def machine(index: int, switches: frozenset[str] = frozenset(), refill: str = "e1000") -> Machine:
    """A of 4 MiB swaps to C and has a service, B floods that, C serves."""
    programs: dict[int, tuple[tuple[str, dict[str, Any]], ...]] = {
        A: (
            ("rank", {"working_set": mib(6), "touch": kib(512), "compute": milliseconds(2)}),
            ("service", {"port": SERVICE, "sockets": 2, "pages": 4}),
        ),
        B: (
            (
                "flood",
                {
                    "to": (A,),
                    "port": SERVICE,
                    "rate": GIGABIT // 10,
                    "payload": 1472,
                    "flows": 2,
                    "sockets": 2,
                    "start_ns": milliseconds(10),
                    "end_ns": milliseconds(40),
                },
            ),
        ),
        C: (("swap-server", {}),),
    }
    return Machine(
        MachineSettings(
            name=NAMES[index],
            index=index,
            memory=mib(4),
            kernel="linux-2.6.22",
            policy=Policy.of(switches if index == A else ()),
            reserve_pages=100 if switches else None,
            reserve_buffers=None,
            min_free=kib(256),
            cpus=1,
            nic_rate_bps=GIGABIT,
            nic_ring=32,
            nic_refill=refill,
            swap=Swap(C, "nfs", mib(16), 16, 8, seconds(1.1), 1) if index == A else None,
            programs=programs[index],
            seed=1,
            stall_after_ns=seconds(1),
            framing=FRAMING,
            mtu=MTU,
        )
    )


class Record(NamedTuple):
    """What A received in each window, and what it sent."""

    inbound: tuple[tuple[int, bytes], ...]
    outbound: bytes
    digest: str


@cache
def record(name: str) -> Record:
    """A, B and C for 60 ms, in windows of one latency of 0.2 ms."""
    machines = [machine(index, SWITCHES[name]) for index in (A, B, C)]
    network = Network(NAMES, LinkSettings(LATENCY), {}, 1)
    inbound: list[tuple[int, bytes]] = []
    sent: list[bytes] = []
    for end in range(LATENCY, END + 1, LATENCY):
        batches = {to: inbound.batch for to, inbound in network.collect(end).items()}
        inbound.append((end, batches.get(A, b"")))
        out = [one.advance(end, batches.get(index, b"")) for index, one in enumerate(machines)]
        sent.append(out[A])
        network.accept((one for batch in out for one in cut(batch)), end)
    return Record(tuple(inbound), b"".join(sent), machines[A].sent_digest())


def all_inbound(recorded: Record) -> bytes:
    """Everything that A received, as one batch: batches are joined as they are."""
    return b"".join(batch for _, batch in recorded.inbound)


# -- windows ---------------------------------------------------------------------------------------------------------


def test_the_recorded_machine_swaps_and_is_flooded() -> None:
    """Otherwise the tests below say little: pages out and in, and frames of the service."""
    for name, switches in SWITCHES.items():
        a = machine(A, switches)
        a.advance(END, all_inbound(record(name)))
        assert a.counters.pages_out > 100
        assert a.counters.pages_in > 100
        assert a.counters.delivered > 200
        assert a.counters.lost_pages == 0


@pytest.mark.parametrize("name", SWITCHES)
def test_one_long_window_sends_what_many_short_ones_send(name: str) -> None:
    """All inbound at once and one advance: the same bytes, the same digest."""
    a = machine(A, SWITCHES[name])
    assert a.advance(END, all_inbound(record(name))) == record(name).outbound
    assert a.sent_digest() == record(name).digest


@pytest.mark.parametrize("name", SWITCHES)
@settings(max_examples=25)
@given(st.lists(st.integers(0, END), max_size=6))
def test_advancing_in_steps_sends_what_advancing_at_once_sends(name: str, stops: list[int]) -> None:
    """advance(a); advance(b) = advance(b), for any a, also twice to the same time."""
    a = machine(A, SWITCHES[name])
    out = [a.advance(0, all_inbound(record(name)))]
    for stop in sorted(stops):
        out.append(a.advance(stop))
        assert a.next_ns() >= stop
        assert a.advance(stop) == b""
    out.append(a.advance(END))
    assert b"".join(out) == record(name).outbound


@settings(max_examples=25)
@given(st.lists(st.integers(0, END), min_size=1, max_size=6))
def test_inbound_may_come_in_the_window_in_which_it_arrives_or_earlier(stops: list[int]) -> None:
    """Each recorded batch is given at the last stop before its window begins."""
    recorded = record("none")
    a = machine(A)
    out: list[bytes] = []
    given = 0
    for now, stop in zip([0, *sorted(stops)], [*sorted(stops), END], strict=True):
        due = [batch for end, batch in recorded.inbound[given:] if end - LATENCY < stop]
        given += len(due)
        assert all(now <= at[0] for at in arrivals(b"".join(due)))
        out.append(a.advance(stop, b"".join(due)))
    assert b"".join(out) == recorded.outbound


@given(st.lists(st.integers(1, END), min_size=1, max_size=5))
def test_nothing_leaves_before_the_promised_time_unless_something_arrives(stops: list[int]) -> None:
    """Without inbound, advancing to next_ns sends nothing."""
    a = machine(A)
    for stop in sorted(stops):
        a.advance(stop)
        if stop < a.next_ns() < END:
            assert a.advance(a.next_ns()) == b""


def test_what_a_machine_sends_bears_its_own_times_in_order() -> None:
    """From its card, one frame behind the other, numbered without a gap."""
    frames = [raw for raw, _ in cut(record("none").outbound)]
    assert [frame[1] for frame in frames] == sorted(frame[1] for frame in frames)
    number = 0
    for frame in frames:
        assert (frame[2], frame[3]) == (A, number)
        number += frame[9]


# -- answers ---------------------------------------------------------------------------------------------------------

ANSWERS = st.lists(st.integers(2, 5 * LATENCY), min_size=3, max_size=3)


@pytest.mark.parametrize("name", SWITCHES)
@settings(max_examples=10)
@given(ANSWERS)
def test_a_machine_that_waits_for_answers_sends_the_same_bytes(name: str, answers: list[int]) -> None:
    """However soon they could come: it stops, says when it goes on, and goes on; nothing that waits in it is forgotten."""
    a = machine(A, SWITCHES[name])
    out = [a.advance(END, all_inbound(record(name)), answers)]
    while a.next_ns() < END:
        stood_ns = a.events.now
        assert stood_ns <= a.next_ns()
        out.append(a.advance(END))
        assert a.events.now > stood_ns
    assert b"".join(out) == record(name).outbound


@settings(max_examples=10)
@given(ANSWERS)
def test_no_machine_goes_farther_than_it_could_be_answered(answers: list[int]) -> None:
    """Of all that it has sent in one go, what could be answered first bounds it, and exactly."""
    a = machine(A)
    inbound: bytes = all_inbound(record("none"))
    for _ in range(20):
        out = a.advance(END, inbound, answers)
        inbound = b""
        assert a.events.now == min([END, *(frame[1] + answers[frame[4]] for frame, _ in cut(out))])


def test_a_machine_stops_soon_after_it_has_announced_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens at that very time is done."""
    monkeypatch.setattr(events, "ANNOUNCED_MAX", 300)
    b = machine(B)
    assert 300 < len(b.advance(END, b"", [NEVER] * 3)) < 400
    assert b.events.now < b.next_ns() < END
    assert len(machine(B).advance(END)) > 1_000, "who has not been told of answers is not bounded"


def test_a_crash_and_a_pause_do_not_let_a_machine_pass_the_time_at_which_it_could_be_answered() -> None:
    """A sends, could be answered after 1 ms, and is crashed or stopped in between: it stands at that 1 ms."""
    for what, undo in ((CRASH, RESTART), (PAUSE, RESUME)):
        a = machine(A)
        stop_ns = _stands_ns(milliseconds(1))
        controls = encode_control(stop_ns - 10, what) + encode_control(stop_ns + 10, undo)
        a.advance(END, controls, [milliseconds(1)] * 3)
        assert a.events.now == stop_ns
        assert a.next_ns() == stop_ns + 10, "the end of it is not forgotten"
        a.advance(stop_ns + 11)
        assert (a.down, a.paused) == (False, False)


def _stands_ns(answer_ns: int) -> int:
    """Where A stands first if it is answered after so long."""
    a = machine(A)
    a.advance(END, b"", [answer_ns] * 3)
    return a.events.now


def test_what_comes_for_a_time_that_is_over_is_an_error_of_ours() -> None:
    """The clock let the machine go so far since nothing would come for that time; nothing of the batch is taken."""
    a = machine(A)
    a.advance(milliseconds(6))
    for late in (GOOD, encode_control(milliseconds(5), PAUSE)):
        with pytest.raises(RuntimeError, match="A is at 6000000 ns already"):
            a.advance(milliseconds(7), late)
    a.advance(milliseconds(7))
    assert (a.counters.received, a.paused) == (0, False)


# -- bad bytes -------------------------------------------------------------------------------------------------------


GOOD = encode_arrival(milliseconds(5), 0, 0, 0, 1, 0) + encode(
    (VERSION, 0, B, 0, A, 1538, 1538, 1, SERVICE, 1, 0, (0, 1472, 0, 1, 1, ()))
)
BAD = {
    "cut off": GOOD[:-1],
    "another version": GOOD[:8] + GOOD[8:].replace(b"\x9c\x01", b"\x9c\x02", 1),
    "a byte too many": b"\x00",
    "an arrival alone": encode_arrival(0, 0, 0, 0, 1, 0),
    "no msgpack": b"\xc1",
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_inbound_raises_and_nothing_of_the_batch_is_taken(bad: str) -> None:
    """Good frames before the bad bytes included; the machine goes on as if the batch had not been there."""
    a = machine(A)
    recorded = record("none")
    half = [batch for end, batch in recorded.inbound if end <= END // 2]
    out = a.advance(END // 2, b"".join(half))
    for batch in (BAD[bad], GOOD + BAD[bad], all_inbound(recorded) + BAD[bad]):
        with pytest.raises(RemoteProtocolError) as caught:
            a.advance(END, batch)
        assert caught.value.offset == len(batch) - len(BAD[bad])
    out += a.advance(END, all_inbound(recorded)[len(b"".join(half)) :])
    assert out == recorded.outbound


def test_a_refused_batch_is_counted() -> None:
    """The counter `malformed`: one for each batch."""
    a = machine(A)
    for batch in BAD.values():
        with pytest.raises(RemoteProtocolError):
            a.advance(1, batch)
    assert a.counters.malformed == len(BAD)


@given(st.binary(min_size=1, max_size=60))
def test_any_bytes_are_taken_whole_or_refused_whole(junk: bytes) -> None:
    """A machine never falls over what arrives."""
    a = machine(C)
    try:
        arrivals(GOOD + junk)
    except RemoteProtocolError:
        with pytest.raises(RemoteProtocolError):
            a.advance(milliseconds(10), GOOD + junk)
        a.advance(milliseconds(10))
        assert a.counters.received == 0
    else:
        a.advance(milliseconds(10), GOOD + junk)
        assert a.counters.received >= 1


@pytest.mark.parametrize(
    "message", [(), (1, 2), (1, None, 3), ("x", 2, 3), (1, 2, -3), (1, -2, 3), (1, 2, 1 << 32)], ids=repr
)
@pytest.mark.parametrize(("index", "port"), [(A, 800), (C, 2049)])
def test_a_message_that_is_no_call_and_no_reply_is_dropped_and_never_a_crash(
    index: int, port: int, message: tuple[Any, ...]
) -> None:
    """Anybody can flood the ports of the swap device and of the swap server, with calls of both lengths."""
    one = machine(index)
    for number, payload in enumerate((128, 1472)):
        body = (0, payload, 0, 1, 1, message)
        stamp = encode_arrival(milliseconds(5 * (number + 1)), 0, 0, 0, 1, 0)
        frame = encode((VERSION, 0, B, number, index, 1538, 1538, 1, port, 1, 0, body))
        one.advance(milliseconds(5 * number + 9), stamp + frame)
        assert one.counters.received == number + 1


def test_an_error_of_settings_crosses_to_another_process() -> None:
    """It still knows which program it is about."""
    again = pickle.loads(pickle.dumps(SettingsError("it does not fit", "give it more", 3)))
    assert (str(again), again.hint, again.program) == ("it does not fit; give it more", "give it more", 3)
