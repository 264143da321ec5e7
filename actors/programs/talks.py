"""The machines that a program sends to: a trait that it declares, by which the clock knows which machines cannot feel each other.

A class of programs has a method `talks(self) -> Talks`. A class without this method may send to any machine.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Talks(NamedTuple):
    """Machines, by index, that a program sends to unasked. A machine that is sent to may answer, unless it is only told."""

    asks: frozenset[int] = frozenset()
    tells: frozenset[int] = frozenset()
    """No answer ever comes from these: no program there looks at where it came from."""


NOBODY = Talks()
"""Sends nothing but answers, and what its machine sends for it."""


def asks(machines: Iterable[int]) -> Talks:
    """Sends to these, and hears from them."""
    return Talks(asks=frozenset(machines))


def tells(machines: Iterable[int]) -> Talks:
    """Sends to these, and hears nothing."""
    return Talks(tells=frozenset(machines))
