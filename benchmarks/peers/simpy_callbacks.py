"""SimPy with callbacks only: no processes, no Stores; one Timeout a delivery, the fewest SimPy events that we could reach.

Nobody's documentation writes it so. It is the most that SimPy's event queue gives for the same frames. Our own script, none of
SimPy's code. `runner("W1")` gives the packets that reached their machine.
"""

from collections.abc import Callable
from typing import Any

import simpy

from benchmarks.peers import spec
from benchmarks.peers.simpy_idiom import ACK, FLOOD, FRAGMENT, Counts, Packet

Receive = Callable[[Any], None]


class Link:
    """A line that is free from a time on, and a delay."""

    __slots__ = ("env", "free_ns", "receive")

    def __init__(self, env: simpy.Environment, receive: Receive) -> None:
        self.env: Any = env
        self.receive = receive
        self.free_ns = 0

    def send(self, packet: Packet) -> None:
        """Deliver after what is on the line already, and the way."""
        now_ns = self.env.now
        free_ns = self.free_ns
        if free_ns < now_ns:
            free_ns = now_ns
        self.free_ns = free_ns = free_ns + spec.wire_ns(packet.size)
        simpy.Timeout(self.env, free_ns + spec.LATENCY_NS - now_ns, packet).callbacks.append(self.receive)


class Scene:
    """All three workloads: which parts are at work is the caller's to say."""

    def __init__(self, env: simpy.Environment, counts: Counts) -> None:
        self.env: Any = env
        self.counts = counts
        self.sent = 0
        self.flooded = 0
        self.free_ns = 0
        self.got: dict[int, int] = {}
        self.to_a = Link(env, self.at_once)
        self.to_c = Link(env, self.collect)
        self.from_b = Link(env, self.at_once)

    def flood(self, _: Any = None) -> None:
        """B: one packet, and itself again after the gap."""
        self.from_b.send(Packet(FLOOD, self.flooded, spec.FLOOD_SIZE))
        self.flooded += 1
        if self.flooded < spec.FLOOD_FRAMES:
            self.env.timeout(spec.wire_ns(spec.FLOOD_SIZE)).callbacks.append(self.flood)

    def page_out(self) -> None:
        """A: one page, if there are any left."""
        if self.sent < spec.PAGE_OUTS:
            for size in spec.PAGE_FRAGMENTS:
                self.to_c.send(Packet(FRAGMENT, self.sent, size))
            self.sent += 1

    def collect(self, event: Any) -> None:
        """C: a fragment; a complete page is served after a while."""
        number = event._value.number
        self.counts.received += 1
        fragments = self.got.get(number, 0) + 1
        if fragments == len(spec.PAGE_FRAGMENTS):
            self.got.pop(number, None)
            self.env.timeout(spec.SERVICE_NS, number).callbacks.append(self.serve)
        else:
            self.got[number] = fragments

    def serve(self, event: Any) -> None:
        """C: the acknowledgement."""
        self.to_a.send(Packet(ACK, event._value, spec.ACK_SIZE))

    def at_once(self, event: Any) -> None:
        """A of W1 and W2."""
        self.counts.received += 1
        if event._value.kind == ACK:
            self.counts.acknowledged += 1
            self.page_out()

    def in_turn(self, event: Any) -> None:
        """A of W3: a page for each packet, or a drop; never of an acknowledgement. Then the work for it."""
        self.counts.received += 1
        packet = event._value
        if packet.kind == FLOOD and self.counts.held >= spec.RECEIVE_LIMIT:
            self.counts.dropped += 1
            return
        self.counts.held += 1
        now_ns = self.env.now
        self.free_ns = (self.free_ns if self.free_ns > now_ns else now_ns) + spec.RECEIVE_NS
        self.env.timeout(self.free_ns - now_ns, packet).callbacks.append(self.worked)

    def worked(self, event: Any) -> None:
        """A of W3: the packet's page is free again."""
        self.counts.held -= 1
        if event._value.kind == ACK:
            self.counts.acknowledged += 1
            self.page_out()


def build(workload: str) -> tuple[simpy.Environment, Counts]:
    """The scene of W1, W2 or W3."""
    env = simpy.Environment()
    counts = Counts()
    scene = Scene(env, counts)
    if workload == "W3":
        scene.to_a.receive = scene.from_b.receive = scene.in_turn
    if workload in ("W1", "W3"):
        scene.flood()
    if workload in ("W2", "W3"):
        for _ in range(spec.IN_FLIGHT):
            scene.page_out()
    return env, counts


def runner(workload: str) -> Callable[[], int]:
    """Build a workload; the function that runs it gives the packets received."""
    env, counts = build(workload)

    def run() -> int:
        env.run()
        return counts.received

    return run
