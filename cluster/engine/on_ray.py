"""A run's actors on Ray. Only this module, `netswap.cluster.engine.ray_clusters` and `netswap.cluster.study.on_ray` import ray.

The network actor holds the clock; it drives the machine actors over connections of their own, or by plain calls.
"""

import contextlib
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import ray

from netswap.actors.machine_report import MachineReport
from netswap.actors.programs.task import ProgramError
from netswap.actors.settings import MachineSettings
from netswap.cluster.engine import build, collector, placement
from netswap.cluster.engine.clock import Clock
from netswap.cluster.engine.connections import (
    KEY_BYTES,
    Address,
    Answering,
    Asking,
    DisconnectedError,
    HostFailedError,
    Lines,
)
from netswap.cluster.engine.doctor import Facts
from netswap.cluster.engine.engine import EXCHANGES, NOT_RECORDED, InfrastructureError
from netswap.cluster.engine.host import MachineHost, ShardHost, pack_orders, unpack_answers
from netswap.cluster.engine.orders import Answer, Order
from netswap.cluster.engine.pace import Together
from netswap.cluster.engine.ray_clusters import attached, cores, joined, private_cluster, probed
from netswap.cluster.engine.shard import Step, Told, pack_step, unpack_told
from netswap.cluster.engine.surroundings import signals_later
from netswap.cluster.judge.state import State
from netswap.cluster.record.plan import Plan
from netswap.cluster.record.recorder import Recorder
from netswap.cluster.scenario.errors import ScenarioError
from netswap.cluster.scenario.resolved import Resolved

SLICE_S: Final = 0.5
"""Wall time between two looks of the driver: progress, Ctrl-C."""
CLOSE_S_MAX: Final = 3
"""For actors to end by themselves; afterwards they are killed."""
LINE_CHARS_MAX: Final = 200
"""Characters of a line of what Ray says."""


@contextlib.contextmanager
def session(
    *, processes: int = 4, address: str | None = None, logs: Path | None = None, modules: Iterable[str] = ()
) -> Iterator[None]:
    """Ray, for as long as the block lasts: a private cluster, or the one at `address` and nothing else.

    `processes`: workers started beforehand (actors themselves ask for no CPU); `logs`: where to keep what a private
    cluster logged; `modules`: the user's own, which the nodes of a cluster at `address` are sent. Raises
    `InfrastructureError`.
    """
    with private_cluster(processes, logs) if address is None else attached(address, modules):
        yield


def ray_version() -> str:
    """The version of the Ray that this process has imported."""
    return str(ray.__version__)


def nodes_at(address: str | None) -> Sequence[Facts]:
    """What the nodes of the cluster at `address`, or of a private one, tell of themselves. Raises `InfrastructureError`."""
    if address is not None:
        with joined(address) as nodes:
            return nodes
    with private_cluster(1):
        return probed()


class Somewhere:
    """An actor that can say where it is."""

    def node(self) -> str:
        """The number of the node that it is on."""
        return str(ray.get_runtime_context().get_node_id())


class Listening(Somewhere):
    """What makes an actor of a host: it can be called, by Ray or over a connection."""

    _line: Answering | None = None

    def exchange(self, blob: bytes) -> bytes:
        """The host's."""
        raise NotImplementedError

    def listen(self, key: bytes) -> Address:
        """Let the one that knows the key in; the address to call."""
        self._line = Answering(self.exchange, ray.util.get_node_ip_address(), key)
        return self._line.address

    def fail(self) -> None:
        """Raise what has ended the connection, so that Ray brings it to where it is understood."""
        if self._line is not None and self._line.failure is not None:
            raise self._line.failure


class MachineActor(MachineHost, Listening):
    """A machine actor whose links are the network actor's."""

    def __init__(self, share: Sequence[MachineSettings], names: Sequence[str], plan: Plan | None = None) -> None:
        """See `MachineHost`."""
        super().__init__(share, names, plan)
        collector.hold()


class ShardActor(ShardHost, Listening):
    """A machine actor with all links to its machines."""

    def __init__(
        self, resolved: Resolved, shares: Sequence[Sequence[int]], place: int, plan: Plan | None = None
    ) -> None:
        """See `ShardHost`."""
        super().__init__(resolved, shares, place, plan)
        collector.hold()


