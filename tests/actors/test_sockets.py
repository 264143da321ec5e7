"""Buffers, demux and sockets: what a frame costs, what a socket is charged, and what is dropped where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import KERNEL, SERVICE, A, B, C, Host, answer, fragments, host, real_bytes, udp

from netswap.actors.kernels import LINUX_2_6_22, LINUX_6_11, Kernel
from netswap.actors.memory.anonymous import AddressSpace
from netswap.actors.net.sockets import Datagram
from netswap.protocol.frame import CORRUPT, Frame
from netswap.protocol.units import milliseconds

RCVBUF, TRUESIZE = 124_928, 1832
CAPACITY = -(-RCVBUF // TRUESIZE) - 1
"""The most frames n with n * 1832 < 124928: ceil(68.19) - 1 = 68."""


# -- sockets ---------------------------------------------------------------------------------------------------------


def test_a_socket_takes_68_full_frames() -> None:
    """rmem_default = 256 (232 + 256) = 124928; 68 * 1832 = 124576 < 124928 <= 69 * 1832 (row 34)."""
    assert RCVBUF == 256 * (232 + 256) == KERNEL.rmem_default
    assert CAPACITY == 68
    a = host()
    queues = a.open()
    a.receive(udp(100))
    assert (a.counters.delivered, queues.buffers, a.dropped()) == (68, 68, {"socket-full": 32})
    assert queues.sockets[SERVICE].charged == 68 * TRUESIZE


def test_a_receive_buffer_that_would_be_exactly_full_takes_one_less() -> None:
    """charged + truesize < rcvbuf is strict: room for 68 * 1832 bytes takes 67 frames, one byte more takes 68."""
    for rcvbuf, frames in ((68 * TRUESIZE, 67), (68 * TRUESIZE + 1, 68)):
        a = host()
        a.open(rcvbuf=rcvbuf)
        a.receive(udp(100))
        assert a.counters.delivered == frames


def test_charged_bytes_are_not_real_bytes() -> None:
    """1600 + 232 = 1832 charged, 2048 + 256 = 2304 taken for each full frame (row 33)."""
    a = host()
    queues = a.open()
    a.receive(udp(68))
    (_, datagram) = queues.datagrams[0]
    (buffer,) = datagram.buffers
    assert (datagram.truesize, real_bytes(buffer)) == (1600 + 232, 2048 + 256)


def test_a_full_socket_holds_as_many_pages_as_its_real_bytes_fill() -> None:
    """68 data buffers, two a page: 34 pages; 68 heads, 16 a page: 5; the ring's own 32 took 16 and 2 before."""
    a = host(ring=32, refill="tg3")
    a.open()
    free = a.zone.free
    assert a.zone.total - free == 32 // 2 + 32 // 16
    a.receive(udp(68))
    assert free - a.zone.free == -(-68 // 2) + (-(-(68 + 32) // 16) - 32 // 16)
    assert a.nic.filled() == 32


@pytest.mark.parametrize("refill", ["e1000", "tg3"])
def test_a_full_socket_drops_and_frees_at_once(refill: str) -> None:
    """However many come: in use are the ring's 32 and the socket's 68; 50 + 7 pages, and one of each that is not full."""
    a = host(ring=32, refill=refill)
    a.open()
    a.receive(udp(CAPACITY))
    for _ in range(100):
        a.receive(udp(100))
        assert a.buffers.receive.in_use == a.buffers.heads.in_use == a.nic.filled() + CAPACITY
        assert a.zone.total - a.zone.free <= -(-100 // 2) + 1 + -(-100 // 16) + 1
    assert a.dropped() == {"socket-full": 10_000}


@pytest.mark.parametrize("refill", ["e1000", "tg3"])
def test_at_the_floor_full_sockets_recirculate_their_buffers(refill: str) -> None:
    """Sockets full before the floor is reached: flood frames give back the buffers that a reply needs (facts 5.4)."""
    a = host(refill=refill)
    a.open()
    a.receive(udp(CAPACITY + 12))
    a.drain(a.zone.floors.atomic)
    a.counters.dropped["socket-full"] = 0
    replies: list[Datagram] = []
    a.stack.serve(800, replies.append)
    for _ in range(1000):
        a.receive(udp(1))
    a.receive(udp(1, source=C, port=800))
    assert a.dropped() == {"socket-full": 1000}
    assert len(replies) == 1


def test_a_datagram_that_is_read_gives_its_memory_and_its_room_back() -> None:
    """In the order of arrival; then there is room for one more."""
    a = host()
    queues = a.open()
    a.receive(udp(100))
    free, in_use = a.zone.free, a.buffers.receive.in_use
    for _ in range(CAPACITY):
        a.stack.read(*queues.datagrams.popleft())
    assert queues.sockets[SERVICE].charged == queues.buffers == a.stack.noncritical == 0
    assert a.buffers.receive.in_use == in_use - CAPACITY
    assert a.zone.free > free
    a.receive(udp(1))
    assert a.counters.delivered == CAPACITY + 1


def test_a_datagram_of_fragments_is_charged_for_all_its_buffers() -> None:
    """4224 bytes and headers: 3 packets, two full and one of 1310 bytes on the wire: 3 * 1832; freed together."""
    a = host()
    queues = a.open(rcvbuf=3 * TRUESIZE + 1)
    a.receive(fragments(1, 4224, 3, tail=1310))
    a.receive(fragments(4, 4224, 3, tail=1310))
    assert queues.sockets[SERVICE].charged == 3 * TRUESIZE
    assert (queues.buffers, a.counters.delivered, a.dropped()) == (3, 3, {"socket-full": 3})
    a.stack.read(*queues.datagrams.popleft())
    assert a.buffers.receive.in_use == a.nic.filled()


@given(st.integers(0, 200), st.integers(1, 40), st.integers(1, 10), st.integers(0, 39))
def test_frames_of_a_train_go_to_ports_by_their_flow(count: int, flows: int, ports: int, flow: int) -> None:
    """Frame i belongs to flow (flow + i) mod flows, and goes to port 9000 + that mod ports."""
    a = host()
    queues = a.open(ports)
    a.receive(udp(count + 1, flow=flow, flows=flows, ports=ports))
    expected = [SERVICE + (flow + index) % flows % ports for index in range(count + 1)]
    for port, socket in queues.sockets.items():
        arrived = expected.count(port)
        assert socket.charged == min(arrived, CAPACITY) * TRUESIZE
    lost = sum(max(0, expected.count(port) - CAPACITY) for port in queues.sockets)
    assert a.dropped().get("socket-full", 0) == lost


def test_the_rest_of_a_train_goes_on_with_the_flow_it_stands_at() -> None:
    """Frames 5, 6 and 7 of a train over 4 ports go to ports 1, 2 and 3."""
    a = host()
    queues = a.open(4)
    train = udp(8, flows=4, ports=4)
    assert a.nic.receive((0, B, 5, 0, 3, 0, 5, 0, train), 1) is None
    assert [datagram.port - SERVICE for _, datagram in queues.datagrams] == [1, 2, 3]


def test_a_port_where_nobody_listens_drops_and_frees() -> None:
    """Cause no-socket."""
    a = host()
    a.receive(udp(10, port=7))
    assert a.dropped() == {"no-socket": 10}
    assert a.buffers.receive.in_use == a.nic.filled()


# -- emergency buffers -----------------------------------------------------------------------------------------------


def at_the_floor(*switches: str, buffers: int = 8) -> Host:
    """Only emergency buffers can be had, so many of them; the ring's one descriptor holds the first."""
    a = host("reserve-access", "slab-rule", *switches, emergency=100, ring=1)
    a.drain_to_the_atomic_floor()
    a.emergency.limit = buffers * 2304 + 1
    a.open(rcvbuf=TRUESIZE + 1)
    a.receive(udp(1))
    assert (a.counters.delivered, a.emergency.usage) == (1, 2304)
    a.open()
    return a


def test_an_emergency_buffer_for_an_ordinary_socket_is_dropped_at_demux() -> None:
    """Frame after frame; each gives its charge back, so that only the ring's one stays charged."""
    a = at_the_floor("drop-at-demux")
    free = a.zone.free
    a.receive(udp(50))
    assert (a.counters.delivered - 1, a.dropped()) == (0, {"demux": 50})
    assert a.emergency.usage == a.emergency.usage_max == 2304
    assert a.zone.free == free


def test_without_the_drop_at_demux_an_ordinary_socket_eats_the_reserve() -> None:
    """8 buffers: one after another goes to the socket and stays; then nothing can be received."""
    a = at_the_floor(buffers=8)
    a.receive(udp(50))
    assert (a.counters.delivered - 1, a.dropped()) == (8, {"ring-empty": 50 - 8})
    assert a.emergency.usage == 8 * 2304


@pytest.mark.parametrize("drop", [True, False])
def test_the_kernels_own_user_of_a_port_takes_emergency_buffers(drop: bool) -> None:
    """A marked socket: delivered with the drop at demux on or off, and freed at once."""
    a = at_the_floor(*["drop-at-demux"] * drop)
    replies: list[Datagram] = []
    a.stack.serve(800, replies.append)
    a.receive(udp(50, source=C, port=800))
    assert (len(replies), a.counters.delivered - 1, a.dropped()) == (50, 50, {})
    assert a.emergency.usage == a.emergency.usage_max == 2304


@pytest.mark.parametrize("on", [True, False])
def test_at_the_floor_a_reply_needs_the_right_to_a_route_entry(on: bool) -> None:
    """With memalloc-processing all 50 are processed; without, they are lost although they have been received."""
    a = at_the_floor(*["memalloc-processing"] * on)
    replies: list[Datagram] = []
    a.stack.serve(800, replies.append, routed=frozenset({C}))
    a.receive(udp(50, source=C, port=800))
    assert (len(replies), a.dropped()) == ((50, {}) if on else (0, {"no-memory": 50}))
    assert a.emergency.usage == 2304


def test_a_route_entry_serves_all_packets_of_its_source_until_it_is_not_used_for_half_a_second() -> None:
    """One entry, one page; used at 0 and at 0.4 s it is collected at 0.9 s, and its page is back."""
    a = host()
    a.stack.serve(800, lambda _: None, routed=frozenset({C}))
    a.receive(udp(20, source=C, port=800))
    a.run_until(milliseconds(400))
    a.receive(udp(1, source=C, port=800))
    a.run_until(milliseconds(900))
    assert (a.buffers.routes.in_use, a.buffers.routes.slabs) == (1, 1)
    a.run_until(milliseconds(900) + 1)
    assert (a.buffers.routes.in_use, a.buffers.routes.slabs) == (0, 0)


def test_a_fragment_in_an_emergency_buffer_makes_its_whole_datagram_one() -> None:
    """One ordinary and two emergency fragments: 3 frames dropped at demux."""
    a = host("reserve-access", "drop-at-demux", emergency=100, ring=1)
    a.drain_to_the_atomic_floor()
    a.emergency.limit = 3 * 2304 + 1
    a.open()
    a.receive(fragments(1, 4224, 3, tail=1310))
    assert a.dropped() == {"demux": 3}
    assert a.counters.delivered == 0


@pytest.mark.parametrize(
    ("kernel", "marked", "dropped"),
    [
        (LINUX_2_6_22, 0, True),
        (LINUX_2_6_22, 2, True),
        (LINUX_6_11, 0, True),
        (LINUX_6_11, 2, False),
    ],
)
def test_in_6_11_the_mark_of_its_head_makes_a_datagram_an_emergency_one(
    kernel: Kernel, marked: int, dropped: bool
) -> None:
    """The others are put into the head and their own marks are forgotten; in 2007 one marked fragment suffices."""
    a = host("drop-at-demux", kernel=kernel, ring=4)
    a.open()
    frame = fragments(1, 4224, 3, tail=1310)
    for index in range(3):
        buffer = a.buffers.allocate(a.buffers.receive, 100)
        assert buffer is not None
        a.stack.input(frame, index, (*buffer[:3], int(index == marked)))
    assert a.dropped() == ({"demux": 3} if dropped else {})


def test_a_receive_buffer_is_had_whole_or_not_at_all() -> None:
    """A head without data is given back; so is its charge."""
    a = host("reserve-access", emergency_bytes=1 << 20, ring=1)
    a.drain(0)
    before = (a.buffers.heads.in_use, a.emergency.usage, a.zone.free)
    assert a.buffers.allocate(a.buffers.copies, 488) is None
    assert (a.buffers.heads.in_use, a.emergency.usage, a.zone.free) == before


def test_transmit_buffers_are_had_all_or_none() -> None:
    """3 packets take 3 heads and 3 headers; one page short, everything is given back."""
    a = host(ring=1)
    in_use = (a.buffers.heads.in_use, a.buffers.tx_headers.in_use)
    slabs = a.buffers.transmit(3, a.zone.floors.atomic, memalloc=False)
    assert slabs is not None
    assert (a.buffers.heads.in_use - in_use[0], a.buffers.tx_headers.in_use - in_use[1]) == (3, 3)
    a.buffers.release(slabs)
    a.drain(0)
    assert a.buffers.transmit(3, 0, memalloc=True) is None
    assert (a.buffers.heads.in_use, a.buffers.tx_headers.in_use) == in_use


# -- conservation ----------------------------------------------------------------------------------------------------


arriving = st.lists(
    st.one_of(
        st.builds(
            udp,
            st.integers(1, 90),
            wire=st.sampled_from((60, 255, 256, 1538)),
            ports=st.integers(1, 3),
            flows=st.just(6),
            source=st.sampled_from((B, C)),
            port=st.sampled_from((SERVICE, 800, 7)),
        ),
        st.builds(fragments, st.integers(1, 5), st.just(4224), st.integers(1, 3), tail=st.just(1310)),
    ),
    max_size=12,
)


@given(
    arriving,
    st.sets(st.sampled_from(("reserve-access", "drop-at-demux", "slab-rule", "memalloc-processing"))),
    st.sampled_from(("e1000", "tg3")),
    st.integers(0, 40),
    st.booleans(),
)
def test_every_frame_received_is_delivered_dropped_or_held(
    frames: list[Frame], switches: set[str], refill: str, above_floor: int, corrupt: bool
) -> None:
    """received = delivered + dropped by cause + fragments that wait; buffers in use = ring + sockets + fragments."""
    a = host(*switches, refill=refill, emergency=40, emergency_bytes=10 * 2304)
    queues = a.open(2)
    a.stack.serve(800, lambda _: None, routed=frozenset({C}))
    a.drain(a.zone.floors.atomic + above_floor)
    for number, frame in enumerate(frames):
        a.receive(frame, flags=CORRUPT if corrupt and number % 3 == 2 else 0)
    waiting = a.stack.reassembly.frames
    assert a.counters.received == sum(frame[9] for frame in frames)
    assert a.counters.received == a.counters.delivered + sum(a.dropped().values()) + waiting
    held = a.nic.filled() + queues.buffers + waiting
    data = (a.buffers.receive, a.buffers.copies, a.buffers.shorts)
    assert a.buffers.heads.in_use == sum(cache.in_use for cache in data) == held
    for caches in (*data, a.buffers.heads):
        assert caches.in_use <= caches.slabs * caches.per_slab


def test_the_scene_answers_a_request_as_c_does() -> None:
    """The helper that other tests rely on: xid and page of the request, port 800, a short frame."""
    a = host()
    device = a.device()
    device.page_out(AddressSpace("rank 0", 50, 10), 3)
    (request,) = a.sent()
    reply = answer(request, version=9)
    assert (reply[2], reply[4], reply[8], reply[11][5]) == (C, A, 800, (1, 53, 9))
