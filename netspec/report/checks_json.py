"""What checks came to as JSON: `schemas/check.schema.json` describes it."""

from typing import Any

from netspec.diagnostics import Place
from netspec.kinds._checks import Explanation, Met, Outcome, State
from netspec.report.checks import CheckView

FORMAT_VERSION = "1.0"


def checks_document(view: CheckView) -> dict[str, Any]:
    """The document that `check` and `test` print with `--output json`."""
    return {
        "format_version": FORMAT_VERSION,
        "stack": view.stack,
        "host": view.host,
        "passed": view.passed,
        "assumptions": list(view.assumptions),
        "checks": [_check(each, view) for each in view.outcomes],
        "summary": {str(state): view.count(state) for state in State},
    }


def _check(outcome: Outcome, view: CheckView) -> dict[str, Any]:
    spec = outcome.check.spec
    return {
        "address": outcome.check.address,
        "name": spec.label,
        "from": str(spec.from_),
        "to": str(spec.to),
        "expect": spec.expect,
        "required": spec.required,
        "state": str(outcome.state),
        "reason": outcome.words,
        "probes": [_probe(each) for each in outcome.met],
        "source": _source(view.place_of(outcome.check.address)),
    }


def _probe(met: Met) -> dict[str, Any]:
    answer, question = met.answer, met.question
    return {
        "family": question.version,
        "target": str(question.probe.address),
        "state": str(met.state),
        "met": None if answer.verdict is None else str(answer.verdict),
        "seen": None if answer.seen is None else str(answer.seen),
        "seconds": round(answer.seconds, 6),
        "explanation": _explanation(met.explanation),
    }


def _explanation(found: Explanation | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"message": found.words, "address": found.address, "source": _source(found.place)}


def _source(place: Place | None) -> dict[str, Any] | None:
    return None if place is None else {"file": place.file, "line": place.line, "column": place.column}
