"""A machine's disk: the contents that survive when the machine goes down."""

from array import array
from typing import Any, Final

WARM_VERSION: Final = 1
"""The version of every page before anything has been written to it."""
REFUSED: Final = 0
"""The version in the answer to a write for which there was no room; no page ever has it."""
_CHUNK: Final = 1 << 12


class Store:
    """The versions of one client's pages, in chunks made on first write."""

    __slots__ = ("_chunks",)

    def __init__(self) -> None:
        self._chunks: dict[int, array[int]] = {}

    def read(self, page: int, count: int) -> tuple[int, ...]:
        """The versions of `count` pages from `page` on."""
        return tuple([self._read(number) for number in range(page, page + count)])

    def write(self, page: int, versions: tuple[int, ...]) -> None:
        """Replace what the disk holds from `page` on."""
        for number, version in enumerate(versions, page):
            chunk = self._chunks.get(number // _CHUNK)
            if chunk is None:
                chunk = self._chunks[number // _CHUNK] = array("I", [WARM_VERSION]) * _CHUNK
            chunk[number % _CHUNK] = version

    def _read(self, page: int) -> int:
        chunk = self._chunks.get(page // _CHUNK)
        return WARM_VERSION if chunk is None else chunk[page % _CHUNK]


class Disk:
    """Files by the name of the program that keeps them."""

    __slots__ = ("_files", "slow_ns")

    def __init__(self) -> None:
        self.slow_ns: int | None = None
        """The disk's latency while it is slow, in place of the one in the scenario."""
        self._files: dict[str, dict[Any, Any]] = {}

    def of(self, program: str) -> dict[Any, Any]:
        """The pages that a program keeps here, and may change; empty at first."""
        return self._files.setdefault(program, {})
