"""A layer between the VM and the swap device that takes a buffer for each request, as dm-crypt does.

Source: drivers/md/dm-crypt.c (crypt_alloc_buffer), mm/mempool.c (mempool_alloc). A buffer is of ordinary memory if there is any
without waiting (down to min, as in 6.x, and never of a reserve: __GFP_NOMEMALLOC), else one of those that have been set aside,
and with none left the request waits until one is given back, or for five seconds. It is given back when the request has been
answered.
"""

from typing import Final

from netswap.actors.memory.zone import Zone
from netswap.protocol.units import seconds

RETRY_NS: Final = seconds(5)
"""Time after which a request that waits for a buffer looks for ordinary memory again (io_schedule_timeout in mempool_alloc)."""


class Layer:
    """The buffers of one device, in pages."""

    __slots__ = ("_held", "_pages", "_requests", "_zone", "last_ns", "pooled", "previous_ns", "waits_since_ns")

    def __init__(self, zone: Zone, pages: int, requests: int) -> None:
        """`pages`: of each buffer; `requests`: buffers that have been set aside, and taken from the zone already."""
        self.pooled = requests
        """Buffers set aside that are free."""
        self.waits_since_ns: int | None = None
        """Since when a request has waited for a buffer, or when it looked last."""
        self.last_ns = -1
        self.previous_ns = -1
        """When a waiting request looked for memory last, and before that."""
        self._requests = requests
        self._zone = zone
        self._pages = pages
        self._held: dict[int, bool] = {}
        """By the number of a request that has a buffer: whether that is of ordinary memory."""

    def take(self, xid: int) -> bool:
        """Find a buffer for a request, unless it has one; whether it has."""
        if xid in self._held:
            return True
        zone, pages = self._zone, self._pages
        floor = zone.floors.kernel
        if zone.free - pages >= floor and zone.take_many(floor, pages) == pages:
            self._held[xid] = True
        elif self.pooled:
            self.pooled -= 1
            self._held[xid] = False
        else:
            return False
        return True

    def give(self, xid: int) -> None:
        """Take a buffer back; the pool is filled first (mempool_free)."""
        ordinary = self._held.pop(xid, None)
        if ordinary is None:
            return
        if self.pooled < self._requests and not ordinary:
            self.pooled += 1
        else:
            self._zone.give(self._pages)

    def hindrance(self) -> str:
        """What a request waits for here, in words."""
        return f"a buffer of the layer before the device (all of {self._requests} set aside are in use)"
