"""An open-loop source: it sends at its rate whatever becomes of it, so it says many frames at once (a train)."""

from dataclasses import dataclass
from typing import ClassVar, Final

from actors.programs.system import System
from actors.programs.task import Program
from protocol.arp import wire as link_wire
from protocol.frame import ARP, KIND_NAMES
from protocol.ip import datagram_wire
from protocol.units import seconds

LINKS: Final = {name: kind for kind, name in KIND_NAMES.items() if kind >= ARP}
"""Kinds of frames that are no IPv4."""


@dataclass(slots=True)
class Flood:
    """`rate` in bits per second on the wire, `payload` in bytes of UDP, times in ns; its progress is frames.

    Trains go to the `to` machines in turn; on each, frames belong to `flows` flows in turn, and flow i goes to port
    `port + i % sockets`. Over another `link` than ipv4 there are neither flows nor ports, and `payload` is the frame's.
    """

    to: tuple[int, ...]
    port: int
    rate: int
    payload: int
    flows: int = 1
    sockets: int = 1
    train: int = 1_000_000
    start_ns: int = 0
    end_ns: int | None = None
    fragments: str = "whole"
    protocol: str = "udp"
    link: str = "ipv4"
    counts_pages: ClassVar[bool] = False

    def run(self, system: System) -> Program:
        """A train, its time, and the next; the frames of a train go to one machine."""
        packets, wire, tail = self._wire(system)
        incomplete = self.fragments == "incomplete"
        bits = 8 * (wire if incomplete or packets == 1 else (packets - 1) * wire + tail) * seconds(1)
        whole = packets > 1 and not incomplete
        gap = bits // self.rate
        count = 1 if whole else max(1, self.train // gap)
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
            if self.link != "ipv4":
                system.send_link(to, LINKS[self.link], self.payload, count, gap)
            elif incomplete:
                system.send_first_fragments(to, self.port, self.payload, count, gap)
            elif whole:
                system.send(to, self.port + sent % self.flows % self.sockets, self.payload)
            else:
                system.send_train(
                    to,
                    self.port,
                    self.payload,
                    count,
                    gap,
                    flow=sent % self.flows,
                    flows=self.flows,
                    ports=self.sockets,
                )
            sent += count
            trains += 1
            system.progress.add(count)

    def _wire(self, system: System) -> tuple[int, int, int]:
        """Packets of a message, bytes on the wire of each, and of the last."""
        if self.link == "ipv4":
            return datagram_wire(self.payload, system.framing, system.mtu)
        wire = link_wire(self.payload, system.framing)
        return 1, wire, wire
