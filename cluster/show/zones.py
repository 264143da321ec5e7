"""The marks of the zones of a machine of several, as they are at the start."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from netswap.actors.machine import Machine
from netswap.actors.memory.zones import ZonedZone
from netswap.actors.settings import MachineSettings


def told(machines: Sequence[MachineSettings]) -> Iterator[str]:
    """A line for each zone of each kind of machine of several, all in pages; without its programs, whose code is not run."""
    known = set()
    for settings in machines:
        kind = replace(settings, name="", index=0, programs=(), swap=None)
        if kind in known:
            continue  # one of many that are alike
        known.add(kind)
        zone = Machine(replace(settings, programs=())).zone if settings.zones else None
        if not isinstance(zone, ZonedZone):
            continue
        for part in zone.parts:
            one = part.zone
            kept = one.lowmem_reserve
            yield (
                f"{settings.name}: {part.name} has {one.total} pages: min {one.min_mark}, low {one.low_mark - kept}, "
                f"high {one.high_mark - kept}, lowmem_reserve {kept}, atomic floor {one.floors.atomic}"
            )
