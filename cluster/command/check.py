"""`netswap check` and `netswap schema`: what can be said of a scenario without running it."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from netswap.cluster.command.beforehand import warn
from netswap.cluster.command.options import EngineName, Json, MachinesPerActor, Path_, Set
from netswap.cluster.command.status import checked, loaded_scenario, tell
from netswap.cluster.lab.runs import How
from netswap.cluster.scenario import Scenario, cost
from netswap.cluster.show import zones


def check(
    scenario: Path_,
    override: Set = [],  # noqa: B006  (typer copies it)
    engine: Annotated[EngineName, typer.Option(help="whose cost is told")] = EngineName.RAY,
    machines_per_actor: MachinesPerActor = None,
    imports: Annotated[
        bool, typer.Option("--import", help="import the classes that the scenario names, which runs their code")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check a scenario without running it, or any code that it names, and tell what a run will cost."""
    loaded = loaded_scenario(scenario, override, as_json)
    if imports:
        checked(loaded.check_whole, as_json)
    resolved = loaded.resolved()
    will_cost = cost.estimate(resolved, hosts=How(str(engine), machines_per_actor).hosts(resolved))
    warn(loaded.warnings)
    if as_json:
        warnings = [asdict(one) for one in loaded.warnings]
        told = {"errors": [], "warnings": warnings, "scenario": loaded.title, "machines": len(resolved.machines)}
        notes = [asdict(one) for one in loaded.notes]
        tell(told | {"cost": will_cost.as_json()} | ({"notes": notes} if notes else {}))
    else:
        print(
            f"{scenario}: {loaded.title}: {len(resolved.machines)} machines, {len(resolved.timeline)} faults, "
            f"{len(loaded.expectations)} expectations in force"
        )
        for one in loaded.notes:
            print(f"{one.file}:{one.line}:{one.column}: note: {one.message}; {one.hint}")
        for marks in zones.told(resolved.machines):
            print(marks)
        print(f"a run takes {will_cost}")
        for message, hint in cost.too_much(will_cost, cost.available_bytes()):
            print(f"{message}; {hint}")


def schema() -> None:
    """Print the JSON Schema of scenarios, for editors."""
    print(json.dumps(Scenario.schema(), indent=2))
