"""What a moment is, and of how many of a kind more than their number is kept."""

from typing import Final, NamedTuple

MOST_MOMENTS: Final = 2_000
"""Moments of one kind and detail on one machine; of the others it is known how many there were."""
LINK_CAUSES: Final = ("link-loss", "link-queue", "partition")
"""Why frames are lost before they reach a machine, as links say."""


class Moment(NamedTuple):
    """Something that happened once, or lasted."""

    at_ns: int
    end_ns: int | None
    machine: int
    """The machine's index; -1 for none."""
    program: int
    """The program's place; -1 for none."""
    what: str
    detail: str
    free: int | None
    """Pages that were free then."""
