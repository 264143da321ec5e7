"""A's side of swap over NBD: what is on the wire, who waits for whom, and what a new connection does."""

from typing import Any

import pytest
from oracles import retransmissions
from pair import FRAMING, LATENCY_NS, Pair, Sent

from netswap.actors.events import Timer
from netswap.actors.kernels import LINUX_2_6_22, LINUX_6_11, Kernel
from netswap.actors.memory.anonymous import AddressSpace
from netswap.actors.net.tcp_connection import Connection
from netswap.actors.swap.device import PageRequest, Remote
from netswap.actors.swap.nbd import READER_NS, RECONNECT_NS, NbdDevice
from netswap.protocol import nbd
from netswap.protocol.tcp import RST, segment_wire
from netswap.protocol.units import milliseconds, seconds

MSS = 1448
SNDBUF = 16_384
SEGMENT_CHARGE = 232 + 256
KERNELS = (LINUX_2_6_22, LINUX_6_11)


class Server:
    """Owns the other ends; it notes requests, and answers when the test says so."""

    def __init__(self, pair: Pair) -> None:
        self.requests: list[nbd.Request] = []
        self.connections: list[Connection] = []
        self._pair = pair
        pair.ends[1].tcp.listen(nbd.PORT, lambda connection: self)

    def opened(self, connection: Connection) -> None:
        """A client has come."""
        self.connections.append(connection)

    def readable(self, connection: Connection) -> None:
        """Requests."""
        while connection.receiver.ready:
            for size, message in connection.read():
                request = nbd.request(message)
                assert size == nbd.request_size(request.type == nbd.WRITE)
                self.requests.append(request)

    def writable(self, connection: Connection) -> None:
        """Nothing waits here."""

    def closed(self, connection: Connection, why: str) -> None:
        """The test asks the client."""

    def answer(self, request: nbd.Request, version: int = 7) -> None:
        """On the latest connection."""
        write = request.type == nbd.WRITE
        self.say(nbd.reply_size(write), (0, request.handle, 0 if write else version))

    def say(self, size: int, message: tuple[int, ...]) -> None:
        """Anything."""
        assert self.connections[-1].write(size, message, floor=0) == size


class Scene:
    """A client and a server with nothing but a wire between them; a rank of 1000 pages, numbered from 500."""

    def __init__(self, *switches: str, in_flight: int = 16, kernel: Kernel = LINUX_2_6_22) -> None:
        self.pair = Pair(kernel=kernel, switches=frozenset(switches))
        self.pair.run_for(milliseconds(10))
        self.server = Server(self.pair)
        self.end = self.pair.ends[0]
        self.device = NbdDevice(self.end.board, self.end.tcp, Remote(1, in_flight))
        self.device.owner = self
        self.written: list[int] = []
        self.read: list[tuple[int, int]] = []
        self.slots = 0
        self.space = AddressSpace("rank 0", 500, 1000)
        self.space.warm(500, 7)
        self.wait()
        self.begun = len(self.pair.log)

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

    def wait(self, duration_ns: int = milliseconds(10)) -> None:
        """Let things happen."""
        self.pair.run_for(duration_ns)

    def payloads(self, source: int) -> list[int]:
        """Of all data that one side has sent since the connection was opened."""
        return [sent.body[1][5] for sent in self.pair.log[self.begun :] if sent.source == source and sent.body[1][5]]

    def cut(self) -> None:
        """Nothing arrives any more."""
        self.pair.fate = lambda number, sent: []

    def mend(self) -> None:
        """All arrives."""
        self.pair.fate = lambda number, sent: [LATENCY_NS]

    def pages_asked(self) -> list[int]:
        """By the requests that have come to the server."""
        return [request.page - 500 for request in self.server.requests]


