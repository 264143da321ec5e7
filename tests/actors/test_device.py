"""A's side of swap: when requests are sent, how many, from which memory, and what an answer does."""

from itertools import islice, takewhile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import transmission_times
from scene import C, Host, answer, host, udp

from netswap.actors.disk import Disk
from netswap.actors.memory.anonymous import READING, RESIDENT, SWAPPED, AddressSpace
from netswap.actors.memory.files import LocalDisk
from netswap.actors.memory.page_faults import PageFaults
from netswap.actors.memory.reclaim import Reclaim
from netswap.actors.memory.scan import Scan
from netswap.actors.memory.slab import Slab
from netswap.actors.swap.device import PageRequest
from netswap.actors.swap.nfs import NfsDevice
from netswap.protocol.frame import FRAGMENT, PAGE_IN, PAGE_OUT, Frame
from netswap.protocol.units import milliseconds, seconds

REQUEST_WIRE = 128 + 8 + 20 + 38
PAGE_WIRE = 4096 + 128 + 8 + 3 * (20 + 38)


class Owner:
    """Notes what the device reports."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.read: list[tuple[int, int]] = []
        self.slots = 0
        self.refused = 0

    def moved(self, request: PageRequest) -> None:
        """Nobody here counts for how long."""

    def page_written(self, space: AddressSpace, page: int, version: int) -> None:
        """A page-out has been answered."""
        self.written.append(page)

    def page_read(self, space: AddressSpace, page: int, version: int) -> None:
        """A page-in has been answered."""
        self.read.append((page, version))

    def slot_free(self) -> None:
        """Another request may start."""
        self.slots += 1

    def put_off(self) -> None:
        """The server has no room for a page."""
        self.refused += 1


class Scene:
    """A machine with a swap device and a rank of 1000 pages, whose numbers in the swap space begin at 500."""

    def __init__(
        self,
        *switches: str,
        in_flight: int = 32,
        timeout_ns: int = seconds(1.1),
        ring: int = 32,
        request_pages: int = 1,
    ) -> None:
        self.a: Host = host(
            *switches, ring=ring, emergency=100 if "reserve-access" in switches else 0, emergency_bytes=1 << 20
        )
        self.device: NfsDevice = self.a.device(in_flight, timeout_ns, request_pages)
        self.owner = Owner()
        self.device.owner = self.owner
        self.space = AddressSpace("rank 0", 500, 1000)
        self.space.warm(500, 7)

    def answer(self, request: Frame, version: int | None = None) -> None:
        """C's reply reaches the card."""
        self.a.receive(answer(request, version))


# -- when ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout_ns", [seconds(1.1), milliseconds(100)])
@pytest.mark.parametrize("write", [True, False])
def test_a_request_that_is_not_answered_is_sent_on_the_grid(write: bool, timeout_ns: int) -> None:
    """0, 1, 3, 7, 15, 16, 18 ... time-outs: for NFS over UDP 0, 1.1, 3.3, 7.7, 16.5, 17.6, 19.8, 24.2, 33.0 s."""
    scene = Scene(timeout_ns=timeout_ns)
    (scene.device.page_out if write else scene.device.page_in)(scene.space, 3)
    scene.a.run_until(seconds(34))
    frames = scene.a.sent()
    expected = list(takewhile(lambda at: at < seconds(34), transmission_times(timeout_ns)))
    sent = [frame.sent_ns - scene.a.nic.wire_ns(frame.tail) for frame in frames]
    assert sent == expected
    if timeout_ns == seconds(1.1):
        assert sent == [seconds(at) for at in (0, 1.1, 3.3, 7.7, 16.5, 17.6, 19.8, 24.2, 33.0)]
    assert scene.a.counters.retransmissions == len(sent) - 1


