"""Changes: the difference of two states, key by key, each with its reason."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from netspec.core.resource import ANY, Disruption, FieldRule, Key, Policy, Resource, compared_fields
from netspec.core.state import State, dependents, provided


class Action(StrEnum):
    """What happens at a key."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    ADOPT = "adopt"
    """Only the mark is set: it was there already."""
    FORGET = "forget"
    """Only the mark goes: it stays."""
    MOVE = "move"
    """It gets another name, or goes along with what does."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs; `before` and `after` are the resource's own values."""

    rule: FieldRule
    before: object
    after: object

    @property
    def name(self) -> str:
        """The field's name."""
        return self.rule.name


@dataclass(frozen=True, slots=True)
class Change:
    """What happens at one key, and why. `before` is None for a creation, `after` None for a deletion."""

    key: Key
    action: Action
    before: Resource | None
    after: Resource | None
    fields: tuple[FieldChange, ...] = ()
    reason: str = ""

    @property
    def resource(self) -> Resource:
        """The resource the change is about: the new one where there is one; of what is let go of, the one we had."""
        found = self.after if self.after is not None and self.action is not Action.FORGET else self.before
        assert found is not None, "a change has at least one side"
        return found

    @property
    def stuck(self) -> tuple[FieldChange, ...]:
        """The fields that cannot change on the living object."""
        fixed = self.before.stuck() if self.before is not None else ()
        return tuple(each for each in self.fields if each.rule.policy is Policy.REPLACES or each.name in fixed)

    def disturbs(self) -> Iterator[Key]:
        """What the kernel changes along: what followed the old side, and what follows the new one."""
        for side in (self.before, self.after):
            if side is not None:
                yield from side.disturbs()

    @property
    def disruption(self) -> Disruption:
        """What the change does to traffic through this object."""
        match self.action:
            case Action.CREATE | Action.ADOPT | Action.FORGET:
                return Disruption.NONE
            case Action.MOVE:
                return Disruption.LIVE
            case Action.DELETE:
                return self.resource.farewell()
            case Action.REPLACE:
                return self.resource.replacing
            case Action.UPDATE:
                effects = (self.resource.effect(each.rule, each.after) for each in self.fields)
                return max(effects, default=Disruption.NONE)


Predicate = Callable[[Resource], bool]


def diff(desired: State, observed: State, prune: Predicate) -> tuple[Change, ...]:
    """The changes that lead from `observed` to `desired`, by key.

    Of what is observed and not desired, only what `prune` names is deleted, and what the kernel
    deletes with it. Everything that stands on a replaced resource is replaced, and what a change disturbs
    is set again.
    """
    changes: dict[Key, Change] = {}
    for key, after in desired.items():
        change = _compare(key, observed.get(key), after)
        if change is not None:
            changes[key] = change
    for key, before in observed.items():
        if key not in desired and prune(before):
            changes[key] = Change(key, Action.DELETE, before, None)
    _spread(changes, desired, observed)
    _set_again(changes, desired, observed)
    return tuple(changes[key] for key in sorted(changes))


def _compare(key: Key, before: Resource | None, after: Resource) -> Change | None:
    if before is None:
        return Change(key, Action.CREATE, None, after)
    if type(before) is not type(after):
        reason = f"a {_kind_word(before)} cannot become a {_kind_word(after)}"
        return Change(key, Action.REPLACE, before, after, reason=reason)
    fields = tuple(field_changes(before, after))
    if not fields:
        return None
    update = Change(key, Action.UPDATE, before, after, fields)
    if update.stuck:
        reason = f"{', '.join(each.name for each in update.stuck)} cannot change in place"
        return replace(update, action=Action.REPLACE, reason=reason)
    return update


def _kind_word(resource: Resource) -> str:
    return type(resource).__name__.lower()


def field_changes(before: Resource, after: Resource) -> Iterator[FieldChange]:
    """The fields of a resource that differ, and of which `after` has an opinion."""
    for rule in compared_fields(type(after)):
        wanted = getattr(after, rule.name)
        seen = getattr(before, rule.name)
        if wanted is not None and wanted != seen and rule.name not in (*before.hidden(), *after.hidden()):
            yield FieldChange(rule, seen, wanted)


def _spread(changes: dict[Key, Change], desired: State, observed: State) -> None:
    """Add what goes with deleted and replaced resources, until nothing more does."""
    # In order of keys, or the reasons would depend on the order of declarations.
    pending = [changes[key] for key in sorted(changes) if changes[key].action in (Action.REPLACE, Action.DELETE)]
    while pending:
        _drag(pending, changes, desired, observed)
        pending = _stranded(changes, desired)
        changes.update((each.key, each) for each in pending)


