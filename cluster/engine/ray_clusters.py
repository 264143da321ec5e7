"""Ray clusters: one of our own, or one that is there.

A private cluster has its own temp folder and token, listens on this machine only, and leaves nothing behind.
"""

import atexit
import contextlib
import logging
import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import ray
from ray._private import ray_constants, services  # see loopback_only, address_here
from ray._raylet import AuthenticationTokenLoader, Config  # see authentication_reread
from ray.job_config import JobConfig
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from netswap.cluster.engine import supervisor
from netswap.cluster.engine.doctor import Facts, differences, facts
from netswap.cluster.engine.engine import InfrastructureError
from netswap.cluster.engine.shipping import stage
from netswap.cluster.engine.surroundings import (
    STAMP,
    arguments_of,
    end_processes,
    keep_logs,
    note_raylet,
    processes_of,
    processors,
    signals_later,
    temp_folder,
    term_exits,
)

os.environ.pop("RAY_CLIENT_MODE", None)  # left behind by the import

STORE_BYTES: Final = 128 << 20
"""Ray asks for at least 75 MiB."""
ATTACH_S_MAX: Final = 90
"""For all nodes of a cluster to take the sources and answer."""
PRIVATE_TOKEN: Final = secrets.token_hex(32)
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
    "RAY_memory_monitor_refresh_ms": "0",  # read by the raylet, which inherits it; so is the next
    "RAY_worker_niceness": "0",  # 15 by default: actors would stand still beside any other busy process
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
def private_cluster(processes: int, logs: Path | None = None) -> Iterator[None]:
    """A cluster for this run alone; afterwards nothing of it is left but, in `logs`, what it logged."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(term_exits())
        folder = stack.enter_context(temp_folder())
        stack.enter_context(environment(PRIVATE | {STAMP: folder.name}))
        stack.enter_context(loopback_only())

        def stop() -> None:
            with signals_later():
                supervisor.tell(supervisor.CLOSING)
                with contextlib.suppress(Exception):
                    ray.shutdown(wait_for_processes=True)
                end_processes(folder.name)
                supervisor.tell(supervisor.CLOSED)
                keep_logs(folder, logs)

        stack.callback(stop)
        supervisor.tell(supervisor.HOME, str(folder))
        try:
            with signals_later():
                ray.init(
                    address="local",
                    num_cpus=processes,  # the number of workers that are started beforehand; actors themselves ask for none
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
        note_raylet(folder)
        forget_reset()
        stack.enter_context(term_exits())
        yield


def same_modules(*, sends: bool = False) -> JobConfig:
    """Actors import from where we do: by itself Ray lets them look into the current folder first, whatever is there.

    `sends`: it goes with a folder that is uploaded, which Ray does for no client's job; then it leaves that out itself.
    """
    folders = [os.path.abspath(folder) for folder in sys.path]
    return JobConfig(_client_job=not sends, _py_driver_sys_path=folders[::-1])  # Ray puts them in front one by one


def forget_reset() -> None:
    """Ray's copy of colorama writes an escape sequence to the terminal at exit; it should not."""
    if "colorama.initialise" in sys.modules:
        atexit.unregister(sys.modules["colorama.initialise"].reset_all)


@contextlib.contextmanager
def attached(address: str, modules: Iterable[str] = ()) -> Iterator[Sequence[Facts]]:
    """A cluster that is there already, which is neither stopped nor changed; what its nodes are.

    It is sent netswap and the user's `modules`, for this job only. Raises `InfrastructureError` where a node could not
    run the same as we.
    """
    with contextlib.ExitStack() as stack:
        nodes = stack.enter_context(joined(address, modules))
        here = facts(ray.__version__)
        for node in nodes:
            for one in differences(here, node):
                raise InfrastructureError(f"the node {one.about} cannot take part: {one.what}; {one.hint}")
        yield nodes


