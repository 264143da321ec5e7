"""What pydantic finds wrong, in the words of a scenario and with its place in the file."""

from collections.abc import Sequence
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from netswap.cluster.scenario.models import key_of
from netswap.cluster.scenario.source import Document, Place, Step, show
from netswap.cluster.scenario.words import nearest
from netswap.protocol.units import plainly, shortened, shown

Model = TypeVar("Model", bound=BaseModel)
Root = type[BaseModel]

_TYPES = {
    "int_type": ("a whole number", "write it without quotes, unit or decimals, as 16"),
    "bool_type": ("true or false", "write true or false"),
    "string_type": ("a text", "write a word, or a text in quotes"),
    "list_type": ("a list", "write [...], or lines that begin with -"),
    "dict_type": ("a mapping", "write {...}, or indented lines of key: value"),
    "model_type": ("a mapping", "write {...}, or indented lines of key: value"),
}


def validate(document: Document, model: type[Model]) -> Model | None:
    """The words of a document; None if there are problems, which are then reported on the document."""
    try:
        return model.model_validate(document.tree)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            _report(document, model, detail)
        return None


def _report(document: Document, model: Root, detail: ErrorDetails) -> None:
    place: Place = tuple(detail["loc"])
    kind = detail["type"]
    if kind == "missing":
        _report_missing(document, model, place)
    elif kind == "extra_forbidden":
        _report_unknown(document, model, place)
    elif detail["input"] is not None:  # an empty value is reported by `check`, wherever it stands
        document.report(place, *_message_and_hint(detail, model, place))


def _report_missing(document: Document, model: Root, place: Place) -> None:
    key = str(place[-1])
    where = f" in {show(place[:-1])}" if place[:-1] else ""
    document.report(place[:-1], f'"{key}" is missing{where}', f"add {_example(model, place)}", key=True)


def _report_unknown(document: Document, model: Root, place: Place) -> None:
    key = str(place[-1])
    known = _keys(_model_at(model, place[:-1]))
    where = f" in {show(place[:-1])}" if place[:-1] else ""
    document.report(place, f'unknown key "{shortened(key)}"{where}', nearest(key, known), key=True)


def _message_and_hint(detail: ErrorDetails, model: Root, place: Place) -> tuple[str, str]:
    kind, context, value = detail["type"], detail.get("ctx", {}), detail["input"]
    name = _name(place)
    if kind == "word":
        return str(context["message"]), str(context["hint"])
    if kind == "quantity":
        return f"{name}: {context['message']}", str(context["hint"])
    if kind in _TYPES:
        what, hint = _TYPES[kind]
        return f"{name} must be {what}, not {shown(value)}", hint
    if kind == "greater_than_equal":
        return f"{name}: {plainly(value)} is too small", f"write at least {context['ge']}"
    if kind == "less_than_equal":
        return f"{name}: {plainly(value)} is too large", f"write at most {context['le']}"
    if kind in ("too_short", "string_too_short"):
        return f"{name} has nothing in it", f"add {_example(model, place)}"
    return f"{name}: {detail['msg']}", "`netswap schema` tells what may stand here"


def _name(place: Place) -> str:
    """The last key and what follows it, as `timeline.0`."""
    last_key = max((index for index, step in enumerate(place) if isinstance(step, str)), default=0)
    return show(place[last_key:])


def _example(root: Root, place: Place) -> str:
    model, key = _model_at(root, place[:-1]), place[-1]
    for name in model.model_fields if model else ():
        if model and key_of(model, name) == key:
            examples = model.model_fields[name].examples or ["..."]
            return f"{key}: {examples[0]}" + (f", or {key}: ever" if key == "for" else "")
    return f"{key}: ..."


def _keys(model: type[BaseModel] | None) -> list[str]:
    return [key_of(model, name) for name in model.model_fields] if model else []


def _model_at(root: Root, place: Sequence[Step]) -> type[BaseModel] | None:
    """The model that describes the mapping at a place."""
    kind: Any = root
    for step in place:
        kind = _inner(kind, step)
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _inner(kind: Any, step: Step) -> Any:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            if key_of(kind, name) == step:
                return _bare(field.annotation)
        return None
    arguments = get_args(kind)
    return _bare(arguments[-1]) if arguments else None


def _bare(kind: Any) -> Any:
    """An annotation without Annotated and Optional."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return next((_bare(one) for one in get_args(kind) if one is not type(None)), None)
    return kind
