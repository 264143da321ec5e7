"""In what two kernels differ, rule by rule. What a rule is is said where its field is declared: these texts are read there."""

import ast
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, NamedTuple

from netswap.actors.kernels.kernel import Kernel
from netswap.protocol.frame import KIND_NAMES


class Difference(NamedTuple):
    """One number or rule that two kernels do not have in common."""

    name: str
    """The name of the field, as `tcp.window_share`."""
    rule: str
    """What it says, with its source."""
    values: tuple[Any, Any]


def differences(one: Kernel, other: Kernel) -> list[Difference]:
    """All of them, in the order in which they are declared. A kernel's name and what it is chosen by are no rules."""
    return [found for found in _compared(one, other, "") if found.name not in ("name", "doc")]


def _compared(one: Any, other: Any, above: str) -> Iterator[Difference]:
    """What differs between two records of one kind, and in the records in them."""
    rules = texts(type(one).__module__, type(one).__name__)
    for field in fields(one):
        ours, theirs = getattr(one, field.name), getattr(other, field.name)
        if is_dataclass(ours):
            yield from _compared(ours, theirs, f"{above}{field.name}.")
        elif ours != theirs:
            yield Difference(f"{above}{field.name}", rules.get(field.name, ""), (ours, theirs))


@cache
def texts(module: str, name: str) -> dict[str, str]:
    """What is written under each field of a class, on one line."""
    path = files("netswap").joinpath(*module.split(".")[1:-1], f"{module.split('.')[-1]}.py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    found: dict[str, str] = {}
    for field, text in pairwise(body):
        said = text.value.value if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) else None
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(said, str):
            found[field.target.id] = " ".join(said.split())
    return found


def as_text(name: str, value: object) -> str:
    """A value as a person reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if name.endswith("_ns") and isinstance(value, int):
        return f"{value / 1e9:g} s" if value >= 1_000_000_000 else f"{value / 1e6:g} ms"
    if name.endswith("emergency_links") and isinstance(value, frozenset):
        return ", ".join(sorted(KIND_NAMES[kind] for kind in value))
    if isinstance(value, tuple):
        return ", ".join(as_text("", one) for one in value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def as_json(value: Any) -> Any:
    """A value as plain data."""
    if isinstance(value, frozenset):
        return sorted(KIND_NAMES[kind] for kind in value)
    return list(value) if isinstance(value, tuple) else value
