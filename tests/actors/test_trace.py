"""What a trace is told is what machines, links and the clock count, and to listen changes nothing."""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import pytest

from netswap.actors.counters import CAUSES
from netswap.actors.machine import Machine
from netswap.actors.memory.anonymous import READING
from netswap.actors.trace import MARKS, Frames, Page, Trace
from netswap.actors.wait import NOTHING
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.judge.digest import digest
from netswap.cluster.judge.state import State
from netswap.cluster.lab import open_cluster
from netswap.cluster.scenario import Scenario, load
from netswap.protocol.frame import CRASH
from netswap.protocol.units import milliseconds, seconds

SEED = "configs/three-machines.yaml"
ROUGH = (
    "{latency: 100us, jitter: 30us, bandwidth: 1Gbit/s, queue: 64, loss: 1%, duplicate: 1%, reorder: 1%, corrupt: 1%}"
)
PORTS = "{latency: 100us, port: {bandwidth: 200Mbit/s, queue: 16}}"
SCENE = """
title: ranks that swap and exchange, a flood in fragments, and all that can go wrong
stop: 60ms
seed: 3
kernel: {kernel}
network: {network}
machines:
  A:
    count: 2
    memory: 8MiB
    swap: {{server: C, transport: {transport}, size: 64MiB, in_flight: 32}}
    programs:
      - rank: {{working_set: 16MiB, touch: 512KiB, compute: 1ms, exchange: ring, message: 20KiB}}
      - service: {{port: 9000, sockets: 4, pages: 4}}
  B:
    programs:
      - flood: {{to: "A1:9000", rate: 300Mbit/s, payload: 4000B}}
  C:
    programs:
      - swap-server: {{disk_latency: 100us, disk_bandwidth: 100MB/s}}
timeline: [{timeline}]
"""
FAULTS = (
    "{at: 10ms, partition: [C], for: 5ms}",
    "{at: 20ms, crash: A1, for: 5ms}",
    "{at: 30ms, pause: A0, for: 5ms}",
    "{at: 40ms, hold: {from: C, to: A0}, for: 5ms}",
    "{at: 50ms, cut: {from: B, to: A1}, for: 3ms}",
)


def scene(kernel: str = "linux-2.6.22", network: str = "{latency: 100us}", transport: str = "nfs") -> Scenario:
    """The scene on this network, with all faults."""
    text = SCENE.format(kernel=kernel, network=network, transport=transport, timeline=", ".join(FAULTS))
    return load(text)


def short(safeguards: str, kernel: str = "linux-2.6.22", **overrides: Any) -> Scenario:
    """The scenario of the argument, with its outage after half a second and its end after 2 s."""
    timeline = [{"at": "500ms", "partition": ["C"], "for": "500ms"}]
    flood = {"to": "A:9000", "rate": "100Mbit/s", "payload": "1472B", "from": "500ms"}
    changes = [("machines.B.programs", [{"flood": flood}]), *overrides.items()]
    keys = {"kernel": kernel, "safeguards": safeguards, "stop": "2s", "timeline": timeline, "expect": []}
    return load(SEED, overrides=changes, **keys)


SCENES = {
    "none": lambda: short("none"),
    "reserve": lambda: short("reserve"),
    "none, 6.11": lambda: short("none", "linux-6.11"),
    "reserve, 6.11": lambda: short("reserve", "linux-6.11"),
    "virtio": lambda: short("none", "linux-6.11", **{"machines.A.nic": {"refill": "virtio"}}),
    "input queue": lambda: short("reserve", **{"machines.A.nic": {"softirq": "20us"}}),
    "all faults": scene,
    "all faults, 6.11": lambda: scene("linux-6.11"),
    "nbd": lambda: scene(transport="nbd"),
    "nbd, 6.11": lambda: scene("linux-6.11", transport="nbd"),
    "rough links": lambda: scene(network=ROUGH),
    "rough links, 6.11, nbd": lambda: scene("linux-6.11", ROUGH, "nbd"),
    "ports": lambda: scene(network=PORTS),
}
"""By name."""


