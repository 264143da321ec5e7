"""The numbers and rules of the OOM killer in which kernels differ."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OomRules:
    """When a kernel gives up reclaiming, which program it kills, and what a kill wakes."""

    fruitless_scans: int
    """kswapd takes a zone for unreclaimable once all its pages have been looked at this often and none has been freed
    (mm/vmscan.c, balance_pgdat); 0 where there is no such mark, and attempts are counted instead."""
    fruitless_attempts: int
    """Attempts of a direct reclaimer in a row after which it gives up (MAX_RECLAIM_RETRIES, mm/internal.h); it gives up
    at once if not even all reclaimable pages together would lift free memory above min (should_reclaim_retry)."""
    by_memory: bool
    """Badness is the memory in use: resident, swapped out, page tables (oom_badness). Before, it was the size of the
    address space, less for programs that have computed or run for long (badness, mm/oom_kill.c)."""
    wakes_killed: bool
    """A task that waits for a page to be read, for the dirty limits or in the reclaim throttle wakes if it is killed
    (mm/filemap.c, __folio_lock_or_retry; TASK_KILLABLE); before, none does."""
    reaper_delay_ns: int | None
    """After this time the memory of a victim that has not died is taken from it, and the next may be killed (oom_reaper,
    OOM_REAPER_DELAY in mm/oom_kill.c); None: no other is killed until the victim has died (TIF_MEMDIE)."""
