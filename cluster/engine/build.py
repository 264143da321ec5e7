"""From a resolved scenario to the objects that run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from netswap.actors.network.network import Network
from netswap.actors.process import loader
from netswap.actors.settings import MachineSettings
from netswap.actors.trace import Trace
from netswap.cluster.engine.clock import Clock
from netswap.cluster.engine.orders import Answer, Exchange
from netswap.cluster.engine.pace import Apart, Tallies, Together
from netswap.cluster.engine.shard import Shard, Step, Told
from netswap.cluster.scenario.resolved import Resolved

FEW: Final = 64
"""Most machines that are all looked at before each window."""


def clock(
    resolved: Resolved,
    exchange: Exchange,
    first: Sequence[Answer],
    shares: Sequence[Sequence[int]] | None = None,
    trace: Trace | None = None,
    *,
    hands_over: bool = False,
) -> Clock:
    """Build the clock, and the network that it drives here.

    `first`: what each machine promised before anything has happened. `shares`: the machines of each shard, if there are to
    be several; without, one has them all. `trace`: what clock and links tell. `hands_over`: the machines are in this process.
    """
    if len(first) <= FEW and shares is None:
        links = network(resolved)
        links.arriving.hands_over = hands_over
        links.listen(trace)
        return Clock(Apart(links, exchange, first), resolved.timeline, trace)
    shares = shares or [range(len(first))]
    promised = dict(enumerate(first))
    shards = [shard(resolved, exchange, promised, shares, place, trace) for place in range(len(shares))]
    for one in shards:
        one.network.arriving.hands_over = hands_over

    def steps(steps: Sequence[Step]) -> list[Told]:
        return [shard.step(step) for shard, step in zip(shards, steps, strict=True)]

    def tallies() -> Tallies:
        return merged(resolved.names, [shard.network.tallies() for shard in shards])

    first_ns = [shard.first_ns() for shard in shards]
    return Clock(Together(steps, first_ns, resolved.network.lookahead_ns, tallies), resolved.timeline, trace)


def shard(
    resolved: Resolved,
    exchange: Exchange,
    first: Mapping[int, Answer],
    shares: Sequence[Sequence[int]],
    place: int,
    trace: Trace | None = None,
) -> Shard:
    """Build one of the shards; of `first`, what machines have promised, it takes those of its own.

    `trace`: what its links tell.
    """
    owners = {index: number for number, share in enumerate(shares) for index in share}
    own = shares[place]
    links = network(resolved, own)
    links.listen(trace)
    return Shard(
        links,
        exchange,
        {index: first[index] for index in own},
        [owners[index] for index in sorted(owners)],
    )


def merged(names: Sequence[str], parts: Iterable[Tallies]) -> Tallies:
    """The tallies of all shards, in the order of a network's own."""
    places = {name: place for place, name in enumerate(names)}
    whole = {link: tally for part in parts for link, tally in part.items()}
    return dict(sorted(whole.items(), key=lambda one: tuple(places[name] for name in one[0].split(">"))))


def network(resolved: Resolved, own: Sequence[int] | None = None) -> Network:
    """Build the network; with `own`, as far as it leads to these machines."""
    settings = resolved.network
    return Network(
        names=resolved.names,
        default=settings.link,
        links={(link.source, link.to): link.settings for link in settings.links},
        seed=resolved.seed,
        port=None if settings.port is None else (settings.port.bandwidth_bps, settings.port.queue),
        talks=talks(resolved.machines),
        own=own,
    )


def talks(machines: Sequence[MachineSettings]) -> set[tuple[int, int]] | None:
    """(source, destination) of all that may ever send something; None where there are too many machines to ask."""
    if len(machines) > FEW:
        return None
    return {pair for machine in machines for pair in _pairs(machine, len(machines)) if pair[0] != pair[1]}


def _pairs(machine: MachineSettings, count: int) -> Iterator[tuple[int, int]]:
    """The machines that this one sends to unasked, and those that may answer it: by its swap, and as its programs declare."""
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
