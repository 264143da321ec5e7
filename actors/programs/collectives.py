"""Which ranks send to which in one step of a blocking exchange; ranks are counted from 0 in scenario order.

Source: MPICH's algorithms (Thakur, Rabenseifner and Gropp, 2005): allreduce of short messages by recursive doubling, where
a number of ranks that is no power of two folds its surplus into neighbours first and unfolds it at the end.
"""

from collections.abc import Callable
from typing import Final, NamedTuple


class Round(NamedTuple):
    """The partners that one rank sends to, and awaits, before it goes on."""

    to: tuple[int, ...] = ()
    source: tuple[int, ...] = ()


def _ring(rank: int, ranks: int) -> list[Round]:
    return [Round(((rank + 1) % ranks,), ((rank - 1) % ranks,))]


def _halo(rank: int, ranks: int) -> list[Round]:
    neighbours = tuple(sorted({(rank - 1) % ranks, (rank + 1) % ranks}))
    return [Round(neighbours, neighbours)]


def _allreduce(rank: int, ranks: int) -> list[Round]:
    power = 1 << (ranks.bit_length() - 1)
    surplus = ranks - power
    folded = rank < 2 * surplus
    if folded and rank % 2 == 0:
        return [Round(to=(rank + 1,)), Round(source=(rank + 1,))]
    doubling = [
        Round((other,), (other,)) for other in _doubling(rank // 2 if folded else rank - surplus, power, surplus)
    ]
    return [Round(source=(rank - 1,)), *doubling, Round(to=(rank - 1,))] if folded else doubling


def _doubling(number: int, power: int, surplus: int) -> list[int]:
    """The ranks that number `number` of those left after folding exchanges with, in turn."""
    others = [number ^ 1 << bit for bit in range(power.bit_length() - 1)]
    return [2 * other + 1 if other < surplus else other + surplus for other in others]


EXCHANGES: Final[dict[str, Callable[[int, int], list[Round]]]] = {"ring": _ring, "halo": _halo, "allreduce": _allreduce}
"""By its name in a scenario: the rounds of rank `rank` of `ranks`, at least two."""


def partners(exchange: str, rank: int, ranks: int) -> list[int]:
    """All ranks that a rank exchanges with, in order."""
    return sorted({other for one in EXCHANGES[exchange](rank, ranks) for other in one.to + one.source})
