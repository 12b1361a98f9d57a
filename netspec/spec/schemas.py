"""JSON Schemas, draft-07: of specs, for editors, and of what commands print as JSON, for scripts."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from netspec.kinds._contract import SpecModel
from netspec.spec.document import document_model
from netspec.spec.output_schemas import output_schemas
from netspec.spec.planfile_schema import planfile_schema

DRAFT = "http://json-schema.org/draft-07/schema#"
REFERENCE = "#/definitions/{model}"
_NOISE = frozenset({"title", "discriminator"})
"""Keywords that say nothing: titles are names again, and draft-07 has no discriminators."""

Schema = dict[str, Any]


def schemas() -> dict[str, Schema]:
    """All schemas by the name that `netspec schema` takes."""
    found = {"spec": spec_schema()}
    printed = output_schemas(REFERENCE) | {"planfile": planfile_schema(REFERENCE)}
    for name, schema in printed.items():
        found[name] = {"$schema": DRAFT, "title": schema["title"], **_in_draft_07(schema, {})}
    return found


def file_name(name: str) -> str:
    """The file below `schemas/` that holds a schema."""
    return "netspec.schema.json" if name == "spec" else f"{name}.schema.json"


def text_of(schema: Schema) -> str:
    """A schema as it is printed and kept."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def spec_schema() -> Schema:
    """The schema of a spec, for yaml-language-server and others that speak draft-07."""
    schema = document_model().model_json_schema(by_alias=True, ref_template=REFERENCE)
    forms = {REFERENCE.format(model=name): form for name, form in short_forms().items()}
    return {"$schema": DRAFT, "title": "A netspec spec", **_in_draft_07(schema, forms)}


def short_forms() -> dict[str, Schema]:
    """What may stand for a mapping, by the name of its model."""
    return {each.__name__: each.short_form for each in _models(SpecModel) if each.short_form is not None}


def _models(base: type[SpecModel]) -> Iterator[type[SpecModel]]:
    for each in base.__subclasses__():
        yield each
        yield from _models(each)


def _in_draft_07(node: Any, short_forms: Mapping[str, Schema]) -> Any:  # noqa: ANN401  whatever JSON holds
    """2020-12 in the words of draft-07, with short forms beside the mappings that they stand for."""
    if isinstance(node, list):
        return [_in_draft_07(each, short_forms) for each in node]
    if not isinstance(node, dict):
        return node
    found = {}
    for name, value in node.items():
        if name in ("properties", "patternProperties", "$defs"):
            found[name] = {key: _in_draft_07(each, short_forms) for key, each in value.items()}
        elif name not in _NOISE and not (name == "default" and value is None):
            found[name] = value if name in ("default", "examples") else _in_draft_07(value, short_forms)
    return _reworded(found, short_forms)


def _reworded(node: Schema, short_forms: Mapping[str, Schema]) -> Schema:
    if "description" in node:
        node["description"] = " ".join(node["description"].split())
    if "prefixItems" in node:
        node["items"] = node.pop("prefixItems")
    if "$defs" in node:
        node["definitions"] = node.pop("$defs")
    if "patternProperties" in node:
        node.setdefault("additionalProperties", False)
    reference = node.get("$ref")
    if reference is None:
        return node
    form = short_forms.get(reference)
    rest = {name: value for name, value in node.items() if name != "$ref"}
    if form is not None:
        return {**rest, "anyOf": [form, {"$ref": reference}]}
    # In draft-07 nothing beside a reference counts.
    return {**rest, "allOf": [{"$ref": reference}]} if rest else node
