"""What checks came to in the form of JUnit, which CIs read."""

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from netspec.kinds._checks import Explanation, Outcome, State
from netspec.report.checks import CheckView, explanations


def junit_text(view: CheckView) -> str:
    """One suite with a case for each check."""
    number, failed, skipped = len(view.outcomes), view.count(State.FAILED), view.count(State.SKIPPED)
    counts = f'tests="{number}" failures="{failed}" errors="0" skipped="{skipped}" time="{view.seconds:.3f}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="netspec" {counts}>',
        f"  <testsuite name={_attribute(f'stack {view.stack}')} hostname={_attribute(view.host)} {counts}>",
        *(f"    {line}" for each in view.outcomes for line in _case(each, view)),
        *([f"    <system-out>{_text(chr(10).join(view.assumptions))}</system-out>"] if view.assumptions else []),
        "  </testsuite>",
        "</testsuites>",
    ]
    return "\n".join(lines) + "\n"


def failure_of(outcome: Outcome) -> str:
    """Why a check failed, and what became of its packets, each on a line of its own."""
    return "\n".join([outcome.words, *map(_explained, explanations(outcome))])


def _explained(each: Explanation) -> str:
    return f"{each.words} ({each.place.file}:{each.place.line})" if each.place else each.words


def _case(outcome: Outcome, view: CheckView) -> Iterator[str]:
    place = view.place_of(outcome.check.address)
    where = f' file={_attribute(place.file)} line="{place.line}"' if place else ""
    seconds = max((each.answer.seconds for each in outcome.met), default=0.0)
    name = _attribute(outcome.check.spec.label)
    head = f'<testcase classname={_attribute(view.stack)} name={name}{where} time="{seconds:.3f}"'
    if outcome.state is State.PASSED:
        yield f"{head}/>"
        return
    yield f"{head}>"
    if outcome.state is State.FAILED:
        said = _text(failure_of(outcome))
        yield f'  <failure type="check" message={_attribute(outcome.words)}>{said}</failure>'
    else:
        yield f"  <skipped message={_attribute(outcome.words)}/>"
    yield "</testcase>"


def _attribute(text: str) -> str:
    return quoteattr(_legal(text))


def _text(text: str) -> str:
    return escape(_legal(text))


def _legal(text: str) -> str:
    """XML 1.0 has no form at all for most control characters."""
    return "".join(each if each.isprintable() or each in "\n\t" else "\ufffd" for each in text)
