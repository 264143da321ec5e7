"""Faults of machines, as the network tells them and as one machine bears them: crash, pause, slow disk."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import A, C, udp
from test_machine import END, RESERVE, all_inbound, machine, record

from netswap.actors.counters import COUNTERS, Counters, Tally
from netswap.actors.events import NEVER, Events
from netswap.actors.machine import Machine, door
from netswap.actors.machine.report import counters
from netswap.actors.machine.tally import tallied
from netswap.actors.network.link import LinkSettings
from netswap.actors.network.network import Network
from netswap.actors.network.outside import Outside
from netswap.actors.programs.system import Sleep
from netswap.actors.programs.task import Progress, Task
from netswap.protocol.frame import (
    CRASH,
    OWN_DISK,
    PAUSE,
    RESTART,
    RESUME,
    SLOW_DISK,
    Control,
    Raw,
    arrivals,
    cut,
    encode,
    encode_arrival,
    encode_control,
)
from netswap.protocol.units import microseconds, milliseconds, seconds

LATENCY = 1_000
GAUGES = {"free_pages", "socket_frames", "held"}
"""What is so now; all else is counted, or is a peak."""


def told(outside: Outside, machine: int = C) -> list[Control]:
    """What a machine is told next."""
    controls: list[Control] = []
    arrivals(b"".join(outside.pending.pop(machine, [])), controls)
    return controls


# -- how faults overlap ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "begins", "ends"), [("crash", CRASH, RESTART), ("pause", PAUSE, RESUME)])
def test_overlapping_faults_of_one_kind_end_with_the_last_of_them(verb: str, begins: int, ends: int) -> None:
    """The machine hears of the first beginning and of the last end."""
    outside = Outside()
    one = {"machines": [C]}
    outside.begin(verb, one, 5)
    outside.begin(verb, one, 6)
    assert told(outside) == [(5, begins, 0)]
    outside.end(verb, one, 7)
    assert told(outside) == []
    outside.end(verb, one, 8)
    assert told(outside) == [(8, ends, 0)]


def test_of_several_slow_disks_the_last_that_began_is_in_force() -> None:
    """Until none lasts: then the disk is its own again."""
    outside = Outside()
    slow, slower = ({"machines": [C], "latency_ns": latency} for latency in (50, 70))
    outside.begin("slow-disk", slow, 1)
    outside.begin("slow-disk", slower, 2)
    outside.end("slow-disk", slower, 3)
    outside.end("slow-disk", slow, 4)
    assert told(outside) == [(1, SLOW_DISK, 50), (2, SLOW_DISK, 70), (3, SLOW_DISK, 50), (4, OWN_DISK, 0)]


# -- what has not left a card ----------------------------------------------------------------------------------------


def left(verb: str, at_ns: int, lasts_ns: int) -> tuple[list[int], int]:
    """When the frames of a train from C, at 0, 100, ... 900 ns, reach A if C suffers this; frames sent."""
    net = Network(("A", "B", "C"), LinkSettings(LATENCY), {}, 1)
    got: list[int] = []
    fault = 0
    for end in range(100, 20 * LATENCY, 100):
        start = end - 100
        if start == at_ns:
            fault = net.begin(verb, {"machines": [C]}, start)
        if start == at_ns + lasts_ns:
            net.end(fault, start)
        for at, _, _, _, count, gap, *_ in arrivals(net.collect_for(A, end).batch):
            got += [at + index * gap for index in range(count)]
        net.accept(cut(encode(udp(10, source=C, gap_ns=100))) if start == 0 else (), end)
    return got, net.tallies()["C>A"]["sent"]


def test_a_machine_that_is_down_sends_nothing_of_what_it_has_announced() -> None:
    """Five frames have left by 500 ns and arrive; the others never leave, and are not counted as sent."""
    assert left("crash", 500, 3_000) == ([LATENCY + 100 * index for index in range(5)], 5)


def test_what_a_paused_machine_has_announced_leaves_when_it_goes_on() -> None:
    """In the same distances, later by the pause."""
    expected = [LATENCY + 100 * index + (3_000 if index >= 5 else 0) for index in range(10)]
    assert left("pause", 500, 3_000) == (expected, 10)


# -- one machine -----------------------------------------------------------------------------------------------------


def driven(controls: Sequence[Control], edges: Sequence[int] = (), name: str = "reserve") -> tuple[Machine, bytes]:
    """A with all that it once received, and these controls, in windows that end at these times; what it sends."""
    a = machine(A, RESERVE if name == "reserve" else frozenset())
    batch = b"".join(encode_control(*control) for control in controls) + all_inbound(record(name))
    out = [a.advance(edge, batch if place == 0 else b"") for place, edge in enumerate([*sorted(edges), END])]
    return a, b"".join(out)


def said(frame: Raw) -> Any:
    """(xid, page, version) of a request or a reply."""
    body = frame[11]
    return body[2][5] if len(body) == 3 else body[5]


def control_list(spans: list[tuple[int, int, int]]) -> list[Control]:
    """Crashes (0) and pauses (1) one after another, each (kind, wait, length)."""
    at_ns, controls = 0, []
    for kind, wait, length in spans:
        begins, ends = ((CRASH, RESTART), (PAUSE, RESUME))[kind]
        controls += [Control(at_ns + wait, begins, 0), Control(at_ns + wait + length, ends, 0)]
        at_ns += wait + length
    return controls


spans = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, END // 2), st.integers(0, END // 3)), min_size=1, max_size=3
)


@given(spans, st.lists(st.integers(1, END), max_size=8))
def test_crashes_and_pauses_send_the_same_bytes_for_any_windows(
    faults: list[tuple[int, int, int]], edges: list[int]
) -> None:
    """advance(a); advance(b) is advance(b), also where the machine stands still or starts anew between them."""
    controls = control_list(faults)
    assert driven(controls, edges)[1] == driven(controls)[1]


@given(spans)
def test_every_frame_that_came_is_delivered_dropped_or_held(faults: list[tuple[int, int, int]]) -> None:
    """Also those that waited in a machine when it went down, and those in the ring of one that stands still."""
    a, _ = driven(control_list(faults))
    held = 0 if a.down else a.held()
    assert a.counters.received == a.counters.delivered + sum(a.counters.dropped.values()) + held


def test_a_machine_that_is_down_promises_silence_and_keeps_it() -> None:
    """Until it is restarted; frames are dropped for that reason and no other."""
    a = machine(A)
    a.advance(milliseconds(20), all_inbound(record("none")))
    received = a.counters.received
    a.advance(milliseconds(20) + 1, encode_control(milliseconds(20), CRASH))
    assert a.next_ns() == NEVER
    assert a.advance(milliseconds(40)) == b""
    assert a.counters.dropped["crashed"] == a.counters.received - received > 0
    assert a.advance(milliseconds(60), encode_control(milliseconds(40), RESTART)) != b""


def test_no_count_falls_by_a_crash_and_no_peak_is_forgotten() -> None:
    """What was counted or seen before stands; only gauges begin anew."""
    a = machine(A, RESERVE)
    a.advance(milliseconds(30), all_inbound(record("reserve")))
    seen = counters(a)
    a.advance(milliseconds(40), encode_control(milliseconds(30), CRASH) + encode_control(milliseconds(35), RESTART))
    after = counters(a)
    assert set(after) == set(COUNTERS)
    for name in after.keys() - GAUGES:
        if name == "free_pages_min":
            assert after[name] <= seen[name]
        else:
            assert after[name] >= seen[name], name


SIZES = {"kept_pages", "reserve_pages", "file_pages", "clean_pages", "dirty_pages"}
"""What is no gauge of load, and no count either."""
MANY = 1 << 20


def test_all_that_is_counted_goes_on_from_what_outlives_a_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a machine has counted by a crash: none of it, also of what this machine never counts, begins anew."""
    planted = Tally(**{one.name: MANY for one in fields(Tally)} | {"free_min": 5, "boots": 3})
    monkeypatch.setattr(door, "tallied", lambda before: planted if before else tallied(before))
    a = machine(A, RESERVE)
    for one in fields(Counters):
        if one.name != "dropped":
            setattr(a.counters, one.name, MANY)
    a.programs[0].task.progress.count = MANY
    a.advance(milliseconds(3), encode_control(milliseconds(1), CRASH) + encode_control(milliseconds(2), RESTART))
    after = counters(a)
    assert after.pop("free_pages_min") == 5
    assert [name for name in after.keys() - GAUGES - SIZES if after[name] < MANY // 2] == []
    read_off = tallied(a.parts)
    assert [one.name for one in fields(Tally) if getattr(read_off, one.name) < getattr(planted, one.name)] == []
    assert read_off.boots == 4


def test_a_restarted_machine_numbers_its_frames_and_requests_on() -> None:
    """A frame's number is used once; and an old reply, or a reply kept by the server, must not fit a new request."""
    a, out = driven([Control(milliseconds(20), CRASH, 0), Control(milliseconds(21), RESTART, 0)])
    frames = [frame for frame, _ in cut(out)]
    numbers = [frame[3] for frame in frames]
    assert numbers == sorted(set(numbers))
    earlier = {said(frame)[0] for frame in frames if frame[1] < milliseconds(20)}
    later = {said(frame)[0] for frame in frames if frame[1] > milliseconds(21)}
    assert earlier
    assert later
    assert not earlier & later
    assert a.counters.lost_pages == 0


@pytest.mark.parametrize("sent", [5, 31, 32, 33, 100])
def test_a_paused_machine_keeps_what_its_ring_has_room_for(sent: int) -> None:
    """32 descriptors take 32 frames, what comes then is lost for an empty ring; at the end they are received."""
    a = machine(A)
    a.advance(1)
    flood = encode_arrival(10, 0, 0, 0, sent, 5) + encode(udp(sent, gap_ns=5, port=9000))
    a.advance(2_000, encode_control(5, PAUSE) + flood)
    assert a.next_ns() == NEVER
    assert a.held() == min(sent, 32)
    assert a.counters.dropped["ring-empty"] == max(0, sent - 32)
    assert a.counters.delivered == 0
    a.advance(3_000, encode_control(2_000, RESUME))
    assert a.counters.delivered == min(sent, 32)
    assert a.held() == 0


def test_a_machine_that_goes_down_while_paused_loses_what_lies_in_its_ring() -> None:
    """It is up again when the crash ends, and goes on when the pause does."""
    a = machine(A)
    a.advance(1)
    flood = encode_arrival(10, 0, 0, 0, 20, 5) + encode(udp(20, gap_ns=5, port=9000))
    a.advance(2_000, encode_control(5, PAUSE) + flood)
    a.advance(3_000, encode_control(2_000, CRASH) + encode_control(2_500, RESTART))
    assert a.counters.dropped["crashed"] == 20
    assert (a.down, a.paused, a.next_ns()) == (False, True, NEVER)
    a.advance(seconds(0.01), encode_control(3_000, RESUME))
    assert a.counters.pages_in == 0
    assert a.programs[0].task.progress.count > 0


# -- time that stood still -------------------------------------------------------------------------------------------


def woken_at(*, idle: bool, until_ns: int, pause: tuple[int, int]) -> int:
    """When a task that sleeps, or computes, until then goes on if its machine stands still meanwhile."""
    events = Events()
    seen: list[int] = []

    def program():  # type: ignore[no-untyped-def]
        yield Sleep(events, until_ns, idle=idle)
        seen.append(events.now)

    Task("", 0, "", program(), Progress(events, seconds(1))).start()
    while events.next_ns() < pause[0]:
        events.step()
    events.now = pause[1]
    events.go_on(pause[0])
    while events.next_ns() != NEVER:
        events.step()
    return seen[0]


@pytest.mark.parametrize(
    ("idle", "pause", "expected"),
    [
        (True, (100, 200), 500),
        (True, (100, 800), 800),
        (False, (100, 200), 600),
        (False, (100, 800), 1_200),
        (False, (600, 800), 500),
    ],
)
def test_a_timer_is_late_and_a_computation_has_all_its_time_still_to_go(
    idle: bool, pause: tuple[int, int], expected: int
) -> None:
    """Until 500: a sleep ends at max(500, end of the pause), a computation at 500 and the length of the pause."""
    assert woken_at(idle=idle, until_ns=500, pause=pause) == expected


def test_late_timers_fire_in_the_order_in_which_they_were_due() -> None:
    """And before what is due at that very moment by itself."""
    events = Events()
    fired: list[str] = []
    for at_ns, name in [(300, "c"), (100, "a"), (900, "later"), (200, "b"), (500, "now")]:
        events.at(at_ns, fired.append, name)
    events.now = 500
    events.go_on(50)
    while events.next_ns() <= 500:
        events.step()
    assert fired == ["a", "b", "c", "now"]


# -- the disk --------------------------------------------------------------------------------------------------------


def test_a_slow_disk_answers_later_and_never_out_of_order() -> None:
    """C has 200 us of its own; 10 ms while the disk is slow; what came first is answered first after that too."""
    calls = cut(record("none").outbound)[:4]
    c = machine(C)
    batch = encode_control(0, SLOW_DISK, milliseconds(10)) + encode_control(milliseconds(1), OWN_DISK)
    for place, (frame, data) in enumerate(calls):
        batch += encode_arrival(milliseconds(place), 0, 0, 0, frame[9], frame[10]) + data
    replies = [frame for frame, _ in cut(c.advance(seconds(1), batch))]
    assert [said(frame)[0] for frame in replies] == [said(frame)[0] for frame, _ in calls]
    assert milliseconds(10) < replies[0][1] < milliseconds(10) + microseconds(200)