# -- on the wire --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_a_page_out_is_three_segments_and_its_reply_one(kernel: Kernel) -> None:
    """Row 46: 28 + 4096 = 1448 + 1448 + 1228 bytes; 16 back."""
    scene = Scene(kernel=kernel)
    scene.device.page_out(scene.space, 3)
    scene.wait()
    (request,) = scene.server.requests
    assert request == nbd.Request(nbd.WRITE, 1, 503, 7)
    scene.server.answer(request)
    scene.wait()
    assert scene.payloads(0) == [MSS, MSS, 28 + 4096 - 2 * MSS]
    assert scene.payloads(1) == [16]
    assert (scene.written, scene.device.writeback, scene.slots) == ([3], 0, 2)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_a_page_in_is_one_segment_and_its_reply_three(kernel: Kernel) -> None:
    """Row 46: 28 bytes; 16 + 4096 = 1448 + 1448 + 1216 back."""
    scene = Scene(kernel=kernel)
    scene.device.page_in(scene.space, 700)
    scene.wait()
    (request,) = scene.server.requests
    assert request == nbd.Request(nbd.READ, 1, 1200, 0)
    scene.server.answer(request, version=9)
    scene.wait()
    assert scene.payloads(0) == [28]
    assert scene.payloads(1) == [MSS, MSS, 16 + 4096 - 2 * MSS]
    assert scene.read == [(700, 9)]


def test_the_clients_thread_runs_when_the_softirq_is_over() -> None:
    """The card gathers interrupts: what comes within 125 us is read together, and before that nothing is."""
    scene = Scene()
    for page in (3, 4):
        scene.device.page_out(scene.space, page)
    scene.wait()
    for request in scene.server.requests:
        scene.server.answer(request)
    scene.wait(LATENCY_NS + READER_NS)
    assert scene.written == []
    scene.wait(2 * segment_wire(16, FRAMING) * 8)
    assert scene.written == [3, 4]


def test_the_copy_of_a_page_is_kept_until_tcp_has_acknowledged_it() -> None:
    """A page, and a head and headers for each segment; the reply is another matter. Afterwards all is as before."""
    scene = Scene()
    end = scene.end
    caches = (end.buffers.pages, end.buffers.heads, end.buffers.tx_headers)
    before = [end.zone.free, *(cache.in_use for cache in caches)]
    scene.cut()
    scene.device.page_out(scene.space, 3)
    scene.wait(milliseconds(1))
    held = [cache.in_use - was for cache, was in zip(caches, before[1:], strict=True)]
    assert held == [2, 3, 3]  # 28 bytes of header and the page do not fit into one page
    scene.mend()
    scene.wait(seconds(1))
    assert [end.zone.free, *(cache.in_use for cache in caches)] == before
    assert scene.written == []


def test_requests_wait_for_a_tag_in_order() -> None:
    """Two under way; each answer lets the next go."""
    scene = Scene(in_flight=2)
    for page in range(500, 506):
        scene.device.page_in(scene.space, page)
    scene.wait()
    assert scene.pages_asked() == [500, 501]
    for done in range(6):
        scene.server.answer(scene.server.requests[done])
        scene.wait()
    assert scene.pages_asked() == [*range(500, 506)] == [page for page, _ in scene.read]


@pytest.mark.parametrize(
    ("size", "message"),
    [(16, (0, 99, 0)), (4112, (0, 1, 7)), (16, (0, 1)), (16, (1, 2, 3, 4)), (16, ())],
)
def test_what_is_no_answer_to_this_request_is_ignored(size: int, message: tuple[int, ...]) -> None:
    """An unknown handle, the wrong size, other words: the request goes on waiting for its reply."""
    scene = Scene()
    scene.device.page_out(scene.space, 3)
    scene.wait()
    scene.server.say(size, message)
    scene.wait()
    assert (scene.written, scene.read) == ([], [])
    scene.server.answer(scene.server.requests[0])
    scene.wait()
    assert scene.written == [3]


# -- the lock -----------------------------------------------------------------------------------------------------------


def fills_the_send_buffer() -> int:
    """Page-outs that lie wholly in 16 KiB, of which each segment takes its payload and 488 bytes; nobody stops before."""
    queued = pages = 0
    while queued < SNDBUF:
        queued += 4124 + 3 * SEGMENT_CHARGE
        pages += 1
    return pages


