"""What a run will cost, told before it: memory, windows and, very roughly, time.

How long a machine runs before it wedges is what a run is to find out, and idle time is skipped; so windows and time are
those of a run in which nothing goes wrong, and beside them stands what the latency allows at most. The figures per page,
machine, frame and window are those of docs/benchmarks.md.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from netswap.actors.machine.rule_book import rule_book
from netswap.actors.recording import CaptureHeader, TraceHeader, period_ns, scaled
from netswap.actors.settings import MachineSettings, Swap
from netswap.cluster.scenario.resolved import Resolved
from netswap.protocol.rpc import PAGE
from netswap.protocol.units import seconds

TABLE_BYTES: Final = 5
"""Bytes for each page: its state, and the version of its contents."""
PAGE_BYTES: Final = 13
"""Bytes for each page with all that is kept of the page, also by the server."""
BLOCK_BYTES: Final = 400
"""Bytes for each page of a machine whose free blocks are kept one by one (jumbo frames)."""
MACHINE_BYTES: Final = 170_000
CONNECTION_BYTES: Final = 4_000
SLOT_BYTES: Final = 36
"""Bytes of each stretch of `stall_after`, for each program: what was done in it."""
PROCESS_BYTES: Final = 60_000_000
ACTOR_BYTES: Final = 90_000_000
RESOLVED_BYTES: Final = 2_000
"""Bytes of each machine, in each process that builds machines: the scenario as plain data."""

WINDOW_S: Final = 60e-6
DUE_S: Final = 0.8e-6
"""For each machine, in each window."""
FRAME_S: Final = 12e-6
COUNTED: Final = 1 / 36
"""Share of that of a frame that is only counted."""
LOOKED_AT: Final = 2
"""Times as much as a run takes one that is judged every second."""
MOMENT_S: Final = 3e-6
ON_RAY_S: Final = 400e-6
ACTOR_S: Final = 100e-6
"""For each actor, in each window."""
ACTOR_START_S: Final = 0.5
MACHINE_S: Final = 1e-3
"""Seconds for a machine that does nothing."""
MACHINE_START_S: Final = 2e-3

TIME_MAX_S: Final = 3600
RESIDENT: Final = 0.97
"""Share of memory above the watermarks."""
UNKNOWN_HZ: Final = 100
"""What a program of the user's is taken to do in a second."""
_MEMINFO: Final = Path("/proc/meminfo")
_CGROUPS: Final = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)

