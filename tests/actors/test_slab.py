"""Slab caches: a page returns with its last object, and what the slab rule is for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netswap.actors.memory.slab import Slab, SlabCache
from netswap.actors.memory.zone import Zone

PAGE = 4096
TOTAL, MIN = 100, 40
FLOOR = 15
"""The atomic floor at min 40: 40 - 20 = 20, 20 - 5 = 15."""


def at_the_floor(size: int = 2048, *, guarded: bool) -> tuple[Zone, SlabCache]:
    """A zone in which reception gets no page any more, and an empty cache."""
    zone = Zone(TOTAL, MIN)
    assert zone.floors.atomic == FLOOR
    zone.take_many(FLOOR, TOTAL)
    return zone, SlabCache(zone, "kmalloc", size, guarded=guarded)


def had(slab: Slab | None) -> Slab:
    """An object that was allocated."""
    assert slab is not None
    return slab


# -- the slab rule (row 16) ------------------------------------------------------------------------------------------


def test_with_the_slab_rule_objects_of_a_reserve_page_go_only_to_memalloc_requests() -> None:
    """Two objects a page: one critical, the other stays free for the next request with `memalloc`."""
    zone, cache = at_the_floor(guarded=True)
    critical = had(cache.take_memalloc(FLOOR))
    assert cache.take(FLOOR) is None
    assert cache.take_memalloc(FLOOR) is critical
    assert (zone.free, zone.reserve_used) == (FLOOR - 1, 1)


def test_with_the_slab_rule_the_reserve_is_whole_again_after_quiescence() -> None:
    """The critical object is freed: its page returns, free pages are as many as before."""
    zone, cache = at_the_floor(guarded=True)
    for _ in range(10):
        critical = had(cache.take_memalloc(FLOOR))
        assert cache.take(FLOOR) is None
        cache.give(critical)
        assert (zone.free, zone.reserve_used, cache.slabs) == (FLOOR, 0, 0)


def test_without_the_slab_rule_an_ordinary_request_keeps_the_page_of_a_critical_object() -> None:
    """It takes the second half; the critical object is freed, the page is not back: one page less for each round."""
    zone, cache = at_the_floor(guarded=False)
    kept = []
    for rounds in range(1, 6):
        critical = had(cache.take_memalloc(FLOOR))
        kept.append(had(cache.take(FLOOR)))
        assert kept[-1] is critical
        cache.give(critical)
        full = had(cache.take(FLOOR))
        kept.append(full)
        assert (zone.free, zone.reserve_used) == (FLOOR - rounds, rounds)
    for slab in kept:
        cache.give(slab)
    assert (zone.free, zone.reserve_used) == (FLOOR, 0)


def test_a_cache_stays_marked_until_it_gets_an_ordinary_page() -> None:
    """Memory is back: an ordinary request gets a page of its own, not the second half of the reserve's."""
    zone, cache = at_the_floor(guarded=True)
    critical = had(cache.take_memalloc(FLOOR))
    zone.give(2)
    ordinary = had(cache.take(FLOOR))
    assert ordinary is not critical
    assert not ordinary.from_reserve
    assert not cache.reserved
    cache.give(critical)
    assert zone.reserve_used == 0


def test_a_marked_cache_refuses_whenever_a_page_would_be_refused() -> None:
    """Free objects or not: free pages at the floor, no object; above it, one."""
    zone, cache = at_the_floor(256, guarded=True)
    had(cache.take_memalloc(FLOOR))
    for free in range(FLOOR + 1):
        zone.free = free
        assert cache.take(FLOOR) is None
    zone.free = FLOOR + 1
    assert cache.take(FLOOR) is not None


def test_memalloc_requests_take_ordinary_memory_as_long_as_there_is_some() -> None:
    """The reserve is touched only where the floor refuses."""
    zone = Zone(TOTAL, MIN)
    cache = SlabCache(zone, "kmalloc", PAGE, guarded=True)
    for _ in range(TOTAL - FLOOR):
        assert not had(cache.take_memalloc(FLOOR)).from_reserve
    assert zone.reserve_used == 0
    assert had(cache.take_memalloc(FLOOR)).from_reserve
    assert zone.reserve_used == 1


def test_at_no_free_page_at_all_memalloc_requests_fail_too() -> None:
    """15 pages below the floor, and not one more."""
    zone, cache = at_the_floor(PAGE, guarded=True)
    assert sum(cache.take_memalloc(FLOOR) is not None for _ in range(FLOOR + 5)) == FLOOR
    assert zone.free == 0


# -- ordinary slabs --------------------------------------------------------------------------------------------------


