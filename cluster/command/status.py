"""How a command ends: the result, or what kept it from one, and the exit status that says what kind of end it was.

`ended` is the one place where exceptions become statuses. Before the end a command says here whether it talks JSON, and
which folder it writes to.
"""

import errno
import json
import os
import select
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import typer

from netswap.actors.programs.task import ProgramError
from netswap.cluster.engine import supervisor
from netswap.cluster.engine.engine import InfrastructureError
from netswap.cluster.engine.surroundings import clear_abandoned, term_exits
from netswap.cluster.scenario import Problem, Scenario, ScenarioError, load

Loaded = TypeVar("Loaded")

INPUT_IS_WRONG: Final = 2
INFRASTRUCTURE_FAILED: Final = 3
NETSWAP_FAILED: Final = 4
INTERRUPTED: Final = 130
READER_WENT: Final = 141
"""As of a process that SIGPIPE has ended."""

NO_FOLDER: Final = (
    errno.EEXIST,
    errno.ENOTDIR,
    errno.ENOENT,
    errno.EISDIR,
    errno.EINVAL,
    errno.ELOOP,
    errno.ENAMETOOLONG,
)
"""Why a path cannot be a folder, whatever the disk is like."""
PROBE_BYTES: Final = 4096


@dataclass(slots=True)
class Telling:
    """What the end of a command has to know about it."""

    as_json: bool = False
    folder: Path | None = None
    """The run's, once it is there."""
    is_told: bool = False
    """Whether standard output has its one object already."""
    process_is_ours: bool = False
    """Whether this process is this command and nothing else."""


_telling: Telling = Telling()


def main(command: Callable[[], object]) -> int:
    """All of a process: what those before it could not tidy up, the command, what its supervisor wants to know.

    Its exit status.
    """
    _closed_ones_opened()
    clear_abandoned()
    status = ended(partial(_interruptible, command), process_is_ours=True)
    supervisor.tell(supervisor.ENDED, status)
    return status


def _interruptible(command: Callable[[], object]) -> None:
    """From here on an interrupt unwinds the stack."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command()


def ended(command: Callable[[], object], *, as_json: bool = False, process_is_ours: bool = False) -> int:
    """Run a command to its end, whatever that is, and say what there is to say; the exit status."""
    global _telling
    before = _telling
    _telling = Telling(as_json, process_is_ours=process_is_ours or before.process_is_ours)
    try:
        with term_exits():
            status = _status_of(command)
            return _flushed(status)
    except SystemExit as exit_:  # SIGTERM, while the end was being told
        return _code(exit_)
    finally:
        _telling = before


def _status_of(command: Callable[[], object]) -> int:
    """The one place where exceptions become statuses."""
    try:
        command()
    except typer.Exit as exit_:
        return int(exit_.exit_code)  # verbs say whether it is 1
    except SystemExit as exit_:
        # rich and click leave with 1 where the reader of standard output has gone
        return READER_WENT if isinstance(exit_.__context__, BrokenPipeError) else _code(exit_)
    except KeyboardInterrupt:
        where = f"; what there is stands in {_telling.folder}" if _telling.folder else ""
        _say(f"interrupted{where}")
        return INTERRUPTED
    except ScenarioError as error:
        return wrong(error.problems, _telling.as_json).exit_code
    except ProgramError as error:
        where = f"; what there is stands in {_telling.folder}" if _telling.folder else ""
        problem = Problem(error.file, error.line, 1, error.message, f"{error.hint}{where}")
        return wrong([problem], _telling.as_json).exit_code
    except InfrastructureError as error:
        logs = f"; its logs are in {_telling.folder / 'ray'}" if _telling.folder else ""
        return _failed("Ray failed", str(error).removeprefix("Ray failed: "), logs)
    except BrokenExecutor as error:
        return _failed("a process of this command was killed", str(error))
    except MemoryError:
        return _failed("this computer has not enough memory", "a smaller scenario, or more memory, would do")
    except OSError as error:
        return READER_WENT if _reader_went(error) else _os_failed(error)
    except Exception as error:
        return _netswap_failed(error)
    return 0


def _flushed(status: int) -> int:
    """What was printed has to get there, too."""
    try:
        with standard_output():
            sys.stdout.flush()
    except OSError as error:
        if status not in (READER_WENT, INFRASTRUCTURE_FAILED):  # otherwise it has been said
            status = READER_WENT if _reader_went(error) else _os_failed(error)
        _muted()
    return status


def _code(exit_: SystemExit) -> int:
    return int(exit_.code) if isinstance(exit_.code, int) else int(exit_.code is not None)


def _os_failed(error: OSError) -> int:
    where = f" ({error.filename})" if error.filename else ""
    folder = _telling.folder
    kept = f"; what there is stands in {folder}" if folder else ""
    return _failed("writing or reading failed", f"{error.strerror or error}{where}", kept)


def _failed(what: str, why: str, where: str = "") -> int:
    _say(f"{what}, which is no result: {why}{where}")
    _told({"verdict": "infrastructure failed", "error": why, "run": _folder()})
    return INFRASTRUCTURE_FAILED


def _netswap_failed(error: Exception) -> int:
    """A mistake of ours. The traceback is for us, and does not stand in people's way."""
    text = "".join(traceback.format_exception(error))
    why = "".join(traceback.format_exception_only(error)).strip()
    try:
        if _telling.folder is None:
            raise FileNotFoundError
        path = _telling.folder / "traceback.txt"
        path.write_text(text)
        _say(f"netswap itself failed, which is no result: {why}; please report it with {path}")
    except OSError:
        _say(f"netswap itself failed, which is no result: {why}; please report it with what follows\n{text}")
    _told({"verdict": "internal error", "error": why, "run": _folder()})
    return NETSWAP_FAILED


