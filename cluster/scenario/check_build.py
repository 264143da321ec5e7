"""The last check, of a scenario without other mistakes: whether its machines can be built."""

from typing import Any

from actors.settings import SettingsError
from cluster import build
from cluster.scenario.cast import Cast
from cluster.scenario.check_time import check_time
from cluster.scenario.source import Document, Place


def check_build(document: Document, cast: Cast, resolved: dict[str, Any]) -> None:
    """Build one machine of each kind, and report on those that do not hold together."""
    for name in sorted({cast.written_of(name) for name in cast.names}, key=lambda name: cast.indexes(name)[0]):
        try:
            machine = build.machine(resolved, cast.indexes(name)[0])
        except SettingsError as error:
            document.report(_place(name, error.program), error.message, error.hint, key=True)
        else:
            check_time(document, name, machine)


def _place(name: str, program: int | None) -> Place:
    machine: Place = ("machines", name)
    return machine if program is None else (*machine, "programs", program)
