"""Which protective rules a machine obeys: one record, which its parts are built with.

A scenario names switches; `safeguards` says what each of them does, and where that is known from.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Policy:
    """Each switch of `safeguards.SWITCHES`, on or off; a misspelt one is an error here, not a rule that is silently off."""

    reserve_access: bool = False
    memalloc_processing: bool = False
    drop_at_demux: bool = False
    slab_rule: bool = False
    fragment_cover: bool = False
    tx_bound: bool = False
    tcp_exemption: bool = False
    reclaim_throttle: bool = False
    recursive_reclaim: bool = False
    atomic_reclaim: bool = False
    clean_minimum: bool = False
    clean_minimum_10: bool = False
    min_free_20: bool = False
    bio_throttle: bool = False
    exempt_daemons: bool = False
    laundry: bool = False
    rx_head: bool = False
    rx_refill: bool = False

    @classmethod
    def of(cls, switches: Iterable[str]) -> "Policy":
        """The policy in which these are on. Raises TypeError for a name that is no switch."""
        return cls(**{name.replace("-", "_"): True for name in switches})
