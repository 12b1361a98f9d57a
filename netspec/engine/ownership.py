"""Taking over what is there, and letting go of what is ours: plans in which nothing but marks changes."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from netspec.core.change import Action, Change, FieldChange, diff, field_changes
from netspec.core.plan import make_plan
from netspec.core.resource import Key, Mark, Resource
from netspec.core.state import State, owned_by
from netspec.diagnostics import Diagnostic, Severity
from netspec.engine.intent import Intent
from netspec.engine.marking import marked
from netspec.engine.observation import observed_state
from netspec.engine.reconciler import Proposal, Reconciler
from netspec.kernel.snapshot import Scope, Snapshot
from netspec.kinds._field_words import moves_of, value_words
from netspec.kinds.address import Address
from netspec.kinds.file import File
from netspec.kinds.nat_element import NatElement
from netspec.kinds.netns import Netns
from netspec.kinds.veth import Veth

MARKABLE = frozenset({"link", "netns", "address", "route", "neighbor", "file", "element"})
"""Classes of keys whose mark can be changed on the living object."""

ADDRESS_MARK = "address-mark"
"""The feature of the kernel to change the mark of an IPv4 address that is there."""

Choice = Callable[[Resource], bool]
"""Which resources are meant."""


def adoption(reconciler: Reconciler, intent: Intent, chosen: Choice) -> Proposal:
    """The plan to take over what is there and is meant by the spec; in its diagnostics, why it cannot be.

    Raises SpecError and NetspecError as `propose` does.
    """
    snapshot, scope = reconciler.look(intent)
    first = intent.desire(reconciler.present_in(snapshot, intent))
    links = frozenset(key.name for key, each in first.items() if key.kind == "link" and not key.netns and chosen(each))
    look = _Look(replace(snapshot, claimed=links), replace(scope, claimed=links), intent.stack)
    trial = marked(look.snapshot, _held(first, look.observed, chosen))
    wanted = intent.desire(reconciler.present_in(trial, intent))
    meant = {key: each for key, each in wanted.items() if chosen(each)}
    marks = {key: each.mark for key, each in meant.items() if _can_be_marked(look.observed.get(key))}
    after = observed_state(marked(look.snapshot, marks))
    changes = tuple(_marking(Action.ADOPT, look.observed, after, marks))
    foreign = {key for key in meant if (found := look.observed.get(key)) is not None and found.mark is None}
    ours = owned_by(intent.stack)

    def comes_along(resource: Resource) -> bool:
        return ours(resource) and chosen(resource) and look.observed[resource.key()].mark is None

    to_come = diff(wanted, after, comes_along)
    differences = [each for each in to_come if each.key in foreign or each.action is Action.DELETE]
    hint = "remove it by hand and adopt again: the next apply makes it anew; or use Linux 6.4 or later"
    fixed = _fixed(reconciler, intent, changes, hint)
    problems = (*_unavailable(meant, look, after, intent), *_mismatches(differences, intent), *fixed)
    warnings = tuple(_to_come(differences, intent))
    return look.proposal(intent, changes, after, diagnostics=problems, warnings=() if problems else warnings)


def forgetting(reconciler: Reconciler, stack: str, chosen: Choice) -> Proposal:
    """The plan to let go of what a stack owns: it stays as it is, and only its marks go. Raises NetspecError."""
    intent = Intent(stack=stack)
    snapshot, scope = reconciler.look(intent)
    ours = owned_by(stack)
    meant = {key: each for key, each in observed_state(snapshot).items() if ours(each) and chosen(each)}
    links = frozenset(key.name for key in meant if key.kind == "link" and not key.netns)
    look = _Look(replace(snapshot, claimed=links), replace(scope, claimed=links), stack)
    marks = {key: None for key in meant if key.kind in MARKABLE}
    after = observed_state(marked(look.snapshot, marks))
    changes = tuple(_marking(Action.FORGET, look.observed, after, marks))
    hint = "remove it by hand, forget, and add it again; or use Linux 6.4 or later"
    return look.proposal(intent, changes, after, diagnostics=tuple(_fixed(reconciler, intent, changes, hint)))


@dataclass(frozen=True)
class _Look:
    """What was seen, in what scope."""

    snapshot: Snapshot
    scope: Scope
    stack: str

    @cached_property
    def observed(self) -> State:
        """The resources in it."""
        return observed_state(self.snapshot)

    def proposal(
        self,
        intent: Intent,
        changes: tuple[Change, ...],
        after: State,
        diagnostics: tuple[Diagnostic, ...] = (),
        warnings: tuple[Diagnostic, ...] = (),
    ) -> Proposal:
        """Changes that lead to a state; what is verified is that all that is ours then is as it was."""
        ours = owned_by(self.stack)
        kept = {key: each for key, each in after.items() if ours(each)}
        kept.update((each.key, each.after) for each in changes if each.after is not None)
        return Proposal(
            intent=intent,
            plan=make_plan(changes),
            desired=kept,
            observed=self.observed,
            diagnostics=diagnostics,
            warnings=warnings,
            scope=self.scope,
        )


def _held(wanted: State, observed: State, chosen: Choice) -> Mapping[Key, Mark | None]:
    """Marks to try: automatic addresses are those that interfaces have which are taken over."""
    meant = [each for each in wanted.values() if chosen(each)]
    ends = {(each.peer_netns, each.peer_name) for each in meant if isinstance(each, Veth)}
    marks = {each.key(): each.mark for each in meant if _can_be_marked(observed.get(each.key()))}
    for key, found in observed.items():
        if key.kind == "address" and (key.netns, key.name.partition("/")[0]) in ends and found.mark is None:
            marks[key] = Mark(meant[0].mark.stack if meant[0].mark else "", "")
    return marks


def _can_be_marked(found: Resource | None) -> bool:
    """Whether something is there, is nobody's, and takes a mark."""
    if found is None or found.mark is not None or found.key().kind not in MARKABLE:
        return False
    match found:
        case NatElement():
            return found.marked is False
        case File():
            return bool(found.text)  # only that of one which was let go of can be read
        case Netns():
            return found.alive
    return True


