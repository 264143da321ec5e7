"""What breaks without each part of the reserve: with the part off the failure that the argument names, with it on, none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from netswap.actors.kernels import KERNELS
from netswap.cluster.claims.claim import ERA_2_6_22, Evidence
from netswap.cluster.claims.scenes import as_expected, scene
from netswap.cluster.claims.shown import Ablated


@dataclass(frozen=True, slots=True)
class Ablation:
    """`off` and `on` are expectations of the scenario `scene` without and with the switch, else under `base`."""

    switch: str
    failure: str
    scene: str
    off: tuple[str, ...]
    on: tuple[str, ...] = ("A is recovered",)
    base: str = "reserve"
    era: str = ERA_2_6_22
    stop: str = "45s"


ABLATIONS: Final = (
    Ablation(
        "reserve-access",
        "no answer can be received below the atomic floor: permanent",
        "row-01",
        off=("A is wedged", "A.dropped.ring-empty > 0", "A.dropped.demux == 0"),
    ),
    Ablation(
        "drop-at-demux",
        "the reserve is used up by queued data that is not critical: permanent",
        "row-01",
        off=("A is wedged", "A.dropped.demux == 0"),
    ),
    Ablation(
        "slab-rule",
        "the reserve leaks away page by page, and then A wedges",
        "row-16",
        off=("A is wedged", "A.reserve_used_max > 500"),
        on=("A is recovered", "A.reserve_used_max < 500"),
    ),
    Ablation(
        "memalloc-processing",
        "a route entry cannot be allocated: the answer is lost although its buffer was had",
        "row-01",
        off=("A is wedged", "A.dropped.no-memory > 0"),
        on=("A is recovered", "A.dropped.no-memory == 0"),
    ),
    Ablation(
        "tx-bound",
        "transmission eats the reserve before reception can use it",
        "row-17",
        off=("A.free_pages_min == 0", "A.tx_no_memory > 0"),
        on=("A is recovered", "A.free_pages_min > 100", "A.tx_no_memory == 0"),
    ),
    Ablation(
        "tcp-exemption",
        "the answer is dropped by TCP's global limit although memory is available",
        "row-12",
        off=("A is wedged", "A.dropped.tcp-limit > 0", "A.free_pages_min > 192"),
    ),
    Ablation(
        "reclaim-throttle",
        "many concurrent reclaimers eat what lies below the watermarks",
        "row-51",
        off=("A.free_pages_min == 0", "A.tx_no_memory > 0"),
        on=("A.free_pages_min > 0", "A.tx_no_memory == 0"),
        base="merged",
        stop="2s",
    ),
    Ablation(
        "fragment-cover",
        "incomplete datagrams hold the reserve until their time-out of 30 s, and then the next ones do",
        "row-15",
        off=("A is not recovered", "A.stalled_ns >= 30s"),
    ),
)


def ablate(index: int) -> Ablated:
    """Run a scenario without one switch and with it."""
    one = ABLATIONS[index]
    without = _run(one, [one.base, f"-{one.switch}"], one.off)
    with_it = _run(one, [one.base], one.on)
    holds = without.holds and with_it.holds
    return Ablated(one.switch, one.failure, without.seen, with_it.seen, holds, one.era)


def _run(one: Ablation, safeguards: list[str], expect: Sequence[str]) -> Evidence:
    with scene(one.scene, KERNELS[one.era], safeguards=safeguards, stop=one.stop, expect=list(expect)) as cluster:
        return as_expected(cluster)
