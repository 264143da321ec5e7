"""How commands that make many runs come to an early end: what is known by then, and the line that goes on."""

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import typer

from netswap.cluster.command.status import (
    INFRASTRUCTURE_FAILED,
    INPUT_IS_WRONG,
    INTERRUPTED,
    NETSWAP_FAILED,
    tell,
    wrong,
)
from netswap.cluster.engine.surroundings import term_exits
from netswap.cluster.study.failure import Failure, Kind, RunFailedError

STATUS: Final = {Kind.INPUT: INPUT_IS_WRONG, Kind.INFRASTRUCTURE: INFRASTRUCTURE_FAILED, Kind.INTERNAL: NETSWAP_FAILED}
_VERDICT: Final = {Kind.INFRASTRUCTURE: "infrastructure failed", Kind.INTERNAL: "internal error"}


@contextmanager
def study(as_json: bool, standing: Callable[[], str]) -> Iterator[None]:
    """Inside, runs are made; `standing` says what is known by now, and how to go on."""
    try:
        with term_exits():
            yield
    except RunFailedError as error:
        raise _without_result(error.failure, as_json, standing()) from None
    except KeyboardInterrupt:
        say(f"interrupted: {standing()}")
        raise typer.Exit(INTERRUPTED) from None
    except SystemExit:
        say(f"ended from outside: {standing()}")
        raise


def say(line: str) -> None:
    """On standard error, where no result stands."""
    print(line, file=sys.stderr)


def line(verb: str, *words: object, **options: object) -> str:
    """A command, as one would type it. An option whose value is None, False or empty is left out."""
    said = ["netswap", verb, *map(str, words)]
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if value is True:
            said.append(option)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            said += [word for one in value for word in (option, str(one))]
        elif not (value is None or value is False or value == ""):
            said += [option, str(value)]
    return shlex.join(said)


def _without_result(failure: Failure, as_json: bool, standing: str) -> typer.Exit:
    """A run failed without which there is no answer."""
    if failure.problems:
        return wrong(list(failure.problems), as_json)
    say(f"{failure.trace}no result: {failure.reason}; {standing}")
    if as_json:
        tell({"verdict": _VERDICT[failure.kind], "error": failure.reason, "run": None})
    return typer.Exit(STATUS[failure.kind])
