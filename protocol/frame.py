"""The msgpack stream that crosses between machines and the network.

A *frame* is one msgpack array; frames stand one after another without an outer list, so a batch can be cut and joined
without re-encoding. The network reads only what stands before the body. `count` frames `gap_ns` apart are a *train*:
the source says once what it sends many times; the last frame of a train may be shorter (`tail`).

In a batch *to* a machine each untouched frame is preceded by its *stamp*: when the first of these frames arrives, which
copy it is, flags, and which frames of the train they are; of a train that arrives as it was sent the time alone. What is
done to the machine itself from outside (a crash, a pause, a slow disk) stands in the same stream as a *control*.
"""

import reprlib
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgpack

from netswap.protocol.errors import RemoteProtocolError
from netswap.protocol.tcp import is_body, is_plain

VERSION: Final = 1

UDP: Final = 1
PAGE_OUT: Final = 2
PAGE_OUT_REPLY: Final = 3
PAGE_IN: Final = 4
PAGE_IN_REPLY: Final = 5
TCP: Final = 6
ARP: Final = 16
IPV6: Final = 17
VLAN: Final = 18
"""802.1Q."""
QINQ: Final = 19
"""802.1ad."""
OTHER: Final = 20
"""Any other protocol of the link layer. Frames that are no IPv4 go to port 0, where no socket can be."""
FRAGMENT: Final = 64
"""Added to the kind of a datagram that travels in IPv4 fragments."""

KIND_NAMES: Final = {
    UDP: "udp",
    PAGE_OUT: "page-out",
    PAGE_OUT_REPLY: "page-out-reply",
    PAGE_IN: "page-in",
    PAGE_IN_REPLY: "page-in-reply",
    TCP: "tcp",
    ARP: "arp",
    IPV6: "ipv6",
    VLAN: "vlan",
    QINQ: "qinq",
    OTHER: "other",
}

CORRUPT: Final = 1
"""Arrival flag: the bits were damaged on the way; the receiver's checksum finds out."""

CRASH: Final = 1
RESTART: Final = 2
PAUSE: Final = 3
RESUME: Final = 4
SLOW_DISK: Final = 5
"""From now on the disk's latency is the control's value, ns."""
OWN_DISK: Final = 6
"""The disk is as fast as it was made."""
FREEZE: Final = 7
"""The program whose place among the machine's is the control's value stands still (SIGSTOP)."""
THAW: Final = 8
"""The program whose place among the machine's is the control's value goes on (SIGCONT)."""

_SMALL_BITS: Final = 20
SMALL_MAX: Final = (1 << _SMALL_BITS) - 1
"""Most of a machine's index, of a frame's bytes, of the frames of a train."""
_TIME_BITS: Final = 62
TIME_MAX: Final = (1 << _TIME_BITS) - 1
_PORT_BITS: Final = 16
_STEP_BITS: Final = 14
"""A datagram has 65,535 bytes, and a fragment 8 or more."""
PORT_MAX: Final = (1 << _PORT_BITS) - 1

_OF_THE_KERNEL: Final = frozenset({PAGE_OUT, PAGE_OUT_REPLY, PAGE_IN, PAGE_IN_REPLY})
_BROKEN: Final = (ValueError, msgpack.exceptions.UnpackException, msgpack.exceptions.BufferFull, TypeError)


class Frame(NamedTuple):
    """One frame, or a train of them, as it leaves a machine's card."""

    version: int
    sent_ns: int
    """When the first frame's last bit has left the card."""
    source: int
    """Index of the sending machine in the scenario."""
    number: int
    """The sender's own numbering, one per frame (a train takes `count` of them)."""
    destination: int
    wire: int
    """Bytes on the wire of each frame but the last."""
    tail: int
    """Bytes on the wire of the last frame."""
    kind: int
    port: int
    count: int  # type: ignore[assignment]  # the field's own word; tuple.count is not used
    gap_ns: int
    body: tuple[Any, ...]


Raw = Frame
"""A frame as msgpack gives it: a plain tuple, without the names (naming costs more than decoding; it is read by place).

Its type is that of one with names, and so are the types of the other tuples that every frame goes through. Of the type of a
plain tuple compiled code makes as many variables as it has places: it would take each apart, and put it together anew, whenever
it goes into a list or comes out of one.
"""


