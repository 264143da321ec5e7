"""Shell completion: what is completed, and what is said where no shell is known."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from netswap.actors.safeguards import PRESETS, SWITCHES
from netswap.cluster.command.app import app
from netswap.cluster.command.words import Topic

ROOT = Path(__file__).parents[2]
NO_SHELL = """\
import sys
import shellingham

def detect_shell(*_):
    raise shellingham.ShellDetectionFailure

shellingham.detect_shell = detect_shell
sys.argv[0] = "netswap"
from netswap.cluster.command.app import main
main()
"""


def netswap(home, *words, **environ):
    """The command in a process of its own, whose home is a folder of the test."""
    return subprocess.run(
        [sys.executable, "-c", NO_SHELL, *words],
        env={**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=120,
    )


def complete(home, words):
    """As fish asks for it: a word and what it is on each line."""
    environ = {"_TYPER_COMPLETE_ARGS": words, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = netswap(home, _NETSWAP_COMPLETE="complete_fish", **environ)
    assert done.returncode == 0, done.stderr
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("option", ["--install-completion", "--show-completion"])
def test_without_a_shell_that_is_known_it_is_an_error_of_the_input(tmp_path, option):
    """A sentence and status 2; nothing is written."""
    done = netswap(tmp_path, option)
    assert done.returncode == 2
    assert "call this from bash, zsh, fish or PowerShell" in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("netswap list ", [str(topic) for topic in Topic]),
        ("netswap sw", ["sweep"]),
        ("netswap run a.yaml --engine ", ["ray", "inline"]),
        ("netswap check a.yaml --set safeguards=reserve-", ["safeguards=reserve-access"]),
    ],
)
def test_words_are_completed(tmp_path, words, completed):
    done = netswap(
        tmp_path, _NETSWAP_COMPLETE="complete_fish", _TYPER_COMPLETE_ARGS=words, _TYPER_COMPLETE_FISH_ACTION="get-args"
    )
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == completed, done.stderr


def test_every_safeguard_is_completed(tmp_path):
    completed = complete(tmp_path, "netswap run a.yaml --set safeguards=")
    assert {one.removeprefix("safeguards=") for one in completed} == {*PRESETS, *SWITCHES}


def test_the_help_has_the_options():
    said = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "100"}).stdout
    assert "--install-completion" in said
    assert "--show-completion" in said
