"""netswap in this process, and SimPy beside it on the same workloads."""

import gc
import resource
import tracemalloc
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter
from typing import Final

from benchmarks import scenes
from benchmarks.measure import Benchmark, LeftOutError, Measured, timed
from benchmarks.peers import floor
from netswap.actors.machine import Machine
from netswap.actors.machine_report import MachineReport
from netswap.actors.memory.anonymous import AddressSpace
from netswap.cluster.engine.inline import InlineEngine
from netswap.cluster.engine.surroundings import is_compiled
from netswap.cluster.lab import Cluster, open_cluster
from netswap.protocol.units import seconds


def frames(text: str) -> Measured:
    """Run a scene to its end; frames that reached a machine's stack per CPU second, and whether the modules were compiled."""
    with open_cluster(text) as cluster:
        measured = timed(lambda: _run(cluster))
        state = cluster.state()
        measured["compiled"] = is_compiled()
        measured["digest"] = cluster.digest()
    measured["windows_per_virtual_s"] = state.windows * seconds(1) / _last_ns(state.machines)
    measured["page_outs"] = sum(machine.counters["pages_out"] for machine in state.machines)
    return measured


def three_machines(safeguards: str) -> Measured:
    """The demo's scenario for its 60 s under a preset, as `frames`; all windows."""
    with open_cluster(DEMO, safeguards=safeguards) as cluster:
        measured = timed(lambda: _run(cluster))
        return {
            **measured,
            "compiled": is_compiled(),
            "digest": cluster.digest(),
            "windows": cluster.state().windows,
        }


def built(text: str) -> Measured:
    """As `frames`, with the seconds of wall time that building took, and the most memory that the process had (bytes)."""
    began = perf_counter()
    with open_cluster(text) as cluster:
        built_s = perf_counter() - began
        measured = timed(lambda: _run(cluster))
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**measured, "compiled": is_compiled(), "built_s": built_s, "peak_mib": peak_kib / 1024}


def _run(cluster: Cluster) -> int:
    machines = cluster.run().state().machines
    return sum(machine.counters["received"] for machine in machines)


def _last_ns(machines: list[MachineReport]) -> int:
    """When the last program got on: the time that the windows were needed for."""
    return max(program.last_ns for machine in machines for program in machine.programs)


def memory(text: str, share: int) -> Measured:
    """Bytes that a scene takes at its end, divided by `share`.

    All that Python holds, by tracemalloc, and the page tables beside it.
    """
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    with open_cluster(text) as cluster:
        measured = timed(lambda: _run(cluster))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        indexes = range(len(cluster.state().machines))
        after += sum(_tables(one.space) for index in indexes for one in _machine(cluster, index).programs)
    tracemalloc.stop()
    return {**measured, "rate": (after - before) / share}


def _machine(cluster: Cluster, index: int) -> Machine:
    assert isinstance(cluster.engine, InlineEngine)
    return cluster.engine.machine(index)


def _tables(space: AddressSpace) -> int:
    return len(space.states) + space.versions.nbytes


def simpy(workload: str, style: str) -> Measured:
    """A workload as SimPy's documentation would write it ("idiom"), or with callbacks only ("callbacks")."""
    if find_spec("simpy") is None:  # an extra: the other benchmarks run without it
        raise LeftOutError("SimPy is not installed")
    return timed(import_module(f"benchmarks.peers.simpy_{style}").runner(workload))


_WORKLOADS: Final = {
    "W1": ("flood", "flood-compiled", "flood-1s"),
    "W2": ("page-outs", "page-outs-compiled"),
    "W3": ("both", "both-compiled"),
}
"""The peers', and which of ours do the same."""


def _peers(workload: str) -> Iterator[Benchmark]:
    yield Benchmark(f"simpy-{workload}", partial(simpy, workload, "idiom"), _RATE, peer_of=_WORKLOADS[workload])
    yield Benchmark(f"simpy-{workload}-callbacks", partial(simpy, workload, "callbacks"), _RATE)
    yield Benchmark(f"floor-{workload}", partial(floor.run, workload), _RATE)


DEMO: Final = "configs/three-machines.yaml"
POLICIES: Final = ("none", "reserve")
_RATE: Final = "frames per CPU second"
_COMPILED: Final = partial(Benchmark, unit=_RATE, compiled=True)
BENCHMARKS: Final = (
    *(Benchmark(f"three-machines-{policy}", partial(three_machines, policy), _RATE) for policy in POLICIES),
    *(_COMPILED(f"three-machines-{policy}-compiled", partial(three_machines, policy)) for policy in POLICIES),
    Benchmark("flood", partial(frames, scenes.FLOOD), _RATE, floor=1_000_000),
    _COMPILED("flood-compiled", partial(frames, scenes.FLOOD)),
    Benchmark("flood-1s", partial(frames, scenes.FLOOD_LONG), _RATE, floor=10_000_000),
    Benchmark("hour-wedged", partial(frames, scenes.HOUR_WEDGED), _RATE, floor=14_600_000),
    Benchmark("hour-protected", partial(frames, scenes.HOUR_PROTECTED), _RATE, floor=14_600_000),
    *_peers("W1"),
    Benchmark("page-outs", partial(frames, scenes.PAGE_OUTS), _RATE, floor=130_000),
    _COMPILED("page-outs-compiled", partial(frames, scenes.PAGE_OUTS)),
    *_peers("W2"),
    Benchmark("both", partial(frames, scenes.BOTH), _RATE, floor=150_000),
    _COMPILED("both-compiled", partial(frames, scenes.BOTH)),
    *_peers("W3"),
    Benchmark("stream", partial(frames, scenes.STREAM), _RATE, floor=60_000),
    _COMPILED("stream-compiled", partial(frames, scenes.STREAM)),
    Benchmark("ring", partial(frames, scenes.RING), _RATE),
    _COMPILED("ring-compiled", partial(frames, scenes.RING)),
    *(Benchmark(f"ring-of-{count}", partial(built, text), _RATE) for count, text in scenes.RINGS.items()),
    Benchmark("memory", partial(memory, scenes.MEMORY, scenes.PAGES), "bytes per simulated page", most=16),
    Benchmark("idle-memory", partial(memory, scenes.IDLE, scenes.IDLE_MACHINES), "bytes per machine", most=60_000),
    Benchmark("ring-memory", partial(memory, scenes.RING, scenes.RING_MACHINES), "bytes per machine"),
)
