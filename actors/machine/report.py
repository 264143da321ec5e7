"""Reads a machine's report off its parts. None of its numbers is kept up to date while the machine runs."""

from netswap.actors.counters import COUNTERS
from netswap.actors.events import Timer
from netswap.actors.machine.door import Machine
from netswap.actors.machine.wait_graph import waits
from netswap.actors.machine_report import MachineReport, ProgramReport
from netswap.actors.memory.buddy import BuddyZone
from netswap.actors.net.arp import ASKED
from netswap.actors.process.loaded import Loaded
from netswap.protocol.rpc import PAGE


def report(machine: Machine, names: list[str], now_ns: int) -> MachineReport:
    """Everything the verdict, the expectations and the views need to know; `names` are those of all machines."""
    machine.settle()
    kernel = machine.kernel
    return MachineReport(
        name=machine.settings.name,
        down=machine.down,
        paused=machine.paused,
        digest=machine.sent_digest(),
        counters=counters(machine),
        dropped=dict(machine.counters.dropped),
        free_blocks=tuple(machine.zone.free_blocks()) if isinstance(machine.zone, BuddyZone) else (),
        programs=tuple(_program(one, now_ns) for one in machine.programs),
        timers=tuple(_timers(machine)),
        overslept=tuple(_overslept(machine)),
        swaps=machine.device is not None,
        atomic_floor=machine.zone.floors.atomic,
        frames_max=machine.stack.noncritical_max,
        frame_bytes=kernel.rx_data + kernel.rx_pages * PAGE + kernel.skb_head,
        page_bytes=PAGE,
        ring=machine.settings.nic_ring,
        last_reply_ns=machine.device.last_reply_ns if machine.device else None,
        waits=waits(machine, names),
    )


def counters(machine: Machine) -> dict[str, int]:
    """The counters of `netswap.actors.counters.COUNTERS`: those of `Counters`, and those read off the parts now."""
    read, counted = _read(machine), machine.counters
    return {name: read[name] if name in read else int(getattr(counted, name)) for name in COUNTERS}


def _read(machine: Machine) -> dict[str, int]:
    """The counters that a part keeps, or that are no count but how things stand."""
    zone, stack, scan = machine.zone, machine.stack, machine.reclaim.scan
    return {
        "free_pages": zone.free,
        "free_pages_min": zone.free_min,
        "noncritical_pages_max": machine.kernel.frame_pages(stack.noncritical_max),
        "kept_pages": zone.floors.kernel + machine.set_aside,
        "reserve_pages": zone.emergency,
        "reserve_used_max": zone.reserve_used_max,
        "no_block": zone.no_block,
        "emergency_bytes_max": machine.emergency_data.usage_max if machine.emergency_data else 0,
        "file_pages": scan.cache.resident(),
        "clean_pages": scan.cache.clean(),
        "dirty_pages": scan.cache.dirty(),
        "writeback_pages_max": machine.writeback.under_way_max,
        "writeout_naps": scan.writeout_naps,
        "kswapd_wakes": machine.reclaim.kswapd.wakes,
        "progress": sum(one.task.progress.count for one in machine.programs),
        "socket_frames": 0 if machine.down else stack.noncritical,
        "held": 0 if machine.down else machine.held(),
    }


def _program(one: Loaded, now_ns: int) -> ProgramReport:
    task = one.task
    progress = task.progress
    progress.waited.look(now_ns)
    return ProgramReport(
        name=task.name,
        kind=one.kind,
        pages=one.space.pages,
        locked=one.traits.lock,
        finished=task.finished,
        idle=not progress.busy,
        progress=progress.count,
        last_ns=progress.last_ns,
        stalls=tuple(progress.stalls),
        unended=tuple(progress.unended),
        stalled_since_ns=progress.open_stall(now_ns),
        slot_ns=progress.stall_after_ns,
        slots=tuple(progress.slots),
        open_slot=progress.open_slot,
        waited_ns=tuple(progress.waited.spent_ns(now_ns)),
        waited_slots=tuple(progress.waited.slots),
        killed_ns=task.killed_ns,
        killed_by=task.killed_by,
        freed_pages=task.freed_pages,
    )


def _timers(machine: Machine) -> list[Timer]:
    """Every timer that could still end a wait."""
    timers: list[Timer] = []
    if machine.down:
        return timers
    if machine.device is not None:
        timers += machine.device.timers() + machine.device.layer_timers()
    timers += machine.tcp.timers()
    if machine.neighbours is not None:
        asked = [one for one in machine.neighbours.entries.values() if one.state in ASKED]
        timers += [Timer("ARP", one.last_ns, one.previous_ns, one.due_ns) for one in asked]
    born_ns = machine.stack.reassembly.oldest_ns()
    if born_ns is not None:
        timers.append(Timer("fragment time-out", born_ns, -1, born_ns + machine.kernel.fragment_timeout_ns))
    if machine.nic.watching:
        last, previous, *_ = [*machine.nic.watchdog_ns, -1, -1]
        timers.append(Timer("watchdog", last, previous, machine.nic.watchdog_due_ns))
    return timers


def _overslept(machine: Machine) -> list[str]:
    """Tasks that wait although what they wait for has come, in words. Any at all on a machine that is up is a bug."""
    if machine.down or machine.paused:
        return []
    tasks = [one.task for one in machine.programs]
    over = [
        task
        for task in tasks
        if task.request is not None and not (task.finished or task.frozen) and task.request.is_over()
    ]
    told = [f"{task.name} waits for {task.request.reason().sentence}" for task in over if task.request is not None]
    return told + machine.reclaim.overslept()
