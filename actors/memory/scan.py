"""One pass over the lists of pages: what it looks at, what it drops or has written, and how it ends.

Source: mm/vmscan.c of 2.6.22 and 6.11 (shrink_zone and below). kswapd and direct reclaimers make the same passes, at a
priority that counts down from 12: each pass looks at 2^-priority of a list. The page cache comes first, mapped pages
(program text, then anonymous memory) only once the pressure says so. A clean page is dropped at once, a dirty one is
written, and a pass that finds no request slot for it ends there.
"""

from collections.abc import Callable
from typing import Final

from netswap.actors.kernels.kernel import Kernel
from netswap.actors.memory.anonymous import DIRTY, RESIDENT, SWAPPED, UNTOUCHED, WRITING, AddressSpace, ClockHand
from netswap.actors.memory.board import Board
from netswap.actors.memory.clean_minimum import CleanMinimum
from netswap.actors.memory.files import File, PageCache
from netswap.actors.memory.laundry import Laundry
from netswap.actors.memory.oom import OomKiller
from netswap.actors.memory.ports import SwapOut
from netswap.actors.memory.waiter import Outcome
from netswap.actors.memory.writeback import Writeback

# By name once: to look up a member of an enum costs more than a call.
_NAP: Final = Outcome.NAP
_NOTHING: Final = Outcome.NOTHING
_NO_SLOT: Final = Outcome.NO_SLOT
_SCANNED: Final = Outcome.SCANNED


