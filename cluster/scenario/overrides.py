"""`--set k=v`: values put into a scenario's tree from outside, before it is checked.

A key is a way of dots, items of lists by number: `machines.A.programs.0.rank.touch=1MiB`. A value in a text is YAML.
"""

from collections.abc import Iterable

from netswap.cluster.scenario.errors import Problem, ScenarioError
from netswap.cluster.scenario.nodes import DEPTH_MAX
from netswap.cluster.scenario.source import Document, Place, plain, show
from netswap.cluster.scenario.words import nearest
from netswap.protocol.units import plainly, shortened

Override = str | tuple[str, object]
_DIGITS_MAX = 9


def apply(document: Document, overrides: Iterable[Override]) -> None:
    """Put each override into the tree, in order. What cannot be put is reported on the document."""
    for override in overrides:
        label = override_label(override)
        try:
            path, value = _split(label, override)
            document.override(_place(document, label, path), label, value)
        except ScenarioError as error:
            document.problems += error.problems


def override_label(override: Override) -> str:
    """What stands for the file's name where an override is wrong."""
    if isinstance(override, str):
        return f"--set {shortened(override)}"
    value = override[1]
    try:
        written = str(value) if isinstance(value, list | dict) else plainly(value)
    except (RecursionError, ValueError):  # nested too deeply, or with a number that is too long
        written = plainly(value)
    return f"--set {shortened(f'{override[0]}={written}')}"


def _split(label: str, override: Override) -> tuple[str, object]:
    if not isinstance(override, str):
        return override[0], _copied(label, override[1])  # a later override may change it; the caller's stays as it is
    path, equals, text = override.partition("=")
    if not equals:
        raise _error(label, "there is no =", f"write --set {shortened(path)}=VALUE")
    return path.strip(), plain(label, text)


def _copied(label: str, value: object, depth: int = 0) -> object:
    """A value given by a caller, its lists and mappings made anew."""
    if depth > DEPTH_MAX:
        raise _error(label, "this is nested too deeply", f"stay within {DEPTH_MAX} levels")
    if isinstance(value, list):
        return [_copied(label, item, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    if not all(isinstance(key, str) for key in value):
        raise _error(label, "a key must be a word", "write key: value")
    return {key: _copied(label, item, depth + 1) for key, item in value.items()}


def _place(document: Document, label: str, path: str) -> Place:
    """The place that a dotted path names; mappings that are missing on the way are made."""
    place: Place = ()
    rest = path.split(".")
    if len(rest) > DEPTH_MAX:
        raise _error(label, "this is nested too deeply", f"stay within {DEPTH_MAX} levels")
    while rest:
        parent = document.at(place)
        if isinstance(parent, list):
            place = (*place, _index(label, place, parent, rest.pop(0)))
            continue
        if parent is None and place:
            parent = {}
            document.override(place, label, parent)
        if not isinstance(parent, dict):
            raise _error(label, f"{show(place)} has no words in it", "name a key of a mapping, or an item of a list")
        key, rest = _key(parent, rest)
        if place == ("machines",) and rest and key not in parent:
            raise _error(label, f'there is no machine "{shortened(key)}"', nearest(key, parent))
        place = (*place, key)
    return place


def _index(label: str, place: Place, items: list[object], step: str) -> int:
    if not step.isdecimal() or len(step) > _DIGITS_MAX or int(step) >= len(items):
        hint = f"write a number from 0 to {len(items) - 1}" if items else f"set {show(place)} as a whole"
        raise _error(label, f'{show(place)} has no item "{shortened(step)}"', hint)
    return int(step)


def _key(parent: dict[str, object], steps: list[str]) -> tuple[str, list[str]]:
    """The key that the next steps name, and the steps after it. Keys may have dots in them (a user's own program)."""
    for end in range(len(steps), 1, -1):
        key = ".".join(steps[:end])
        if key in parent:
            return key, steps[end:]
    return steps[0], steps[1:]


def _error(label: str, message: str, hint: str) -> ScenarioError:
    return ScenarioError([Problem(label, 1, 1, message, hint)])
