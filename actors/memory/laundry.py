"""The laundry: dirty pages that reclaim has met, to be written once enough clean ones have been dropped.

Lameter's RFC of 20 August 2007 (20070820215040.937296148@sgi.com): reclaim takes clean pages until the high mark is reached,
puts dirty ones aside, and writes them only then. Zijlstra tried it (1187734144.5463.35.camel@lappy): an anonymous load puts all
memory there, the mark is never reached, nothing is written, and the machine runs into OOM.
"""

from netswap.actors.memory.anonymous import DIRTY, RESIDENT, WRITING, AddressSpace
from netswap.actors.memory.files import File, FileDisk
from netswap.actors.memory.ports import SwapOut
from netswap.actors.memory.zone import Zone
from netswap.actors.teller import Teller

_COLD = RESIDENT | DIRTY


class Laundry:
    """The pages that one machine has put aside, in the order in which reclaim has met them."""

    __slots__ = ("_disk", "_pages", "_swap", "_teller", "_zone")

    def __init__(self, zone: Zone, swap: SwapOut, disk: FileDisk, teller: Teller | None = None) -> None:
        """`disk`: of the files that have no other."""
        self._zone = zone
        self._swap = swap
        self._disk = disk
        self._teller = teller
        self._pages: dict[tuple[AddressSpace, int], None] = {}

    def __len__(self) -> int:
        return len(self._pages)

    def put_aside(self, space: AddressSpace, page: int) -> None:
        """Put a dirty page aside that would have to be written."""
        self._pages[space, page] = None

    def wash(self) -> None:
        """Write as many as there are request slots, while more is free than the high mark; one used since is left alone."""
        zone, pages = self._zone, self._pages
        while pages and zone.free > zone.high_mark:
            space, page = next(iter(pages))
            if space.states[page] == _COLD and page not in space.rewritten and not self._write(space, page):
                break
            del pages[space, page]
        self._swap.unplug()

    def _write(self, space: AddressSpace, page: int) -> bool:
        """Begin to write a page; False if there is no room for another."""
        if isinstance(space, File):
            disk = space.disk or self._disk
            if not disk.can_page_out():
                return False
            space.begin_write(page, leaves=True)
            if self._teller is not None:
                self._teller.page_begun(space, page, True, "file")
            disk.page_out(space, page)
            return True
        if not self._swap.can_page_out():
            return False
        space.states[page] = WRITING
        space.resident -= 1
        if self._teller is not None:
            self._teller.page_begun(space, page, True, "swap")
        self._swap.page_out(space, page)
        return True
