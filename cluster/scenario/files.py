"""A scenario's text, from a file or as it is: a plain file of UTF-8, and no larger than a scenario can be."""

import os
import stat
from os import PathLike
from pathlib import Path
from typing import Final

from netswap.cluster.scenario.errors import Problem, ScenarioError

TEXT: Final = "<text>"
"""The file's name where a scenario is given as a text."""
BYTES_MAX: Final = 256 << 10
"""ruamel.yaml reads some 50 kB a second."""


def read(path_or_text: str | PathLike[str]) -> tuple[str, str]:
    """The name to report and the text. A str with a line end (or an empty one) is a text itself; else it is a path.

    Raises ScenarioError if the file cannot be read, or is too large.
    """
    if isinstance(path_or_text, str) and (not path_or_text or "\n" in path_or_text):
        if len(path_or_text) > BYTES_MAX:
            raise _too_large(TEXT)
        return TEXT, path_or_text
    path = Path(path_or_text)
    try:
        data = _bytes(path)
    except FileNotFoundError:
        raise _error(path, "there is no such file", _near(path)) from None
    except (OSError, ValueError) as error:  # a ValueError: a NUL in the path
        why = error.strerror if isinstance(error, OSError) else error
        raise _error(path, f"cannot be read: {why}", "give the path of a YAML file") from None
    if len(data) > BYTES_MAX:
        raise _too_large(path)
    try:
        return str(path), data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _error(path, f"byte {error.start} is not UTF-8", "save the file as UTF-8") from None


def _bytes(path: Path) -> bytes:
    """What is in a plain file, but not much more than a scenario may have. Raises OSError."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # a pipe that nobody writes to would block
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(0, "Is a directory" if stat.S_ISDIR(mode) else "it is no plain file")
        return file.read(BYTES_MAX + 1)


def _near(path: Path) -> str:
    try:
        near = sorted(str(one) for one in path.parent.glob("*.yaml"))[:5]
    except OSError:
        near = []
    return f"there are {', '.join(near)}" if near else "give the path of a YAML file"


def _too_large(path: str | Path) -> ScenarioError:
    hint = f"write at most {BYTES_MAX >> 10} KiB; `count` makes many machines of one"
    return _error(path, "this is too large for a scenario", hint)


def _error(path: str | Path, message: str, hint: str) -> ScenarioError:
    return ScenarioError([Problem(str(path), 1, 1, message, hint)])
