"""Receive and transmit buffers: a head and a data object from the slabs, with or without a right to the reserve.

Source: net/core/skbuff.c with Zijlstra's netvm patches. A receive allocation is tried as GFP_ATOMIC; if that fails and
the machine has a swap socket with access to the reserve, it is charged to the reserve and tried again without watermarks.
Such a buffer is flagged *emergency*.
"""

from collections.abc import Iterator
from itertools import repeat
from typing import Any, Final, NamedTuple

from netswap.actors.kernels.kernel import Kernel
from netswap.actors.memory.fragments import PageFragCache
from netswap.actors.memory.large import LargeCache, PagedCache
from netswap.actors.memory.reserve import Node, charge_of
from netswap.actors.memory.slab import PageMarkedCache, Run, Slab, SlabCache
from netswap.actors.memory.zone import Zone
from netswap.protocol.rpc import PAGE


class Buffer(NamedTuple):
    """A receive buffer; a plain tuple, as `protocol.frame.Raw`."""

    data: Slab
    head: Slab
    truesize: int
    """Bytes."""
    charge: int
    """What the reserve was charged for it: 0 unless the buffer is an emergency one."""


B_DATA: Final = 0
B_HEAD: Final = 1
B_TRUESIZE: Final = 2
B_CHARGE: Final = 3
"""The places in a `Buffer`."""


