"""What memory asks of other rooms: of the swap device, and of the programs whose pages it finds."""

from typing import Protocol

from netswap.actors.memory.anonymous import AddressSpace
from netswap.actors.wait import Blocked


class SwapOut(Protocol):
    """The swap device, as reclaim sees it."""

    has_failed: bool
    """Whether it fails every request from now on."""

    def can_page_out(self) -> bool:
        """Whether another page-out may start now."""

    def page_out(self, space: AddressSpace, page: int) -> None:
        """Submit a page-out, with the rights of a reclaimer (PF_MEMALLOC)."""

    def unplug(self) -> None:
        """Start all requests that have been submitted: there are no more for now."""

    def hindrance(self) -> str:
        """What a page-out would have to wait for now, in words; nothing if it could start."""


class SwapIn(Protocol):
    """The swap device, as page faults see it."""

    def page_in(self, space: AddressSpace, page: int) -> None:
        """Read a page back, as the process that needs it."""

    def unplug(self) -> None:
        """Start all requests that have been submitted: there are no more for now."""

    def stage(self, number: int) -> int:
        """The kind of wait of the request for this page of the swap space (`netswap.actors.wait`)."""

    def knows(self, number: int) -> bool:
        """Whether there is a request for this page."""

    def waits_for_slot(self, number: int) -> bool:
        """Whether the request for this page has not found a slot yet."""


class UnderWriteback(Protocol):
    """The swap device, as the limits of writeback see it."""

    writeback: int
    """Pages that are being written out."""


class Sleeper(Protocol):
    """A process that sleeps until it has a page."""

    def block(self, kind: int) -> Blocked:
        """Note that the process waits for this from now on (`netswap.actors.wait`)."""


class Counted(Protocol):
    """The progress of a program."""

    def touched(self, pages: int) -> None:
        """Note that the program has touched `pages` more pages."""


class Toucher(Sleeper, Protocol):
    """A program that touches pages."""

    @property
    def progress(self) -> Counted:
        """The progress of this program."""

    def wake(self, _: object = None) -> None:
        """Go on: what the program waited for may have come."""
