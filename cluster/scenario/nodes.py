"""YAML 1.2 as nodes that know where they stand: what is too deep, too large or no plain value is found before it is made.

Only the tags of YAML's core schema mean something here. ruamel.yaml composes; how deep and how many is counted on its way,
since it recurses, and a hostile text would fill its stack or any time.
"""

import math
from collections.abc import Callable
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, MappingStartEvent, SequenceStartEvent
from ruamel.yaml.nodes import Node, ScalarNode, SequenceNode

from netswap.cluster.scenario.errors import Problem, ScenarioError
from netswap.protocol.units import SHOWN_MAX, shortened

DEPTH_MAX: Final = 32
VALUES_MAX: Final = 30_000
"""Aliases count as what they stand for: aliases of aliases would fill any memory."""

_CORE: Final = "tag:yaml.org,2002:"
_SCALARS: Final = ("null", "bool", "int", "float", "str")
_NULLS: Final = ("", "~", "null", "Null", "NULL")
_READER: Final = YAML(typ="safe", pure=True).constructor
_READ: Final[dict[str, Callable[[Any], object]]] = {
    "bool": _READER.construct_yaml_bool,
    "int": _READER.construct_yaml_int,
    "float": _READER.construct_yaml_float,
}


class RefusedError(MarkedYAMLError):
    """YAML, but none that a scenario can be; `hint` says what would be right."""

    def __init__(self, message: str, hint: str, mark: Any) -> None:
        super().__init__(problem=message, problem_mark=mark)
        self.hint = hint


def compose(file: str, text: str) -> Node | None:
    """The YAML 1.2 node of a text; None if it is empty. Raises ScenarioError with the place of a syntax error."""
    reader = YAML(typ="safe", pure=True)
    reader.Composer = _BoundedComposer
    try:
        node: Node | None = reader.compose(text)
    except MarkedYAMLError as error:
        raise ScenarioError([problem_of(file, error)]) from None
    except YAMLError as error:
        hint = "remove characters that do not print"
        raise ScenarioError([Problem(file, *_reader_position(text, error), "this is not YAML text", hint)]) from None
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError):
        # What ruamel.yaml lets through of its own slips: escapes beyond Unicode, versions that are no numbers.
        hint = "look at its escapes, tags and directives (%YAML)"
        raise ScenarioError([Problem(file, 1, 1, "this is not YAML text", hint)]) from None
    return node


def scalar(node: Node) -> object:
    """A number, a bool or None where YAML 1.2 reads one; any other scalar is its text (dates too). Raises RefusedError."""
    text: str = node.value
    kind = str(node.tag).removeprefix(_CORE)
    if kind == "null":
        if text not in _NULLS:
            raise RefusedError(f'"{shortened(text)}" is no null', "write null", node.start_mark)
        return None
    if kind not in _READ:
        return text_of(node)
    if kind != "bool" and len(text) > SHOWN_MAX:
        hint = f"write at most {SHOWN_MAX} characters"
        raise RefusedError(f'the number "{shortened(text)}" is too long', hint, node.start_mark)
    try:
        value = _READ[kind](node)
    except (ArithmeticError, LookupError, ValueError):
        hint = "remove the tag, or write what it says"
        raise RefusedError(f'"{shortened(text)}" is no {kind}', hint, node.start_mark) from None
    if isinstance(value, float) and not math.isfinite(value):
        raise RefusedError(f'"{shortened(text)}" is no number that can be reached', "write a number", node.start_mark)
    return value


def text_of(node: Node) -> str:
    """The text of a scalar. Raises RefusedError if it has what is no character."""
    text: str = node.value
    if not text.isprintable() and any(one == "\0" or "\ud800" <= one <= "\udfff" for one in text):
        hint = "remove escapes that stand for no character, as \\0 and \\uD800"
        raise RefusedError(f'"{shortened(text)}" is no text', hint, node.start_mark)
    return text


def kind_of(node: Node) -> str:
    """What a reader would call the value of this node."""
    return "a list" if isinstance(node, SequenceNode) else "a single value"


def is_nothing(node: Node) -> bool:
    """Whether it is null."""
    return isinstance(node, ScalarNode) and str(node.tag) == f"{_CORE}null" and node.value in _NULLS


def line_and_column(node: Node) -> tuple[int, int]:
    """Where it begins, from 1."""
    return node.start_mark.line + 1, node.start_mark.column + 1


def problem_of(file: str, error: MarkedYAMLError) -> Problem:
    """The problem of a YAML error, in the words of a scenario."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if isinstance(error, RefusedError):
        return Problem(file, line, column, str(error.problem), error.hint)
    wrong = error.problem or error.context or "this is not YAML"
    return Problem(file, line, column, f"YAML: {_cut(wrong)}", _syntax_hint(wrong))


class _BoundedComposer(Composer):
    """Looks at each event before a node is made of it."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.warn_double_anchors = False  # YAML 1.2 allows them; the later one holds
        self._level = 0
        self._count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """The next node."""
        event = self.parser.peek_event()
        self._level += 1
        self._count += 1
        if self._level > DEPTH_MAX + 1:
            hint = f"stay within {DEPTH_MAX} levels"
            raise RefusedError("this is nested too deeply", hint, event.start_mark)
        if self._count > VALUES_MAX:
            hint = f"stay within {VALUES_MAX} values"
            raise RefusedError("there are too many values", hint, event.start_mark)
        _check_tag(event)
        node = super().compose_node(parent, index)
        self._level -= 1
        return node


def _check_tag(event: Any) -> None:
    """A tag is one of YAML's core schema, and fits what it stands before."""
    tag = None if isinstance(event, AliasEvent) else event.tag
    if tag is None or tag == "!":
        return
    if isinstance(event, MappingStartEvent):
        known: tuple[str, ...] = ("map",)
    elif isinstance(event, SequenceStartEvent):
        known = ("seq",)
    else:
        known = _SCALARS
    if not tag.startswith(_CORE) or tag.removeprefix(_CORE) not in known:
        written = shortened(tag.replace(_CORE, "!!"))
        hint = f"remove it; tags that can stand here are {', '.join(f'!!{one}' for one in known)}"
        raise RefusedError(f'the tag "{written}" means nothing here', hint, event.start_mark)


def _cut(text: str) -> str:
    """A message of ruamel.yaml's, in which a name from the file may stand."""
    return text if len(text) <= 2 * SHOWN_MAX and text.isprintable() else shortened(text)


def _syntax_hint(wrong: str) -> str:
    if "\\t" in wrong:
        return "indent with spaces, not with tabs"
    if "another document" in wrong:
        return "keep one scenario to a file, without ---"
    if "alias" in wrong:
        return "put quotes around a value that begins with *"
    if "mapping values" in wrong:
        return "put quotes around a value that contains a colon and a space, or indent it"
    return "check the brackets, quotes and indentation here and in the line above"


def _reader_position(text: str, error: YAMLError) -> tuple[int, int]:
    before = text[: getattr(error, "position", 0) or 0]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
