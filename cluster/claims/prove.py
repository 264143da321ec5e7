"""Prove the claims: each in a process of its own choosing, printed in the order of the rows."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Final

from netswap.actors.kernels import KERNELS
from netswap.cluster.claims.ablation import ABLATIONS, ablate
from netswap.cluster.claims.claim import CLAIMS, Claim
from netswap.cluster.claims.shown import Ablated, Shown
from netswap.cluster.study.failure import Failure, Kind, needed
from netswap.cluster.study.pool import Watch, nobody, side_by_side

MODULES: Final = (
    "seed",
    "allocator",
    "network",
    "in_flight",
    "streams",
    "storage",
    "nbd",
    "servers",
    "user_space",
    "own_storage",
    "corrections",
    "linux_6_11",
    "oom",
)
for _module in MODULES:
    import_module(f"netswap.cluster.claims.{_module}")


class UnknownRow(ValueError):  # noqa: N818  (it is what a reader looks for)
    """There is no such claim; `args` are what is wrong and what would be right."""


def choose(rows: Sequence[int] = (), era: str | None = None) -> list[Claim]:
    """The claims of these rows (all, if none is named) and this era (each, if None), in order.

    Raises `UnknownRow`.
    """
    known = {row for row, _ in CLAIMS}
    for row in rows:
        if row not in known:
            raise UnknownRow(f"there is no claim {row}", f"known are {', '.join(map(str, sorted(known)))}")
    chosen = [claim for claim in CLAIMS.values() if (not rows or claim.row in rows) and era in (None, claim.era)]
    return sorted(chosen, key=lambda claim: (claim.row, claim.era))


def show(key: tuple[int, str]) -> Shown:
    """Put one claim, by row and era, to the test."""
    claim = CLAIMS[key]
    try:
        evidence = claim.show(KERNELS[claim.era])
    except Exception as error:  # whatever went wrong, this claim has not been shown, and the others go on
        return _not_shown(claim, f"{type(error).__name__}: {error}", Kind.INTERNAL)
    return Shown(claim.row, claim.text, evidence.predicted, evidence.seen, evidence.holds, claim.source, claim.era)


def prove(claims: Sequence[Claim], watch: Watch = nobody) -> Iterator[Shown]:
    """Put claims to the test, several at a time, and give them back in order."""
    outcomes = side_by_side(show, [(claim.row, claim.era) for claim in claims], watch)
    for claim, shown in zip(claims, outcomes, strict=True):
        yield _not_shown(claim, shown.reason, shown.kind) if isinstance(shown, Failure) else shown


def _not_shown(claim: Claim, why: str, kind: Kind) -> Shown:
    return Shown(claim.row, claim.text, {}, {"could not be shown": why}, False, claim.source, claim.era, kind)


def ablations(watch: Watch = nobody) -> Iterator[Ablated]:
    """Take each part of the reserve away, several at a time, in order. Raises `RunFailedError`."""
    yield from map(needed, side_by_side(ablate, range(len(ABLATIONS)), watch))
