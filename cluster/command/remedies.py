"""`netswap remedies`."""

import typer
from rich.console import Console

from netswap.cluster.command.options import Json, Path_, Seed, Set
from netswap.cluster.command.status import checked, tell
from netswap.cluster.command.studies import line, say, study
from netswap.cluster.show.progress import Progress
from netswap.cluster.study import present
from netswap.cluster.study.pool import Pool
from netswap.cluster.study.remedies import Patient, Remedies, as_it_is, runs_when_ill, search
from netswap.cluster.study.remedies import as_json as remedies_found


def remedies(
    scenario: Path_,
    override: Set = [],  # noqa: B006  (typer copies it)
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Find out what would have helped, by running the scenario under every proposal and under parts of the reserve.

    Exit status: 0 something helps, or nobody needs help; 1 nothing does; 2 the input is wrong; 3 or 4 a run failed.
    """
    overrides = (*override, *([f"seed={seed}"] if seed is not None else []))
    patient = Patient(scenario, overrides)
    checked(patient.load, as_json)
    again = line("remedies", scenario, set=override, seed=seed, json=as_json)
    with study(as_json, lambda: f"nothing is kept of what has been run; to begin again: {again}"):
        found = _search(patient)
    if as_json:
        tell(remedies_found(patient, found))
    else:
        present.remedies(Console(), found)
    helps = not found.as_is.ill or found.fewest or any(one.helps for one in found.presets)
    raise typer.Exit(not helps)


def _search(patient: Patient) -> Remedies:
    presets, parts = runs_when_ill()
    say(
        f"one run as it is; if a machine is ill about {presets + parts} more, {presets} of proposals and {parts} of parts"
    )
    with Progress(Console(stderr=True), 1) as progress, Pool(progress.look) as pool:
        as_is = as_it_is(patient, pool)
        if as_is.ill:
            progress.total += presets + parts
        progress.one_more()
        return search(patient, as_is, pool, progress.one_more)
