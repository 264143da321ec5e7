"""Zones of a real machine as those of a scenario, which has the zones of one node of x86-64."""

from collections.abc import Sequence
from typing import NamedTuple

from netswap.cluster.host.draft import size_text
from netswap.cluster.scenario import models


class RealZone(NamedTuple):
    """One zone that has pages; `size` in bytes, whole pages of 4 KiB."""

    node: int
    name: str
    size: int


def words(zones: Sequence[RealZone]) -> str:
    """The value of `zones` in a scenario, lowest zone first; empty for one zone, and for zones that no scenario can have."""
    names = [one.name for one in zones]
    known = [name for name in models.Zones.model_fields if name in names]
    if len(zones) < 2 or names != known or len({one.node for one in zones}) > 1 or min(one.size for one in zones) <= 0:
        return ""
    return f"{{{', '.join(f'{one.name}: {size_text(one.size)}' for one in zones)}}}"
