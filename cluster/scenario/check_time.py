"""Whether time passes: a rank that neither computes nor ever waits would run for ever at one instant."""

from netswap.actors.machine import Machine
from netswap.actors.programs.rank import Rank
from netswap.actors.settings import SettingsError


def stands_still(machine: Machine) -> SettingsError | None:
    """The first rank for which no time can pass: all that is to be in the machine's memory has room there."""
    missing = sum(one.space.pages - one.space.resident for one in machine.programs)
    if missing > machine.zone.free - machine.zone.high_mark + machine.reclaim.scan.cache.clean():
        return None  # whoever runs comes to wait for a page, again and again
    for one in machine.programs:
        if isinstance(one.program, Rank) and _never_waits(one.program):
            wrong = f"{one.space.name} fits into memory and computes for 0ns: no time would pass"
            return SettingsError(wrong, "write compute: 1ms, or another time above 0ns", one.place)
    return None


def _never_waits(rank: Rank) -> bool:
    return not rank.compute and rank.exchange == "none" and rank.steps is None
