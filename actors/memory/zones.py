"""Several zones of one machine, which all the others see as one object.

Source: mm/page_alloc.c of 2.6.22, 6.1 and 6.11 (get_page_from_freelist, __zone_watermark_ok, __setup_per_zone_wmarks,
setup_per_zone_lowmem_reserve, calculate_totalreserve_pages), mm/vmscan.c (pgdat_balanced, balance_pgdat); facts 13.14.

A request goes from the highest zone down: first every zone at its low mark, and if that fails kswapd is woken and every zone is
tried at the floor of the request. A zone below the highest keeps `lowmem_reserve` pages more from it: a share of the pages of the
zones above. Only a request without watermarks takes them too. Marks, boost, lists by mobility and what is set aside for atomic
blocks are each zone's own. `free` and the marks here are sums, with lowmem_reserve where it counts. Where more than a sum is
free, some zone has a page above its floor; the other way round need not hold, so `take` asks each zone.

Simplification (ours): a page that comes back lies in the zones as pages of its kind in use do; a block knows where it lies.
"""

from collections.abc import Sequence
from typing import Final

from netswap.actors.counters import FIRST, Tally
from netswap.actors.kernels.kernel import Kernel
from netswap.actors.memory.zone import Block, Floors, Zone

LOWMEM_RESERVE_RATIO: Final = 256
"""sysctl_lowmem_reserve_ratio of DMA and DMA32; the zones above these on x86-64 keep nothing."""


