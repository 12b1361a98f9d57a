"""The plan file: a saved plan as JSON that people can read, and back; what is damaged or changed is refused."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, JsonValue, TypeAdapter, ValidationError

from netspec.core.change import Action, Change, FieldChange, field_changes
from netspec.core.consequence import Consequence
from netspec.core.plan import PlanningError, make_plan
from netspec.core.resource import STACK_NAME, Disruption, Key, Resource, compared_fields
from netspec.diagnostics import Diagnostic, Place
from netspec.engine.approval import Read
from netspec.engine.generation_record import Damaged, source_document, source_of
from netspec.engine.peers import Peer
from netspec.engine.planfile_place import content_of, put
from netspec.engine.saved_plan import Origin, SavedPlan, Sources
from netspec.errors import Refused
from netspec.kernel.snapshot import Reference
from netspec.kinds._encoding import PLAN_MAGIC, Unreadable, decode, encode, is_saved_plan

FORMAT = 1
_DIGEST = "sha256"
_ONE_LINE_EACH = ("read", "wanted")
"""Lists that are long, and that people seldom read."""

_Encoded = dict[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """`address` is for who reads the file: it follows from the rest. `disruption`, `cut` and `lockout` as weighed."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    address: str
    action: Action
    reason: str
    disruption: str
    cut: tuple[int, ...] | None
    lockout: str
    drift: bool
    before: _Encoded | None
    after: _Encoded | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """`value` is what was at `key`, null for nothing."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    key: Key
    value: _Encoded | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """The whole file, in the order in which it is written. A number in `wanted` is that of a change, from 0."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    netspec_plan: int
    netspec: str
    sha256: str
    host: str
    boot: str
    stack: str
    spec: str
    fingerprint: str
    changes: tuple[_Change, ...]
    read: tuple[_Read, ...]
    wanted: tuple[int | _Encoded, ...]
    sysctls: tuple[tuple[str, str], ...]
    references: tuple[tuple[str, Reference], ...]
    links: tuple[str, ...]
    places: dict[str, Place]
    warnings: tuple[Diagnostic, ...]
    source: dict[str, JsonValue] | None
    peers: tuple[Peer, ...]


@cache
def _adapter() -> TypeAdapter[_Form]:
    return TypeAdapter(_Form)


def text_of(plan: SavedPlan) -> str:
    """The text of the file."""
    changing = {change.key: number for number, change in enumerate(plan.plan.changes)}
    form = _Form(
        netspec_plan=FORMAT,
        netspec=plan.version,
        sha256="",
        host=plan.origin.host,
        boot=plan.origin.boot,
        stack=plan.stack,
        spec="" if plan.source is None else plan.source.digest,
        fingerprint=fingerprint(plan.read),
        changes=tuple(_written(change, plan) for change in plan.plan.changes),
        read=tuple(_Read(key=key, value=encode(value)) for key, value in plan.read.items() if key not in changing),
        wanted=tuple(changing[key] if key in changing else encode(each) or {} for key, each in plan.desired.items()),
        sysctls=plan.sources.sysctls,
        references=plan.sources.references,
        links=plan.sources.links,
        places=dict(plan.places),
        warnings=plan.warnings,
        source=None if plan.source is None else source_document(plan.source),
        peers=plan.peers,
    )
    document = _adapter().dump_python(form, mode="json")
    return _laid_out({**document, _DIGEST: _digest(document)})


def fingerprint(read: Read) -> str:
    """SHA-256, in hex, over the live objects that a plan was made from: their addresses and the fields it looks at."""
    seen = {str(key): None if resource is None else _looked_at(resource) for key, resource in read.items()}
    return hashlib.sha256(_canonical(seen).encode("ascii")).hexdigest()


def _looked_at(resource: Resource) -> dict[str, Any]:
    encoded = encode(resource)
    assert encoded is not None, "only nothing is encoded as nothing"
    names = {rule.name for rule in compared_fields(type(resource))} - set(resource.hidden())
    return {name: value for name, value in encoded.items() if name in names or name in ("kind", "mark")}


def _written(change: Change, plan: SavedPlan) -> _Change:
    weighed = plan.consequences.get(change.key) or Consequence(change.disruption)
    return _Change(
        address=str(change.key),
        action=change.action,
        reason=change.reason,
        disruption=str(weighed.disruption),
        cut=None if weighed.cut is None else tuple(sorted(weighed.cut)),
        lockout=weighed.lockout,
        drift=change.key in plan.drift,
        before=encode(change.before),
        after=encode(change.after),
    )


def _canonical(document: object) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _digest(document: Mapping[str, Any]) -> str:
    """SHA-256, in hex, over all but the digest itself: how the file is laid out does not matter."""
    rest = {name: value for name, value in document.items() if name != _DIGEST}
    return hashlib.sha256(_canonical(rest).encode("ascii")).hexdigest()


