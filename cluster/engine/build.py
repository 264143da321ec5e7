"""From a resolved scenario to the objects that run."""

from collections.abc import Iterator, Sequence

from netswap.actors.network.network import Network
from netswap.actors.process import loader
from netswap.actors.settings import MachineSettings
from netswap.cluster.engine.clock import FEW
from netswap.cluster.scenario.resolved import Resolved


def network(resolved: Resolved) -> Network:
    """Build the network."""
    settings = resolved.network
    return Network(
        names=resolved.names,
        default=settings.link,
        links={(link.source, link.to): link.settings for link in settings.links},
        seed=resolved.seed,
        port=None if settings.port is None else (settings.port.bandwidth_bps, settings.port.queue),
        talks=talks(resolved.machines),
    )


def talks(machines: Sequence[MachineSettings]) -> set[tuple[int, int]] | None:
    """(source, destination) of all that may ever send something; None where there are too many machines to ask."""
    if len(machines) > FEW:
        return None
    return {pair for machine in machines for pair in _pairs(machine, len(machines)) if pair[0] != pair[1]}


def _pairs(machine: MachineSettings, count: int) -> Iterator[tuple[int, int]]:
    """To whom this machine sends unasked, and who may answer it: by its swap, and as its programs declare."""
    asks: set[int] = set()
    tells: set[int] = set()
    if machine.swap is not None:
        asks |= {machine.swap.server, *(machine.swap.spread.servers if machine.swap.spread else ())}
    for kind, settings in machine.programs:
        said = loader.talks(kind, settings)
        if said is None:
            asks |= {*range(count)}
        else:
            asks |= said.asks
            tells |= said.tells
    if machine.arp:
        asks |= tells
    for to in asks | tells:
        yield machine.index, to
    for to in asks:
        yield to, machine.index