class Listener(Trace):
    """Counts what it is told, and checks that each machine's time never runs back."""

    every_ns = milliseconds(10)

    def __init__(self) -> None:
        self.links: dict[tuple[int, int], Counter[str]] = {}
        self.frames: dict[int, Counter[str]] = {}
        self.pages: dict[int, Counter[tuple[str, bool]]] = {}
        self.pages_answered: dict[int, Counter[tuple[str, bool]]] = {}
        self.waits: dict[tuple[int, int], int] = {}
        self.marks: dict[int, list[tuple[str, bool]]] = {}
        self.again: Counter[tuple[int, str]] = Counter()
        self.steps: Counter[tuple[int, int]] = Counter()
        self.killed_programs: list[tuple[int, int]] = []
        self.crashes: Counter[int] = Counter()
        self.faults: list[tuple[int, int | None]] = []
        self.ticks: dict[int, list[int]] = {}
        self.now: dict[int, int] = {}
        self.clock_ns = 0

    def at(self, machine: int, now_ns: int) -> None:
        """Something happens on a machine."""
        assert now_ns >= self.now.get(machine, 0)
        assert now_ns >= self.clock_ns
        self.now[machine] = now_ns

    def on_link(self, frames: Frames, fate: str) -> None:
        """Something happens to frames on their link."""
        assert 0 <= frames.first < frames.first + frames.length <= frames.frame[9]
        self.links.setdefault((frames.frame[2], frames.frame[4]), Counter())[fate] += frames.length

    def in_machine(self, machine: int, frames: Frames, fate: str) -> None:
        """Something happens to frames in the machine that they are for."""
        assert frames.frame[4] == machine
        assert 0 <= frames.first < frames.first + frames.length <= frames.frame[9]
        self.frames.setdefault(machine, Counter())[fate] += frames.length

    def clock(self, now_ns: int) -> None:
        assert now_ns >= self.clock_ns
        self.clock_ns = now_ns

    def tick(self, at_ns: int, machine: int, door: Machine) -> None:
        assert door.events.now == at_ns >= self.now.get(machine, 0)
        self.now[machine] = at_ns
        self.ticks.setdefault(machine, []).append(at_ns)

    def fault_begun(self, at_ns: int, place: int, verb: str, args: dict[str, Any]) -> None:
        assert place == len(self.faults)
        self.faults.append((at_ns, None))

    def fault_ended(self, at_ns: int, place: int) -> None:
        self.faults[place] = (self.faults[place][0], at_ns)

    def link_sent(self, frames: Frames) -> None:
        self.on_link(frames, "sent")

    def link_duplicated(self, frames: Frames) -> None:
        self.on_link(frames, "duplicated")

    def link_delivered(self, frames: Frames) -> None:
        self.on_link(frames, "delivered")

    def link_dropped(self, frames: Frames, cause: str) -> None:
        self.on_link(frames, cause)

    def frames_received(self, machine: int, frames: Frames) -> None:
        self.in_machine(machine, frames, "received")

    def frames_queued(self, machine: int, frames: Frames, where: str) -> None:
        self.in_machine(machine, frames, where)

    def frames_delivered(self, machine: int, frames: Frames) -> None:
        self.in_machine(machine, frames, "delivered")

    def frames_dropped(self, machine: int, frames: Frames, cause: str, free: int) -> None:
        assert free >= 0
        self.in_machine(machine, frames, cause)

    def page_begun(self, at_ns: int, machine: int, page: Page) -> None:
        self.at(machine, at_ns)
        self.pages.setdefault(machine, Counter())[page.kind, page.write] += 1

    def page_answered(self, at_ns: int, machine: int, page: Page) -> None:
        self.at(machine, at_ns)
        self.pages_answered.setdefault(machine, Counter())[page.kind, page.write] += 1

    def mark_crossed(self, machine: int, mark: str, below: bool, free: tuple[int, int]) -> None:
        self.at(machine, free[0])
        self.marks.setdefault(machine, []).append((mark, below))

    def retransmitted(self, at_ns: int, machine: int, protocol: str) -> None:
        self.again[machine, protocol] += 1

    def stepped(self, at_ns: int, program: tuple[int, int], request: Any) -> None:
        self.at(program[0], at_ns)
        self.steps[program] += 1

    def wait_begun(self, at_ns: int, program: tuple[int, int], kind: int) -> None:
        self.at(program[0], at_ns)
        assert program not in self.waits
        self.waits[program] = kind

    def wait_ended(self, at_ns: int, program: tuple[int, int], kind: int) -> None:
        self.at(program[0], at_ns)
        assert self.waits.pop(program) == kind

    def killed(self, at_ns: int, program: tuple[int, int]) -> None:
        self.killed_programs.append(program)

    def machine_changed(self, at_ns: int, machine: int, what: int) -> None:
        self.at(machine, at_ns)
        self.crashes[machine] += what == CRASH


