"""The input queue between card and demux: one frame after the other, a thousand and one at most, blind to what they are."""

from scene import SERVICE, Host, host, udp

from netswap.actors.net.input_queue import MAX_BACKLOG, InputQueue
from netswap.protocol.frame import CORRUPT
from netswap.protocol.units import microseconds, milliseconds

FRAME_NS = microseconds(50)


def queued(ring: int = 32) -> tuple[Host, InputQueue]:
    """A machine whose card puts frames into a queue, and sockets for all of them."""
    a = host(total=16_384, ring=ring)
    queue = InputQueue(a.events, a.stack, FRAME_NS)
    a.nic._stack = queue  # what the machine gives it when it is built
    a.open(64)
    return a, queue


def test_a_frame_is_delivered_once_the_cpu_has_looked_at_it() -> None:
    """The first after its own time, the second after that of both, in the order in which they came."""
    a, queue = queued()
    a.receive(udp(3, flows=3, ports=3))
    assert (a.counters.delivered, queue.frames) == (0, 3)
    for delivered in (1, 2, 3):
        a.run_until(delivered * FRAME_NS + 1)
        assert (a.counters.delivered, queue.frames) == (delivered, 3 - delivered)
        assert [a.stack.sockets[SERVICE + port].charged > 0 for port in range(3)] == [
            port < delivered for port in range(3)
        ]


def test_more_than_a_thousand_and_one_do_not_wait() -> None:
    """One is being looked at, 1001 wait, and what comes then is dropped and its memory free."""
    a, queue = queued()
    a.receive(udp(MAX_BACKLOG + 2, flows=64, ports=64))
    assert (queue.frames, a.dropped()) == (MAX_BACKLOG + 2, {})
    a.receive(udp(10))
    assert (queue.frames, a.dropped()) == (MAX_BACKLOG + 2, {"backlog": 10})
    assert a.buffers.receive.in_use == queue.frames + a.nic.filled()
    a.run_until(FRAME_NS + 1)
    a.receive(udp(2))
    assert (queue.frames, a.dropped()) == (MAX_BACKLOG + 2, {"backlog": 11})


def test_what_is_dropped_there_has_not_been_classified() -> None:
    """Frames for nobody are dropped as `backlog`, not as `no-socket`."""
    a, _ = queued()
    a.receive(udp(MAX_BACKLOG + 2, port=1))
    a.receive(udp(1, port=1))
    assert a.dropped() == {"backlog": 1}
    a.run_until((MAX_BACKLOG + 3) * FRAME_NS)
    assert a.dropped() == {"backlog": 1, "no-socket": MAX_BACKLOG + 2}


def test_a_damaged_frame_does_not_get_that_far() -> None:
    """The card drops it."""
    a, queue = queued()
    a.receive(udp(1), flags=CORRUPT)
    assert (queue.frames, a.dropped()) == (0, {"corrupt": 1})


SCENE = """
title: an input queue
stop: 4s
machines:
  A: {nic: {softirq: 1ms}, memory: 64MiB, programs: [{service: {port: 9000, sockets: 4}}]}
  B: {programs: [{flood: {to: "A:9000", rate: 24608kbit/s, payload: 1472B, from: 1s, for: 1s}}]}   # 2000 frames/s
"""


def test_no_frame_is_lost_from_the_books(netswap) -> None:
    """Those in the queue are held; a crash loses them, a pause does not."""
    for fault, lost in (
        ([], 0),
        ([{"at": "1.9s", "crash": "A", "for": "50ms"}], 1),
        ([{"at": "1.9s", "pause": "A", "for": "50ms"}], 0),
    ):
        with netswap(SCENE, timeline=fault) as cluster:
            for at_ms in (1500, 1899, 1920, 2500, 4000):
                frames = cluster.run_to(milliseconds(at_ms)).frames()
                known = frames["delivered"] + sum(frames["dropped"].values()) + frames["under_way"]
                assert frames["sent"] == known
            assert cluster["A"].held == 0
            assert (cluster["A"].dropped["crashed"] > 800) is bool(lost)


def test_without_it_the_same_bytes_leave_as_ever(netswap) -> None:
    """No time, no queue: a key that says so changes nothing."""
    digests = set()
    for settings in ({}, {"machines.A.nic.softirq": "0ns"}):
        with netswap(SCENE.replace("nic: {softirq: 1ms}, ", ""), set=settings) as cluster:
            digests.add(cluster.run().digest())
    assert len(digests) == 1