def test_a_freed_object_is_handed_out_again_without_asking_the_watermarks() -> None:
    """Recirculation: with free pages far below the floor an object that has been freed can be had, a page cannot."""
    zone = Zone(TOTAL, MIN)
    cache = SlabCache(zone, "kmalloc", 2048, guarded=True)
    one, other = had(cache.take(FLOOR)), had(cache.take(FLOOR))
    assert one is other
    zone.take_many(0, TOTAL)
    assert cache.take(FLOOR) is None
    for _ in range(100):
        cache.give(one)
        assert cache.take(FLOOR) is one
    assert zone.free == 0


@pytest.mark.parametrize("size", [PAGE, 2048, 1365, 512, 320, 256, 1])
def test_a_page_returns_with_its_last_object(size: int) -> None:
    """floor(4096 / size) objects from one page; all but one freed: still taken; the last: back."""
    zone = Zone(TOTAL, MIN)
    cache = SlabCache(zone, "cache", size, guarded=False)
    slabs = [had(cache.take(FLOOR)) for _ in range(PAGE // size)]
    assert (zone.free, cache.slabs, cache.in_use) == (TOTAL - 1, 1, PAGE // size)
    for slab in slabs[1:]:
        cache.give(slab)
    assert zone.free == TOTAL - 1
    cache.give(slabs[0])
    assert (zone.free, cache.slabs, cache.in_use) == (TOTAL, 0, 0)


def test_an_object_larger_than_a_page_is_refused() -> None:
    """And one of no size."""
    for size in (0, -1, PAGE + 1):
        with pytest.raises(ValueError, match="do not fit"):
            SlabCache(Zone(TOTAL, MIN), "cache", size, guarded=False)


@given(
    st.sampled_from((PAGE, 2048, 1000, 320)),
    st.booleans(),
    st.lists(st.tuples(st.sampled_from(("take", "memalloc", "give")), st.integers(0, 1 << 16)), max_size=80),
)
def test_any_sequence_of_allocations_conserves_pages(size: int, guarded: bool, calls: list[tuple[str, int]]) -> None:
    """free + slabs = total; a refusal is right; once all is given back, free = total and the reserve is whole."""
    zone = Zone(12, 8)
    cache = SlabCache(zone, "cache", size, guarded=guarded)
    floor = zone.floors.atomic
    held: list[Slab] = []
    for call, choice in calls:
        if call == "give":
            if held:
                cache.give(held.pop(choice % len(held)))
        else:
            room = len(held) < cache.slabs * cache.per_slab
            slab = cache.take(floor) if call == "take" else cache.take_memalloc(floor)
            if slab is None:
                assert zone.free <= (floor if call == "take" else 0)
                assert not room or (guarded and cache.reserved and call == "take")
            else:
                held.append(slab)
        assert zone.free + cache.slabs == zone.total
        assert len(held) == cache.in_use <= cache.slabs * cache.per_slab
        assert zone.reserve_used == len({id(slab) for slab in held if slab.from_reserve})
    for slab in held:
        cache.give(slab)
    assert (zone.free, zone.reserve_used, cache.slabs, cache.in_use) == (zone.total, 0, 0, 0)


# -- an object for a moment ------------------------------------------------------------------------------------------

STEPS = st.lists(st.sampled_from(["take", "memalloc", "give first", "give last", "moment"]), max_size=60)


def walked(steps: list[str], size: int, *, guarded: bool, lends: bool) -> list[object]:
    """What is to be seen of a zone and a cache after each step; a "moment" takes an object and gives it back."""
    zone = Zone(60, 40)
    cache = SlabCache(zone, "kmalloc", size, guarded=guarded)
    wakes: list[int] = []
    zone.on_pressure(lambda: wakes.append(zone.free))
    zone.waiters = (None,)
    zone.on_free_with_waiters(lambda: wakes.append(-zone.free))
    held: list[Slab] = []
    seen: list[object] = []
    for step in steps:
        if step in ("take", "memalloc"):
            slab = cache.take(FLOOR) if step == "take" else cache.take_memalloc(FLOOR)
            held += [] if slab is None else [slab]
        elif step == "moment" and zone.free > FLOOR:
            if lends:
                cache.lend(FLOOR)
            else:
                cache.give(had(cache.take(FLOOR)))
        elif held and step.startswith("give"):
            cache.give(held.pop(0 if step == "give first" else -1))
        slabs = {id(slab): number for number, slab in enumerate(dict.fromkeys(held))}
        seen.append(
            (zone.free, zone.free_min, zone.reserve_used, cache.slabs, cache.in_use, cache.reserved, list(wakes))
        )
        seen.append([(slabs[id(slab)], slab.free, slab.from_reserve) for slab in held])
    return seen


@given(STEPS, st.sampled_from([4096, 2048, 1024]), st.booleans())
def test_an_object_that_is_lent_for_a_moment_leaves_what_one_does_that_is_taken_and_given_back(
    steps: list[str], size: int, guarded: bool
) -> None:
    """Pages, marks, wakes of kswapd and of waiters, and which objects later requests get."""
    assert walked(steps, size, guarded=guarded, lends=True) == walked(steps, size, guarded=guarded, lends=False)
