"""The IPv4 route cache, as far as the path to the swap server needs it.

A packet from a machine whose entry is not in the cache needs a new one before it can be delivered, and that takes memory.
Under a flood the cache is always being collected: an entry that no packet has used for the collector's interval is gone
(net/ipv4/route.c, ip_rt_gc_min_interval: 0.5 s), so after an outage the first reply has to allocate.
"""

from netswap.actors.events import Events
from netswap.actors.kernels.kernel import Kernel
from netswap.actors.memory.slab import Slab, SlabCache


class Routes:
    """The route cache of one machine: an entry for each machine that packets come from."""

    __slots__ = ("_cache", "_entries", "_events", "_floor", "_interval_ns", "_used_ns")

    def __init__(self, events: Events, kernel: Kernel, cache: SlabCache, floor: int) -> None:
        self._events = events
        self._interval_ns = kernel.route_gc_ns
        self._cache = cache
        self._floor = floor
        self._entries: dict[int, Slab] = {}
        self._used_ns: dict[int, int] = {}

    def has(self, source: int) -> bool:
        """Whether there is an entry for packets from `source`."""
        return source in self._entries

    def find(self, source: int, *, memalloc: bool) -> bool:
        """Use the entry for packets from `source`, a new one if need be; False if there is no memory for it."""
        if source not in self._entries:
            slab = self._cache.take_memalloc(self._floor) if memalloc else self._cache.take(self._floor)
            if slab is None:
                return False
            self._entries[source] = slab
            self._events.after(self._interval_ns, self._collect, source)
        self._used_ns[source] = self._events.now
        return True

    def _collect(self, source: int) -> None:
        due_ns = self._used_ns[source] + self._interval_ns
        if due_ns > self._events.now:
            self._events.at(due_ns, self._collect, source)
        else:
            self._cache.give(self._entries.pop(source))
