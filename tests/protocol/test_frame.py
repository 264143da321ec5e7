"""The msgpack stream: what comes back is what was sent, and anything else is a RemoteProtocolError with its offset."""

from typing import Any

import msgpack
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from netswap.protocol.errors import RemoteProtocolError
from netswap.protocol.frame import (
    CORRUPT,
    CRASH,
    FRAGMENT,
    PAGE_OUT,
    PORT_MAX,
    SMALL_MAX,
    THAW,
    TIME_MAX,
    UDP,
    VERSION,
    Control,
    Frame,
    arrivals,
    cut,
    encode,
    encode_arrival,
    encode_control,
    encode_time,
    split_arrival,
)

PLAIN = Frame(VERSION, 5_000, 1, 7, 0, 1538, 1538, UDP, 9000, 8, 12_304, (0, 1472, 0, 64, 64, ()))
PAGE = Frame(
    VERSION, 6_000, 0, 0, 2, 1538, 1310, PAGE_OUT | FRAGMENT, 2049, 3, 12_304, (7, 0, (800, 4224, 0, 1, 1, (1, 29, 4)))
)
LIMITS = {
    "sent_ns": TIME_MAX,
    "source": SMALL_MAX,
    "number": TIME_MAX,
    "destination": SMALL_MAX,
    "wire": SMALL_MAX,
    "tail": SMALL_MAX,
    "kind": PORT_MAX,
    "port": PORT_MAX,
    "count": SMALL_MAX,
    "gap_ns": TIME_MAX,
}
NO_INTEGERS = (True, False, 1.0, None, "1", b"1", (1,), ((),))

times = st.integers(0, TIME_MAX)
small = st.integers(0, SMALL_MAX)
ports = st.integers(0, PORT_MAX)
messages = st.lists(times, max_size=3).map(tuple)
datagrams = st.tuples(ports, small, small, st.integers(1, SMALL_MAX), st.integers(1, PORT_MAX), messages)
fragments = st.tuples(ports, st.integers(0, 1), datagrams)
frames = st.builds(
    Frame,
    st.just(VERSION),
    times,
    small,
    times,
    small,
    small,
    small,
    st.just(UDP),
    ports,
    st.integers(1, SMALL_MAX),
    times,
    datagrams,
) | st.builds(
    Frame,
    st.just(VERSION),
    times,
    small,
    times,
    small,
    small,
    small,
    st.just(UDP | FRAGMENT),
    ports,
    st.integers(1, SMALL_MAX),
    times,
    fragments,
)


def pack(*values: object) -> bytes:
    """Values as msgpack, whatever they are."""
    return b"".join(msgpack.packb(value) for value in values)


def inbound(frame: Frame, at_ns: int = 9_000, first: int = 0, count: int = 1) -> bytes:
    """An untouched frame with its arrival before it."""
    return encode_arrival(at_ns, 0, 0, first, count, frame.gap_ns) + encode(frame)


def refusal(decode: Any, data: bytes) -> RemoteProtocolError:
    """The one error that bytes which are no batch may cause."""
    with pytest.raises(RemoteProtocolError) as caught:
        decode(data)
    return caught.value


# -- what is sent comes back -----------------------------------------------------------------------------------------


@given(st.lists(frames, max_size=6))
def test_what_is_encoded_comes_back_with_its_own_bytes(sent: list[Frame]) -> None:
    """Fields are equal, and the bytes of the frames joined are the batch."""
    parts = [encode(frame) for frame in sent]
    got = cut(b"".join(parts))
    assert [Frame(*raw) for raw, _ in got] == sent
    assert [data for _, data in got] == parts


