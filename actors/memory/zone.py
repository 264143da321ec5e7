"""One zone of pages: how many are free, and how far down each kind of request may go.

Source: mm/page_alloc.c of 2.6.22 and 6.11; the emergency pool from Zijlstra's series (it is added to every floor but zero).
Only the page allocator knows watermarks: a freed object in a slab is handed out again without asking here.
"""

from collections.abc import Callable, Sized
from typing import NamedTuple

from netswap.actors.counters import FIRST, Tally
from netswap.actors.events import NEVER
from netswap.actors.kernels.kernel import Kernel
from netswap.actors.kernels.linux_2_6_22 import LINUX_2_6_22

Wake = Callable[[], None]
Rescue = Callable[[int], bool]
Calm = Callable[[], int]


class Floors(NamedTuple):
    """An order-0 request succeeds iff free pages are above its floor (strictly)."""

    low: int
    """The first attempt of every request; where it fails, kswapd is woken."""
    kernel: int
    """GFP_KERNEL and user pages, second attempt: min."""
    nowait: int
    """A request that cannot wait and is not urgent: three quarters of min."""
    realtime: int
    """A real-time task that may wait."""
    high: int
    """An urgent request that may wait (__GFP_HIGH): half of min."""
    atomic: int
    """GFP_ATOMIC, all packet reception: three eighths of min."""
    memalloc_softirq: int
    """PF_MEMALLOC while a softirq is served."""
    oom_victim: int
    """A program that the OOM killer has chosen (TIF_MEMDIE), in process context."""
    memalloc: int
    """PF_MEMALLOC in process context, and requests that may use the reserve (__GFP_MEMALLOC): 0."""


def floors(kernel: Kernel, min_pages: int, zone_pages: int, emergency: int = 0) -> Floors:
    """The floors of a zone with this min watermark and emergency pool, in pages, by the kernel's integer arithmetic."""
    half = min_pages - min_pages // 2
    nowait = min_pages - min_pages // 4
    atomic = half - half // 4 + emergency
    return Floors(
        low=kernel.marks(min_pages, zone_pages)[0] + emergency,
        kernel=min_pages + emergency,
        nowait=nowait + emergency,
        realtime=(half if kernel.realtime_half else nowait) + emergency,
        high=half + emergency,
        atomic=atomic,
        memalloc_softirq=0 if kernel.memalloc_in_softirq else atomic,
        oom_victim=half + emergency if kernel.oom_victim_half else 0,
        memalloc=0,
    )


def atomic_share(pages: int) -> int:
    """Pages that an atomic request leaves of a min mark of `pages` pages: three eighths."""
    half = pages - pages // 2
    return half - half // 4


def boosted(plain: Floors, kernel: Kernel, boost: int) -> Floors:
    """The floors with each share of min taken of the boosted one, but for atomic requests, which ignore the boost."""
    realtime = boost // 2 if kernel.realtime_half else boost // 4
    victim = boost - boost // 2 if kernel.oom_victim_half else 0
    return plain._replace(realtime=plain.realtime + boost - realtime, oom_victim=plain.oom_victim + victim)


class Block:
    """2^order pages that belong together."""

    __slots__ = ("aside", "order", "zone")

    def __init__(self, order: int, *, aside: bool = False) -> None:
        self.order = order
        self.aside = aside
        """Whether it is set aside for requests of its kind."""
        self.zone: Zone | None = None
        """The zone that it lies in, on a machine of several."""


