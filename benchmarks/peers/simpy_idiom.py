"""SimPy as its own documentation teaches: processes, Stores, and the "Event Latency" cable.

Our own script, none of SimPy's code; it is what a user would write to have the same frames carried. `run("W1")` gives
the packets that reached their machine.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final

import simpy

from benchmarks.peers import spec

FLOOD: Final = 0
FRAGMENT: Final = 1
ACK: Final = 2

Process = Generator[Any, Any, None]


@dataclass(slots=True)
class Packet:
    """One packet on a link."""

    kind: int
    number: int
    size: int


@dataclass(slots=True)
class Counts:
    """What has happened so far."""

    received: int = 0
    acknowledged: int = 0
    held: int = 0
    dropped: int = 0


class Link:
    """A serial transmitter and a propagation delay; delivers into a Store."""

    def __init__(self, env: simpy.Environment, inbox: simpy.Store) -> None:
        self.env = env
        self.inbox = inbox
        self.queue = simpy.Store(env)
        env.process(self.transmit())

    def send(self, packet: Packet) -> None:
        """Queue a packet."""
        self.queue.put(packet)

    def transmit(self) -> Process:
        """One packet after the other."""
        while True:
            packet = yield self.queue.get()
            yield self.env.timeout(spec.wire_ns(packet.size))
            self.env.process(self.propagate(packet))

    def propagate(self, packet: Packet) -> Process:
        """The cable."""
        yield self.env.timeout(spec.LATENCY_NS)
        self.inbox.put(packet)


def flood(env: simpy.Environment, link: Link) -> Process:
    """B: packets at line rate."""
    gap_ns = spec.wire_ns(spec.FLOOD_SIZE)
    for number in range(spec.FLOOD_FRAMES):
        link.send(Packet(FLOOD, number, spec.FLOOD_SIZE))
        yield env.timeout(gap_ns)


def count(inbox: simpy.Store, counts: Counts) -> Process:
    """A of W1: count what comes."""
    while True:
        yield inbox.get()
        counts.received += 1


def page_out(link: Link, window: simpy.Container) -> Process:
    """A: each page-out takes a slot of the window; its acknowledgement gives it back."""
    for number in range(spec.PAGE_OUTS):
        yield window.get(1)
        for size in spec.PAGE_FRAGMENTS:
            link.send(Packet(FRAGMENT, number, size))


def server(env: simpy.Environment, inbox: simpy.Store, link: Link, counts: Counts) -> Process:
    """C: collects fragments; a complete page is acknowledged after a while."""
    got: dict[int, int] = {}
    while True:
        packet = yield inbox.get()
        counts.received += 1
        fragments = got.pop(packet.number, 0) + 1
        if fragments == len(spec.PAGE_FRAGMENTS):
            env.process(acknowledge(env, link, packet.number))
        else:
            got[packet.number] = fragments


def acknowledge(env: simpy.Environment, link: Link, number: int) -> Process:
    """C: serve one page-out."""
    yield env.timeout(spec.SERVICE_NS)
    link.send(Packet(ACK, number, spec.ACK_SIZE))


def take_acks(inbox: simpy.Store, window: simpy.Container, counts: Counts) -> Process:
    """A of W2."""
    while True:
        yield inbox.get()
        counts.received += 1
        counts.acknowledged += 1
        window.put(1)


def interrupt(inbox: simpy.Store, backlog: simpy.Store, counts: Counts) -> Process:
    """A of W3: a page for each packet, or a drop; never of an acknowledgement."""
    while True:
        packet = yield inbox.get()
        counts.received += 1
        if packet.kind == FLOOD and counts.held >= spec.RECEIVE_LIMIT:
            counts.dropped += 1
            continue
        counts.held += 1
        backlog.put(packet)


def softirq(env: simpy.Environment, backlog: simpy.Store, window: simpy.Container, counts: Counts) -> Process:
    """A of W3: the work for each packet."""
    while True:
        packet = yield backlog.get()
        yield env.timeout(spec.RECEIVE_NS)
        counts.held -= 1
        if packet.kind == ACK:
            counts.acknowledged += 1
            window.put(1)


def build(workload: str) -> tuple[simpy.Environment, Counts]:
    """The scene of W1, W2 or W3."""
    env = simpy.Environment()
    counts = Counts()
    to_a = simpy.Store(env)
    if workload in ("W1", "W3"):
        env.process(flood(env, Link(env, to_a)))
    if workload == "W1":
        env.process(count(to_a, counts))
        return env, counts
    to_c = simpy.Store(env)
    window = simpy.Container(env, init=spec.IN_FLIGHT)
    env.process(page_out(Link(env, to_c), window))
    env.process(server(env, to_c, Link(env, to_a), counts))
    if workload == "W2":
        env.process(take_acks(to_a, window, counts))
    else:
        backlog = simpy.Store(env)
        env.process(interrupt(to_a, backlog, counts))
        env.process(softirq(env, backlog, window, counts))
    return env, counts


def runner(workload: str) -> Callable[[], int]:
    """Build a workload; the function that runs it gives the packets received."""
    env, counts = build(workload)

    def run() -> int:
        env.run()
        return counts.received

    return run
