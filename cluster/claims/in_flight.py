"""Row 11 and row 39: frames between card and demux, of which the kernel does not know yet which socket they are for."""

from random import Random
from typing import Any, Final

from netswap.actors.counters import Counters
from netswap.actors.events import Events
from netswap.actors.kernels.kernel import Kernel
from netswap.actors.memory.board import Board
from netswap.actors.memory.reserve import Node, receive_charge
from netswap.actors.memory.zone import Zone
from netswap.actors.net.board import NetBoard
from netswap.actors.net.buffers import Buffers
from netswap.actors.net.input_queue import InputQueue
from netswap.actors.net.nic import Nic
from netswap.actors.net.sockets import Queues
from netswap.actors.net.stack import Stack
from netswap.actors.policy import Policy
from netswap.cluster.claims import formulas
from netswap.cluster.claims.claim import EVERY, Evidence, row
from netswap.cluster.claims.scenes import as_expected, run_to, scene
from netswap.protocol.frame import UDP, VERSION
from netswap.protocol.ip import ETHERNET, MTU
from netswap.protocol.units import milliseconds, seconds

FRAME_NS: Final = milliseconds(1)
"""What the CPU takes for each frame."""
SOURCES: Final = 8
BURSTS: Final = 2000
ARRIVALS: Final = 20_000
RING_KEPT: Final = 16
REPLY_FRAMES: Final = 3
"""Frames of the reply with the page that A reads."""
CRITICAL_PORT: Final = 800
SERVICE_PORT: Final = 9000
GIGABIT: Final = 1_000_000_000


class _Receiver:
    """A machine at its atomic floor, with `buffers` of the reserve for frames in flight, and a softirq that takes time."""

    def __init__(self, kernel: Kernel, buffers: int) -> None:
        self.events = Events()
        self.counters = Counters()
        self.critical = 0
        """Critical frames that found a buffer, and hence their way."""
        zone = Zone(4096, 256, 64, kernel)
        # The one descriptor of this card keeps a buffer for ever, so the limit is one buffer more.
        limit = Node("SKB data", limit=(buffers + 1) * receive_charge(kernel) + 1)
        memory = Buffers(zone, kernel, limit, guarded=True)
        policy = Policy(reserve_access=True, drop_at_demux=True, slab_rule=True)
        net = NetBoard(Board(self.events, zone, kernel, self.counters, policy), memory, ETHERNET, MTU)
        stack = Stack(net)
        stack.open(Queues().open(SERVICE_PORT, kernel.rmem_default))
        stack.serve(CRITICAL_PORT, self._take)
        self.queue = InputQueue(self.events, stack, FRAME_NS)
        self._nic = Nic(net, self.queue, 0, GIGABIT, 1, "tg3")
        zone.take_many(zone.floors.atomic, zone.total)
        for cache in (memory.receive, memory.heads):
            while cache.take(zone.floors.atomic) is not None:
                pass
        self.receive(SERVICE_PORT, 0)
        self.run_until(FRAME_NS + 1)
        assert self.counters.delivered == 1, "the ring's first buffer, which was no emergency, has been passed up"

    def _take(self, datagram: Any) -> None:
        self.critical += 1

    def run_until(self, time_ns: int) -> None:
        """Let all happen that is due before then."""
        while self.events.next_ns() < time_ns:
            self.events.step()
        self.events.now = time_ns

    def receive(self, port: int, at_ns: int) -> None:
        """A full frame for this port reaches the card."""
        frame = (VERSION, 0, 1, 0, 0, 1538, 1538, UDP, port, 1, 0, (0, 1472, 0, 1, 1, ()))
        arrival: Any = (at_ns, 1, 0, 0, 1, 0, 0, 0, frame)
        self._nic.receive(arrival, at_ns + 1)


