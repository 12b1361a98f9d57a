"""Diagnostics as people read them: code, place, the line with a caret, and the way out."""

from collections.abc import Iterable, Iterator
from typing import Any

from netspec.diagnostics import Diagnostic, Place
from netspec.report.style import Style

WIDEST = 120
"""Columns of a source line that are shown; longer ones are cut around the caret."""


def render(diagnostics: Iterable[Diagnostic], *, color: bool) -> str:
    """All of them, an empty line after each; empty for none."""
    style = Style(color)
    return "".join("\n".join(_lines(each, style)) + "\n\n" for each in diagnostics)


def as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """The form in JSON documents."""
    return {
        "code": diagnostic.code,
        "severity": str(diagnostic.severity),
        "message": diagnostic.message,
        "source": _source(diagnostic.place),
        "hint": diagnostic.hint,
        "related": [{"message": each.message, "source": _source(each.place)} for each in diagnostic.related],
    }


def _source(place: Place | None) -> dict[str, Any] | None:
    return None if place is None else {"file": place.file, "line": place.line, "column": place.column}


def _lines(diagnostic: Diagnostic, style: Style) -> Iterator[str]:
    severity = str(diagnostic.severity)
    head = style.paint(severity, f"{severity}[{diagnostic.code}]")
    yield f"{head}: {_visible(diagnostic.message)}"
    if diagnostic.place is not None:
        yield from _excerpt(diagnostic.place, "^", diagnostic.label, style)
    for each in diagnostic.related:
        yield from _excerpt(each.place, "-", each.message, style)
    if diagnostic.hint:
        yield f"  {style.paint('bold', 'help')}: {_visible(diagnostic.hint)}"


def _excerpt(place: Place, mark: str, label: str, style: Style) -> Iterator[str]:
    yield f"  {style.paint('dim', '-->')} {_visible(place.file)}:{place.line}:{place.column}"
    if not place.text:
        return
    start = max(0, place.column - 1 - WIDEST // 2) if len(place.text) > WIDEST else 0
    before = _visible(place.text[start : place.column - 1])
    marked = _visible(place.text[place.column - 1 : place.column - 1 + place.width][:WIDEST])
    after = _visible(place.text[place.column - 1 + place.width :])[: max(0, WIDEST - len(before) - len(marked))]
    yield f"   | {before}{marked}{after}"
    caret = style.paint("error" if mark == "^" else "dim", mark * max(1, len(marked)))
    yield f"   | {' ' * len(before)}{caret} {_visible(label)}".rstrip()


def _visible(text: str) -> str:
    """Text that does to a terminal only what it shows: tabs become spaces, control characters escapes."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else " " if each == "\t" else ascii(each)[1:-1] for each in text)
