"""What the README shows of a command is what the command prints."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SESSIONS = dict(re.findall(r"^    \$ (.+)\n((?:    .*\n)+)", README, flags=re.M))
"""What is printed, by the command that stands before it after a `$`. A line of dots leaves something out."""
PROGRAMS = {
    ".venv/bin/netswap": f"{sys.executable} -m cluster.command",
    "make demo": f"{sys.executable} -m cluster.demo",
}
SLOW = pytest.mark.slow, pytest.mark.timeout(1800)
QUICK = ("check", "agent.yaml")
SLIPS = """\
title: slips
stop: 60
machines:
  A: {memory: 64MiB, swop: {}}
timeline:
  - {at: 5s, partition: [E], for: 10s}
"""


def marked(command):
    """A command with its marks."""
    slow = () if any(word in QUICK for word in command.split()) else SLOW
    return pytest.param(command, marks=(*slow, pytest.mark.ray) if command == "make demo" else slow, id=command)


def pattern(shown):
    """What the whole output has to match."""
    lines = [line.removeprefix("    ").rstrip() for line in shown.splitlines()]
    return "".join(r"(?:.*\n)*?" if line == "..." else re.escape(line) + r"\n" for line in lines)


@pytest.fixture
def folder(tmp_path):
    """Where a reader of the README would be: beside configs/, with the files that it tells one to save."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "slips.yaml").write_text(SLIPS)
    for name, language, text in (("agent.py", "python", "class Agent"), ("agent.yaml", "yaml", "agent:Agent")):
        blocks = re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.M | re.S)
        (tmp_path / name).write_text(next(block for block in blocks if text in block))
    return tmp_path


@pytest.mark.parametrize("command", [marked(command) for command in SESSIONS])
def test_a_command_prints_what_the_readme_shows(command, folder):
    """In a wide terminal, and line for line but for what the dots leave out.

    The agent of the README reports ten times a second until A stops, at 5 s: 51 reports, the first of them at time 0.
    """
    line = command
    for name, program in PROGRAMS.items():
        line = line.replace(name, program)
    done = subprocess.run(
        f"COLUMNS=200 {line}", shell=True, cwd=folder, capture_output=True, text=True, check=False, timeout=1800
    )
    printed = "".join(f"{line.rstrip()}\n" for line in (done.stdout + done.stderr).splitlines())
    assert re.fullmatch(pattern(SESSIONS[command]), printed), printed


def test_no_command_is_left_out():
    """Each `$` begins a command, and shows what it prints."""
    assert len(SESSIONS) == README.count(" $ ")
