"""Several connections to one NBD server: each page has its connection, and another while that one takes no request.

Source: drivers/block/nbd.c (nbd_handle_cmd, find_fallback, nbd_xmit_timeout), nbd-client(8), -connections. There a connection
belongs to a queue of the block layer, and so to processors; here, to every n-th page of the swap space (a choice: a machine
has no processors of its own here). Requests on a connection that ends go on over another one that is open.
"""

from collections.abc import Sequence
from typing import Final

from netswap.actors.counters import Counters
from netswap.actors.events import Events, Timer
from netswap.actors.memory.anonymous import AddressSpace
from netswap.actors.swap.device import PageRequest, SwapDevice
from netswap.actors.swap.nbd import NbdDevice
from netswap.actors.wait import CONNECTION, REPLY, SLOT

HANDLES: Final = 1 << 26
"""Handles that one connection may give before they are another's."""


class ConnectedDevice(SwapDevice):
    """Requests under way over all connections; it owns the devices of each."""

    def __init__(self, events: Events, counters: Counters, devices: Sequence[NbdDevice]) -> None:
        first = devices[0]
        super().__init__(events, counters, first.server, sum(one.in_flight for one in devices))
        self._devices = tuple(devices)
        for number, device in enumerate(devices):
            device.owner = _Owner(self)
            device.share(number * HANDLES, [one for one in devices if one is not device])

    # -- what others may see ----------------------------------------------------------------------------------------

    @property
    def links(self) -> Sequence[SwapDevice]:
        """The devices of its connections."""
        return self._devices

    @property
    def is_open(self) -> bool:
        """Whether any connection is."""
        return any(one.is_open for one in self._devices)

    def timers(self) -> list[Timer]:
        """The timers of all connections."""
        return [timer for one in self._devices for timer in one.timers()]

    def stage(self, number: int) -> int:
        """The kind of wait of the connection that has been asked for this page."""
        stages = [one.stage(number) for one in self._devices if one.knows(number)]
        return next((kind for kind in (REPLY, CONNECTION) if kind in stages), SLOT)

    def knows(self, number: int) -> bool:
        """Whether any connection has been asked for this page."""
        return any(one.knows(number) for one in self._devices)

    def hindrance(self) -> str:
        """The wait at the first connection, unless another takes a page-out."""
        return "" if self.can_page_out() else next((said for one in self._devices if (said := one.hindrance())), "")

    # -- what reclaim and faults ask for ----------------------------------------------------------------------------

    def can_page_out(self) -> bool:
        """Whether any connection takes one."""
        return any(one.can_page_out() for one in self._devices)

    def has_slot(self) -> bool:
        """Whether any connection would send at once."""
        return any(one.is_open and one.has_slot() for one in self._devices)

    def page_out(self, space: AddressSpace, page: int) -> None:
        """Write a page, as a reclaimer."""
        self.writeback += 1
        self._taker(space.base + page, writes=True).page_out(space, page)

    def write_file(self, file: AddressSpace, page: int) -> None:
        """Write a page of a file that is on the server too."""
        self.writeback += 1
        self._taker(file.base + page, writes=True).write_file(file, page)

    def page_in(self, space: AddressSpace, page: int) -> None:
        """Read a page back."""
        self._taker(space.base + page, writes=False).page_in(space, page)

    def _taker(self, number: int, *, writes: bool) -> NbdDevice:
        """The connection of a page, or the next one that takes its request; all are asked in turn."""
        count = len(self._devices)
        turn = [self._devices[(number + step) % count] for step in range(count)]
        for one in turn:
            if one.can_page_out() if writes else one.is_open:
                return one
        return turn[0]

    # -- what its connections report --------------------------------------------------------------------------------

    def page_written(self, space: AddressSpace, page: int, version: int) -> None:
        """A page-out has been answered."""
        self._note_reply()
        self.writeback -= 1
        self.owner.page_written(space, page, version)

    def page_read(self, space: AddressSpace, page: int, version: int) -> None:
        """A page-in has been answered."""
        self._note_reply()
        self.owner.page_read(space, page, version)

    def page_not_written(self, space: AddressSpace, page: int) -> None:
        """A page-out has failed: no connection is left, or this one took it along."""
        self.writeback -= 1
        self._look_for_loss()
        self.owner.page_not_written(space, page)

    def page_not_read(self, space: AddressSpace, page: int) -> None:
        """A page-in has failed."""
        self._look_for_loss()
        self.owner.page_not_read(space, page)

    def moved(self, request: PageRequest) -> None:
        """A request has found a slot, or has been sent."""
        self.owner.moved(request)

    def slot_free(self) -> None:
        """A connection takes another request."""
        self._look_for_loss()
        self.owner.slot_free()

    def _note_reply(self) -> None:
        self.last_reply_ns = self._events.now

    def _look_for_loss(self) -> None:
        self.has_failed = all(one.has_failed for one in self._devices)


class _Owner:
    """Takes what one connection reports.

    It stands beside the device since a device has a list that is called `put_off`, and an owner is told so.
    """

    __slots__ = ("_all",)

    def __init__(self, everything: ConnectedDevice) -> None:
        self._all = everything

    def page_written(self, space: AddressSpace, page: int, version: int) -> None:
        """A page-out has been answered."""
        self._all.page_written(space, page, version)

    def page_read(self, space: AddressSpace, page: int, version: int) -> None:
        """A page-in has been answered."""
        self._all.page_read(space, page, version)

    def page_not_written(self, space: AddressSpace, page: int) -> None:
        """A page-out has failed."""
        self._all.page_not_written(space, page)

    def page_not_read(self, space: AddressSpace, page: int) -> None:
        """A page-in has failed."""
        self._all.page_not_read(space, page)

    def moved(self, request: PageRequest) -> None:
        """A request has found a slot, or has been sent."""
        self._all.moved(request)

    def slot_free(self) -> None:
        """The connection takes another request."""
        self._all.slot_free()

    def put_off(self) -> None:
        """The server has no room for a page: the connection asks again."""
        self._all.owner.put_off()
