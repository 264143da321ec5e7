"""From a resolved scenario to the objects that run."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any, Final

from netswap.actors.network import Network
from netswap.actors.settings import MachineSettings
from netswap.cluster.clock import FEW
from netswap.cluster.scenario.resolved import Resolved

_SILENT: Final = ("service", "swap-server", "heartbeat", "reader", "writer")
"""Programs that send nothing to other machines but answers."""


def network(resolved: Resolved) -> Network:
    """Build the network."""
    settings = resolved.network
    return Network(
        names=resolved.names,
        default=settings.link,
        links={(link.source, link.to): link.settings for link in settings.links},
        seed=resolved.seed,
        port=None if settings.port is None else (settings.port.bandwidth_bps, settings.port.queue),
        never_talk=never_talk(resolved.machines),
    )


def never_talk(machines: Sequence[MachineSettings]) -> set[tuple[int, int]]:
    """(source, destination) of machines neither of which sends to the other unasked, so that neither answers either.

    Empty where a program may send to anybody, and where there are too many machines for the clock to ask.
    """
    if len(machines) > FEW:
        return set()
    pairs = set(permutations(range(len(machines)), 2))
    for index, machine in enumerate(machines):
        for to in range(len(machines)) if (called := _called(machine)) is None else called:
            pairs -= {(index, to), (to, index)}
    return pairs


def _called(machine: MachineSettings) -> set[int] | None:
    """The machines that this one sends to unasked; None if that cannot be known."""
    called: set[int] = set()
    if machine.swap is not None:
        called |= {machine.swap.server, *(machine.swap.spread.servers if machine.swap.spread else ())}
    for kind, settings in machine.programs:
        if kind == "flood":
            called |= {*settings["to"]}
        elif kind not in _SILENT and not _keeps_to_itself(kind, settings):
            return None
    return called


def _keeps_to_itself(kind: str, settings: dict[str, Any]) -> bool:
    """Whether it is a rank that exchanges nothing with others."""
    return bool(kind == "rank" and settings["exchange"] == "none")
