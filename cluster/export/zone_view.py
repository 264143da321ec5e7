"""The zones of a machine, as its kernel would tell of them in /proc/zoneinfo and in what SysRq m shows."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from netswap.actors.machine.door import Machine
from netswap.actors.memory.buddy import ORDERS, BuddyZone
from netswap.actors.memory.highatomic import HighAtomicZone
from netswap.actors.memory.zone import Zone
from netswap.actors.memory.zones import LOWMEM_RESERVE_RATIO, ZonedZone

ONLY = "Normal"
"""The name of the zone of a machine that has one."""


class ZoneView(NamedTuple):
    """One zone, in pages. Marks are as the kernel shows them: with the boost, without what is kept for lower zones."""

    name: str
    free: int
    """Free pages, those that are set aside for atomic blocks included, as the kernel counts."""
    boost: int
    min: int
    low: int
    high: int
    total: int
    protection: tuple[int, ...]
    """lowmem_reserve[]: for requests that would rather have each of the zones, lowest first."""
    blocks: list[int]
    """Free blocks of each order; where pages are only counted all are single ones."""
    reserved_highatomic: int
    free_highatomic: int


def zones_of(machine: Machine) -> list[ZoneView]:
    """The zones, lowest first."""
    zone = machine.zone
    if not isinstance(zone, ZonedZone):
        return [_view(ONLY, zone, (0, 0))]
    at_boot = [one.at_boot for one in machine.settings.zones]
    parts = zone.parts[::-1]
    return [_view(part.name, part.zone, protection(at_boot, place)) for place, part in enumerate(parts)]


def share_of(count: int, zones: Sequence[ZoneView], place: int) -> int:
    """What a zone has of a count of the machine, by its pages in use: the model knows no more. All zones have the whole."""
    in_use = [one.total - one.free for one in zones]
    before, upto, whole = sum(in_use[:place]), sum(in_use[: place + 1]), max(1, sum(in_use))
    return count * upto // whole - count * before // whole


def protection(sizes: list[int], place: int) -> tuple[int, ...]:
    """What one of several zones keeps from requests for each of them (setup_per_zone_lowmem_reserve)."""
    above = [sum_of // LOWMEM_RESERVE_RATIO for sum_of in accumulate(sizes[place + 1 :])]
    return (0,) * (place + 1) + tuple(above)


def _view(name: str, zone: Zone, kept: tuple[int, ...]) -> ZoneView:
    raised = zone.lowmem_reserve + zone.unusable
    blocks = list(zone.free_blocks()) if isinstance(zone, BuddyZone) else [zone.free + zone.aside_free]
    return ZoneView(
        name=name,
        free=zone.free + zone.aside_free,
        boost=zone.boost,
        min=zone.floors.kernel - raised,
        low=zone.low_mark - raised,
        high=zone.high_mark - raised,
        total=zone.total,
        protection=kept,
        blocks=blocks + [0] * (ORDERS - len(blocks)),
        reserved_highatomic=zone.aside if isinstance(zone, HighAtomicZone) else 0,
        free_highatomic=zone.aside_free,
    )
