"""Sessions: a command behind a `$`, and below it what it prints. A line of three dots leaves lines out."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
GAP: Final = "..."
COPIED: Final = ("configs", "examples")
PROGRAMS: Final = {
    ".venv/bin/netswap": f"{sys.executable} -m netswap",
    ".venv/bin/python": sys.executable,
    "make demo": f"{sys.executable} -m netswap.cluster.command.demo",
}
"""How a command is run from any folder."""


@dataclass(frozen=True, slots=True)
class Session:
    """One command, and the lines that are shown below it."""

    command: str
    shown: tuple[str, ...]

    def matches(self, printed: str) -> bool:
        """Whether that is what was printed, line for line but for what the dots leave out."""
        pattern = "".join(r"(?:.*\n)*?" if line == GAP else re.escape(line) + r"\n" for line in self.shown)
        return re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in printed.splitlines())) is not None

    def run(self, folder: Path) -> str:
        """What it prints in a wide terminal: standard output, then standard error."""
        line = re.sub("|".join(map(re.escape, PROGRAMS)), lambda name: PROGRAMS[name[0]], self.command)
        done = subprocess.run(
            f"COLUMNS=200 {line}", shell=True, cwd=folder, capture_output=True, text=True, check=False, timeout=1800
        )  # fmt: skip
        return done.stdout + done.stderr


def session(text: str) -> Session:
    """The session of a text that begins with `$ `."""
    first, *shown = text.splitlines()
    return Session(first.removeprefix("$ "), tuple(line.rstrip() for line in shown))


def sessions(page: str) -> list[Session]:
    """Those of a page: each is an indented block."""
    blocks = re.findall(r"^    \$ .+\n(?:    .*\n)+", page, flags=re.M)
    return [session("\n".join(line.removeprefix("    ") for line in block.splitlines())) for block in blocks]


def checkout(folder: Path) -> Path:
    """Make a folder what the root of the repository is to a reader: scenarios and examples, as copies."""
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "runs", ".*"))
    return folder
