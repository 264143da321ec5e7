"""A scenario as it runs: all defaults filled in, whole numbers in base units, machines by their index.

Machines, the network and the clock are built from this, in whatever process, and a run's folder keeps it.
"""

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, NamedTuple

from netswap.actors.network.link import LinkSettings
from netswap.actors.recording import Recording
from netswap.actors.settings import MachineSettings


@dataclass(frozen=True, slots=True)
class DirectedLink:
    """A link that differs from the others; its ends are machines' indexes."""

    source: int
    to: int
    settings: LinkSettings


@dataclass(frozen=True, slots=True)
class SwitchPort:
    """The one switch port of each destination; the queue is in packets, None for one without end."""

    bandwidth_bps: int
    queue: int | None


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What each directed link does, the links that differ, and the port of each destination if it has one."""

    link: LinkSettings
    links: tuple[DirectedLink, ...]
    port: SwitchPort | None

    @property
    def lookahead_ns(self) -> int:
        """The smallest latency of any link."""
        return min([self.link.latency_ns, *(one.settings.latency_ns for one in self.links)])


class Fault(NamedTuple):
    """What was done to the cluster, and when. `end_ns` is None while it lasts."""

    verb: str
    args: dict[str, object]
    at_ns: int
    end_ns: int | None


@dataclass(frozen=True, slots=True)
class Resolved:
    """A whole scenario."""

    title: str
    seed: int
    stop_ns: int
    stall_after_ns: int
    network: NetworkSettings
    machines: tuple[MachineSettings, ...]
    """By index."""
    timeline: tuple[Fault, ...]

    @property
    def names(self) -> list[str]:
        """The machines' names."""
        return [machine.name for machine in self.machines]

    def as_json(self) -> dict[str, Any]:
        """The resolved scenario as mappings and lists: what a run's folder keeps, and what the key of a sweep's row is made of.

        For a recording its file and hash stand there, and not its contents.
        """
        return {name: _plain(value) for name, value in _items(self)}


def _plain(value: Any) -> Any:
    if isinstance(value, Recording):
        return {name: one for name, one in _items(value) if name != "packed"}
    if is_dataclass(value):
        return {name: _plain(one) for name, one in _items(value)}
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, Fault):
        return value._asdict()
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value


def _items(record: Any) -> list[tuple[str, Any]]:
    return [(field.name, getattr(record, field.name)) for field in fields(record)]
