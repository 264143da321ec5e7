"""Anonymous pages: states, versions, and the hand that looks for the next to leave."""

from mmap import PAGESIZE
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netswap.actors.memory.anonymous import (
    ACCESSED,
    DIRTY,
    HOT,
    READING,
    RESIDENT,
    SWAPPED,
    UNTOUCHED,
    WRITING,
    AddressSpace,
    ClockHand,
)

COLD = RESIDENT | DIRTY
CLEAN = RESIDENT
STATES = (UNTOUCHED, SWAPPED, READING, WRITING, CLEAN, CLEAN | ACCESSED, COLD, HOT)


def space_of(*states: int, name: str = "rank 0") -> AddressSpace:
    """An address space whose pages are in these states."""
    space = AddressSpace(name, 0, len(states))
    space.states[:] = bytes(states)
    space.resident = sum(state >= RESIDENT for state in states)
    return space


def hand_over(*spaces: AddressSpace) -> ClockHand:
    """The hand, at the beginning of the first."""
    hand = ClockHand()
    hand.spaces = list(spaces)
    return hand


def pages(hand: ClockHand, quota: int) -> list[int]:
    """The pages that may leave; those found have left."""
    found = []
    for space, page in hand.victims(quota):
        space.states[page] = SWAPPED
        space.resident -= 1
        found.append(page)
    return found


# -- touching --------------------------------------------------------------------------------------------------------


def test_a_page_written_is_resident_accessed_and_dirty_with_a_new_version() -> None:
    """Each write gives a version of its own to the pages it covers."""
    space = AddressSpace("rank 0", 0, 8)
    space.fill(0, 4)
    first = space.versions[0]
    assert list(space.states[:]) == [HOT] * 4 + [UNTOUCHED] * 4
    assert space.resident == 4
    space.touch(2, 4, write=True)
    assert list(space.versions[:2]) == [first] * 2
    assert space.versions[2] == space.versions[3] != first


def test_a_page_read_stays_clean_and_keeps_its_version() -> None:
    """It is only marked as accessed; absent pages are left as they are."""
    space = space_of(*STATES)
    before = list(space.versions)
    space.touch(0, len(STATES), write=False)
    assert list(space.states[:]) == [state | ACCESSED if state & RESIDENT else state for state in STATES]
    assert list(space.versions) == before


def test_versions_go_round_at_the_end_of_their_four_bytes_and_never_become_0() -> None:
    """4294967295, then 1."""
    space = AddressSpace("rank 0", 0, 1)
    space.write_clock = (1 << 32) - 2
    space.fill(0, 1)
    assert space.versions[0] == (1 << 32) - 1
    space.touch(0, 1, write=True)
    assert space.versions[0] == 1


def test_a_warm_space_has_its_first_pages_here_and_the_rest_on_the_server() -> None:
    """All carry the version that the server has for them."""
    space = AddressSpace("rank 0", 0, 10)
    space.warm(4, 1)
    assert list(space.states[:]) == [COLD] * 4 + [SWAPPED] * 6
    assert list(space.versions) == [1] * 10
    assert space.resident == 4
    space.touch(0, 1, write=True)
    assert space.versions[0] == 2


@given(st.lists(st.sampled_from(STATES), min_size=1, max_size=40), st.data())
def test_looking_for_absent_and_for_resident_pages_agrees_with_looking_at_each(
    states: list[int], data: st.DataObject
) -> None:
    """The first of [start, end) that is not resident, or end; the first resident from start on, or the end."""
    space = space_of(*states)
    start = data.draw(st.integers(0, len(states)))
    end = data.draw(st.integers(start, len(states)))
    resident = [state in (CLEAN, CLEAN | ACCESSED, COLD, HOT) for state in states]
    absent = [page for page in range(start, end) if not resident[page]]
    present = [page for page in range(start, len(states)) if resident[page]]
    assert space.absent(start, end) == min(absent, default=end)
    assert space.next_resident(start) == min(present, default=len(states))


# -- leaving ---------------------------------------------------------------------------------------------------------


def test_an_accessed_page_gets_a_second_chance() -> None:
    """The hand passes it once and takes its mark; it leaves when the hand comes by again, if not touched meanwhile."""
    space = space_of(HOT, HOT, HOT)
    hand = hand_over(space)
    assert pages(hand, 3) == []
    assert list(space.states[:]) == [COLD] * 3
    space.touch(1, 2, write=False)
    assert pages(hand, 3) == [0, 2]
    assert space.states[1] == COLD
    assert pages(hand, 3) == [1]


