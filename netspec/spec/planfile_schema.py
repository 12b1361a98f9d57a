"""The shape of a saved plan."""

from netspec.spec.output_schemas import (
    _CHANGED,
    _COUNT,
    _PERHAPS,
    _RESOURCE,
    _TEXT,
    Schema,
    _list,
    _object,
    _resources,
    _text,
)

_SAVED_PLACE: Schema = _object(
    {
        "file": _TEXT,
        "line": {"type": "integer", "minimum": 1},
        "column": {"type": "integer", "minimum": 1},
        "width": {"type": "integer", "minimum": 1},
        "text": _text("The whole line."),
    }
)


def planfile_schema(reference: str) -> Schema:
    """Of what plan --out writes."""
    return {"title": "What plan --out writes.", **_object(_fields()), "$defs": _resources(reference)}


def _fields() -> Schema:
    change = _object(
        {
            **_CHANGED,
            "cut": {
                "description": "The established connections that it ended, numbered; null where nobody knew.",
                "anyOf": [_list({"type": "integer"}), {"type": "null"}],
            },
            "lockout": _text("Why the session that planned might end with it, or empty."),
            "drift": {"description": "Whether it corrects what was changed in the kernel.", "type": "boolean"},
            "before": {"description": "The object as it was; null where there was none.", **_PERHAPS},
            "after": {"description": "The object as it is to be; null where it goes.", **_PERHAPS},
        }
    )
    key = {"description": "Class, namespace and name.", **_list(_TEXT), "minItems": 3, "maxItems": 3}
    pair = {**_list(_TEXT), "minItems": 2, "maxItems": 2}
    number = {"description": "The `after` of a change, counted from 0.", **_COUNT}
    places = {"type": "object", "additionalProperties": _SAVED_PLACE}
    return {
        "netspec_plan": {"description": "Version of this form.", "const": 1},
        "netspec": _text("Version of the netspec that wrote it."),
        "sha256": _text("Digest of all the rest.", pattern="^[0-9a-f]{64}$"),
        "host": _text("Name of the host."),
        "boot": _text("The kernel's name of the boot it was made in."),
        "stack": _text("Whose objects these are."),
        "spec": _text("Digest of the texts of the spec, or empty.", pattern="^([0-9a-f]{64})?$"),
        "fingerprint": _text("Digest of the live objects that the plan was made from.", pattern="^[0-9a-f]{64}$"),
        "changes": _list(change, "What is done."),
        "read": _list(_object({"key": key, "value": _PERHAPS}), "What the changes stand on, as it was."),
        "wanted": _list({"anyOf": [number, _RESOURCE]}, "All that the spec wants, changed or not."),
        "sysctls": _list(pair, "Sysctls to look at, each with its namespace."),
        "references": _list({"type": "array"}, "Namespaces of others, by endpoint."),
        "links": _list(_TEXT, "Links of the host that the spec names."),
        "places": {"description": "Places in the spec, for messages.", **places},
        "warnings": _list({"type": "object"}, "What was worth a warning."),
        "peers": _list({"type": "object"}, "Who must not be locked out."),
        "source": {"description": "The spec, for the record of generations; or null.", "type": ["object", "null"]},
    }
