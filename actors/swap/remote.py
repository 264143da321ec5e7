"""Files on the swap server, over the device that the swap uses too: a diskless machine has no other."""

from netswap.actors.memory.files import File
from netswap.actors.swap.device import SwapDevice


class RemoteDisk:
    """The swap device, as files see it."""

    __slots__ = ("_device",)

    def __init__(self, device: SwapDevice) -> None:
        self._device = device

    def can_page_out(self) -> bool:
        """Whether a request may be made; a device that is lost takes any, and fails it."""
        return self._device.can_page_out() or self._device.has_failed

    def page_out(self, file: File, page: int) -> None:
        """Write a page, with the rights of the task that flushes it."""
        self._device.write_file(file, page)

    def page_in(self, file: File, page: int) -> None:
        """Read a page."""
        self._device.page_in(file, page)
