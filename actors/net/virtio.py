"""The third rule for a ring of receive buffers: virtio-net.

Source: drivers/net/virtio_net.c, net/core/sock.c (skb_page_frag_refill) and net/core/skbuff.c of 6.11. The ring holds bare
fragments, cut from blocks of eight pages or, where there is none or high_order_alloc is off, from single pages; a frame gets its
head when it has been received, and in 6.x a quarter of a page for its first bytes (page_to_skb, page_frag_alloc_1k of
napi_alloc_skb). The ring is refilled once 33 descriptors are empty, without any right to the reserve unless the switch
`rx-refill` gives it one. A frame in a page from the reserve is an emergency frame (skb_propagate_pfmemalloc). Where the refill
fails, a worker takes over, which allocates as a process does: it reclaims, and may sleep there for as long as the swap device
does not answer. Until it has filled the ring nothing that lies there is received (napi_disable in refill_work).
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from netswap.actors.memory.fragments import FragmentBlock, Fragments
from netswap.actors.memory.slab import Slab, SlabCache
from netswap.actors.memory.zone import Zone
from netswap.actors.net.board import NetBoard
from netswap.actors.net.drivers import merged
from netswap.actors.net.input_queue import InputQueue
from netswap.actors.net.nic import Nic
from netswap.actors.net.stack import Stack
from netswap.protocol.frame import CORRUPT, F_COUNT, F_TAIL, F_WIRE, Arrival, Raw
from netswap.protocol.rpc import PAGE

BUDGET: Final = 64
"""Frames that one poll may take; with more than half of it empty the ring is refilled."""

Obtain = Callable[[str, Callable[[], None]], bool]
"""Allocates a page for a process, as `Reclaim.obtain` does."""


class MergedSlab(Slab):
    """The fragments that one frame lies in."""

    __slots__ = ("parts",)

    def __init__(self, cache: SlabCache, parts: list[Slab]) -> None:
        super().__init__(cache, 0, False)
        self.parts = parts


class Merged(SlabCache):
    """Frames in several fragments of a page: they come back together."""

    __slots__ = ()

    def __init__(self, zone: Zone) -> None:
        super().__init__(zone, "merged page_frag", PAGE, guarded=False)

    def join(self, parts: list[Slab]) -> Slab:
        """One object for the fragments that a frame lies in."""
        return MergedSlab(self, parts)

    def give(self, slab: Slab, count: int = 1) -> None:
        """Return a frame's fragments."""
        assert isinstance(slab, MergedSlab), "only what has been joined comes back"
        for part in slab.parts:
            part.cache.give(part)