class Arrival(NamedTuple):
    """One stretch of a train as it reaches a machine; a plain tuple, as `Raw`. The first four order arrivals, and never tie."""

    at_ns: int
    """The time of the first frame of the stretch."""
    source: int
    number: int
    copy: int
    count: int  # type: ignore[assignment]  # as in `Frame`
    gap_ns: int
    first: int
    """Which frame of the train is the first of these."""
    flags: int
    frame: Raw


A_AT: Final = 0
A_SOURCE: Final = 1
A_NUMBER: Final = 2
A_COPY: Final = 3
A_COUNT: Final = 4
A_GAP: Final = 5
A_FIRST: Final = 6
A_FLAGS: Final = 7
A_FRAME: Final = 8
"""The places in an `Arrival`: a place is read faster than a name."""


class Control(NamedTuple):
    """What is done to a machine from outside, before its own events and the arrivals of that time."""

    at_ns: int
    what: int
    value: int


_LIMITS: Final = (
    VERSION,
    TIME_MAX,
    SMALL_MAX,
    TIME_MAX,
    SMALL_MAX,
    SMALL_MAX,
    SMALL_MAX,
    PORT_MAX,
    PORT_MAX,
    SMALL_MAX,
    TIME_MAX,
)
_BODY_SIZES: Final = (3, 6, 8)
"""(ident, step, datagram) of fragments; (source port, payload, flow, flows, ports, message) of a whole datagram; a TCP
segment as `netswap.protocol.tcp.Body`.

Frame i of a train belongs to flow `(flow + i) % flows`, and goes to the frame's port plus that number modulo `ports`.
With step 0 the frames of a train are the fragments of one datagram; with step n from 1 on each is fragment n - 1 of another,
numbered on from ident.
"""
_CONTROL: Final = (int,) * 3
_pack: Final[Callable[[object], bytes]] = msgpack.Packer(autoreset=True).pack

F_VERSION: Final = 0
F_SENT: Final = 1
F_SOURCE: Final = 2
F_NUMBER: Final = 3
F_DESTINATION: Final = 4
F_WIRE: Final = 5
F_TAIL: Final = 6
F_KIND: Final = 7
F_PORT: Final = 8
F_COUNT: Final = 9
F_GAP: Final = 10
F_BODY: Final = 11
"""The places in a `Raw`."""


encode: Final[Callable[[tuple[object, ...]], bytes]] = _pack
"""The bytes of one frame, given as a tuple in the order of `Frame`."""
encode_time: Final[Callable[[int], bytes]] = _pack
"""What stands before a train that arrives as it was sent, in a batch to a machine: when its first frame does, ns."""


def encode_arrival(at_ns: int, copy: int, flags: int, first: int, count: int, gap_ns: int) -> bytes:
    """What stands before an untouched frame in a batch to a machine."""
    return _pack((at_ns, copy, flags, first, count, gap_ns))


