"""Files that gzip, bzip2 or xz have packed: known by their first bytes, and unpacked as they are read."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from io import BufferedReader
from typing import IO, Final, cast

_PACKERS: Final[dict[bytes, Callable[..., object]]] = {
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ\0": lzma.open,
    b"BZh": bz2.open,
}
"""What a packed file begins with, and the function that opens it: sosreport packs with xz, logrotate with gzip."""
DAMAGED: Final = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
"""What reading raises where such a file is damaged or cut off; bzip2 raises an OSError without a number."""


def unpacked(file: BufferedReader) -> IO[bytes]:
    """What a file holds, from its beginning on; itself if it is not packed."""
    begin = file.peek(6)[:6]
    opener = next((one for magic, one in _PACKERS.items() if begin.startswith(magic)), None)
    return file if opener is None else cast("IO[bytes]", opener(file, "rb"))