@given(frames, times, st.integers(0, 1), st.integers(0, CORRUPT), st.data())
def test_an_arrival_says_which_frames_of_the_train_come_when(
    frame: Frame, at_ns: int, copy: int, flags: int, data: st.DataObject
) -> None:
    """Frame `first` of a train has the number of the train plus `first`."""
    first = data.draw(st.integers(0, frame.count - 1))
    count = data.draw(st.integers(1, frame.count - first))
    batch = encode_arrival(at_ns, copy, flags, first, count, frame.gap_ns) + encode(frame)
    assert arrivals(batch) == [
        (at_ns, frame.source, frame.number + first, copy, count, frame.gap_ns, first, flags, tuple(frame))
    ]


@given(frames, times)
def test_the_time_alone_says_that_a_train_arrives_as_it_was_sent(frame: Frame, at_ns: int) -> None:
    """All its frames, the first copy of each, undamaged, and as far apart as they left."""
    said = encode_arrival(at_ns, 0, 0, 0, frame.count, frame.gap_ns) + encode(frame)
    assert arrivals(encode_time(at_ns) + encode(frame)) == arrivals(said)


@given(st.lists(frames, max_size=4), st.lists(frames, max_size=4))
def test_batches_are_cut_and_joined_without_encoding_again(one: list[Frame], other: list[Frame]) -> None:
    """cut(a + b) = cut(a) + cut(b), and each frame's own bytes make an inbound batch as they are."""
    left, right = b"".join(map(encode, one)), b"".join(map(encode, other))
    assert cut(left + right) == cut(left) + cut(right)
    stamp = encode_arrival(1, 0, 0, 0, 1, 0)
    batch = b"".join(stamp + data for _, data in cut(left + right))
    assert [arrival[-1] for arrival in arrivals(batch)] == [raw for raw, _ in cut(left + right)]


def test_an_empty_batch_holds_nothing() -> None:
    """No bytes, no frames."""
    assert cut(b"") == []
    assert arrivals(b"") == []


# -- cut off, and too long -------------------------------------------------------------------------------------------


def test_a_batch_cut_off_anywhere_names_the_frame_that_is_not_whole() -> None:
    """At each of its bytes: the whole frames before the cut, or the offset at which the broken one begins."""
    starts, batch = [0], b""
    for frame in (PLAIN, PAGE, PLAIN):
        batch += encode(frame)
        starts.append(len(batch))
    for length in range(len(batch)):
        if length in starts:
            assert len(cut(batch[:length])) == starts.index(length)
        else:
            assert refusal(cut, batch[:length]).offset == max(start for start in starts if start < length)


def test_an_inbound_batch_cut_off_anywhere_names_the_arrival_that_is_not_whole() -> None:
    """The same; an arrival without its frame is not whole either."""
    starts, batch = [0], b""
    for frame in (PLAIN, PAGE, PLAIN):
        for part in (inbound(frame), encode_time(300) + encode(frame)):
            batch += part
            starts.append(len(batch))
    for length in range(len(batch)):
        if length in starts:
            assert len(arrivals(batch[:length])) == starts.index(length)
        else:
            assert refusal(arrivals, batch[:length]).offset == max(start for start in starts if start < length)


def test_a_byte_too_many_is_refused_where_it_stands() -> None:
    """Each of the 256; the frames before it are whole."""
    for byte in range(256):
        for decode, batch in ((cut, encode(PLAIN)), (arrivals, inbound(PLAIN))):
            assert refusal(decode, batch + bytes([byte])).offset == len(batch)


@pytest.mark.parametrize(
    "item",
    [
        tuple(range(17)),
        "x" * 257,
        b"x" * ((1 << 16) + 1),
        {1: 1},
        {},
        msgpack.ExtType(5, b"12345"),
        msgpack.ExtType(5, b""),
        msgpack.Timestamp(1, 1),
        tuple(PLAIN)[:11],
        (*PLAIN, 0),
        [],
        None,
        -1,
        2.5,
    ],
    ids=lambda item: f"{item!r:.20}",
)
def test_what_is_no_frame_is_refused_where_it_begins(item: object) -> None:
    """Too long an array, a text, bytes, maps, extensions, plain values: behind a whole frame."""
    for decode, good in ((cut, encode(PLAIN)), (arrivals, inbound(PLAIN))):
        assert refusal(decode, good + pack(item)).offset == len(good)


