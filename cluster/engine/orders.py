"""What a machine is told to do in a window, and what it gives back."""

from collections.abc import Callable
from typing import NamedTuple


class Order(NamedTuple):
    """What a machine is told to do."""

    until_ns: int
    """How far it may advance."""
    inbound: bytes
    answers: list[int] | None = None
    """When it could be answered, as in `Machine.advance`, if that is not what it has been told before."""


class Answer(NamedTuple):
    """What a machine gives back when it has advanced."""

    next_ns: int
    """Nothing leaves before then unless something arrives."""
    silent_until_ns: int
    """Nothing leaves before then whatever arrives."""
    outbound: bytes


Exchange = Callable[[dict[int, Order]], dict[int, Answer]]
"""Let these machines advance; their answers, in any order."""
