"""The fragment cache: full by truesize, emptied from its oldest end, and never for longer than 30 s."""

from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import KERNEL, MTU

from netswap.actors.events import Events
from netswap.actors.kernels import LINUX_6_11
from netswap.actors.net.reassembly import Reassembly, RefusingReassembly
from netswap.protocol.units import seconds

HIGH, LOW, TIMEOUT_NS = 256 * 1024, 192 * 1024, seconds(30)
TRUESIZE = 1832
NFS_32_KIB = 32 * 1024 + 128
"""Payload of a 32 KiB read or write: 23 fragments."""


class Cache:
    """A cache, and what it has thrown away."""

    def __init__(self) -> None:
        self.events = Events()
        self.dropped: list[tuple[str, int]] = []
        self.reassembly = Reassembly(self.events, KERNEL, MTU, self._drop)
        self._number = 0

    def _drop(self, buffers: Iterable[Any], cause: str) -> None:
        self.dropped += [(cause, buffer[0]) for buffer in buffers]

    def add(self, ident: int, offset: int = 0, payload: int = NFS_32_KIB, truesize: int = TRUESIZE) -> Any:
        """A fragment; what is complete with it."""
        self._number += 1
        buffer: Any = (self._number, None, truesize, 0)
        return self.reassembly.add((1, ident), offset, payload, buffer)

    def run_until(self, time_ns: int) -> None:
        """Let what is due before that time happen."""
        while self.events.next_ns() < time_ns:
            self.events.step()
        self.events.now = time_ns

    def idents(self) -> list[int]:
        """The incomplete datagrams, least recently used first."""
        return [ident for _, ident in self.reassembly.incomplete]


# -- full (row 40) ---------------------------------------------------------------------------------------------------


def test_the_cache_is_filled_by_6_2_datagrams_of_23_fragments() -> None:
    """262144 / (23 * 1832 = 42136) = 6.22: six, and 6 fragments of the seventh; nothing has been evicted by then."""
    assert (KERNEL.fragment_high, KERNEL.fragment_low) == (HIGH, LOW)
    assert HIGH * 10 // (23 * TRUESIZE) == 62
    cache = Cache()
    fragments = 0
    while cache.reassembly.truesize <= HIGH:
        cache.add(fragments // 23, fragments % 23, payload=23 * 1480 + 1)
        fragments += 1
    assert fragments == -(-(HIGH + 1) // TRUESIZE) == 6 * 23 + 6
    assert cache.dropped == []


def test_above_256_kib_the_least_recently_used_go_until_it_is_below_192_kib() -> None:
    """144 lone fragments are above high; at the next, as many of the oldest go as leave less than low: 107 stay."""
    held = HIGH // TRUESIZE + 1
    stay = -(-LOW // TRUESIZE) - 1
    assert (held, stay) == (144, 107)
    cache = Cache()
    for ident in range(held):
        cache.add(ident)
    assert cache.dropped == []
    cache.add(held)
    assert cache.dropped == [("reassembly-evicted", number + 1) for number in range(held - stay)]
    assert cache.idents() == [*range(held - stay, held), held]
    assert cache.reassembly.truesize == (stay + 1) * TRUESIZE < LOW + TRUESIZE


def test_at_exactly_the_high_limit_nothing_is_evicted() -> None:
    """The cache has to be above it."""
    cache = Cache()
    for ident in range(64):
        cache.add(ident, truesize=4096)
    assert cache.reassembly.truesize == HIGH
    cache.add(64, truesize=4096)
    assert cache.dropped == []
    cache.add(65, truesize=4096)
    assert cache.dropped


def test_a_datagram_that_gets_a_fragment_is_the_most_recently_used() -> None:
    """The first of 144 gets its second fragment: the second is the oldest then."""
    cache = Cache()
    for ident in range(143):
        cache.add(ident)
    cache.add(0, 1)
    cache.add(143)
    assert 0 in cache.idents()
    assert 1 not in cache.idents()


@given(st.integers(0, 1 << 32), st.integers(1, 300))
def test_the_cache_is_never_above_its_limit_by_more_than_a_fragment(seed: int, datagrams: int) -> None:
    """Tested before a fragment is added: at most 262144 + 1832, whatever comes."""
    cache = Cache()
    draw = Random(seed).randrange
    for _ in range(400):
        cache.add(draw(datagrams), draw(23))
        assert cache.reassembly.truesize <= HIGH + TRUESIZE
    assert cache.reassembly.truesize_max <= HIGH + TRUESIZE


# -- complete --------------------------------------------------------------------------------------------------------


@given(st.permutations(range(23)))
def test_a_datagram_is_complete_with_its_last_fragment_in_any_order(order: list[int]) -> None:
    """22 times nothing, then all 23 buffers at once; the cache is empty then."""
    cache = Cache()
    *first, last = order
    assert all(cache.add(7, offset) is None for offset in first)
    done = cache.add(7, last)
    assert [buffer[0] for buffer in done] == list(range(1, 24))
    assert (cache.reassembly.truesize, cache.reassembly.frames, cache.idents()) == (0, 0, [])
    assert cache.dropped == []


def test_a_fragment_that_comes_twice_is_dropped() -> None:
    """And does not count as one of those that are missing."""
    cache = Cache()
    for _ in range(5):
        assert cache.add(7, 3) is None
    assert cache.dropped == [("reassembly-evicted", number) for number in (2, 3, 4, 5)]
    assert (cache.reassembly.truesize, cache.reassembly.frames) == (TRUESIZE, 1)
    assert all(cache.add(7, offset) is None for offset in range(23) if offset not in (3, 22))
    assert cache.add(7, 22) is not None


def test_datagrams_of_two_machines_with_one_ident_are_two() -> None:
    """The key is source and ident."""
    cache = Cache()
    buffer: Any = (1, None, TRUESIZE, 0)
    for source in (1, 2):
        assert cache.reassembly.add((source, 5), 0, 2 * 1480 - 8, buffer) is None
    for source in (1, 2):
        assert cache.reassembly.add((source, 5), 1, 2 * 1480 - 8, buffer) is not None


# -- too late --------------------------------------------------------------------------------------------------------


def test_an_incomplete_datagram_is_thrown_away_30_s_after_its_first_fragment() -> None:
    """However late the others came: at 30 s exactly, not a nanosecond before."""
    cache = Cache()
    for second in range(22):
        cache.run_until(seconds(second))
        cache.add(7, second)
    cache.run_until(TIMEOUT_NS)
    assert (cache.dropped, cache.reassembly.oldest_ns()) == ([], 0)
    cache.run_until(TIMEOUT_NS + 1)
    assert cache.dropped == [("reassembly-timeout", number) for number in range(1, 23)]
    assert (cache.reassembly.truesize, cache.idents(), cache.reassembly.oldest_ns()) == (0, [], None)


def test_each_datagram_has_its_own_30_s() -> None:
    """Begun at 0, 10 and 20 s; the second completes; the others go at 30 and 50 s."""
    cache = Cache()
    for ident in range(3):
        cache.run_until(seconds(10 * ident))
        cache.add(ident, payload=2 * 1480 - 8)
    assert cache.add(1, 1, payload=2 * 1480 - 8) is not None
    for before, gone in ((seconds(30), 0), (seconds(30) + 1, 1), (seconds(50), 1), (seconds(50) + 1, 2)):
        cache.run_until(before)
        assert len(cache.dropped) == gone


def test_an_ident_used_again_has_a_time_of_its_own() -> None:
    """Complete at 1 s, begun again at 20 s: thrown away at 50 s, not at 30 s."""
    cache = Cache()
    cache.add(7, 0, payload=2 * 1480 - 8)
    cache.run_until(seconds(1))
    cache.add(7, 1, payload=2 * 1480 - 8)
    cache.run_until(seconds(20))
    cache.add(7, 0, payload=2 * 1480 - 8)
    cache.run_until(seconds(50))
    assert cache.dropped == []
    cache.run_until(seconds(50) + 1)
    assert cache.dropped == [("reassembly-timeout", 3)]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 40), st.integers(0, 2), st.integers(0, seconds(8)), st.sampled_from((488, 1832, 9000))
        ),
        max_size=120,
    )
)
def test_every_fragment_completes_is_dropped_or_waits_and_only_once(steps: list[tuple[int, int, int, int]]) -> None:
    """And the cache's own sums are right at every step."""
    cache = Cache()
    complete: list[int] = []
    for ident, offset, pause_ns, truesize in steps:
        cache.run_until(cache.events.now + pause_ns)
        done = cache.add(ident, offset, payload=4224, truesize=truesize)
        complete += [buffer[0] for buffer in done or ()]
        entries = cache.reassembly.incomplete.values()
        assert cache.reassembly.truesize == sum(buffer[2] for entry in entries for buffer in entry.buffers)
        assert cache.reassembly.frames == sum(len(entry.buffers) for entry in entries)
        assert all(cache.events.now - entry.born_ns <= TIMEOUT_NS for entry in entries)
    waiting = [buffer[0] for entry in cache.reassembly.incomplete.values() for buffer in entry.buffers]
    assert sorted(complete + [number for _, number in cache.dropped] + waiting) == list(range(1, len(steps) + 1))
    cache.run_until(cache.events.now + TIMEOUT_NS + 1)
    assert cache.idents() == []


