"""A run's actors on Ray. Only this module, `netswap.cluster.engine.ray_clusters` and `netswap.cluster.study.on_ray` import ray.

The network actor holds the clock; it drives the machine actors through a compiled graph of its own making, or by plain
calls.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import ray
from ray.dag import DAGContext, InputNode, MultiOutputNode

from netswap.actors.machine_report import MachineReport
from netswap.actors.programs.task import ProgramError
from netswap.cluster.engine import build
from netswap.cluster.engine.clock import Clock
from netswap.cluster.engine.engine import InfrastructureError
from netswap.cluster.engine.host import MachineHost, pack_orders, unpack_answers
from netswap.cluster.engine.pace import Answer, Order
from netswap.cluster.engine.ray_clusters import attached, private_cluster
from netswap.cluster.engine.surroundings import signals_later
from netswap.cluster.scenario import ScenarioError
from netswap.cluster.scenario.resolved import Resolved
from netswap.cluster.state import State

SLICE_S: Final = 0.5
"""Wall time between two looks of the driver: progress, Ctrl-C."""
WINDOW_S_MAX: Final = 3600
"""A window that takes longer counts as hung; Ray's own 10 s would break a long advance."""
CLOSE_S_MAX: Final = 3
"""For a graph to end by itself; its actors are killed afterwards in any case."""
LINE_CHARS_MAX: Final = 200
"""Of what Ray says."""
BUFFER_BYTES: Final = 4 << 20
"""Of each channel at first; a larger blob makes it grow."""


@contextlib.contextmanager
def session(*, processes: int = 4, address: str | None = None, logs: Path | None = None) -> Iterator[None]:
    """Ray, for as long as the block lasts: a private cluster, or the one at `address` and nothing else.

    `processes`: workers started beforehand (actors themselves ask for no CPU); `logs`: where to keep what a private
    cluster logged. Raises `InfrastructureError`.
    """
    with private_cluster(processes, logs) if address is None else attached(address):
        yield


class NetworkHost:
    """The network actor: it holds the network and the clock, and drives the machines."""

    def __init__(
        self, resolved: Resolved, hosts: Sequence[Any], shares: Sequence[Sequence[int]], exchange: str
    ) -> None:
        """`hosts`: the machine actors; `shares`: the machines that each holds; `exchange`: "graph" or "calls"."""
        self._hosts = list(hosts)
        self._shares = [list(share) for share in shares]
        self._graph = self._compile() if exchange == "graph" else None
        promised: list[dict[int, Answer]] = ray.get([host.promises.remote() for host in self._hosts])
        first = [answer for promises in promised for answer in promises.values()]
        self._clock = Clock(build.network(resolved), self._exchange, first, resolved.timeline)

    def _compile(self) -> Any:
        DAGContext.get_current().get_timeout = WINDOW_S_MAX  # has no parameter of its own
        with InputNode() as blobs:
            graph = MultiOutputNode([host.exchange.bind(blobs[place]) for place, host in enumerate(self._hosts)])
        return graph.experimental_compile(
            _submit_timeout=WINDOW_S_MAX, _max_inflight_executions=1, _buffer_size_bytes=BUFFER_BYTES
        )

    def _exchange(self, orders: dict[int, Order]) -> dict[int, Answer]:
        blobs = [pack_orders(share, orders) for share in self._shares]
        if self._graph is not None:
            pending = self._graph.execute(*blobs)
        else:
            pending = [host.exchange.remote(blob) for host, blob in zip(self._hosts, blobs, strict=True) if blob]
        answers: dict[int, Answer] = {}
        try:
            replies = ray.get(pending)
        except ray.exceptions.RayTaskError as error:
            raise _cause(error) from None
        for reply in replies:
            answers.update(unpack_answers(reply))
        return answers

    def run_slice(self, until_ns: int, wall_s: float) -> tuple[bool, int]:
        """Whole windows for about so long; whether the time has been reached, and the clock."""
        end = time.monotonic() + wall_s
        done = self._clock.run(until_ns, lambda: time.monotonic() < end)
        return done, self._clock.now_ns

    def begin(self, verb: str, args: dict[str, Any]) -> int:
        """See `Engine.begin`."""
        return self._clock.begin(verb, args)

    def end(self, fault: int) -> None:
        """See `Engine.end`."""
        self._clock.end(fault)

    def look(self) -> State:
        """The cluster without its machines."""
        clock = self._clock
        clock.level()
        faults = [(fault.verb, dict(fault.args), fault.at_ns, fault.end_ns) for fault in clock.faults]
        return State(clock.now_ns, clock.windows, [], clock.network.tallies(), faults)

    def close(self) -> None:
        """Take the graph down."""
        if self._graph is not None:
            self._graph.teardown()
            self._graph = None


