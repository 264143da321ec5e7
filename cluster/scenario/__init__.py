"""Scenarios: YAML with units, checked as a whole, resolved to settings.

Read in this order: `models` (what may be written), `scenario` (load), `source` (YAML with places), `check` and its
neighbours (what must fit together), `resolve` (the plain data that machines and network are built from).
"""

from netswap.cluster.scenario.errors import Problem, ScenarioError
from netswap.cluster.scenario.scenario import Scenario, load

__all__ = ["load", "Scenario", "ScenarioError", "Problem"]