def test_victims_come_in_the_order_of_the_pages_and_the_oldest_space_first() -> None:
    """Cold ones, dirty or clean; the hand goes on where it stopped, into the next space, and round."""
    daemon, rank = space_of(COLD, HOT, CLEAN, name="service 0"), space_of(COLD, COLD, HOT, COLD)
    hand = hand_over(daemon, rank)
    assert pages(hand, 2) == [0]
    assert [(space.name, page) for space, page in hand.victims(3)] == [("service 0", 2), ("rank 0", 0), ("rank 0", 1)]
    assert [(space.name, page) for space, page in hand.victims(3)] == [("rank 0", 3), ("service 0", 1)]


@given(st.lists(st.sampled_from(STATES), min_size=1, max_size=60))
def test_two_rounds_find_every_resident_page_once(states: list[int]) -> None:
    """First those that were cold, then those that had a second chance, each in order; never one that is absent."""
    space = space_of(*states)
    found = pages(hand_over(space), 10 * len(states))
    cold = [page for page, state in enumerate(states) if state in (CLEAN, COLD)]
    hot = [page for page, state in enumerate(states) if state in (CLEAN | ACCESSED, HOT)]
    assert found == cold + hot
    assert space.resident == 0


def test_nothing_to_find_ends_after_two_rounds() -> None:
    """No resident page, no space at all."""
    assert pages(hand_over(space_of(SWAPPED, WRITING, READING)), 1000) == []
    assert pages(hand_over(space_of(SWAPPED), space_of(UNTOUCHED)), 1000) == []
    assert pages(hand_over(), 1000) == []


def test_a_page_whose_page_out_is_under_way_does_not_leave_twice() -> None:
    """Touched again, it is resident and dirty, and passed by until the reply has come."""
    space = space_of(WRITING, COLD)
    space.resident = 1
    space.keep_while_writing(0, write=False)
    assert space.states[0] & RESIDENT
    assert space.states[0] & DIRTY
    assert space.resident == 2
    assert pages(hand_over(space), 100) == [1]
    space.rewritten.discard(0)
    assert pages(hand_over(space), 100) == [0]


def test_a_victim_that_cannot_leave_now_is_the_first_next_time() -> None:
    """The hand steps back to it."""
    space = space_of(COLD, COLD, COLD)
    hand = hand_over(space)
    for found, page in hand.victims(3):
        if page == 1:
            hand.step_back(found, page)
            break
    assert [page for _, page in hand.victims(2)] == [1, 2]


def test_the_quota_counts_resident_pages_only() -> None:
    """The hand looks at a list of resident pages: 99 absent ones between two do not use up a quota of 4."""
    states = ([HOT] + [SWAPPED] * 99) * 4
    space = space_of(*states)
    assert pages(hand_over(space), 4) == []
    assert [page for page, state in enumerate(space.states[:]) if state == COLD] == [0, 100, 200, 300]


def test_a_pass_over_all_that_is_resident_finds_a_page_however_sparse_the_space() -> None:
    """2 * resident + 1 looks, as kswapd takes: one round for the marks, another for the first victim."""
    space = space_of(*([HOT] + [SWAPPED] * 99) * 10)
    hand = hand_over(space)
    assert next(hand.victims(2 * hand.resident() + 1), None) == (space, 0)


# -- size ------------------------------------------------------------------------------------------------------------


STATM = Path("/proc/self/statm")
counts_memory = pytest.mark.skipif(not STATM.exists(), reason="the host does not say how much memory this process has")


def resident_bytes() -> int:
    """What this process has of the host's memory."""
    return int(STATM.read_text().split()[1]) * PAGESIZE


@counts_memory
def test_a_simulated_page_takes_at_most_16_bytes() -> None:
    """One byte of state and four of version, and nothing else that grows; also once it has been used."""
    count = 4_000_000
    before = resident_bytes()
    space = AddressSpace("rank 0", 0, count)
    for use in (lambda: None, lambda: space.fill(0, count), lambda: space.warm(count // 2, 1)):
        use()
        assert resident_bytes() - before <= 16 * count


@counts_memory
def test_a_cold_working_set_of_64_gib_costs_nothing_until_it_is_touched() -> None:
    """16,777,216 pages would be 80 MiB of tables; two pages far apart take a few pages of the host."""
    pages = (64 << 30) // 4096
    before = resident_bytes()
    space = AddressSpace("rank 0", 0, pages)
    space.fill(0, 1)
    space.fill(pages - 1, pages)
    assert resident_bytes() - before < 1 << 20
    assert (space.absent(0, 2), space.untouched(1, 64), space.residents(pages - 64, pages)) == (1, 64, 1)
