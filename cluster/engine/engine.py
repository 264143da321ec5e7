"""What an engine is: the same cluster, in this process or on Ray."""

from collections.abc import Callable
from typing import Any, Final, Protocol

from netswap.cluster.judge.state import State

EXCHANGES: Final = ("connections", "calls")
"""How batches travel between actors on Ray: over connections of their own, or by plain calls of Ray."""


NOT_RECORDED: Final = "no series have been recorded: open the cluster with series=True"


class InfrastructureError(Exception):
    """Ray, not the simulated cluster, has failed: never a result."""


class Engine(Protocol):
    """Drives a cluster. Times in ns."""

    name: str

    @property
    def now_ns(self) -> int:
        """The cluster's clock."""

    def run(self, until_ns: int, watch: Callable[[int], None] | None = None) -> None:
        """Let everything strictly before `until_ns` happen; `watch(now)` is called now and then, between windows."""

    def begin(self, verb: str, args: dict[str, Any]) -> int:
        """Apply a fault now; the number by which it is ended."""

    def end(self, fault: int) -> None:
        """End a fault now."""

    def state(self) -> State:
        """Look at everything. Machines are not disturbed."""

    def recorded(self) -> list[bytes]:
        """What has been recorded so far, a part of each process, for `netswap.cluster.record.record.Record`.

        Raises ValueError if nothing has been.
        """

    def close(self) -> None:
        """Give back whatever the engine holds."""
