"""kswapd of a machine of several zones under 4.12 and later: what it does between two looks at the marks.

Source: mm/vmscan.c of 6.1 and 6.11 (balance_pgdat, kswapd_shrink_node, shrink_lruvec). A pass wants as many pages as the high
marks of all zones are together, boost included, and looks at no more than its share of the lists. Only at its end are the
marks looked at, so it goes beyond them. A page that it has started to write is looked at, and not reclaimed: it counts
when it comes back, as the next look at it would count it. It waits for no page that it has started, only for a request
slot. The next pass looks at twice as much, unless this one has looked at all it wanted and has reclaimed something.
"""

from collections.abc import Callable
from typing import Final

from netswap.actors.memory.board import Board
from netswap.actors.memory.kswapd import Kswapd
from netswap.actors.memory.scan import Scan
from netswap.actors.memory.throttle import Throttle
from netswap.actors.memory.waiter import Outcome

_NO_SLOT: Final = Outcome.NO_SLOT


class NodeKswapd(Kswapd):
    """That of one machine."""

    def __init__(self, board: Board, scan: Scan, throttle: Throttle, wake_throttled: Callable[[], None]) -> None:
        super().__init__(board, scan, throttle, wake_throttled)
        self._wanted = 0
        """Pages that the pass under way wants; 0: none is."""
        self._looked_before = 0
        self._reclaimed_before = 0
        """What had been looked at, and reclaimed, when it began."""

    def _balance(self) -> None:
        """Make passes until a zone is above its high mark at the end of one, a slot is missing, or the last has been made."""
        zone, scan = self._zone, self._scan
        while self._wanted or zone.free < zone.kswapd_goal():
            if not self._wanted:
                self._begin()
            left = self._wanted - (self._freed() - self._reclaimed_before)
            self._outcome = scan.shrink(self._priority, zone.free + left, self._outcome) if left > 0 else self._outcome
            if self._outcome is _NO_SLOT and not self._is_over():
                self.wants_slot = True
                self._stuck_ns = self._events.now + self._kernel.reclaim_wait_ns
                return
            if self._ends():
                return

    def _looked(self) -> int:
        """Pages looked at so far: those written, those dropped, and those that came back."""
        return self._scan.started + self._freed()

    def _begin(self) -> None:
        self._wanted = self._zone.pass_pages()
        self._looked_before, self._reclaimed_before = self._looked(), self._freed()

    def _is_over(self) -> bool:
        """Whether the pass has looked at its share of the lists, or has reclaimed what it wanted."""
        share = self._scan.cache.resident() + self._scan.hand.resident() >> self._priority
        looked, reclaimed = self._looked() - self._looked_before, self._freed() - self._reclaimed_before
        return looked >= max(share, self._kernel.swap_cluster_max) or reclaimed >= self._wanted

    def _ends(self) -> bool:
        """End the pass; whether it was the last."""
        looked, reclaimed = self._looked() - self._looked_before, self._freed() - self._reclaimed_before
        wanted, self._wanted = self._wanted, 0
        if looked >= wanted and reclaimed:
            return False
        self._priority -= 1
        if self._priority >= 1:
            return False
        self._priority = self._kernel.def_priority
        return True