class RayEngine:
    """What the driver holds: handles."""

    name = "ray"

    def __init__(self, resolved: Resolved, *, machines_per_actor: int = 1, exchange: str = "graph") -> None:
        """Needs a `session`. Raises `InfrastructureError`."""
        if not ray.is_initialized():  # or Ray would start a cluster by itself, with other settings
            raise InfrastructureError("Ray has not been started: open a cluster.engine.on_ray.session around this")
        count = len(resolved.machines)
        shares = [
            list(range(first, min(first + machines_per_actor, count))) for first in range(0, count, machines_per_actor)
        ]
        machine_host, network_host = (ray.remote(host).options(num_cpus=0) for host in (MachineHost, NetworkHost))
        own = [[resolved.machines[index] for index in share] for share in shares]
        self.hosts = [machine_host.remote(machines, resolved.names) for machines in own]
        self.network = network_host.remote(resolved, self.hosts, shares, exchange)
        self._now_ns = 0
        call(self.network.look.remote())

    @property
    def now_ns(self) -> int:
        """The cluster's clock."""
        return self._now_ns

    def run(self, until_ns: int, watch: Callable[[int], None] | None = None) -> None:
        """See `Engine.run`."""
        done = False
        while not done:
            done, self._now_ns = call(self.network.run_slice.remote(until_ns, SLICE_S))
            if watch is not None:
                watch(self._now_ns)

    def begin(self, verb: str, args: dict[str, Any]) -> int:
        """See `Engine.begin`."""
        number: int = call(self.network.begin.remote(verb, args))
        return number

    def end(self, fault: int) -> None:
        """See `Engine.end`."""
        call(self.network.end.remote(fault))

    def state(self) -> State:
        """See `Engine.state`; only between slices, since plain calls run beside a graph's."""
        look: State = call(self.network.look.remote())
        reports: list[list[MachineReport]] = call([host.reports.remote(look.now_ns) for host in self.hosts])
        return look._replace(machines=[report for share in reports for report in share])

    def close(self) -> None:
        """Graph, then actors. A private cluster would take them with it if this failed."""
        actors = (self.network, *self.hosts)
        with signals_later():
            with contextlib.suppress(Exception):
                ray.get(self.network.close.remote(), timeout=CLOSE_S_MAX)
            # Asked to leave before they are made to: an actor that is killed leaves its channels' semaphores behind.
            leaving = {actor.__ray_terminate__.remote(): actor for actor in actors}
            _, stubborn = ray.wait(list(leaving), num_returns=len(leaving), timeout=CLOSE_S_MAX)
            for reference in stubborn:
                with contextlib.suppress(Exception):
                    ray.kill(leaving[reference])


def call(reference: Any) -> Any:
    """The one place where Ray's errors become ours. What our own code raised in an actor is raised again."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        cause = _cause(error)
        if isinstance(cause, ProgramError | ScenarioError):
            raise cause from None
        if isinstance(cause, ray.exceptions.RayError) or _is_of_ray(error):
            raise InfrastructureError(f"an actor failed: {type(cause).__name__}: {first_line(cause)}") from error
        raise cause from error
    except ray.exceptions.RayError as error:
        raise InfrastructureError(f"Ray failed: {type(error).__name__}: {first_line(error)}") from error


def _cause(error: Exception) -> Exception:
    """What was raised in the actor where it began."""
    while isinstance(error, ray.exceptions.RayTaskError) and isinstance(error.cause, Exception):
        error = error.cause
    return error


def _is_of_ray(error: Any) -> bool:
    """Whether it was Ray's own code that raised this, at the end of the actor's traceback."""
    places: list[str] = re.findall(r'^ *File "(.*?)", line', error.traceback_str, re.MULTILINE)
    return bool(places) and Path(ray.__file__).parent in Path(places[-1]).parents


def first_line(error: Exception) -> str:
    """What Ray says, without colours and at most `LINE_CHARS_MAX` long."""
    line = next(iter(str(error).splitlines()), "")
    return re.sub(r"\x1b\[[0-9;]*m", "", line)[:LINE_CHARS_MAX]
