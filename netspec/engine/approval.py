"""A plan that was approved: whether what it was made from is still so, and what of it is still to do."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from netspec.core.change import Action, Change, diff
from netspec.core.resource import Key, Resource, compared_fields
from netspec.core.state import State, provided, prunable
from netspec.diagnostics import Diagnostic, Place, Severity
from netspec.engine.obstacles import PlaceOf
from netspec.engine.report_failure import words_of
from netspec.errors import Stale
from netspec.kernel.snapshot import ReferenceRow
from netspec.kinds.attached_netns import AttachedNetns
from netspec.kinds.sysctl import Sysctl

Read = Mapping[Key, Resource | None]
"""What a plan was made from: what was at each key, None for nothing."""

_AGAIN = "look at what has changed, and plan again"
_LISTED, _MOST = 8, 100
"""Names in a warning, and objects that are told one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Changes that somebody has seen and wants, and what was there then.

    With `replan`, what has changed since does no harm as long as nothing is to be done now that was not approved.
    """

    changes: tuple[Change, ...]
    read: Read
    replan: bool = False


@dataclass(frozen=True, slots=True)
class Sight:
    """What an approval is held against: the host as it is, and all that was wanted of it."""

    stack: str
    desired: State
    observed: State
    references: Mapping[str, ReferenceRow]
    place_of: PlaceOf


@dataclass(frozen=True, slots=True)
class Permitted:
    """The changes that may be made. What is at the keys `aside` is not as desired, and not their business."""

    changes: tuple[Change, ...]
    aside: frozenset[Key] = frozenset()
    warnings: tuple[Diagnostic, ...] = ()


def read_for(changes: Iterable[Change], observed: State) -> Read:
    """What changes were made from: what was at their keys, and all that either side of them stands on."""
    found: dict[Key, Resource | None] = {change.key: change.before for change in changes}
    made = {key for change in changes if change.after is not None for key in provided(change.after)}
    providers = {key: resource for resource in observed.values() for key in resource.provides()}
    waiting = [key for change in changes for side in (change.before, change.after) for key in _ground(side)]
    while waiting:
        wanted = waiting.pop()
        resource = observed.get(wanted, providers.get(wanted))
        key = wanted if resource is None else resource.key()
        if key not in found and (resource is not None or key not in made):
            found[key] = resource
            waiting.extend(_ground(resource))
    return {key: found[key] for key in sorted(found)}


def _ground(resource: Resource | None) -> Iterator[Key]:
    return resource.requires() if resource is not None else iter(())


def permitted(approval: Approval | None, sight: Sight) -> Permitted:
    """Of all changes that lead to what is wanted, those that were approved; all of them where none had to be.

    Raises Stale where what is to be done is not what was approved.
    """
    changes = diff(sight.desired, sight.observed, prunable(sight.stack, sight.desired))
    if approval is None:
        return Permitted(changes)
    found = _still_approved(approval, sight)
    own = {change.key for change in found}
    others = [change for change in changes if change.key not in own]
    return Permitted(found, frozenset(change.key for change in others), tuple(_left_alone(others)))


def _still_approved(approval: Approval, sight: Sight) -> tuple[Change, ...]:
    changed = _lost(approval, sight) if approval.replan else _moved(approval, sight)
    found = [*_other_namespaces(approval, sight), *changed]
    if found:
        raise _told(found)
    changes = _to_do(approval, sight)
    known = {change.key: change for change in approval.changes}
    new = [change for change in changes if not _is_same(change, known.get(change.key))]
    if new:
        raise _told([_unapproved(change, sight) for change in new])
    return changes


def _told(found: Sequence[Diagnostic]) -> Stale:
    """The first hundred, and how many more there were."""
    rest = len(found) - _MOST
    more = f" {rest} more object{' has' if rest == 1 else 's have'} changed." if rest > 0 else ""
    return Stale(f"The plan is stale: nothing was changed.{more}", diagnostics=found[:_MOST])


def _left_alone(changes: Iterable[Change]) -> Iterator[Diagnostic]:
    """A warning of what has drifted and is not in the plan."""
    names = list(dict.fromkeys(change.resource.origin or str(change.key) for change in changes))
    if names:
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        message = f"not as the spec wants it, and not in the plan: {', '.join(names[:_LISTED])}{more}"
        yield Diagnostic("NS0607", message, hint="the next plan of the spec shows it", severity=Severity.WARNING)


def _to_do(approval: Approval, sight: Sight) -> tuple[Change, ...]:
    """The changes from the host as it is to what was approved, and what goes with them; other drift stays."""
    elsewhere = {
        change.key
        for change in diff(sight.desired, sight.observed, lambda _resource: False)
        if change.key not in approval.read
    }
    wanted = {key: resource for key, resource in sight.desired.items() if key not in elsewhere}
    wanted.update((key, sight.observed[key]) for key in elsewhere if key in sight.observed)
    doomed = {change.key for change in approval.changes if change.action is Action.DELETE}
    ours = prunable(sight.stack, sight.desired)
    return diff(wanted, sight.observed, lambda resource: resource.key() in doomed and ours(resource))


def _moved(approval: Approval, sight: Sight) -> Iterator[Diagnostic]:
    # What people know by name first; elements of tables are many.
    for key, planned in sorted(approval.read.items(), key=lambda each: each[0].kind == "element"):
        present = sight.observed.get(key)
        words = _difference(planned, present)
        if words:
            yield _stale(f"{key} {words}", sight.desired.get(key) or planned or present, sight)


def _lost(approval: Approval, sight: Sight) -> Iterator[Diagnostic]:
    """Ground that is gone, and that nothing in the spec makes again."""
    own = {change.key for change in approval.changes}
    for key, planned in approval.read.items():
        if planned is not None and key not in sight.observed and key not in own and key not in sight.desired:
            yield _stale(f"{key} {_difference(planned, None)}", planned, sight)


def _other_namespaces(approval: Approval, sight: Sight) -> Iterator[Diagnostic]:
    """References that lead elsewhere now: what is attached is part of what was approved."""
    for key in approval.read:
        wanted = sight.desired.get(key)
        if not isinstance(wanted, AttachedNetns):
            continue
        row = sight.references.get(wanted.name)
        if row is None or row.problem:
            yield _stale(f"{key} has gone since the plan: {row.problem if row else 'it leads nowhere'}", wanted, sight)
        elif (row.inode, row.started) != (wanted.inode, wanted.started):
            words = f"{row.reference} had the namespace {wanted.inode}, and has {row.inode}"
            yield _stale(f"{key} has changed since the plan: {words}", wanted, sight)


def _difference(planned: Resource | None, present: Resource | None) -> str:
    """How what is there differs from what was; empty where it does not."""
    if planned is None:
        return f"has appeared since the plan{_titled(': ', present)}" if present is not None else ""
    if present is None:
        return f"has gone since the plan{_titled(': it was ', planned)}"
    if type(planned) is not type(present):
        kinds = (type(each).__name__.lower() for each in (planned, present))
        return "has changed since the plan: it was a {}, and is a {}".format(*kinds)
    hidden = {*planned.hidden(), *present.hidden()}
    names = [rule.name for rule in compared_fields(type(planned)) if rule.name not in hidden]
    # Who else needs a sysctl decides what becomes of it when it goes.
    names.extend(["mark", "holders"] if isinstance(planned, Sysctl) else ["mark"])
    pairs = [(name, getattr(planned, name), getattr(present, name)) for name in names]
    words = [f"{name} was {_value(was)}, and is {_value(now)}" for name, was, now in pairs if was != now]
    return f"has changed since the plan: {'; '.join(words)}" if words else ""


def _titled(lead: str, resource: Resource) -> str:
    title = resource.title()
    return f"{lead}{title}" if title else ""


def _value(value: object) -> str:
    if value is None or value in ("", ()):
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _is_same(change: Change, approved: Change | None) -> bool:
    return (
        approved is not None
        and change.action is approved.action
        and not _difference(approved.before, change.before)
        and not _difference(approved.after, change.after)
    )


def _unapproved(change: Change, sight: Sight) -> Diagnostic:
    message = f"the plan would now {words_of(change)}, which was not approved"
    return Diagnostic("NS0606", message, _place(change.resource, sight), hint=_AGAIN, address=change.resource.origin)


def _stale(message: str, resource: Resource | None, sight: Sight) -> Diagnostic:
    origin = resource.origin if resource is not None else ""
    return Diagnostic("NS0605", message, _place(resource, sight), hint=_AGAIN, address=origin)


def _place(resource: Resource | None, sight: Sight) -> Place | None:
    return sight.place_of(resource.origin) if resource is not None and resource.origin else None