class Zone:
    """Free pages of one machine. All counts in pages."""

    __slots__ = (
        "_calm",
        "_rescue",
        "_wake",
        "aside_free",
        "boost",
        "emergency",
        "floors",
        "free",
        "free_min",
        "high_mark",
        "kernel",
        "low_mark",
        "lowmem_reserve",
        "min",
        "min_mark",
        "no_block",
        "press",
        "reserve_used",
        "reserve_used_max",
        "total",
        "unusable",
        "waiters",
        "withheld",
    )

    def __init__(
        self, total: int, min_pages: int, emergency: int = 0, kernel: Kernel = LINUX_2_6_22, tally: Tally = FIRST
    ) -> None:
        """`tally`: the counts of earlier boots, which this zone continues."""
        if not 0 <= min_pages + emergency < total:
            raise ValueError(f"min {min_pages} and reserve {emergency} do not fit into {total} pages")
        self.total = total
        self.kernel = kernel
        self.free = total
        self.free_min = total if tally.free_min is None else min(total, tally.free_min)
        self.min = min_pages
        self.withheld = 0
        """Pages kept from all requests that stop at a watermark, beside the emergency pool (clean-minimum)."""
        self.lowmem_reserve = 0
        """Pages kept from requests for higher zones, of which there are none unless the machine has several."""
        self.unusable = 0
        """Pages in use that requests without a right below min take for free ones that are set aside (see `highatomic`)."""
        self.boost = 0
        """How far low, min and high are raised, for all but atomic requests (watermark_boost)."""
        self._set_reserve(emergency)
        self.aside_free = 0
        """Free pages beside `free` that are set aside for atomic requests of more than one page."""
        self.no_block = tally.no_block
        """Requests for several pages in a row that failed although enough pages were free."""
        self.reserve_used = 0
        self.reserve_used_max = tally.reserve_used_max
        self.waiters: Sized = ()
        """The tasks that wait for a page: unless there are none, `on_free_with_waiters` is called when a page is freed."""
        self._wake: Wake = _no_wake
        self.press: Wake = _no_wake
        """Wakes kswapd. To be called for a request that fails its first attempt, at the low mark, without asking the zone."""
        self._calm: Calm = _always
        self._rescue: Rescue = _no_rescue

    def resize_reserve(self, pages: int) -> bool:
        """Make the emergency pool `pages` large; False, and the old size, if there is no memory for a larger one now."""
        before = self.emergency
        self._set_reserve(pages)
        if pages <= before:
            return True
        self.press()
        if self.free > self.floors.kernel:
            return True
        self._set_reserve(before)
        return False

    def _set_reserve(self, pages: int) -> None:
        self.emergency = pages
        self.set_marks()

    def set_marks(self) -> None:
        """Set the floors and the marks by all that raises them."""
        kernel, pages, raised = self.kernel, self.emergency, self.withheld + self.boost
        self.floors = floors(kernel, self.min, self.total, pages)
        if self.boost:
            self.floors = boosted(self.floors, kernel, self.boost)
        self.high_mark = kernel.marks(self.min, self.total)[1] + pages + raised
        """kswapd works until free pages are above this."""
        if raised:
            self.floors = self.floors._replace(low=self.floors.low + raised, kernel=self.floors.kernel + raised)
        self.low_mark = self.floors.low
        """kswapd is woken when free pages are not above this."""
        self.min_mark = self.floors.kernel
        """min with all that raises it: half of it is where direct reclaimers are throttled."""
        if self.unusable:
            low, kernel_floor = self.floors.low + self.unusable, self.floors.kernel + self.unusable
            self.floors = self.floors._replace(low=low, kernel=kernel_floor)
            self.low_mark = low
            self.high_mark += self.unusable
        if self.lowmem_reserve:
            self._keep()

    def _keep(self) -> None:
        """Add lowmem_reserve to what every request leaves, but for those without watermarks."""
        kernel, kept = self.kernel, self.lowmem_reserve
        plain = self.floors
        self.floors = Floors(*(floor + kept for floor in plain))._replace(memalloc=0)
        if kernel.memalloc_in_softirq:
            self.floors = self.floors._replace(memalloc_softirq=0)
        if not kernel.oom_victim_half:
            self.floors = self.floors._replace(oom_victim=0)
        self.high_mark += kept
        self.low_mark = self.floors.low

    def withhold(self, pages: int) -> None:
        """Raise low, min (for requests that may wait) and high by `pages`."""
        if pages != self.withheld:
            self.withheld = pages
            self._set_reserve(self.emergency)

    def on_pressure(self, pressed: Wake, calm: Calm | None = None) -> None:
        """Call `pressed` whenever a request fails its first attempt, at the low mark: it wakes kswapd.

        `calm` says until when (ns) that does the same each time as long as nothing else happens.
        """
        self.press = pressed
        self._calm = _always if calm is None else calm

    def calm_until_ns(self) -> int:
        """Until when pressure does the same each time, as long as nothing else happens; it may be over."""
        return self._calm()

    def on_free_with_waiters(self, wake: Wake) -> None:
        """Call `wake` when a page is freed while a task waits for one."""
        self._wake = wake

    def on_shortage(self, rescue: Rescue) -> None:
        """Ask `rescue` before a request for a page fails at this floor: True if it has made enough pages free."""
        self._rescue = rescue

    @property
    def has_rescue(self) -> bool:
        """Whether a rescue is asked before a request fails."""
        return self._rescue is not _no_rescue

    def rescued(self, floor: int) -> bool:
        """Whether more than the floor is free after all, for a request that would fail without coming here."""
        return self._rescue(floor)

    def on_marks(self, raised: Wake, moved: Wake) -> None:
        """Call `raised` instead of waking kswapd when the marks are boosted, and `moved` when they move otherwise.

        Without groups by mobility they never do.
        """

    def has(self, floor: int) -> bool:
        """Whether there is a page above this floor."""
        return self.free > floor

    def could_reach_min(self, pages: int) -> bool:
        """Whether more than min would be free if `pages` pages of programs and files were free too (should_reclaim_retry)."""
        return self.free + pages > self.floors.kernel

    def totalreserve(self) -> int:
        """Pages that are kept free and not to be dirtied: the high mark as it is without a boost (totalreserve_pages)."""
        return self.kernel.marks(self.min, self.total)[1]

    def sizes(self) -> tuple[int, ...]:
        """Pages of each zone: there is one."""
        return (self.total,)

    def kswapd_goal(self) -> int:
        """The number of free pages at which kswapd rests."""
        return self.high_mark + 1

    def pass_pages(self) -> int:
        """What a pass of kswapd wants, if it looks at the marks only at its end; 0: after each page."""
        return 0

    def boosts(self) -> tuple[int, ...]:
        """How far the marks of each zone are raised."""
        return (self.boost,)

    def settle(self) -> None:
        """Bring the free pages into the state of a machine that has run for long. Where they are only counted, it is theirs."""

    def take(self, floor: int) -> bool:
        """Take a page if more than `floor` pages are free."""
        free = self.free
        if free <= self.low_mark:
            self.press()
        if free <= floor:
            if not self._rescue(floor):
                return False
            free = self.free
        self.free = free = free - 1
        if free < self.free_min:
            self.free_min = free
        return True

    def take_unmovable(self, floor: int) -> bool:
        """As `take`, for a page of the kernel's own. Without groups by mobility that makes no difference."""
        return self.take(floor)

    def take_many_unmovable(self, floor: int, wanted: int) -> int:
        """As `take_many`, for such pages."""
        return self.take_many(floor, wanted)

    def pin(self) -> None:
        """A page that has been taken is one of the kernel's own."""

    def give_unmovable(self, pages: int = 1) -> None:
        """Free such pages."""
        self.give(pages)

    def give_back_aside(self, *, last: bool) -> bool:
        """Give a pageblock that is set aside back to all, the last one only if `last`; whether there was one."""
        return False

    def take_back_boost(self, boosts: tuple[int, ...]) -> None:
        """kswapd has ended its work; `boosts`: how far the marks were raised when it began."""

    def grouping(self) -> tuple[int, ...]:
        """Where unmovable pages lie, as numbers that tell equal states."""
        return ()

    def take_many(self, floor: int, wanted: int) -> int:
        """Take up to `wanted` pages, leaving `floor` free; the number taken."""
        free = self.free
        if wanted and free - wanted < self.low_mark:
            self.press()
        taken = wanted if wanted < free - floor else free - floor
        if taken <= 0:
            return 0
        self.free = free = free - taken
        if free < self.free_min:
            self.free_min = free
        return taken

    def take_block(self, order: int, floor: int) -> Block | None:
        """Take a block of 2^order pages if after it, but for one page, more than `floor` would be free."""
        pages = 1 << order
        if not self.take_many_unmovable(floor + pages - 1, 1) or not self.take_many_unmovable(0, pages - 1):
            return None
        return Block(order)

    def give_block(self, block: Block) -> None:
        """Free a block."""
        self.give_unmovable(1 << block.order)

    def take_ignoring_watermarks(self) -> bool:
        """Take one of the last pages, for a request with `memalloc` whose ordinary floor refused it."""
        if not self.take_unmovable(0):
            return False
        self._use_reserve(1)
        return True

    def take_block_ignoring_watermarks(self, order: int) -> Block | None:
        """Take a block of 2^order pages for such a request."""
        block = self.take_block(order, 0)
        if block is not None:
            self._use_reserve(1 << order)
        return block

    def _use_reserve(self, pages: int) -> None:
        self.reserve_used += pages
        self.reserve_used_max = max(self.reserve_used_max, self.reserve_used)

    def give(self, pages: int = 1) -> None:
        """Free pages."""
        self.free += pages
        if self.waiters:
            self._wake()

    def give_back_reserve(self) -> None:
        """Free a page taken by `take_ignoring_watermarks`."""
        self.reserve_used -= 1
        self.give_from_below()

    def give_from_below(self) -> None:
        """Free a page of the kernel's own that was taken below the watermarks. Without pages set aside it is one like others."""
        self.give_unmovable()

    def give_back_reserve_block(self, block: Block) -> None:
        """Free a block taken by `take_block_ignoring_watermarks`."""
        self.reserve_used -= 1 << block.order
        self.give_block(block)


def _always() -> int:
    """Pressure does the same for ever: no part says until when."""
    return NEVER


def _no_wake() -> None:
    """Do nothing: no part has asked to be woken."""


def _no_rescue(floor: int) -> bool:
    """No page can be made free."""
    return False
