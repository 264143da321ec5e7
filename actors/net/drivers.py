"""The drivers a card can have: how its ring is kept full, what becomes of the ring when memory is missing, and its buffers.

Source: drivers/net/e1000 and tg3.c of 2.6.22; drivers/net/ethernet/intel/e1000e, drivers/net/ethernet/realtek/8139cp.c and
drivers/net/virtio_net.c of 6.11.

On a link with an MTU above 1500 the e1000 of 2.6.22 takes the next power of two that holds the frame, to which the stack adds
18 bytes and its shared info, for which kmalloc takes the next power of two again: 32 KiB in a row for 9000 bytes (noted by
Morton, linux-kernel, September 2006). The tg3 has a second ring for frames above 1500 bytes, 100 buffers of 16 KiB. In 6.11 a
frame lies in single pages (e1000_alloc_rx_buffers_ps), of which each buffer has as many as the MTU fills. With virtio it takes
as many buffers as it fills, each as large as the average packet and at most a page (get_mergeable_buf_len): here a page, and
1536 bytes, which is the least, where no frame is larger than 1500. In 6.x the first bytes of each frame are copied into a quarter
of a page (napi_alloc_skb of GOOD_COPY_LEN in page_to_skb), which is charged too.

What __netdev_alloc_skb of 6.1 and 6.11 (net/core/skbuff.c) is asked for in softirq is cut from blocks of 32 KiB (page_frag_alloc)
if it is more than a small head, 704 bytes with its padding, and no more than a page holds; else it comes from kmalloc, as does
what may sleep: the first ring of a card that is brought up. So e1000e's buffers for frames of up to 1500 bytes are fragments;
here unless `page_frags` is off, and those of the first ring too, as after a long run (ours). The e1000 of 6.x makes its own in
the same way (e1000_alloc_frag), which is not modelled: they are of kmalloc.
"""

from dataclasses import dataclass, replace
from typing import Final

from netswap.actors.kernels.kernel import Kernel
from netswap.actors.memory.reserve import charge_of, receive_charge
from netswap.actors.memory.sizes import kmalloc_size
from netswap.protocol.ip import MTU
from netswap.protocol.rpc import PAGE

_LINK_HEADER: Final = 14 + 4
"""Header and checksum of a frame."""
_GUEST_HEADER: Final = 12
"""struct virtio_net_hdr_mrg_rxbuf."""
_MERGEABLE: Final = 1536
"""A buffer for the header above and a frame with a VLAN tag, to whole cache lines (get_mergeable_buf_len, GOOD_PACKET_LEN)."""
_SKB_PAD: Final = 16
_IP_ALIGN: Final = 2
_CACHE_LINE: Final = 64
_SHARED_INFO: Final = 312
_SHARED_INFO_6: Final = 320
_SKB_PAD_6: Final = 64
_VLAN_FRAME: Final = 1518 + 4
"""rx_buffer_len: a frame with a VLAN tag and its checksum (VLAN_ETH_FRAME_LEN, ETH_FCS_LEN)."""
_FRAG_ORDER: Final = 3
"""PAGE_FRAG_CACHE_MAX_ORDER: 32 KiB. high_order_alloc_disable is not asked there."""


@dataclass(frozen=True, slots=True)
class Driver:
    """One refill rule."""

    ring: int
    """Receive descriptors by default."""
    copybreak: int = 0
    """Frames shorter than this (bytes) are copied into a small buffer of their own."""
    copies_by_netdev: bool = False
    """Whether it asks netdev_alloc_skb for that buffer, in 6.x too; the others ask napi_alloc_skb there."""
    takes_fragments: bool = False
    """Whether its buffers are cut from blocks of pages in 6.x (netdev_alloc_skb of a full frame)."""
    keeps_ring: bool = False
    """Whether a frame is passed up only once another buffer has been found; else it is dropped, and its buffer stays."""
    mtu_max: int = MTU
    """The largest MTU; 1500 where a larger one is not modelled."""
    merges: bool = False
    """Whether a frame takes as many buffers as it fills."""
    jumbo_ring: int = 0
    """Descriptors of a second ring for frames above 1500 bytes."""
    jumbo_size: int = 0
    """Bytes of each of its buffers, as the driver asks for them."""


DRIVERS: Final = {
    "e1000": Driver(ring=256, copybreak=256, mtu_max=16_110),
    "tg3": Driver(
        ring=200,
        copybreak=256,
        copies_by_netdev=True,
        keeps_ring=True,
        mtu_max=9000,
        jumbo_ring=100,
        jumbo_size=9046 + 2 + 64,
    ),
    "virtio": Driver(ring=256, mtu_max=65_535, merges=True),
    "e1000e": Driver(ring=256, copybreak=256, takes_fragments=True, mtu_max=9212),
    "8139cp": Driver(ring=64, keeps_ring=True),
}


