"""Steady stretches: a flood is counted and not received, and nothing that can be seen differs by it."""

from dataclasses import replace
from typing import Any

import pytest
from flooded import READS, READS_TOO, SWAPS, WITH_PAGES, WORKS, Case, Train, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scene import SERVICE, B, C

from netswap.actors.kernels import LINUX_6_11
from netswap.actors.memory.fragments import PageFragCache
from netswap.actors.memory.zone import Zone
from netswap.actors.net.nic import Nic
from netswap.actors.net.picture import _Names
from netswap.protocol.frame import CORRUPT, CRASH, FREEZE, OTHER, PAUSE, RESTART, RESUME, THAW, UDP
from netswap.protocol.units import milliseconds

FRAMES = 12_000
GAP = 12_304
END = FRAMES * GAP + milliseconds(1)


def same(case: Case) -> None:
    """With stretches and without: counters, what was sent, and every object of the machine."""
    on, off = run(case, stretches=True), run(case, stretches=False)
    assert on.reports == off.reports
    assert on.sent == off.sent
    assert on.told == off.told
    for ours, theirs in zip(on.drawings, off.drawings, strict=True):
        assert [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]][:5] == []


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames cards are given to receive one by one."""
    counts: list[int] = []
    each: Any = Nic.receive_each

    def count(card: Nic, arrival: Any, limit_ns: int) -> Any:
        rest = each(card, arrival, limit_ns)
        counts.append(arrival[4] - (rest[4] if rest else 0))
        return rest

    monkeypatch.setattr(Nic, "receive_each", count)
    return counts


FLOOD = Train(milliseconds(1), FRAMES, GAP)
STEADY = {
    "read at once": Case(),
    "read at once, 6.11": Case(kernel="linux-6.11", refill="e1000e"),
    "read at once, tg3": Case(refill="tg3"),
    "read at once, two services": Case((READS, READS_TOO), trains=(replace(FLOOD, flows=8, ports=8),)),
    "sockets full": Case((WORKS,)),
    "sockets full, 6.11": Case((WORKS,), "linux-6.11", "e1000e"),
    "sockets full, 8139cp": Case((WORKS,), refill="8139cp"),
    "closed ports": Case((), trains=(replace(FLOOD, port=99),)),
    "some ports closed": Case(trains=(replace(FLOOD, flows=8, ports=8),)),
    "another link": Case(trains=(replace(FLOOD, port=0, kind=OTHER, flows=1, ports=1),)),
    "short frames": Case((WORKS,), trains=(replace(FLOOD, wire=200),)),
    "a ring that no batch divides": Case((WORKS,), ring=20),
    "one flow": Case((WORKS,), trains=(replace(FLOOD, flows=1, ports=1),)),
}


@pytest.mark.parametrize("listens", [False, True])
@pytest.mark.parametrize("name", STEADY)
def test_most_frames_of_a_steady_flood_are_only_counted(name: str, listens: bool, received: list[int]) -> None:
    """12,000 frames: at most 6,000 are received one by one, a recorder hears the same, and nothing else differs."""
    case = STEADY[name]
    case = replace(case, trains=case.trains or (FLOOD,), stops=(END,), listens=listens)
    run(case, stretches=True, draw=False)
    assert sum(received) < FRAMES // 2
    same(case)


def test_trains_windows_and_looks_do_not_end_a_stretch(received: list[int]) -> None:
    """Trains of 81 frames, 20 windows, a look in each: what is settled is some periods of 64, and one search."""
    trains = tuple(Train(milliseconds(1) + 81 * GAP * one, 81, GAP, flow=81 * one % 4) for one in range(FRAMES // 81))
    stops = tuple(END * one // 20 for one in range(1, 21))
    case = Case((WORKS,), trains=trains, stops=stops, looks=frozenset(range(20)))
    run(case, stretches=True, draw=False)
    assert sum(received) < FRAMES // 2
    same(case)


@pytest.mark.parametrize("reserve", [False, True])
@pytest.mark.parametrize(
    ("kernel", "refill"), [("linux-2.6.22", "e1000"), ("linux-6.11", "e1000e"), ("linux-2.6.22", "tg3")]
)
def test_a_flood_of_a_machine_that_waits_for_its_swap_server(kernel: str, refill: str, reserve: bool) -> None:
    """Its server never answers: buffers fail, or come from the reserve and are dropped at demux."""
    same(Case((SWAPS, WORKS), kernel, refill, reserve=reserve, trains=(replace(FLOOD, count=9000),), stops=(END,)))


def test_a_flood_that_is_cut_by_others_goes_on() -> None:
    """Single frames from elsewhere, a pause, another port, in the middle."""
    others = [Train(milliseconds(10) * one + 5, 1, source=C, port=SERVICE + one % 6) for one in range(2, 14)]
    controls = (
        (milliseconds(40), PAUSE),
        (milliseconds(55), RESUME),
        (milliseconds(90), CRASH),
        (milliseconds(110), RESTART),
    )
    for programs in ((READS,), (WORKS,), (READS, READS_TOO)):
        same(Case(programs, trains=(FLOOD, *others), controls=controls, stops=(END // 3, END // 2, END)))


def test_a_flood_of_a_program_that_is_frozen_and_thawed() -> None:
    """The reader of every datagram stands still in the middle: its sockets fill, and are read when it goes on."""
    controls = ((milliseconds(40), FREEZE), (milliseconds(70), THAW), (milliseconds(90), FREEZE))
    for programs in ((READS,), (WORKS,), (READS, READS_TOO)):
        same(Case(programs, trains=(FLOOD,), controls=controls, stops=(END // 3, END // 2, END)))


# -- by chance --------------------------------------------------------------------------------------------------------

TIMES = st.integers(0, milliseconds(120))


@st.composite
def floods(draw: st.DrawFn) -> tuple[Train, ...]:
    """A flood in trains that are cut anywhere, now and then with a gap, another beat, or a frame missing."""
    at_ns, place = draw(st.integers(0, milliseconds(10))), draw(st.integers(0, 7))
    like = Train(
        0,
        port=SERVICE + draw(st.sampled_from((0, 0, 0, 2, 6, 20))),
        flows=draw(st.sampled_from((1, 4, 4, 5, 8))),
        ports=draw(st.sampled_from((1, 4, 4, 8))),
        wire=draw(st.sampled_from((1538, 1538, 1538, 300, 100))),
        kind=draw(st.sampled_from((UDP, UDP, UDP, OTHER))),
    )
    trains: list[Train] = []
    for _ in range(draw(st.integers(1, 8))):
        count = draw(st.sampled_from((1, 2, 40, 300, 700, 1500)))
        gap_ns = draw(st.sampled_from((12_304, 12_304, 12_304, 5_000, 40_000)))
        first = draw(st.sampled_from((0, 0, 7)))
        trains.append(
            replace(like, at_ns=at_ns, count=count, gap_ns=gap_ns, flow=(place - first) % like.flows, first=first)
        )
        place += count + draw(st.sampled_from((0, 0, 0, 0, 1)))
        at_ns += count * gap_ns + draw(st.sampled_from((0, 0, 1, -1, 100_000, milliseconds(45))))
    return tuple(trains)


OTHERS = st.lists(
    st.builds(
        Train,
        at_ns=TIMES,
        count=st.sampled_from((1, 1, 1, 3, 50)),
        gap_ns=st.sampled_from((1, 12_304)),
        source=st.just(C),
        port=st.integers(SERVICE, SERVICE + 9),
        flows=st.sampled_from((1, 4)),
        flags=st.sampled_from((0, 0, CORRUPT)),
        wire=st.sampled_from((1538, 100)),
    ),
    max_size=6,
)
CONTROLS = st.sampled_from(
    (
        (),
        (),
        (PAUSE, RESUME),
        (CRASH, RESTART),
        (PAUSE, CRASH),
        (PAUSE, RESUME, CRASH, RESTART),
        (FREEZE, THAW),
        (FREEZE, PAUSE, THAW, RESUME),
    )
)
PROGRAMS = st.sampled_from(
    (
        (READS,),
        (READS, READS_TOO),
        (WORKS,),
        (WORKS, READS_TOO),
        (WITH_PAGES,),
        (SWAPS, READS),
        (SWAPS, WORKS),
        (SWAPS, WORKS, READS_TOO),
        (),
    )
)
CARDS = st.sampled_from(
    (
        ("linux-2.6.22", "e1000"),
        ("linux-2.6.22", "e1000"),
        ("linux-2.6.22", "tg3"),
        ("linux-6.11", "e1000e"),
        ("linux-6.11", "e1000e"),
        ("linux-6.11", "virtio"),
        ("linux-6.11", "8139cp"),
    )
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any of these machines under any of these floods, cut and looked at anywhere."""
    kernel, refill = draw(CARDS)
    whats = draw(CONTROLS)
    controls = zip(sorted(draw(st.lists(TIMES, min_size=len(whats), max_size=len(whats)))), whats, strict=True)
    stops = (*draw(st.lists(TIMES, max_size=6)), milliseconds(130))
    return Case(
        draw(PROGRAMS),
        kernel,
        refill,
        draw(st.sampled_from((8, 16, 20, 32))),
        draw(st.booleans()),
        draw(st.booleans()),
        (*draw(floods()), *draw(OTHERS)),
        tuple(controls),
        tuple(sorted({stop for stop in stops if stop})),
        draw(st.frozensets(st.integers(0, 6))),
        draw(st.booleans()),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(cases())
def test_stretches_change_nothing(case: Case) -> None:
    """Both ways the same objects in the same state, down to the last slab."""
    assert B != C
    same(case)


def test_a_block_of_which_another_part_holds_a_fragment_is_itself_and_no_number() -> None:
    """The ring holds one of two fragments, a socket the other, which has to come back to this block; then the ring both."""
    cache = PageFragCache(Zone(4096, 64, kernel=LINUX_6_11), 1920, 3)
    one, other = cache.take(0), cache.take(0)
    assert one is other is not None
    names = _Names()
    names.hold(one)
    assert names.slabs() == ((cache, 15, False, one, (3, False, None)),)
    names.hold(other)
    assert names.slabs() == ((cache, 15, False, None, (3, False, None)),)
