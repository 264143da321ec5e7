"""Scenarios: YAML with units, checked as a whole, resolved to settings.

Read in this order: `models` (what may be written), `scenario` (load), `source` (YAML with places), `check` and its
neighbours (what must fit together), `resolve` (the plain data that machines and network are built from).

An actor needs that plain data only (`resolved`): what reads and checks a scenario is not loaded with the room.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netswap.cluster.scenario.errors import Problem, ScenarioError
    from netswap.cluster.scenario.scenario import Scenario, load

__all__ = ["load", "Scenario", "ScenarioError", "Problem"]


def __getattr__(name: str) -> Any:
    """Each name comes from its module when it is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from netswap.cluster.scenario import errors, scenario

    return getattr(scenario if name in ("load", "Scenario") else errors, name)