def _laid_out(document: Mapping[str, Any]) -> str:
    parts = []
    for name, value in document.items():
        if value and name in _ONE_LINE_EACH:
            lines = ",\n".join(f"    {json.dumps(each)}" for each in value)
            parts.append(f'  "{name}": [\n{lines}\n  ]')
        else:
            parts.append(f'  "{name}": ' + json.dumps(value, indent=2).replace("\n", "\n  "))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def read(path: Path) -> SavedPlan | None:
    """The plan in a file; None where the file is no saved plan, or is not there. Raises Refused for a damaged one."""
    text = content_of(path).decode("utf-8-sig", errors="replace")
    return parse(text, str(path)) if is_saved_plan(text) else None


def write(path: Path, plan: SavedPlan) -> None:
    """Put a plan into a file of its owner's alone; what has that name is replaced, never followed. Raises Refused."""
    put(path, text_of(plan))


def parse(text: str, name: str) -> SavedPlan:
    """The plan in a text that was read from the file `name`. Raises Refused, with what is wrong."""
    try:
        document = json.loads(text, object_pairs_hook=_no_key_twice)
    except json.JSONDecodeError as error:
        place = Place(name, error.lineno, error.colno)
        raise _damaged(f"{name} is damaged or cut off: {error.msg[:1].lower()}{error.msg[1:]}", place) from None
    except (ValueError, RecursionError) as error:
        raise _damaged(f"{name} is damaged: {error}") from None
    version = document.get(PLAN_MAGIC) if isinstance(document, dict) else None
    if type(version) is int and version > FORMAT:
        message = f"{name} has format {version}; this netspec knows {FORMAT}"
        raise _unusable("NS0603", message, "use the netspec that wrote it, or a newer one, or plan again")
    if type(version) is not int or version != FORMAT or document.get(_DIGEST) != _digest(document):
        raise _damaged(f"{name} was changed after it was written: its digest is another one")
    try:
        return _plan(_adapter().validate_python(document))
    except (ValidationError, Unreadable, Damaged, PlanningError, ValueError, RecursionError) as error:
        raise _damaged(f"{name} does not hold together: {_first(error)}") from None


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)


def _plan(form: _Form) -> SavedPlan:
    changes = tuple(map(_change, form.changes))
    read = {change.key: change.before for change in changes} | {each.key: decode(each.value) for each in form.read}
    if len(read) != len(changes) + len(form.read) or fingerprint(read) != form.fingerprint:
        raise Unreadable("its parts contradict each other")
    if not STACK_NAME.fullmatch(form.stack):
        raise Unreadable("there is no stack of that name")
    return SavedPlan(
        version=form.netspec,
        origin=Origin(form.host, form.boot),
        stack=form.stack,
        plan=make_plan(changes),
        drift=frozenset(change.key for change, each in zip(changes, form.changes, strict=True) if each.drift),
        desired={resource.key(): resource for each in form.wanted for resource in _wanted(each, changes)},
        read={key: read[key] for key in sorted(read)},
        sources=Sources(form.sysctls, form.references, form.links),
        places=form.places,
        warnings=form.warnings,
        source=None if form.source is None else source_of(form.source),
        peers=form.peers,
        consequences={change.key: _weighed(each) for change, each in zip(changes, form.changes, strict=True)},
        digest=form.sha256,
    )


def _change(each: _Change) -> Change:
    before, after = decode(each.before), decode(each.after)
    there = (before is not None, after is not None)
    wanted = {Action.CREATE: (False, True), Action.DELETE: (True, False)}.get(each.action, (True, True))
    keys = {side.key() for side in (before, after) if side is not None}
    if there != wanted or len(keys) != 1 or (each.action is Action.UPDATE and type(before) is not type(after)):
        raise Unreadable(f"what is before and after {each.address} makes no {each.action}")
    fields: tuple[FieldChange, ...] = ()
    if before is not None and after is not None and type(before) is type(after):
        fields = tuple(field_changes(before, after))
    return Change(keys.pop(), each.action, before, after, fields, each.reason)


def _weighed(each: _Change) -> Consequence:
    level = next((level for level in Disruption if str(level) == each.disruption), None)
    if level is None:
        raise Unreadable(f"{each.address}: there is no level {each.disruption}")
    return Consequence(level, None if each.cut is None else frozenset(each.cut), each.lockout)


def _wanted(each: int | _Encoded, changes: Sequence[Change]) -> Iterator[Resource]:
    if isinstance(each, int) and not 0 <= each < len(changes):
        raise Unreadable(f"there is no change {each}")
    found = changes[each].after if isinstance(each, int) else decode(each)
    if found is None:
        raise Unreadable("it wants what is to go")
    yield found


def _damaged(message: str, place: Place | None = None) -> Refused:
    return _unusable("NS0602", message, "plan again, and save that", place)


def _unusable(code: str, message: str, hint: str, place: Place | None = None) -> Refused:
    found = Diagnostic(code, message, place, hint)
    return Refused("The plan file cannot be used: nothing was changed.", diagnostics=[found])
