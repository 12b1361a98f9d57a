"""Failures of checks as marks that CIs show beside the lines of a spec."""

import hashlib
import json
from collections.abc import Iterator

from netspec.kinds._checks import Outcome, State
from netspec.report.checks import CheckView
from netspec.report.junit import failure_of


def github(view: CheckView) -> str:
    """Workflow commands of GitHub, a line for each check that failed."""
    return "".join(f"{_command(each, view)}\n" for each in _failed(view))


def gitlab(view: CheckView) -> str:
    """A report in GitLab's form of code quality."""
    issues = []
    for each in _failed(view):
        place = view.place_of(each.check.address)
        name = f"{view.stack} {each.check.spec.label} {each.check.address}"
        issues.append(
            {
                "description": f"{each.check.spec.label}: {failure_of(each)}",
                "check_name": "netspec",
                "fingerprint": hashlib.sha256(name.encode()).hexdigest()[:32],
                "severity": "major",
                "location": {
                    "path": place.file if place else "netspec.yaml",
                    "lines": {"begin": place.line if place else 1},
                },
            }
        )
    return json.dumps(issues, indent=2) + "\n"


def _failed(view: CheckView) -> Iterator[Outcome]:
    return (each for each in view.outcomes if each.state is State.FAILED)


def _command(outcome: Outcome, view: CheckView) -> str:
    place = view.place_of(outcome.check.address)
    where = f"file={_property(place.file)},line={place.line},col={place.column}," if place else ""
    title = _property(f"check failed: {outcome.check.spec.label}")
    return f"::error {where}title={title}::{_escaped(failure_of(outcome))}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
