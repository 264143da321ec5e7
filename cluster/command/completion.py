"""What a shell completes, and what is said where no shell is known."""

from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from netswap.actors.kernels import KERNELS
from netswap.actors.safeguards import PRESETS, SWITCHES

_OPTIONS = {"--install-completion", "--show-completion"}
_VALUES = {"safeguards": [*PRESETS, *SWITCHES], "kernel": [*KERNELS]}


class Verbs(TyperGroup):
    """The verbs of netswap; that completion cannot be had is an error of the input."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See click."""
        asked = not _OPTIONS.isdisjoint(args)
        try:
            return super().parse_args(ctx, args)
        except typer.Exit as error:
            if not asked or error.exit_code == 0:
                raise
            raise typer.BadParameter("call this from bash, zsh, fish or PowerShell, for that shell", ctx) from None


def settings(incomplete: str) -> Iterator[str]:
    """Values of the keys that take a name."""
    for key, names in _VALUES.items():
        for name in dict.fromkeys(names):
            if f"{key}={name}".startswith(incomplete):
                yield f"{key}={name}"
