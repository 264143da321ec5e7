"""What would have helped: the same scenario under other safeguards, until the machines that were ill are not.

Two answers. Of the parts of the reserve, the fewest that help: each of them alone is missed when it is taken away. And
every proposal by itself.
"""

import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from netswap.actors.safeguards import PRESETS, SWITCHES, is_built
from netswap.cluster.judge.verdict import BAD, Verdict
from netswap.cluster.lab.cluster import open_scenario
from netswap.cluster.scenario import Scenario, load
from netswap.cluster.study.failure import needed
from netswap.cluster.study.pool import Pool, nobody

STILL_ILL: Final = (*BAD, Verdict.BLOCKED, Verdict.UNDECIDED)
PARTS: Final = "reserve"
"""The policy whose parts are taken away."""


@dataclass(frozen=True, slots=True)
class Patient:
    """A scenario whose safeguards can be replaced, and the machines that are to get well."""

    scenario: str
    overrides: tuple[str, ...]
    ill: tuple[str, ...] = ()

    def load(self, safeguards: Sequence[str] | None = None) -> Scenario:
        """The scenario with these safeguards everywhere, or as it is. Raises `ScenarioError`."""
        more = () if safeguards is None else self.settings(safeguards)
        return load(self.scenario, overrides=[*self.overrides, *more])

    def settings(self, safeguards: Sequence[str]) -> tuple[tuple[str, list[str]], ...]:
        """Overrides that put these safeguards everywhere. Raises `ScenarioError`."""
        machines = load(self.scenario, overrides=self.overrides).words.machines
        own = [name for name, machine in machines.items() if machine.safeguards is not None]
        return tuple(
            (key, list(safeguards)) for key in ["safeguards", *(f"machines.{name}.safeguards" for name in own)]
        )


class Tried(NamedTuple):
    """What became of the ill under some safeguards (None: as they were)."""

    safeguards: list[str] | None
    verdicts: dict[str, str]
    recovered_after_ns: int | None
    """From the last heal until the last of them got on; None if one did not."""
    kept_pages: int
    """Pages that they keep from their programs, all together."""

    @property
    def ill(self) -> tuple[str, ...]:
        """The machines that are wedged, livelocked or killed."""
        return tuple(name for name, verdict in self.verdicts.items() if verdict in BAD)

    @property
    def helps(self) -> bool:
        """Whether all are well, and known to be."""
        return not any(verdict in STILL_ILL for verdict in self.verdicts.values())


class Remedies(NamedTuple):
    """`fewest` is None where not even all parts of the reserve help; both are empty where no machine is ill."""

    as_is: Tried
    fewest: Tried | None
    presets: list[Tried]


def attempt(job: tuple[Patient, list[str] | None]) -> Tried:
    """Run the scenario to its end under these safeguards; of a scenario whose ill are not known yet, tell of those."""
    patient, safeguards = job
    with open_scenario(patient.load(safeguards)) as cluster:
        views = cluster.run().views()
        seen = [views[name] for name in patient.ill or [name for name, view in views.items() if view.verdict in BAD]]
    resumed = [view.recovered_after_ns for view in seen if view.recovered_after_ns is not None]
    return Tried(
        safeguards,
        {view.name: str(view.verdict) for view in seen},
        max(resumed, default=None) if len(resumed) == len(seen) else None,
        sum(view.counters["kept_pages"] for view in seen),
    )


Under = Callable[[Iterable[list[str]]], list[Tried]]
"""Runs the patient under each of some safeguards."""


def as_it_is(patient: Patient, pool: Pool) -> Tried:
    """The scenario under its own safeguards. Raises `RunFailedError`."""
    ((_, tried),) = pool.as_they_come(attempt, [(patient, None)])
    return needed(tried)


def search(patient: Patient, as_is: Tried, pool: Pool, one_more: Callable[[], None] = nobody) -> Remedies:
    """If a machine is ill as it is, run the scenario under each proposal and under parts of the reserve.

    `one_more` is called after each run. Raises `RunFailedError`.
    """
    if not as_is.ill:
        return Remedies(as_is, None, [])
    ill = Patient(patient.scenario, patient.overrides, as_is.ill)

    def under(safeguards: Iterable[list[str]]) -> list[Tried]:
        jobs = [(ill, one) for one in safeguards]
        tried: dict[int, Tried] = {}
        for number, outcome in pool.as_they_come(attempt, jobs):
            tried[number] = needed(outcome)
            one_more()
        return [tried[number] for number in range(len(jobs))]

    return search_under(as_is, under)


def search_under(as_is: Tried, under: Under) -> Remedies:
    """Each proposal, and the fewest parts of the reserve, for a scenario in which a machine is ill as it is."""
    presets = under([name] for name in proposals())
    return Remedies(as_is, fewest(in_order(PRESETS[PARTS].switches), under), presets)


def proposals() -> list[str]:
    """The presets that switch something on."""
    return [name for name in PRESETS if is_built(name) and PRESETS[name].switches]


def runs_when_ill() -> tuple[int, int]:
    """About how many runs are made then: under proposals, and under the reserve, it without each part, those missed."""
    return len(proposals()), len(PRESETS[PARTS].switches) + 2


def fewest(parts: list[str], under: Under) -> Tried | None:
    """So few of the parts that none can be spared; None if not even all of them help.

    Those that are missed when they alone are taken away are often enough; otherwise the others are given up one by one.
    """
    (whole,) = under([parts])
    if not whole.helps:
        return None
    without = under(_without(parts, one) for one in parts)
    missed = [one for one, tried in zip(parts, without, strict=True) if not tried.helps]
    (enough,) = under([missed])
    return enough if enough.helps else _given_up(whole, [one for one in parts if one not in missed], under)


def _given_up(whole: Tried, spare: list[str], under: Under) -> Tried:
    kept = whole
    for one in spare:
        (less,) = under([_without(kept.safeguards or [], one)])
        if less.helps:
            kept = less
    return kept


def _without(parts: list[str], one: str) -> list[str]:
    return [part for part in parts if part != one]


def in_order(switches: Collection[str]) -> list[str]:
    """As they are listed."""
    return [name for name in SWITCHES if name in switches]


def command_line(scenario: str, overrides: Sequence[str]) -> str:
    """The line that finds out."""
    return shlex.join(["netswap", "remedies", scenario, *(word for one in overrides for word in ("--set", one))])


def as_json(patient: Patient, found: Remedies) -> Mapping[str, Any]:
    """The search as one object."""
    return {
        "scenario": patient.scenario,
        "as_is": _told(found.as_is),
        "fewest": _told(found.fewest) if found.fewest else None,
        "presets": [_told(one) for one in found.presets],
    }


def _told(tried: Tried) -> dict[str, Any]:
    return {**tried._asdict(), "helps": tried.helps}
