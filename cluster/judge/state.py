"""What an engine tells of a whole cluster, and what is judged."""

from typing import Any, NamedTuple

from netswap.actors.machine_report import MachineReport


class State(NamedTuple):
    """The whole cluster at one moment."""

    now_ns: int
    windows: int
    machines: list[MachineReport]
    """In scenario order."""
    links: dict[str, dict[str, Any]]
    """`Network.tallies`."""
    faults: list[tuple[str, dict[str, Any], int, int | None]]
    """(verb, args, begin, end) of each fault so far; end is None while it lasts."""

    def intervals(self) -> list[tuple[int, int | None]]:
        """When each fault began and ended."""
        return [(begin, end) for _, _, begin, end in self.faults]