def split_arrival(arrival: Arrival, limit_ns: int) -> tuple[int, Arrival | None]:
    """How many frames of a train come before `limit_ns`, at least one, and the arrival of the others."""
    at_ns, source, number, copy, count, gap, first, flags, frame = arrival
    if limit_ns <= at_ns:
        before = 1
    else:
        before = min(count, -(-(limit_ns - at_ns) // gap)) if gap else count
    if before == count:
        return count, None
    left = count - before
    rest: Any = (at_ns + before * gap, source, number + before, copy, left, gap, first + before, flags, frame)
    return before, rest


def encode_control(at_ns: int, what: int, value: int = 0) -> bytes:
    """What is done to a machine, in a batch to it."""
    return _pack((at_ns, what, value))


def cut(data: bytes, *, bodies: bool = False) -> list[tuple[Raw, bytes]]:
    """The frames of a batch that a machine sent, each with its own bytes. `bodies`: look at these too, as `arrivals` does.

    Raises `RemoteProtocolError` with the offset of the first frame that cannot be read.
    """
    frames: list[tuple[Raw, bytes]] = []
    start = 0
    unpacker = _unpacker(data)
    tell = unpacker.tell
    try:
        for item in unpacker:
            end = tell()
            if not _fits(item):
                raise _refuse(item, start)
            if bodies and not _body_fits(item[F_KIND], item[F_BODY]):
                raise _refuse_body(item, start)
            frames.append((item, data[start:end]))
            start = end
    except _BROKEN as error:
        raise RemoteProtocolError(f"not msgpack: {error!s:.80}", start) from error
    if start != len(data):
        raise RemoteProtocolError(f"the last frame is cut off after {len(data) - start} bytes", start)
    return frames


def as_read(sent: Sequence[tuple[Raw, bytes]]) -> list[tuple[Raw, bytes]]:
    """Frames that this process has encoded itself, as they are read from their bytes.

    Whole numbers and tuples within all limits are read as they were written, so these need not be read; all else is. What
    the kernel itself says to a swap server, or this to it, has nothing else; programs may have put anything into the others.
    A burst whose segments have to be read is no burst any more. Raises `RemoteProtocolError` where `cut` and `arrivals` do.
    """
    read: list[tuple[Raw, bytes]] = []
    for one in sent:
        if _is_read_as_written(one[0]):
            read.append(one)
        else:
            read += cut(one[1], bodies=True)
    return read


def is_burst(frame: Raw) -> bool:
    """Whether a frame is a burst: segments of TCP that leave as a train, with a body for each instead of one for all.

    A burst never crosses as one: its bytes are those of its segments one after the other. It is handed over within a process.
    """
    return frame[F_KIND] == TCP and frame[F_COUNT] > 1 and type(frame[F_BODY][0]) is tuple


def one_of(frame: Raw, index: int) -> Raw:
    """Segment `index` of a burst, as a frame by itself; any other frame as it is."""
    if not is_burst(frame):
        return frame
    version, sent_ns, source, number, to, wire, tail, kind, port, _, gap, body = frame
    one: Any = (version, sent_ns + index * gap, source, number + index, to, wire, tail, kind, port, 1, 0, body[index])
    return one  # type: ignore[no-any-return]


def _is_read_as_written(frame: Raw) -> bool:
    kind, body = frame[F_KIND], frame[F_BODY]
    if kind & ~FRAGMENT in _OF_THE_KERNEL:
        return True
    if kind == TCP and frame[F_COUNT] > 1 and is_burst(frame):
        return all(is_plain(one) or is_body(one) for one in body)
    if kind == TCP and frame[F_COUNT] == 1 and is_plain(body):
        return True
    if not _fits(frame) or not _body_fits(kind, body):
        return False
    if kind == TCP:
        return True  # looked at in full
    message = body[-1][-1] if kind & FRAGMENT else body[-1]
    return not message or {*map(type, message)} == {int}


def arrivals(data: bytes, controls: list[Control] | None = None) -> list[Arrival]:
    """What reaches a machine, in the order of the batch; controls are added to `controls`, and refused without it.

    Raises `RemoteProtocolError` with the offset of the first arrival or control that cannot be read.
    """
    result: list[Arrival] = []
    one: Any
    start = 0
    unpacker = _unpacker(data)
    tell = unpacker.tell
    try:
        for stamp in unpacker:
            whole = type(stamp) is int and not stamp >> _TIME_BITS
            if not whole and not _is_stretch(stamp):
                if controls is None or not _is_control(stamp):
                    raise _refuse_stamp(stamp, start)
                controls.append(Control(*stamp))
                start = tell()
                continue
            frame = next(unpacker)
            if not _fits(frame):
                raise _refuse(frame, start)
            if not _body_fits(frame[F_KIND], frame[F_BODY]):
                raise _refuse_body(frame, start)
            if whole:
                one = (stamp, frame[F_SOURCE], frame[F_NUMBER], 0, frame[F_COUNT], frame[F_GAP], 0, 0, frame)
            else:
                at_ns, copy, flags, first, count, gap = stamp
                if first + count > frame[F_COUNT]:
                    raise _refuse_stretch(first, count, frame, start)
                one = (at_ns, frame[F_SOURCE], frame[F_NUMBER] + first, copy, count, gap, first, flags, frame)
            result.append(one)
            start = tell()
    except StopIteration:
        raise RemoteProtocolError("an arrival without its frame", start) from None
    except _BROKEN as error:
        raise RemoteProtocolError(f"not msgpack: {error!s:.80}", start) from error
    if start != len(data):
        raise RemoteProtocolError(f"the last frame is cut off after {len(data) - start} bytes", start)
    return result


def _unpacker(data: bytes) -> msgpack.Unpacker:
    unpacker = msgpack.Unpacker(
        use_list=False,
        max_array_len=16,
        max_str_len=256,
        max_bin_len=1 << 16,
        max_map_len=0,
        max_ext_len=0,
        max_buffer_size=len(data) + 1,
    )
    unpacker.feed(data)
    return unpacker


def _fits(item: object) -> bool:
    """Whether a decoded msgpack value is a frame within all limits.

    Whole numbers from 0 to a limit of n bits, and only these, leave no bit when they are shifted by n.
    """
    if type(item) is not tuple or len(item) != 12:
        return False
    version, sent, source, number, destination, wire, tail, kind, port, count, gap, body = item
    if not (
        type(version) is type(sent) is type(source) is type(number) is type(destination) is type(wire) is int
        and type(tail) is type(kind) is type(port) is type(count) is type(gap) is int
        and type(body) is tuple
    ):
        return False
    return (
        version == VERSION
        and count > 0
        and not (source | destination | wire | tail | count) >> _SMALL_BITS
        and not (kind | port) >> _PORT_BITS
        and not (sent | number | gap) >> _TIME_BITS
        and len(body) in _BODY_SIZES
    )


def _is_stretch(item: object) -> bool:
    """Whether a decoded msgpack value says which frames of a train arrive, and when, within all limits."""
    if type(item) is not tuple or len(item) != 6:
        return False
    at_ns, copy, flags, first, count, gap = item
    return (
        type(at_ns) is type(copy) is type(flags) is type(first) is type(count) is type(gap) is int
        and count > 0
        and not (at_ns | copy | flags | first | count | gap) >> _TIME_BITS
    )


def _is_control(item: object) -> bool:
    """Whether a decoded msgpack value is a control within all limits."""
    if type(item) is not tuple or tuple(map(type, item)) != _CONTROL:
        return False
    at_ns, what, value = item
    return not (at_ns | value) >> _TIME_BITS and bool(CRASH <= what <= THAW)


def _body_fits(kind: int, body: tuple[Any, ...]) -> bool:
    """Whether a frame's body is what its kind says: a segment, fragments of a datagram, or a whole one."""
    if kind == TCP:
        return is_body(body)
    if kind & FRAGMENT:
        if len(body) != 3:
            return False
        ident, step, body = body
        if not (
            type(ident) is type(step) is int and not (ident >> _PORT_BITS or step >> _STEP_BITS) and type(body) is tuple
        ):
            return False
    if len(body) != 6:
        return False
    port, payload, flow, flows, ports, message = body
    return (
        type(port) is type(payload) is type(flow) is type(flows) is type(ports) is int
        and type(message) is tuple
        and flows > 0
        and ports > 0
        and not (port | payload | flow | flows | ports) >> _TIME_BITS
    )


def _shown(value: object) -> str:
    """A value in a message: short, however deep it is."""
    return reprlib.repr(value)


def _refuse_stamp(item: object, offset: int) -> RemoteProtocolError:
    """What should stand before a frame does not."""
    wanted = "an arrival is an integer from 0 or an array of 6, a control one of 3"
    return RemoteProtocolError(f"{wanted}, not {_shown(item)}", offset)


def _refuse_body(frame: Raw, offset: int) -> RemoteProtocolError:
    return RemoteProtocolError(f"no stack can read the body {_shown(frame[F_BODY])}", offset)


def _refuse_stretch(first: int, count: int, frame: Raw, offset: int) -> RemoteProtocolError:
    """A stretch is longer than its train."""
    return RemoteProtocolError(f"frames {first} to {first + count} of a train of {frame[F_COUNT]}", offset)


def _refuse(item: object, offset: int) -> RemoteProtocolError:
    """Say which field of a frame is wrong."""
    if not isinstance(item, tuple) or len(item) != 12:
        return RemoteProtocolError(f"a frame is an array of 12, not {_shown(item)}", offset)
    if item[0] != VERSION:
        return RemoteProtocolError(f"unknown version {_shown(item[0])}; this is version {VERSION}", offset)
    for name, value, most in zip(Frame._fields, item, _LIMITS, strict=False):
        if type(value) is not int:
            return RemoteProtocolError(f"{name} is {_shown(value)}, not an integer", offset)
        if not 0 <= value <= most:
            return RemoteProtocolError(f"{name} {value} is not within 0 to {most}", offset)
    if item[F_COUNT] == 0:
        return RemoteProtocolError("count 0: a train has at least one frame", offset)
    return RemoteProtocolError(f"body {_shown(item[F_BODY])} is not an array of 3, 6 or 8", offset)
