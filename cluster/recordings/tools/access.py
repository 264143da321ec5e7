"""What a reader of a tool's output gives for each line of it that is a touch of memory."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from netswap.protocol.rpc import PAGE

Lines = Iterable[bytes]


class Access(NamedTuple):
    """Bytes that were used: when (ns on the tool's own clock), from which address on, how many, and how."""

    at_ns: int
    address: int
    size: int
    how: str
    """`r`, `w`, or "" where the tool does not say it."""

    @property
    def first(self) -> int:
        """The page of the first byte."""
        return self.address // PAGE

    @property
    def last(self) -> int:
        """The page of the last byte."""
        return (self.address + max(1, self.size) - 1) // PAGE


def nanoseconds(text: str) -> int:
    """Seconds with decimals as whole ns, without a detour over floats."""
    whole, _, part = text.partition(".")
    return int(whole) * 1_000_000_000 + int(part[:9].ljust(9, "0"))


def numbered(lines: Lines) -> Iterator[tuple[int, str]]:
    """Each line with its number, as text."""
    for number, line in enumerate(lines, 1):
        yield number, line.decode("utf-8", "replace").rstrip()