@given(st.lists(st.integers(0, seconds(3)), min_size=1, max_size=6), st.sets(st.integers(0, 5)))
def test_each_request_has_a_grid_of_its_own(pauses: list[int], answered: set[int]) -> None:
    """Begun at any times; those that are answered are not sent again, the others all are."""
    scene = Scene()
    begun: dict[int, int] = {}
    for page, pause_ns in enumerate(pauses):
        scene.a.run_until(scene.a.events.now + pause_ns)
        begun[page] = scene.a.events.now
        scene.device.page_in(scene.space, 500 + page)
        (*_, request) = scene.a.sent() if page in answered else (None,)
        if request is not None:
            scene.answer(request)
    end = scene.a.events.now
    scene.a.run_until(end + seconds(30))
    again: dict[int, list[int]] = {}
    for request in scene.device.under_way.values():
        again.setdefault(request.page - 500, []).append(request.attempts)
    assert set(again) == set(begun) - answered
    for page, (attempts,) in again.items():
        lasted = end + seconds(30) - begun[page]
        assert attempts == len(list(takewhile(lambda at, lasted=lasted: at < lasted, transmission_times())))


def test_a_request_is_one_packet_and_a_page_three() -> None:
    """128 + 8 + 20 + 38 = 194 bytes; 4096 + 128 + 8 + 3 * 58 = 4406 bytes in two full packets and a rest."""
    scene = Scene()
    scene.device.page_in(scene.space, 700)
    scene.device.page_out(scene.space, 3)
    request, page = scene.a.sent()
    assert (request.kind, request.count, request.tail, request.destination) == (PAGE_IN, 1, REQUEST_WIRE, C)
    assert (page.kind, page.count, page.destination) == (PAGE_OUT | FRAGMENT, 3, C)
    assert 2 * page.wire + page.tail == PAGE_WIRE
    (_, _, datagram) = page.body
    assert isinstance(datagram, tuple)
    assert datagram[5] == (2, 503, 7)


# -- how many --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_flight", [1, 4, 32])
def test_no_more_requests_are_under_way_than_allowed(in_flight: int) -> None:
    """Page-ins beyond wait for a slot, in order; each answer lets one go."""
    scene = Scene(in_flight=in_flight)
    for page in range(500, 500 + 3 * in_flight):
        scene.device.page_in(scene.space, page)
    requests = scene.a.sent()
    assert len(requests) == len(scene.device.under_way) == in_flight
    assert not scene.device.can_page_out()
    for request in requests:
        scene.answer(request, version=7)
        (following,) = scene.a.sent()
        requests.append(following)
        assert len(scene.device.under_way) == in_flight
        if len(requests) == 3 * in_flight:
            break
    for request in requests[-in_flight:]:
        scene.answer(request, version=7)
    assert [page for page, _ in scene.owner.read] == [*range(500, 500 + 3 * in_flight)]
    assert scene.device.can_page_out()


def test_page_outs_stop_where_a_slot_is_missing_or_a_page_in_waits() -> None:
    """One slot: taken, none; free again, one."""
    scene = Scene(in_flight=1)
    assert scene.device.can_page_out()
    scene.device.page_out(scene.space, 3)
    assert not scene.device.can_page_out()
    (page,) = scene.a.sent()
    scene.answer(page)
    assert (scene.owner.written, scene.owner.slots, scene.device.can_page_out()) == ([3], 1, True)


# -- several pages a request -----------------------------------------------------------------------------------------


def said(frame: Frame) -> Any:
    """The message in a request."""
    datagram: Any = frame.body[2] if frame.kind & FRAGMENT else frame.body
    return datagram[5]


