"""Which link of the loop was open, of a machine that was under pressure and did not wedge.

The loop: the service waits for a page, so it does not read; what it does not read holds free memory down to the floor of
reception; below the floor no reply can be received; and without a reply no page comes back.
"""

from typing import Final

from netswap.actors.machine_report import MachineReport, ProgramReport
from netswap.actors.wait import CONNECTION, PAGE, REPLY, SLOT, THROTTLE

_FOR_MEMORY: Final = (PAGE, REPLY, SLOT, CONNECTION, THROTTLE)
"""What a program waits for that needs a page."""
_FAR: Final = 2
"""Free memory that never fell below this many times the floor did not come near it."""


def sentence(machine: MachineReport) -> str:
    """The first link that was open, with numbers; nothing if the machine does not swap or was never short of memory."""
    counters = machine.counters
    if not machine.swaps or not counters["kswapd_wakes"]:
        return ""
    return _reserve(machine) or _sockets(machine) or _services(machine) or _floor(machine)


def _reserve(machine: MachineReport) -> str:
    counters, at_demux = machine.counters, machine.dropped["demux"]
    if not (at_demux or counters["emergency_bytes_max"] or counters["reserve_used_max"]):
        return ""
    return (
        f"reception was served from the reserve ({at_demux:,} frames were dropped at demux; at most "
        f"{counters['reserve_used_max']:,} pages were out, of {counters['reserve_pages']:,} reserved)"
    )


def _sockets(machine: MachineReport) -> str:
    full = machine.dropped["socket-full"]
    if not full:
        return ""
    fit = machine.frames_max
    above_floor = max(0, machine.counters["free_pages_min"] - machine.atomic_floor)
    needed = fit + above_floor * machine.page_bytes // machine.frame_bytes + machine.ring
    return (
        f"the sockets were full before free memory was at the floor of reception ({fit:,} frames fit, {needed:,} were "
        f"needed; {full:,} dropped, whose buffers were free at once)"
    )


def _services(machine: MachineReport) -> str:
    """Services that were called and never waited for memory: what they read does not pile up."""
    services = [one for one in machine.programs if one.kind == "service"]
    called = [one for one in services if one.progress]
    if not called or any(_waited(one) for one in called):
        return ""
    return "; ".join(_reads_on(one) for one in called)


def _waited(program: ProgramReport) -> bool:
    return any(program.waited_ns[kind] for kind in _FOR_MEMORY)


def _reads_on(program: ProgramReport) -> str:
    why = "its pages were never taken from it"
    if not program.pages:
        why = "it has no pages of its own"
    elif program.locked:
        why = f"its {program.pages:,} pages are locked"
    return f"{program.name} never waited for memory ({why}), and read {program.progress:,} messages"


def _floor(machine: MachineReport) -> str:
    lowest, floor = machine.counters["free_pages_min"], machine.atomic_floor
    if lowest > floor:
        far = "never came near" if lowest >= _FAR * floor else "stayed above"
        return f"free memory {far} the floor of reception (lowest {lowest:,}, floor {floor:,})"
    replies = machine.counters["pages_out"] + machine.counters["pages_in"]
    return (
        f"free memory was at the floor of reception (lowest {lowest:,}, floor {floor:,}), but replies came in all the same "
        f"({replies:,} pages were answered, {machine.dropped['ring-empty'] + machine.dropped['no-memory']:,} frames "
        f"found no buffer)"
    )
