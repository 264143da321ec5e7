"""Snapshots of /proc: psutil, pointed at one, returns our numbers, and readers in the style of free, vmstat and ss parse it."""

import re
from dataclasses import replace
from functools import cache
from math import isqrt
from pathlib import Path

import exported
import psutil
import pytest
from exported import Heard, kept, new_folder

from netswap.actors import wait
from netswap.actors.kernels import KERNELS
from netswap.actors.machine import Machine
from netswap.actors.machine.report import counters
from netswap.actors.memory.anonymous import UNTOUCHED, WRITING
from netswap.actors.programs.task import Need
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.export import exports
from netswap.cluster.export.blocked import CHAINS, sleep_of
from netswap.cluster.export.exports import Asked
from netswap.cluster.export.folder import Original
from netswap.cluster.export.window import Window
from netswap.protocol.rpc import PAGE
from netswap.protocol.units import milliseconds

pytestmark = pytest.mark.xdist_group("proc")  # its runs are made once
AT_NS = milliseconds(800)
"""In the outage."""
SCENE = """
title: a rank that stalls, with a flood
seed: 5
stop: 2s
kernel: {kernel}
safeguards: none
machines:
  A:
    memory: 32MiB
    files: {{clean: 1MiB, text: 512KiB}}
    swap: {{server: C, transport: {transport}, size: 64MiB}}
    programs:
      - rank: {{working_set: 40MiB, touch: 256KiB, compute: 5ms, pattern: random}}
      - service: {{port: 9000, sockets: 4, pages: 4}}
  B: {{programs: [{{flood: {{to: "A:9000", rate: 5Mbit/s, payload: 4000B}}}}]}}
  C: {{programs: [{{swap-server: {{}}}}]}}
timeline: [{{at: 500ms, partition: [C], for: 1200ms}}]
expect: []
"""
KINDS = [("linux-2.6.22", "nfs"), ("linux-6.11", "nbd")]
each = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[0])


@cache
def run(kind: tuple[str, str]) -> Original:
    """The run."""
    return kept(SCENE.format(kernel=kind[0], transport=kind[1]))


@cache
def snapshots(kind: tuple[str, str]) -> Path:
    """The folder of A's snapshots."""
    original = run(kind)
    out = new_folder()
    asked = Asked(out, Window(0, original.end_ns), frozenset({0}), at_ns=(AT_NS,))
    exports.to_proc(original, asked)
    return out / "A"


@cache
def seen(kind: tuple[str, str]) -> tuple[Machine, Heard]:
    """The machine itself at that time, and what was heard up to then."""
    told = Heard()
    engine = InlineEngine(run(kind).resolved, trace=told)
    engine.run(AT_NS)
    engine.state()
    engine.close()
    return engine.machine(0), told


