"""The seed's cast, small: A swaps to C and serves B; the numbers a story needs are its parameters."""

from dataclasses import dataclass
from math import isqrt

from netswap.actors.programs.system import System
from netswap.actors.programs.task import Program

FRAME = 1538
"""Bytes on the wire of a full frame."""
SOCKET_FRAMES = 68
"""Full frames that one socket of 2.6.22 takes: the largest n with (n - 1) * 1832 + 1832 < 124928."""
RING = 256


def seed(
    *,
    memory: int = 64,
    sockets: int = 32,
    rate: str = "24608kbit/s",
    flood_from: str = "2s",
    stop: str = "60s",
    timeline: str = "[]",
    safeguards: str = "none",
    number: int = 1,
    a: str = "",
    rank: str = "",
    swap: str = "",
    service: str = "",
    flood: str = "",
) -> str:
    """A scenario. `memory` of A in MiB; `rate` in frames of 1538 B is 2000 per second by default."""
    return f"""\
# Does A outlive an outage of its swap server while B floods it?
title: the seed, small
seed: {number}
stop: {stop}
safeguards: {safeguards}
network: {{latency: 2ms}}
machines:
  A:
    memory: {memory}MiB
    swap: {{server: C, size: {4 * memory}MiB, readahead: 1{swap}}}
{a}
    programs:
      - rank: {{working_set: {memory * 5 // 4}MiB, touch: {memory // 16}MiB, compute: 20ms{rank}}}
      - service: {{port: 9000, sockets: {sockets}, pages: 64{service}}}
  B:
    programs: [{{flood: {{to: "A:9000", rate: {rate}, payload: 1472B, from: {flood_from}{flood}}}}}]
  C:
    programs: [{{swap-server: {{}}}}]
timeline: {timeline}
"""


def outage(at: str = "2s", lasts: str = "5s") -> str:
    """C unreachable for a while."""
    return f"[{{at: {at}, partition: [C], for: {lasts}}}]"


def min_pages(memory: int) -> int:
    """The min watermark of a machine of so many MiB: isqrt(16 * KiB) KiB."""
    return isqrt(16 * memory * 1024) // 4


def atomic_floor(minimum: int) -> int:
    """Three eighths of min, by the kernel's integer arithmetic."""
    half = minimum - minimum // 2
    return half - half // 4


@dataclass(slots=True)
class LateReader:
    """A daemon that is busy until `at_ns`, then reads all that waits in its one socket. It has no page that could leave."""

    port: int
    buffer: int
    at_ns: int

    def run(self, system: System) -> Program:
        """Its progress is messages."""
        system.open(self.port, self.buffer)
        yield system.sleep_until(self.at_ns)
        while True:
            yield system.receive()
            system.progress.add(1)
