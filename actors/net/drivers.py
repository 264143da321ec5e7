"""The drivers a card can have: how its ring is kept full, what becomes of it when memory is missing, and its buffers.

Source: drivers/net/e1000 and tg3.c of 2.6.22; drivers/net/ethernet/intel/e1000e, drivers/net/ethernet/realtek/8139cp.c and
drivers/net/virtio_net.c of 6.11.

On a link with an MTU above 1500 the e1000 of 2.6.22 takes the next power of two that holds the frame, to which the stack adds
18 bytes and its shared info, for which kmalloc takes the next power of two again: 32 KiB in a row for 9000 bytes (noted by
Morton, linux-kernel, September 2006). Today a frame lies in single pages (e1000_alloc_rx_buffers_ps), of which each buffer has
as many as the MTU fills.
"""

from dataclasses import dataclass, replace
from typing import Final

from actors.kernels import Kernel
from actors.memory.large import kmalloc_size
from protocol.ip import MTU
from protocol.rpc import PAGE

_LINK_HEADER: Final = 14 + 4
"""Header and checksum of a frame."""
_PADDING: Final = 16 + 2
"""NET_SKB_PAD and NET_IP_ALIGN."""
_CACHE_LINE: Final = 64
_SHARED_INFO: Final = 312


@dataclass(frozen=True, slots=True)
class Driver:
    """One refill rule."""

    ring: int
    """Receive descriptors by default."""
    copybreak: int = 0
    """Frames shorter than this (bytes) are copied into a small buffer of their own."""
    keeps_ring: bool = False
    """A frame is passed up only once another buffer has been found; else it is dropped, and its buffer stays."""
    mtu_max: int = MTU
    """The largest MTU; 1500 where larger ones need a second ring, or several buffers a frame, which is not modelled."""


DRIVERS: Final = {
    "e1000": Driver(ring=256, copybreak=256, mtu_max=16_110),
    "tg3": Driver(ring=200, copybreak=256, keeps_ring=True),
    "virtio": Driver(ring=256),
    "e1000e": Driver(ring=256, copybreak=256, mtu_max=9212),
    "8139cp": Driver(ring=64, keeps_ring=True),
}


def on_link(kernel: Kernel, mtu: int) -> Kernel:
    """The rule book with the receive buffers of a card on a link of this MTU; up to 1500 bytes they are what they are."""
    if mtu <= MTU:
        return kernel
    if kernel.jumbo_in_pages:
        pages = -(-mtu // PAGE)
        truesize = kernel.copy_truesize + pages * PAGE
        return replace(kernel, rx_data=kernel.copy_data, rx_pages=pages, rx_truesize=truesize)
    length = 1 << (mtu + _LINK_HEADER - 1).bit_length()
    aligned = -(-(length + _PADDING) // _CACHE_LINE) * _CACHE_LINE
    data = kmalloc_size(aligned + _SHARED_INFO)
    return replace(kernel, rx_data=data, rx_truesize=aligned + kernel.skb_head_charge)
