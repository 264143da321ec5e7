"""The runs whose bytes are promised, listed from what stands in configs/ and in the claims, and the digest of each.

A run is named as one would ask for it: its file, then what is set. It runs in this process, to the scenario's `stop`, or
to a shorter one that its name tells.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from netswap.actors.kernels import KERNELS
from netswap.cluster.claims import prove, scenes
from netswap.cluster.claims.ablation import ABLATIONS, ablate
from netswap.cluster.claims.claim import CLAIMS, ERA_2_6_22, ERA_6_1, ERA_6_11
from netswap.cluster.lab import Cluster, open_scenario
from netswap.cluster.scenario import Scenario, ScenarioError, load
from netswap.cluster.study.experiment import load_experiment
from netswap.protocol.units import milliseconds, parse_time

CONFIGS: Final = Path(__file__).parents[2] / "configs"
POLICIES: Final = ("none", "reserve")
"""Under which each scenario runs, besides the safeguards that it names itself."""
LARGE: Final = {"mpi-64.yaml": "4s", "mpi-1000.yaml": "200ms"}
"""Scenarios that would take many minutes to their `stop`, and the stop that they have here."""
SHORT: Final = {"mpi-64.yaml": "100ms", "slab-leak.yaml": "60s"}
"""The stop of a run that `make test` compares, where it is not a moment after the scenario's first fault."""
MOMENT_MS: Final = 500

NO_RUN: Final = "-"
Digests = dict[str, str]
"""By the name of the run, SHA-256 in hex."""


class Cell(Protocol):
    """Something that runs; picklable."""

    @property
    def name(self) -> str:
        """What the names of its runs begin with."""

    def digests(self) -> Digests:
        """Run it to its end, in this process."""


@dataclass(frozen=True, slots=True)
class One:
    """One run of a scenario."""

    name: str
    scenario: Scenario
    stop: str | None = None

    def digests(self) -> Digests:
        """Its digest."""
        with open_scenario(self.scenario) as cluster:
            if self.stop is None:
                cluster.run()
            else:
                cluster.run_to(parse_time(self.stop))
            return {self.name: cluster.digest()}


@dataclass(frozen=True, slots=True)
class Claimed:
    """The runs of one claim, by row and era."""

    row: int
    era: str

    @property
    def name(self) -> str:
        """The claim."""
        return f"claim {self.row} {self.era}"

    def digests(self) -> Digests:
        """Of each run, in the order in which the claim opens them; a claim that is arithmetic alone has `NO_RUN`."""
        with scenes.watched() as opened:
            CLAIMS[self.row, self.era].show(KERNELS[self.era])
        return _numbered(self.name, opened) or {self.name: NO_RUN}


@dataclass(frozen=True, slots=True)
class Ablated:
    """The two runs of one ablation: without the switch, and with it."""

    index: int

    @property
    def name(self) -> str:
        """The ablation."""
        return f"ablation {ABLATIONS[self.index].switch}"

    def digests(self) -> Digests:
        """Of both."""
        with scenes.watched() as opened:
            ablate(self.index)
        return _numbered(self.name, opened)


def all_cells() -> Iterator[Cell]:
    """All of them."""
    for path in scenario_files():
        yield from of_scenario(path)
    yield from map(short, short_files())
    for path in experiment_files():
        yield from of_experiment(path)
    yield from of_claims()


def scenario_files() -> list[Path]:
    """The scenarios that run by themselves."""
    return [
        *sorted(CONFIGS.glob("*.yaml")),
        *sorted(CONFIGS.glob("claims/*.yaml")),
        *sorted(CONFIGS.glob("reports/*.yaml")),
    ]


def validation_files() -> list[Path]:
    """Cells of a real kernel, which run shortly only: `netswap validate` runs them to their ends."""
    return sorted(CONFIGS.glob("validation/*.yaml"))


def short_files() -> list[Path]:
    """Those that `make test` runs shortly: all but a thousand machines, which take seconds to build."""
    return [path for path in (*scenario_files(), *validation_files()) if path.name != "mpi-1000.yaml"]


def experiment_files() -> list[Path]:
    """The experiments, whose scenarios run with what these set."""
    return sorted(CONFIGS.glob("experiments/*.yaml"))


def of_scenario(path: Path) -> Iterator[One]:
    """A scenario under the kernels that take it: of 2007 and of 2024 with the safeguards that it names, and with others.

    Under the kernel of the real cells, 6.1, it has those that it names.
    A public report is of one machine: it runs as it is written.
    """
    words = load(path).words
    written = words.safeguards
    if path.parent.name == "reports":
        yield from _where_it_runs(path, {"kernel": words.kernel, "safeguards": written}, None)
        return
    for kernel in (ERA_2_6_22, ERA_6_11):
        for safeguards in [written, *(policy for policy in POLICIES if policy != written)]:
            yield from _where_it_runs(path, {"kernel": kernel, "safeguards": safeguards}, LARGE.get(path.name))
    yield from _where_it_runs(path, {"kernel": ERA_6_1, "safeguards": written}, LARGE.get(path.name))


def short(path: Path) -> One:
    """A scenario as it is written, for a short time."""
    scenario = load(path)
    first_ns = min((fault.at for fault in scenario.words.timeline), default=0)
    moment = "1s" if path.parent.name == "validation" else f"{first_ns // milliseconds(1) + MOMENT_MS}ms"
    stop = SHORT.get(path.name, moment)
    return One(_name(path, {}, stop), scenario, stop)


def of_experiment(path: Path) -> Iterator[One]:
    """Every combination that an experiment runs."""
    for run in load_experiment(path).runs:
        assert run.scenario.path is not None, "an experiment's scenarios are files"
        stop = LARGE.get(run.scenario.path.name)
        yield One(_name(path, run.varied, stop), run.scenario, stop)


def of_claims() -> Iterator[Cell]:
    """Every claim under each of its kernels, and every ablation."""
    yield from (Claimed(claim.row, claim.era) for claim in prove.choose())
    yield from map(Ablated, range(len(ABLATIONS)))


def _where_it_runs(path: Path, settings: dict[str, Any], stop: str | None) -> Iterator[One]:
    """One run, or none if the scenario says something that a kernel does not have."""
    with suppress(ScenarioError):
        yield One(_name(path, settings, stop), load(path, **settings), stop)


def _name(path: Path, settings: dict[str, Any], stop: str | None) -> str:
    told = settings if stop is None else {**settings, "stop": stop}
    return " ".join([path.relative_to(CONFIGS).as_posix(), *(f"{key}={_text(value)}" for key, value in told.items())])


def _text(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _numbered(name: str, opened: list[Cluster]) -> Digests:
    return {f"{name}, run {number}": cluster.digest() for number, cluster in enumerate(opened, 1)}