@contextlib.contextmanager
def joined(address: str, modules: Iterable[str] = ()) -> Iterator[Sequence[Facts]]:
    """`attached`, whatever its nodes are."""
    address = address_here() if address == "auto" else address
    reachable(address)
    mode = mode_for_others()
    with contextlib.ExitStack() as stack:
        stack.enter_context(term_exits())
        stack.enter_context(environment(COMMON | {"RAY_AUTH_MODE": mode}))
        stack.callback(ray.shutdown)
        try:
            with signals_later():
                init_there(address, modules)
            nodes = probed()
        except ray.exceptions.RuntimeEnvSetupError as error:
            why = str(error).strip().splitlines()[-1].strip()
            raise InfrastructureError(f"a node of {address} could not take netswap's sources: {why}") from error
        except Exception as error:
            raise InfrastructureError(
                f"the cluster at {address} does not serve us with RAY_AUTH_MODE={mode}; the mode, and with `token` the "
                f"token too, must be those with which it was started, and Python and Ray the same "
                f"({type(error).__name__})"
            ) from error
        forget_reset()
        stack.enter_context(term_exits())
        yield nodes


def init_there(address: str, modules: Iterable[str]) -> None:
    """Become a driver of the cluster; what is sent is uploaded before this returns."""
    with tempfile.TemporaryDirectory(prefix="netswap-sent-") as folder:
        stage(Path(folder), modules)
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            job_config=same_modules(sends=True),
            runtime_env={"working_dir": folder},
        )


def probed() -> list[Facts]:
    """What each node that lives tells of itself."""
    probe = ray.remote(Probe)
    alive = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    places = [NodeAffinitySchedulingStrategy(node, soft=False) for node in alive]
    probes: list[Any] = [probe.options(num_cpus=0, scheduling_strategy=place).remote() for place in places]
    ray.get([one.answer.remote() for one in probes], timeout=ATTACH_S_MAX)
    nodes = []
    for one in probes:
        before_s = time.time()
        told: Facts = ray.get(one.answer.remote(), timeout=ATTACH_S_MAX)
        nodes.append(replace(told, clock_off_s=told.time_s - (before_s + time.time()) / 2))
    return nodes


def mode_for_others() -> str:
    """RAY_AUTH_MODE for a cluster that is not ours."""
    return os.environ.get("RAY_AUTH_MODE") or ("token" if token_at_hand() else "disabled")


def cores() -> int:
    """The cores of the whole cluster; those of this computer where it is a private one."""
    if os.environ.get("RAY_AUTH_TOKEN") == PRIVATE_TOKEN:
        return processors()
    return int(ray.cluster_resources().get("CPU", 1))


class Probe:
    """With the wrong token mode ray.init may succeed, and the first actor dies."""

    def answer(self) -> Facts:
        """What there is where it runs; its name is the node's address."""
        return replace(facts(ray.__version__), name=ray.util.get_node_ip_address())


def token_at_hand() -> bool:
    """The rule by which `ray start --head` decides, so that both sides agree on one machine."""
    return (
        any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
        or (Path.home() / ".ray" / "auth_token").exists()
    )


def address_here() -> str:
    """What `auto` means: RAY_ADDRESS, or the cluster of this computer that was started last, but no private one."""
    named = os.environ.get("RAY_ADDRESS", "auto") or "auto"
    if named != "auto":
        return named
    private = {word.partition("=")[2] for pid in processes_of() for word in arguments_of(pid) if "gcs-address=" in word}
    here: set[str] = services.find_gcs_addresses() - private
    last: str | None = services.find_bootstrap_address(None)
    if here:
        return last if last is not None and last in here else min(here)
    raise InfrastructureError(
        "there is no Ray cluster on this computer, and RAY_ADDRESS names none; start one with `ray start --head`, name "
        "one as HOST:PORT, or leave --address out and have a private one"
    )


def reachable(address: str) -> None:
    """Raise InfrastructureError if no process listens at the address: Ray itself takes 20 seconds to notice it."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        raise InfrastructureError(f"no Ray cluster at {address}: {error}") from error
