"""What people see of a claim that has been put to the test."""

from rich.console import Console
from rich.text import Text

from netswap.cluster.claims.shown import Ablated, Shown
from netswap.cluster.show.present import say
from netswap.cluster.show.tables import fitted


def claim(console: Console, shown: Shown) -> None:
    """A line, and what was predicted and seen under it."""
    _tested(console, shown.holds, f"{shown.row:>3} {shown.era}  {shown.claim}")
    for name, seen in shown.seen.items():
        _seen(console, name, seen, shown.predicted.get(name))


def ablated(console: Console, shown: Ablated) -> None:
    """One part of the reserve that has been taken away: what fails without it, and does not with it."""
    _tested(console, shown.holds, f"{shown.switch} ({shown.era}): {shown.failure}")
    for what, seen in (("without", shown.without), ("with", shown.with_it)):
        for name, value in seen.items():
            _seen(console, f"{what} it: {name}", value, True)


def _tested(console: Console, holds: bool, text: str) -> None:
    mark = Text("holds ", style="green") if holds else Text("FAILS ", style="bold red")
    fitted(console).print(Text.assemble(mark, text), soft_wrap=not console.is_terminal)


def _seen(console: Console, name: str, seen: object, predicted: object) -> None:
    """An expectation that was met needs no more than its words."""
    if predicted is True:
        say(console, f"          {name}" + ("" if seen is True else f": seen {seen}"))
    else:
        say(console, f"          {name}: predicted {predicted}, seen {seen}")
