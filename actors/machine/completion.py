"""What becomes of a request that the swap device or the disk has answered: it goes to reclaim, or to the page's faults."""

from netswap.actors.memory.anonymous import AddressSpace
from netswap.actors.memory.board import Board
from netswap.actors.memory.files import File, LocalDisk
from netswap.actors.memory.page_faults import PageFaults
from netswap.actors.memory.reclaim import Reclaim
from netswap.actors.memory.writeback import Writeback
from netswap.actors.swap.device import PageRequest, SwapDevice


class Completion:
    """Takes the answers of one machine's devices."""

    __slots__ = ("_counters", "_faults", "_reclaim", "_scan", "_teller", "_writeback")

    def __init__(self, board: Board, reclaim: Reclaim, writeback: Writeback, faults: PageFaults) -> None:
        self._counters = board.counters
        self._teller = board.teller
        self._reclaim = reclaim
        self._scan = reclaim.scan
        self._writeback = writeback
        self._faults = faults

    def own(self, disk: LocalDisk, device: SwapDevice | None) -> None:
        """Take the answers of these devices. They are made before this: reclaim writes to them."""
        disk.owner = self
        if device is not None:
            device.owner = self

    # -- what the swap device reports -------------------------------------------------------------------------------

    def page_written(self, space: AddressSpace, page: int, version: int) -> None:
        """A page-out has been answered."""
        if isinstance(space, File):
            self.file_written(space, page, version)
            return
        if self._teller is not None:
            self._teller.page_answered(space, page, True, "swap")
        self._scan.written(space, page, version)

    def page_read(self, space: AddressSpace, page: int, version: int) -> None:
        """A page-in has been answered."""
        if isinstance(space, File):
            if space.versions[page] and version != space.versions[page]:
                self._counters.lost_pages += 1
            self.file_read(space, page)
            return
        if self._teller is not None:
            self._teller.page_answered(space, page, False, "swap")
        self._faults.page_read(space, page, version)

    def page_not_written(self, space: AddressSpace, page: int) -> None:
        """A page-out has failed: a program's page stays dirty, a file's is given up (mapping_set_error, mm/filemap.c)."""
        if isinstance(space, File):
            self._counters.lost_pages += 1
            self._scan.file_written(space, page, space.versions[page])
            self._writeback.proceed()
        else:
            self._scan.not_written(space, page)

    def page_not_read(self, space: AddressSpace, page: int) -> None:
        """A page-in has failed."""
        self._faults.not_read(space, page)

    def moved(self, request: PageRequest) -> None:
        """A request that had to wait has found a slot, or has been sent."""
        for page in range(request.page, request.page + len(request.versions)):
            self._faults.moved(request.space, page)

    def slot_free(self) -> None:
        """Another request may start."""
        self._reclaim.slot_free()
        if self._scan.cache.flushes_remotely:
            self._writeback.proceed()

    def put_off(self) -> None:
        """The server has no room for a page."""

    # -- what the disk reports --------------------------------------------------------------------------------------

    def file_written(self, file: File, page: int, version: int) -> None:
        """A page of a file is on disk."""
        self._counters.file_pages_out += 1
        if self._teller is not None:
            self._teller.page_answered(file, page, True, "file")
        self._scan.file_written(file, page, version)
        self._writeback.proceed()

    def file_read(self, file: File, page: int) -> None:
        """A page of a file has been read."""
        self._counters.file_pages_in += 1
        if self._teller is not None:
            self._teller.page_answered(file, page, False, "file")
        self._faults.file_read(file, page)
