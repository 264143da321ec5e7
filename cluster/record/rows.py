"""Rows of whole numbers, as many as a run has: kept flat, and packed once there are many."""

import zlib
from array import array
from collections.abc import Iterable
from typing import Final

PACKED_BYTES: Final = 1 << 22
"""Bytes that are packed at a time: series of machines at rest shrink to a few percent."""


class Rows:
    """A table of 64-bit numbers, row after row."""

    __slots__ = ("_last", "_packed", "extend", "width")

    def __init__(self, width: int, packed: Iterable[bytes] = ()) -> None:
        """`width`: numbers in a row; `packed`: rows that are there already, as from `packed`."""
        self.width = width
        self._packed = list(packed)
        self._last = array("q")
        self.extend = self._last.extend
        """Adds the numbers of one row; `pack` has to be called now and then."""

    def pack(self) -> None:
        """Pack what has come, if it is much."""
        if len(self._last) * 8 >= PACKED_BYTES:
            self._packed.append(zlib.compress(self._last.tobytes(), 1))
            del self._last[:]

    def packed(self) -> list[bytes]:
        """All rows, as bytes that another process understands."""
        return [*self._packed, zlib.compress(self._last.tobytes(), 1)]

    def columns(self) -> "list[array[int]]":
        """All rows, column by column."""
        whole = array("q")
        for part in self._packed:
            whole.frombytes(zlib.decompress(part))
        whole.extend(self._last)
        return [whole[place :: self.width] for place in range(self.width)]
