"""`netswap from-host`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from netswap.cluster.command.options import Json
from netswap.cluster.command.status import checked, standard_output, tell, wrong
from netswap.cluster.host import places, swapping, write
from netswap.cluster.host.host import host
from netswap.cluster.scenario import Problem, load

SCRIPT = Path(places.__file__).parent / "collect.sh"


def from_host(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="saved files, or a tar.gz of them; default: this computer")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="where to write the scenario; default: standard output")] = None,
    collect: Annotated[bool, typer.Option("--collect", help="print the script that collects such files")] = False,
    as_json: Json = False,
) -> None:
    """Write the scenario of a real machine: from its saved files, or of this computer. Nothing is changed, nothing sent.

    Exit status: 0, 2 the files are malformed or missing, 3 the scenario cannot be written.
    """
    if collect:
        _collect(folder, out, as_json)
        return
    found = checked(lambda: host(places.opened(folder)), as_json)
    how = swapping.swapping(found)
    text = checked(lambda: write.scenario(found, how), as_json)
    loaded = load(text)
    if out is not None:
        part = out.with_name(f"{out.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(out)
        print(f"{loaded.title}: written to {out}; netswap ask {out} answers what can be asked of it", file=sys.stderr)
    if as_json:
        tell(
            {
                "title": loaded.title,
                "swap": str(how.way),
                "why": how.why,
                "out": str(out) if out else None,
                "scenario": text,
            }
        )
    elif out is None:
        with standard_output():
            sys.stdout.write(text)


def _collect(folder: Path | None, out: Path | None, as_json: bool) -> None:
    """Print the script, or leave it in a file that can be run."""
    if folder is not None or as_json:
        what = "--collect prints a script, and reads nothing"
        raise wrong([Problem("--collect", 1, 1, what, "write netswap from-host --collect > collect.sh")], as_json)
    text = SCRIPT.read_text(encoding="utf-8")
    if out is None:
        with standard_output():
            sys.stdout.write(text)
        return
    out.write_text(text, encoding="utf-8")
    os.chmod(out, 0o755)
