"""The counts of a machine so far: read off its parts when a crash takes them, and given to the parts of the next boot."""

from netswap.actors.counters import FIRST, Tally
from netswap.actors.machine.parts import Parts


def tallied(before: Parts | None) -> Tally:
    """The counts that the next boot goes on from; `before`: the parts of the last boot, None at the first."""
    if before is None:
        return FIRST
    zone = before.zone
    return Tally(
        boots=before.boots + 1,
        free_min=zone.free_min,
        reserve_used_max=zone.reserve_used_max,
        no_block=zone.no_block,
        noncritical_max=before.frames.stack.noncritical_max,
        kswapd_wakes=before.reclaim.kswapd.wakes,
        writeout_naps=before.reclaim.scan.writeout_naps,
        under_way_max=before.writeback.under_way_max,
        emergency_bytes_max=before.emergency_data.usage_max if before.emergency_data is not None else 0,
        frames=before.frames.output.sent,
        calls=before.frames.tcp.calls,
    )