@pytest.mark.parametrize(
    "announced",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
    ],
)
def test_an_absurd_length_is_refused_and_not_waited_for(announced: bytes) -> None:
    """4294967295 elements or bytes are announced; nothing of that size is made."""
    assert refusal(cut, encode(PLAIN) + announced).offset == len(encode(PLAIN))
    assert refusal(arrivals, inbound(PLAIN) + announced).offset == len(inbound(PLAIN))


@pytest.mark.parametrize("depth", [2, 100, 900, 1000, 1020, 1024, 1100, 100_000])
def test_arrays_in_arrays_are_refused_however_deep(depth: int) -> None:
    """An array of one element that is an array of one element, and so on."""
    nested = b"\x91" * depth + b"\xc0"
    assert refusal(cut, encode(PLAIN) + nested).offset == len(encode(PLAIN))
    assert refusal(arrivals, nested).offset == 0


# -- fields ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 2, 255, -1, *NO_INTEGERS], ids=repr)
def test_another_version_is_refused(version: Any) -> None:
    """1 as a boolean or as a float is not version 1."""
    bad = pack(tuple(PLAIN._replace(version=version)))
    assert refusal(cut, encode(PLAIN) + bad).offset == len(encode(PLAIN))
    assert refusal(arrivals, inbound(PLAIN) + encode_arrival(1, 0, 0, 0, 1, 0) + bad).offset == len(inbound(PLAIN))


@pytest.mark.parametrize("field", LIMITS)
def test_a_field_that_is_no_whole_number_from_0_is_refused(field: str) -> None:
    """Also where it compares equal to one, as True and 1.0 do; the message names the field."""
    for value in (*NO_INTEGERS, -1, -(1 << 63), 1.5, float("inf"), float("nan")):
        bad = pack(tuple(PLAIN._replace(**{field: value})))
        error = refusal(cut, encode(PAGE) + bad)
        assert error.offset == len(encode(PAGE))
        assert field in str(error)
        assert refusal(arrivals, encode_arrival(1, 0, 0, 0, 1, 0) + bad).offset == 0


@pytest.mark.parametrize(("field", "most"), LIMITS.items())
def test_a_field_may_be_its_limit_and_not_one_more(field: str, most: int) -> None:
    """Times 62 bits, ports and kinds 16 bits, all others 20 bits."""
    assert cut(pack(tuple(PLAIN._replace(**{field: most}))))
    for more in (most + 1, 1 << 63, (1 << 64) - 1):
        assert field in str(refusal(cut, pack(tuple(PLAIN._replace(**{field: more})))))


def test_a_train_of_no_frames_is_refused() -> None:
    """Count is at least 1."""
    assert "count" in str(refusal(cut, pack(tuple(PLAIN._replace(count=0)))))


@pytest.mark.parametrize("body", [(), (1,), (1, 2, 3, 4), tuple(range(7)), None, 6, "abcdef", b"abc", True], ids=repr)
def test_a_body_of_another_shape_is_refused(body: Any) -> None:
    """3 values for fragments, 6 for a whole datagram."""
    bad = pack(tuple(PLAIN._replace(body=body)))
    assert "body" in str(refusal(cut, bad))
    assert refusal(arrivals, inbound(PLAIN) + encode_arrival(1, 0, 0, 0, 1, 0) + bad).offset == len(inbound(PLAIN))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (UDP, (None, 1472, 0, 1, 1, ())),
        (UDP, (0, "1472", 0, 1, 1, ())),
        (UDP, (0, -1, 0, 1, 1, ())),
        (UDP, (0, 1472, 0, 0, 2, ())),
        (UDP, (0, 1472, 0.5, 1, 1, ())),
        (UDP, (7, 0, (0, 4224, 0, 1, 1, ()))),
        (UDP | FRAGMENT, (0, 1472, 0, 1, 1, ())),
        (UDP | FRAGMENT, (7, 0, None)),
        (UDP | FRAGMENT, (7, 0, (0, 4224, 0))),
        (UDP | FRAGMENT, (None, 0, (0, 4224, 0, 1, 1, ()))),
    ],
    ids=repr,
)
def test_a_machine_refuses_a_body_that_its_stack_could_not_read(kind: int, body: Any) -> None:
    """The network does not look into bodies, a machine does: wrong types, no flows, the shape of the other kind."""
    good = inbound(PLAIN)
    assert refusal(arrivals, good + inbound(PLAIN._replace(kind=kind, body=body))).offset == len(good)


