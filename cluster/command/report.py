"""`netswap report` and `netswap compare`: runs, to be looked at."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from netswap.cluster.command import looking
from netswap.cluster.report import page, sweeps


class Format(StrEnum):
    """What is written."""

    HTML = "html"
    SVG = "svg"
    PNG = "png"


Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="folders of runs")]
To = Annotated[Path | None, typer.Option("--to", help="where to write; default: in the folder of the first run")]


def report(
    runs: Runs,
    to: To = None,
    as_: Annotated[
        Format, typer.Option("--format", help="a page, or each chart as a picture of its own")
    ] = Format.HTML,
) -> None:
    """Make the report of a run, of several in contrast, or of a sweep: one page that opens with the network off.

    Exit status: 0, 2 one is no run or the libraries are missing, 3 it cannot be written.
    """
    swept = sweeps.opened(runs[0]) if len(runs) == 1 and page.is_possible() else None
    if swept is not None:
        print(sweeps.write(to or runs[0] / looking.REPORT, swept))
        return
    opened = looking.opened(runs)
    if as_ is not Format.HTML:
        folder = to or runs[0] / "charts"
        folder.mkdir(parents=True, exist_ok=True)
        for path in page.pictures(folder, opened, str(as_)):
            print(path)
        return
    print(page.write(to or runs[0] / looking.REPORT, opened))


def compare(
    one: Annotated[Path, typer.Argument(metavar="RUN")],
    other: Annotated[Path, typer.Argument(metavar="RUN")],
    to: To = None,
) -> None:
    """Lay two runs side by side: what differs, in a table and in one picture.

    Exit status: 0, 2 one is no run or the libraries are missing, 3 it cannot be written.
    """
    runs = looking.opened([one, other])
    names = page.names(runs)
    rows = [("", names), *page.contrast([page.tell(run, name) for run, name in zip(runs, names, strict=True)])]
    widths = [max(len(row[0]) for row in rows), max(len(row[1][0]) for row in rows)]
    for what, values in rows:
        print(f"{what:<{widths[0]}}  {values[0]:<{widths[1]}}  {values[1]}".rstrip())
    print(page.write(to or other / "compare.html", runs))