def shares(pages: int, sizes: Sequence[int]) -> list[int]:
    """The share of each zone in a min watermark of `pages` pages, rounded down (__setup_per_zone_wmarks)."""
    return [pages * size // sum(sizes) for size in sizes]


def lowmem_reserve(sizes: Sequence[int]) -> list[int]:
    """What each zone keeps from requests that would rather have the highest, lowest zone first, in pages."""
    return [sum(sizes[place + 1 :]) // LOWMEM_RESERVE_RATIO for place in range(len(sizes))]


MOVABLE: Final = 0
UNMOVABLE: Final = 1
"""Kinds of pages in use: the programs', and the kernel's own."""


class Part:
    """One of the zones."""

    __slots__ = ("credit", "name", "used", "zone")

    def __init__(self, name: str, zone: Zone) -> None:
        self.name = name
        self.zone = zone
        self.used = [0, 0]
        """Pages in use, by their kind."""
        self.credit = [0, 0]
        """What it is owed of the pages of a kind that come back."""

    def state(self) -> tuple[int, ...]:
        """All that tells equal states."""
        zone = self.zone
        return (zone.free, zone.aside_free, *self.used, *self.credit, *zone.grouping())


class ZonedZone(Zone):
    """The zones of one machine, as one."""

    __slots__ = ("_floor_of", "_lows", "parts")

    def __init__(self, parts: Sequence[Part], kernel: Kernel, tally: Tally = FIRST) -> None:
        """`parts`: lowest zone first, all their pages free, and what each keeps for lower requests set."""
        self.parts = tuple(reversed(parts))
        """The zones, in the order in which a request tries them."""
        zones = [part.zone for part in self.parts]
        super().__init__(sum(zone.total for zone in zones), sum(zone.min for zone in zones), 0, kernel, tally)
        for zone in zones:
            zone.on_marks(self._raised, self._add_up)

    # -- marks --------------------------------------------------------------------------------------------------------

    def set_marks(self) -> None:
        """Share what raises the marks among the zones, and add theirs up."""
        zones = [part.zone for part in self.parts]
        sizes = [zone.total for zone in zones]
        raised = zip(zones, shares(self.emergency, sizes), shares(self.withheld, sizes), strict=True)
        for zone, emergency, withheld in raised:
            zone.emergency, zone.withheld = emergency, withheld
            zone.set_marks()
        self._add_up()

    def _add_up(self) -> None:
        """Find the sums anew, and what the share of each zone is."""
        zones = [part.zone for part in self.parts]
        self.boost = sum(zone.boost for zone in zones)
        rows = list(zip(*(zone.floors for zone in zones), strict=True))
        self.floors = Floors(*map(sum, rows))
        high = tuple(zone.high_mark for zone in zones)
        withheld = tuple(zone.floors.kernel - zone.withheld for zone in zones)
        self._lows = tuple(zone.floors.low for zone in zones)
        known: list[tuple[int, ...]] = [high, withheld, *reversed(rows)]
        self._floor_of = {sum(row): row for row in known}
        self._floor_of[0] = (0,) * len(zones)
        self.low_mark = sum(self._lows)
        self.high_mark = sum(high)
        self.min_mark = sum(zone.min_mark for zone in zones)

    def _row(self, floor: int) -> tuple[int, ...]:
        """The floor of each zone; what is none of the floors is taken to be one and some pages more in the highest zone."""
        row = self._floor_of.get(floor)
        if row is not None:
            return row
        near = max((known for known in self._floor_of if known < floor), default=0)
        first, *rest = self._floor_of[near]
        return (first + floor - near, *rest)

    def _raised(self) -> None:
        """A zone has raised its marks: kswapd is woken, though enough may be free."""
        self._add_up()
        self.press()

    def totalreserve(self) -> int:
        """What is not to be dirtied: the high marks as they are without a boost, and lowmem_reserve."""
        zones = [part.zone for part in self.parts]
        return sum(min(zone.totalreserve() + zone.lowmem_reserve, zone.total) for zone in zones)

    def sizes(self) -> tuple[int, ...]:
        """Pages of each zone, the highest first."""
        return tuple(part.zone.total for part in self.parts)

    # -- kswapd -------------------------------------------------------------------------------------------------------

    def kswapd_goal(self) -> int:
        """What is free now if kswapd may rest; else as much more as the zones that it waits for need.

        6.x: any one zone above its high mark (pgdat_balanced); before, each (balance_pgdat, all_zones_ok).
        """
        if not self.kernel.kswapd_by_node:
            return self.free + self._missing()
        return self.free + max(0, min(part.zone.high_mark + 1 - part.zone.free for part in self.parts))

    def _missing(self) -> int:
        """What the highest zone that is not above its plain high mark needs, and each below it, with what it keeps.

        It keeps that from a request for the first of these; here as if that were the highest of all (ours).
        """
        missing = 0
        for part in self.parts:
            zone = part.zone
            kept = zone.lowmem_reserve if missing else 0
            missing += max(0, zone.high_mark - zone.lowmem_reserve + kept + 1 - zone.free)
        return missing

    def pass_pages(self) -> int:
        """What a pass of kswapd wants: the high marks of all zones, with their boost (kswapd_shrink_node); 0 before 4.8."""
        if not self.kernel.kswapd_by_node:
            return 0
        cluster = self.kernel.swap_cluster_max
        return sum(max(part.zone.high_mark - part.zone.lowmem_reserve, cluster) for part in self.parts)

    def boosts(self) -> tuple[int, ...]:
        """How far the marks of each zone are raised."""
        return tuple(part.zone.boost for part in self.parts)

    def take_back_boost(self, boosts: tuple[int, ...]) -> None:
        """kswapd has ended its work, and takes back what was raised in each zone when it began."""
        for part, boost in zip(self.parts, boosts, strict=True):
            part.zone.take_back_boost((boost,))
        self._add_up()

    # -- single pages -------------------------------------------------------------------------------------------------

    def has(self, floor: int) -> bool:
        """Whether some zone has a page above this floor."""
        zones = zip(self.parts, self._row(floor), strict=True)
        return self.free > floor or any(part.zone.free > least for part, least in zones)

    def rescued(self, floor: int) -> bool:
        """Whether a page can be had although the sum does not say so; or else after a rescue."""
        return self.has(floor) or self._rescue(floor)

    def could_reach_min(self, pages: int) -> bool:
        """Whether more than min would be free in some zone if `pages` pages were freed, each zone's share of the pages in use."""
        used = max(1, sum(part.used[MOVABLE] for part in self.parts))
        return any(part.zone.could_reach_min(pages * part.used[MOVABLE] // used) for part in self.parts)

    def take(self, floor: int) -> bool:
        """Take a page from the highest zone that has one above its low mark, or else above this floor."""
        row = self._row(floor)
        for part, low, least in zip(self.parts, self._lows, row, strict=True):
            if low < part.zone.free > least:
                return part.zone.take(least) and self._taken(part, MOVABLE)
        self.press()
        for part, least in zip(self.parts, row, strict=True):
            if part.zone.take(least):
                return self._taken(part, MOVABLE)
        return self._rescue(floor) and self.has(floor) and self.take(floor)

    def take_unmovable(self, floor: int) -> bool:
        """As `take`, for a page of the kernel's own."""
        row = self._row(floor)
        for part, low, least in zip(self.parts, self._lows, row, strict=True):
            if low < part.zone.free > least:
                return part.zone.take_unmovable(least) and self._taken(part, UNMOVABLE)
        self.press()
        for part, least in zip(self.parts, row, strict=True):
            if part.zone.take_unmovable(least):
                return self._taken(part, UNMOVABLE)
        return self._rescue(floor) and self.has(floor) and self.take_unmovable(floor)

    def take_many(self, floor: int, wanted: int) -> int:
        """Take up to `wanted` pages, leaving each zone its floor; the number taken."""
        left, row = wanted, self._row(floor)
        for part, low, least in zip(self.parts, self._lows, row, strict=True):
            left -= self._take_some(part, max(low, least), left)
        if left:
            self.press()
            for part, least in zip(self.parts, row, strict=True):
                left -= self._take_some(part, least, left)
        return wanted - left

    def _take_some(self, part: Part, floor: int, wanted: int) -> int:
        taken = part.zone.take_many(floor, wanted) if wanted else 0
        part.used[MOVABLE] += taken
        self._count()
        return taken

    def _taken(self, part: Part, kind: int) -> bool:
        part.used[kind] += 1
        self.free = free = self.free - 1
        if free < self.free_min:
            self.free_min = free
        return True

    def pin(self) -> None:
        """A page that has been taken is one of the kernel's own."""
        part = self._owed(MOVABLE)
        part.used[UNMOVABLE] += 1
        part.zone.pin()

    def give(self, pages: int = 1) -> None:
        """Free pages, each where such pages lie."""
        for _ in range(pages):
            self._owed(MOVABLE).zone.give()
        self._given()

    def give_unmovable(self, pages: int = 1) -> None:
        """Free such pages."""
        for _ in range(pages):
            self._owed(UNMOVABLE).zone.give_unmovable()
        self._given()

    def give_from_below(self) -> None:
        """Free a page that was taken below the watermarks."""
        self._owed(UNMOVABLE).zone.give_from_below()
        self._given()

    def _owed(self, kind: int) -> Part:
        """The zone of the next page of a kind that comes back: over time each has its share of those in use."""
        used = 0
        best = None
        for part in self.parts:
            here = part.used[kind]
            if not here:
                continue
            used += here
            part.credit[kind] += here
            if best is None or part.credit[kind] > best.credit[kind]:
                best = part
        if best is None:
            return self._owed(1 - kind)  # it was taken as one of the other kind
        best.credit[kind] -= used
        best.used[kind] -= 1
        return best

    # -- blocks -------------------------------------------------------------------------------------------------------

    def take_block(self, order: int, floor: int) -> Block | None:
        """Take a block of 2^order pages from the highest zone that has one."""
        for part, least in zip(self.parts, self._row(floor), strict=True):
            block = part.zone.take_block(order, least)
            if block is not None:
                block.zone = part.zone
                part.used[UNMOVABLE] += 1 << order
                self._count()
                return block
        return None

    def give_block(self, block: Block) -> None:
        """Free a block, where it lies."""
        part = next(part for part in self.parts if part.zone is block.zone)
        part.used[UNMOVABLE] -= 1 << block.order
        part.zone.give_block(block)
        self._given()

    def give_back_aside(self, *, last: bool) -> bool:
        """Give a pageblock that is set aside back to all; whether there was one (unreserve_highatomic_pageblock)."""
        found = any(part.zone.give_back_aside(last=last) for part in self.parts)
        self._given()
        return found

    # -- sums ---------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Bring each zone into the state of a machine that has run for long."""
        for part in self.parts:
            part.zone.settle()
        self._count()

    def grouping(self) -> tuple[int, ...]:
        """What tells equal states of all zones."""
        return tuple(number for part in self.parts for number in part.state())

    def _count(self) -> None:
        free = aside = 0
        for part in self.parts:
            free += part.zone.free
            aside += part.zone.aside_free
        self.free, self.aside_free = free, aside
        if free < self.free_min:
            self.free_min = free

    def _given(self) -> None:
        self._count()
        if self.waiters:
            self._wake()
