"""Swap on the machine's own disk: no network, and nothing but the disk to wait for.

A request needs no memory that is not there: a bio comes from a mempool, and the page itself is read or written (mm/page_io.c,
block/bio.c). So this device is the control: what a machine does that swaps, and whose swap always answers.
"""

from typing import Final

from netswap.actors.disk import Store
from netswap.actors.events import Timer
from netswap.actors.memory.board import Board
from netswap.actors.memory.files import LocalDisk
from netswap.actors.swap.device import PageRequest, SwapDevice

_STORE: Final = "swap"


class DiskDevice(SwapDevice):
    """Requests under way to the disk, in order with those of the machine's files."""

    def __init__(self, board: Board, disk: LocalDisk, own: int, in_flight: int) -> None:
        """`own`: the machine's index."""
        super().__init__(board.events, board.counters, own, in_flight, board.tally.boots)
        self._disk = disk
        self._store: Store = disk.keep(_STORE).setdefault(_STORE, Store())
        self._due_ns: dict[int, int] = {}
        """When each request is done."""

    def timers(self) -> list[Timer]:
        """When the disk is done with each request."""
        return [Timer("the disk", -1, -1, due_ns) for due_ns in self._due_ns.values()]

    def _send(self, request: PageRequest, *, reclaimer: bool = False) -> None:
        request.attempts += 1
        request.previous_ns, request.last_ns = request.last_ns, self._events.now
        self.under_way[request.xid] = request
        self._due_ns[request.xid] = self._disk.submit(self._done, request)

    def _done(self, request: PageRequest) -> None:
        del self.under_way[request.xid], self._due_ns[request.xid]
        number = request.space.base + request.page
        if request.write:
            self._store.write(number, request.versions)
            self._answered(request, request.versions)
        else:
            self._answered(request, self._store.read(number, len(request.versions)))
