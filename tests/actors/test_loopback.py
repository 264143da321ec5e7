"""TCP over the loopback: who holds a page of payload, what is charged, and what becomes of a pair that is closed."""

import pytest

from netswap.actors.counters import Counters
from netswap.actors.events import Events
from netswap.actors.kernels import LINUX_2_6_22, LINUX_6_11
from netswap.actors.memory.board import Board
from netswap.actors.memory.slab import SlabCache
from netswap.actors.memory.zone import Zone
from netswap.actors.net.board import NetBoard
from netswap.actors.net.buffers import Buffers
from netswap.actors.net.loopback import Loopback, SharedPages, loopback_pair
from netswap.actors.net.tcp_connection import CLOSED
from netswap.actors.net.tcp_memory import TcpMemory
from netswap.actors.policy import Policy
from netswap.protocol.rpc import PAGE
from netswap.protocol.units import seconds

PAGE_OUT = 28 + 4096


class Ears:
    """Notes what it is told."""

    def __init__(self):
        self.told = []

    def readable(self, connection):
        """There is something to read."""
        self.told.append("readable")

    def writable(self, connection):
        """There is room."""
        self.told.append("writable")

    def closed(self, connection, why):
        """It is over."""
        self.told.append(why)


def opened(kernel, switches=(), free=4096):
    """(events, zone, TCP's memory, kernel's end, proxy's end)."""
    events, zone = Events(), Zone(4096, 256, kernel=kernel)
    board = Board(events, zone, kernel, Counters(), Policy.of(switches))
    memory = TcpMemory(kernel, kernel.tcp_mem(zone.total), zone.total, exempts=False)
    net = NetBoard(board, Buffers(zone, kernel, None, guarded=False), 38, 1500)
    one, other = loopback_pair(Loopback(net, memory), 2, marked=True)
    one.owner, other.owner = Ears(), Ears()
    zone.take_many(0, 4096 - free)
    one.open()
    return events, zone, memory, one, other


def run(events, until_ns):
    """Let all happen up to then."""
    while events.next_ns() <= until_ns:
        events.step()


def test_a_page_of_several_holders_is_free_when_the_last_lets_it_go():
    """Sender and reader in either order; of three holders the third."""
    zone = Zone(100, 0)
    shared = SharedPages(SlabCache(zone, "pages", PAGE, guarded=False))
    for holders in (1, 2, 3):
        page = shared.take(0)
        for _ in range(holders - 1):
            shared.hold(page)
        for _ in range(holders):
            assert zone.free == 99
            shared.give(page)
        assert zone.free == 100


@pytest.mark.parametrize("kernel", [LINUX_2_6_22, LINUX_6_11], ids=lambda kernel: kernel.name)
def test_messages_come_in_order_and_all_their_memory_comes_back(kernel):
    """Charged to the writer until they are acknowledged, and to the reader until they are read."""
    events, zone, memory, one, other = opened(kernel)
    free = zone.free
    for number in range(3):
        assert one.write(PAGE_OUT, (1, number), floor=256) == PAGE_OUT
    assert one.wmem >= 3 * PAGE_OUT
    assert zone.free < free - 3
    run(events, seconds(1))
    assert one.wmem == 0
    assert memory.total > 0
    assert zone.free <= free - 3, "the reader holds the payload, which its sender has let go"
    got = []
    while other.ready:
        got += other.read()
    assert got == [(PAGE_OUT, (1, number)) for number in range(3)]
    run(events, seconds(2))
    assert (zone.free, memory.total, memory.sockets) == (free, 0, 2)


def test_a_writer_is_held_up_by_a_reader_that_does_not_read_and_told_when_it_does():
    """Send buffer and receive buffer fill, and a window closes; then all goes through."""
    events, _, _, one, other = opened(LINUX_6_11)
    written = 0
    for _ in range(500):
        took = one.write(PAGE_OUT, (1, 0), floor=256)
        written += took
        run(events, events.now + 1_000_000)
        if took < PAGE_OUT:
            break
    assert 0 < written < 500 * PAGE_OUT
    assert other.connection.account.rmem <= other.connection.account.rcvbuf + PAGE_OUT + 1280
    one.owner.told.clear()
    while other.ready:
        other.read()
        run(events, events.now + seconds(1))
    assert "writable" in one.owner.told


@pytest.mark.parametrize(("switches", "arrives"), [((), True), (("drop_at_demux",), False)])
def test_payload_from_the_reserve_is_dropped_at_an_end_that_is_not_marked(switches, arrives):
    """Below min the kernel's copy comes from the reserve: with drop-at-demux it never arrives, however often it is sent."""
    events, _, _, one, other = opened(LINUX_6_11, [name.replace("_", "-") for name in switches], free=200)
    assert one.write(PAGE_OUT, (1, 7), floor=256, memalloc=True) == PAGE_OUT
    run(events, seconds(10))
    assert other.ready == arrives
    assert (one._layer.dropped > 3) == (not arrives)


def test_a_pair_that_is_closed_forgets_all_and_can_be_opened_again():
    """The other end's owner is told; memory and charges come back."""
    events, zone, memory, one, other = opened(LINUX_6_11)
    free = zone.free
    one.write(PAGE_OUT, (1, 7), floor=256)
    run(events, seconds(1))
    other.close()
    run(events, seconds(2))
    assert one.state == other.state == CLOSED
    assert one.owner.told[-1] == "the other end is closed"
    assert (zone.free, memory.total, memory.sockets) == (free, 0, 0)
    one.open()
    one.write(28, (0, 8), floor=256)
    run(events, seconds(3))
    assert other.read() == [(28, (0, 8))]
