"""Ray as a guest: what a run leaves behind (nothing), what people see meanwhile, and what is no result."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import ray
from leftovers import base_of_its_own, processes, traces
from scenes import seed

from netswap.cluster.engine.engine import InfrastructureError
from netswap.cluster.engine.on_ray import RayEngine
from netswap.cluster.pytest_plugin import Open
from netswap.protocol.units import milliseconds

pytestmark = pytest.mark.ray

LONG = seed(stop="3600s")
SHORT = seed(stop="1s")
INTERRUPTED, TERMINATED = 130, 128 + signal.SIGTERM


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test works in a folder of its own, with two scenes in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "long.yaml").write_text(LONG)
    (tmp_path / "short.yaml").write_text(SHORT)
    return tmp_path


@pytest.fixture
def nothing_left() -> Iterator[Path]:
    """After the test there is what there was before it."""
    with base_of_its_own() as base:
        before = traces(base)
        yield base
        assert traces(base) <= before


class OnATerminal:
    """A process whose standard output and error are a terminal, and all that it writes there."""

    def __init__(self, *words: str) -> None:
        self.written = ""
        ours, its = pty.openpty()
        self._ours = ours
        self.process = subprocess.Popen([sys.executable, "-m", *words], stdout=its, stderr=its, start_new_session=True)
        os.close(its)

    def read_until(self, text: str) -> None:
        """Read on until it has written this."""
        while text not in self.written:
            self.written += self._read() or pytest.fail(f"it ended without {text!r}: {self.written}")

    def end(self, number: int = 0) -> int:
        """Send a signal, read what it still writes, and return its status."""
        self.process.send_signal(number)
        while part := self._read():
            self.written += part
        os.close(self._ours)
        return self.process.wait()

    def _read(self) -> str:
        try:
            return os.read(self._ours, 65536).decode(errors="replace")
        except OSError:  # how Linux says that nobody has the other end any more
            return ""


def netswap(*words: str, environment: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """The command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "netswap", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )


# -- nothing is left ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("exchange", ["connections", "calls"])
def test_a_run_that_ends_leaves_nothing(exchange: str) -> None:
    """Neither on the machine nor, of Ray's, on the terminal."""
    done = netswap("run", "short.yaml", "--exchange", exchange)
    assert done.returncode == 0
    assert all(line.startswith("the seed, small") for line in done.stderr.splitlines()), "nothing but progress"
    assert done.stdout.startswith("the seed, small (ray, seed 1)")


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, TERMINATED)], ids=["Ctrl-C", "SIGTERM"]
)
def test_an_interrupted_run_leaves_nothing_but_its_folder(number: int, status: int) -> None:
    """Interrupted in the middle: it has shown some progress already."""
    run = OnATerminal(
        "netswap", "run", "long.yaml", "--run-dir", "here", "--record", "none", "--machines-per-actor", "3"
    )
    run.read_until("frames/s")
    assert run.end(number) == status
    assert Path("here/resolved.json").exists()
    assert not Path("here/result.json").exists()
    assert "Traceback" not in run.written
    if number == signal.SIGINT:
        assert "interrupted; what there is stands in here" in run.written


def test_ctrl_c_while_ray_starts_leaves_nothing(nothing_left: Path) -> None:
    """Some of its processes are there already, others are not yet."""
    run = OnATerminal("netswap", "run", "long.yaml", "--run-dir", "here")
    while "gcs_server" not in processes(nothing_left).values():
        os.sched_yield()
    assert run.end(signal.SIGINT) == INTERRUPTED


@pytest.mark.usefixtures("nothing_left")
def test_the_demo_can_be_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and has told what it is about before."""
    monkeypatch.chdir(Path(__file__).parents[2])
    demo = OnATerminal("netswap.cluster.command.demo")
    demo.read_until("frames/s")
    assert demo.end(signal.SIGINT) == INTERRUPTED
    assert "interrupted; nothing is left behind" in demo.written


def test_the_environment_and_the_signals_are_as_they_were() -> None:
    """A session in a process of a user's own, who goes on afterwards."""
    program = """
import os, signal
from netswap.cluster.engine.on_ray import session
before = dict(os.environ), [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
with session():
    pass
assert before == (dict(os.environ), [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)])
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_actors_have_the_niceness_of_the_command(netswap: Open) -> None:
    """Ray gives its workers 15 by default: beside two processes that never rest a demo of two minutes took half an hour."""
    cluster = netswap(SHORT, engine="ray")
    assert isinstance(cluster.engine, RayEngine)
    actors = [cluster.engine.network, *cluster.engine.hosts]
    levels = ray.get([actor.__ray_call__.remote(lambda _: os.getpriority(os.PRIO_PROCESS, 0)) for actor in actors])
    assert levels == [os.getpriority(os.PRIO_PROCESS, 0)] * len(actors)


# -- an existing cluster ------------------------------------------------------------------------------------------------


@pytest.fixture
def existing(netswap_ray: Callable[[], None]) -> tuple[str, dict[str, str]]:
    """Address of a cluster, and the environment with which it lets one in: the one these tests share."""
    netswap_ray()
    address: str = ray.get_runtime_context().gcs_address
    ours = {name: value for name, value in os.environ.items() if name.startswith("RAY_AUTH_")}
    return address, ours


def test_a_run_can_be_a_guest_of_an_existing_cluster(existing: tuple[str, dict[str, str]]) -> None:
    """Same bytes, and the cluster goes on."""
    address, environment = existing
    done = netswap("run", "short.yaml", "--json", "--record", "none", "--address", address, environment=environment)
    assert done.returncode == 0, done.stderr
    alone = netswap("run", "short.yaml", "--json", "--record", "none", "--engine", "inline")
    digests = [text.split('"digest": "')[1][:64] for text in (done.stdout, alone.stdout)]
    assert digests[0] == digests[1]
    assert ray.get(ray.remote(lambda: 42).options(num_cpus=0).remote()) == 42


@pytest.mark.slow  # Ray tries for 20 seconds
def test_a_wrong_token_is_told(existing: tuple[str, dict[str, str]]) -> None:
    """With the mode that was tried."""
    address, environment = existing
    done = netswap("run", "short.yaml", "--address", address, environment={**environment, "RAY_AUTH_TOKEN": "0" * 64})
    assert done.returncode == 3
    assert "RAY_AUTH_MODE=token" in done.stderr


# -- what is no result --------------------------------------------------------------------------------------------------


def test_without_a_session_no_engine_starts_a_cluster_by_itself() -> None:
    """In a process of its own, since the others of this run share a cluster."""
    program = f"""
from netswap.cluster.engine.engine import InfrastructureError
from netswap.cluster.lab import open_cluster
try:
    open_cluster({SHORT!r}, engine="ray")
except InfrastructureError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "open a cluster.engine.on_ray.session" in done.stdout


@pytest.mark.parametrize("exchange", ["connections", "calls"])
@pytest.mark.parametrize("who", ["a machine", "the network"])
def test_an_actor_that_dies_is_a_failure_of_the_infrastructure(netswap: Open, who: str, exchange: str) -> None:
    """Never a verdict: the run does not go on without it, however long Ray takes to kill."""
    cluster = netswap(LONG, engine="ray", exchange=exchange)
    cluster.run_for(milliseconds(100))
    assert isinstance(cluster.engine, RayEngine)
    ray.kill(cluster.engine.hosts[0] if who == "a machine" else cluster.engine.network)
    with pytest.raises(InfrastructureError, match=r"Ray failed|an actor failed"):
        cluster.run()
