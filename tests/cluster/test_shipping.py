"""What the nodes of a cluster are sent: netswap's sources, and the user's own modules, without what belongs to this computer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from netswap.cluster.engine.shipping import own_modules, sources_digest, stage
from netswap.cluster.scenario import load

SCENARIO = """
title: programs of one's own
stop: 1s
machines:
  A:
    programs:
      - polite.deep.ranks:Rank: {}
      - alone:Program: {}
      - heartbeat: {every: 1s}
"""
LOOK = "import sys; sys.path[:0] = [sys.argv[1]]; from netswap.cluster.engine.shipping import sources_digest as d; print(d())"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package and a module of the user's, with what should stay at home."""
    deep = tmp_path / "own/polite/deep"
    deep.mkdir(parents=True)
    (tmp_path / "own/polite/.secrets").mkdir()
    for name in ("polite/__init__.py", "polite/deep/__init__.py", "polite/.secrets/keys.py", "alone.py", "other.py"):
        (tmp_path / "own" / name).touch()
    (tmp_path / "own/polite/data.bin").write_bytes(bytes(100))
    program = "from dataclasses import dataclass\n\n@dataclass\nclass {}:\n    def run(self, system):\n        yield\n"
    (deep / "ranks.py").write_text(program.format("Rank"))
    (tmp_path / "own/alone.py").write_text(program.format("Program"))
    monkeypatch.syspath_prepend(tmp_path / "own")
    return tmp_path


@pytest.mark.usefixtures("own")
def test_the_modules_of_own_programs_are_known_by_their_first_name() -> None:
    assert own_modules(load(SCENARIO).resolved()) == {"polite", "alone"}


def test_python_files_of_own_modules_are_sent_and_nothing_else(own: Path) -> None:
    stage(own / "sent", ["polite", "alone"])
    sent = {path.relative_to(own / "sent").as_posix() for path in (own / "sent").rglob("*") if path.is_file()}
    theirs = {name for name in sent if not name.startswith("netswap/")}
    assert theirs == {"polite/__init__.py", "polite/deep/__init__.py", "polite/deep/ranks.py", "alone.py"}
    assert not [name for name in sent if name.endswith((".so", ".pyc")) or "/." in name]


def test_what_is_sent_runs_and_is_what_runs_here(own: Path) -> None:
    """From its folder alone: a node has Ray and the libraries, and no netswap."""
    stage(own / "sent", [])
    done = subprocess.run(
        [sys.executable, "-P", "-c", LOOK, str(own / "sent")],
        env={**os.environ, "NETSWAP_PLAIN": "1"},
        cwd=own,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == sources_digest()


def test_a_module_that_is_not_to_be_found_is_left_to_the_error_of_who_needs_it(own: Path) -> None:
    stage(own / "sent", ["no_such_module"])
    assert [path.name for path in (own / "sent").iterdir()] == ["netswap"]
