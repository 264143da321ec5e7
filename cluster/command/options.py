"""Options and arguments that several verbs share."""

from enum import StrEnum
from typing import Annotated

import typer


class EngineName(StrEnum):
    """Where the actors run."""

    RAY = "ray"
    INLINE = "inline"


Path_ = Annotated[str, typer.Argument(metavar="SCENARIO", help="a YAML file")]
Set = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="override a key, dotted; the value is YAML")]
MachinesPerActor = Annotated[int, typer.Option(min=1, help="machines in each Ray actor")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")]