@row(
    11,
    "Frames are classified only after demux: with fewer buffers than frames in flight, critical ones are lost like all others",
    "Zijlstra, 15 August 2007",
)
def blind(kernel: Kernel) -> Evidence:
    """One frame of each of 8 sources at once, in random order, finds K buffers: the critical one is lost with 1 - K/8.

    From sources without number it is lost as often as all K are in use when it comes (M/D/1/K). Five standard errors are
    allowed.
    """
    evidence = Evidence()
    for buffers in (2, 5, SOURCES):
        lost = _lost_in_bursts(kernel, buffers)
        share = 1 - buffers / SOURCES
        within = 5 * (share * (1 - share) / BURSTS) ** 0.5
        evidence.near(f"8 in flight, {buffers} buffers: critical frames lost", share, lost, within)
    for buffers in (1, 3, 6):
        share = formulas.lost_to_full(0.8, buffers)
        within = 5 * (share * (1 - share) / (ARRIVALS / SOURCES)) ** 0.5
        lost = _lost_at_random(kernel, buffers, load=0.8)
        evidence.near(f"any number of sources, {buffers} buffers: critical frames lost", share, lost, within)
    return _whole_machine(kernel, evidence)


def _whole_machine(kernel: Kernel, evidence: Evidence) -> Evidence:
    """The eight sources, and a swap whose replies of 3 frames come between them: with 2 buffers no reply can be whole."""
    for buffers in (REPLY_FRAMES - 1, SOURCES + REPLY_FRAMES):
        with scene("row-11", kernel, set={"machines.A.reserve.buffers": RING_KEPT + buffers}) as cluster:
            dropped = run_to(cluster, 10)["A"].dropped
            share = max(0, 1 - buffers / SOURCES)
            evidence.near(
                f"A, {buffers} buffers: lost", share, dropped["no-memory"] / sum(dropped.values()), within=0.01
            )
            verdict = "recovered" if buffers >= SOURCES + REPLY_FRAMES else "wedged"
            evidence.equal(f"A, {buffers} buffers", verdict, str(cluster.run()["A"].verdict))
    return evidence


def _lost_in_bursts(kernel: Kernel, buffers: int) -> float:
    """The share that is lost of one critical frame among 8 that come together, in an order drawn anew each time."""
    receiver, draw = _Receiver(kernel, buffers), Random("row 11, bursts")
    ports = [CRITICAL_PORT] + [SERVICE_PORT] * (SOURCES - 1)
    for burst in range(1, BURSTS + 1):
        at_ns = burst * (SOURCES + 1) * FRAME_NS
        receiver.run_until(at_ns)
        draw.shuffle(ports)
        for port in ports:
            receiver.receive(port, at_ns)
    receiver.run_until(receiver.events.now + SOURCES * FRAME_NS + 1)
    return 1 - receiver.critical / BURSTS


def _lost_at_random(kernel: Kernel, buffers: int, load: float) -> float:
    """The share of critical frames, an eighth, that is lost where frames come at random, `load` in the CPU's time for one."""
    receiver, draw = _Receiver(kernel, buffers), Random("row 11, random")
    at_s, sent = receiver.events.now / seconds(1), 0
    for _ in range(ARRIVALS):
        at_s += draw.expovariate(load * seconds(1) / FRAME_NS)
        at_ns = int(at_s * seconds(1))
        receiver.run_until(at_ns)
        critical = draw.random() < 1 / SOURCES
        sent += critical
        receiver.receive(CRITICAL_PORT if critical else SERVICE_PORT, at_ns)
    receiver.run_until(receiver.events.now + (buffers + 1) * FRAME_NS)
    return 1 - receiver.critical / sent


@row(
    39,
    "Of frames that come faster than they are processed no more than a thousand wait before demux",
    "net/core/dev.c",
    eras=EVERY,
)
def backlog(kernel: Kernel) -> Evidence:
    """3000 frames a second, 1000 of them processed: 1001 wait, one is being processed, the others are dropped unseen."""
    evidence = Evidence()
    with scene("row-39", kernel) as cluster:
        for at_s in (3, 5):
            a = run_to(cluster, at_s)["A"]
            waiting = 1001 + 1
            since_s = at_s - 1 - 0.002
            evidence.near(
                f"at {at_s} s: dropped", 3000 * since_s - 1000 * since_s - waiting, a.dropped["backlog"], within=4
            )
            evidence.equal(f"at {at_s} s: received and not classified", waiting, a.held)
        as_expected(cluster, evidence)
        evidence.equal("left at the end", 0, cluster["A"].held)
    with scene("row-39", kernel, set={"machines.B.programs.0.flood.rate": "12kbit/s"}) as slow:
        evidence.equal("slower than they are processed: dropped", 0, slow.run()["A"].dropped["backlog"])
    return evidence
