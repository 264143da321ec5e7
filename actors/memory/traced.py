"""Zones that tell when a watermark is crossed: a check for each page would be felt in those that nobody listens to."""

from netswap.actors.memory.buddy import BuddyZone
from netswap.actors.memory.highatomic import HighAtomicZone
from netswap.actors.memory.zone import Block, Zone
from netswap.actors.teller import Teller


class Marks:
    """The watermarks of one machine, looked at whenever its free pages have changed."""

    def __init__(self, zone: Zone, teller: Teller) -> None:
        self._zone = zone
        self._teller = teller

    def look(self) -> None:
        """Tell which have been crossed."""
        zone, below = self._zone, self._teller.below
        free = zone.free
        if (free <= zone.high_mark) != below[0]:
            self._teller.crossed(0, free)
        if (free <= zone.low_mark) != below[1]:
            self._teller.crossed(1, free)
        if (free <= zone.floors.kernel) != below[2]:
            self._teller.crossed(2, free)


class TracedZone(Zone):
    """As `Zone`."""

    marks: Marks | None = None

    def take(self, floor: int) -> bool:
        """As there."""
        taken = super().take(floor)
        if self.marks is not None:
            self.marks.look()
        return taken

    def take_many(self, floor: int, wanted: int) -> int:
        """As there."""
        taken = super().take_many(floor, wanted)
        if self.marks is not None:
            self.marks.look()
        return taken

    def give(self, pages: int = 1) -> None:
        """As there."""
        super().give(pages)
        if self.marks is not None:
            self.marks.look()


class TracedBuddyZone(BuddyZone):
    """As `BuddyZone`."""

    marks: Marks | None = None

    def take(self, floor: int) -> bool:
        """As there."""
        taken = super().take(floor)
        if self.marks is not None:
            self.marks.look()
        return taken

    def take_many(self, floor: int, wanted: int) -> int:
        """As there."""
        taken = super().take_many(floor, wanted)
        if self.marks is not None:
            self.marks.look()
        return taken

    def give(self, pages: int = 1) -> None:
        """As there."""
        super().give(pages)
        if self.marks is not None:
            self.marks.look()

    def take_block(self, order: int, floor: int) -> Block | None:
        """As there."""
        block = super().take_block(order, floor)
        if self.marks is not None:
            self.marks.look()
        return block

    def give_block(self, block: Block) -> None:
        """As there."""
        super().give_block(block)
        if self.marks is not None:
            self.marks.look()


class TracedHighAtomicZone(HighAtomicZone):
    """As `HighAtomicZone`."""

    marks: Marks | None = None

    def take(self, floor: int) -> bool:
        """As there."""
        taken = super().take(floor)
        if self.marks is not None:
            self.marks.look()
        return taken

    def take_many(self, floor: int, wanted: int) -> int:
        """As there."""
        taken = super().take_many(floor, wanted)
        if self.marks is not None:
            self.marks.look()
        return taken

    def give(self, pages: int = 1) -> None:
        """As there."""
        super().give(pages)
        if self.marks is not None:
            self.marks.look()


def watch(zone: Zone, teller: Teller) -> None:
    """From now on tell of this zone's marks; at once of those that it is below."""
    marks = Marks(zone, teller)
    if isinstance(zone, TracedZone | TracedBuddyZone | TracedHighAtomicZone):
        zone.marks = marks
    teller.pages = zone
    if "marks" in teller.hears:
        marks.look()