def _stranded(changes: Mapping[Key, Change], desired: State) -> list[Change]:
    """Replacements for updates that move from ground that goes to ground that is made again.

    They could wait for each other: the new ground comes when the old one has gone, and that waits for the move.
    """
    gone = {
        key for each in changes.values() if each.action in (Action.REPLACE, Action.DELETE) for key in _keys(each.before)
    }
    made = {
        key for each in changes.values() if each.action in (Action.REPLACE, Action.CREATE) for key in _keys(each.after)
    }
    moving = [each for each in changes.values() if each.action is Action.UPDATE] if gone & made else []
    found = []
    for each in sorted(moving, key=lambda change: change.key):
        assert each.before is not None and each.after is not None, "an update has both sides"  # noqa: PT018  one thing
        left = [key for key in each.before.requires() if key in gone]
        away = _below(each.after.requires(), desired) & gone & made if left else ()
        if away:
            found.append(replace(each, action=Action.REPLACE, reason=f"goes with {min(away)}"))
    return found


def _keys(resource: Resource | None) -> Iterator[Key]:
    return provided(resource) if resource is not None else iter(())


def _below(keys: Iterable[Key], state: State) -> set[Key]:
    """These keys, and all that what provides them stands on."""
    providers = {key: each for each in state.values() for key in each.provides()}
    found: set[Key] = set()
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            provider = state.get(key) or providers.get(key)
            waiting.extend(provider.requires() if provider is not None else ())
            waiting.extend([provider.key()] if provider is not None else ())
    return found


def _drag(pending: list[Change], changes: dict[Key, Change], desired: State, observed: State) -> None:
    standing = dependents((observed, desired))
    while pending:
        gone = pending.pop()
        assert gone.before is not None, "only what was there can go"
        for lost in provided(gone.before):
            for key in sorted(standing.get(lost, ())):
                before, known = observed.get(key), changes.get(key)
                if before is None or lost not in tuple(before.requires()):
                    continue
                if known is not None and known.action in (Action.REPLACE, Action.DELETE):
                    continue
                dragged = _dragged(before, _future(before, desired.get(key), gone, lost), gone, lost, known)
                if dragged is not None:
                    changes[key] = dragged
                    pending.append(dragged)


def _set_again(changes: dict[Key, Change], desired: State, observed: State) -> None:
    """Add what is wanted as it is, but will not be so once something else has changed."""
    for change in list(changes.values()):
        for key in change.disturbs():
            before, after = observed.get(key), desired.get(key)
            if key in changes or before is None or after is None:
                continue
            if any(getattr(after, rule.name) is not None for rule in compared_fields(type(after))):
                reason = f"{change.key} changes it"
                changes[key] = Change(key, Action.UPDATE, before, after, reason=reason)
    changing = {(each.key, field.name) for each in changes.values() for field in each.fields}
    changing |= {(each.key, ANY) for each in changes.values() if each.action is Action.REPLACE}
    for key, after in desired.items() if changing else ():
        swept = next((source for source in after.swept_by() if source in changing), None)
        if swept is not None and key not in changes:
            reason = f"{swept[0]} drops it"
            changes[key] = Change(key, Action.UPDATE, observed[key], after, reason=reason)


def _future(before: Resource, wanted: Resource | None, gone: Change, lost: Key) -> Resource | None:
    """What shall be at a key that loses its ground: what the spec wants, else, on ground made again, what was."""
    if wanted is not None:
        return wanted
    made_again = gone.after is not None and lost in tuple(provided(gone.after))
    return before if made_again else None


def _dragged(before: Resource, after: Resource | None, gone: Change, lost: Key, known: Change | None) -> Change | None:
    """The change of a resource that stood on `lost`, or None where it can leave for other ground in time."""
    reason = f"goes with {lost}"
    if after is None:
        return Change(before.key(), Action.DELETE, before, None, reason=reason)
    # Ground that is replaced is gone before it is there again: there is no moment to move over.
    made_again = set(provided(gone.after)) if gone.after is not None else set()
    if not ({lost} | made_again) & set(after.requires()):
        return None
    if known is not None:
        return replace(known, action=Action.REPLACE, reason=reason)
    return Change(before.key(), Action.REPLACE, before, after, reason=reason)