class VirtioNic(Nic):
    """One machine's virtual network card."""

    def __init__(
        self,
        net: NetBoard,
        stack: Stack | InputQueue,
        index: int,
        rate_bps: int,
        ring: int,
        refill: str,
    ) -> None:
        buffers, kernel = net.buffers, net.board.kernel
        self.obtain: Obtain
        """How the worker gets a page: from reclaim, which is made after the card, since its page-outs leave through the card."""
        self.working = False
        """Whether the refill worker runs, or sleeps for a page."""
        self._fragments = Fragments(
            buffers.zone, kernel.rx_data, kernel.page_frag_order, harder=kernel.page_frag_harder
        )
        self._rx_refill = net.board.policy.rx_refill
        self._data: deque[tuple[Slab, int]] = deque()
        """What lies in the ring, each with the flag that a frame in it has."""
        self._zone = buffers.zone
        self._merged = Merged(buffers.zone)
        self._linear = Fragments(buffers.zone, kernel.copy_data, 0) if kernel.memalloc_sockets else None
        """Where the first bytes of a frame are copied to."""
        self._most = 1 + kernel.rx_pages
        """Fragments of the largest frame."""
        self._enough_empty = min(BUDGET, ring) // 2 + 1
        super().__init__(net, stack, index, rate_bps, ring, refill)

    def filled(self) -> int:
        """The number of frames of the largest size that there is room for."""
        return len(self._data) // self._most

    def receives(self) -> bool:
        """Whether a frame that came now could be received."""
        return not self.working and self.filled() > 0

    def _is_dry(self) -> bool:
        """Whether no frame could be received, however small."""
        return self.unserved * self._most >= len(self._data)

    def _receive_burst(self, stack: Stack, arrival: Arrival, limit_ns: int) -> Arrival | None:
        return self.receive_each(arrival, limit_ns)

    def _frame(self, frame: Raw, index: int, flags: int) -> None:
        needed = 1
        if self._most > 1:
            needed = merged(frame[F_TAIL] if index == frame[F_COUNT] - 1 else frame[F_WIRE])
        if self.unserved * self._most + needed > len(self._data):
            self._refuse("ring-empty")
            return
        if self.working:
            self._unserved.append((frame, index, 1, flags))
            self.unserved += 1
            return
        data, flag = self._with_linear(*self._received(needed))
        buffer = None if data is None else self._buffers.with_head(data, self._truesize + (needed - 1) * PAGE, flag)
        if buffer is None:
            self._refuse("no-memory")
        elif flags & CORRUPT:
            self._stack.drop((buffer,), "corrupt")
        else:
            self._stack.input(frame, index, buffer)
        if self.ring_size - len(self._data) >= self._enough_empty:
            self._fill()

    def _received(self, fragments: int) -> tuple[Slab, int]:
        """The memory that a frame has been received into, and its flag."""
        take = self._data.popleft
        if fragments == 1:
            return take()
        parts = [take() for _ in range(fragments)]
        return self._merged.join([data for data, _ in parts]), sum([flag for _, flag in parts])

    def _with_linear(self, data: Slab, flag: int) -> tuple[Slab | None, int]:
        """A frame's memory with memory for what is copied, and the flag; None, and `data` is given back, if there is none."""
        if self._linear is None:
            return data, flag
        found = self._cut(self._linear, reserve=True)
        if found is None:
            data.cache.give(data)
            if flag:
                self._buffers.return_flag(flag)
            return None, 0
        linear, granted = found
        return self._merged.join([data, linear]), flag + granted

    def _fill(self) -> None:
        """Refill all empty descriptors; where memory is missing, leave it to the worker."""
        while len(self._data) < self.ring_size:
            found = self._fragment()
            if found is None:
                if not self.working:
                    self.working = True
                    self._events.after(0, self._work)
                return
            self._data.append(found)

    def _fragment(self) -> tuple[Slab, int] | None:
        """A fragment for the ring, and its flag; with the switch rx-refill perhaps of a page from the reserve."""
        return self._cut(self._fragments, reserve=self._rx_refill)

    def _cut(self, fragments: Fragments, *, reserve: bool) -> tuple[Slab, int] | None:
        """A fragment and its flag; of a page from the reserve if need be and `reserve` says so, and the reserve agrees."""
        data = fragments.take(self._zone.floors.atomic)
        if data is not None:
            return self._flagged(fragments, data)
        flag = self._buffers.flag_of_data(fragments.size) if reserve else 0
        data = fragments.take_from_reserve() if flag else None
        if data is not None:
            return data, flag
        if flag:
            self._buffers.return_flag(flag)
        return None

    def _flagged(self, fragments: Fragments, data: FragmentBlock) -> tuple[Slab, int] | None:
        """A fragment and its flag; None, and it is returned, if it is the reserve's and may not be taken from there."""
        flag = self._buffers.flag_of_data(fragments.size) if data.from_reserve else 0
        if data.from_reserve and not flag:
            fragments.give(data)
            return None
        return data, flag

    def _work(self, _: object) -> None:
        """Refill the ring as a process, which may wait for each page."""
        while len(self._data) < self.ring_size:
            data = self._fragments.take(self._zone.floors.kernel)
            found = None if data is None else self._flagged(self._fragments, data)
            if found is None:
                if not self.obtain("the refill worker", self._granted):
                    return
                found = self._fragments.take_from_page(), 0
            self._data.append(found)
        self.working = False
        self._events.after(0, self._serve)

    def _granted(self) -> None:
        """A page has been found for the worker."""
        self._data.append((self._fragments.take_from_page(), 0))
        self._work(None)
