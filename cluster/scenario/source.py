"""A scenario's text as a plain tree (mappings, lists, strings, numbers) that knows where everything stands.

The tree is made from ruamel.yaml's nodes and not by its constructor: nodes keep the place of every key and value, and
duplicate keys can be reported together with everything else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from cluster.scenario.errors import Problem, ScenarioError

Step = str | int
Place = tuple[Step, ...]  # the way from the root to a value, as ("machines", "A", "programs", 0)
Tree = dict[str, object]

TEXT = "<text>"  # the file's name where a scenario is given as a text
DEPTH_MAX = 32
PLACES_MAX = 1_000_000  # aliases of aliases would fill any memory
_NUMBERS_AND_WORDS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float")}


@dataclass
class Document:
    """One scenario as written: its tree, its places, and the problems found on the way."""

    file: str
    text: str
    tree: Tree = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
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
        problem = Problem(*self.position(place, key=key), message, hint)
        if problem not in self.problems:
            self.problems.append(problem)

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

    def build(self, node: Node, place: Place = ()) -> object:
        """The plain value of a node; notes its places, and duplicate keys as problems."""
        line, column = self._values[place] = _line_and_column(node)
        if len(place) > DEPTH_MAX or len(self._values) > PLACES_MAX:
            hint = f"stay within {DEPTH_MAX} levels and {PLACES_MAX} values; aliases count as what they stand for"
            raise ScenarioError([Problem(self.file, line, column, "this is nested too deeply or too large", hint)])
        if isinstance(node, MappingNode):
            return self._mapping(node, place)
        if isinstance(node, SequenceNode):
            return [self.build(item, (*place, index)) for index, item in enumerate(node.value)]
        return scalar(node)

    def _mapping(self, node: MappingNode, place: Place) -> Tree:
        tree: Tree = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, ScalarNode) else None
            line, column = _line_and_column(key_node)
            if not isinstance(key, str):
                self._note(line, column, "a key must be a word", "write key: value")
            elif key in tree:
                hint = f"keep one of them; the first is in line {self._keys[(*place, key)][0]}"
                self._note(line, column, f'"{key}" stands here a second time', hint)
            else:
                self._keys[(*place, key)] = line, column
                tree[key] = self.build(value_node, (*place, key))
        return tree

    def _note(self, line: int, column: int, message: str, hint: str) -> None:
        self.problems.append(Problem(self.file, line, column, message, hint))


def read(path_or_text: str | PathLike[str]) -> tuple[str, str]:
    """The name to report and the text. A str with a line end (or an empty one) is a text itself; else it is a path.

    Raises ScenarioError if the file cannot be read.
    """
    if isinstance(path_or_text, str) and (not path_or_text or "\n" in path_or_text):
        return TEXT, path_or_text
    path = Path(path_or_text)
    try:
        return str(path), path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = sorted(str(one) for one in path.parent.glob("*.yaml"))[:5]
        hint = f"there are {', '.join(near)}" if near else "give the path of a YAML file"
        raise ScenarioError([Problem(str(path), 1, 1, "there is no such file", hint)]) from None
    except OSError as error:
        problem = Problem(str(path), 1, 1, f"cannot be read: {error.strerror}", "give the path of a YAML file")
        raise ScenarioError([problem]) from None
    except UnicodeDecodeError as error:
        problem = Problem(str(path), 1, 1, f"byte {error.start} is not UTF-8", "save the file as UTF-8")
        raise ScenarioError([problem]) from None


def parse(file: str, text: str) -> Document:
    """The document of a text. Raises ScenarioError where there is no tree: a YAML error, nothing, or no mapping."""
    node = compose(file, text)
    document = Document(file, text)
    if node is None or (isinstance(node, ScalarNode) and scalar(node) is None):
        raise ScenarioError([Problem(file, 1, 1, "there is nothing in it", "a scenario has title, stop and machines")])
    if not isinstance(node, MappingNode):
        line, column = _line_and_column(node)
        hint = "write title:, stop: and machines: one below the other"
        raise ScenarioError([Problem(file, line, column, f"a scenario is a mapping, not {kind_of(node)}", hint)])
    tree = document.build(node)
    assert isinstance(tree, dict)
    document.tree = tree
    return document


def compose(file: str, text: str) -> Node | None:
    """The YAML 1.2 node of a text; None if it is empty. Raises ScenarioError with the place of a syntax error."""
    try:
        node: Node | None = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        raise ScenarioError([_syntax_problem(file, error)]) from None
    except YAMLError as error:
        hint = "remove characters that do not print"
        raise ScenarioError([Problem(file, *_reader_position(text, error), "this is not YAML text", hint)]) from None
    return node


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


def scalar(node: Node) -> object:
    """A number, a bool or None where YAML 1.2 reads one; any other scalar is its text (dates too)."""
    if node.tag not in _NUMBERS_AND_WORDS:
        return node.value
    return YAML(typ="safe", pure=True).constructor.construct_object(node)


def kind_of(node: Node) -> str:
    """What a reader would call the value of this node."""
    return "a list" if isinstance(node, SequenceNode) else "a single value"


def show(place: Sequence[Step]) -> str:
    """A place as a person would write it: machines.A.programs.0"""
    return ".".join(str(step) for step in place)


def _line_and_column(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _syntax_problem(file: str, error: MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    wrong = error.problem or error.context or "this is not YAML"
    return Problem(file, line, column, f"YAML: {wrong}", _syntax_hint(wrong))


def _syntax_hint(wrong: str) -> str:
    if "\\t" in wrong:
        return "indent with spaces, not with tabs"
    if "single document" in wrong:
        return "keep one scenario to a file, without ---"
    if "alias" in wrong:
        return "put quotes around a value that begins with *"
    if "mapping values" in wrong:
        return "put quotes around a value that contains a colon and a space, or indent it"
    return "check the brackets, quotes and indentation here and in the line above"


def _reader_position(text: str, error: YAMLError) -> tuple[int, int]:
    before = text[: getattr(error, "position", 0) or 0]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