def _folder() -> str | None:
    return None if _telling.folder is None else str(_telling.folder)


def _say(sentence: str) -> None:
    """On standard error, if there is one that takes it."""
    with suppress(OSError):
        print(sentence, file=sys.stderr)


def _told(value: Mapping[str, Any]) -> None:
    """One object on standard output, if it takes it, and has none yet."""
    with suppress(OSError):
        if _telling.as_json and not _telling.is_told:
            tell(value)


def tell(value: Mapping[str, Any]) -> None:
    """The one JSON object of a command."""
    _telling.is_told = True
    with standard_output():
        print(json.dumps(value), flush=True)


# -- standard output ----------------------------------------------------------------------------------------------------


@contextmanager
def standard_output() -> Iterator[None]:
    """What cannot be written inside could not be written there."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or "standard output"
        raise


def _reader_went(error: OSError) -> bool:
    """Whether the reader of standard output or error has gone, which is no failure of anything."""
    if error.errno != errno.EPIPE:
        return False
    watched = select.poll()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            watched.register(stream.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in watched.poll(0))


def _muted() -> None:
    """What could not be written is not tried again when Python leaves."""
    with suppress(OSError, ValueError, AttributeError):
        number = sys.stdout.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, number)
        os.close(null)


def _closed_ones_opened() -> None:
    """A standard stream that was closed by our parent gets a descriptor, which no other file may have, and fails if used."""
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY), "r")
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


# -- what commands begin with -------------------------------------------------------------------------------------------


def loaded_scenario(scenario: str, overrides: Sequence[str], as_json: bool) -> Scenario:
    """The scenario, or all its errors on standard error and exit status 2."""
    return checked(lambda: load(Path(scenario), overrides=overrides), as_json)


def checked(loaded: Callable[[], Loaded], as_json: bool) -> Loaded:
    """What was loaded, or all errors on standard error and exit status 2."""
    try:
        return loaded()
    except ScenarioError as error:
        raise wrong(error.problems, as_json) from None


def folder_made(made: Callable[[], Path], asked: Path | None, as_json: bool) -> Path:
    """The run's folder, made, and known to take files. Otherwise the end: 2 if it cannot be a folder, 3 if it takes none."""
    label = f"--run-dir {asked or 'runs'}"
    try:
        folder = made()
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(PROBE_BYTES))
    except OSError as error:
        if error.errno in NO_FOLDER:
            problem = Problem(
                label, 1, 1, f"this cannot be a folder: {error.strerror}", "name one that can be written to"
            )
            raise wrong([problem], as_json) from None
        raise OSError(error.errno, error.strerror, label) from None
    _telling.folder = folder
    return folder


def in_a_process_of_its_own(folder: Path) -> None:
    """For a command that uses Ray: from here on a supervisor outlives it, where the process is ours to fork."""
    if _telling.process_is_ours:
        supervisor.supervised(folder / "ray")


def wrong(problems: Sequence[Problem], as_json: bool) -> typer.Exit:
    """Say what is wrong with the input."""
    for problem in problems:
        print(problem, file=sys.stderr)
    if as_json:
        fields = ("file", "line", "column", "message", "hint")
        tell({"errors": [{name: getattr(problem, name) for name in fields} for problem in problems]})
    return typer.Exit(INPUT_IS_WRONG)
