"""A machine's disk: what survives when the machine goes down."""

from typing import Any


class Disk:
    """Files by the name of the program that keeps them."""

    __slots__ = ("_files", "slow_ns")

    def __init__(self) -> None:
        self.slow_ns: int | None = None
        """Its latency while it is slow, in place of the one its user knows."""
        self._files: dict[str, dict[Any, Any]] = {}

    def of(self, program: str) -> dict[Any, Any]:
        """What a program has kept here, and may change; empty at first."""
        return self._files.setdefault(program, {})
