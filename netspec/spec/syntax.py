"""What the YAML parser complains about, in sentences a user can act on."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from netspec.diagnostics import Diagnostic, Place, Related
from netspec.spec.places import DEEPEST, Event, place_at
from netspec.spec.scalars import named
from netspec.spec.source import SourceFile

_OPENED = {
    "a flow sequence": "the list is not closed: a comma or ] is missing",
    "a flow mapping": "the mapping is not closed: a comma or } is missing",
    "a quoted scalar": "the quotation mark is not closed",
}
"""Of the parser's contexts, those that were opened and not closed."""
TOO_DEEP, TAGS = f"this nests deeper than {DEEPEST} levels", "tags are not taken"
_QUOTE = "put the text in quotes"
_INDENT = "entries of one list or mapping begin in the same column"
# libyaml and PyYAML give no codes, only these words; what is not here is passed on as it came.
_SENTENCES = (
    ("mapping values are not allowed", "a colon stands where no key can be", f"check the indentation, or {_QUOTE}"),
    ("sequence entries are not allowed", "a list cannot begin here", "begin it on a line of its own"),
    ("could not find expected ':'", "this line has no colon", "a key and its value are written: key: value"),
    ("did not find expected key", "this does not fit what stands above", _INDENT),
    ("did not find expected '-'", "this is no entry of the list above", f"begin it with a dash; {_INDENT}"),
    ("expected <block end>", "this does not fit what stands above", _INDENT),
    ("unknown escape character", "this is no escape of YAML", "double the backslash, or use single quotes"),
    ("invalid Unicode character escape", "this escape is no character", ""),
    ("expected alphabetic or numeric character", "* and & need a name behind them", f"name the anchor, or {_QUOTE}"),
    ("undefined tag handle", TAGS, "leave the tag away"),
    ("incompatible YAML document", "this version of YAML is not known", "leave the %YAML line away"),
    ("expected node content", "a value is missing here", ""),
    ("the node content", "a value is missing here", ""),
    ("maximum nesting depth", TOO_DEEP, ""),
    ("<document start>", "this stands after the end of the document", "leave the ... line away"),
)
_UNREADABLE = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")

_DOUBTFUL = re.compile("[\x85\u2028\u2029\ufeff]")


def syntax_error(file: SourceFile, error: yaml.YAMLError, inside: Event | None = None) -> Diagnostic:
    """The Diagnostic of what the parser raised; `inside` is the start of the list or mapping it stood in."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return _unreadable(file, error)
    context, opened = str(getattr(error, "context", "") or ""), getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", "") or "")
    unclosed = next((words for name, words in _OPENED.items() if context.endswith(name)), "")
    if opened is not None and unclosed and ("expected ',' or" in problem or "end of stream" in problem):
        return _unclosed(file, unclosed, opened, mark)
    if inside is not None and inside.flow_style and not file.text[mark.index :].strip():
        name = "a flow mapping" if isinstance(inside, yaml.MappingStartEvent) else "a flow sequence"
        return _unclosed(file, _OPENED[name], inside.start_mark, mark)
    if "could not find expected ':'" in problem and opened is not None:
        mark = opened
    message, hint = _sentence(problem, file.text[mark.index : mark.index + 1])
    code = {TOO_DEEP: "NS0112", TAGS: "NS0109"}.get(message, "NS0106")
    return Diagnostic(code, message, place_at(file, mark, 1), hint)


def _unclosed(file: SourceFile, message: str, opened: Any, mark: Any) -> Diagnostic:  # noqa: ANN401  marks
    """At the opening; where the parser gave up is told as well, unless that is the end of the file."""
    found = place_at(file, opened, 1)
    gave_up = Related(place_at(file, mark, 1), "it should have ended before this")
    is_end = not file.text[mark.index :].strip()
    return Diagnostic("NS0106", message, found, label="opened here", related=() if is_end else (gave_up,))


def _sentence(problem: str, character: str) -> tuple[str, str]:
    if "cannot start any token" in problem:
        if character == "\t":
            return "a tab stands where only spaces can", "YAML indents with spaces"
        return f"text cannot begin with {character}", _QUOTE
    found = next(((message, hint) for words, message, hint in _SENTENCES if words in problem), None)
    return found or (f"this is not YAML: {problem}", "")


def _unreadable(file: SourceFile, error: yaml.YAMLError) -> Diagnostic:
    """The reader's own refusal; it tells bytes, so the character is looked for."""
    match = _UNREADABLE.search(file.text)
    if match is None:
        reason = getattr(error, "reason", None) or type(error).__name__
        return Diagnostic("NS0106", f"this is not YAML: {reason}", Place(file.name, 1, 1))
    return _invisible(file, match, f"the invisible character {named(match[0])} stands here")


def doubtful(file: SourceFile) -> Iterator[Diagnostic]:
    """Each character that moves lines or columns for the parser, and does not for YAML 1.2, wherever it stands.

    It ends a line, so that the rest of a comment is read; or it is a byte order mark, which a line may begin with.
    """
    for match in () if file.text.isascii() else _DOUBTFUL.finditer(file.text):
        why = "" if match[0] == "\ufeff" else ", at which some programs end the line"
        yield _invisible(file, match, f"the invisible character {named(match[0])} stands here{why}")


def _invisible(file: SourceFile, match: re.Match[str], message: str) -> Diagnostic:
    """At a character that the parser has no mark of."""
    before = file.text[: match.start()]
    start = max(before.rfind("\n"), before.rfind("\r")) + 1
    line = before.count("\n") + before.count("\r") - before.count("\r\n") + 1
    return Diagnostic("NS0116", message, Place(file.name, line, match.start() - start + 1), "remove it")