# -- 6.11 ------------------------------------------------------------------------------------------------------------


class Linux611Cache(Cache):
    """The fragment cache of 6.11."""

    def __init__(self) -> None:
        super().__init__()
        self.reassembly = RefusingReassembly(self.events, LINUX_6_11, MTU, self._drop)


def test_in_6_11_every_fragment_above_the_high_limit_is_refused_until_time_outs_make_room() -> None:
    """4 MiB / 2304 = 1820.4: the 1821st is the last that is accepted, the cache exceeds its limit by it (row 40).

    New datagrams and fragments of known ones are refused alike, nothing is evicted; 30 s after the first there is room.
    """
    truesize = LINUX_6_11.rx_truesize
    fits = (4 << 20) // truesize + 1
    cache = Linux611Cache()
    for ident in range(fits):
        cache.add(ident, truesize=truesize)
    assert cache.dropped == []
    assert (4 << 20) < cache.reassembly.truesize <= (4 << 20) + truesize
    assert cache.add(fits, truesize=truesize) is None
    assert cache.add(0, offset=1, truesize=truesize) is None
    assert [cause for cause, _ in cache.dropped] == ["reassembly-evicted"] * 2
    assert cache.idents() == list(range(fits))
    cache.run_until(TIMEOUT_NS + 1)
    assert cache.reassembly.frames == 0
    cache.add(fits, truesize=truesize)
    assert cache.idents() == [fits]


@pytest.mark.parametrize(("cache", "first"), [(Linux611Cache, 2), (Cache, 1)])
def test_in_6_11_a_datagram_begins_with_its_head_whenever_that_came(cache: type[Cache], first: int) -> None:
    """The second fragment came first, the head as the second: the others are put into the head, whose mark decides.

    The twin of 2007 keeps them in the order in which they came.
    """
    one = cache()
    assert one.add(1, offset=1, payload=2 * 1480 + 1) is None
    assert one.add(1, offset=0, payload=2 * 1480 + 1) is None
    whole = one.add(1, offset=2, payload=2 * 1480 + 1)
    assert [buffer[0] for buffer in whole] == [first, 3 - first, 3]
