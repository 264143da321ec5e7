"""The command uses what has been compiled as long as it is as new as the sources."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SEEN = """
import sys
from pathlib import Path
from netswap.cluster.command.entry import use_compiled
use_compiled(Path(sys.argv[1]))
print(sys.path[0] == sys.argv[1] + "/build/compiled", any(name.partition(".")[0] == "netswap" for name in sys.modules))
"""
USED, NOT_USED = "True False\n", "False True\n"
"""Whether it comes first where modules are looked for, and whether some of the sources are still there."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Sources of an hour ago, and what was compiled of them half an hour ago."""
    for name, age_s in (("protocol/frame.py", 3600), ("actors/wait.py", 3600), ("build/compiled/.made", 1800)):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (10_000_000 - age_s, 10_000_000 - age_s))
    return tmp_path


def seen(root: Path, **environment: str) -> tuple[str, str]:
    """What a process has before it that asks for the compiled modules of this folder, and what it says."""
    done = subprocess.run(
        [sys.executable, "-c", SEEN, str(root)],
        env={**os.environ, "NETSWAP_PLAIN": "", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, done.stderr


def test_what_is_as_new_as_the_sources_is_used(root: Path) -> None:
    assert seen(root) == (USED, "")


@pytest.mark.parametrize("source", ["actors/wait.py", "configs/three-machines.yaml", "setup.py"])
def test_what_is_older_than_a_source_is_not_used_and_that_is_said(root: Path, source: str) -> None:
    (root / source).parent.mkdir(exist_ok=True)
    (root / source).touch()
    os.utime(root / source, (10_000_000, 10_000_000))
    out, said = seen(root)
    assert out == NOT_USED
    assert said.count("\n") == 1
    assert "`make compiled` renews it" in said


def test_where_nothing_is_compiled_nothing_is_said(root: Path) -> None:
    (root / "build/compiled/.made").unlink()
    assert seen(root) == (NOT_USED, "")


def test_the_sources_can_be_asked_for(root: Path) -> None:
    assert seen(root, NETSWAP_PLAIN="1") == (NOT_USED, "")