class Buffers:
    """All buffers of one machine."""

    __slots__ = (
        "_atomic",
        "_reserve",
        "copies",
        "heads",
        "kernel",
        "neighbours",
        "pages",
        "receive",
        "routes",
        "rpc",
        "shorts",
        "standard",
        "tx_headers",
        "zone",
    )

    def __init__(self, zone: Zone, kernel: Kernel, reserve: Node | None, *, guarded: bool) -> None:
        """`reserve`: the node that emergency receive buffers are charged to; None on a machine without a reserve."""
        self.kernel = kernel
        cache = PageMarkedCache if kernel.memalloc_sockets else SlabCache
        self.copies = cache(zone, "kmalloc-1024", kernel.copy_data, guarded=guarded)
        self.shorts: SlabCache = self.copies
        """Data of the shortest copies."""
        if kernel.short_data != kernel.copy_data:
            self.shorts = cache(zone, _name_of_shorts(kernel), kernel.short_data, guarded=guarded)
        self.receive: SlabCache
        if kernel.rx_frag_order:
            self.receive = PageFragCache(zone, kernel.rx_data, kernel.rx_frag_order)
        elif kernel.rx_pages:
            self.receive = PagedCache(zone, self.copies, kernel.rx_pages)
        elif kernel.rx_data > PAGE:
            self.receive = LargeCache(zone, f"kmalloc-{kernel.rx_data}", kernel.rx_data)
        else:
            self.receive = cache(zone, f"kmalloc-{kernel.rx_data}", kernel.rx_data, guarded=guarded)
        self.standard: SlabCache = self.receive
        """Data of the ring for frames up to 1500 bytes, where larger frames have a ring of their own."""
        if kernel.rx_standard is not None:
            size = kernel.rx_standard[0]
            self.standard = cache(zone, f"kmalloc-{size}", size, guarded=guarded)
        self.heads = cache(zone, "skbuff_head_cache", kernel.skb_head, guarded=guarded)
        self.routes = cache(zone, "ip_dst_cache", kernel.route_entry, guarded=guarded)
        self.neighbours = cache(zone, "arp_cache", kernel.neighbour_entry, guarded=guarded)
        self.rpc = cache(zone, "rpc_tasks", kernel.rpc_request, guarded=guarded)
        self.tx_headers = cache(zone, "kmalloc-512", kernel.tx_header, guarded=guarded)
        self.pages = cache(zone, "pages", PAGE, guarded=guarded)
        """Whole pages: payload that TCP has copied."""
        self.zone = zone
        self._atomic = zone.floors.atomic
        self._reserve = reserve

    def copies_by_length(self, below: int) -> list[tuple[SlabCache, int]]:
        """Cache and truesize of the copy of a frame, by the frame's bytes with its link header, for all lengths below `below`."""
        found: list[tuple[SlabCache, int]] = []
        for most, size, truesize in self.kernel.copies:
            cache = self.shorts if size == self.shorts.size else self.copies
            found += [(cache, truesize)] * (min(most + 1, below) - len(found))
        assert len(found) == below, "the last class takes the longest copy"
        return found

    def allocate(self, cache: SlabCache, truesize: int) -> Buffer | None:
        """Allocate a receive buffer with its data from `cache`; None if there is no memory for it."""
        floor = self._atomic
        head = self.heads.take(floor)
        if head is not None:
            data = cache.take(floor)
            if data is not None:
                return (data, head, truesize, 0)  # type: ignore[return-value]  # a plain tuple
            self.heads.give(head)
        return None if self._reserve is None else self._allocate_emergency(cache, truesize, self._reserve)

    def lend_copy(self, cache: SlabCache) -> bool:
        """Do what to allocate a buffer for a short frame, its data from `cache`, and to free it again at once does.

        False, and nothing is done, unless it is simple: an ordinary buffer whose head needs no page.
        """
        floor = self._atomic
        if not self.zone.has(floor) or not self.heads.has_object():
            return False
        cache.lend(floor)
        return True

    def would_lend(self, cache: SlabCache) -> bool:
        """Whether a buffer with its data from `cache` could be allocated, and be freed after others, as if it had not been.

        The slab that its head would come from keeps an object then, so that it stays where it is in its cache.
        """
        heads = self.heads
        return heads.top.free > 1 and heads.has_object() and cache.has_object() and not self.zone.waiters

    def with_head(self, data: Slab, truesize: int, flag: int = 0) -> Buffer | None:
        """Make a buffer of this data, allocated as `flag` says; None, and the data is freed, without memory for its head."""
        head = self.heads.take(self._atomic)
        if head is not None:
            return (data, head, truesize, flag)  # type: ignore[return-value]  # a plain tuple
        charge, reserve = charge_of(self.heads.size), self._reserve
        if reserve is not None and reserve.charge(charge):
            head = self.heads.take_memalloc(self._atomic)
            if head is not None:
                return (data, head, truesize, flag + charge)  # type: ignore[return-value]  # a plain tuple
            reserve.uncharge(charge)
        data.cache.give(data)
        if flag and reserve is not None:
            reserve.uncharge(flag)
        return None

    def flag_of_data(self, size: int) -> int:
        """The `flag` of data of this size that may be taken from the reserve, which is charged for it; 0 if it may not."""
        charge = charge_of(size)
        return charge if self._reserve is not None and self._reserve.charge(charge) else 0

    def return_flag(self, flag: int) -> None:
        """Uncharge the reserve for data that has not been taken after all."""
        if self._reserve is not None:
            self._reserve.uncharge(flag)

    @property
    def reserve(self) -> Node | None:
        """The node that emergency receive buffers are charged to."""
        return self._reserve

    def plenty(self, pages: int) -> bool:
        """Whether enough is free that no watermark is touched by receive buffers that take `pages` pages."""
        return self.receive.size <= PAGE and self.zone.free > self.zone.floors.low + pages

    def allocate_plenty(self, count: int) -> Iterator[Buffer]:
        """Allocate `count` full receive buffers, after `plenty` has said that there is memory for them."""
        if count == 1:
            head, one = self.heads.take(self._atomic), self.receive.take(self._atomic)
            assert head is not None, "there is memory for it"
            if one is None:  # the next fragment is one of a page from the reserve
                ((one, _),) = self.receive.take_many(1, self._atomic)
            return iter(((one, head, self.kernel.rx_truesize, 0),))  # type: ignore[arg-type]  # a plain tuple
        heads = self.heads.take_many(count, self._atomic)
        data = self.receive.take_many(count, self._atomic)
        buffers: Iterator[Any] = zip(_each(data), _each(heads), repeat(self.kernel.rx_truesize), repeat(0))
        return buffers

    def _allocate_emergency(self, cache: SlabCache, truesize: int, reserve: Node) -> Buffer | None:
        charge = charge_of(cache.size) + charge_of(self.heads.size)
        if not reserve.charge(charge):
            return None
        head = self.heads.take_memalloc(self._atomic)
        if head is not None:
            data = cache.take_memalloc(self._atomic)
            if data is not None:
                return (data, head, truesize, charge)  # type: ignore[return-value]  # a plain tuple
            self.heads.give(head)
        reserve.uncharge(charge)
        return None

    def free(self, buffer: Buffer) -> None:
        """Free a receive buffer."""
        data, head, _, charge = buffer
        data.cache.give(data)
        self.heads.give(head)
        if charge and self._reserve is not None:
            self._reserve.uncharge(charge)

    def free_all(self, buffers: tuple[Buffer, ...]) -> None:
        """Free receive buffers, in order."""
        heads = self.heads
        for data, head, _, charge in buffers:
            data.cache.give(data)
            heads.give(head)
            if charge and self._reserve is not None:
                self._reserve.uncharge(charge)

    def transmit(self, packets: int, floor: int, memalloc: bool) -> list[Run] | None:
        """Allocate heads and header buffers for `packets` packets, all or none; page data is sent from the page itself."""
        if packets == 1 and self.zone.free > floor + 2:
            head, header = self.heads.take(floor), self.tx_headers.take(floor)
            assert head is not None, "there is memory for both"
            assert header is not None, "there is memory for both"
            return [(head, 1), (header, 1)]
        if self.zone.free > floor + 2 * packets:
            return self.heads.take_many(packets, floor) + self.tx_headers.take_many(packets, floor)
        taken: list[Run] = []
        for cache in (self.heads, self.tx_headers) * packets:
            slab = cache.take_memalloc(floor) if memalloc else cache.take(floor)
            if slab is None:
                self.release(taken)
                return None
            taken.append((slab, 1))
        return taken

    def release(self, runs: list[Run]) -> None:
        """Free transmit buffers: the card has sent their packets."""
        for slab, count in runs:
            slab.cache.give(slab, count)


def _name_of_shorts(kernel: Kernel) -> str:
    return "skbuff_small_head" if kernel.short_data == kernel.small_head else f"kmalloc-{kernel.short_data}"


def _each(runs: list[Run]) -> list[Slab]:
    slabs: list[Slab] = []
    for slab, count in runs:
        if count == 1:
            slabs.append(slab)
        else:
            slabs += [slab] * count
    return slabs
