"""The shape of what commands print with `--output json`."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from netspec.core.change import Action
from netspec.core.resource import Disruption
from netspec.diagnostics import Severity
from netspec.kernel.probes import Verdict
from netspec.kinds import kinds
from netspec.kinds._checks import State

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_COUNTS = {
    "add": "Objects of the spec that are made.",
    "change": "Objects that change in place.",
    "rebuild": "Objects that are deleted and made anew.",
    "remove": "Objects that go.",
    "drifted": "Objects that were changed in the kernel since the last apply.",
    "in_sync": "Objects that are as the spec wants them.",
    "objects": "All objects.",
}


def output_schemas(reference: str) -> dict[str, Schema]:
    """By command, and of what each of them prints when it fails."""
    definitions = _resources(reference)
    return {
        "plan": _document("What plan and apply print: the changes.", _plan_fields(), definitions),
        "validate": _document("What validate prints.", {"valid": {"type": "boolean"}, "diagnostics": _DIAGNOSTICS}),
        "show": _document("What show prints: the objects of a stack.", _show_fields(), definitions),
        "history": _document("What history prints: the generations of a stack.", _history_fields()),
        "generation": _document("What show prints of a generation.", {**_head_fields(), **_body_fields()}),
        "check": _document("What check and test print: what each check came to.", _check_fields()),
        "error": _document("What a command prints that fails.", {"error": _ERROR, "diagnostics": _DIAGNOSTICS}),
    }


def _object(properties: Schema, description: str = "") -> Schema:
    said = {"description": description} if description else {}
    return {
        **said,
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Schema, description: str = "") -> Schema:
    return {**({"description": description} if description else {}), "type": "array", "items": items}


def _text(description: str, **more: object) -> Schema:
    return {"description": description, **_TEXT, **more}


def _document(title: str, properties: Schema, definitions: Mapping[str, Schema] | None = None) -> Schema:
    version = {"description": "Version of this form.", "const": "1.0"}
    found = {"title": title, **_object({"format_version": version, **properties})}
    return {**found, "$defs": dict(definitions)} if definitions else found


_PLACE: Schema = {
    "description": "A place in a spec; null where there is none.",
    "anyOf": [
        _object(
            {"file": _TEXT, "line": {"type": "integer", "minimum": 1}, "column": {"type": "integer", "minimum": 1}}
        ),
        {"type": "null"},
    ],
}
_DIAGNOSTIC: Schema = _object(
    {
        "code": _text("Stable over releases.", pattern="^NS[0-9]{4}$", examples=["NS0110"]),
        "severity": {"description": "How bad it is.", "enum": [str(each) for each in Severity]},
        "message": _text("One sentence."),
        "source": _PLACE,
        "hint": _text("The way out, or empty."),
        "related": _list(_object({"message": _TEXT, "source": _PLACE}), "Other places that belong to it."),
    }
)
_DIAGNOSTICS: Schema = _list(_DIAGNOSTIC, "What is wrong, or worth a warning.")
_ERROR: Schema = _object(
    {"message": _text("What failed."), "exit_code": {"description": "What the command ends with.", "type": "integer"}}
)


def _resources(reference: str) -> dict[str, Schema]:
    """Each kind of kernel object by its name, and `Resource`: any of them."""
    found: dict[str, Schema] = {}
    names = []
    for kind in kinds():
        name = kind.resource.__name__
        schema = TypeAdapter(kind.resource).json_schema(mode="serialization", ref_template=reference)
        found.update(schema.pop("$defs", {}))
        fields = {"kind": {"const": name}, **schema["properties"]}
        found[name] = {**schema, "properties": fields, "required": list(fields)}
        names.append(name)
    found["Resource"] = {
        "description": "A kernel object. Kinds and fields may be added.",
        "anyOf": [{"$ref": reference.format(model=name)} for name in names],
    }
    return found


_RESOURCE: Schema = {"$ref": "#/definitions/Resource"}
_PERHAPS: Schema = {"anyOf": [_RESOURCE, {"type": "null"}]}
_CHANGED: Schema = {
    "address": _text("The kernel object.", examples=["link/redis/eth0"]),
    "action": {"description": "What is done with it.", "enum": [str(each) for each in Action]},
    "reason": _text("Why it is replaced, or empty."),
    "disruption": {"description": "What it does to traffic.", "enum": [str(each) for each in Disruption]},
}
_WEIGHED: Schema = {
    "connections": {
        "description": "How many established connections it ends, as they are now; null where nobody knows.",
        "anyOf": [_COUNT, {"type": "null"}],
    },
    "lockout": _text("Why this session may end with it, or empty.", examples=["the way leads over br0"]),
}


def _plan_fields() -> Schema:
    change = _object(
        {
            **_CHANGED,
            "object": _text("The object of the spec that it belongs to.", examples=["endpoint/redis"]),
            **_WEIGHED,
            "before": {"description": "The object as it is; null where there is none.", **_PERHAPS},
            "after": {"description": "The object as it is to be; null where it goes.", **_PERHAPS},
            "source": _PLACE,
        }
    )
    suggestion = _object(
        {
            "object": _text("The object of the spec that would be made, or made anew.", examples=["endpoint/www"]),
            "like": _text("The object on the host that it looks like.", examples=["endpoint/web"]),
            "command": _text("What renames it.", examples=["netspec move endpoint/web endpoint/www"]),
        }
    )
    summary = {name: {"description": text, **_COUNT} for name, text in _COUNTS.items()}
    return {
        "stack": _text("Whose objects these are."),
        "host": _text("Name of the host."),
        "changes": _list(change, "What the spec changes."),
        "drift": _list(change, "What was changed in the kernel since the last apply, and is corrected."),
        "suggestions": _list(suggestion, "What could be renamed instead of being made anew."),
        "diagnostics": _DIAGNOSTICS,
        "summary": _object(summary, "Objects of the spec, counted."),
    }


def _show_fields() -> Schema:
    resource = {
        "allOf": [_RESOURCE],
        "properties": {"address": _text("The kernel object.", examples=["link/redis/eth0"])},
        "required": ["address"],
    }
    entry = _object(
        {"address": _text("The object of the spec.", examples=["endpoint/redis"]), "resources": _list(resource)}
    )
    return {"stack": _text("Whose objects these are."), "objects": _list(entry)}


def _history_fields() -> Schema:
    return {
        "stack": _text("Whose generations these are."),
        "last_good": _number_or_null("The one that a boot brings back; null where there is none."),
        "suspended_at": _number_or_null(
            "The one that the stack stays at until it is resumed; null where it may change."
        ),
        "generations": _list(_object(_head_fields()), "The oldest comes first."),
    }


def _head_fields() -> Schema:
    who = {
        "uid": _COUNT,
        "user": _text("Its name, or empty."),
        "sudo_user": _text("Who became that user by sudo, or empty."),
    }
    commit = _object(
        {"id": _TEXT, "dirty": {"description": "Whether a file of the spec was not as in it.", "type": "boolean"}}
    )
    return {
        "stack": _text("Whose generation it is."),
        "generation": {"description": "Its number.", "type": "integer", "minimum": 1},
        "state": {"description": "What became of it.", "enum": ["good", "pending", "undone"]},
        "pinned": {"description": "Whether the stack stays at it until it is resumed.", "type": "boolean"},
        "time": _text("When it was applied, in UTC.", examples=["2026-11-26T18:00:00Z"]),
        "command": _text("The command line."),
        "who": _object(who, "Who applied it."),
        "netspec": _text("The version of netspec that applied it."),
        "path": _text("Where the spec was read from, or empty."),
        "spec_digest": _text("SHA-256 over the texts of the spec, in hex; empty where there was none."),
        "commit": {"description": "The git commit of the spec; null outside git.", "anyOf": [commit, {"type": "null"}]},
        "back_to": _number_or_null("The generation whose spec was applied again; null where it was none."),
        "summary": {"description": "Objects that changed, counted.", "type": "object", "additionalProperties": _COUNT},
    }


def _body_fields() -> Schema:
    files = _list(_object({"name": _TEXT, "text": _TEXT}), "The texts of the spec; none where all was removed.")
    lock = _text("A lock file with all automatic addresses, or empty.")
    spec = _object({"files": files, "lock": lock})
    plan = {"description": "What was changed, in the form that `plan` prints.", "type": "object"}
    return {"spec": {"description": "Null where it is not known.", "anyOf": [spec, {"type": "null"}]}, "plan": plan}


def _number_or_null(description: str) -> Schema:
    return {"description": description, "anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}


def _check_fields() -> Schema:
    explanation = _object(
        {
            "message": _text("What became of the packet."),
            "address": _text("What in the spec says so, or empty.", examples=["policies[0]"]),
            "source": _PLACE,
        }
    )
    states = {"description": "What it came to.", "enum": [str(each) for each in State]}
    verdicts = [*(str(each) for each in Verdict), None]
    seen = {"type": ["string", "null"], "description": "The client's address as the target has seen it, if told."}
    probe = _object(
        {
            "family": {"description": "IP version.", "enum": [4, 6]},
            "target": _text("The address that was asked.", examples=["172.17.0.2"]),
            "state": states,
            "met": {"description": "What the client met; null where that could not be told.", "enum": verdicts},
            "seen": seen,
            "seconds": {"description": "How long it took.", "type": "number", "minimum": 0},
            "explanation": {"description": "Why it failed.", "anyOf": [explanation, {"type": "null"}]},
        }
    )
    return {
        "stack": _text("Whose checks these are."),
        "host": _text("Name of the host."),
        "passed": {"description": "Whether no check failed.", "type": "boolean"},
        "assumptions": _list(_TEXT, "What stood for what is not on this host."),
        "checks": _list(_check(probe, states), "In the order of the spec."),
        "summary": _object({str(each): _COUNT for each in State}, "Checks, counted."),
    }


def _check(probe: Schema, states: Schema) -> Schema:
    return _object(
        {
            "address": _text("Where it stands in the spec.", examples=["checks[0]"]),
            "name": _text("How it is called.", examples=["web -> db:5432"]),
            "from": _text("Who connects."),
            "to": _text("Whereto."),
            "expect": {"description": "What must become of it.", "enum": [str(each) for each in Verdict]},
            "required": {"description": "Whether an apply is undone unless it passes.", "type": "boolean"},
            "state": states,
            "reason": _text("Why it failed or was skipped, or empty."),
            "probes": _list(probe, "One for each IP version that was asked."),
            "source": _PLACE,
        }
    )
