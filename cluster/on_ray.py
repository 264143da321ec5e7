"""Ray: a cluster of our own or one that is there, and the run's actors on it. The only module that imports ray.

A private cluster has its own temp folder and token, listens on this machine only, and leaves nothing behind. The network
actor holds the clock; it drives the machine actors through a compiled graph of its own making, or by plain calls.
"""

import atexit
import contextlib
import logging
import os
import secrets
import shutil
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import ray
from ray._private import ray_constants  # see loopback_only
from ray._raylet import AuthenticationTokenLoader, Config  # see authentication_reread
from ray.dag import DAGContext, InputNode, MultiOutputNode
from ray.job_config import JobConfig

from actors.programs.task import ProgramError
from cluster import build
from cluster.clock import Answer, Clock
from cluster.engine import InfrastructureError, State
from cluster.host import MachineHost, pack_inbound, unpack_answers
from cluster.scenario import ScenarioError
from cluster.surroundings import (
    STAMP,
    end_processes,
    processes_of,
    remove_semaphores,
    signals_later,
    temp_folder,
    term_exits,
)

os.environ.pop("RAY_CLIENT_MODE", None)  # left behind by the import

SLICE_S: Final = 0.5
"""Wall time between two looks of the driver: progress, Ctrl-C."""
WINDOW_S_MAX: Final = 3600
"""A window that takes longer counts as hung; Ray's own 10 s would break a long advance."""
CLOSE_S_MAX: Final = 3
"""For a graph to end by itself; its actors are killed afterwards in any case."""
BUFFER_BYTES: Final = 4 << 20
"""Of each channel at first; a larger blob makes it grow."""
STORE_BYTES: Final = 128 << 20
"""Ray asks for at least 75 MiB."""
PRIVATE_TOKEN: Final = secrets.token_hex(32)

Job = TypeVar("Job")
Done = TypeVar("Done")

_workers: Final[set[int]] = set()
"""Processes of the private cluster that may have left semaphores when an engine was closed."""

COMMON = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # `uv run` would upload the source tree
    "RAY_RUNTIME_ENV_HOOK": None,
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # leave CUDA_VISIBLE_DEVICES alone, and do not warn about it
}
PRIVATE = COMMON | {
    "RAY_ADDRESS": None,
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": PRIVATE_TOKEN,
    "RAY_AUTH_TOKEN_PATH": None,
    "RAY_memory_monitor_refresh_ms": "0",  # read by the raylet, which inherits it
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # the children's half of loopback_only
}


def authentication_reread() -> None:
    """Ray's C++ side reads the environment once, at import; this is what Ray itself calls when it changes the mode."""
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


@contextlib.contextmanager
def environment(settings: dict[str, str | None]) -> Iterator[None]:
    """These variables inside; outside, all as it was, also what Ray changed meanwhile."""
    before = dict(os.environ)
    for name, value in settings.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    authentication_reread()
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})
        authentication_reread()


@contextlib.contextmanager
def loopback_only() -> Iterator[None]:
    """Listen on 127.0.0.1, as Ray does on a Mac; on Linux it takes an outside address even if asked not to."""
    before, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextlib.contextmanager
def session(*, processes: int = 4, address: str | None = None, logs: Path | None = None) -> Iterator[None]:
    """Ray, for as long as the block lasts: a private cluster, or the one at `address` and nothing else.

    `processes`: workers started beforehand (actors themselves ask for no CPU); `logs`: where to keep what a private
    cluster logged. Raises `InfrastructureError`.
    """
    with private_cluster(processes, logs) if address is None else attached(address):
        yield


