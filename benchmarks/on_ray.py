"""Windows per second on Ray: three machine actors and the network actor, by both exchanges, and in the demo's scenario."""

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


_RATE: Final = "windows per second"
BENCHMARKS: Final = (
    Benchmark("windows-connections", partial(windows, scenes.BEATS, "connections", "2s"), _RATE, floor=2_000),
    Benchmark("windows-calls", partial(windows, scenes.BEATS, "calls", "500ms"), _RATE),
    Benchmark("demo-connections", partial(windows, DEMO, "connections", "8s"), _RATE),
    Benchmark("demo-calls", partial(windows, DEMO, "calls", "6s"), _RATE),
)
