"""pydantic's errors in the user's words: a code, a place, a way out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from netspec.kinds._contract import Finding

LATER = frozenset({"links", "macvlans", "ipvlans", "overlays", "hosts", "routes", "rules", "neighbors"})
"""Sections of the language that this version of netspec does not know yet."""

_EXPECTED: Mapping[str, str] = {
    "int_type": "a number is wanted here",
    "int_parsing": "a number is wanted here",
    "bool_type": "true or false is wanted here",
    "bool_parsing": "true or false is wanted here",
    "dict_type": "a mapping is wanted here",
    "mapping_type": "a mapping is wanted here",
    "model_type": "a mapping is wanted here",
    "model_attributes_type": "a mapping is wanted here",
    "tuple_type": "a list is wanted here",
    "list_type": "a list is wanted here",
    "string_type": "a string is wanted here",
}


@dataclass(frozen=True, slots=True)
class ShapeFinding(Finding):
    """What is wrong with a value by itself. `is_extra`: a key like no other, so that nothing is amiss without it."""

    is_extra: bool = False


def findings_of(
    error: ValidationError,
    data: Any,  # noqa: ANN401  whatever YAML held
    model: type[BaseModel],
) -> list[ShapeFinding]:
    """One for each thing that is wrong; the alternatives of a union count as one."""
    found: dict[tuple[str | int, ...], ShapeFinding] = {}
    for each in error.errors(include_url=False):
        path = _path(each["loc"], data)
        finding = _finding(each, path, model)
        known = found.get(path)
        # The most specific of a union's complaints is the one with a code of its own.
        if known is None or (known.code == "NS0119" and finding.code != "NS0119"):
            found[path] = finding
    return list(found.values())


def _path(location: Sequence[str | int], data: Any) -> tuple[str | int, ...]:  # noqa: ANN401  whatever YAML held
    """The part of pydantic's location that is a path into the document: names of unions and models are not."""
    path: list[str | int] = []
    for index, step in enumerate(location):
        last = index == len(location) - 1
        if isinstance(data, dict) and (step in data or (last and _is_name(step))):
            path.append(step)
            data = data.get(str(step))
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            path.append(step)
            data = data[step]
    return tuple(path)


def _is_name(step: str | int) -> bool:
    return isinstance(step, str) and step.isidentifier() and step.islower()


def _finding(each: Any, path: tuple[str | int, ...], model: type[BaseModel]) -> ShapeFinding:  # noqa: ANN401
    kind, context = str(each["type"]), each.get("ctx") or {}
    if kind == "extra_forbidden":
        return _unknown_key(path, model)
    if kind == "missing":
        missing = str(each["loc"][-1])
        hint = "begin with: netspec: 1" if missing == "netspec" else ""
        parent = path[:-1] if path and path[-1] == missing else path
        return ShapeFinding("NS0151", f'"{missing}" is missing', parent, hint, on_key=True)
    on_key = each["loc"][-1:] == ("[key]",)
    if kind.startswith("NS"):
        return ShapeFinding(kind, str(each["msg"]), path, str(context.get("hint", "")), on_key=on_key)
    if path == ("netspec",):
        message, hint = "this version of netspec reads format 1", "write: netspec: 1"
        return ShapeFinding("NS0119", message, path, hint)
    hint = _way_out(kind, each["input"]) or _known_keys(str(context.get("class_name", "")), path, model)
    return ShapeFinding("NS0119", _sentence(kind, context, each), path, hint, on_key=on_key)


def _sentence(kind: str, context: Mapping[str, Any], each: Any) -> str:  # noqa: ANN401
    match kind:
        case "literal_error" | "enum":
            expected = str(context.get("expected", ""))
            return f"one of these is wanted here: {expected}" if " or " in expected else f"{expected} is wanted here"
        case "greater_than_equal" | "greater_than":
            return f"{each['input']} is too small: the least is {context.get('ge', context.get('gt'))}"
        case "less_than_equal" | "less_than":
            return f"{each['input']} is too large: the most is {context.get('le', context.get('lt'))}"
        case _:
            return _EXPECTED.get(kind, str(each["msg"]))


def _way_out(kind: str, value: object) -> str:
    if value is None:
        return "there is nothing after the colon; write a value, or leave the key away"
    if isinstance(value, str) and value.lower() in ("yes", "no", "on", "off"):
        return "YAML 1.2 writes true or false"
    if isinstance(value, str) and kind == "int_type" and value.isascii() and value.isdecimal():
        return "leave the quotes away"
    if isinstance(value, str) and kind in ("tuple_type", "list_type"):
        return f"write it in brackets: [{value}]"
    return ""


def _unknown_key(path: tuple[str | int, ...], model: type[BaseModel]) -> ShapeFinding:
    key = str(path[-1])
    if len(path) == 1 and key in LATER:
        message = f'the section "{key}" is not in this version of netspec'
        return ShapeFinding("NS0153", message, path, on_key=True, is_extra=True)
    valid = sorted(key for each in _models_at(path[:-1], model) for key in _keys(each))
    close = get_close_matches(key, valid, n=1)
    hint = f'did you mean "{close[0]}"?' if close else f"known: {', '.join(valid)}" if valid else ""
    return ShapeFinding("NS0154", f'there is no key "{key}" here', path, hint, on_key=True, is_extra=not close)


def _known_keys(wanted: str, path: Sequence[str | int], model: type[BaseModel]) -> str:
    """What a mapping may hold, where something else stands; empty where no model of that name is wanted."""
    known = next((sorted(_keys(each)) for each in _models_at(path, model) if each.__name__ == wanted), [])
    return f"known keys: {', '.join(known)}" if known else ""


def _models_at(path: Sequence[str | int], model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The models that say what may be at a path, or below it."""
    annotations: list[Any] = [model]
    for step in path:
        annotations = [below for each in annotations for below in _below(each, step)]
    for each in annotations:
        if isinstance(each, type) and issubclass(each, BaseModel):
            yield each


def _keys(model: type[BaseModel]) -> Iterator[str]:
    return (field.alias or name for name, field in model.model_fields.items())


def _below(annotation: Any, step: str | int) -> Iterator[Any]:  # noqa: ANN401
    """What a step into an annotation leads to: a field of a model, an entry of a mapping or of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields
        field = next((each for name, each in fields.items() if (each.alias or name) == step), None)
        if field is not None:
            yield from _models(field.annotation)
        return
    for argument in get_args(annotation):
        yield from _models(argument)


def _models(annotation: Any) -> Iterator[Any]:  # noqa: ANN401
    """An annotation, looked through to the models and collections in it."""
    yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