class Heard(NamedTuple):
    """A run that has been listened to."""

    listener: Listener
    state: State
    machines: list[Machine]


def run(scenario: Scenario, trace: Trace | None, shares: Sequence[Sequence[int]] | None = None) -> Heard:
    """To its end."""
    resolved = scenario.resolved()
    engine = InlineEngine(resolved, trace=trace, shares=shares)
    try:
        engine.run(resolved.stop_ns)
        machines = [engine.machine(index) for index in range(len(resolved.machines))]
        return Heard(trace if isinstance(trace, Listener) else Listener(), engine.state(), machines)
    finally:
        engine.close()


@lru_cache
def heard(name: str) -> Heard:
    """One of the scenes."""
    return run(SCENES[name](), Listener())


@pytest.mark.parametrize("name", SCENES)
def test_what_links_tell_of_frames_is_their_tally(name: str) -> None:
    told, state, machines = heard(name)
    names = [machine.settings.name for machine in machines]
    tallies = {f"{names[source]}>{names[to]}": fates for (source, to), fates in told.links.items()}
    for link, tally in state.links.items():
        counted = {"sent": tally["sent"], "duplicated": tally["duplicated"], "delivered": tally["delivered"]}
        assert +tallies[link] == +Counter(counted | tally["dropped"])
    assert set(tallies) == set(state.links)


@pytest.mark.parametrize("name", SCENES)
def test_what_machines_tell_of_frames_is_what_they_count(name: str) -> None:
    told, _, machines = heard(name)
    for index, machine in enumerate(machines):
        fates = told.frames.get(index, Counter())
        counted = machine.counters
        expected = {"received": counted.received, "delivered": counted.delivered} | counted.dropped
        assert {fate: fates[fate] for fate in expected} == expected
        gone = fates["delivered"] + sum(fates[cause] for cause in CAUSES)
        assert fates["received"] == gone + machine.held()


@pytest.mark.parametrize("name", SCENES)
def test_page_outs_and_page_ins_begun_are_those_answered_and_those_under_way(name: str) -> None:
    """But for those that a crash has taken."""
    told, _, machines = heard(name)
    for index, machine in enumerate(machines):
        begun, answered = told.pages.get(index, Counter()), told.pages_answered.get(index, Counter())
        assert answered["swap", True] == machine.counters.pages_out
        assert answered["swap", False] == machine.counters.pages_in
        if machine.device is None or told.crashes[index]:
            continue
        reading = sum(bytes(one.system.space.states).count(READING) for one in machine.programs)
        assert begun["swap", True] == answered["swap", True] + machine.device.writeback
        assert begun["swap", False] == answered["swap", False] + reading


@pytest.mark.parametrize("name", SCENES)
def test_a_wait_has_an_end_or_is_the_one_that_its_program_is_in(name: str) -> None:
    """That no wait begins before the last has ended is asserted by the listener."""
    told, _, machines = heard(name)
    for index, machine in enumerate(machines):
        for one in machine.programs:
            kind = one.task.progress.waited.kind
            assert told.waits.get((index, one.task.place), NOTHING) == kind
            assert told.steps[index, one.task.place] > 0


