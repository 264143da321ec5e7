"""The card: a ring that drains or never does, short frames, the watchdog, and the wire."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import GIGABIT, KERNEL, SERVICE, B, C, Host, host, udp

from netswap.actors.kernels import LINUX_6_1, LINUX_6_11, Kernel
from netswap.actors.net.drivers import on_link
from netswap.protocol.frame import CORRUPT, TCP, UDP, VERSION, Raw
from netswap.protocol.tcp import ACK
from netswap.protocol.units import milliseconds, seconds

RING = 32
FULL_NS = 1538 * 8
"""A full frame at 1 Gbit/s: 12304 ns, 81274 frames a second."""


def starved(refill: str = "e1000", ring: int = RING, sockets: int = 4) -> Host:
    """Sockets with room, a full ring, and neither a page nor an object to be had."""
    a = host(ring=ring, refill=refill)
    a.open(sockets)
    a.drain_to_the_atomic_floor()
    return a


# -- the two rules (row 38) ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ring", [1, 7, 32, 256])
def test_the_e1000_ring_drains_after_exactly_as_many_frames_as_it_has_descriptors(ring: int) -> None:
    """Each is passed up and not replaced; the next frame finds no buffer."""
    a = starved(ring=ring, sockets=8)
    for received in range(1, ring + 1):
        a.receive(udp(1, flow=received, flows=8, ports=8))
        assert a.nic.filled() == ring - received
    assert (a.counters.delivered, a.dropped()) == (ring, {})
    a.receive(udp(1000))
    assert (a.counters.delivered, a.dropped()) == (ring, {"ring-empty": 1000})


def test_the_tg3_ring_never_drains() -> None:
    """The replacement comes first; without one the frame is dropped and its buffer stays."""
    a = starved("tg3")
    a.receive(udp(1000))
    assert (a.nic.filled(), a.counters.delivered, a.dropped()) == (RING, 0, {"no-memory": 1000})


def test_once_a_page_can_be_had_tg3_receives_at_once() -> None:
    """No watchdog is needed: a page for heads and one for two data buffers, two frames."""
    a = starved("tg3")
    a.receive(udp(10))
    a.zone.give(2)
    a.receive(udp(10))
    assert a.counters.delivered == 2
    assert a.dropped() == {"no-memory": 18}


def test_e1000_refills_once_16_descriptors_are_empty_or_all() -> None:
    """32 descriptors: down to 17, full again with the 16th frame; 7 descriptors: down to 1, full with the 7th."""
    for ring, batch in ((32, 16), (7, 7)):
        a = host(ring=ring)
        a.open()
        levels = []
        for _ in range(2 * batch):
            a.receive(udp(1))
            levels.append(a.nic.filled())
        assert levels == [*range(ring - 1, ring - batch, -1), ring] * 2


def test_an_e1000_ring_that_still_has_a_buffer_is_refilled_by_the_frame_that_takes_the_last() -> None:
    """Memory is back: one frame, and all descriptors are full again."""
    a = starved()
    a.receive(udp(RING - 1))
    assert a.nic.filled() == 1
    a.zone.give(100)
    a.receive(udp(1))
    assert a.nic.filled() == RING


@pytest.mark.parametrize("drained_ms", [1, 500, 1999, 2000, 3999, 7300])
def test_the_watchdog_refills_a_drained_ring_at_its_next_beat(drained_ms: int) -> None:
    """Memory is back at once, frames do not help; at the next whole 2 s the ring is full, so within 2 s."""
    a = starved()
    a.run_until(milliseconds(drained_ms))
    a.receive(udp(RING))
    a.zone.give(100)
    beat = (a.events.now // seconds(2) + 1) * seconds(2)
    assert 0 < beat - a.events.now <= seconds(2)
    a.run_until(beat)
    a.receive(udp(1), beat - 1)
    assert (a.nic.filled(), a.dropped()) == (0, {"ring-empty": 1})
    a.run_until(beat + 1)
    assert a.nic.filled() == RING
    assert a.nic.watchdog_ns[0] == beat


def test_the_watchdog_tries_at_every_beat_until_it_has_filled_the_ring() -> None:
    """Nothing at 2 and 4 s; a page for heads and one for data before 6 s: 2 buffers; the rest at 8 s; then quiet."""
    a = starved()
    a.receive(udp(RING))
    for beat in (2, 4):
        a.run_until(seconds(beat) + 1)
        assert (a.nic.filled(), a.nic.watchdog_ns[0]) == (0, seconds(beat))
    a.zone.give(2)
    a.run_until(seconds(6) + 1)
    assert a.nic.filled() == 2
    a.zone.give(100)
    a.run_until(seconds(8) + 1)
    assert a.nic.filled() == RING
    a.run_until(seconds(100))
    assert a.nic.watchdog_ns[0] == seconds(8)


def test_the_rings_buffers_are_taken_when_the_card_is_brought_up() -> None:
    """256 descriptors: 128 pages of data and 16 of heads, outside free memory from then on."""
    a = host(ring=256)
    assert a.nic.filled() == 256
    assert a.zone.total - a.zone.free == 256 // 2 + 256 // 16


# -- short frames ----------------------------------------------------------------------------------------------------


def copy_of_2007(length: int) -> tuple[int, int]:
    """(object, truesize) of a copy: 16 + 2 bytes before it, cache lines of 64, 312 of shared info; a head of 232 (alloc_skb)."""
    size = -(-(length + 16 + 2) // 64) * 64
    return (512 if size + 312 <= 512 else 1024), size + 232


@pytest.mark.parametrize("refill", ["e1000", "tg3"])
@pytest.mark.parametrize("length", [60, 110, 111, 174, 175, 238, 239, 255, 256, 1514])
def test_short_frames_are_copied_into_what_holds_them(refill: str, length: int) -> None:
    """Below 256 bytes with the link header: a small buffer of its own, and the ring keeps all of its own.

    On the wire there are a preamble of 8, a checksum of 4 and a gap of 12 bytes more. A frame of 60 bytes fits into 512.
    """
    copied = length < 256
    a = host(refill=refill)
    queues = a.open()
    a.receive(udp(1, wire=length + 24))
    (_, datagram) = queues.datagrams[0]
    size, truesize = copy_of_2007(length) if copied else (2048, 1832)
    in_use = {cache.size: cache.in_use for cache in (a.buffers.copies, a.buffers.shorts)}
    assert in_use == {1024: int(size == 1024), 512: int(size == 512)}
    assert a.buffers.receive.in_use - a.nic.filled() == (0 if copied else 1)
    assert datagram.truesize == truesize
    assert a.nic.filled() == (RING if copied or refill == "tg3" else RING - 1)


@pytest.mark.parametrize(
    ("kernel", "refill", "length", "size"),
    [
        *((kernel, refill, 60, 1024) for kernel in (LINUX_6_1, LINUX_6_11) for refill in ("e1000", "e1000e")),
        (LINUX_6_1, "tg3", 60, 512),
        (LINUX_6_1, "tg3", 126, 512),
        (LINUX_6_1, "tg3", 127, 1024),
        (LINUX_6_11, "tg3", 60, 640),
        (LINUX_6_11, "tg3", 254, 640),
        (LINUX_6_11, "tg3", 255, 1024),
    ],
)
def test_in_6_x_the_drivers_call_decides_what_a_copy_takes(kernel: Kernel, refill: str, length: int, size: int) -> None:
    """napi_alloc_skb cuts a quarter of a page whatever it needs; netdev_alloc_skb asks kmalloc, or the cache of small heads.

    64 + 2 bytes before the frame and 320 of shared info; the object counts whole, with a head of 256.
    """
    a = host(refill=refill, kernel=on_link(kernel, refill, 1500))
    queues = a.open()
    a.receive(udp(1, wire=length + 24))
    (_, datagram) = queues.datagrams[0]
    assert datagram.truesize == size + 256
    assert {cache.size for cache in (a.buffers.copies, a.buffers.shorts) if cache.in_use} == {size}


def test_without_memory_e1000_passes_a_short_frame_up_as_it_is_and_tg3_drops_it() -> None:
    """e1000: the ring's buffer, charged in full; tg3: no-memory, as for long ones."""
    a = starved()
    a.receive(udp(3, wire=60))
    assert (a.counters.delivered, a.nic.filled(), a.dropped()) == (3, RING - 3, {})
    b = starved("tg3")
    b.receive(udp(3, wire=60))
    assert (b.counters.delivered, b.nic.filled(), b.dropped()) == (0, RING, {"no-memory": 3})


