"""A scenario that holds together, and the way to one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from netswap.actors.programs.task import ProgramError
from netswap.actors.recording import Recording
from netswap.cluster.judge import expectations
from netswap.cluster.judge.expectations import Expectation
from netswap.cluster.record.plan import Plan
from netswap.cluster.scenario import files, recorded, resolve, source, translate
from netswap.cluster.scenario import overrides as overriding
from netswap.cluster.scenario.check import check
from netswap.cluster.scenario.check_build import Position, check_build, check_whole, positions_of
from netswap.cluster.scenario.check_timeline import no_fault_twice
from netswap.cluster.scenario.errors import Problem, ScenarioError
from netswap.cluster.scenario.models import ScenarioWords
from netswap.cluster.scenario.overrides import Override
from netswap.cluster.scenario.resolve import At
from netswap.cluster.scenario.resolved import Resolved
from netswap.cluster.scenario.source import Document, Place
from netswap.cluster.scenario.words import SchemaForEditors


@dataclass(frozen=True)
class Scenario:
    """A scenario without mistakes.

    `words` are its values as typed models, `source_text` is the text before any override, `path` is None for a
    scenario that was given as a text. `warnings` are about what is no mistake, but hardly what was meant.
    """

    words: ScenarioWords
    path: Path | None
    source_text: str
    warnings: tuple[Problem, ...] = ()
    positions: Mapping[Place, Position] = field(default_factory=dict)
    """Where machines and their programs stand."""
    recordings: Mapping[At, Recording] = field(default_factory=dict)
    """What programs repeat that was recorded elsewhere."""
    notes: tuple[Problem, ...] = ()
    """What is worth knowing of recordings: what of them is not repeated."""

    @property
    def title(self) -> str:
        """What the scenario is called."""
        return self.words.title

    @property
    def seed(self) -> int:
        """The number that all its chance comes from."""
        return self.words.seed

    @cached_property
    def expectations(self) -> list[Expectation]:
        """The expectations in force, each about single machines.

        A list is always in force; of lists for presets it is the one of the preset in `safeguards`, if that is one.
        """
        cast = resolve.cast_of(self.words)
        claims = [expectations.parse(text) for text in self._texts_in_force()]
        return [claim.about(cast.members(claim.machines[0])) for claim in claims]

    def _texts_in_force(self) -> list[str]:
        expect: dict[str, list[str]] | list[str] = self.words.expect
        if isinstance(expect, list):
            return expect
        preset = self.words.safeguards
        return expect.get(preset, []) if isinstance(preset, str) else []

    def resolved(self) -> Resolved:
        """The whole scenario as it runs: whole numbers, defaults filled in, machines by index."""
        return resolve.resolve(self.words, self.recordings)

    @property
    def plan(self) -> Plan | None:
        """What is recorded of a run, to be looked at; None for nothing."""
        return resolve.plan(self.words)

    def located(self, error: ProgramError) -> ProgramError:
        """The error, at the scenario's line where the program stands, unless the error is of a file of the user's own."""
        if error.file:
            return error
        written = resolve.cast_of(self.words).written_of(error.machine)
        file, line, _ = self.positions["machines", written, "programs", error.place]
        return ProgramError(file, line, error.message, error.hint, error.machine, error.place)

    def check_whole(self) -> None:
        """Import the classes that it names, and make each program once: what has to be known just before a run.

        Raises ScenarioError with all that is wrong.
        """
        check_whole(resolve.cast_of(self.words), self.resolved().machines, self.positions)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """The JSON Schema of a scenario file, for editors."""
        schema = ScenarioWords.model_json_schema(by_alias=True, schema_generator=SchemaForEditors)
        return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "netswap scenario"}


def load(path_or_text: str | PathLike[str], *, overrides: Iterable[Override] = (), **top_level: object) -> Scenario:
    """Read a scenario, put the overrides into it and check it.

    A str with a line end in it is a scenario itself, any other str a path. An override is `k=v` as for `--set`, its
    value YAML, or a pair of a dotted path and a value; keywords set keys of the top level. Nothing that the scenario
    names is imported. Raises ScenarioError with everything that is wrong.
    """
    file, text = files.read(path_or_text)
    document = source.parse(file, text)
    overriding.apply(document, [*overrides, *top_level.items()])
    words = translate.validate(document, ScenarioWords)
    check(document)
    found = recorded.Found()
    if words is not None and not document.problems:
        found = recorded.read(document, words)
    if words is not None and not document.problems:
        resolved = resolve.resolve(words, found.recordings)
        no_fault_twice(document, resolved.timeline)
        check_build(document, resolve.cast_of(words), resolved.machines)
    if words is None or document.problems:
        raise ScenarioError(_in_order(document, document.problems))
    warnings = tuple(_in_order(document, document.warnings))
    path = None if file == files.TEXT else Path(file)
    positions = positions_of(document, words.machines)
    return Scenario(words, path, text, warnings, positions, found.recordings, tuple(_in_order(document, found.notes)))


def _in_order(document: Document, problems: Iterable[Problem]) -> list[Problem]:
    """The problems of the file from its top to its end, then those of the overrides."""
    return sorted(problems, key=lambda one: (one.file != document.file, one.line, one.column))
