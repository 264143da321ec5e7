"""netswap: a laboratory for swapping over the network. What tests, notebooks and programs of one's own need.

    from netswap import open_cluster, seconds

    with open_cluster("configs/three-machines.yaml", safeguards="reserve", timeline=[]) as cluster:
        cluster.run_for(seconds(5))
        with cluster.partition({"C"}):
            cluster.run_for(seconds(10))
        cluster.run_for(seconds(45))
        print(cluster["A"].verdict)

Stability: the names in `__all__`, their parameters and what they return stay as they are within a minor version (0.2.x), and
the changelog says what changes with the next. All else (`netswap.protocol`, `netswap.actors`, `netswap.cluster`) may change at
any time: it is there to be read.

| name | what it is |
| --- | --- |
| `open_cluster`, `Cluster`, `MachineView`, `Undo` | a scenario under way, a machine in it, and a fault that can be undone |
| `load`, `Scenario`, `ScenarioError`, `Problem` | a scenario that holds together, and all that is wrong with one that does not |
| `open_run`, `Run` | what a run has left in its folder: its result, and its series as data frames |
| `from_host` | a real machine's saved files, or this computer, as the text of a scenario |
| `Verdict` | what can be said of a machine, from worst to best |
| `System`, `Program`, `Datagram`, `Delivery` | what a program of one's own yields to, and what it is given |
| `ProgramError`, `InfrastructureError` | a program has failed; Ray has, which is never a result |
| `microseconds`, `milliseconds`, `seconds`, `minutes` | times, as whole nanoseconds |
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from netswap.actors.net.sockets import Datagram
    from netswap.actors.programs.streams import Delivery
    from netswap.actors.programs.system import System
    from netswap.actors.programs.task import Program, ProgramError
    from netswap.cluster.engine.engine import InfrastructureError
    from netswap.cluster.host.api import from_host
    from netswap.cluster.judge.verdict import Verdict
    from netswap.cluster.judge.views import MachineView
    from netswap.cluster.lab.cluster import Cluster, Undo, open_cluster
    from netswap.cluster.report.opened import Run, open_run
    from netswap.cluster.scenario import Problem, Scenario, ScenarioError, load
    from netswap.protocol.units import microseconds, milliseconds, minutes, seconds

__all__ = [
    "open_cluster",
    "Cluster",
    "MachineView",
    "Undo",
    "open_run",
    "Run",
    "from_host",
    "load",
    "Scenario",
    "ScenarioError",
    "Problem",
    "Verdict",
    "System",
    "Program",
    "Datagram",
    "Delivery",
    "ProgramError",
    "InfrastructureError",
    "microseconds",
    "milliseconds",
    "seconds",
    "minutes",
]

_HOMES: Final = {
    "cluster.lab.cluster": ("open_cluster", "Cluster", "Undo"),
    "cluster.report.opened": ("open_run", "Run"),
    "cluster.host.api": ("from_host",),
    "cluster.judge.views": ("MachineView",),
    "cluster.scenario": ("load", "Scenario", "ScenarioError", "Problem"),
    "cluster.judge.verdict": ("Verdict",),
    "cluster.engine.engine": ("InfrastructureError",),
    "actors.programs.system": ("System",),
    "actors.programs.task": ("Program", "ProgramError"),
    "actors.programs.streams": ("Delivery",),
    "actors.net.sockets": ("Datagram",),
    "protocol.units": ("microseconds", "milliseconds", "seconds", "minutes"),
}


def __getattr__(name: str) -> Any:
    """Each name comes from its module when it is asked for: a program that needs one part does not load all."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
