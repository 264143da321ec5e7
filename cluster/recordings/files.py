"""Files of recordings: opened with care, hashed, and unpacked where gzip has packed them."""

import gzip
import os
import re
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from typing import IO, Final

_GZIP: Final = b"\x1f\x8b"


class RecordingError(ValueError):
    """Why a file cannot be used, with the byte or line of it; `hint`: what would be right."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message}; {hint}")
        self.message = message
        self.hint = hint

    @property
    def line(self) -> int | None:
        """The line of the file, if the message begins with one."""
        found = re.match(r"line (\d+): ", self.message)
        return int(found[1]) if found else None


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """What a plain file holds, unpacked as it is read. Raises RecordingError, also for what goes wrong meanwhile."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # a pipe would block
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                what = "it is a folder" if stat.S_ISDIR(mode) else "it is no plain file"
                raise RecordingError(what, "name a file")
            packed = file.read(2) == _GZIP
            file.seek(0)
            if packed:
                with gzip.open(file) as unpacked:
                    yield unpacked  # type: ignore[misc]  # a GzipFile reads as any binary file
            else:
                yield file
    except FileNotFoundError:
        raise RecordingError("there is no such file", "a relative path begins at the scenario's folder") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RecordingError(f"it is packed with gzip, and damaged or cut off: {error}", "pack it again") from None
    except OSError as error:
        raise RecordingError(f"it cannot be read: {error.strerror}", "name a file that can be read") from None
    except ValueError as error:  # a NUL in the path
        if isinstance(error, RecordingError):
            raise
        raise RecordingError(f"it cannot be read: {error}", "name a file that can be read") from None


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file as it lies there. Raises RecordingError."""
    with opened(path):  # says what is wrong with it
        pass
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RecordingError(f"it cannot be read: {error.strerror}", "name a file that can be read") from None
