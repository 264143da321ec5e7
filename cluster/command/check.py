"""`netswap check` and `netswap schema`: what can be said of a scenario without running it."""

import json

from cluster.command.options import Json, Path_, Set
from cluster.command.status import loaded_scenario, tell
from cluster.scenario import Scenario


def check(scenario: Path_, override: Set = [], as_json: Json = False) -> None:  # noqa: B006  (typer copies it)
    """Check a scenario without running it."""
    loaded = loaded_scenario(scenario, override, as_json)
    resolved = loaded.resolved()
    if as_json:
        tell({"errors": [], "scenario": loaded.title, "machines": len(resolved["machines"])})
    else:
        print(
            f"{scenario}: {loaded.title}: {len(resolved['machines'])} machines, {len(resolved['timeline'])} faults, "
            f"{len(loaded.expectations)} expectations in force"
        )


def schema() -> None:
    """Print the JSON Schema of scenarios, for editors."""
    print(json.dumps(Scenario.schema(), indent=2))
