"""What netswap puts into other people's environments: one name, and a pytest plugin that leaves their folders alone."""

import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import netswap

pytestmark = pytest.mark.xdist_group("wheel")  # it is built once
ROOT = Path(__file__).parents[1]
SOURCES = ("netswap", "protocol", "actors", "cluster", "configs", "pyproject.toml", "setup.py", "README.md", "LICENSE")
OURS = ("protocol", "actors", "cluster", "configs")

THEIR_TEST = """
import cluster, actors, protocol, configs
from netswap import Verdict, seconds


def test_their_packages_are_theirs():
    assert [one.MINE for one in (cluster, actors, protocol, configs)] == [True] * 4


def test_the_fixture_works_beside_them(netswap):
    machine = netswap("machine.yaml")
    machine.run_for(seconds(1))
    assert machine["A"].verdict == Verdict.HEALTHY
"""
MACHINE = """
title: one machine
stop: 2s
machines: {A: {programs: [{heartbeat: {every: 100ms}}]}}
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """netswap as a wheel, built from a copy of the sources, their links kept."""
    copy, made = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "wheel"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", made, copy], check=True, timeout=200)
    (built,) = made.glob("*.whl")
    return built


def test_the_wheel_has_one_name(wheel: Path) -> None:
    """Beside it stands what pip knows of it, and nothing else."""
    names = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"netswap"}


def test_the_wheel_has_all_scenarios_and_says_that_it_is_typed(wheel: Path) -> None:
    """Claims read theirs from the package."""
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {f"netswap/{path.relative_to(ROOT)}" for path in (ROOT / "configs").rglob("*.yaml")} <= inside
    assert "netswap/py.typed" in inside


def test_a_project_with_folders_of_these_names_can_run_its_tests(wheel: Path, tmp_path: Path) -> None:
    """In a fresh environment that has netswap and what it needs, and nothing of this checkout."""
    venv.create(tmp_path / "env", with_pip=False)
    (site,) = (tmp_path / "env").glob("lib/python*/site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    (site / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")  # their .pth files do not act there
    project = tmp_path / "project"
    for name in OURS:
        (project / name).mkdir(parents=True)
        (project / name / "__init__.py").write_text("MINE = True\n")
    (project / "test_theirs.py").write_text(THEIR_TEST)
    (project / "machine.yaml").write_text(MACHINE)
    python = tmp_path / "env" / "bin" / "python"
    asked = [python, "-c", "import netswap; print(netswap.__file__)"]
    where = subprocess.run(asked, cwd=project, capture_output=True, text=True)
    assert where.stdout.startswith(str(site)), where
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_the_face_has_what_it_promises() -> None:
    """Each name is there, and comes from one of the three packages."""
    for name in netswap.__all__:
        assert getattr(netswap, name).__module__.startswith("netswap.") or name == "Program"
    assert set(netswap.__all__) <= set(dir(netswap))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        netswap.nonsense  # noqa: B018