# -- arrivals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(6))
def test_an_arrival_is_six_whole_numbers_from_0(place: int) -> None:
    """When, copy, flags, first, count, gap."""
    for value in (*NO_INTEGERS, -1, 1 << 63):
        stamp: list[Any] = [1, 0, 0, 0, 1, 0]
        stamp[place] = value
        assert refusal(arrivals, inbound(PLAIN) + pack(stamp) + encode(PLAIN)).offset == len(inbound(PLAIN))


@pytest.mark.parametrize("at_ns", [-1, TIME_MAX + 1, (1 << 64) - 1, True, 1.0, "1", b"1", (1,)], ids=repr)
def test_an_arrival_of_one_value_is_a_whole_number_from_0(at_ns: Any) -> None:
    """The time of a train that arrives as it was sent; the largest is `TIME_MAX`."""
    good = pack(TIME_MAX) + encode(PLAIN)
    assert refusal(arrivals, good + pack(at_ns) + encode(PLAIN)).offset == len(good)


@pytest.mark.parametrize(("first", "count"), [(0, 9), (8, 1), (7, 2), (0, 0), (TIME_MAX, 1)])
def test_an_arrival_of_frames_that_the_train_does_not_have_is_refused(first: int, count: int) -> None:
    """The train has frames 0 to 7."""
    assert refusal(arrivals, inbound(PLAIN, first=first, count=count)).offset == 0


def test_a_frame_without_its_arrival_is_refused() -> None:
    """And so is an arrival where the frame should be."""
    assert refusal(arrivals, inbound(PLAIN) + encode(PLAIN)).offset == len(inbound(PLAIN))
    for stamp in (encode_arrival(1, 0, 0, 0, 1, 0), encode_time(1)):
        assert refusal(arrivals, stamp + stamp + encode(PLAIN)).offset == 0
        assert refusal(arrivals, stamp).offset == 0


# -- anything at all -------------------------------------------------------------------------------------------------


def check_anything(data: bytes) -> None:
    """Either whole frames, which make up the batch, or a RemoteProtocolError within it; never another exception."""
    decoders: tuple[Any, ...] = (cut, arrivals)
    for decode in decoders:
        offset = fails_at(decode, data)
        assert 0 <= offset <= len(data)
        assert fails_at(decode, data[:offset]) == offset
    if fails_at(cut, data) == len(data):
        assert b"".join(own for _, own in cut(data)) == data


def fails_at(decode: Any, data: bytes) -> int:
    """The offset of the first frame that cannot be read; the end if there is none."""
    try:
        decode(data)
    except RemoteProtocolError as error:
        return error.offset
    return len(data)


@given(st.binary(max_size=200))
@example(b"\x91" * 1000 + b"\xc0")
def test_random_bytes_are_an_error_and_never_a_crash(data: bytes) -> None:
    """What stands before the offset is a batch of its own."""
    check_anything(data)


