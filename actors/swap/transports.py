"""The needs of each transport: how many requests may be under way, and what its reserve has to cover.

A machine that swaps to several servers has a transport to each: transmission is counted for every one of them, reception
once (Zijlstra, 20071030160913.811204000@chello.nl). But parts of a reply may be here from each of them at the same time,
which was an open question then (Brown's review of 2008): so the frames of replies that nothing else covers are counted for
every server.
"""

from typing import Final, NamedTuple

from netswap.actors.kernels.kernel import Kernel
from netswap.actors.memory.reserve import transmit_pages
from netswap.actors.settings import MachineSettings, Swap
from netswap.protocol import nbd
from netswap.protocol.ip import datagram_wire
from netswap.protocol.rpc import HEADER, PAGE
from netswap.protocol.tcp import mss

NFS: Final = "nfs"
NBD: Final = "nbd"
FUSE: Final = "fuse"
DISK: Final = "disk"
"""No transport: the machine's own disk."""
BIO_VECS_MAX: Final = 1000
"""Pages that a throttled block device has under way at most, about 4 MB."""


class Needs(NamedTuple):
    """The needs of one transport."""

    in_flight: int
    """Requests that may be under way: those asked for, but with the bound no more than the reserve has room for."""
    slots: int
    """RPC requests that have to be kept while they are under way."""
    reply_frames: int
    """Receive buffers that may be out before their contents can be processed: those of the largest reply, or more."""


def needs(settings: MachineSettings, swap: Swap, kernel: Kernel) -> Needs:
    """The needs of a machine's transport."""
    bounded = settings.policy.tx_bound
    asked = _asked(settings, swap)
    if swap.on == DISK:
        return Needs(asked, 0, 0)
    if swap.transport != NFS:
        in_flight = min(asked, nbd_requests_in(transmit_pages(), kernel, settings.mtu) if bounded else nbd.TAGS)
        return Needs(in_flight, 0, nbd_reply_frames(in_flight, settings.mtu))
    in_flight = min(asked, kernel.rpc_slots_max) if bounded else asked
    largest = HEADER + swap.request_pages * PAGE
    return Needs(in_flight, kernel.rpc_slots_max, datagram_wire(largest, settings.framing, settings.mtu)[0])


def set_aside(swap: Swap, in_flight: int, kernel: Kernel) -> int:
    """Pages set aside when swapping begins, for requests under way that have no page of their own.

    Parts that a page does not wait for, parity, and whatever the disk takes while a server is silent: at most as many as
    there are requests to all servers. Then, what waits to be written to the disk.
    """
    spread = swap.spread
    if spread is None or not (spread.backup or spread.acks < spread.parts or spread.needed > 1):
        return 0
    requests = len(spread.servers) * in_flight * swap.request_pages
    return -(-requests // spread.needed) + (kernel.block_queue if spread.backup else 0)


def servers(swap: Swap) -> tuple[int, ...]:
    """The machines that a machine swaps to."""
    return (swap.server,) if swap.spread is None else swap.spread.servers


def reply_frames(settings: MachineSettings, swap: Swap, one: Needs) -> int:
    """Receive buffers that replies of all servers may hold at a time.

    What is incomplete in the fragment cache is covered with it, and then there is only the reply that comes last.
    """
    covered = swap.transport == NFS and settings.policy.fragment_cover
    return one.reply_frames if covered else one.reply_frames * len(servers(swap))


def _asked(settings: MachineSettings, swap: Swap) -> int:
    """Most requests under way: those asked for, or those that a throttled device accepts (Phillips, ddsnap)."""
    throttled = max(1, BIO_VECS_MAX // swap.request_pages)
    return min(swap.in_flight, throttled) if settings.policy.bio_throttle else swap.in_flight


def nbd_requests_in(pages: int, kernel: Kernel, mtu: int) -> int:
    """The number of page-outs whose copies fit into `pages` pages: a page each, and a head and headers for each segment."""
    segments = -(-nbd.request_size(write=True) // mss(mtu))
    return pages * PAGE // (PAGE + segments * (kernel.skb_head + kernel.tx_header))


def nbd_reply_frames(in_flight: int, mtu: int) -> int:
    """Segments that the connection may keep for want of an earlier one, and the one in hand.

    What comes in order is read at once. But if a segment is lost, all that follow it stay in the out-of-order queue until it
    has been sent again, and for that one there has to be a buffer too, or it never comes. Not more can follow than all
    requests under way have replies, each a page and its header.
    """
    return in_flight * -(-nbd.reply_size(write=False) // mss(mtu)) + 1
