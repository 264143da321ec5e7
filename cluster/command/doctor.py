"""`netswap doctor`: whether a run on Ray can be had, here or on a cluster, and if not what to do."""

import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import typer

from netswap.cluster.command.options import Address, Json, address_checked
from netswap.cluster.command.status import INFRASTRUCTURE_FAILED, in_a_process_of_its_own, tell
from netswap.cluster.engine import doctor as examination
from netswap.cluster.engine.doctor import Facts, Finding
from netswap.cluster.engine.engine import InfrastructureError
from netswap.cluster.engine.surroundings import noise_to

HERE: Final = "here"


def doctor(address: Address = None, as_json: Json = False) -> None:
    """Tell what there is to run on, here or on the cluster at --address: what fits, what prevents a run, what to do.

    Exit status: 0 all is well, 2 the address is none, 3 something prevents a run.
    """
    address_checked(address, as_json)
    with TemporaryDirectory(prefix="netswap-doctor-") as folder:
        in_a_process_of_its_own(Path(folder))
        findings, nodes = _examined(address, Path(folder))
    if as_json:
        tell(examination.as_json(findings, nodes))
    else:
        for one in findings:
            print(f"{'ok  ' if one.holds else 'BAD '}{one.about}: {one.what}{'' if one.holds else f'; {one.hint}'}")
    if not all(one.holds for one in findings):
        raise typer.Exit(INFRASTRUCTURE_FAILED)


def _examined(address: str | None, folder: Path) -> tuple[list[Finding], Sequence[Facts]]:
    """What is found, and the facts of each node; a cluster that does not let us in is a finding too."""
    from netswap.cluster.engine.on_ray import nodes_at, ray_version

    here = examination.facts(ray_version())
    token = os.environ.get("RAY_AUTH_MODE") or "not set: as the token at hand says"
    findings = [Finding(HERE, f"Ray {here.ray}, Python {here.python}, RAY_AUTH_MODE {token}")]
    try:
        with noise_to(folder / "terminal.txt"):
            nodes = nodes_at(address)
    except InfrastructureError as error:
        return [*findings, Finding(address or HERE, str(error), False, "mend that first")], []
    for node in nodes:
        findings += examination.differences(here, node)
        findings += examination.examined(node)
    cores, actors = sum(node.cores for node in nodes), [node.actors for node in nodes]
    fits = "" if None in actors else f", about {sum(one or 0 for one in actors)} actors by memory"
    count = "1 node" if len(nodes) == 1 else f"{len(nodes)} nodes"
    findings.append(Finding(address or HERE, f"{count}, {cores} cores{fits}; one machine an actor up to 16"))
    return findings, nodes