@pytest.fixture
def proc(kind: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The snapshot in the outage, where psutil looks."""
    folder = snapshots(kind) / "at-800ms"
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(folder))
    return folder


def table(text: str) -> dict[str, int]:
    """A name and a number on each line."""
    return {name.rstrip(":"): int(value) for name, value, *_ in map(str.split, text.splitlines())}


def pairs(text: str) -> dict[str, int]:
    """Lines in pairs, of names and of values: net/snmp and net/netstat."""
    lines = [line.split() for line in text.splitlines()]
    found = {}
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        assert names[0] == values[0]
        found |= {f"{names[0]}{name}": int(value) for name, value in zip(names[1:], values[1:], strict=True)}
    return found


@each
def test_psutil_returns_our_memory(kind, proc):
    machine, _ = seen(kind)
    memory = psutil.virtual_memory()
    assert memory.total == machine.settings.memory
    assert memory.free == (machine.zone.free + machine.zone.aside_free) * PAGE
    assert memory.cached == machine.reclaim.scan.cache.resident() * PAGE
    assert 0 < memory.available <= memory.total


@each
def test_psutil_returns_our_swap(kind, proc):
    """Of a page that is on the server, or has a copy there, the slot is taken; not of one that is only in memory."""
    machine, _ = seen(kind)
    space = machine.programs[0].space
    only_here = sum(state == UNTOUCHED or (state & 0x50 == 0x50) for state in bytes(space.states))
    others = sum(
        sum(not state & 0x40 and state != UNTOUCHED for state in bytes(one.space.states))
        for one in machine.programs[1:]
    )
    swap = psutil.swap_memory()
    assert swap.total == 64 << 20
    assert swap.used == (space.pages - only_here + others) * PAGE
    assert (swap.sin, swap.sout) == (machine.counters.pages_in * PAGE, machine.counters.pages_out * PAGE)


@each
def test_psutil_returns_our_frames(kind, proc):
    """Bytes as a driver counts them: with the Ethernet header, without preamble, checksum and gap."""
    machine, told = seen(kind)
    card = psutil.net_io_counters(pernic=True, nowrap=False)["eth0"]
    dropped = machine.counters.dropped
    assert card.packets_recv == machine.counters.received - dropped["ring-empty"]
    assert card.packets_sent == sum(counts["sent"] for (source, _), counts in told.links.items() if source == 0)
    assert card.dropin == dropped["ring-empty"] + dropped["backlog"]
    assert 60 * card.packets_recv < card.bytes_recv < 1514 * card.packets_recv


@each
def test_free_finds_that_all_memory_is_somewhere(kind, proc):
    """What is not free is programs, pages on their way to and from swap, files, and buffers of the network."""
    memory = table((proc / "meminfo").read_text())
    machine, _ = seen(kind)
    other = machine.buffers.pages.slabs * 4
    parts = ("MemFree", "AnonPages", "SwapCached", "Cached", "Slab")
    assert sum(memory[name] for name in parts) + other == memory["MemTotal"]
    assert memory["Active"] + memory["Inactive"] == memory["AnonPages"] + memory["Cached"]
    assert memory["Mapped"] == 4 * machine.reclaim.scan.cache.text.resident() <= 512


@each
def test_vmstat_finds_who_is_blocked_and_what_was_swapped(kind, proc):
    state = table("\n".join(line for line in (proc / "stat").read_text().splitlines() if line.startswith("procs")))
    events = table((proc / "vmstat").read_text())
    machine, _ = seen(kind)
    assert state["procs_blocked"] == (proc / "sysrq-w").read_text().count("Call Trace:") > 0
    assert (events["pswpin"], events["pswpout"]) == (machine.counters.pages_in, machine.counters.pages_out)
    assert events["nr_free_pages"] == machine.zone.free + machine.zone.aside_free
    assert events["nr_writeback"] == machine.device.writeback
    assert events["pageoutrun"] == counters(machine)["kswapd_wakes"]
    assert events["nr_swapcached"] >= events["nr_writeback"] if "nr_swapcached" in events else True
    assert sum(bytes(one.space.states).count(WRITING) for one in machine.programs) <= events["nr_writeback"]


@each
def test_the_zone_has_our_marks(kind, proc):
    text = (proc / "zoneinfo").read_text()
    zone = seen(kind)[0].zone
    found = {name: int(value) for name, value in re.findall(r"^ +(min|low|high|boost|pages free) +(\d+)$", text, re.M)}
    unboosted = zone.kernel.marks(zone.min, zone.total)
    shown = (zone.min, *unboosted)
    free = zone.free + zone.aside_free
    assert [found[name] for name in ("min", "low", "high")] == [mark + zone.boost for mark in shown]
    assert (found["pages free"], found.get("boost", 0)) == (free, zone.boost)
    blocks = [int(word) for word in (proc / "buddyinfo").read_text().split()[4:]]
    assert sum(count << order for order, count in enumerate(blocks)) == free
    assert len(blocks) == 11


def test_each_of_several_zones_is_shown(tmp_path):
    """Facts 13.14: 80 MiB in DMA and DMA32, managed 18,024 pages when the marks were set."""
    dma, dma32, at_boot = 15 << 8, 65 << 8, 18_024
    zones = f"zones: {{DMA: 15MiB, DMA32: {{size: 65MiB, at_boot: {(at_boot - dma) * 4}KiB}}}}"
    text = SCENE.format(kernel="linux-6.1", transport="nbd").replace("memory: 32MiB", f"memory: 80MiB\n    {zones}")
    original = kept(text)
    exports.to_proc(original, Asked(tmp_path, Window(0, original.end_ns), frozenset({0}), at_ns=(AT_NS,)))
    folder = tmp_path / "A" / "at-800ms"
    info = re.split(r"^Node 0, zone +", (folder / "zoneinfo").read_text(), flags=re.M)[1:]
    assert [one.split(maxsplit=1)[0] for one in info] == ["DMA", "DMA32"]
    assert [int(re.search(r"managed +(\d+)", one)[1]) for one in info] == [dma, dma32]
    assert "protection: (0, 55)" in info[0]
    assert "protection: (0, 0)" in info[1]
    least = [isqrt(16 * at_boot * 4) // 4 * pages // at_boot for pages in (dma, at_boot - dma)]
    for one, pages in zip(info, least, strict=True):
        found = {name: int(value) for name, value in re.findall(r"^ +(min|boost) +(\d+)$", one, re.M)}
        assert found["min"] == pages + found["boost"]
    free = [int(re.search(r"pages free +(\d+)", one)[1]) for one in info]
    assert sum(free) == table((folder / "vmstat").read_text())["nr_free_pages"]
    lines = (folder / "buddyinfo").read_text().splitlines()
    assert [sum(int(count) << order for order, count in enumerate(line.split()[4:])) for line in lines] == free
    log = (folder / "sysrq-w").read_text()
    assert f"Node 0 DMA free:{free[0] * 4}kB" in log
    assert "lowmem_reserve[]: 0 55\n" in log


@each
def test_slabs_are_our_slabs(kind, proc):
    rows = [line.split() for line in (proc / "slabinfo").read_text().splitlines()[2:]]
    buffers = seen(kind)[0].buffers
    found = {row[0]: [int(word) for word in row[1:6]] for row in rows}
    assert found["skbuff_head_cache"][0] == buffers.heads.in_use
    assert found["skbuff_head_cache"][1] == buffers.heads.slabs * buffers.heads.per_slab
    memory = table((proc / "meminfo").read_text())
    assert sum(total // per_slab * pages * 4 for _, total, _, per_slab, pages in found.values()) == memory["Slab"]


@each
def test_ss_finds_the_sockets(kind, proc):
    machine, _ = seen(kind)
    found = {}
    for line in (proc / "net/sockstat").read_text().splitlines():
        protocol, *words = line.split()
        found |= {f"{protocol}{name}": int(value) for name, value in zip(words[::2], words[1::2], strict=True)}
    assert found["UDP:inuse"] == 4
    assert found["TCP:inuse"] == len(machine.tcp.connections) == (kind[1] == "nbd")
    assert found["TCP:mem"] == machine.tcp.memory.total
    assert found["FRAG:memory"] == machine.stack.reassembly.truesize


@each
def test_netstat_finds_what_has_been_received_and_dropped(kind, proc):
    """What has come through the card has been delivered, dropped, or waits: frames, of which datagrams may take several."""
    machine, told = seen(kind)
    found = pairs((proc / "net/snmp").read_text())
    dropped = machine.counters.dropped
    assert found["Ip:InReceives"] == machine.counters.received - dropped["ring-empty"]
    assert found["Udp:InDatagrams"] + found["Tcp:InSegs"] == found["Ip:InDelivers"]
    assert found["Udp:RcvbufErrors"] == dropped["socket-full"]
    assert found["Ip:ReasmReqds"] >= found["Ip:ReasmOKs"] * 3 > 0
    assert found["Tcp:RetransSegs"] == told.again_on[0, "tcp"]
    if kind[1] == "nbd":
        segments = sum(frame[2] == 0 for frame in told.segments)
        assert found["Tcp:OutSegs"] + found["Tcp:RetransSegs"] == segments
    assert pairs((proc / "net/netstat").read_text())["TcpExt:RcvPruned"] == 0


@each
def test_pressure_is_there_where_the_kernel_has_it(kind, proc):
    """The only program that computes waits for C from 500 ms on: some wait, and all that could run do."""
    path = proc / "pressure/memory"
    assert path.exists() == (kind[0] == "linux-6.11")
    if path.exists():
        some, full = (int(line.split("total=")[1]) for line in path.read_text().splitlines())
        assert 300_000 * 0.9 < full <= some < 800_000
        last = (snapshots(kind) / "end" / "pressure/memory").read_text()
        assert float(re.search(r"full avg10=([0-9.]+)", last)[1]) > 5


@each
def test_blocked_tasks_sleep_in_the_functions_of_their_kernel(kind, proc):
    """The rank waits for a page that is on C: facts of hangs have `folio_wait_bit_common` under `do_swap_page`."""
    text = (proc / "sysrq-w").read_text()
    now = kind[0] == "linux-6.11"
    assert f"Adding {(64 << 10) - 4}k swap on " in text.splitlines()[0]
    assert ("sysrq: Show Blocked State" if now else "SysRq : Show Blocked State") in text.splitlines()[1]
    tasks = re.split(r"^\[ +[\d.]+\] (?=task:|\S+ +D )", text, flags=re.M)
    rank = next(task for task in tasks if "rank-0" in task)
    functions = [line.split("] ")[1].strip() for line in rank.splitlines()[2:]]
    assert "do_swap_page" in functions
    assert functions.index("folio_wait_bit_common" if now else "sync_page") < functions.index("do_swap_page")


class Fake:
    """A machine, as far as the kind of a sleep depends on it."""

    def __init__(self, sleeps: bool) -> None:
        self.device = None
        self.kernel = replace(KERNELS["linux-6.11"], sleeps_for_slot=sleeps)


@pytest.mark.parametrize(
    ("kind", "need", "now", "then"),
    [
        (wait.REPLY, Need.PAGE_IN, "folio_wait_bit_common", "sync_page"),
        (wait.PAGE, Need.FREE_PAGE, "reclaim_throttle", "congestion_wait"),
        (wait.SLOT, Need.FREE_PAGE, "blk_mq_get_tag", "get_request_wait"),
        (wait.SLOT, Need.PAGE_IN, "blk_mq_get_tag", "get_request_wait"),
        (wait.THROTTLE, Need.FREE_PAGE, "throttle_direct_reclaim", "throttle_vm_writeout"),
        (wait.THROTTLE, Need.DIRTY_LIMIT, "balance_dirty_pages", "balance_dirty_pages_ratelimited_nr"),
        (wait.CONNECTION, Need.PAGE_IN, "sk_stream_wait_memory", "sk_stream_wait_memory"),
        (wait.DISK, Need.PAGE_IN, "filemap_fault", "filemap_nopage"),
    ],
)
def test_each_kind_of_wait_has_the_function_that_hangs_are_known_by(kind, need, now, then):
    where = sleep_of(Fake(sleeps=True), kind, need, kind == wait.DISK)
    assert now in CHAINS[True][where]
    assert then in CHAINS[False][where]


def test_a_call_of_nfs_waits_for_its_slot_and_the_task_for_its_page():
    """The RPC layer sleeps by itself: so the task is in do_swap_page, whether the call has been sent or not."""
    assert sleep_of(Fake(sleeps=False), wait.SLOT, Need.PAGE_IN, False) == "page-in"


def test_a_machine_that_is_down_has_no_proc(tmp_path):
    original = exported.run("faults, nfs")
    exports.to_proc(original, Asked(tmp_path, Window(0, original.end_ns), frozenset({1}), at_ns=(milliseconds(15),)))
    assert [path.name for path in (tmp_path / "A1" / "at-15ms").iterdir()] == ["down"]
    assert (tmp_path / "A1" / "end" / "meminfo").exists()


def test_both_kernels_know_every_kind_of_sleep():
    assert set(CHAINS[False]) == set(CHAINS[True])


@each
def test_there_is_a_snapshot_at_the_stall_and_one_at_the_end(kind):
    assert {path.name for path in snapshots(kind).iterdir()} == {"at-800ms", "stall", "end"}
    stalled_ns = run(kind).stalls[0][0]
    uptime = float((snapshots(kind) / "stall" / "uptime").read_text().split()[0])
    assert uptime == pytest.approx(stalled_ns / 1e9 + 1, abs=0.01)
    assert float((snapshots(kind) / "end" / "uptime").read_text().split()[0]) == 2
