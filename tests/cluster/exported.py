"""Runs that are exported: small ones, each made once, and what another listener hears of them."""

import shutil
import subprocess
from collections import Counter
from functools import cache
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, Final

import pytest

from netswap.actors.trace import Frames, Page, Trace
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.export.folder import Original, opened
from netswap.cluster.lab.runs import How, write_result
from netswap.cluster.lab.runs import run as run_scenario
from netswap.cluster.scenario import load
from netswap.protocol.frame import TCP, Raw

SWAP: Final = """
title: {title}
seed: 3
stop: {stop}
kernel: {kernel}
safeguards: reserve
network: {network}
machines:
  A:
    memory: 16MiB
    swap: {{server: C, transport: {transport}, size: 64MiB, in_flight: 32}}
    programs:
      - rank: {{working_set: 24MiB, touch: 128KiB, compute: 5ms, pattern: random}}
      - service: {{port: 9000, sockets: 4, pages: 4}}
  B:
    programs:
      - flood: {{to: "A:9000", rate: 20Mbit/s, payload: {payload}}}
  C:
    programs:
      - swap-server: {{disk_latency: 100us, disk_bandwidth: 100MB/s}}
timeline: {timeline}
expect: []
"""
OUTAGE: Final = "[{at: 20ms, partition: [C], for: 40ms}]"
WEDGED: Final = Path("configs/three-machines.yaml")


def swap(title: str, **changed: str) -> str:
    """A rank that swaps, and a flood."""
    words = {
        "stop": "300ms",
        "kernel": "linux-6.11",
        "network": "{latency: 100us}",
        "transport": "nbd",
        "payload": "4000B",
        "timeline": "[]",
    }
    return SWAP.format(title=title, **{**words, **changed})


SCENES: Final = {
    "nbd": swap("an outage", timeline=OUTAGE),
    "nbd, loss": swap("loss", network="{latency: 100us, loss: 1%}"),
    "nbd, 2.6.22": swap("an outage in 2007", timeline=OUTAGE, kernel="linux-2.6.22"),
    "nfs": swap("an outage", transport="nfs", timeline=OUTAGE),
    "rough": swap(
        "all that can happen",
        transport="nfs",
        network="{latency: 100us, jitter: 30us, loss: 1%, duplicate: 1%, reorder: 1%, corrupt: 1%, framing: none}",
        stop="300ms",
        payload="9000B",
    ),
}
"""By name."""
MANY: Final = """
title: {title}
seed: 4
stop: 100ms
kernel: {kernel}
network: {{latency: 100us, {network}}}
machines:
  A:
    count: 2
    memory: 16MiB
    swap: {{{swap}, size: 64MiB}}
    programs:
      - rank: {{working_set: 24MiB, touch: 128KiB, compute: 5ms, pattern: random, exchange: ring, message: 20KiB}}
      - service: {{port: 9000, sockets: 2, pages: 4}}
  B:
    programs:
{floods}
  C: {{programs: [swap-server: {{}}]}}
  D: {{programs: [swap-server: {{}}]}}
  E: {{programs: [swap-server: {{}}]}}
timeline: {timeline}
expect: []
"""


def many(title: str, **changed: str) -> str:
    """Ranks that swap and exchange, and floods."""
    words = {
        "kernel": "linux-6.11",
        "network": "mtu: 1500B",
        "swap": "server: C, transport: nbd",
        "floods": '      - flood: {to: "A0:9000", rate: 5Mbit/s, payload: 3000B}',
        "timeline": "[]",
    }
    return MANY.format(title=title, **{**words, **changed})


LINKS: Final = ("arp", "ipv6", "vlan", "qinq", "other")
ALL_FAULTS: Final = (
    "[{at: 10ms, crash: A1, for: 10ms}, {at: 25ms, pause: A0, for: 10ms}, {at: 40ms, hold: {from: C, to: A0}, for: 10ms}, "
    "{at: 55ms, crash: C, for: 10ms}, {at: 70ms, cut: {from: B, to: A0}, for: 10ms}]"
)
ODD: Final = {
    "faults": many("faults of machines", timeline=ALL_FAULTS, network="arp: on"),
    "faults, nfs": many("faults of machines", timeline=ALL_FAULTS, swap="server: C", kernel="linux-2.6.22"),
    "links": many(
        "all protocols of the link",
        floods="\n".join(
            f"      - flood: {{to: 'A0:9000', link: {one}, rate: 1Mbit/s, payload: 100B}}" for one in LINKS
        )
        + "\n      - flood: {to: 'A0:9000', fragments: incomplete, rate: 1Mbit/s, payload: 3000B}",
        network="arp: on",
    ),
    "jumbo": many("jumbo frames", network="mtu: 9000B", kernel="linux-2.6.22"),
    "coded, nfs": many("three servers", swap="servers: [C, D, E], layout: coded, data: 2, parity: 1, readahead: 1"),
    "coded, nbd": many(
        "three servers",
        swap="servers: [C, D, E], layout: coded, data: 2, parity: 1, readahead: 1, transport: nbd",
    ),
    "mirrored": many("two servers", swap="servers: [C, D], layout: mirrored, transport: nbd, readahead: 1"),
}
"""What is seldom on a wire."""


