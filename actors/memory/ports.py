"""What memory asks of others: of the swap device, and of the programs whose pages it finds."""

from typing import Protocol

from netswap.actors.memory.anonymous import AddressSpace
from netswap.actors.wait import Blocked


class SwapOut(Protocol):
    """The swap device, as reclaim sees it."""

    def can_page_out(self) -> bool:
        """Whether another page-out may start now."""

    def page_out(self, space: AddressSpace, page: int) -> None:
        """Submit one, with the rights of a reclaimer (PF_MEMALLOC)."""

    def unplug(self) -> None:
        """There are no more for now: start all that have been submitted."""

    def hindrance(self) -> str:
        """What a page-out would have to wait for now, in words; nothing if it could start."""


class SwapIn(Protocol):
    """The swap device, as page faults see it."""

    def page_in(self, space: AddressSpace, page: int) -> None:
        """Read a page back, as the process that needs it."""

    def unplug(self) -> None:
        """There are no more for now: start all that have been submitted."""

    def stage(self, number: int) -> int:
        """What the request for this page of the swap space waits for (`netswap.actors.wait`)."""

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
        """It waits for this from now on (`netswap.actors.wait`)."""


class Counted(Protocol):
    """What a program counts."""

    def touched(self, pages: int) -> None:
        """It got on by so many pages."""


class Toucher(Sleeper, Protocol):
    """A program that touches pages."""

    @property
    def progress(self) -> Counted:
        """What it counts."""

    def wake(self, _: object = None) -> None:
        """What it waited for has come."""