def test_a_sender_that_has_no_room_blocks_all_others() -> None:
    """Row 48: after three page-outs the buffer is full; the next holds the lock, a page-in and kswapd wait behind it."""
    scene = Scene()
    device = scene.device
    scene.cut()
    pages = 0
    while device.can_page_out():
        device.page_out(scene.space, pages)
        pages += 1
    assert pages == fills_the_send_buffer() + 1
    assert len(device.outbox) == 1
    device.page_in(scene.space, 700)
    assert len(device.outbox) == 2
    assert not device.can_page_out()
    scene.mend()
    before = scene.slots
    scene.wait(seconds(1))
    assert scene.pages_asked() == [*range(pages), 700]
    assert device.can_page_out()
    assert scene.slots == before + 1


def test_without_the_blocked_sender_the_page_in_leaves_at_once() -> None:
    """The twin: one page-out less, and no task waits for the lock."""
    scene = Scene()
    scene.cut()
    for page in range(fills_the_send_buffer() - 1):
        scene.device.page_out(scene.space, page)
    scene.device.page_in(scene.space, 700)
    assert not scene.device.outbox
    assert scene.device.can_page_out()


def test_where_a_thread_of_the_block_layer_sends_tasks_wait_only_for_a_tag() -> None:
    """6.11: what does not fit into the send buffer waits in the queue, and reclaimers go on until all 16 tags are out."""
    scene = Scene(kernel=LINUX_6_11)
    device = scene.device
    scene.cut()
    pages = 0
    while device.can_page_out():
        device.page_out(scene.space, pages)
        pages += 1
    assert pages == 16
    assert len(device.outbox) > 1
    assert device.hindrance() == "a request slot (16 of 16 are taken)"
    scene.mend()
    scene.wait(seconds(1))
    assert scene.pages_asked() == [*range(pages)]
    scene.server.answer(scene.server.requests[0])
    scene.wait()
    assert device.can_page_out()


def test_a_process_without_memory_for_its_copy_keeps_the_reclaimer_waiting_that_could_free_some() -> None:
    """2.6.22: GFP_NOIO stops at min; the reclaimer behind it may go down to 0 and does not get its turn."""
    scene = Scene()
    scene.end.zone.take_many(scene.end.zone.floors.kernel, scene.end.zone.total)
    drain_slabs(scene, scene.end.zone.floors.kernel)
    scene.device.page_in(scene.space, 700)
    scene.device.page_out(scene.space, 3)
    scene.wait(seconds(1))
    assert scene.pages_asked() == []
    assert [request.page for request, _ in scene.device.outbox] == [700, 3]
    scene.end.zone.give(10)
    scene.wait(seconds(1))
    assert scene.pages_asked() == [700, 3]


def test_a_reclaimer_alone_sends_from_the_last_pages() -> None:
    """PF_MEMALLOC: the copy and the first transmission go down to no free page at all."""
    scene = Scene()
    scene.cut()
    scene.end.zone.take_many(10, scene.end.zone.total)
    drain_slabs(scene, 10)
    scene.device.page_out(scene.space, 3)
    scene.wait(milliseconds(1))
    assert scene.payloads(0) == [MSS, MSS, 28 + 4096 - 2 * MSS]
    assert scene.end.zone.free < 10


@pytest.mark.parametrize(
    ("kernel", "switches", "sent"),
    [(LINUX_2_6_22, (), 0), (LINUX_2_6_22, ("reserve-access",), 1), (LINUX_6_11, (), 1)],
    ids=["2.6.22", "2.6.22 with access", "6.11"],
)
def test_who_reads_a_page_back_may_use_the_reserve_only_with_a_right_to_it(
    kernel: Kernel, switches: tuple[str, ...], sent: int
) -> None:
    """In 6.11 NBD sends with PF_MEMALLOC, whatever task sends; but acknowledgement and retransmission have their own rights."""
    scene = Scene(*switches, kernel=kernel)
    floor = scene.end.zone.floors.kernel
    scene.end.zone.take_many(floor, scene.end.zone.total)
    drain_slabs(scene, floor)
    scene.device.page_in(scene.space, 700)
    scene.wait(milliseconds(10))
    assert len(scene.server.requests) == sent


def drain_slabs(scene: Scene, floor: int) -> None:
    """No object is free: the next allocation needs a page."""
    buffers = scene.end.buffers
    for cache in (buffers.heads, buffers.tx_headers, buffers.pages):
        while cache.take(floor) is not None:
            pass


