"""The command `netswap`: its verbs, put together."""

import sys
from functools import partial
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

from netswap.cluster.command import status
from netswap.cluster.command.ask import ask
from netswap.cluster.command.check import check, schema
from netswap.cluster.command.claims import claims
from netswap.cluster.command.completion import Verbs
from netswap.cluster.command.doctor import doctor
from netswap.cluster.command.explain import explain
from netswap.cluster.command.export import export
from netswap.cluster.command.from_host import from_host
from netswap.cluster.command.kernels import kernels
from netswap.cluster.command.match import match
from netswap.cluster.command.minimum import minimum
from netswap.cluster.command.remedies import remedies
from netswap.cluster.command.report import compare, report
from netswap.cluster.command.run import run
from netswap.cluster.command.sweep import sweep
from netswap.cluster.command.trace import trace
from netswap.cluster.command.validate import validate
from netswap.cluster.command.words import list_
from netswap.cluster.engine.surroundings import is_compiled


class Verb(TyperCommand):
    """A verb of the command. However it ends, that becomes an exit status with a sentence."""

    def invoke(self, ctx: Any) -> NoReturn:
        """Run it."""
        raise typer.Exit(status.ended(partial(super().invoke, ctx), as_json=bool(ctx.params.get("as_json"))))


class Netswap(Verbs):
    """The command: what it prints beside its verbs, as help, may fail too."""

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run it."""
        raise SystemExit(status.ended(partial(super().main, *args, **kwargs)))


app = typer.Typer(
    cls=Netswap,
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


VERBS = (run, report, compare, explain, export, match, claims, minimum, remedies, sweep, validate, trace, check, doctor)
for verb in VERBS:
    app.command(cls=Verb)(verb)
app.command(cls=Verb)(kernels)
app.command("from-host", cls=Verb)(from_host)
app.command(cls=Verb)(ask)
app.command("list", cls=Verb)(list_)
app.command(cls=Verb)(schema)


def main() -> NoReturn:
    """Entry point."""
    sys.exit(status.main(app))
