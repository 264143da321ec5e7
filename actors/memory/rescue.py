"""Reclaim within an allocation that would fail: Lameter's two proposals of August 2007.

*Recursive reclaim*: where an allocation made inside reclaim (PF_MEMALLOC) finds no page at all, it reclaims once more, but
only what can be freed without allocating: clean pages of files, mapped ones too. *Atomic reclaim*: an allocation at
interrupt time does the same at its own floor. Nothing is written, and no task sleeps.
"""

from netswap.actors.memory.scan import Scan
from netswap.actors.memory.zone import Zone


class CleanRescue:
    """Frees clean pages for a request that would else be refused."""

    __slots__ = ("_atomic", "_pages", "_recursive", "_scan", "_zone")

    def __init__(self, zone: Zone, scan: Scan, pages: int, *, recursive: bool, atomic: bool) -> None:
        """`pages`: how many are freed in one go (SWAP_CLUSTER_MAX)."""
        self._zone = zone
        self._scan = scan
        self._pages = pages
        self._recursive = recursive
        self._atomic = atomic

    def __call__(self, floor: int) -> bool:
        """Whether a request with this floor can be met now."""
        floors = self._zone.floors
        allowed = self._recursive if floor == floors.memalloc else self._atomic and floor == floors.atomic
        return allowed and self._scan.drop_clean(self._pages) > 0 and self._zone.has(floor)