def test_the_last_frame_of_a_train_has_its_own_length() -> None:
    """Two full frames and a short tail: two from the ring, one copied (76 bytes: 128 + 232)."""
    a = host()
    queues = a.open()
    train = udp(3)
    a.receive((*train[:6], 100, *train[7:]))
    assert [datagram.truesize for _, datagram in queues.datagrams] == [1832, 1832, 128 + 232]


@pytest.mark.parametrize("refill", ["e1000", "tg3"])
def test_a_damaged_frame_takes_a_buffer_and_gives_it_back(refill: str) -> None:
    """Cause corrupt; nothing is left behind."""
    a = host(refill=refill)
    a.open()
    a.receive(udp(5), flags=CORRUPT)
    assert (a.dropped(), a.counters.delivered) == ({"corrupt": 5}, 0)
    assert a.buffers.receive.in_use == a.nic.filled()


# -- trains ----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 30), st.integers(1, 1000), st.lists(st.integers(1, 30_000), max_size=5))
def test_a_train_received_in_pieces_is_the_same_train(count: int, gap_ns: int, limits: list[int]) -> None:
    """Frames before the limit are received, the rest comes back with its own time, number and place."""
    whole, pieces = host(), host()
    for a in (whole, pieces):
        a.open(7)
    train = udp(count, number=100, gap_ns=gap_ns, flows=7, ports=7)
    whole.receive(train, 0)
    left = (0, B, 100, 0, count, gap_ns, 0, 0, train)
    for limit in [*sorted(limits), 1 << 60]:
        if left is not None and left[0] < limit:
            done = min(left[4], -(-(limit - left[0]) // gap_ns))
            expected = (left[0] + done * gap_ns, B, left[2] + done, 0, left[4] - done, gap_ns, left[6] + done, 0, train)
            left = pieces.nic.receive(left, limit)
            assert left == (expected if expected[4] else None)
    assert left is None
    for port in range(SERVICE, SERVICE + 7):
        assert whole.stack.sockets[port].charged == pieces.stack.sockets[port].charged


def test_a_train_stops_for_the_machines_own_events() -> None:
    """An event at the time of frame 4 comes before it."""
    a = host()
    a.open()
    seen: list[int] = []
    a.events.at(4_000, lambda _: seen.append(a.counters.received))
    train = udp(10, gap_ns=1_000)
    rest = a.nic.receive((0, B, 0, 0, 10, 1_000, 0, 0, train), 1 << 60)
    assert rest is not None
    assert (a.counters.received, rest[0], rest[6]) == (4, 4_000, 4)
    a.events.step()
    assert seen == [4]


class _Busy:
    """A stack that knows the connection of a burst, which takes none of its segments in one step."""

    def express(self, frame: Raw) -> "_Busy":
        """Itself."""
        return self

    def pass_on(self, segment: Any, truesize: int) -> bool:
        """Never."""
        return False


def test_the_first_segment_of_a_burst_is_received_whatever_else_comes_at_its_time() -> None:
    """Another arrival at the very same time is the limit: the card that gave the burst back as it was would do so for ever."""
    a = host()
    segment = (0, ACK, 1, 1, 1 << 16, 1448, (), ())
    burst = (VERSION, 0, B, 0, 0, 1538, 1538, TCP, SERVICE, 3, 1_000, (segment,) * 3)
    for busy in (_Busy(), None):
        a.nic._passes_bursts = busy  # type: ignore[assignment]  # as far as the card asks it
        before = a.counters.received
        rest = a.nic.receive((5_000, B, 0, 0, 3, 1_000, 0, 0, burst), 5_000)  # type: ignore[arg-type]  # plain tuples
        assert rest is not None
        assert (a.counters.received - before, rest[0], rest[4], rest[6]) == (1, 6_000, 2, 1)


# -- out -------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 9000), st.sampled_from((10_000_000, 100_000_000, GIGABIT, 10 * GIGABIT)))
def test_the_time_on_the_wire_is_bits_over_rate(wire: int, rate: int) -> None:
    """8 bytes x 10^9 / rate, rounded down."""
    a = host()
    a.nic._rate_bps = rate
    assert a.nic.wire_ns(wire) == 8 * wire * 1_000_000_000 // rate


def test_datagrams_leave_one_behind_the_other() -> None:
    """Two full frames at 0: their last bits leave at 12304 and 24608 ns; one asked for at 1 ms, 12304 ns later."""
    a = host()
    for at_ns in (0, 0, milliseconds(1)):
        a.run_until(at_ns)
        a.nic.transmit([], C, (UDP, 7, 1, 1538, 1538, (0, 1472, 0, 1, 1, ())))
    assert [frame.sent_ns for frame in a.sent()] == [FULL_NS, 2 * FULL_NS, milliseconds(1) + FULL_NS]


def test_the_last_packet_of_a_datagram_leaves_when_all_its_bytes_have() -> None:
    """Two full packets and one of 1310 bytes: (1538 + 1538 + 1310) 8 ns; the next datagram begins after it."""
    a = host()
    a.nic.transmit([], C, (UDP, 7, 3, 1538, 1310, (0, 4224, 0, 1, 1, ())))
    done = a.nic.idle_ns
    assert done == (1538 + 1538 + 1310) * 8
    a.nic.transmit([], C, (UDP, 7, 1, 1538, 1538, (0, 1472, 0, 1, 1, ())))
    train, single = a.sent()
    assert train.sent_ns + 2 * train.gap_ns == done
    assert single.sent_ns == done + FULL_NS


def test_frames_are_numbered_one_by_one() -> None:
    """A train takes as many numbers as it has frames."""
    a = host()
    for count in (1, 3, 5, 1):
        a.nic.send_train(B, UDP, 7, count, 20_000, 1538, (0, 1472, 0, 1, 1, ()))
    assert [frame.number for frame in a.sent()] == [0, 1, 4, 9]
    assert a.nic.sent == 10
    assert a.nic.take_out() == []


def test_a_watchdog_is_not_needed_while_the_ring_is_full() -> None:
    """No event of the card's own in a quiet machine."""
    a = host()
    a.open()
    a.receive(udp(10))
    a.run_until(seconds(100))
    assert a.nic.watchdog_ns == []
    assert KERNEL.watchdog_ns == seconds(2)


# -- an empty ring, at once --------------------------------------------------------------------------------------------


@given(
    count=st.integers(2, 300),
    gap=st.integers(0, 50),
    room=st.integers(0, RING - 1),
    limit=st.integers(1, 5_000),
    event=st.one_of(st.none(), st.integers(1, 5_000)),
)
def test_frames_lost_at_an_empty_ring_are_lost_up_to_the_next_event_and_no_farther(
    count: int, gap: int, room: int, limit: int, event: int | None
) -> None:
    """The ring empties within the train: then those that come before the limit and the event go in one step, as one by one."""
    a = starved(sockets=64)
    a.receive(udp(RING - room, flows=64, ports=64))
    filled = a.nic.filled()
    if event is not None:
        a.events.at(event, lambda _: None)
    frame = udp(count, gap_ns=gap, flows=64, ports=64)
    rest = a.nic.receive((0, frame[2], 7, 0, count, gap, 0, 0, frame), limit)
    before = min(limit, limit if event is None else event)
    handled = next((index for index in range(1, count) if index * gap >= before), count)
    assert a.counters.received == RING - room + handled
    assert a.dropped() == ({"ring-empty": handled - filled} if handled > filled else {})
    assert a.events.now == (handled - 1) * gap
    left = count - handled
    assert rest == ((handled * gap, frame[2], 7 + handled, 0, left, gap, handled, 0, frame) if left else None)