@given(st.binary(max_size=40), st.booleans())
def test_random_bytes_behind_a_frame_are_an_error_at_or_behind_its_end(data: bytes, to_machine: bool) -> None:
    """The frame itself is never blamed."""
    good = inbound(PLAIN) if to_machine else encode(PLAIN)
    assert fails_at(arrivals if to_machine else cut, good + data) >= len(good)


@given(st.data(), st.binary(max_size=8))
def test_a_damaged_stream_is_an_error_or_other_frames(data: st.DataObject, junk: bytes) -> None:
    """Some bytes anywhere in a good batch are replaced, left out or put in."""
    good = data.draw(st.sampled_from((encode(PLAIN) + encode(PAGE), inbound(PAGE) + inbound(PLAIN))))
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 8)))
    assume(good[start:end] != junk)
    check_anything(good[:start] + junk + good[end:])


# -- controls and trains ---------------------------------------------------------------------------------------------

controls = st.builds(Control, times, st.integers(CRASH, THAW), times)


def decoded(data: bytes) -> tuple[list[Any], list[Control]]:
    """Arrivals and controls of a batch."""
    told: list[Control] = []
    return list(arrivals(data, told)), told


@given(st.lists(st.tuples(controls, st.lists(frames, max_size=2)), max_size=4))
def test_controls_stand_among_arrivals_and_come_back_in_their_order(batch: list[tuple[Control, list[Frame]]]) -> None:
    """What is done to a machine travels in the stream that everything else travels in."""
    data = b"".join(encode_control(*control) + b"".join(map(inbound, sent)) for control, sent in batch)
    got, told = decoded(data)
    assert told == [control for control, _ in batch]
    assert [Frame(*one[-1]) for one in got] == [frame for _, sent in batch for frame in sent]


def test_a_control_is_refused_where_none_is_expected() -> None:
    """From a machine nothing but frames comes, and a batch of arrivals alone has none."""
    data = encode_control(7, CRASH)
    assert refusal(cut, data).offset == 0
    assert refusal(arrivals, inbound(PLAIN) + data).offset == len(inbound(PLAIN))


@pytest.mark.parametrize(
    "item",
    [
        (7, 0, 0),
        (7, THAW + 1, 0),
        (-1, CRASH, 0),
        (7, CRASH, -1),
        (TIME_MAX + 1, CRASH, 0),
        (7, CRASH, TIME_MAX + 1),
        (7, True, 0),
        (7.0, CRASH, 0),
        (7, CRASH),
        (7, CRASH, 0, 0),
    ],
    ids=repr,
)
def test_what_is_no_control_is_refused_where_it_begins(item: tuple[object, ...]) -> None:
    """Unknown verbs, times and values out of range, other types, another length."""
    good = inbound(PLAIN) + encode_control(7, CRASH)
    assert refusal(decoded, good + pack(item)).offset == len(good)


def test_a_batch_of_controls_cut_off_anywhere_names_the_one_that_is_not_whole() -> None:
    """As for frames."""
    one = encode_control(300, CRASH, 70_000)
    for length in range(1, 2 * len(one)):
        if length != len(one):
            assert refusal(decoded, (one + one)[:length]).offset == (0 if length < len(one) else len(one))


@given(frames, times, st.integers(0, 1 << 63))
def test_a_split_train_is_the_train(frame: Frame, at_ns: int, limit_ns: int) -> None:
    """Frame by frame: those before the limit, and at least one, then the rest with its own first time and number."""
    whole = (at_ns, frame.source, frame.number, 0, frame.count, frame.gap_ns, 0, 0, tuple(frame))
    before, rest = split_arrival(whole, limit_ns)
    assert 1 <= before <= frame.count
    assert before == 1 or at_ns + (before - 1) * frame.gap_ns < limit_ns
    if rest is None:
        assert before == frame.count
        return
    assert rest[0] == at_ns + before * frame.gap_ns
    assert rest[0] >= limit_ns
    assert (rest[2], rest[4], rest[6]) == (frame.number + before, frame.count - before, before)
    assert rest[8] == whole[8]
