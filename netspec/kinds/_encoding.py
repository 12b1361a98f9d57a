"""Resources as JSON and back, for the journal and for plan files."""

import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from netspec.core.resource import Resource
from netspec.kinds import kinds

PLAN_MAGIC = "netspec_plan"
"""The key that says that a JSON file is a saved plan, with the version of its format."""


def is_saved_plan(text: str) -> bool:
    """Whether a text is a saved plan, whole or damaged. No spec has such a key."""
    return text.lstrip()[:1] == "{" and f'"{PLAN_MAGIC}"' in text


class Unreadable(Exception):
    """The text is not what `dump` writes."""


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_types()[name])


@cache
def _types() -> dict[str, type[Resource]]:
    return {kind.resource.__name__: kind.resource for kind in kinds()}


def encode(resource: Resource | None) -> dict[str, Any] | None:
    """Plain JSON values of a resource, its type under `kind`; None for None."""
    if resource is None:
        return None
    fields: dict[str, Any] = _adapter(type(resource).__name__).dump_python(resource, mode="json")
    return {"kind": type(resource).__name__, **fields}


def decode(value: Any) -> Resource | None:  # noqa: ANN401  whatever JSON held
    """The resource that `encode` was given. Raises Unreadable."""
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("kind") not in _types():
        raise Unreadable("a resource of no known kind")
    fields = {name: field for name, field in value.items() if name != "kind"}
    try:
        found = _adapter(value["kind"]).validate_json(json.dumps(fields))
    except ValidationError as error:
        first = error.errors()[0]
        # What stands in brackets are pydantic's own ways through a union.
        field = ".".join(str(step) for step in first["loc"] if "[" not in str(step))
        raise Unreadable(f"{value['kind']}: {field}: {first['msg']}") from None
    assert isinstance(found, Resource), "adapters make resources"
    return found