@contextlib.contextmanager
def private_cluster(processes: int, logs: Path | None = None) -> Iterator[None]:
    """A cluster for this run alone; afterwards nothing of it is left but, in `logs`, what it logged."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(term_exits())
        folder = stack.enter_context(temp_folder())
        stack.enter_context(environment(PRIVATE | {STAMP: folder.name}))
        stack.enter_context(loopback_only())

        def stop() -> None:
            with signals_later():
                _workers.update(processes_of(folder.name))
                with contextlib.suppress(Exception):
                    ray.shutdown(wait_for_processes=True)
                end_processes(folder.name)
                remove_semaphores(_workers)
                _workers.clear()
                if logs is not None:
                    for session in folder.glob("session_2*/logs"):
                        with contextlib.suppress(OSError, shutil.Error):
                            shutil.copytree(session, logs, dirs_exist_ok=True, ignore_dangling_symlinks=True)
                shutil.rmtree(folder, ignore_errors=True)

        stack.callback(stop)
        try:
            with signals_later():
                ray.init(
                    address="local",
                    num_cpus=processes,  # so many workers are started beforehand; actors themselves ask for none
                    num_gpus=0,
                    object_store_memory=STORE_BYTES,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    job_config=same_modules(),
                    _temp_dir=str(folder),
                )
        except Exception as error:
            raise InfrastructureError(f"Ray did not start: {error}") from error
        forget_reset()
        stack.enter_context(term_exits())
        yield


def same_modules() -> JobConfig:
    """Actors import from where we do: by itself Ray lets them look into the current folder first, whatever is there."""
    folders = [os.path.abspath(folder) for folder in sys.path]
    return JobConfig(_client_job=True, _py_driver_sys_path=folders[::-1])  # Ray puts them in front one by one


def forget_reset() -> None:
    """Ray's copy of colorama writes an escape sequence to the terminal at exit; it should not."""
    if "colorama.initialise" in sys.modules:
        atexit.unregister(sys.modules["colorama.initialise"].reset_all)


@contextlib.contextmanager
def attached(address: str) -> Iterator[None]:
    """A cluster that is there already, which is neither stopped nor changed."""
    mode = os.environ.get("RAY_AUTH_MODE") or ("token" if token_at_hand() else "disabled")
    with contextlib.ExitStack() as stack:
        stack.enter_context(term_exits())
        stack.enter_context(environment(COMMON | {"RAY_AUTH_MODE": mode}))
        if address != "auto":
            reachable(address)
        stack.callback(ray.shutdown)
        try:
            with signals_later():
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, job_config=same_modules())
            ray.get(ray.remote(Probe).options(num_cpus=0).remote().answer.remote(), timeout=60)
        except Exception as error:
            raise InfrastructureError(
                f"the cluster at {address} does not serve us with RAY_AUTH_MODE={mode}; the mode, and with `token` the "
                f"token too, must be those with which it was started ({type(error).__name__})"
            ) from error
        forget_reset()
        stack.enter_context(term_exits())
        yield


class Probe:
    """With the wrong token mode ray.init may succeed, and the first actor dies."""

    def answer(self) -> None:
        """Nothing: it is enough to be there."""


def token_at_hand() -> bool:
    """The rule by which `ray start --head` decides, so that both sides agree on one machine."""
    return (
        any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
        or (Path.home() / ".ray" / "auth_token").exists()
    )


