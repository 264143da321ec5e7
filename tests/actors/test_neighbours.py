"""The neighbour table: who is asked when, what waits meanwhile, and what it takes (rows 42 and 43)."""

from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from scene import RESERVE, A, B, C, Host, host

from netswap.actors.kernels import KERNELS, LINUX_2_6_22, LINUX_6_11, Kernel
from netswap.actors.net.arp import DELAY, FAILED, INCOMPLETE, PROBE, REACHABLE, STALE, Neighbours
from netswap.actors.net.stack import Stack
from netswap.protocol.arp import REPLY, REQUEST
from netswap.protocol.frame import ARP, FRAGMENT, IPV6, OTHER, PAGE_OUT, QINQ, UDP, VERSION, VLAN, Frame, Raw
from netswap.protocol.units import milliseconds, seconds

TINY = 100
"""Bytes of a message that is one packet."""
SOON = milliseconds(1)


@dataclass
class Scene:
    """Machine A, its table, and what has left its card."""

    host: Host
    table: Neighbours
    heard: list[Frame]

    def send(self, packets: int = 1, *, memalloc: bool = False, to: int = C) -> None:
        """A datagram of so many packets."""
        slabs = self.host.buffers.transmit(packets, self.host.zone.floors.atomic, memalloc=memalloc)
        assert slabs is not None
        body: tuple[object, ...] = (0, TINY, 0, 1, 1, ())
        kind = UDP
        if packets > 1:
            kind, body = PAGE_OUT | FRAGMENT, (self.table.sent & 0xFFFF, 0, body)
        self.table.transmit(slabs, to, (kind, 2049, packets, 200, 200, body), memalloc=memalloc)

    def until(self, time_ns: int) -> list[tuple[float, str]]:
        """Let time pass; (second, kind) of what left meanwhile, the wire's own time left out."""
        self.host.run_until(time_ns)
        sent = self.host.sent()
        self.heard += sent
        return [(round(frame.sent_ns / 1e9, 3), "arp" if frame.kind == ARP else "data") for frame in sent]

    def hear(self, said: int, source: int = C) -> None:
        """An ARP frame reaches the card."""
        self.host.receive(link_frame(ARP, (said,), source))

    def state(self, index: int = C) -> str | None:
        """What is known of a machine."""
        entry = self.table.entries.get(index)
        return None if entry is None else entry.state


def link_frame(kind: int, message: tuple[int, ...] = (), source: int = B) -> Raw:
    """A short frame that is no IPv4."""
    return (VERSION, 0, source, 0, A, 84, 84, kind, 0, 1, 0, (0, 28, 0, 1, 1, message))


def scene(*switches: str, kernel: Kernel = LINUX_2_6_22, seed: int = 1, **how: Any) -> Scene:
    """A with an empty table."""
    one = host(*switches, **how)
    table = Neighbours(replace(one.net, board=replace(one.net.board, kernel=kernel)), one.nic, Random(seed))
    one.stack.serve(-ARP, table.receive)
    return Scene(one, table, [])


def known(**how: Any) -> tuple[Scene, int]:
    """A knows C since 0; for how long that is good, ns."""
    one = scene(**how)
    one.send()
    one.hear(REPLY)
    assert one.state() == REACHABLE
    one.until(SOON)
    return one, one.table.entries[C].due_ns


def taken(one: Scene) -> int:
    """Pages that are out, those of the ring left out."""
    return one.host.zone.total - one.host.zone.free - BEFORE


BEFORE = (lambda zone: zone.total - zone.free)(host().zone)


# -- asking ----------------------------------------------------------------------------------------------------------


def test_the_first_packet_waits_until_its_neighbour_has_answered() -> None:
    """A request leaves at once, the packet with the answer; the next one finds the address known."""
    one = scene()
    one.send()
    assert one.until(SOON) == [(0.0, "arp")]
    assert one.state() == INCOMPLETE
    one.hear(REPLY)
    one.send()
    assert one.until(2 * SOON) == [(0.001, "data"), (0.001, "data")]
    assert one.heard[0].body[5] == (REQUEST,)


def test_who_does_not_answer_is_asked_three_times_and_given_up() -> None:
    """At 0, 1 and 2 s; at 3 s what waits is thrown away. The next packet begins anew, at once."""
    one = scene()
    one.send(packets=3)
    assert one.until(seconds(2.9)) == [(0.0, "arp"), (1.0, "arp"), (2.0, "arp")]
    assert one.host.counters.unresolved == 0
    assert one.until(seconds(10)) == []
    assert one.state() == FAILED
    assert one.host.counters.unresolved == 3
    one.send()
    assert one.until(seconds(10.5)) == [(10.0, "arp")]


