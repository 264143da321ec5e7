"""The drivers a card can have: how its ring is kept full, and what becomes of it when memory is missing.

Source: drivers/net/e1000 and tg3.c of 2.6.22; drivers/net/ethernet/intel/e1000e, drivers/net/ethernet/realtek/8139cp.c and
drivers/net/virtio_net.c of 6.11.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Driver:
    """One refill rule."""

    ring: int
    """Receive descriptors by default."""
    copybreak: int = 0
    """Frames shorter than this (bytes) are copied into a small buffer of their own."""
    keeps_ring: bool = False
    """A frame is passed up only once another buffer has been found; else it is dropped, and its buffer stays."""


DRIVERS: Final = {
    "e1000": Driver(ring=256, copybreak=256),
    "tg3": Driver(ring=200, copybreak=256, keeps_ring=True),
    "virtio": Driver(ring=256),
    "e1000e": Driver(ring=256, copybreak=256),
    "8139cp": Driver(ring=64, keeps_ring=True),
}
