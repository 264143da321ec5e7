"""Compiled modules are the same machine: same bytes, same counters, same reasons, only sooner."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parents[2]
CONFIGS = HERE / "configs"
SCENARIOS = (
    ("three-machines.yaml", "safeguards=reserve", "stop=20s"),
    ("three-machines.yaml", "safeguards=none", "stop=20s"),
    ("mpi-64.yaml", "timeline=[]", "stop=2s"),
)
HEADERS = Path(sysconfig.get_path("include"), "Python.h")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        shutil.which(os.environ.get("CC", "cc")) is None or not HEADERS.exists(),
        reason="needs a C compiler and Python's headers",
    ),
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What `make wheel` makes, from a copy of the sources."""
    copy = tmp_path_factory.mktemp("sources")
    for name in ("protocol", "actors", "cluster", "configs"):
        shutil.copytree(HERE / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(HERE / "netswap", copy / "netswap", symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(HERE / name, copy)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps")
    made = subprocess.run(
        [*pip, "--no-build-isolation", "--wheel-dir", copy / "wheel", copy],
        env={**os.environ, "NETSWAP_COMPILE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    yield from (copy / "wheel").glob("*.whl")
    shutil.rmtree(copy)


@pytest.fixture(scope="module")
def compiled(wheel: Path) -> Path:
    """The compiled modules."""
    target = wheel.parent / "compiled"
    zipfile.ZipFile(wheel).extractall(target)
    return target


def netswap(modules: Path, *arguments: str) -> str:
    """What the command prints that runs with these modules."""
    command = (sys.executable, "-P", "-c", "from netswap.cluster.command.entry import main; main()", *arguments)
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(modules), "NETSWAP_PLAIN": "1"},
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


def ran(modules: Path, scenario: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """All that a run in one process says, but where that stands and how long it took."""
    name, *overrides = scenario
    sets = [part for override in overrides for part in ("--set", override)]
    out = netswap(modules, "run", str(CONFIGS / name), "--engine", "inline", "--json", "--run-dir", str(folder), *sets)
    said: dict[str, Any] = json.loads(out)
    return {key: value for key, value in said.items() if key not in ("run", "wall_s")}


def test_the_wheel_is_for_this_python_and_runs_compiled_where_it_is_installed(wheel: Path, tmp_path: Path) -> None:
    """In a fresh environment, which finds the libraries that netswap needs in this one."""
    assert f"cp{sys.version_info.major}{sys.version_info.minor}" in wheel.name
    assert not wheel.name.endswith("any.whl")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env/bin/python"
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-index")
    subprocess.run([*pip, wheel], check=True, timeout=200)
    (site,) = (tmp_path / "env").glob("lib/python*/site-packages")
    (site / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = [tmp_path / "env/bin/netswap"]
    said = subprocess.run([*command, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said.endswith("(compiled)\n")
    ran = [*command, "run", CONFIGS / "three-machines.yaml", "--engine", "inline", "--json", "--set", "stop=8s"]
    done = subprocess.run(ran, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert json.loads(done.stdout)["digest"]


def test_the_command_says_which_it_is(compiled: Path) -> None:
    """Nobody has to guess."""
    assert netswap(compiled, "--version").endswith("(compiled)\n")
    assert "compiled" not in netswap(HERE, "--version")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=" ".join)
def test_everything_that_a_run_says_is_the_same(compiled: Path, scenario: tuple[str, ...], tmp_path: Path) -> None:
    """Digest, verdicts, reasons, counters."""
    assert ran(compiled, scenario, tmp_path / "compiled") == ran(HERE, scenario, tmp_path / "plain")


def test_every_claim_is_seen_with_the_same_numbers(compiled: Path) -> None:
    """All that is built, and by a netswap that stands alone."""
    assert json.loads(netswap(compiled, "claims", "--json")) == json.loads(netswap(HERE, "claims", "--json"))
