"""On Ray: windows per second of three machine actors and the network actor, by both exchanges, and what packed actors gain."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

from benchmarks import scenes
from benchmarks.measure import Benchmark, Measured
from netswap.cluster.engine.on_ray import session
from netswap.cluster.engine.surroundings import noise_to
from netswap.cluster.lab import open_cluster
from netswap.protocol.units import seconds

DEMO: Final = "configs/three-machines.yaml"
ACTORS: Final = (1, 2, 4)
WARM_UP_NS: Final = seconds(0.1)


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


def ring(actors: int) -> Measured:
    """The 1,000 ranks that swap, in process (0) or packed into so many actors; frames per second of wall time."""
    per_actor = -(-(scenes.RING_MACHINES + 20) // actors) if actors else None
    with ExitStack() as stack:
        if actors:
            stack.enter_context(noise_to(Path("/dev/null")))
            stack.enter_context(session())
        engine = "ray" if actors else "inline"
        cluster = stack.enter_context(open_cluster(scenes.RING, engine=engine, machines_per_actor=per_actor))
        wall, cpu = perf_counter(), process_time()
        cluster.run()
        wall_s, cpu_s = perf_counter() - wall, process_time() - cpu
        frames = sum(machine.counters["received"] for machine in cluster.state().machines)
        digest = cluster.digest()
    return {"frames": frames, "cpu_s": cpu_s, "wall_s": wall_s, "rate": frames / wall_s, "digest": digest}


_RATE: Final = "windows per second"
_WALL: Final = "frames per second of wall time"
BENCHMARKS: Final = (
    Benchmark("windows-connections", partial(windows, scenes.BEATS, "connections", "2s"), _RATE, floor=2_000),
    Benchmark("windows-calls", partial(windows, scenes.BEATS, "calls", "500ms"), _RATE),
    Benchmark("demo-connections", partial(windows, DEMO, "connections", "8s"), _RATE),
    Benchmark("ring-wall", partial(ring, 0), _WALL),
    *(Benchmark(f"ring-wall-{actors}-actors", partial(ring, actors), _WALL) for actors in ACTORS),
    Benchmark("demo-calls", partial(windows, DEMO, "calls", "6s"), _RATE),
)