class Scan:
    """The lists of one machine's pages, and the passes over them."""

    def __init__(
        self,
        board: Board,
        swap: SwapOut | None,
        writeback: Writeback | None = None,
        *,
        clean_minimum: CleanMinimum | None = None,
        laundry: Laundry | None = None,
    ) -> None:
        """`writeback`: the limits and the disk of the files; None on a machine without files.

        `clean_minimum`: the part of the page cache that may not be dropped. `laundry`: where dirty pages wait until the
        high mark is reached. Both are None unless a policy has that rule.
        """
        self.cache = writeback.cache if writeback is not None else PageCache(ClockHand())
        self.hand = self.cache.mapped
        self.oom: OomKiller | None = None
        """Told of each pass. It counts what reclaim frees, so it is made after this."""
        self.swap = swap
        self.swap_pages: int | None = None
        """Pages that the swap space holds; None if it cannot become full."""
        self.started = 0
        """Pages of programs whose page-out has been started."""
        self.dropped = 0
        """Clean pages that have been dropped."""
        self.returned = 0
        """Pages that have been free since they were written."""
        self.writeout_naps = board.tally.writeout_naps
        """Naps of reclaimers in throttle_vm_writeout."""
        self.clean_minimum = clean_minimum
        self.laundry = laundry
        self._zone = board.zone
        self._kernel = board.kernel
        self._teller = board.teller
        self._disk = writeback.disk if writeback is not None else None
        self._writeback = writeback
        self._throttled: Callable[[int], bool] = _never if writeback is None else writeback.throttles_reclaim
        """Whether throttle_vm_writeout makes a reclaimer nap, given a number of pages that are resident at least."""

    def go_round(self, spaces: list[AddressSpace], swap_pages: int | None = None) -> None:
        """Look for pages in the memory of these programs, in this order; `swap_pages`: the size of the swap space, if any."""
        self.hand.spaces = spaces
        if swap_pages is not None and sum(space.pages for space in spaces) > swap_pages:
            self.swap_pages = swap_pages

    # -- what there is to reclaim -----------------------------------------------------------------------------------

    def reclaimable(self) -> int:
        """Pages on the lists, those under writeback included.

        2.6.22 counts all of them, 6.11 neither locked pages nor, without a swap, anonymous ones (zone_reclaimable_pages).
        """
        cache = self.cache
        if self._kernel.oom.fruitless_scans:
            pages = cache.pages()
        elif self.swap is None or self._swap_room() == 0:
            pages = cache.resident()
        else:
            pages = cache.unmapped.resident() + self.hand.resident()
        if self._writeback is not None:
            pages += self._writeback.under_way() - cache.flushing()
        return pages

    def _swap_room(self) -> int | None:
        """Pages for which there is a slot in the swap space; None if there is one for every page there can be."""
        if self.swap_pages is None:
            return None
        spaces = [space for space in self.hand.spaces if not isinstance(space, File)]
        return max(0, self.swap_pages - sum(space.copies() for space in spaces))

    def takes_mapped(self, priority: int, mapped: int) -> bool:
        """Whether the pressure is such that mapped pages have to go: swap_tendency is 100 or more.

        6.11 spares none of them: they go as soon as there is too little cache for a share of it to be looked at.
        """
        kernel = self._kernel
        if not kernel.spares_mapped:
            return not self.cache.unmapped.resident() >> priority
        distress = 100 >> priority
        return mapped * 100 // self._zone.total // 2 + distress + kernel.swappiness >= 100

    def naps_after(self, priority: int) -> bool:
        """Whether a pass that had something to look at is followed by a nap."""
        kernel = self._kernel
        if kernel.naps_each_pass:
            return priority < kernel.def_priority - 2
        return not priority and self.is_writing()

    def is_writing(self) -> bool:
        """Whether anything is under writeback: it stays on the lists, and is looked at."""
        return self._writeback is not None and self._writeback.under_way() > 0

    # -- a pass -----------------------------------------------------------------------------------------------------

    def shrink(self, priority: int, enough: int, before: Outcome, *, rounds: int = 0) -> Outcome:
        """Look at a share of the lists, or go round them `rounds` times, until `enough` pages are free.

        `before`: how the caller's last pass ended. A caller that slept in it makes it again, as if it had never left it.
        """
        if before is _NAP and self._throttled(0):
            self.writeout_naps += 1
            return _NAP
        cache = self.cache
        if self.clean_minimum is not None:
            self.clean_minimum.look()
        swap = self.swap
        can_write = swap is not None and swap.can_page_out()
        # The common case of a machine under pressure, settled without a scan: no slot, and no cache to take instead.
        if not can_write and not cache.files and self._needs_slot():
            return _NO_SLOT
        resident = self.hand.resident()
        # The kernel weighs the pressure once, before it shrinks anything, so text that this pass drops still counts here.
        mapped = resident + cache.locked_pages()
        outcome = _NOTHING
        if cache.files:
            outcome = self._shrink_files(cache.unmapped, priority, enough, rounds)
            # Dirty files on the swap server have taken request slots meanwhile.
            can_write = swap is not None and swap.can_page_out()
            resident = self.hand.resident()
        if self._zone.free < enough and self.takes_mapped(priority, mapped):
            quota = _quota(resident, priority, rounds, self._kernel)
            if quota:
                outcome = self._shrink_mapped(quota, enough, can_write)
            if swap is not None:
                swap.unplug()  # nothing that this pass has submitted waits for the next pass
            if outcome is before is _NO_SLOT:
                # The caller has slept for a slot in vain. Other tasks would have scanned meanwhile, and have found the
                # clean text behind the dirty page that this caller stands at.
                self._shrink_files(cache.text, priority, enough, 2)
        throttled = self._throttled(self.hand.resident())  # asked in any case: it keeps the peak under writeback
        if outcome is _NO_SLOT or not throttled:
            return outcome  # without a slot the pass has not come to its end, where throttle_vm_writeout is
        self.writeout_naps += 1
        return _NAP

    def stops_at_once(self) -> bool:
        """Whether a pass begins and ends with a page to be written for which there is no request slot."""
        swap = self.swap
        if swap is None or swap.can_page_out() or self.cache.files or self.clean_minimum is not None:
            return False
        return self._needs_slot()

    def shrink_clean(self, priority: int, enough: int) -> Outcome:
        """The pass of a task that may neither start a write nor wait for one: it drops what is clean, and passes over the rest.

        Source: mm/vmscan.c (shrink_page_list, may_enter_fs) and include/linux/sched/mm.h (current_gfp_context).
        """
        if self.clean_minimum is not None:
            self.clean_minimum.look()
        cache, kernel = self.cache, self._kernel
        outcome, mapped = _NOTHING, self.hand.resident() + cache.locked_pages()
        hands = [cache.unmapped]
        if self.takes_mapped(priority, mapped):
            hands.append(self.hand)
        for hand in hands:
            quota = _quota(hand.resident(), priority, 0, kernel)
            if not quota or self._zone.free >= enough:
                continue
            outcome = _SCANNED
            for space, page in hand.victims(quota):
                if not space.states[page] & DIRTY:
                    if isinstance(space, File):
                        self._drop_file(space, page)
                    else:
                        self._drop(space, page)
                if self._zone.free >= enough:
                    break
        return outcome

    def _shrink_files(self, hand: ClockHand, priority: int, enough: int, rounds: int) -> Outcome:
        """Drop clean pages of files; dirty ones are written if the disk takes them, and else stay."""
        quota = _quota(hand.resident(), priority, rounds, self._kernel)
        if not quota or self._zone.free >= enough:
            return _NOTHING
        if self.clean_minimum is not None and not self.clean_minimum.may_drop() and not self.cache.dirty():
            return _SCANNED
        disk = self._disk
        assert disk is not None, "files are on a disk"
        for file, page in hand.victims(quota):
            assert isinstance(file, File)
            if not file.states[page] & DIRTY:
                self._drop_file(file, page)
            elif self.laundry is not None:
                self.laundry.put_aside(file, page)
            elif (file.disk or disk).can_page_out():
                file.begin_write(page, leaves=True)
                if self._teller is not None:
                    self._teller.page_begun(file, page, True, "file")
                (file.disk or disk).page_out(file, page)
            if self._zone.free >= enough:
                break
        return _SCANNED

    def _shrink_mapped(self, quota: int, enough: int, can_write: bool) -> Outcome:
        """Let pages of programs leave until enough are free, no request can be made, or too much is under writeback.

        `can_write`: whether the swap device takes a page now.
        """
        if not can_write and self._needs_slot():
            return _NO_SLOT
        zone, swap, room = self._zone, self.swap, self._swap_room()
        begun = self.started
        for space, page in self.hand.victims(quota):
            if not space.states[page] & DIRTY:
                if isinstance(space, File):
                    self._drop_file(space, page)
                else:
                    self._drop(space, page)
            elif swap is None or swap.has_failed or self.started - begun == room:
                continue  # there is no place to write it to: it stays, and the scan goes on behind it
            elif self.laundry is not None:
                self.laundry.put_aside(space, page)
                continue
            elif can_write:
                space.states[page] = WRITING
                space.resident -= 1
                if self._teller is not None:
                    self._teller.page_begun(space, page, True, "swap")
                swap.page_out(space, page)
                self.started += 1
                if not (self.started - begun) % self._kernel.swap_cluster_max and self._throttled(0):
                    return _NAP
                can_write = swap.can_page_out()
            else:
                # The caller falls asleep over this page, and goes on with it.
                self.hand.step_back(space, page)
                return _NO_SLOT
            if zone.free >= enough:
                return _SCANNED
            # Falling asleep at once saves a look at the page that the hand stands at: it would be the branch above.
            if not can_write and self.started - begun != room and self._needs_slot():
                return _NO_SLOT
        return _SCANNED

    def _needs_slot(self) -> bool:
        """Whether the next page to leave has to be written first."""
        swap = self.swap
        if swap is None or swap.has_failed:
            return False
        return self.hand.at_dirty() and self.laundry is None and self._swap_room() != 0

    def _drop_file(self, file: File, page: int) -> None:
        """Drop a clean page of a file, unless the share that has to stay clean is not exceeded."""
        if self.clean_minimum is None or self.clean_minimum.may_drop():
            self._drop(file, page)

    def _drop(self, space: AddressSpace, page: int) -> None:
        """Drop a clean page, whose contents are on a disk or on the swap server: nothing has to be sent."""
        space.states[page] = space.left
        space.resident -= 1
        self.dropped += 1
        self._zone.give()

    def drop_clean(self, wanted: int) -> int:
        """Drop up to `wanted` clean pages of files, unmapped ones first, and do nothing else; the number dropped."""
        dropped = 0
        for hand in (self.cache.unmapped, self.cache.text):
            for file, page in hand.victims(2 * hand.resident()):
                if not file.states[page] & DIRTY:
                    self._drop(file, page)
                    dropped += 1
                    if dropped == wanted:
                        break
            if dropped == wanted:
                break
        if self.clean_minimum is not None:
            self.clean_minimum.look()
        return dropped

    # -- what has been written --------------------------------------------------------------------------------------

    def written(self, space: AddressSpace, page: int, version: int) -> None:
        """The reply to a page-out has been processed: the page is free, unless it was used meanwhile."""
        if page not in space.rewritten:
            space.states[page] = SWAPPED
            self.returned += 1
            self._zone.give()
            return
        space.rewritten.discard(page)
        if space.versions[page] == version and space.states[page] & RESIDENT:
            space.states[page] &= ~DIRTY

    def not_written(self, space: AddressSpace, page: int) -> None:
        """A page-out has failed: the page stays dirty in memory (mm/page_io.c, end_swap_bio_write)."""
        if space.gone:
            space.states[page] = UNTOUCHED
            self._zone.give()
        elif page in space.rewritten:
            space.rewritten.discard(page)
        else:
            space.states[page] = RESIDENT | DIRTY
            space.resident += 1

    def file_written(self, file: File, page: int, version: int) -> None:
        """A page is on disk: it is free, unless it was to stay or was used meanwhile."""
        if file.end_write(page, version):
            self.returned += 1
            self._zone.give()


def _never(resident: int) -> bool:
    """Without writeback no reclaimer naps for it."""
    return False


def _quota(resident: int, priority: int, rounds: int, kernel: Kernel) -> int:
    """How many pages a pass looks at, of a list of `resident` pages."""
    if not resident:
        return 0
    return rounds * resident + 1 if rounds else max(kernel.scan_least, resident >> priority)
