"""Segments: their sizes on the wire, and what a body may be."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netswap.protocol.errors import RemoteProtocolError
from netswap.protocol.frame import FRAGMENT, TCP, UDP, VERSION, Frame, arrivals, cut, encode, encode_arrival
from netswap.protocol.tcp import ACK, RECORDS_MAX, RST, SYN, is_body, mss, segment_wire

SEGMENT: Any = (32_768, ACK, 1, 1, 65_535, 1448, (), ((1449, (7, 29, 4)),))
WIRE = 1538


def inbound(body: Any, kind: int = TCP) -> bytes:
    """A segment as it reaches a machine."""
    frame = Frame(VERSION, 5_000, 1, 7, 0, WIRE, WIRE, kind, 9000, 1, 0, body)
    return encode_arrival(9_000, 0, 0, 0, 1, 0) + encode(frame)


@st.composite
def bodies(draw: st.DrawFn) -> Any:
    """Segments as a sender makes them."""
    seq, payload = draw(st.integers(0, 1 << 40)), draw(st.integers(0, 1448))
    ends = draw(st.lists(st.integers(1, payload), max_size=RECORDS_MAX, unique=True) if payload else st.just([]))
    records = tuple((seq + end, tuple(draw(st.lists(st.integers(0, 1 << 40), max_size=3)))) for end in sorted(ends))
    starts = draw(st.lists(st.integers(0, 1 << 40), max_size=3))
    blocks = tuple((start, start + draw(st.integers(1, 1 << 20))) for start in starts)
    flags = draw(st.sampled_from([SYN, SYN | ACK, ACK, RST]))
    ports, offsets = st.integers(0, 65_535), st.integers(0, 1 << 40)
    return (draw(ports), flags, seq, draw(offsets), draw(offsets), payload, blocks, records)


def test_a_full_segment_fills_a_full_frame() -> None:
    """1448 + 20 of IP + 20 and 12 of TCP = 1500 bytes; with 38 of Ethernet 1538. A block of SACK adds 4 + 8 bytes."""
    assert mss(1500) == 1448
    assert segment_wire(1448, 38) == 1538
    assert segment_wire(0, 38) == 90
    assert segment_wire(0, 38, blocks=2) == 90 + 4 + 16


@given(bodies())
def test_what_a_sender_makes_can_be_read(body: Any) -> None:
    """The body comes back as it was."""
    assert is_body(body)
    [arrival] = arrivals(inbound(body))
    assert arrival[-1][11] == body


@pytest.mark.parametrize(
    "body",
    [
        (*SEGMENT, 0),
        SEGMENT[:7],
        (None, *SEGMENT[1:]),
        (True, *SEGMENT[1:]),
        (-1, *SEGMENT[1:]),
        (65_536, *SEGMENT[1:]),
        (1, 0x100, *SEGMENT[2:]),
        (1, ACK, 1.0, *SEGMENT[3:]),
        (*SEGMENT[:5], -1, (), ()),
        (*SEGMENT[:6], None, ()),
        (*SEGMENT[:6], ((3, 3),), ()),
        (*SEGMENT[:6], ((4, 3),), ()),
        (*SEGMENT[:6], ((1, 2, 3),), ()),
        (*SEGMENT[:6], (7,), ()),
        (*SEGMENT[:6], ((1, 2), (3, 4), (5, 6), (7, 8)), ()),
        (*SEGMENT[:6], (), ((1450, ()),)),
        (*SEGMENT[:6], (), ((1, ()),)),
        (*SEGMENT[:6], (), ((9, ()), (8, ()))),
        (*SEGMENT[:6], (), ((9, ()), (9, ()))),
        (*SEGMENT[:6], (), ((9, (1.5,)),)),
        (*SEGMENT[:6], (), ((9, 1),)),
        (*SEGMENT[:6], (), (9,)),
        (*SEGMENT[:6], (), tuple((9 + number, ()) for number in range(RECORDS_MAX + 1))),
    ],
    ids=repr,
)
def test_a_body_that_is_no_segment_is_refused(body: Any) -> None:
    """Wrong shapes and types, unknown flags, empty ranges, messages out of order or beyond the payload."""
    good = inbound(SEGMENT)
    assert not is_body(body)
    with pytest.raises(RemoteProtocolError) as caught:
        arrivals(good + inbound(body))
    assert caught.value.offset == len(good)


@pytest.mark.parametrize("kind", [UDP, TCP | FRAGMENT])
def test_a_segment_is_nothing_else(kind: int) -> None:
    """Neither a datagram nor a fragment has its shape."""
    with pytest.raises(RemoteProtocolError):
        arrivals(inbound(SEGMENT, kind))


@given(st.data())
def test_a_damaged_segment_is_an_error_or_another_segment(data: st.DataObject) -> None:
    """Some bytes anywhere in a good batch are replaced: never a crash."""
    good = inbound(data.draw(bodies()))
    start = data.draw(st.integers(0, len(good)))
    junk = data.draw(st.binary(max_size=8))
    damaged = good[:start] + junk + good[start + len(junk) :]
    for decode in (cut, arrivals):
        with suppress(RemoteProtocolError):
            decode(damaged)  # type: ignore[operator]  # two functions of one shape
