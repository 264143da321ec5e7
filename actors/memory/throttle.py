"""The throttle of direct reclaimers: a task that would reclaim sleeps while half of the pages below min are used.

Source: Gorman's commit 5515061d22f0, mm/vmscan.c (throttle_direct_reclaim). Reclaimers ignore the watermarks, and there may
be any number of them; those that sleep leave the rest to kswapd, which wakes them. Kernel threads never sleep here, a task that
may not enter a file system no longer than a second, and no task once kswapd has failed sixteen times.
"""

from collections.abc import Callable
from typing import Final

from netswap.actors.memory.zone import Zone
from netswap.protocol.units import seconds

NO_FS_NS: Final = seconds(1)
"""How long a task that may not enter a file system sleeps at most."""
FAILURES_MAX: Final = 16
"""Fruitless runs of kswapd after which no task waits for it any more (MAX_RECLAIM_RETRIES)."""


class Throttle:
    """Whether direct reclaimers of one machine may go on."""

    __slots__ = ("_reclaimable", "_zone", "failures", "on")

    def __init__(self, zone: Zone, reclaimable: Callable[[], int], *, on: bool) -> None:
        """`reclaimable`: the number of pages that reclaim could look at; where there are none, no task sleeps."""
        self.on = on
        """Whether the switch is on."""
        self.failures = 0
        """Runs of kswapd in a row that freed nothing."""
        self._zone = zone
        self._reclaimable = reclaimable

    def holds(self) -> bool:
        """Whether a user task that enters direct reclaim now has to sleep."""
        zone = self._zone
        half = zone.min_mark // 2
        if not self.on or zone.free + zone.aside_free > half or self.failures >= FAILURES_MAX:
            return False
        return self._reclaimable() > 0