@pytest.mark.parametrize(
    ("switches", "marked"),
    [((), False), (("reserve-access",), True), (("tcp-exemption",), True), (("tx-bound",), False)],
)
def test_the_connection_is_marked_where_a_switch_asks_for_it(switches: tuple[str, ...], marked: bool) -> None:
    """For the reserve, and for the exemption."""
    connection = Scene(*switches).device.connection
    assert connection is not None
    assert connection.account.marked is marked


# -- a new connection ---------------------------------------------------------------------------------------------------


def test_after_a_reset_the_client_connects_again_and_sends_what_is_not_answered_in_order() -> None:
    """Three requests, the second answered; the server forgets the connection, and says so when it is spoken to."""
    scene = Scene()
    for page in (3, 4, 5):
        scene.device.page_out(scene.space, page)
    scene.wait()
    scene.server.answer(scene.server.requests[1])
    scene.wait()
    assert scene.written == [4]
    forget(scene)
    scene.device.page_in(scene.space, 700)
    scene.wait(RECONNECT_NS + milliseconds(10))
    assert len(scene.server.connections) == 2
    assert scene.pages_asked() == [3, 4, 5, 3, 5, 700]
    for request in scene.server.requests[3:]:
        scene.server.answer(request)
    scene.wait()
    assert (scene.written, scene.read, scene.device.under_way) == ([4, 3, 5], [(700, 7)], {})
    assert scene.end.counters.retransmissions == 3


def forget(scene: Scene) -> None:
    """The server's machine knows nothing of the connection any more."""
    tcp = scene.pair.ends[1].tcp
    tcp.forget(scene.server.connections[-1])


def test_while_there_is_no_connection_nothing_is_written_and_reads_wait() -> None:
    """They leave with the new one."""
    scene = Scene()
    forget(scene)
    scene.device.page_in(scene.space, 700)
    scene.wait(milliseconds(1))
    assert any(sent.body[1][1] & RST for sent in scene.pair.log)
    assert not scene.device.is_open
    assert not scene.device.can_page_out()
    scene.device.page_in(scene.space, 701)
    scene.wait(RECONNECT_NS + milliseconds(10))
    assert scene.pages_asked() == [700, 701]
    assert scene.device.can_page_out()


def test_when_tcp_gives_up_the_client_calls_until_it_is_answered() -> None:
    """Row 32: given up 924.6 s and its round trips after the transmission; SYNs 1 s later and 3, 9, 21, 45, 93 s after that."""
    scene = Scene()
    scene.cut()
    rto_ns = 2 * (LATENCY_NS + segment_wire(0, FRAMING) * 8) + milliseconds(
        200
    )  # facts 13.2: only the handshake was measured
    sent_ns = scene.pair.events.now
    scene.device.page_out(scene.space, 3)
    given_up_ns = sent_ns + retransmissions(rto_ns, seconds(120), 15)[-1]
    scene.pair.run_until(given_up_ns - 1)
    assert scene.device.is_open
    scene.pair.run_until(given_up_ns + 1)
    assert not scene.device.is_open
    assert scene.device.timers() == [Timer("reconnection", milliseconds(10), -1, given_up_ns + seconds(1))]
    called_ns = given_up_ns + RECONNECT_NS
    scene.pair.run_until(called_ns + seconds(50))
    calls = [sent for sent in scene.pair.log if sent.at_ns > given_up_ns]
    assert [sent.at_ns - calls[0].at_ns for sent in calls] == [0, seconds(3), seconds(9), seconds(21), seconds(45)]
    scene.mend()
    scene.pair.run_until(called_ns + seconds(94))
    assert scene.pages_asked() == [3]


def test_a_server_that_nobody_runs_is_called_every_second() -> None:
    """Refused, a second's sleep, and again (nbd-client's persist)."""
    pair = Pair()
    scene_log = len(pair.log)
    device = NbdDevice(pair.ends[0].board, pair.ends[0].tcp, Remote(1, 16))
    owner: Any = pair.ends[0]
    device.owner = owner
    pair.run_for(seconds(10.5))
    calls: list[Sent] = [sent for sent in pair.log[scene_log:] if sent.source == 0 and sent.body[0] == nbd.PORT]
    assert len(calls) == 11
