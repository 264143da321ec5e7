"""A scenario's text as a plain tree (mappings, lists, strings, numbers) that knows where everything stands.

The tree is made from ruamel.yaml's nodes and not by its constructor: nodes keep the place of every key and value, and
duplicate keys can be reported together with everything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from netswap.cluster.scenario.errors import Problem, ScenarioError
from netswap.cluster.scenario.nodes import (
    DEPTH_MAX,
    VALUES_MAX,
    RefusedError,
    compose,
    is_nothing,
    kind_of,
    line_and_column,
    problem_of,
    scalar,
    text_of,
)
from netswap.protocol.units import shortened

Step = str | int
Place = tuple[Step, ...]  # the way from the root to a value, as ("machines", "A", "programs", 0)
Tree = dict[str, object]

PROBLEMS_MAX: Final = 100
"""Problems that are kept: a user does not read more than these."""


@dataclass
class Document:
    """One scenario as written: its tree, its places, and the problems found on the way."""

    file: str
    text: str
    tree: Tree = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    _values: dict[Place, tuple[int, int]] = field(default_factory=dict)
    _keys: dict[Place, tuple[int, int]] = field(default_factory=dict)
    _overridden: dict[Place, str] = field(default_factory=dict)

    def position(self, place: Place, *, key: bool = False) -> tuple[str, int, int]:
        """File, line and column of the value at `place` or, with `key`, of its key; else of what surrounds it."""
        for end in range(len(place), -1, -1):
            outer = place[:end]
            if outer in self._overridden:
                return self._overridden[outer], 1, 1
            if key and outer == place and outer in self._keys:
                return self.file, *self._keys[outer]
            if outer in self._values:
                return self.file, *self._values[outer]
        return self.file, 1, 1

    def report(self, place: Place, message: str, hint: str, *, key: bool = False) -> None:
        """Note a problem at a place; the same one is noted once."""
        self._note(Problem(*self.position(place, key=key), message, hint))

    def warn(self, place: Place, message: str, hint: str, *, key: bool = False) -> None:
        """Note what is no mistake, but hardly what was meant."""
        self.warnings.append(Problem(*self.position(place, key=key), message, hint))

    def override(self, place: Place, label: str, value: object) -> None:
        """Put `value` at `place`, whose parent exists. From now on `label` is where it stands."""
        for places in (self._values, self._keys, self._overridden):
            for gone in [one for one in places if one[: len(place)] == place]:
                del places[gone]
        parent, last = self.at(place[:-1]), place[-1]
        if isinstance(parent, list) and isinstance(last, int):
            parent[last] = value
        if isinstance(parent, dict):
            parent[last] = value
        self._overridden[place] = label

    def at(self, place: Place) -> object:
        """The value at a place; None where there is nothing."""
        value: object = self.tree
        for step in place:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
                value = value[step]
            else:
                return None
        return value

    def build(self, node: Node) -> object:
        """The plain value of a node; notes its places, and duplicate keys as problems. Raises ScenarioError."""
        try:
            return self._value(node, ())
        except RefusedError as error:
            raise ScenarioError([problem_of(self.file, error)]) from None

    def _value(self, node: Node, place: Place) -> object:
        self._values[place] = line_and_column(node)
        if len(place) > DEPTH_MAX or len(self._values) > VALUES_MAX:
            hint = f"stay within {DEPTH_MAX} levels and {VALUES_MAX} values; aliases count as what they stand for"
            raise RefusedError("this is nested too deeply or too large", hint, node.start_mark)
        if isinstance(node, MappingNode):
            return self._mapping(node, place)
        if isinstance(node, SequenceNode):
            return [self._value(item, (*place, index)) for index, item in enumerate(node.value)]
        return scalar(node)

    def _mapping(self, node: MappingNode, place: Place) -> Tree:
        tree: Tree = {}
        for key_node, value_node in node.value:
            key = text_of(key_node) if isinstance(key_node, ScalarNode) else None
            position = line_and_column(key_node)
            if key is None:
                self._note(Problem(self.file, *position, "a key must be a word", "write key: value"))
            elif key in tree:
                hint = f"keep one of them; the first is in line {self._keys[(*place, key)][0]}"
                self._note(Problem(self.file, *position, f'"{shortened(key)}" stands here a second time', hint))
            else:
                self._keys[(*place, key)] = position
                tree[key] = self._value(value_node, (*place, key))
        return tree

    def _note(self, problem: Problem) -> None:
        if len(self.problems) < PROBLEMS_MAX and problem not in self.problems:
            self.problems.append(problem)


def parse(file: str, text: str) -> Document:
    """The document of a text. Raises ScenarioError where there is no tree: a YAML error, nothing, or no mapping."""
    node = compose(file, text)
    document = Document(file, text)
    if node is None or is_nothing(node):
        raise ScenarioError([Problem(file, 1, 1, "there is nothing in it", "a scenario has title, stop and machines")])
    if not isinstance(node, MappingNode):
        line, column = line_and_column(node)
        hint = "write title:, stop: and machines: one below the other"
        raise ScenarioError([Problem(file, line, column, f"a scenario is a mapping, not {kind_of(node)}", hint)])
    tree = document.build(node)
    assert isinstance(tree, dict)
    document.tree = tree
    return document


def plain(file: str, text: str) -> object:
    """The plain value of a YAML text, as of a `--set`. Raises ScenarioError, at 1:1, as `parse`."""
    document = Document(file, text)
    try:
        node = compose(file, text)
        value = None if node is None else document.build(node)
    except ScenarioError as error:
        document.problems += error.problems
    if document.problems:
        raise ScenarioError([replace(problem, line=1, column=1) for problem in document.problems])
    return value


def show(place: Sequence[Step]) -> str:
    """A place as a person would write it: machines.A.programs.0"""
    return ".".join(shortened(str(step)) for step in place)
