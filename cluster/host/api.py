"""A host's folder as the text of a scenario: what the command and the tests of operators call."""

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from netswap.cluster.host import places, write
from netswap.cluster.host.files import SYSCTLS
from netswap.cluster.host.host import Host, host
from netswap.cluster.host.swapping import Swapping, swapping
from netswap.cluster.host.system import THREE, Setting
from netswap.cluster.scenario.errors import Problem, ScenarioError
from netswap.cluster.scenario.words import nearest


class Proposed(NamedTuple):
    """The scenario, and how the host swaps."""

    text: str
    swapping: Swapping


def proposed(folder: Path | None, sysctl: Mapping[str, object]) -> Proposed:
    """Read a host's files, or this computer's, change these settings, and write the scenario. Raises ScenarioError."""
    found = host(places.opened(folder))
    found = _changed(found, sysctl)
    how = swapping(found)
    return Proposed(write.scenario(found, how), how)


def from_host(
    folder: str | PathLike[str] | None = None, *, sysctl: Mapping[str, object] | str | PathLike[str] | None = None
) -> str:
    """The scenario of a host, as text: from its folder or tar.gz, or of this computer.

    `sysctl` changes settings before: a mapping as {"vm.min_free_kbytes": 131072}, or a file as those of sysctl.d. Raises
    ScenarioError for files that are missing or malformed, and for settings that are not read.
    """
    changes = sysctl if isinstance(sysctl, Mapping) else {} if sysctl is None else _listed(Path(sysctl))
    return proposed(None if folder is None else Path(folder), changes).text


def _listed(path: Path) -> dict[str, object]:
    """NAME = VALUE lines of a file of sysctl.d."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError([Problem(str(path), 1, 1, f"cannot be read: {error}", "name a file of sysctl.d")]) from None
    found: dict[str, object] = {}
    for number, line in enumerate(lines, 1):
        name, equals, value = line.partition("=")
        if not line.strip() or line.lstrip().startswith(("#", ";")):
            continue
        if not equals:
            what = f'"{line.strip()[:40]}" sets nothing'
            raise ScenarioError([Problem(str(path), number, 1, what, "write NAME = VALUE")])
        found[name.strip().lstrip("-")] = value.strip()
    return found


def _changed(found: Host, sysctl: Mapping[str, object]) -> Host:
    settings = dict(found.settings)
    for name, value in sysctl.items():
        path, words = name.replace(".", "/"), str(value).split()
        if path not in SYSCTLS:
            known = [one.replace("/", ".") for one in SYSCTLS]
            raise ScenarioError(
                [Problem(f"sysctl {name[:60]}", 1, 1, "netswap does not read this setting", nearest(name, known))]
            )
        if not words or not all(one.isascii() and one.isdigit() and len(one) < 19 for one in words):
            raise ScenarioError(
                [Problem(f"sysctl {name}", 1, 1, f'"{str(value)[:40]}" is no number', "write whole numbers")]
            )
        if path in THREE and len(words) != 3:
            raise ScenarioError([Problem(f"sysctl {name}", 1, 1, f"it has {len(words)} numbers", "write three")])
        settings[path] = Setting(tuple(map(int, words)), f"sysctl {name}")
    return replace(found, settings=settings)