@pytest.mark.parametrize(("pages", "packets"), [(1, 3), (2, 6), (4, 12), (8, 23)])
def test_neighbours_are_written_in_one_call(pages: int, packets: int) -> None:
    """4 to 32 KiB in ceil((4096 n + 128 + 8) / 1480) fragments (row 41), sent once it is full or nothing more comes."""
    assert -(-(4096 * pages + 128 + 8) // 1480) == packets
    scene = Scene(request_pages=8)
    for page in range(3, 3 + pages):
        scene.device.page_out(scene.space, page)
    before = scene.a.sent()
    assert len(before) == (pages == 8)
    scene.device.unplug()
    (request,) = before or scene.a.sent()
    assert (request.kind, request.count) == (PAGE_OUT | FRAGMENT, packets)
    assert said(request) == (1, 503, *[7] * pages)
    scene.answer(request)
    assert scene.owner.written == [*range(3, 3 + pages)]
    assert (scene.device.writeback, scene.a.counters.pages_out, scene.owner.slots) == (0, pages, 1)


def test_what_is_no_neighbour_or_too_much_begins_another_call() -> None:
    """Ten in a row, one apart, and one behind: 8 + 2, 1, 1."""
    scene = Scene(request_pages=8)
    for page in [*range(10), 20, 19]:
        scene.device.page_out(scene.space, page)
    scene.device.unplug()
    assert [said(frame)[1] - 500 for frame in scene.a.sent()] == [0, 8, 20, 19]
    assert scene.device.writeback == 12


def test_a_fault_and_the_pages_read_around_it_are_one_call() -> None:
    """The page that was faulted in comes first to the device; the call asks for them in order. Its reply has all."""
    scene = Scene(request_pages=8)
    for page in (505, 504, 506, 507, 509):
        scene.device.page_in(scene.space, page)
    scene.device.unplug()
    first, second = scene.a.sent()
    assert [said(first), said(second)] == [(1, 1004, 0, 0, 0, 0), (2, 1009, 0)]
    assert (first.kind, first.count, first.tail) == (PAGE_IN, 1, REQUEST_WIRE)
    scene.answer(first, version=7)
    assert scene.owner.read == [(page, 7) for page in (504, 505, 506, 507)]
    assert scene.a.counters.pages_in == 4


def test_a_call_that_is_being_gathered_takes_neighbours_although_it_has_the_last_slot() -> None:
    """One slot: eight pages fit; the ninth begins a call that waits for the slot, and then nobody may go on."""
    scene = Scene(in_flight=1, request_pages=8)
    for page in range(7):
        assert scene.device.can_page_out()
        scene.device.page_out(scene.space, page)
    scene.device.page_out(scene.space, 7)
    assert not scene.device.can_page_out()
    scene.device.page_out(scene.space, 8)
    scene.device.unplug()
    (first,) = scene.a.sent()
    assert (len(scene.device.backlog), scene.device.can_page_out()) == (1, False)
    scene.answer(first)
    (second,) = scene.a.sent()
    assert said(second) == (2, 508, 7)


def test_an_answer_about_fewer_pages_than_were_asked_for_is_none() -> None:
    """The request goes on waiting."""
    scene = Scene(request_pages=8)
    for page in (500, 501):
        scene.device.page_in(scene.space, page)
    scene.device.unplug()
    (request,) = scene.a.sent()
    scene.a.receive(udp(1, source=C, port=800, wire=194, message=(1, 1000, 7)))
    assert scene.owner.read == []
    scene.answer(request, version=7)
    assert scene.owner.read == [(500, 7), (501, 7)]


# -- answers ---------------------------------------------------------------------------------------------------------


def test_a_reply_that_comes_twice_counts_once() -> None:
    """Replies to the first and to the second transmission of one request; no request waits for the second."""
    scene = Scene()
    scene.device.page_out(scene.space, 3)
    scene.a.run_until(seconds(2))
    first, second = scene.a.sent()
    for reply in (first, second, first):
        scene.answer(reply)
    assert (scene.owner.written, scene.owner.slots, scene.a.counters.pages_out) == ([3], 1, 1)
    assert (scene.device.writeback, scene.device.under_way) == (0, {})


def test_an_answer_to_a_question_that_was_never_asked_is_ignored() -> None:
    """An unknown xid."""
    scene = Scene()
    scene.a.receive(udp(1, source=C, port=800, wire=194, message=(99, 503, 7)))
    assert (scene.owner.written, scene.owner.read, scene.owner.slots) == ([], [], 0)


@pytest.mark.parametrize("message", [(), (1,), (1, 503), (1, 503, 7, 0)])
def test_a_datagram_that_is_no_answer_is_dropped_and_never_a_crash(message: tuple[int, ...]) -> None:
    """Any machine can send to the device's port: the request goes on waiting for its reply."""
    scene = Scene()
    scene.device.page_out(scene.space, 3)
    (request,) = scene.a.sent()
    scene.a.receive(udp(1, port=800, message=message))
    scene.answer(request)
    assert scene.owner.written == [3]


@pytest.mark.parametrize("version", [7, 6, 0, (1 << 32) - 1])
def test_a_page_that_comes_back_with_another_version_is_a_lost_page(version: int) -> None:
    """It was written out with version 7; the page is resident in any case, and the counter says it."""
    scene = Scene()
    board = scene.a.net.board
    faults = PageFaults(
        board,
        Reclaim(board, Scan(board, scene.device)),
        scene.device,
        LocalDisk(scene.a.events, Disk(), 0, 1 << 30, 1),
        1,
    )
    scene.space.states[700] = READING
    faults.page_read(scene.space, 700, version)
    assert scene.a.counters.lost_pages == (version != 7)
    assert (scene.space.states[700], scene.space.resident) == (RESIDENT, 501)


def test_the_version_that_goes_out_is_that_of_the_moment_of_sending() -> None:
    """Written again while under way: the request, and its repetitions, carry the older one."""
    scene = Scene()
    scene.device.page_out(scene.space, 3)
    scene.space.touch(3, 4, write=True)
    scene.a.run_until(seconds(2))
    datagrams = [frame.body[2] for frame in scene.a.sent()]
    assert [datagram[5] for datagram in datagrams if isinstance(datagram, tuple)] == [(1, 503, 7)] * 2
    assert scene.space.states[700] == SWAPPED


# -- memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("switches", [(), ("reserve-access", "slab-rule", "tx-bound")])
def test_the_memory_of_finished_requests_comes_back(switches: tuple[str, ...]) -> None:
    """20 page-outs and 20 page-ins, some sent twice: once all are answered and sent, free pages are as before."""
    scene = Scene(*switches, in_flight=64)
    a = scene.a
    before = (a.zone.free, a.buffers.heads.in_use, a.buffers.tx_headers.in_use, a.buffers.rpc.in_use)
    for page in range(20):
        scene.device.page_out(scene.space, page)
        scene.device.page_in(scene.space, 500 + page)
    assert a.buffers.rpc.in_use == 40
    requests = a.sent()
    a.run_until(seconds(1.1) + 1)
    for request in [*requests, *a.sent()]:
        scene.answer(request, version=7)
    a.run_until(seconds(2))
    after = (a.zone.free, a.buffers.heads.in_use, a.buffers.tx_headers.in_use, a.buffers.rpc.in_use)
    assert after == before


def test_sending_takes_a_head_and_a_header_for_each_packet_until_it_has_left() -> None:
    """Three of each for a page; given back when the last bit is on the wire."""
    scene = Scene()
    a = scene.a
    before = (a.buffers.heads.in_use, a.buffers.tx_headers.in_use)
    scene.device.page_out(scene.space, 3)
    assert (a.buffers.heads.in_use - before[0], a.buffers.tx_headers.in_use - before[1]) == (3, 3)
    a.run_until(PAGE_WIRE * 8)
    assert a.buffers.heads.in_use - before[0] == 3
    a.run_until(PAGE_WIRE * 8 + 1)
    assert (a.buffers.heads.in_use, a.buffers.tx_headers.in_use) == before


def starved(*switches: str) -> Scene:
    """At the atomic floor, and no object is free."""
    scene = Scene(*switches)
    scene.a.drain_to_the_atomic_floor()
    return scene


def test_a_reclaimer_sends_a_page_from_the_last_pages() -> None:
    """PF_MEMALLOC: below the atomic floor, down to no free page at all; then its time-out runs all the same."""
    scene = starved()
    scene.device.page_out(scene.space, 3)
    assert len(scene.a.sent()) == 1
    assert scene.a.zone.free < scene.a.zone.floors.atomic
    empty = Scene()
    empty.a.drain(0)
    while empty.a.buffers.heads.take(0):
        pass
    empty.device.page_out(empty.space, 3)
    assert (empty.a.sent(), empty.a.counters.tx_no_memory) == ([], 1)
    assert [request.last_ns for request in empty.device.under_way.values()] == [0]


@pytest.mark.parametrize("access", [True, False])
def test_at_the_atomic_floor_a_retransmission_needs_the_right_to_the_reserve(access: bool) -> None:
    """rpciod's allocations are GFP_ATOMIC: nothing leaves at 1.1, 3.3 and 7.7 s unless it is entitled (facts 4.2)."""
    scene = Scene(*["reserve-access"] * access)
    a = scene.a
    scene.device.page_out(scene.space, 3)
    a.run_until(seconds(1))
    assert len(a.sent()) == 1
    a.drain_to_the_atomic_floor()
    a.run_until(seconds(8))
    assert (len(a.sent()), a.counters.tx_no_memory) == ((3, 0) if access else (0, 3))
    assert a.counters.retransmissions == 3


@pytest.mark.parametrize("access", [True, False])
def test_at_the_atomic_floor_a_page_in_needs_the_right_to_the_reserve(access: bool) -> None:
    """The process that waits for it has no more rights than reception."""
    scene = starved(*["reserve-access"] * access)
    scene.device.page_in(scene.space, 700)
    assert len(scene.a.sent()) == access
    assert scene.a.counters.tx_no_memory == (not access)


def test_with_the_slab_rule_reception_gets_nothing_of_a_page_that_a_reclaimer_took_below_the_floor() -> None:
    """PF_MEMALLOC ignored the watermarks for it: GFP_ATOMIC must fail as a page allocation would (facts 2.5)."""
    scene = starved("slab-rule")
    a = scene.a
    floor = a.zone.floors.atomic
    scene.device.page_out(scene.space, 3)
    assert a.zone.free < floor
    for cache in (a.buffers.heads, a.buffers.tx_headers, a.buffers.rpc):
        assert cache.take(floor) is None, f"{cache.name}: an object at {a.zone.free} free pages, floor {floor}"


def test_without_the_slab_rule_reception_gets_the_rest_of_such_a_page() -> None:
    """The twin: 16 heads from the reclaimer's page, 3 of them its own."""
    scene = starved()
    a = scene.a
    scene.device.page_out(scene.space, 3)
    taken: list[Slab | None] = list(islice(iter(lambda: a.buffers.heads.take(a.zone.floors.atomic), None), 100))
    assert len(taken) == 16 - 3


def test_a_page_that_is_refused_gives_its_slot_back_and_is_sent_again_after_5_seconds() -> None:
    """Meanwhile pages are read, and none is written; it is under writeback, and written when the server has room."""
    scene = Scene(in_flight=1)
    scene.device.page_out(scene.space, 3)
    [request, *_] = scene.a.sent()
    scene.answer(request, version=0)
    assert (scene.owner.refused, scene.owner.written, scene.owner.slots) == (1, [], 1)
    assert (scene.device.can_page_out(), scene.device.under_way, scene.device.writeback) == (False, {}, 1)
    scene.device.page_in(scene.space, 700)
    [read] = scene.a.sent()
    scene.answer(read, version=7)
    assert scene.owner.read == [(700, 7)]
    scene.a.run_until(seconds(4.9))
    assert scene.a.sent() == []
    scene.a.run_until(seconds(5.1))
    [again, *_] = scene.a.sent()
    assert again.body[2] == request.body[2]
    scene.answer(again)
    assert (scene.owner.written, scene.device.can_page_out(), scene.device.writeback) == ([3], True, 0)
