"""`netswap list`: what scenarios can name."""

from enum import StrEnum

from rich.console import Console

from netswap.actors.counters import CAUSES, COUNTERS
from netswap.actors.kernels import KERNELS
from netswap.actors.process.loader import PROGRAMS
from netswap.actors.safeguards import PRESETS, SWITCHES
from netswap.cluster.show.tables import listing


class Topic(StrEnum):
    """What `netswap list` knows."""

    SAFEGUARDS = "safeguards"
    PROGRAMS = "programs"
    COUNTERS = "counters"
    CAUSES = "causes"
    KERNELS = "kernels"


def list_(topic: Topic) -> None:
    """List what scenarios can name."""
    rows = {
        Topic.SAFEGUARDS: [
            *((name, preset.doc) for name, preset in PRESETS.items()),
            *((name, switch.doc) for name, switch in SWITCHES.items() if name not in PRESETS),
        ],
        Topic.PROGRAMS: [(name, (program.__doc__ or "").split("\n")[0]) for name, program in PROGRAMS.items()],
        Topic.COUNTERS: list(COUNTERS.items()),
        Topic.CAUSES: list(CAUSES.items()),
        Topic.KERNELS: [(name, kernel.doc) for name, kernel in KERNELS.items()],
    }[topic]
    listing(Console(), rows)
