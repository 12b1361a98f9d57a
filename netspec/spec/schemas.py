"""JSON Schemas, draft-07: of specs, for editors, and of what commands print as JSON, for scripts."""

from typing import Any

from netspec.spec.document import document_model

DRAFT = "http://json-schema.org/draft-07/schema#"

Schema = dict[str, Any]


def schemas() -> dict[str, Schema]:
    """All schemas by name: spec, plan, validate, show."""
    return {"spec": spec_schema(), "plan": _plan(), "validate": _validate(), "show": _show()}


def file_name(name: str) -> str:
    """The file below `schemas/` that holds a schema."""
    return "netspec.schema.json" if name == "spec" else f"{name}.schema.json"


def spec_schema() -> Schema:
    """The schema of a spec, for yaml-language-server and others that speak draft-07."""
    found = document_model().model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    found["definitions"] = found.pop("$defs", {})
    rewritten: Schema = _draft_07(found)
    return {"$schema": DRAFT, **rewritten}


def _draft_07(node: Any) -> Any:  # noqa: ANN401  whatever JSON holds
    """2020-12 in the words of draft-07."""
    if isinstance(node, list):
        return [_draft_07(each) for each in node]
    if not isinstance(node, dict):
        return node
    found = {name: _draft_07(value) for name, value in node.items() if name != "discriminator"}
    if "prefixItems" in found:
        found["items"] = found.pop("prefixItems")
    if "$defs" in found:
        found["definitions"] = found.pop("$defs")
    if "propertyNames" in found and "additionalProperties" not in found:
        found["additionalProperties"] = True
    return found


_PLACE: Schema = {
    "type": ["object", "null"],
    "properties": {"file": {"type": "string"}, "line": {"type": "integer"}, "column": {"type": "integer"}},
    "required": ["file", "line", "column"],
    "additionalProperties": False,
}
_DIAGNOSTIC: Schema = {
    "type": "object",
    "properties": {
        "code": {"type": "string", "pattern": "^NS[0-9]{4}$"},
        "severity": {"enum": ["error", "warning"]},
        "message": {"type": "string"},
        "source": _PLACE,
        "hint": {"type": "string"},
        "related": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["code", "severity", "message", "source", "hint", "related"],
    "additionalProperties": False,
}
_DIAGNOSTICS: Schema = {"type": "array", "items": _DIAGNOSTIC}
_RESOURCE: Schema = {"type": ["object", "null"], "properties": {"kind": {"type": "string"}}, "required": ["kind"]}
_CHANGE: Schema = {
    "type": "object",
    "properties": {
        "address": {"type": "string", "description": "The kernel object: link/redis/eth0."},
        "object": {"type": "string", "description": "The object of the spec it belongs to: endpoint/redis."},
        "action": {"enum": ["create", "update", "replace", "delete", "adopt"]},
        "reason": {"type": "string"},
        "disruption": {"enum": ["none", "live", "reset", "flap", "rebuild", "lockout-risk"]},
        "before": _RESOURCE,
        "after": _RESOURCE,
        "source": _PLACE,
    },
    "required": ["address", "object", "action", "reason", "disruption", "before", "after", "source"],
    "additionalProperties": False,
}
_COUNTS = ("add", "change", "rebuild", "remove", "drifted", "in_sync", "objects")


def _document(title: str, properties: Schema) -> Schema:
    fields = {"format_version": {"const": "1.0"}, **properties}
    return {
        "$schema": DRAFT,
        "title": title,
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def _plan() -> Schema:
    summary = {
        "type": "object",
        "properties": {name: {"type": "integer", "minimum": 0} for name in _COUNTS},
        "required": list(_COUNTS),
        "additionalProperties": False,
    }
    changes = {"type": "array", "items": _CHANGE}
    fields = {"stack": {"type": "string"}, "host": {"type": "string"}, "changes": changes, "drift": changes}
    return _document("A plan.", {**fields, "diagnostics": _DIAGNOSTICS, "summary": summary})


def _validate() -> Schema:
    return _document("The outcome of validate.", {"valid": {"type": "boolean"}, "diagnostics": _DIAGNOSTICS})


def _show() -> Schema:
    resource = {
        "type": "object",
        "properties": {"address": {"type": "string"}, "kind": {"type": "string"}},
        "required": ["address", "kind"],
    }
    entry = {
        "type": "object",
        "properties": {"address": {"type": "string"}, "resources": {"type": "array", "items": resource}},
        "required": ["address", "resources"],
        "additionalProperties": False,
    }
    fields = {"stack": {"type": "string"}, "objects": {"type": "array", "items": entry}}
    return _document("What a stack owns.", fields)
