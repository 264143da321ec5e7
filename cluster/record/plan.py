"""What is to be recorded: all that another process has to know to do its part."""

from dataclasses import dataclass
from typing import Final

from netswap.protocol.units import milliseconds

EVERY_NS: Final = milliseconds(10)
"""Between two looks at a machine of few."""
EVERY_OF_MANY_NS: Final = milliseconds(100)
"""Between two looks at a machine of many."""
FEW: Final = 16
"""Up to this number of machines all have full series without being asked for; of more machines this number, the worst."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How often machines are looked at, and whose series are kept in full."""

    every_ns: int = EVERY_NS
    machines: tuple[int, ...] | None = None
    """Their indexes; None for all of few, or the worst of many."""


def usual_every_ns(machines: int) -> int:
    """How often `machines` machines are looked at if the scenario does not say it."""
    return EVERY_NS if machines <= FEW else EVERY_OF_MANY_NS