class ByConnections:
    """Batches go over connections between the actors."""

    def __init__(self, hosts: Sequence[Any], labels: Sequence[str]) -> None:
        """`hosts`: the machine actors; `labels`: the machines of each. Raises `InfrastructureError`."""
        self._hosts = hosts
        self._labels = labels
        key = secrets.token_bytes(KEY_BYTES)
        with self._understood():
            self._lines = Asking(ray.get([host.listen.remote(key) for host in hosts]), key)

    def exchange(self, blobs: Sequence[bytes]) -> list[bytes]:
        """See `Lines.exchange`. Raises what the host has raised, or `InfrastructureError`."""
        with self._understood():
            return self._lines.exchange(blobs)

    def close(self) -> None:
        """See `Lines.close`."""
        self._lines.close()

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except HostFailedError as error:
            ray.get(self._hosts[error.place].fail.remote())
            raise
        except DisconnectedError as error:
            raise InfrastructureError(f"an actor failed: that of {self._labels[error.place]}: {error}") from None


class ByCalls:
    """Batches are arguments and results of plain calls: slower, and a check of the other way."""

    def __init__(self, hosts: Sequence[Any]) -> None:
        """`hosts`: the machine actors."""
        self._hosts = hosts

    def exchange(self, blobs: Sequence[bytes]) -> list[bytes]:
        """See `Lines.exchange`."""
        asked = zip(self._hosts, blobs, strict=True)
        answers: list[bytes] = ray.get([host.exchange.remote(blob) for host, blob in asked if blob])
        return answers

    def close(self) -> None:
        """Nothing is held."""


class NetworkHost(Somewhere):
    """The network actor: it holds the clock, and drives the machines; the network is here, or in shards in their actors."""

    def __init__(
        self,
        resolved: Resolved,
        hosts: Sequence[Any],
        shares: Sequence[Sequence[int]],
        exchange: str,
        plan: Plan | None = None,
        *,
        sharded: bool,
    ) -> None:
        """`hosts`: the machine actors; `shares`: the machines that each holds; `exchange`: one of `EXCHANGES`."""
        collector.hold()
        self._recorder = None if plan is None else Recorder(plan)
        self._shares = [list(share) for share in shares]
        labels = [_label([resolved.names[index] for index in share]) for share in shares]
        self._lines: Lines = ByCalls(hosts) if exchange == "calls" else ByConnections(hosts, labels)
        if sharded:
            firsts_ns: list[int] = ray.get([host.first_ns.remote() for host in hosts])
            pace = Together(self._steps, firsts_ns, resolved.network.lookahead_ns, dict)
            self._clock = Clock(pace, resolved.timeline, self._recorder)
            return
        promised: list[dict[int, Answer]] = ray.get([host.promises.remote() for host in hosts])
        first = [answer for _, answer in sorted(one for promises in promised for one in promises.items())]
        self._clock = build.clock(resolved, self._exchange, first, trace=self._recorder)

    def _exchange(self, orders: dict[int, Order]) -> dict[int, Answer]:
        answers: dict[int, Answer] = {}
        for reply in self._ask([pack_orders(share, orders) for share in self._shares]):
            answers.update(unpack_answers(reply))
        return answers

    def _steps(self, steps: Sequence[Step]) -> list[Told]:
        return [unpack_told(reply) for reply in self._ask([pack_step(step) for step in steps])]

    def _ask(self, blobs: Sequence[bytes]) -> list[bytes]:
        try:
            return self._lines.exchange(blobs)
        except ray.exceptions.RayTaskError as error:
            raise _cause(error) from None

    def run_slice(self, until_ns: int, wall_s: float) -> tuple[bool, int]:
        """Run whole windows for about `wall_s` seconds; whether the time has been reached, and the clock."""
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
        return State(clock.now_ns, clock.windows, [], clock.tallies(), faults)

    def recorded(self) -> bytes:
        """What clock and links have told."""
        assert self._recorder is not None, "there is a plan"
        return self._recorder.part((), self._clock.now_ns)

    def close(self) -> None:
        """Hang up."""
        self._lines.close()


def _actor(host: type) -> Any:
    """The class of an actor; it asks for no CPU, so there may be more of them than there are, spread over the nodes."""
    return ray.remote(host).options(num_cpus=0, scheduling_strategy="SPREAD")


