"""The command `netswap`: its verbs, put together."""

from importlib.metadata import version
from typing import Annotated

import typer

from cluster.command.check import check, schema
from cluster.command.claims import claims
from cluster.command.completion import Verbs
from cluster.command.minimum import minimum
from cluster.command.remedies import remedies
from cluster.command.run import run
from cluster.command.sweep import sweep
from cluster.command.words import list_
from cluster.surroundings import is_compiled

app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A laboratory for swapping over the network: which machines deadlock, why, and what saves them.",
)


@app.callback(invoke_without_command=True)
def top(show_version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    """A laboratory for swapping over the network."""
    if show_version:
        print(f"netswap {version('netswap')}{' (compiled)' if is_compiled() else ''}")
        raise typer.Exit


for verb in (run, claims, minimum, remedies, sweep, check):
    app.command()(verb)
app.command("list")(list_)
app.command()(schema)


def main() -> None:
    """Entry point."""
    app()