def mtu_max(refill: str, kernel: Kernel) -> int:
    """The largest MTU of a card with this driver; blocks for a second ring are modelled for 2.6.22 only."""
    driver = DRIVERS[refill]
    return MTU if driver.jumbo_ring and kernel.jumbo_in_pages else driver.mtu_max


def on_link(kernel: Kernel, refill: str, mtu: int, *, page_frags: bool = False) -> Kernel:
    """The rule book with the receive buffers of a card on a link of this MTU; up to 1500 bytes the kernel's own.

    `page_frags`: what a driver asks netdev_alloc_skb for in 6.x is cut from blocks of pages.
    """
    if DRIVERS[refill].copies_by_netdev and kernel.memalloc_sockets:
        kernel = _netdev_copies(kernel)
    if mtu <= MTU:
        return _standard(kernel, DRIVERS[refill], page_frags=page_frags) if kernel.memalloc_sockets else kernel
    if DRIVERS[refill].merges:
        truesize = PAGE + (kernel.copy_truesize if kernel.memalloc_sockets else kernel.skb_head)
        return replace(kernel, rx_data=PAGE, rx_pages=merged(mtu + _LINK_HEADER) - 1, rx_truesize=truesize)
    if kernel.jumbo_in_pages:
        pages = -(-mtu // PAGE)
        truesize = kernel.copy_truesize + pages * PAGE
        return replace(kernel, rx_data=kernel.copy_data, rx_pages=pages, rx_truesize=truesize)
    driver = DRIVERS[refill]
    if driver.jumbo_ring:
        return _in_a_row(kernel, driver.jumbo_size + _SKB_PAD, standard=(kernel.rx_data, kernel.rx_truesize))
    return _in_a_row(kernel, (1 << (mtu + _LINK_HEADER - 1).bit_length()) + _SKB_PAD + _IP_ALIGN)


def _standard(kernel: Kernel, driver: Driver, *, page_frags: bool) -> Kernel:
    """The rule book of 6.x with the buffers of this driver for frames of up to 1500 bytes."""
    if driver.merges:
        return replace(kernel, rx_data=_MERGEABLE, rx_truesize=_MERGEABLE + kernel.copy_truesize)
    if not (page_frags and driver.takes_fragments):
        return kernel
    size = _VLAN_FRAME + _SKB_PAD_6 + _SHARED_INFO_6
    data = -(-size // _CACHE_LINE) * _CACHE_LINE
    return replace(kernel, rx_data=data, rx_truesize=data + kernel.skb_head, rx_frag_order=_FRAG_ORDER)


def _netdev_copies(kernel: Kernel) -> Kernel:
    """The rule book with copies as netdev_alloc_skb makes them in 6.x: the object counts whole (kmalloc_size_roundup).

    Up to the size of its small heads a kernel that has such a cache takes one of them; else what kmalloc has.
    """
    pad = _SKB_PAD_6 + _IP_ALIGN
    sizes = (kernel.small_head, 1024) if kernel.small_head else (512, 1024)
    copies = tuple((size - _SHARED_INFO_6 - pad, size, size + kernel.skb_head) for size in sizes)
    return replace(kernel, short_data=sizes[0], copies=copies)


def merged(size: int) -> int:
    """The number of one-page buffers that a frame of `size` bytes fills, with its header for the guest before it."""
    return -(-(size + _GUEST_HEADER) // PAGE)


def _in_a_row(kernel: Kernel, size: int, standard: tuple[int, int] | None = None) -> Kernel:
    """The rule book with receive buffers of `size` bytes from kmalloc, with shared info behind them (__alloc_skb)."""
    aligned = -(-size // _CACHE_LINE) * _CACHE_LINE
    data = kmalloc_size(aligned + _SHARED_INFO)
    return replace(kernel, rx_data=data, rx_truesize=aligned + kernel.skb_head_charge, rx_standard=standard)


def parked(kernel: Kernel, refill: str, ring: int) -> int:
    """The number of receive buffers that stay in a ring for ever; smaller ones count in proportion to their charge."""
    driver = DRIVERS[refill]
    if not driver.keeps_ring:
        return 0
    if kernel.rx_standard is None:
        return ring
    smaller = charge_of(kernel.rx_standard[0]) + charge_of(kernel.skb_head)
    return -(-ring * smaller // receive_charge(kernel)) + driver.jumbo_ring