def _label(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


class RayEngine:
    """What the driver holds: handles."""

    name = "ray"

    def __init__(
        self,
        resolved: Resolved,
        *,
        machines_per_actor: int | None = None,
        exchange: str = EXCHANGES[0],
        plan: Plan | None = None,
    ) -> None:
        """Needs a `session`. `plan`: what is recorded, by each actor for itself. Raises `InfrastructureError`."""
        if not ray.is_initialized():  # or Ray would start a cluster by itself, with other settings
            raise InfrastructureError("Ray has not been started: open a cluster.engine.on_ray.session around this")
        self._shares = placement.shares(resolved, machines_per_actor, cores())
        count = len(resolved.machines)
        self._names = resolved.names
        sharded = count > build.FEW and 1 < len(self._shares) < count
        if sharded:
            scenario = ray.put(resolved)
            places = range(len(self._shares))
            self.hosts = [_actor(ShardActor).remote(scenario, self._shares, place, plan) for place in places]
        else:
            own = [[resolved.machines[index] for index in share] for share in self._shares]
            self.hosts = [_actor(MachineActor).remote(machines, resolved.names, plan) for machines in own]
        told = (resolved, self.hosts, self._shares, exchange, plan)
        self.network = _actor(NetworkHost).remote(*told, sharded=sharded)
        self._is_recorded = plan is not None
        self._now_ns = 0
        call(self.network.look.remote())
        self._nodes: set[str] = set(call([actor.node.remote() for actor in (self.network, *self.hosts)]))

    @property
    def now_ns(self) -> int:
        """The cluster's clock."""
        return self._now_ns

    def run(self, until_ns: int, watch: Callable[[int], None] | None = None) -> None:
        """See `Engine.run`."""
        done = False
        while not done:
            done, self._now_ns = call(self.network.run_slice.remote(until_ns, SLICE_S))
            self._look_at_nodes()
            if watch is not None:
                watch(self._now_ns)

    def _look_at_nodes(self) -> None:
        """Actors outlive their node's raylet, and go on answering over their connections: Ray would never say so."""
        try:
            nodes = ray.nodes()
        except ray.exceptions.RayError as error:
            raise InfrastructureError(f"Ray failed: {type(error).__name__}: {first_line(error)}") from error
        for node in nodes:
            if node["NodeID"] in self._nodes and not node["Alive"]:
                raise InfrastructureError(f"an actor failed: its node {node['NodeManagerAddress']} has died")

    def begin(self, verb: str, args: dict[str, Any]) -> int:
        """See `Engine.begin`."""
        number: int = call(self.network.begin.remote(verb, args))
        return number

    def end(self, fault: int) -> None:
        """See `Engine.end`."""
        call(self.network.end.remote(fault))

    def state(self) -> State:
        """See `Engine.state`; only between slices, when no machine is under way."""
        look: State = call(self.network.look.remote())
        reports: list[list[MachineReport]] = call([host.reports.remote(look.now_ns) for host in self.hosts])
        placed = [
            one for share, told in zip(self._shares, reports, strict=True) for one in zip(share, told, strict=True)
        ]
        machines = [report for _, report in sorted(placed, key=lambda one: one[0])]
        tallies = [look.links, *call([host.tallies.remote() for host in self.hosts])]
        return look._replace(machines=machines, links=build.merged(self._names, tallies))

    def recorded(self) -> list[bytes]:
        """See `Engine.recorded`."""
        if not self._is_recorded:
            raise ValueError(NOT_RECORDED)
        look: State = call(self.network.look.remote())  # lets all come to one time
        own: bytes = call(self.network.recorded.remote())
        return [own, *call([host.recorded.remote(look.now_ns) for host in self.hosts])]

    def close(self) -> None:
        """Connections, then actors. A private cluster would take them with it if this failed."""
        actors = (self.network, *self.hosts)
        with signals_later():
            with contextlib.suppress(Exception):
                ray.get(self.network.close.remote(), timeout=CLOSE_S_MAX)
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
        if isinstance(cause, ProgramError | ScenarioError | InfrastructureError):
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
    return re.sub(r"\x1b\[[0-9;]*m", "", line)[:LINE_CHARS_MAX].rstrip(".")