Plain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one run. Memory in bytes, time in seconds; `windows_max` and `seconds_max`: if no time at all were idle."""

    memory_bytes: int
    windows: int
    windows_max: int
    seconds: float
    seconds_max: float
    actors: int
    """0 in process."""

    @property
    def likely_s(self) -> float:
        """Between what the traffic needs and what the latency allows, as far from either in powers of ten."""
        return math.sqrt(self.seconds * self.seconds_max)

    def as_json(self) -> Plain:
        """The cost as plain data."""
        return asdict(self) | {"seconds": round(self.seconds, 1), "seconds_max": round(self.seconds_max, 1)}

    def __str__(self) -> str:
        where = f"on Ray, {self.actors} actors" if self.actors else "in this process"
        return (
            f"about {bytes_text(self.memory_bytes)}, {self.windows:,} windows ({self.windows_max:,} at most), "
            f"{seconds_text(self.likely_s)} ({where})"
        )


class Traffic(NamedTuple):
    """What programs do in a run: frames that are sent, and moments at which something is sent or comes due."""

    frames: float
    moments: float


def estimate(resolved: Resolved, *, hosts: int = 0) -> Cost:
    """The cost of a scenario as resolved: in process or, with `hosts` machine actors, on Ray."""
    machines = resolved.machines
    count = len(machines)
    actors = hosts + 1 if hosts else 0
    traffic = [one for machine in machines for one in _traffic(resolved, machine)]
    frames = sum(one.frames for one in traffic)
    moments = sum(one.moments for one in traffic)
    windows_max = -(-resolved.stop_ns // resolved.network.lookahead_ns)
    windows = math.ceil(min(windows_max, moments + count))
    window_s = ON_RAY_S + ACTOR_S * actors if actors else WINDOW_S
    window_s += DUE_S * count
    fixed_s = FRAME_S * frames + MOMENT_S * moments + MACHINE_START_S * count + ACTOR_START_S * actors
    return Cost(
        memory_bytes=sum(_machine_bytes(resolved, machine) for machine in machines) + _process_bytes(count, actors),
        windows=windows,
        windows_max=windows_max,
        seconds=fixed_s + windows * window_s,
        seconds_max=fixed_s + windows_max * window_s,
        actors=actors,
    )


def reckoned_s(sent: int, delivered: int, windows: int, machines: int) -> float:
    """The work of a run so far in process, in seconds of a usual computer: the same on every computer.

    Frames that are delivered pass through a whole stack; the others, as those that find a full socket, are mostly counted.
    """
    frames_s = FRAME_S * (delivered + (sent - delivered) * COUNTED)
    return LOOKED_AT * (frames_s + windows * (WINDOW_S + DUE_S * machines))


def loads(resolved: Resolved) -> list[float]:
    """The work of each machine, in seconds, as far as the scenario tells it: what it does, and what others send to it."""
    found = []
    frames = [0.0] * len(resolved.machines)
    for machine in resolved.machines:
        traffic = list(_traffic(resolved, machine))
        own = sum(one.frames for one in traffic)
        found.append(MACHINE_S + FRAME_S * own + MOMENT_S * sum(one.moments for one in traffic))
        reached = _reached(machine)
        for index in reached:
            frames[index] += own / len(reached)
    return [own_s + FRAME_S * received for own_s, received in zip(found, frames, strict=True)]


def _reached(machine: MachineSettings) -> list[int]:
    """The machines that most of its frames go to, or come from."""
    reached = [] if machine.swap is None else [machine.swap.server]
    for kind, settings in machine.programs:
        if kind == "flood":
            reached += settings["to"]
    return reached


def available_bytes() -> int | None:
    """Memory that this computer, or the control group that we are in, still has; None if the system does not tell."""
    found = []
    if _MEMINFO.exists():
        found += [int(line.split()[1]) << 10 for line in _MEMINFO.read_text().splitlines() if "MemAvailable" in line]
    elif "SC_PHYS_PAGES" in os.sysconf_names:
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for limit, used in _CGROUPS:
        if limit.exists() and used.exists() and (most := limit.read_text().strip()).isdecimal():
            found.append(int(most) - int(used.read_text()))
    return min(found, default=None)


def too_much(cost: Cost, available: int | None) -> list[tuple[str, str]]:
    """Why a run should not be begun here, each with what would be smaller; empty if it may."""
    problems = []
    if available is not None and cost.memory_bytes > available:
        problems.append(
            (
                f"this run needs about {bytes_text(cost.memory_bytes)} of memory, and {bytes_text(available)} are free",
                _smaller_memory(cost),
            )
        )
    if cost.likely_s > TIME_MAX_S:
        problems.append(
            (
                f"this run takes about {seconds_text(cost.likely_s)}: {cost.windows:,} windows, or up to "
                f"{cost.windows_max:,}",
                "a larger latency or an earlier stop makes fewer windows, machines in one process make shorter ones; "
                "or say --anyway",
            )
        )
    return problems


def tables_bytes(machine: MachineSettings) -> int:
    """Bytes of the tables of one machine's pages, without those of the user's own programs."""
    kernel = rule_book(machine)
    blocks = kernel.rx_data > PAGE and not kernel.sets_blocks_aside
    return _pages(machine) * TABLE_BYTES + (machine.memory // PAGE * BLOCK_BYTES if blocks else 0)


def bytes_text(count: int) -> str:
    """As a person reads it."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{-(-count // 1_000_000):,} MB"


def seconds_text(time_s: float) -> str:
    """As a person reads it."""
    if time_s < 90:
        return f"{math.ceil(time_s)} s"
    return f"{time_s / 60:,.0f} min" if time_s < 2 * TIME_MAX_S else f"{time_s / 3600:,.0f} h"


def _smaller_memory(cost: Cost) -> str:
    if cost.actors > 2:
        return "fewer actors take less: --machines-per-actor 100, or --engine inline for this process alone; or say --anyway"
    return "fewer machines or smaller working sets take less; or say --anyway"


