"""What a machine counts."""

from dataclasses import dataclass, field
from typing import Final

CAUSES: Final = {
    "link-loss": "lost at random on a link",
    "link-queue": "the queue of a link or of a switch port was full",
    "partition": "would have arrived while the two machines were apart",
    "no-memory": "no buffer, or nothing else that processing it takes, could be allocated",
    "ring-empty": "the card had no buffer left to receive into",
    "backlog": "the input queue before demultiplexing was full",
    "reassembly-evicted": "a fragment thrown away because the reassembly cache was full, or because it came twice",
    "reassembly-timeout": "a fragment whose datagram was not complete in time",
    "demux": "in an emergency buffer, and for a socket that does not serve the VM",
    "no-socket": "nobody listens on that port",
    "socket-full": "the socket's receive buffer was full",
    "tcp-limit": "refused by TCP's global limit",
    "corrupt": "damaged on the way",
    "crashed": "the machine was down, or went down while they waited in it",
}

COUNTERS: Final = {
    "free_pages": "free pages now",
    "free_pages_min": "the fewest free pages so far",
    "noncritical_pages_max": "most pages held by frames that wait in ordinary sockets or for their other fragments",
    "kept_pages": "pages that no program can have: the min watermark, the emergency pool, buffers for several swap servers",
    "reserve_pages": "size of the emergency pool, pages",
    "reserve_used_max": "most pages out at one time that were taken below the watermarks, by right",
    "no_block": "requests for several pages in a row that failed although pages enough were free",
    "emergency_bytes_max": "most bytes charged to the reserve for receive buffers",
    "pages_out": "page-outs answered",
    "pages_in": "page-ins answered",
    "lost_pages": "pages whose contents are lost: another version came back than was sent out, or they could not be written",
    "file_pages": "pages of files in memory now",
    "clean_pages": "those of them that reclaim can drop at once",
    "dirty_pages": "those of them that have to be written and are not being written yet",
    "file_pages_in": "pages read from the machine's own disk",
    "file_pages_out": "pages written to the machine's own disk",
    "writeback_pages_max": "most pages under writeback, to the swap server and to disk, at the end of a scan",
    "writeout_naps": "how often a reclaimer napped because too much was under writeback",
    "io_errors": "requests that the swap device has failed",
    "bus_errors": "programs killed since a page of theirs could not be read (SIGBUS)",
    "retransmissions": "requests sent again",
    "tx_no_memory": "transmissions that failed for want of memory",
    "unresolved": "frames that never left: the queue for their neighbour was full, or it did not answer",
    "kswapd_wakes": "how often kswapd was woken",
    "faults": "touches that had to wait for a page of their own",
    "oom_kills": "programs that the OOM killer has chosen",
    "oom_deaths": "those of them that have died",
    "oom_pages": "pages that were free at once thereby, those in their sockets included",
    "progress": "what the programs count: pages touched, messages, requests, frames, beats",
    "received": "frames that reached this machine",
    "delivered": "frames handed to a socket or to the kernel's own user of them",
    "socket_frames": "frames that wait in ordinary sockets now",
    "held": "fragments that wait for the rest of their datagrams, and frames in the ring of a paused machine",
    "malformed": "batches refused by the decoder",
}

LATER: Final = frozenset({"no_block", "io_errors", "bus_errors"})
"""Counters that came after digests had been published: where they are 0, a digest is as it was before."""


@dataclass(slots=True)
class Counters:
    """Events are counted where they happen; all other numbers are read off the parts for a report."""

    pages_out: int = 0
    pages_in: int = 0
    lost_pages: int = 0
    io_errors: int = 0
    bus_errors: int = 0
    file_pages_in: int = 0
    file_pages_out: int = 0
    retransmissions: int = 0
    tx_no_memory: int = 0
    unresolved: int = 0
    faults: int = 0
    oom_kills: int = 0
    oom_deaths: int = 0
    oom_pages: int = 0
    received: int = 0
    delivered: int = 0
    malformed: int = 0
    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CAUSES, 0))


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts that parts keep themselves, for speed, and numbers given so far: the next boot goes on from here."""

    boots: int = 0
    """How often the machine has been started before."""
    free_min: int | None = None
    """None before the first boot: all pages."""
    reserve_used_max: int = 0
    no_block: int = 0
    noncritical_max: int = 0
    kswapd_wakes: int = 0
    writeout_naps: int = 0
    under_way_max: int = 0
    emergency_bytes_max: int = 0
    frames: int = 0
    """Frames that have been sent: the number of the next."""
    calls: int = 0
    """TCP connections that have been opened from here: callers get other ports than before."""


FIRST: Final = Tally()
"""Nothing has been counted yet."""