def reachable(address: str) -> None:
    """Ray takes 20 seconds to notice that nobody listens."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        raise InfrastructureError(f"no Ray cluster at {address}: {error}") from error


class NetworkHost:
    """The network actor: it holds the network and the clock, and drives the machines."""

    def __init__(
        self, resolved: build.Resolved, hosts: Sequence[Any], shares: Sequence[Sequence[int]], exchange: str
    ) -> None:
        """`hosts`: the machine actors; `shares`: the machines that each holds; `exchange`: "graph" or "calls"."""
        self._hosts = list(hosts)
        self._shares = [list(share) for share in shares]
        self._graph = self._compile() if exchange == "graph" else None
        promised: list[dict[int, Answer]] = ray.get([host.promises.remote() for host in self._hosts])
        first = [answer for promises in promised for answer in promises.values()]
        self._clock = Clock(build.network(resolved), self._exchange, first, build.timeline(resolved))

    def _compile(self) -> Any:
        DAGContext.get_current().get_timeout = WINDOW_S_MAX  # has no parameter of its own
        with InputNode() as blobs:
            graph = MultiOutputNode([host.exchange.bind(blobs[place]) for place, host in enumerate(self._hosts)])
        return graph.experimental_compile(
            _submit_timeout=WINDOW_S_MAX, _max_inflight_executions=1, _buffer_size_bytes=BUFFER_BYTES
        )

    def _exchange(self, inbound: dict[int, tuple[int, bytes]]) -> dict[int, Answer]:
        blobs = [pack_inbound(share, inbound) for share in self._shares]
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

    def __init__(self, resolved: build.Resolved, *, machines_per_actor: int = 1, exchange: str = "graph") -> None:
        """Needs a `session`. Raises `InfrastructureError`."""
        if not ray.is_initialized():  # or Ray would start a cluster by itself, with other settings
            raise InfrastructureError("Ray has not been started: open a cluster.on_ray.session around this")
        count = len(resolved["machines"])
        shares = [
            list(range(first, min(first + machines_per_actor, count))) for first in range(0, count, machines_per_actor)
        ]
        machine_host, network_host = (ray.remote(host).options(num_cpus=0) for host in (MachineHost, NetworkHost))
        self.hosts = [machine_host.remote(resolved, share) for share in shares]
        self.network = network_host.remote(resolved, self.hosts, shares, exchange)
        self._now_ns = 0
        _call(self.network.look.remote())

    @property
    def now_ns(self) -> int:
        """The cluster's clock."""
        return self._now_ns

    def run(self, until_ns: int, watch: Callable[[int], None] | None = None) -> None:
        """See `Engine.run`."""
        done = False
        while not done:
            done, self._now_ns = _call(self.network.run_slice.remote(until_ns, SLICE_S))
            if watch is not None:
                watch(self._now_ns)

    def begin(self, verb: str, args: dict[str, Any]) -> int:
        """See `Engine.begin`."""
        number: int = _call(self.network.begin.remote(verb, args))
        return number

    def end(self, fault: int) -> None:
        """See `Engine.end`."""
        _call(self.network.end.remote(fault))

    def state(self) -> State:
        """See `Engine.state`; only between slices, since plain calls run beside a graph's."""
        look: State = _call(self.network.look.remote())
        reports: list[list[dict[str, Any]]] = _call([host.reports.remote(look.now_ns) for host in self.hosts])
        return look._replace(machines=[report for share in reports for report in share])

    def close(self) -> None:
        """Graph, then actors. A private cluster would take them with it if this failed."""
        actors = (self.network, *self.hosts)
        with signals_later():
            _workers.update(processes_of(os.environ.get(STAMP, "")))
            with contextlib.suppress(Exception):
                ray.get(self.network.close.remote(), timeout=CLOSE_S_MAX)
            # Asked to leave before they are made to: an actor that is killed leaves its channels' semaphores behind.
            leaving = {actor.__ray_terminate__.remote(): actor for actor in actors}
            _, stubborn = ray.wait(list(leaving), num_returns=len(leaving), timeout=CLOSE_S_MAX)
            for reference in stubborn:
                with contextlib.suppress(Exception):
                    ray.kill(leaving[reference])


def tasks(work: Callable[[Job], Done], jobs: Sequence[Job]) -> Iterator[Done]:
    """`work` on each job as a task of its own, given back in order; no more under way than keep the cluster busy.

    Needs a `session`. Raises `InfrastructureError`.
    """
    remote = ray.remote(work)
    at_once = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))
    under_way: deque[Any] = deque()
    for job in jobs:
        under_way.append(remote.remote(job))
        if len(under_way) >= at_once:
            yield _call(under_way.popleft())
    while under_way:
        yield _call(under_way.popleft())


def _call(reference: Any) -> Any:
    """The one place where Ray's errors become ours."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        cause = _cause(error)
        if isinstance(cause, ProgramError | ScenarioError):
            raise cause from None
        raise InfrastructureError(f"an actor failed: {type(cause).__name__}: {_first_line(cause)}") from error
    except ray.exceptions.RayError as error:
        raise InfrastructureError(f"Ray failed: {type(error).__name__}: {_first_line(error)}") from error


def _cause(error: Exception) -> Exception:
    """What was raised in the actor where it began."""
    while isinstance(error, ray.exceptions.RayTaskError) and isinstance(error.cause, Exception):
        error = error.cause
    return error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")