@pytest.mark.parametrize(
    ("kernel", "room"), [(LINUX_2_6_22, 3), (LINUX_6_11, 212_992 // 2304)], ids=lambda one: getattr(one, "name", one)
)
def test_so_many_packets_wait_and_the_oldest_make_room(kernel: Kernel, room: int) -> None:
    """3 packets in 2007, 212,992 bytes in 6.11; datagrams of 3 packets each, and one that never fits."""
    one = scene(kernel=kernel)
    for _ in range(room // 3 + 2):
        one.send(packets=3)
    assert one.host.counters.unresolved == 6
    one.hear(REPLY)
    sent = one.until(SOON)
    assert [kind for _, kind in sent] == ["arp"] + ["data"] * (room // 3)
    idents = [frame.body[0] for frame in one.heard if frame.kind != ARP]
    assert len(set(idents)) == len(idents)

    other = scene(kernel=kernel)
    other.send(packets=room + 1)
    assert other.host.counters.unresolved == room + 1


def test_a_train_does_not_wait() -> None:
    """It is lost and counted, and its neighbour is asked."""
    one = scene()
    one.table.send_train(C, UDP, 9000, 8, 1000, 200, (0, TINY, 0, 1, 1, ()))
    assert one.until(SOON) == [(0.0, "arp")]
    assert one.host.counters.unresolved == 8
    one.hear(REPLY)
    one.table.send_train(C, UDP, 9000, 8, 1000, 200, (0, TINY, 0, 1, 1, ()))
    assert [frame.count for frame in one.host.sent()] == [8]


# -- for how long an answer is good ----------------------------------------------------------------------------------


def test_an_answer_is_good_for_half_to_one_and_a_half_of_30_s() -> None:
    """The kernel draws it, and we from a stream of our own."""
    drawn = [known(seed=seed)[1] for seed in range(60)]
    assert seconds(15) <= min(drawn) < seconds(20)
    assert seconds(40) < max(drawn) < seconds(45)


def test_a_neighbour_in_use_is_asked_5_s_after_that_and_given_up_3_s_later() -> None:
    """Good until T: asked at T + 5, 6 and 7 s, to its known address, and given up at T + 8; until then packets leave."""
    one, good_ns = known()
    one.until(good_ns - seconds(0.5))
    one.send()
    assert [kind for _, kind in one.until(good_ns + seconds(4.9))] == ["data"]
    assert one.state() == DELAY
    asked = [at_s for at_s, _ in one.until(good_ns + seconds(7.9))]
    assert asked == [pytest.approx(good_ns / 1e9 + wait, abs=1e-3) for wait in (5, 6, 7)]
    assert one.state() == PROBE
    one.send()
    assert [kind for _, kind in one.until(good_ns + seconds(7.95))] == ["data"]
    one.until(good_ns + seconds(8.1))
    assert one.state() == FAILED


def test_a_neighbour_that_answers_is_good_again() -> None:
    """One request every T + 5 s, for an answer that is good for T: what a connection in use costs."""
    one, good_ns = known()
    every_s = good_ns / 1e9 + 5
    asked = []
    for tenth in range(1, 3000):
        one.send()
        for at_s, kind in one.until(milliseconds(100) * tenth):
            if kind == "arp":
                asked.append(at_s)
                one.hear(REPLY)
    assert asked[0] == pytest.approx(every_s, abs=0.2)
    assert all(later - earlier == pytest.approx(every_s, abs=0.2) for earlier, later in pairwise(asked[:5]))


def test_who_is_not_used_for_a_minute_is_forgotten_and_its_memory_is_free_again() -> None:
    """60 s after the last use."""
    one, good_ns = known()
    assert taken(one) > 0
    assert good_ns < seconds(55)
    one.until(seconds(59.9))
    assert one.state() == STALE
    one.until(seconds(60.1))
    assert one.state() is None
    assert taken(one) == 0


def test_after_an_outage_of_a_minute_everything_begins_with_arp() -> None:
    """A asks its server again and again (8.8 s apart), and no data leave until there is an answer."""
    one, good_ns = known()
    for transmission in range(1, 9):
        one.until(transmission * seconds(8.8))
        one.send(packets=3)
    left = [frame for frame in one.heard if frame.sent_ns > good_ns + seconds(8)]
    assert {frame.kind for frame in left} == {ARP}
    one.hear(REPLY)
    assert [kind for _, kind in one.until(seconds(71))] == ["arp", "data"]


# -- being asked -----------------------------------------------------------------------------------------------------


def test_who_asks_is_answered_and_known_from_then_on() -> None:
    """Not confirmed, though: packets leave at once, and 5 s after the first it is asked in its turn."""
    one = scene()
    one.hear(REQUEST)
    assert one.until(SOON) == [(0.0, "arp")]
    assert one.heard[0].body[5] == (REPLY,)
    assert one.state() == STALE
    one.send()
    assert one.until(seconds(5.5)) == [(0.001, "data"), (5.001, "arp")]


def test_a_reply_to_nobodys_question_is_ignored_and_so_is_what_is_neither() -> None:
    """Nothing is made of it, and it is no crash."""
    one = scene()
    one.hear(REPLY)
    for message in ((), (7,), (1, 2)):
        one.host.receive(link_frame(ARP, message))
    assert one.table.entries == {}
    assert one.until(SOON) == []
    assert one.host.dropped() == {}


# -- row 42: what it takes -------------------------------------------------------------------------------------------

EMERGENCY = {"emergency": 64, "emergency_bytes": 65_536}


@pytest.mark.parametrize("memalloc", [True, False])
def test_without_a_right_to_the_reserve_no_request_leaves_at_the_floor(memalloc: bool) -> None:
    """Row 42. A's own request has all it needs and waits in vain: the question cannot be sent. Then the twin."""
    switches = RESERVE if memalloc else RESERVE - {"memalloc-processing"}
    one = scene(*switches, **EMERGENCY)
    one.host.drain_to_the_atomic_floor()
    one.send(packets=3, memalloc=True)
    sent = one.until(seconds(2.5))
    if not memalloc:
        assert sent == []
        assert one.host.counters.tx_no_memory == 3
        return
    assert sent == [(0.0, "arp"), (1.0, "arp"), (2.0, "arp")]
    one.hear(REPLY)
    assert [kind for _, kind in one.until(seconds(2.9))] == ["data"]


@pytest.mark.parametrize("memalloc", [True, False])
def test_without_a_right_to_the_reserve_nobody_who_asks_is_answered_at_the_floor(memalloc: bool) -> None:
    """Row 42, the other direction: C has a reply for A and does not find A, whose ring still takes its question."""
    switches = RESERVE if memalloc else RESERVE - {"memalloc-processing"}
    one = scene(*switches, **EMERGENCY)
    one.host.drain_to_the_atomic_floor()
    one.hear(REQUEST)
    assert (one.until(SOON) == [(0.0, "arp")]) == memalloc
    assert (one.state() == STALE) == memalloc


def test_without_memory_for_an_entry_a_packet_is_lost_and_its_buffers_are_free() -> None:
    """It counts as a transmission that failed for want of memory."""
    one = scene()
    one.send(to=B)
    slabs = one.host.buffers.transmit(1, one.host.zone.floors.atomic, memalloc=False)
    assert slabs is not None
    one.host.drain_to_the_atomic_floor()
    while one.host.buffers.neighbours.take(one.host.zone.floors.atomic) is not None:
        pass
    in_use = one.host.buffers.heads.in_use
    one.table.transmit(slabs, C, (UDP, 2049, 1, 200, 200, (0, TINY, 0, 1, 1, ())))
    assert one.state() is None
    assert one.host.counters.tx_no_memory == 1
    assert one.host.buffers.heads.in_use == in_use - 1


# -- row 43: which protocols an emergency packet may be of -----------------------------------------------------------

PASS = {"linux-2.6.22": {ARP, IPV6, VLAN}, "linux-6.11": {ARP, IPV6, VLAN, QINQ}}


@pytest.mark.parametrize("name", PASS)
@pytest.mark.parametrize("kind", [ARP, IPV6, VLAN, QINQ, OTHER])
@pytest.mark.parametrize("dropped_at_demux", [True, False])
def test_in_an_emergency_buffer_only_some_protocols_pass(name: str, kind: int, dropped_at_demux: bool) -> None:
    """Row 43. Those that pass get as far as their protocol, which is not there; without the switch all of them do."""
    one = scene(*(RESERVE if dropped_at_demux else RESERVE - {"drop-at-demux"}), **EMERGENCY)
    stack = Stack(replace(one.host.net, board=replace(one.host.net.board, kernel=KERNELS[name])))
    one.host.drain_to_the_atomic_floor()
    buffer = one.host.buffers.allocate(one.host.buffers.receive, 1832)
    assert buffer is not None
    assert buffer[3] > 0
    stack.input(link_frame(kind), 0, buffer)
    passes = kind in PASS[name] or not dropped_at_demux
    assert one.host.dropped() == {"no-socket" if passes else "demux": 1}


@pytest.mark.parametrize("kind", [IPV6, VLAN, QINQ, OTHER])
def test_with_memory_to_spare_every_protocol_passes(kind: int) -> None:
    """It is a rule for emergencies."""
    one = scene(*RESERVE, **EMERGENCY)
    one.host.receive(link_frame(kind))
    assert one.host.dropped() == {"no-socket": 1}
