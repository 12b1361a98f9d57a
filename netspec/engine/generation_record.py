"""What a generation holds, as text that shows whether it is whole.

A record is three lines of JSON: digests of the two that follow; the head, which lists need; the body, which can be
large. What a power cut, a disk or a person has damaged has another digest.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FORMAT = 1
MAGIC = "netspec_generation"
"""The key that says what the file is, with the version of its format."""


class Damaged(Exception):
    """The text is not what `text_of` writes; the message says in what."""


class Newer(Damaged):
    """A newer netspec wrote it: nothing is wrong with it."""


@dataclass(frozen=True, slots=True)
class Commit:
    """The git commit that a spec was in; `dirty` where a file of the spec was not as in it."""

    id: str
    dirty: bool


@dataclass(frozen=True, slots=True)
class Who:
    """Who applied: the user of the process, and who became that user by sudo."""

    uid: int
    user: str = ""
    sudo_user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The spec of a generation: its texts by name, where they were, and the commit they were in.

    `lock` is the text of a lock file with all automatic addresses. No texts: nothing of the stack was wanted.
    """

    files: tuple[tuple[str, str], ...] = ()
    lock: str = ""
    path: str = ""
    digest: str = ""
    commit: Commit | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What is listed of a generation.

    `time` is UTC; `summary` counts the objects that changed; `back_to` is the generation whose spec was applied again.
    """

    stack: str
    time: str
    command: str
    who: Who
    netspec: str
    path: str = ""
    spec_digest: str = ""
    commit: Commit | None = None
    back_to: int | None = None
    summary: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The whole of a generation: `plan` as the document that apply prints, `shown` as people saw it.

    No source: what was applied is known, but not the spec it came from.
    """

    head: Head
    source: Source | None
    plan: Mapping[str, Any]
    shown: str = ""


def text_of(record: Record) -> str:
    """A record as three lines."""
    head = record.head
    first = {
        "stack": head.stack,
        "time": head.time,
        "command": head.command,
        "who": {"uid": head.who.uid, "user": head.who.user, "sudo_user": head.who.sudo_user},
        "netspec": head.netspec,
        "path": head.path,
        "spec_digest": head.spec_digest,
        "commit": _document_of(head.commit),
        "back_to": head.back_to,
        "summary": dict(head.summary),
    }
    source = None if record.source is None else source_document(record.source)
    lines = [json.dumps(first), json.dumps({"spec": source, "plan": record.plan, "shown": record.shown})]
    digests = {MAGIC: FORMAT, "head": _digest(lines[0]), "body": _digest(lines[1])}
    return "\n".join([json.dumps(digests), *lines]) + "\n"


def source_document(source: Source) -> dict[str, Any]:
    """A source as JSON values."""
    return {
        "path": source.path,
        "digest": source.digest,
        "commit": _document_of(source.commit),
        "files": [{"name": name, "text": text} for name, text in source.files],
        "lock": source.lock,
    }


def source_of(document: Any) -> Source:  # noqa: ANN401  whatever JSON held
    """The source that `source_document` was given. Raises Damaged."""
    try:
        return Source(
            files=tuple((_text(each["name"]), _text(each["text"])) for each in document["files"]),
            lock=_text(document["lock"]),
            path=_text(document["path"]),
            digest=_text(document["digest"]),
            commit=_commit_of(document["commit"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Damaged(f"its spec is not of the form that netspec writes ({error})") from None


def head_of(digests: str, line: str) -> Head:
    """The head, from the first two lines of a record. Raises Damaged."""
    found = _checked(digests, "head", line)
    try:
        who, back_to = found["who"], found["back_to"]
        return Head(
            stack=_text(found["stack"]),
            time=_text(found["time"]),
            command=_text(found["command"]),
            who=Who(_number(who["uid"]), _text(who["user"]), _text(who["sudo_user"])),
            netspec=_text(found["netspec"]),
            path=_text(found["path"]),
            spec_digest=_text(found["spec_digest"]),
            commit=_commit_of(found["commit"]),
            back_to=None if back_to is None else _number(back_to),
            summary={_text(name): _number(number) for name, number in found["summary"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Damaged(f"its head is not of the form that netspec writes ({error})") from None


def parse(text: str) -> Record:
    """The record of a text. Raises Damaged."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise Damaged("it is cut off" if len(lines) < 4 else "something follows its end")
    head = head_of(lines[0], lines[1])
    found = _checked(lines[0], "body", lines[2])
    try:
        source = None if found["spec"] is None else source_of(found["spec"])
        return Record(head=head, source=source, plan=_mapping(found["plan"]), shown=_text(found["shown"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Damaged(f"its body is not of the form that netspec writes ({error})") from None


def _checked(digests: str, name: str, line: str) -> dict[str, Any]:
    """The line of that name, if its digest is the one that the first line has."""
    known = _object(digests)
    version = known.get(MAGIC)
    if type(version) is not int or version < 1:
        raise Damaged("it is no record of a generation")
    if version > FORMAT:
        raise Newer(f"a newer netspec wrote it: it has format {version}, and this one knows {FORMAT}")
    if known.get(name) != _digest(line):
        raise Damaged(f"the digest of its {name} is another")
    return _object(line)


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise Damaged("it is not JSON") from None
    if not isinstance(found, dict):
        raise Damaged("it is no record of a generation")
    return found


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r:.40} is no mapping")
    return value


def _document_of(commit: Commit | None) -> dict[str, Any] | None:
    return None if commit is None else {"id": commit.id, "dirty": commit.dirty}


def _commit_of(value: Any) -> Commit | None:  # noqa: ANN401
    return None if value is None else Commit(_text(value["id"]), dirty=value["dirty"] is True)


def _digest(line: str) -> str:
    return hashlib.sha256(line.encode("utf-8", "surrogatepass")).hexdigest()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    value.encode()  # Half a surrogate could not be printed.
    return value


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"{value!r:.40} is no count")
    return value