def _process_bytes(count: int, actors: int) -> int:
    return PROCESS_BYTES + count * RESOLVED_BYTES + actors * (ACTOR_BYTES + count * RESOLVED_BYTES)


def _machine_bytes(resolved: Resolved, machine: MachineSettings) -> int:
    connections: int = sum(
        settings["flows"] * len(settings["to"])
        for kind, settings in machine.programs
        if kind == "flood" and settings.get("protocol") == "tcp"
    )
    tables = tables_bytes(machine) + _pages(machine) * (PAGE_BYTES - TABLE_BYTES)
    slots = resolved.stop_ns // resolved.stall_after_ns * len(machine.programs)
    return MACHINE_BYTES + tables + 2 * connections * CONNECTION_BYTES + slots * SLOT_BYTES


def _pages(machine: MachineSettings) -> int:
    """Pages of programs and files that tables are made for."""
    sizes = machine.files.clean + machine.files.text + machine.files.dirty
    pages = 0
    for kind, settings in machine.programs:
        if ":" not in kind:
            sizes += sum(settings.get(name) or 0 for name in ("working_set", "text", "file"))
            pages += settings.get("pages") or 0
    return pages + -(-sizes // PAGE)


def _traffic(resolved: Resolved, machine: MachineSettings) -> Iterator[Traffic]:
    for kind, settings in machine.programs:
        yield _TRAFFIC.get(kind, _unknown)(resolved, machine, settings)


def _unknown(resolved: Resolved, machine: MachineSettings, settings: Plain) -> Traffic:
    count = resolved.stop_ns / seconds(1) * UNKNOWN_HZ
    return Traffic(count, count)


def _none(resolved: Resolved, machine: MachineSettings, settings: Plain) -> Traffic:
    return Traffic(0, 0)


def _heartbeat(resolved: Resolved, machine: MachineSettings, settings: Plain) -> Traffic:
    return Traffic(0, resolved.stop_ns / settings["every"])


def _flood(resolved: Resolved, machine: MachineSettings, settings: Plain) -> Traffic:
    """Each frame is a moment, unless a window takes many of them at once, as the trains of a steady stretch."""
    if "recording" in settings:
        return _replay(resolved, settings)
    end_ns = resolved.stop_ns if settings["end_ns"] is None else min(settings["end_ns"], resolved.stop_ns)
    active_s = max(0, end_ns - settings["start_ns"]) / seconds(1)
    wire = min(settings["payload"] + 66, machine.mtu + 38)
    rate = min(settings["rate"], machine.nic_rate_bps)
    frames = active_s * rate / (8 * wire)
    if settings["protocol"] == "tcp":
        frames = min(frames, active_s * _read_hz(resolved, settings) * -(-settings["payload"] // wire))
    if _is_counted(resolved, machine, settings):
        return Traffic(frames * COUNTED, active_s * seconds(1) / settings["train"])
    return Traffic(frames, frames)


def _replay(resolved: Resolved, settings: Plain) -> Traffic:
    """Each frame of a capture is a moment."""
    header = CaptureHeader(*settings["recording"].header())
    left_ns = max(0, resolved.stop_ns - settings["start_ns"])
    period = scaled(period_ns(header.last_ns, header.frames), settings["speed_ppm"])
    frames = header.frames * min(settings["rounds"] or math.inf, left_ns / max(1, period))
    return Traffic(frames, frames)


def _follower(resolved: Resolved, machine: MachineSettings, settings: Plain) -> Traffic:
    """Each touch of a trace is a moment; pages that are not in memory come from the server, and others go there."""
    header = TraceHeader(*settings["recording"].header())
    missed = page_ns = 0.0
    if machine.swap is not None:
        room = machine.memory / PAGE * RESIDENT
        missed = header.touched * max(0.0, header.pages - room) / header.pages
        page_ns = _page_ns(resolved, machine, machine.swap, 2 * resolved.network.link.latency_ns)
    period = scaled(period_ns(header.last_ns, header.touches), settings["speed_ppm"])
    round_ns = (period if settings["pace"] == "recorded" else header.touches) + missed * page_ns
    rounds = min(settings["rounds"] or math.inf, resolved.stop_ns / max(1.0, round_ns))
    return Traffic(4 * missed * rounds, (header.touches + 2 * missed) * rounds)


def _is_counted(resolved: Resolved, machine: MachineSettings, settings: Plain) -> bool:
    """Whether most frames of a flood find a machine in a state that repeats (`netswap.actors.net.steady`)."""
    cards = {resolved.machines[index].nic_refill for index in settings["to"]}
    whole = settings["link"] == "ipv4" and settings["payload"] + 28 <= machine.mtu
    return settings["protocol"] == "udp" and whole and "virtio" not in cards


def _read_hz(resolved: Resolved, settings: Plain) -> float:
    """Messages that the targets of a flood read in a second: TCP sends no more."""
    read = 0.0
    for index in settings["to"]:
        for kind, service in resolved.machines[index].programs:
            if kind == "service" and service["port"] == settings["port"]:
                read += seconds(1) / (service["work"] or 1)
    return read or math.inf


def _rank(resolved: Resolved, machine: MachineSettings, settings: Plain) -> Traffic:
    """Pages that a step does not find in memory come from the server, and others go there; then it exchanges."""
    if "recording" in settings:
        return _follower(resolved, machine, settings)
    rtt_ns = 2 * resolved.network.link.latency_ns
    swapped = _missed(machine, settings)
    both = 2 if settings["access"] == "write" else 1
    messages = _rounds(settings)
    page_ns = _page_ns(resolved, machine, machine.swap, rtt_ns) if swapped and machine.swap else 0.0
    step_ns = max(1.0, settings["compute"] + swapped * page_ns + messages * rtt_ns)
    steps = min(settings["steps"] or math.inf, resolved.stop_ns / step_ns)
    segments = messages * (1 + -(-(settings["message"] or 0) // 1448))
    pages = swapped * both * steps
    return Traffic(4 * pages + segments * steps, 2 * pages + (segments + 1) * steps)


def _missed(machine: MachineSettings, settings: Plain) -> float:
    """Pages of a step that are not in memory."""
    pages, room = settings["working_set"] / PAGE, machine.memory / PAGE * RESIDENT
    others = sum(one["working_set"] / PAGE for kind, one in machine.programs if kind == "rank")
    if machine.swap is None or others <= room:
        return 0.0
    touched: float = min(settings["touch"] / PAGE, pages)
    return touched if settings["pattern"] == "cyclic" else touched * (others - room) / others


def _page_ns(resolved: Resolved, machine: MachineSettings, swap: Swap, rtt_ns: int) -> float:
    """From one page-in to the next: what takes longest of the way there and back, the server's disk, and the card."""
    programs = resolved.machines[swap.server].programs
    server = next((settings for kind, settings in programs if kind == "swap-server"), None)
    disk_ns = 0.0 if server is None else 2 * PAGE * seconds(1) / server["disk_bandwidth"]
    wait_ns: float = rtt_ns + (0 if server is None else server["disk_latency"])
    card_ns = PAGE * 8 * seconds(1) / machine.nic_rate_bps
    slowest: float = max(wait_ns / swap.readahead, disk_ns, card_ns, 1000.0)
    return slowest


def _rounds(settings: Plain) -> int:
    """Messages that a step sends to others."""
    ranks = settings.get("ranks", 1)
    doubling = 2 * math.ceil(math.log2(max(2, ranks)))
    return {"none": 0, "ring": 1, "halo": 2}.get(settings["exchange"], doubling)


def _file(resolved: Resolved, machine: MachineSettings, settings: Plain) -> Traffic:
    """32 pages in one go; those of a file on the server travel."""
    pages = resolved.stop_ns / seconds(1) * settings["rate"] / PAGE
    return Traffic(
        pages * (4 if settings["on"] == "swap" else 1), pages / 32 if settings["on"] == "disk" else 2 * pages
    )


_TRAFFIC: Final = {
    "rank": _rank,
    "flood": _flood,
    "heartbeat": _heartbeat,
    "reader": _file,
    "writer": _file,
    "service": _none,
    "swap-server": _none,
    "proxy": _none,
    "nbd-client": _none,
}
