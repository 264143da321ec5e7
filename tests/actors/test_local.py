"""Two sockets within one machine: what their writer is charged and takes, and when it is told to go on."""

import pytest

from netswap.actors.events import Events
from netswap.actors.kernels import LINUX_2_6_22
from netswap.actors.memory.zone import Zone
from netswap.actors.net.buffers import Buffers
from netswap.actors.net.local import local_pair
from netswap.actors.net.tcp_connection import CLOSED

PAGE_OUT = 28 + 4096
CHARGE = 232 + 512 + 4096


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


@pytest.fixture
def pair():
    """(events, zone, kernel's end, proxy's end)."""
    events, zone = Events(), Zone(4096, 256)
    one, other = local_pair(events, Buffers(zone, LINUX_2_6_22, None, guarded=True), 2)
    one.owner, other.owner = Ears(), Ears()
    one.open()
    return events, zone, one, other


def test_what_is_written_is_read_in_order_and_its_memory_comes_back(pair):
    """A page of payload, a head and an object for the rest."""
    _, zone, one, other = pair
    free = zone.free
    assert one.write(PAGE_OUT, (1, 7), floor=256) == PAGE_OUT
    assert one.write(28, (0, 8), floor=256) == 28
    assert one.wmem == CHARGE + 232 + 512
    assert zone.free == free - 3, "the page; a slab of heads and one of headers for both"
    assert other.owner.told == ["readable", "readable"]
    assert other.read() == [(PAGE_OUT, (1, 7))]
    assert other.read() == [(28, (0, 8))]
    assert not other.ready
    assert (one.wmem, zone.free) == (0, free)


def test_a_writer_may_exceed_its_buffer_once_and_is_woken_at_a_quarter(pair):
    """124928 bytes: 26 page-outs, since the last is let in while less than the buffer is charged."""
    events, _, one, other = pair
    written = 0
    while one.write(PAGE_OUT, (1, 7), floor=256):
        written += 1
    assert written == -(-one.sndbuf // CHARGE) == 26
    while 4 * one.wmem > one.sndbuf:
        assert "writable" not in one.owner.told
        other.read()
        while events.soon:
            events.step()
    assert one.owner.told == ["writable"]


def test_without_memory_nothing_is_written_and_the_writer_is_told_to_try_again(pair):
    """At the floor; a writer that may ignore the floor can still write."""
    events, zone, one, _ = pair
    zone.take_many(256, 4096)
    assert one.write(PAGE_OUT, (1, 7), floor=256) == 0
    assert zone.free == 256, "what had been taken for it has been given back"
    events.step()
    assert one.owner.told == ["writable"]
    assert one.write(PAGE_OUT, (1, 7), floor=256, memalloc=True) == PAGE_OUT


def test_a_pair_that_is_closed_forgets_what_was_in_it(pair):
    """And the other end hears of it."""
    _, zone, one, other = pair
    free = zone.free
    one.write(PAGE_OUT, (1, 7), floor=256)
    other.close()
    assert (one.state, one.wmem, zone.free) == (CLOSED, 0, free)
    assert one.owner.told == ["the other end is closed"]
