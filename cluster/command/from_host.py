"""`netswap from-host`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from netswap.cluster.command.options import Json
from netswap.cluster.command.status import checked, standard_output, tell, wrong
from netswap.cluster.host import places
from netswap.cluster.host.api import proposed
from netswap.cluster.scenario import Problem, load

SCRIPT = Path(places.__file__).parent / "collect.sh"


def from_host(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="saved files, or a tar.gz of them; default: this computer")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="where to write the scenario; default: standard output")] = None,
    collect: Annotated[bool, typer.Option("--collect", help="print the script that collects such files")] = False,
    sysctl: Annotated[
        list[str], typer.Option("--sysctl", metavar="NAME=VALUE", help="as if this were set; may be repeated")
    ] = [],  # noqa: B006  (typer copies it)
    as_json: Json = False,
) -> None:
    """Write the scenario of a real machine: from its saved files, or of this computer. Nothing is changed, nothing sent.

    Exit status: 0, 2 the files are malformed or missing, 3 the scenario cannot be written.
    """
    if collect:
        _collect(folder, out, as_json)
        return
    changes = dict(_pair(one, as_json) for one in sysctl)
    text, how = checked(lambda: proposed(folder, changes), as_json)
    title = load(text).title
    if out is not None:
        part = out.with_name(f"{out.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(out)
        print(f"{title}: written to {out}; netswap ask {out} answers what can be asked of it", file=sys.stderr)
    if as_json:
        tell({"title": title, "swap": str(how.way), "why": how.why, "out": str(out) if out else None, "scenario": text})
    elif out is None:
        with standard_output():
            sys.stdout.write(text)


def _pair(text: str, as_json: bool) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        hint = "write --sysctl vm.min_free_kbytes=131072"
        raise wrong([Problem(f"--sysctl {text[:60]}", 1, 1, "there is no =", hint)], as_json)
    return name.strip(), value.strip()


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
