"""Files of recordings: opened with care, hashed, and unpacked where gzip has packed them."""

import gzip
import os
import re
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from io import BufferedReader
from pathlib import Path
from typing import IO, Final

from netswap.protocol.errors import HintedError

_GZIP: Final = b"\x1f\x8b"


class RecordingError(HintedError):
    """Why a file cannot be used, with the byte or line of it; `hint`: what would be right."""

    @property
    def line(self) -> int | None:
        """The line of the file, if the message begins with one."""
        found = re.match(r"line (\d+): ", self.message)
        return int(found[1]) if found else None


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """What a plain file holds, unpacked as it is read. Raises RecordingError if there is none, or if it is packed badly."""
    with _plain(path) as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        if not packed:
            yield file
            return
        try:
            with gzip.open(file) as unpacked:
                yield unpacked  # type: ignore[misc]  # a GzipFile reads as any binary file
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            what = f"it is packed with gzip, and damaged or cut off: {error}"
            raise RecordingError(what, "pack it again") from None


def _plain(path: Path) -> BufferedReader:
    """The file, open. Raises RecordingError."""
    try:
        file = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")  # noqa: SIM115  (a pipe would block)
    except FileNotFoundError:
        hint = "check the spelling; in a scenario a relative path begins at its folder"
        raise RecordingError("there is no such file", hint) from None
    except (OSError, ValueError) as error:  # a ValueError: a NUL in the path
        why = error.strerror if isinstance(error, OSError) else error
        raise RecordingError(f"it cannot be read: {why}", "name a file that can be read") from None
    mode = os.fstat(file.fileno()).st_mode
    if not stat.S_ISREG(mode):
        file.close()
        what = "it is a folder" if stat.S_ISDIR(mode) else "it is no plain file"
        raise RecordingError(what, "name a file")
    return file


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file as it lies there. Raises RecordingError."""
    with _plain(path) as file:
        return file_digest(file, "sha256").hexdigest()
