"""On Ray: windows a second by both exchanges, what packed actors gain, what waiting costs, and the demo beside other work."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from os import getpid
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

import psutil

from benchmarks import scenes
from benchmarks.in_process import DEMO, POLICIES
from benchmarks.measure import Benchmark, Measured
from netswap.cluster.engine.on_ray import RayEngine, call, session
from netswap.cluster.engine.surroundings import noise_to
from netswap.cluster.lab import Cluster, open_cluster
from netswap.protocol.units import seconds

ACTORS: Final = (1, 2, 4)
WARM_UP_NS: Final = seconds(0.1)
BUSY_S_MAX: Final = 3600
"""What keeps a processor busy ends by itself after that."""


def windows(scenario: str, exchange: str, stop: str) -> Measured:
    """Run a scenario on a private cluster; windows per second of wall time, without start and stop.

    The CPU seconds are the driver's alone: the actors are processes of their own.
    """
    with (
        noise_to(Path("/dev/null")),
        session(),
        open_cluster(scenario, engine="ray", exchange=exchange, stop=stop) as cluster,
    ):
        before = cluster.run_for(WARM_UP_NS).state().windows
        wall, cpu = perf_counter(), process_time()
        cluster.run()
        wall_s, cpu_s = perf_counter() - wall, process_time() - cpu
        passed = cluster.state().windows - before
    return {"windows": passed, "cpu_s": cpu_s, "wall_s": wall_s, "rate": passed / wall_s}


def three_machines(safeguards: str) -> Measured:
    """The demo's scenario for its 60 s under a preset, an actor a machine; windows per second of wall time.

    `waits`: the share of a core that B's actor takes, which sends and waits, and is behind no window.
    """
    with (
        noise_to(Path("/dev/null")),
        session(),
        open_cluster(DEMO, engine="ray", safeguards=safeguards) as cluster,
    ):
        measured = _watched(cluster)
        passed, digest = cluster.state().windows, cluster.digest()
    waits = measured["cpu_of_actors_s"][1] / measured["wall_s"]
    return {**measured, "windows": passed, "digest": digest, "rate": passed / measured["wall_s"], "waits": waits}


def ring(text: str, machines: int, actors: int) -> Measured:
    """A ring of so many machines, in process (0) or packed into so many actors; frames per second of wall time.

    `cpu_s` is that of all who take part; `waits`: the share of a core that the network actor takes, which only hands on
    what the others say.
    """
    with ExitStack() as stack:
        if actors:
            stack.enter_context(noise_to(Path("/dev/null")))
            stack.enter_context(session())
        engine = "ray" if actors else "inline"
        per_actor = -(-machines // actors) if actors else None
        cluster = stack.enter_context(open_cluster(text, engine=engine, machines_per_actor=per_actor))
        measured = _watched(cluster)
        frames = sum(machine.counters["received"] for machine in cluster.state().machines)
        digest = cluster.digest()
    waits = measured["cpu_of_network_s"] / measured["wall_s"]
    return {**measured, "frames": frames, "rate": frames / measured["wall_s"], "digest": digest, "waits": waits}


def _watched(cluster: Cluster) -> Measured:
    """Run it to its end: wall time, and CPU time of the network actor and of each machine actor, or of this process."""
    engine = cluster.engine
    actors: list[Any] = [engine.network, *engine.hosts] if isinstance(engine, RayEngine) else []
    pids = call([actor.__ray_call__.remote(lambda _: getpid()) for actor in actors])
    processes = [psutil.Process(pid) for pid in pids]
    before, wall, cpu = _cpu_s(processes), perf_counter(), process_time()
    cluster.run()
    wall_s, cpu_s = perf_counter() - wall, process_time() - cpu
    network_s, *machines_s = [after - then for after, then in zip(_cpu_s(processes), before, strict=True)] or [0.0]
    return {
        "wall_s": wall_s,
        "cpu_s": cpu_s + network_s + sum(machines_s),
        "cpu_of_network_s": network_s,
        "cpu_of_actors_s": machines_s,
    }


def _cpu_s(processes: list[psutil.Process]) -> list[float]:
    return [process.cpu_times().user + process.cpu_times().system for process in processes]


def demo(busy: int) -> Measured:
    """`make demo` beside so many processes that never rest; demos an hour, by wall time. All of it, Ray's start included."""
    command = [sys.executable, "-m", "netswap.cluster.command.demo"]
    with _busy(busy):
        wall = perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        wall_s = perf_counter() - wall
    return {"wall_s": wall_s, "cpu_s": 0, "rate": 3600 / wall_s}


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """Others on the computer, which end with the block, and in any case."""
    program = f"import time\nend = time.monotonic() + {BUSY_S_MAX}\nwhile time.monotonic() < end: pass"
    others = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


_RATE: Final = "windows per second"
_WALL: Final = "frames per second of wall time"
_DEMOS: Final = "demos an hour"
_SWAPPING: Final = partial(ring, scenes.RING, scenes.RING_MACHINES + scenes.RING_SERVERS)
_FITTING: Final = partial(ring, scenes.HALO, scenes.RING_MACHINES)
BENCHMARKS: Final = (
    Benchmark("windows-connections", partial(windows, scenes.BEATS, "connections", "2s"), _RATE, floor=2_000),
    Benchmark("windows-calls", partial(windows, scenes.BEATS, "calls", "500ms"), _RATE),
    Benchmark("demo-connections", partial(windows, DEMO, "connections", "8s"), _RATE),
    Benchmark("demo-calls", partial(windows, DEMO, "calls", "6s"), _RATE),
    *(Benchmark(f"ray-three-machines-{policy}", partial(three_machines, policy), _RATE) for policy in POLICIES),
    Benchmark("ring-wall", partial(_SWAPPING, 0), _WALL),
    *(Benchmark(f"ring-wall-{actors}-actors", partial(_SWAPPING, actors), _WALL) for actors in ACTORS),
    Benchmark("halo-wall", partial(_FITTING, 0), _WALL),
    Benchmark("halo-wall-2-actors", partial(_FITTING, 2), _WALL),
    Benchmark("demo", partial(demo, 0), _DEMOS, once=True),
    Benchmark("demo-beside-2", partial(demo, 2), _DEMOS, once=True),
)
