"""Tables that shorten nothing: where a terminal is too narrow for one, each row becomes a few lines."""

import textwrap
from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

Cell = Text | str

USUAL_WIDTH: Final = 80
_NO_EDGE: Final = 10_000
_GAP: Final = 2
_ROOM: Final = 20
"""Columns in which prose can be read."""


def fitted(console: Console) -> Console:
    """A file or a pipe does not break lines; a terminal that does not know its width has 80 columns."""
    if not console.is_terminal:
        console.width = _NO_EDGE
    elif console.width < 1:
        console.width = USUAL_WIDTH
    return console


def table(
    console: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    title: str = "",
    right: Sequence[str] = (),
    folds: str = "",
) -> None:
    """Print rows under the names of their columns: as they are, or with names broken at dots and spaces, or as lines.

    `right`: columns of numbers; `folds`: the column whose cells may be broken between words, never within one.
    """
    fitted(console)
    if title:
        console.print(Text(title, style="italic"))
    for names in (list(columns), [_broken(name) for name in columns]):
        made = Table(box=None, pad_edge=False)
        needed = -_GAP
        for place, (column, name) in enumerate(zip(columns, names, strict=True)):
            made.add_column(name, justify="right" if column in right else "left", no_wrap=column != folds)
            cells = [name, *(str(row[place]) for row in rows)]
            needed += _GAP + max(_width(cell.split() if column == folds else cell.split("\n")) for cell in cells)
        for row in rows:
            made.add_row(*row)
        if needed <= console.width:
            console.print(made, highlight=False)
            return
    _as_lines(console, columns, rows)


def _width(lines: Sequence[str]) -> int:
    return max(map(cell_len, lines), default=0)


def listing(console: Console, rows: Sequence[tuple[str, str]]) -> None:
    """Names, and what each is: beside it where there is room for words, else under it."""
    fitted(console)
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        if console.width - width - 2 >= _ROOM:
            lines = textwrap.wrap(text, console.width - width - 2) or [""]
            said = f"{name:<{width}}  " + f"\n{'':<{width}}  ".join(lines)
        else:
            said = "\n".join([name, *textwrap.wrap(text, console.width, initial_indent="  ", subsequent_indent="  ")])
        console.print(said, highlight=False, markup=False, soft_wrap=True)


def _broken(name: str) -> str:
    return name.replace(".", ".\n").replace(" ", "\n")


def _as_lines(console: Console, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    for number, row in enumerate(rows):
        if number:
            console.print()
        for name, cell in zip(columns, row, strict=False):
            label, value = name.replace("\n", " ") + ": ", cell if isinstance(cell, Text) else Text(cell)
            if len(label) + _width(value.plain.split("\n")) <= console.width:
                value = Text(" " * len(label)).join(value.split("\n"))
                console.print(Text(label) + value)
            else:
                console.print(label.rstrip(), highlight=False, markup=False)
                console.print(Padding(value, (0, 0, 0, 2)), highlight=False)
