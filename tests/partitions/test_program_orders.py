"""The order of a machine's programs decides nothing: whether a scenario is accepted, and whether it can run."""

from itertools import permutations
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from netswap.actors.machine import Machine
from netswap.cluster.lab import open_scenario
from netswap.cluster.scenario import Scenario, load
from netswap.protocol.units import seconds

ROOT = Path(__file__).parents[2]
CLAIMS = sorted((ROOT / "configs" / "claims").glob("*.yaml"))
WITH_SEVERAL = [
    (path, machine)
    for path in CLAIMS
    for machine, said in YAML(typ="safe").load(path)["machines"].items()
    if len((said or {}).get("programs", [])) > 1
]
PROXY = """
title: a proxy that stands after who needs it
stop: 1s
kernel: {kernel}
machines:
  A:
    memory: 16MiB
    swap: {{server: C, transport: nbd, via: proxy, size: 64MiB}}
    programs:
      - rank: {{working_set: {pages}, touch: {touch}{rest}}}
      - proxy: {{}}
  C: {{programs: [{{swap-server: {{}}}}]}}
"""
FULL = """
title: a file that is read and could fill all memory
stop: 1s
machines:
  A:
    memory: 16MiB
    {swap}
    programs:
      - reader: {{file: 64MiB, rate: 5MB/s}}
      - {other}
  C: {{programs: [{{swap-server: {{}}}}]}}
"""
SWAP = "swap: {server: C, size: 64MiB}"


def runs(scenario: Scenario, until_ns: int = seconds(1)) -> bool:
    """Whether a second of it can be run, and nobody waits for what has come."""
    with open_scenario(scenario) as cluster:
        cluster.run_for(until_ns)
        return not any(machine.overslept for machine in cluster.state().machines)


def ordered(path: Path, machine: str, order: tuple[int, ...] | None, seed: int) -> Scenario:
    """The scenario with a machine's programs in this order (None: from the last to the first)."""
    programs = YAML(typ="safe").load(path)["machines"][machine]["programs"]
    chosen = programs[::-1] if order is None else [programs[place] for place in order]
    return load(path, overrides=[(f"machines.{machine}.programs", chosen)], seed=seed)


def orders(count: int) -> list[tuple[int, ...]]:
    """All orders of a few programs; of many, each as the first and each as the last."""
    if count <= 4:
        return list(permutations(range(count)))
    places = list(range(count))
    return [tuple(places[first:] + places[:first]) for first in places]


@pytest.mark.parametrize(("path", "machine"), WITH_SEVERAL, ids=lambda one: getattr(one, "stem", one))
def test_from_the_last_program_to_the_first_a_scenario_runs_as_well(path: Path, machine: str) -> None:
    """A hundredth of a second is enough for what goes wrong before all are wired."""
    assert runs(ordered(path, machine, None, seed=2), seconds(0.01))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("path", "machine"), WITH_SEVERAL, ids=lambda one: getattr(one, "stem", one))
def test_in_every_order_of_its_programs_a_scenario_runs(path: Path, machine: str, seed: int) -> None:
    """For a virtual second, whatever the seed."""
    count = len(YAML(typ="safe").load(path)["machines"][machine]["programs"])
    for order in orders(count):
        assert runs(ordered(path, machine, order, seed)), order


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("kernel", "pages", "touch", "rest"),
    [
        ("linux-2.6.22", "20MiB", "1MiB", ""),
        ("linux-6.11", "64MiB", "128KiB", ", compute: 20ms, pattern: random"),
        ("linux-6.11", "20MiB", "1MiB", ""),
    ],
)
def test_a_rank_that_faults_at_once_may_stand_before_its_proxy(
    kernel: str, pages: str, touch: str, rest: str, seed: int
) -> None:
    """The kernel writes to the proxy's socket before the proxy has run: it listens from the beginning."""
    assert runs(load(PROXY.format(kernel=kernel, pages=pages, touch=touch, rest=rest), seed=seed))


@pytest.mark.parametrize(
    "other",
    [
        "service: {port: 9000, pages: 1000}",
        "swap-server: {pages: 64}",
        "rank: {working_set: 12MiB, touch: 1MiB, compute: 10ms}",
    ],
)
@pytest.mark.parametrize("swap", [SWAP, "min_free: none"])
def test_a_file_that_is_read_leaves_room_for_whoever_stands_after_it(other: str, swap: str) -> None:
    """Clean pages are there for the taking: without a swap too, where a rank cannot be anywhere else."""
    assert runs(load(FULL.format(other=other, swap=swap)))


def test_files_that_are_read_share_what_there_is() -> None:
    """Two that are equal have equal parts, whichever stands first."""
    scenario = load(FULL.format(other="reader: {file: 64MiB, rate: 5MB/s}", swap="min_free: none"))
    programs = Machine(scenario.resolved().machines[0]).programs
    files = [one.system.file.resident for one in programs if one.system.file]
    assert files[0] == files[1] > 0
