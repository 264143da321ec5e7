"""How far a machine can advance: the one computation, held against what it says in words."""

from itertools import pairwise, permutations

from hypothesis import given
from hypothesis import strategies as st

from netswap.actors.events import NEVER
from netswap.cluster.engine.horizons import Ways, answers, look

LIMIT = 1_000
TIMES = st.integers(0, LIMIT + 200)


@st.composite
def clusters(draw: st.DrawFn) -> tuple[Ways, list[int], list[int]]:
    """Up to five machines, some links of some latencies; when each acts, and what it promises."""
    count = draw(st.integers(1, 5))
    latency = st.one_of(st.none(), st.integers(1, 300))
    ways: Ways = [
        [(to, ns) for to in range(count) if to != one and (ns := draw(latency)) is not None] for one in range(count)
    ]
    times = st.lists(TIMES, min_size=count, max_size=count)
    return ways, draw(times), draw(times)


def arrival_ns(ways: Ways, acts: list[int], silent: list[int], chain: tuple[int, ...]) -> int:
    """When something could reach the last machine of a chain that begins at the first; `NEVER` where a link is missing."""
    latencies = [dict(links) for links in ways]
    at_ns = acts[chain[0]]
    for one, other in pairwise(chain):
        if other not in latencies[one]:
            return NEVER
        at_ns = max(at_ns, silent[one]) + latencies[one][other]
    return at_ns


def chains(count: int, to: int) -> list[tuple[int, ...]]:
    """All chains of different machines that end there."""
    others = [one for one in range(count) if one != to]
    return [(*some, to) for size in range(1, count) for some in permutations(others, size)]


@given(clusters())
def test_nothing_unknown_reaches_or_leaves_a_machine_sooner_and_the_first_of_it_is_found(
    cluster: tuple[Ways, list[int], list[int]],
) -> None:
    """Against all chains of causes, one by one."""
    ways, acts, silent = cluster
    found = look(ways, acts, silent, LIMIT)
    for machine in range(len(ways)):
        reaches = [arrival_ns(ways, acts, silent, chain) for chain in chains(len(ways), machine)]
        assert found.reached[machine] == min(LIMIT, *reaches, NEVER)
        assert found.sends[machine] == min(LIMIT, max(silent[machine], min(acts[machine], *reaches, NEVER)))


@given(clusters())
def test_an_answer_takes_the_way_there_and_the_shortest_way_back(cluster: tuple[Ways, list[int], list[int]]) -> None:
    """Where nothing leads back there is none."""
    ways, _, _ = cluster
    idle = [0] * len(ways)
    for machine, row in enumerate(answers(ways)):
        there = dict(ways[machine])
        for other, answer_ns in enumerate(row):
            back = [arrival_ns(ways, idle, idle, chain) for chain in chains(len(ways), machine) if chain[0] == other]
            assert answer_ns == min(NEVER, there.get(other, NEVER) + min([*back, NEVER]))


def test_a_flood_that_is_never_answered_bounds_whom_it_reaches_and_not_who_sends_it() -> None:
    """A swaps to C, 1 ms away, and B floods A."""
    ways: Ways = [[(2, 10)], [(0, 10)], [(0, 10)]]
    assert look(ways, [5, 7, 900], [0, 0, 0], LIMIT).reached == [17, LIMIT, 15]
    assert answers(ways) == [[NEVER, NEVER, 20], [NEVER, NEVER, NEVER], [20, NEVER, NEVER]]


def test_a_machine_is_not_bounded_by_what_it_causes_itself() -> None:
    """That is what `answers` are for; the others are bounded by it."""
    ways: Ways = [[(1, 10)], [(0, 10)]]
    assert look(ways, [0, 500], [0, 0], LIMIT).reached == [510, 10]
