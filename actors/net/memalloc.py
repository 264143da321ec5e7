"""Receive buffers as they are since Linux 3.6: no pool, no accounting, and two allocations with a right of their own.

Source: net/core/skbuff.c of 6.11. While a swap socket exists, the *data* of a received packet is tried as GFP_ATOMIC and
then with __GFP_MEMALLOC, down to no free page at all; if the second was needed, the packet is flagged (pfmemalloc). Its
*head* comes from a per-CPU cache that is refilled 16 at a time or not at all, as plain GFP_ATOMIC, unless the switch
`rx-head` gives it the same right.

One simplification: at the floor such a refill fails, also where partly used slabs have sixteen free heads between them.
On a real machine these let packets through for a while; here it is only the heads that the per-CPU cache still has.
"""

from collections.abc import Sequence
from typing import Final

from netswap.actors.kernels.kernel import Kernel
from netswap.actors.memory.slab import Slab, SlabCache
from netswap.actors.memory.zone import Zone
from netswap.actors.net.buffers import Buffer, Buffers

FLAGGED: Final = 1
"""The fourth field of a buffer that came from the reserve. In 2007 it is the charge; since 3.6 nothing is charged."""
BULK: Final = 16
"""Heads that the per-CPU cache takes from the slab in one go (NAPI_SKB_CACHE_BULK)."""


class MemallocBuffers(Buffers):
    """All buffers of one machine; `access`: it has a swap socket that is marked."""

    __slots__ = ("_access", "_cached_heads", "_rx_head")

    def __init__(self, zone: Zone, kernel: Kernel, *, access: bool, rx_head: bool, guarded: bool) -> None:
        super().__init__(zone, kernel, None, guarded=guarded)
        self._access = access
        self._rx_head = access and rx_head
        self._cached_heads: list[Slab] = []

    def allocate(self, cache: SlabCache, truesize: int) -> Buffer | None:
        """Allocate a receive buffer with its data from `cache`; None if there is no memory for it."""
        data = cache.take(self._atomic)
        if data is not None:
            return self.with_head(data, truesize)
        data = cache.take_memalloc(self._atomic) if self._access else None
        return None if data is None else self.with_head(data, truesize, FLAGGED)

    def lend_copy(self, cache: SlabCache) -> bool:
        """Never: heads come from the per-CPU cache, and do not go back there."""
        return False

    def would_lend(self, cache: SlabCache) -> bool:
        """Never, for the same reason."""
        return False

    def with_head(self, data: Slab, truesize: int, flag: int = 0) -> Buffer | None:
        """Make a buffer of this data, allocated as `flag` says; None, and the data is freed, without memory for its head."""
        if self._cached_heads or self._cache_heads():
            return (data, self._cached_heads.pop(), truesize, flag)  # type: ignore[return-value]  # a plain tuple
        head = self.heads.take_memalloc(self._atomic) if self._rx_head else None
        if head is not None:
            return (data, head, truesize, FLAGGED)  # type: ignore[return-value]  # a plain tuple
        data.cache.give(data)
        return None

    def flag_of_data(self, size: int) -> int:
        """The `flag` of data that may be taken from the reserve: nothing is charged; 0 if it may not."""
        return FLAGGED if self._access else 0

    def return_flag(self, flag: int) -> None:
        """Do nothing: nothing has been charged."""

    @property
    def cached_heads(self) -> Sequence[Slab]:
        """The heads in the per-CPU cache."""
        return self._cached_heads

    def _cache_heads(self) -> bool:
        """Refill the per-CPU cache, if a page could be had for it."""
        zone, floor = self.zone, self._atomic
        if zone.free <= floor and not zone.rescued(floor):
            zone.press()
            return False
        for head, count in self.heads.take_many(BULK, floor):
            self._cached_heads += [head] * count
        return True