class Heard(Trace):
    """Hears what an export should show, by another way."""

    def __init__(self) -> None:
        self.links: dict[tuple[int, int], Counter[str]] = {}
        self.dropped: Counter[tuple[int, str]] = Counter()
        self.delivered: Counter[int] = Counter()
        self.again: Counter[str] = Counter()
        self.again_on: Counter[tuple[int, str]] = Counter()
        self.segments: list[Raw] = []
        self.pages: Counter[tuple[str, bool]] = Counter()
        self.waits: list[tuple[int, int, int, int | None]] = []
        """(machine, program, kind, begin), with the end as fifth where there is one."""
        self.free: dict[int, list[tuple[int, int]]] = {}

    def link_sent(self, frames: Frames) -> None:
        """See `Trace.link_sent`."""
        self.links.setdefault((frames.frame[2], frames.frame[4]), Counter())["sent"] += frames.length
        if frames.frame[7] == TCP:
            self.segments.append(frames.frame)

    def link_duplicated(self, frames: Frames) -> None:
        """See `Trace.link_duplicated`."""
        self.links.setdefault((frames.frame[2], frames.frame[4]), Counter())["duplicated"] += frames.length

    def link_dropped(self, frames: Frames, cause: str) -> None:
        """See `Trace.link_dropped`."""
        self.dropped[frames.frame[4], cause] += frames.length

    def frames_dropped(self, machine: int, frames: Frames, cause: str, free: int) -> None:
        """See `Trace.frames_dropped`."""
        self.dropped[machine, cause] += frames.length

    def frames_delivered(self, machine: int, frames: Frames) -> None:
        """See `Trace.frames_delivered`."""
        self.delivered[machine] += frames.length

    def page_begun(self, at_ns: int, machine: int, page: Page) -> None:
        """See `Trace.page_begun`."""
        self.pages[page.kind, page.write] += 1

    def retransmitted(self, at_ns: int, machine: int, protocol: str) -> None:
        """See `Trace.retransmitted`."""
        self.again[protocol] += 1
        self.again_on[machine, protocol] += 1


_KEPT: Final = TemporaryDirectory(prefix="exported-")
"""Goes away when the process ends."""


def new_folder() -> Path:
    """An empty one, for what several tests look at."""
    return Path(mkdtemp(dir=_KEPT.name))


@cache
def run(name: str) -> Original:
    """The folder of one of the scenes."""
    return kept({**SCENES, **ODD}[name])


def kept(text: str | Path, folder: Path | None = None, wall_limit_s: float = inf, **top_level: Any) -> Original:
    """The folder of a run of this scenario; with a limit of 0 it ends at the first look."""
    folder = folder or new_folder()
    scenario = load(text, **top_level)
    write_result(
        folder,
        run_scenario(scenario, How(engine="inline", wall_limit_s=wall_limit_s), folder, "netswap run scenario.yaml"),
    )
    return opened(folder)


@cache
def heard(name: str) -> Heard:
    """What is heard of it in another run."""
    original = run(name)
    told = Heard()
    engine = InlineEngine(original.resolved, trace=told)
    try:
        engine.run(original.end_ns)
    finally:
        engine.close()
    return told


def tshark(path: Path, *options: str) -> list[str]:
    """What it prints of a capture, with all checksums looked at."""
    program = shutil.which("tshark")
    if program is None:
        pytest.skip("tshark is not installed")
    checked = [f"-o{protocol}.check_checksum:TRUE" for protocol in ("ip", "tcp", "udp")]
    done = subprocess.run([program, "-r", str(path), *checked, *options], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()
