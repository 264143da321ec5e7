"""Zones that tell when a watermark is crossed: a check for each page would be felt in zones that no trace listens to.

All that is checked for a page is whether free pages have left the band between two marks.
"""

from typing import Final

from netswap.actors.memory.buddy import BuddyZone
from netswap.actors.memory.highatomic import HighAtomicZone
from netswap.actors.memory.zone import Block, Zone
from netswap.actors.memory.zones import ZonedZone
from netswap.actors.teller import Teller

_FAR: Final = 1 << 62
"""Pages: more than any machine has."""


class Marks:
    """The watermarks of one machine, and the band between two of them that its free pages are in."""

    def __init__(self, zone: Zone, teller: Teller) -> None:
        self._zone = zone
        self._teller = teller
        self.sinks = _FAR
        """Free pages leave the band when there are this number or fewer."""
        self.rises = -1
        """They leave it when there are more than this number."""

    def look(self) -> None:
        """Tell which have been crossed, and find the band anew."""
        zone, below = self._zone, self._teller.below
        free = zone.free
        self.sinks, self.rises = -1, _FAR
        for place, mark in enumerate((zone.high_mark, zone.low_mark, zone.floors.kernel)):
            if (free <= mark) != below[place]:
                self._teller.crossed(place, free)
            if free > mark:
                self.sinks = max(self.sinks, mark)
            else:
                self.rises = min(self.rises, mark)

    def forget(self) -> None:
        """The marks have moved: look when a page is taken or given next."""
        self.sinks, self.rises = _FAR, -1


class TracedZone(Zone):
    """As `Zone`."""

    marks: Marks | None = None

    def take(self, floor: int) -> bool:
        """As there."""
        taken = Zone.take(self, floor)
        marks = self.marks
        if marks is not None and self.free <= marks.sinks:
            marks.look()
        return taken

    def take_many(self, floor: int, wanted: int) -> int:
        """As there."""
        taken = super().take_many(floor, wanted)
        marks = self.marks
        if marks is not None and self.free <= marks.sinks:
            marks.look()
        return taken

    def give(self, pages: int = 1) -> None:
        """As there."""
        Zone.give(self, pages)
        marks = self.marks
        if marks is not None and self.free > marks.rises:
            marks.look()

    def _set_reserve(self, pages: int) -> None:
        super()._set_reserve(pages)
        if self.marks is not None:
            self.marks.forget()


class TracedBuddyZone(BuddyZone):
    """As `BuddyZone`."""

    marks: Marks | None = None

    def take(self, floor: int) -> bool:
        """As there."""
        taken = BuddyZone.take(self, floor)
        marks = self.marks
        if marks is not None and self.free <= marks.sinks:
            marks.look()
        return taken

    def take_many(self, floor: int, wanted: int) -> int:
        """As there."""
        taken = super().take_many(floor, wanted)
        marks = self.marks
        if marks is not None and self.free <= marks.sinks:
            marks.look()
        return taken

    def give(self, pages: int = 1) -> None:
        """As there."""
        BuddyZone.give(self, pages)
        marks = self.marks
        if marks is not None and self.free > marks.rises:
            marks.look()

    def _set_reserve(self, pages: int) -> None:
        super()._set_reserve(pages)
        if self.marks is not None:
            self.marks.forget()

    def take_block(self, order: int, floor: int) -> Block | None:
        """As there."""
        block = super().take_block(order, floor)
        marks = self.marks
        if marks is not None and self.free <= marks.sinks:
            marks.look()
        return block

    def give_block(self, block: Block) -> None:
        """As there."""
        super().give_block(block)
        marks = self.marks
        if marks is not None and self.free > marks.rises:
            marks.look()


class TracedHighAtomicZone(HighAtomicZone):
    """As `HighAtomicZone`."""

    marks: Marks | None = None

    def take(self, floor: int) -> bool:
        """As there."""
        taken = HighAtomicZone.take(self, floor)
        marks = self.marks
        if marks is not None and self.free <= marks.sinks:
            marks.look()
        return taken

    def take_many(self, floor: int, wanted: int) -> int:
        """As there."""
        taken = super().take_many(floor, wanted)
        marks = self.marks
        if marks is not None and self.free <= marks.sinks:
            marks.look()
        return taken

    def give(self, pages: int = 1) -> None:
        """As there."""
        HighAtomicZone.give(self, pages)
        marks = self.marks
        if marks is not None and self.free > marks.rises:
            marks.look()

    def _set_reserve(self, pages: int) -> None:
        super()._set_reserve(pages)
        if self.marks is not None:
            self.marks.forget()


class TracedZonedZone(ZonedZone):
    """As `ZonedZone`; the marks are the sums."""

    marks: Marks | None = None

    def _look(self) -> None:
        marks = self.marks
        if marks is not None and not marks.sinks < self.free <= marks.rises:
            marks.look()

    def take(self, floor: int) -> bool:
        """As there."""
        taken = super().take(floor)
        self._look()
        return taken

    def take_unmovable(self, floor: int) -> bool:
        """As there."""
        taken = super().take_unmovable(floor)
        self._look()
        return taken

    def _count(self) -> None:
        super()._count()
        self._look()

    def _add_up(self) -> None:
        super()._add_up()
        if self.marks is not None:
            self.marks.forget()


def watch(zone: Zone, teller: Teller) -> None:
    """From now on tell of this zone's marks; at once of those that it is below."""
    marks = Marks(zone, teller)
    if isinstance(zone, TracedZone | TracedBuddyZone | TracedHighAtomicZone | TracedZonedZone):
        zone.marks = marks
    teller.pages = zone
    if "marks" in teller.hears:
        marks.look()
