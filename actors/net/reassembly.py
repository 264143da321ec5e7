"""IPv4 reassembly: fragments wait for the rest of their datagram, and until then their receiver is unknown.

Source: net/ipv4/ip_fragment.c of 2.6.22. When the cache is above its high limit as a fragment arrives, the least recently
used incomplete datagrams are thrown away until it is below the low limit; a datagram that is not complete 30 s after its
first fragment is thrown away too. In 6.11 it is the fragment that arrives which is refused, whatever datagram it belongs
to, until time-outs have made room (net/ipv4/inet_fragment.c of 6.11). All sizes in truesize.
"""

from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from netswap.actors.events import Events
from netswap.actors.kernels.kernel import Kernel
from netswap.actors.net.buffers import B_TRUESIZE, Buffer
from netswap.protocol.ip import UDP_HEADER, fragments

Drop = Callable[[tuple[Buffer, ...], str], None]
_fragments: Final = lru_cache(fragments)


class Incomplete:
    """A datagram some of whose fragments have come."""

    __slots__ = ("born_ns", "buffers", "missing", "seen", "truesize")

    def __init__(self, fragments_needed: int, born_ns: int) -> None:
        self.missing = fragments_needed
        self.seen = 0
        self.buffers: list[Buffer] = []
        self.truesize = 0
        self.born_ns = born_ns


class Reassembly:
    """The fragment cache of one machine."""

    head_first = False
    """Whether the buffer of a datagram's head stands before the others, which stand in the order in which they came."""

    __slots__ = (
        "_armed",
        "_drop",
        "_events",
        "_expiring",
        "_kernel",
        "_mtu",
        "frames",
        "incomplete",
        "truesize",
        "truesize_max",
    )

    def __init__(self, events: Events, kernel: Kernel, mtu: int, drop: Drop) -> None:
        self.incomplete: dict[tuple[int, int], Incomplete] = {}
        self.truesize = 0
        self.truesize_max = 0
        self.frames = 0
        self._events = events
        self._kernel = kernel
        self._mtu = mtu
        self._drop = drop
        self._expiring: deque[tuple[tuple[int, int], Incomplete]] = deque()
        """By age; the first is always incomplete."""
        self._armed = False

    def add(self, key: tuple[int, int], offset: int, payload: int, buffer: Buffer) -> tuple[Buffer, ...] | None:
        """Keep fragment `offset` of a datagram of `payload` bytes; all buffers of the datagram once it is complete, else None."""
        if self.truesize > self._kernel.fragment_high:
            self._evict()
        entry = self.incomplete.pop(key, None) or self._begin(key, payload)
        self.incomplete[key] = entry
        if entry.seen >> offset & 1:
            self._drop((buffer,), "reassembly-evicted")
            return None
        entry.seen |= 1 << offset
        entry.missing -= 1
        if offset or not self.head_first:
            entry.buffers.append(buffer)
        else:
            entry.buffers.insert(0, buffer)
        entry.truesize += buffer[B_TRUESIZE]
        self.truesize += buffer[B_TRUESIZE]
        self.frames += 1
        if self.truesize > self.truesize_max:
            self.truesize_max = self.truesize
        if entry.missing:
            return None
        self._forget(key)
        return tuple(entry.buffers)

    def has_room(self, key: tuple[int, int], frames: int, payload: int) -> bool:
        """Whether `frames` fragments are a whole datagram of which none has come before, and none would evict another."""
        room = self._kernel.fragment_high - self.truesize - frames * self._kernel.rx_truesize
        return room >= 0 and key not in self.incomplete and frames == _fragments(payload + UDP_HEADER, self._mtu)

    def passed(self, frames: int) -> None:
        """Note that all fragments of a datagram have come one after the other, in full buffers, so that none has to wait."""
        truesize = self.truesize + frames * self._kernel.rx_truesize
        if truesize > self.truesize_max:
            self.truesize_max = truesize

    def oldest_ns(self) -> int | None:
        """When the oldest incomplete datagram's first fragment came."""
        return min((entry.born_ns for entry in self.incomplete.values()), default=None)

    def _begin(self, key: tuple[int, int], payload: int) -> Incomplete:
        now = self._events.now
        entry = Incomplete(_fragments(payload + UDP_HEADER, self._mtu), now)
        self._expiring.append((key, entry))
        if not self._armed:
            self._armed = True
            self._events.at(now + self._kernel.fragment_timeout_ns, self._expire)
        return entry

    def _forget(self, key: tuple[int, int]) -> Incomplete:
        entry = self.incomplete.pop(key)
        self.truesize -= entry.truesize
        self.frames -= len(entry.buffers)
        expiring = self._expiring
        while expiring and self.incomplete.get(expiring[0][0]) is not expiring[0][1]:
            expiring.popleft()
        return entry

    def _evict(self) -> None:
        while self.incomplete and self.truesize >= self._kernel.fragment_low:
            entry = self._forget(next(iter(self.incomplete)))
            self._drop(tuple(entry.buffers), "reassembly-evicted")

    def _expire(self, _: object) -> None:
        due = self._events.now - self._kernel.fragment_timeout_ns
        expiring = self._expiring
        while expiring and expiring[0][1].born_ns <= due:
            self._drop(tuple(self._forget(expiring[0][0]).buffers), "reassembly-timeout")
        self._armed = bool(expiring)
        if expiring:
            self._events.at(expiring[0][1].born_ns + self._kernel.fragment_timeout_ns, self._expire)


class RefusingReassembly(Reassembly):
    """The fragment cache of 6.11."""

    __slots__ = ()
    head_first = True

    def add(self, key: tuple[int, int], offset: int, payload: int, buffer: Buffer) -> tuple[Buffer, ...] | None:
        """As in 2.6.22, but above the high limit the fragment itself is thrown away, and nothing is evicted for it."""
        if self.truesize > self._kernel.fragment_high:
            self._drop((buffer,), "reassembly-evicted")
            return None
        return super().add(key, offset, payload, buffer)
