"""A plan as JSON: `schemas/plan.schema.json` describes it."""

from collections.abc import Iterable
from typing import Any

from netspec.core.change import Change
from netspec.core.consequence import Consequence
from netspec.core.resource import Resource
from netspec.diagnostics import Diagnostic
from netspec.kinds._encoding import encode
from netspec.report.diagnostics import as_json
from netspec.report.objects import counts, object_of
from netspec.report.plan import PlanView

FORMAT_VERSION = "1.0"


def plan_document(view: PlanView, diagnostics: Iterable[Diagnostic]) -> dict[str, Any]:
    """The document that `plan --output json` prints."""
    objects = view.objects
    tally = counts(objects)
    drift = view.drifted
    return {
        "format_version": FORMAT_VERSION,
        "stack": view.stack,
        "host": view.host,
        "changes": [_change(change, view) for change in view.plan.changes if change.key not in drift],
        "drift": [_change(change, view) for change in view.plan.changes if change.key in drift],
        "suggestions": [
            {"object": each.new, "like": each.old, "command": each.command} for each in view.suggestions(objects)
        ],
        "diagnostics": [as_json(each) for each in diagnostics],
        "summary": {**tally, "in_sync": view.in_sync, "objects": len(view.known)},
    }


def _change(change: Change, view: PlanView) -> dict[str, Any]:
    place = view.place_of(change.resource.origin)
    weighed = view.consequences.get(change.key) or Consequence(change.disruption)
    return {
        "address": str(change.key),
        "object": object_of(change.resource),
        "action": str(change.action),
        "reason": change.reason,
        "disruption": str(weighed.disruption),
        "connections": None if weighed.cut is None else len(weighed.cut),
        "lockout": weighed.lockout,
        "before": _fields(change.before),
        "after": _fields(change.after),
        "source": None if place is None else {"file": place.file, "line": place.line, "column": place.column},
    }


def _fields(resource: Resource | None) -> dict[str, Any] | None:
    return encode(resource)
