"""Lameter's meaning of 20 %: a share of memory is for clean pages of files alone.

Kleen's words for the share are: usable, but not for dirty data.

Two rules make it. Reclaim does not drop clean pages of files below the share. And the missing part of the share is withheld:
programs, whose pages are anonymous or dirty, stop earlier by that part, while files may be read into it. Reception and reclaim,
which may go below min, are not held up: theirs is the emergency that the share is for, and where one of their allocations would
fail clean pages are dropped after all (`rescue`).
"""

from netswap.actors.memory.files import PageCache
from netswap.actors.memory.zone import Zone


class CleanMinimum:
    """The share of one machine."""

    __slots__ = ("_cache", "_zone", "pages")

    def __init__(self, zone: Zone, cache: PageCache, percent: int) -> None:
        self.pages = zone.total * percent // 100
        """How many clean pages there should be."""
        self._zone = zone
        self._cache = cache

    def look(self) -> None:
        """Withhold as many pages as are missing from the share now."""
        self._zone.withhold(max(0, self.pages - self._cache.clean()))

    def may_drop(self) -> bool:
        """Whether reclaim may take another clean page of a file."""
        return self._cache.clean() > self.pages
