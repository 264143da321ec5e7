"""All that an object holds, directly or through others, as lines that two objects share exactly if they are the same."""

import random
from array import array
from collections import deque
from collections.abc import Iterator
from enum import Enum
from functools import partial
from types import BuiltinFunctionType, FunctionType, GeneratorType, MethodType, ModuleType
from typing import Any, Final

from netswap.actors.events import Events
from netswap.actors.machine import Machine
from netswap.actors.memory.slab import SlabCache
from netswap.actors.net.steady import Steady

_PLAIN: Final = (int, str, bytes, float, type(None), range, frozenset, set)
_NAMED: Final = (FunctionType, BuiltinFunctionType, type, ModuleType)


class _Walk:
    """Objects are numbered in the order in which they are met, so which of several equal ones is which makes no difference."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.kept: list[object] = []
        self.lines: list[str] = []
        self.due: list[object] = []

    def refer(self, value: Any) -> str:
        """The value itself, or a number by which it is drawn elsewhere."""
        if isinstance(value, Steady | None):
            return "None"
        if isinstance(value, Enum) or (isinstance(value, _PLAIN) and not hasattr(value, "_fields")):
            return repr(sorted(value, key=repr)) if isinstance(value, set | frozenset) else repr(value)
        if isinstance(value, _NAMED):
            return str(getattr(value, "__qualname__", value))
        if isinstance(value, random.Random):
            return str(hash(value.getstate()))
        if isinstance(value, array | bytearray):
            return str(hash(bytes(value)))
        if hasattr(value, "hexdigest"):
            return str(value.hexdigest())
        number = self.numbers.get(id(value))
        if number is None:
            number = self.numbers[id(value)] = len(self.kept)
            self.kept.append(value)
            self.due.append(value)
        return f"#{number}"

    def draw(self, value: object) -> None:
        """A line for the object, and one for all that it holds."""
        parts = [f"{name}={self.refer(one)}" for name, one in _parts(value)]
        self.lines.append(f"#{self.numbers[id(value)]} {type(value).__name__} {' '.join(parts)}")


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """What an object holds, by name."""
    if isinstance(value, MethodType):
        yield from (("self", value.__self__), ("function", value.__func__))
    elif isinstance(value, partial):
        yield from (("function", value.func), ("arguments", value.args), ("named", value.keywords))
    elif isinstance(value, GeneratorType):
        frame = value.gi_frame
        yield from (("at", None if frame is None else frame.f_lasti), ("in", None if frame is None else frame.f_locals))
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from (("key", key), ("value", one))
    if isinstance(value, tuple | list | deque):
        for one in value:
            yield "", one
    yield from _fields(value)


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ()) if name != "__dict__"]
    for name in (*names, *getattr(value, "__dict__", {})):
        one: Any = getattr(value, name, None)
        if name == "_top" and isinstance(value, SlabCache) and not one.free:
            one = None  # a slab on top without a free object is as good as none: see `steady`
        if name == "_arrivals" and isinstance(value, Machine):
            one = sorted(one)
        if name == "heap" and isinstance(value, Events):
            one = sorted(one, key=lambda event: event[:2])
        yield name, one


def drawn(value: object) -> list[str]:
    """See above. What it holds must not change meanwhile."""
    walk = _Walk()
    walk.refer(value)
    while walk.due:
        walk.draw(walk.due.pop())
    return walk.lines
