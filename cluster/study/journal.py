"""The rows of a sweep as they come, one JSON line each, in a file of its results folder.

A line is written and brought to the disk when its run has ended, so whatever ends the sweep costs the runs under way and
no more. A line that was cut off, or that is no row, is none. A later line of the same key counts.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

FILE: Final = "rows.jsonl"
KEY: Final = "key"


class BusyError(Exception):
    """Another sweep writes to the same folder."""


class UnwrittenError(Exception):
    """The disk does not take what belongs into the journal; `str()` says why."""


class Journal:
    """What stands in the file, by key, and the way to add to it."""

    def __init__(self, file: int) -> None:
        """`file`: descriptor of the file, open for reading and writing, and locked."""
        self._file = file
        self.rows: dict[str, dict[str, Any]] = {}
        with os.fdopen(os.dup(file), "rb") as whole:
            *lines, torn = whole.read().split(b"\n")
        self._end = sum(len(line) + 1 for line in lines)
        if torn:
            os.ftruncate(file, self._end)
        self.unreadable = bool(torn) + sum(not self._take(line) for line in lines)
        """Lines that are no rows."""

    def _take(self, line: bytes) -> bool:
        try:
            row = json.loads(line)
            key = row.pop(KEY)
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
            return False
        if isinstance(key, str):
            self.rows[key] = row
        return isinstance(key, str)

    def add(self, key: str, row: dict[str, Any]) -> None:
        """Write a row to the disk. Raises `UnwrittenError`, and then leaves nothing of it."""
        line = json.dumps({KEY: key, **row}).encode() + b"\n"
        try:
            _write(self._file, line, self._end)
            os.fsync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self._end)
            raise UnwrittenError(error.strerror) from error
        self._end += len(line)
        self.rows[key] = row


def _write(file: int, data: bytes, at: int) -> None:
    while data:
        written = os.pwrite(file, data, at)
        data, at = data[written:], at + written


@contextmanager
def journal_in(folder: Path) -> Iterator[Journal]:
    """The journal of a folder, for as long as the block lasts. Raises `BusyError` or `UnwrittenError`."""
    try:
        file = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UnwrittenError(error.strerror) from error
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError from None
        yield Journal(file)
    finally:
        os.close(file)
