"""What a moment is, and of how many of a kind more than their number is kept."""

from typing import Final

MOST_MOMENTS: Final = 2_000
"""Of one kind and detail on one machine; of the others it is known how many there were."""
LINK_CAUSES: Final = ("link-loss", "link-queue", "partition")
"""Why frames are lost before they reach a machine, as links say."""

Moment = tuple[int, int | None, int, int, str, str, int | None]
"""(ns, end ns, machine or -1, program or -1, what, detail, free pages)."""