def _marking(action: Action, before: State, after: State, marks: Mapping[Key, Mark | None]) -> Iterator[Change]:
    """The changes between two looks that differ in marks alone."""
    for key in sorted(marks):
        old, new = before[key], after.get(key)
        if new is None:
            yield Change(key, Action.DELETE, old, None)  # the record of what is no longer owed
        elif type(old) is type(new):
            fields = tuple(field_changes(old, new))
            if fields:
                yield Change(key, action, old, new, fields)


def _fixed(reconciler: Reconciler, intent: Intent, changes: Iterable[Change], hint: str) -> Iterator[Diagnostic]:
    """IPv4 addresses whose mark is to change, on a kernel that would accept it and leave them as they are."""
    marks = [each for each in changes if isinstance(each.resource, Address) and each.resource.address.version == 4]
    marks = [each for each in marks if any(field.name == "marked" for field in each.fields)]
    for words in (reconciler.missing_features([ADDRESS_MARK]) if marks else {}).values():
        for change in marks:
            message = f"this kernel cannot change the mark of {change.key} in place: {words}"
            yield _refusal(intent, change.resource, "NS0708", message, hint)


def _unavailable(meant: State, look: _Look, after: State, intent: Intent) -> Iterator[Diagnostic]:
    """What is not there, is another stack's, or takes no mark."""
    owners: dict[str, list[Resource]] = {}
    for key, each in meant.items():
        found = look.observed.get(key)
        if found is not None and found.mark is not None and found.mark.stack != look.stack:
            yield _refusal(intent, each, "NS0701", f"{key} belongs to stack {found.mark.stack}", "let go of it there")
        elif found is not None and found.guarded and after[key].mark is None:
            message = f"{key} cannot be taken over: {found.title()} takes no mark of netspec's"
            yield _refusal(intent, each, "NS0704", message, "remove it; the next apply makes one like it")
        if key.kind in ("link", "netns") and not key.netns:
            owners.setdefault(each.owner, []).append(each)
    for owner, grounds in owners.items():
        if not any(each.key() in look.observed for each in grounds):
            hint = "netspec apply makes it"
            yield _refusal(intent, grounds[0], "NS0700", f"{owner} is not on this host", hint)


def _mismatches(differences: list[Change], intent: Intent) -> Iterator[Diagnostic]:
    """What the next apply would have to rebuild."""
    for change in differences:
        if change.action is Action.REPLACE and not change.reason.startswith("goes with"):
            values = ", ".join(_mismatch(change.resource, each) for each in change.stuck)
            message = f"{change.key} is not what the spec says: {values or change.reason}"
            hint = "change the spec, or remove it: an apply would have to rebuild it"
            yield _refusal(intent, change.resource, "NS0702", message, hint)


def _mismatch(resource: Resource, each: FieldChange) -> str:
    found, wanted = (value_words(resource, each.name, value) for value in (each.before, each.after))
    return f"{each.name} is {found}, not {wanted}"


def _to_come(differences: list[Change], intent: Intent) -> Iterator[Diagnostic]:
    """What the next apply changes in place, and what it removes."""
    for change in differences:
        if change.action is Action.DELETE:
            message, what = f"the next apply removes {change.key}", "it"
        elif change.action is Action.UPDATE and change.fields:
            message, what = f"the next apply changes {change.key}: {', '.join(moves_of(change))}", "a value"
        else:
            continue
        hint = f"to keep {what}, write it into the spec, where it has a key for it"
        yield replace(_refusal(intent, change.resource, "NS0703", message, hint), severity=Severity.WARNING)


def _refusal(intent: Intent, wanted: Resource, code: str, message: str, hint: str) -> Diagnostic:
    owner = wanted.owner
    return Diagnostic(code, message, intent.place_of(owner), hint=hint, address=owner)


def objects_of(reconciler: Reconciler, stack: str) -> frozenset[str]:
    """The objects that a stack has on this host."""
    ours = owned_by(stack)
    return frozenset(each.owner for each in reconciler.observed(stack).values() if ours(each) and each.owner)


def present_of(reconciler: Reconciler, intent: Intent, addresses: Iterable[str]) -> list[str]:
    """Those of the objects of a spec for which something is there that is not ours."""
    snapshot, _ = reconciler.look(intent)
    observed = observed_state(snapshot)
    wanted = intent.desire(reconciler.present_in(snapshot, intent))
    grounds = ((each.owner, observed.get(key)) for key, each in wanted.items() if key.kind in ("link", "netns"))
    foreign = {owner for owner, found in grounds if found is not None and found.mark is None}
    return [each for each in addresses if each in foreign]