@pytest.mark.parametrize("name", SCENES)
def test_marks_are_crossed_to_and_fro(name: str) -> None:
    told, _, machines = heard(name)
    for index, machine in enumerate(machines):
        crossed = told.marks.get(index, [])
        zone = machine.zone
        limits = dict(zip(MARKS, (zone.high_mark, zone.low_mark, zone.floors.kernel), strict=True))
        for mark in MARKS:
            sides = [below for one, below in crossed if one == mark]
            assert sides == [place % 2 == 0 for place in range(len(sides))]
            assert (zone.free <= limits[mark]) == (len(sides) % 2 == 1)
    assert told.marks


@pytest.mark.parametrize("name", SCENES)
def test_faults_are_told_as_the_timeline_has_them(name: str) -> None:
    told, state, _ = heard(name)
    assert told.faults == state.intervals()
    assert told.faults


@pytest.mark.parametrize("name", SCENES)
def test_to_listen_changes_no_byte(name: str) -> None:
    """Nor does it that each machine is looked at every 10 ms."""
    assert digest(heard(name).state) == digest(run(SCENES[name](), None).state)


def without_waiting(fates: dict[int, Counter[str]]) -> dict[int, Counter[str]]:
    """The fates but for `reassembly`: whether fragments are looked at one by one depends on where trains are split."""
    return {
        machine: Counter({fate: counts[fate] for fate in counts if fate != "reassembly"})
        for machine, counts in fates.items()
    }


@pytest.mark.parametrize("shares", [[[0, 1], [2, 3]], [[0], [1], [2], [3]]], ids=["two", "four"])
@pytest.mark.parametrize("name", ["all faults", "rough links"])
def test_shards_tell_the_same(name: str, shares: list[list[int]]) -> None:
    told, state, _ = heard(name)
    apart = run(SCENES[name](), Listener(), shares)
    assert digest(apart.state) == digest(state)
    assert apart.listener.links == told.links
    assert without_waiting(apart.listener.frames) == without_waiting(told.frames)
    assert apart.listener.pages == told.pages
    assert apart.listener.marks == told.marks
    assert apart.listener.faults == told.faults


def test_each_machine_is_looked_at_every_10_ms() -> None:
    """60 ms: at 10, 20, 30, 40 and 50; what lies at the end is not over. Down or paused, it is looked at all the same."""
    told = heard("all faults").listener
    assert told.ticks == {machine: [milliseconds(10 * step) for step in range(1, 6)] for machine in range(4)}


def test_retransmissions_are_told_of() -> None:
    """Of what crosses the outage the requests of NFS are sent again after 1.1 s at most; so many as are counted."""
    told, _, machines = heard("reserve")
    assert told.again[0, "nfs"] == machines[0].counters.retransmissions > 0


def test_drops_have_the_frame_the_cause_and_the_free_pages() -> None:
    """The flood's frames are of 1472 B and 42 B of headers, and find so much memory as is below the floor of GFP_ATOMIC."""
    drops: list[tuple[Frames, str, int]] = []

    class Drops(Trace):
        def frames_dropped(self, machine: int, frames: Frames, cause: str, free: int) -> None:
            drops.append((frames, cause, free))

    told = run(short("none"), Drops())
    floor = told.machines[0].zone.floors.atomic
    lost = [(frames, free) for frames, cause, free in drops if cause == "ring-empty"]
    assert sum(frames.length for frames, _ in lost) == told.machines[0].counters.dropped["ring-empty"] > 0
    assert all(free <= floor + 16 for _, free in lost)
    assert lost[0][0].number == lost[0][0].frame[3] + lost[0][0].first


def test_a_trace_is_for_one_process() -> None:
    with pytest.raises(ValueError, match="in this process only"):
        open_cluster(SEED, engine="ray", trace=Trace())
    with open_cluster(SEED, trace=(told := Listener()), stop="1s", timeline=[], expect=[]) as cluster:
        cluster.run()
    assert told.clock_ns >= seconds(1)
