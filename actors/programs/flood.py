"""An open-loop source: it sends at its rate whatever becomes of it, so it says many frames at once (a train)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from netswap.actors.net.tcp_connection import Connection
from netswap.actors.programs.streams import Room
from netswap.actors.programs.system import System
from netswap.actors.programs.talks import Talks, asks, tells
from netswap.actors.programs.task import Program
from netswap.protocol.arp import wire as link_wire
from netswap.protocol.frame import ARP, KIND_NAMES, SMALL_MAX
from netswap.protocol.ip import datagram_wire
from netswap.protocol.rpc import CALL_PORT, SERVER_PORT
from netswap.protocol.tcp import mss, segment_wire
from netswap.protocol.units import seconds

LINKS: Final = {name: kind for kind, name in KIND_NAMES.items() if kind >= ARP}
"""Kinds of frames that are no IPv4."""
_RECONNECT_NS: Final = seconds(1)


@dataclass(slots=True)
class Flood:
    """`rate` in bits per second on the wire, `payload` in bytes, times in ns; its progress is frames.

    With `burst` what is due in the time of a train leaves together, as fast as the card sends, when the first of it is due.
    Over UDP, trains go to the `to` machines in turn; on each, frames belong to `flows` flows in turn, and flow i goes
    to port `port + i % sockets`. Over TCP each flow is a connection to each of them; it takes messages as long as its
    send buffer has room, and what the windows hold back is not made up for beyond one train.
    Over another `link` than ipv4 there are neither flows nor ports, and `payload` is the frame's.
    """

    to: Sequence[int]
    port: int
    rate: int
    payload: int
    flows: int = 1
    sockets: int = 1
    train: int = 1_000_000
    burst: bool = False
    start_ns: int = 0
    end_ns: int | None = None
    fragments: str = "whole"
    protocol: str = "udp"
    link: str = "ipv4"
    io_flusher: bool = False
    counts_pages: ClassVar[bool] = False

    def talks(self) -> Talks:
        """To its targets, which answer only over TCP or ARP, or where a kernel itself takes what comes."""
        kernels = self.link == "ipv4" and self.port <= SERVER_PORT and self.port + self.sockets > CALL_PORT
        return asks(self.to) if self.protocol == "tcp" or self.link == "arp" or kernels else tells(self.to)

    def run(self, system: System) -> Program:
        """Send over UDP or TCP, from the start to the end."""
        return self._over_tcp(system) if self.protocol == "tcp" else self._over_udp(system)

    def _over_udp(self, system: System) -> Program:
        """Send a train, let its time pass, and send the next; the frames of a train go to one machine."""
        packets, wire, tail = self._wire(system)
        whole = packets > 1 and self.fragments != "incomplete"
        bits = 8 * ((packets - 1) * wire + tail if whole else wire) * seconds(1)
        gap = max(1, bits // self.rate)  # a short frame at a high rate takes less than a nanosecond
        count = 1 if whole and not self.burst else min(SMALL_MAX, max(1, self.train // gap))
        apart_ns = max(1, system.wire_ns(wire)) if self.burst else gap
        sent = trains = 0
        yield system.sleep_until(self.start_ns)
        while True:
            due = self.start_ns + sent * bits // self.rate
            if self.end_ns is not None:
                count = min(count, -(-(self.end_ns - due) // gap))
                if count <= 0:
                    return
            yield system.sleep_until(due)
            late = system.now_ns - due
            if late:
                self.start_ns += late
                continue
            to = self.to[trains % len(self.to)]
            if whole:  # a datagram of several packets is a train by itself
                for number in range(sent, sent + count):
                    system.send(to, self.port + number % self.flows % self.sockets, self.payload)
            else:
                self._send_train(system, to, count, apart_ns, sent % self.flows)
            sent += count
            trains += 1
            system.progress.add(count)

    def _send_train(self, system: System, to: int, count: int, gap_ns: int, flow: int) -> None:
        """Send frames that fit into one packet, or the first fragments of datagrams that do not."""
        if self.link != "ipv4":
            system.send_link(to, LINKS[self.link], self.payload, count, gap_ns)
        elif self.fragments == "incomplete":
            system.send_first_fragments(to, self.port, self.payload, count, gap_ns)
        else:
            system.send_train(
                to, self.port, self.payload, count, gap_ns, flow=flow, flows=self.flows, ports=self.sockets
            )

    def _wire(self, system: System) -> tuple[int, int, int]:
        """Packets of a message, bytes on the wire of each, and of the last."""
        if self.link == "ipv4":
            return datagram_wire(self.payload, system.framing, system.mtu)
        wire = link_wire(self.payload, system.framing)
        return 1, wire, wire

    def _over_tcp(self, system: System) -> Program:
        """Send messages on any connection that has room, none before its time."""
        frames, bits = self._message(system)
        room = system.streams.room
        halves: dict[Connection, int] = {}
        sent, base_ns = 0, self.start_ns
        yield system.sleep_until(self.start_ns)
        self._connect(system)
        while self.end_ns is None or system.now_ns < self.end_ns:
            due_ns = base_ns + sent * bits // self.rate
            if due_ns > system.now_ns:
                yield system.sleep_until(max(due_ns, system.now_ns + self.train))
                continue
            if due_ns < system.now_ns - self.train:
                sent, base_ns = 0, system.now_ns - self.train
            if not room:
                yield Room(system.streams, self.to[0])
                continue
            connection = room.popleft()
            left = halves.pop(connection, self.payload)
            wrote = system.streams.write(connection, left, ())
            if wrote < left:
                halves[connection] = left - wrote
                continue
            room.append(connection)
            sent += 1
            system.progress.add(frames)

    def _message(self, system: System) -> tuple[int, int]:
        """(frames of a message, its bits on the wire times ns per second)."""
        full = mss(system.mtu)
        frames = -(-self.payload // full)
        return frames, 8 * (self.payload + frames * segment_wire(0, system.framing)) * seconds(1)

    def _connect(self, system: System) -> None:
        """Open all connections; one that is lost is opened again after a while."""

        def again(connection: Connection) -> None:
            system.call_at(system.now_ns + _RECONNECT_NS, call, (connection.peer, connection.peer_port))

        def call(address: tuple[int, int]) -> None:
            system.streams.call(*address)

        system.streams.on_closed = again
        for flow in range(self.flows):
            for to in self.to:
                call((to, self.port + flow % self.sockets))
