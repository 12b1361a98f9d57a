"""Another name for a living object: its links and its namespace are renamed, and what names them follows in place."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

from netspec.core.change import Action, Change, diff
from netspec.core.plan import Plan, Rename, Step, Verb, make_plan
from netspec.core.resource import Key, Resource
from netspec.core.state import State, owned_by, provided, prunable
from netspec.diagnostics import Diagnostic
from netspec.engine.intent import Intent
from netspec.engine.observation import observed_state
from netspec.engine.reconciler import Proposal, Reconciler
from netspec.engine.renaming import NO_NAMES, Names, renamed
from netspec.kernel.snapshot import Scope, Snapshot
from netspec.kinds.attached_netns import AttachedNetns
from netspec.kinds.bridge import Bridge
from netspec.kinds.nat_element import NatElement, serves_another
from netspec.kinds.netns import Netns
from netspec.kinds.redirect import Redirect
from netspec.kinds.veth import Veth

GROUNDS = ("link", "netns")
LIVE_RENAME = "live-rename"
"""The feature of the kernel to rename a link that is up."""


def moving(reconciler: Reconciler, intent: Intent, source: str, target: str) -> Proposal:
    """The plan by which the object `source` becomes `target`; in its diagnostics, why it cannot.

    `source` is of the stack and on this host; `target` may be the same object, some name of which has changed.
    Raises SpecError and NetspecError as `propose` does.
    """
    snapshot, scope = _look(reconciler, intent, NO_NAMES)
    move = _Move(intent, source, target, snapshot, intent.desire(reconciler.present_in(snapshot, intent)))
    if move.names.spaces:
        # What is to be known of a namespace is known under the name that it has.
        snapshot, scope = _look(reconciler, intent, move.names)
        move = replace(move, snapshot=snapshot)
    moved = renamed(snapshot, move.names, source, target)
    after = observed_state(moved)
    wanted = intent.desire(reconciler.present_in(moved, intent))
    rest = diff(wanted, after, prunable(intent.stack, wanted))
    own = tuple(each for each in rest if _concerns(each, move, rest))
    changes = (*_moves(move, after, own), *own)
    problems = tuple(_problems(move, own))
    kept = _kept(after, own, intent.stack)
    missing = reconciler.missing_features([LIVE_RENAME]) if any(old.kind == "link" for old, _ in move.renames) else {}
    for words in missing.values():
        hint = "an apply deletes it and makes it anew"
        problems += (_refusal(move, "NS0707", f"this kernel cannot rename a link that is up: {words}", hint),)
    proposal = Proposal(
        intent=intent,
        plan=_plan(move, changes, own) if not problems else Plan(),
        desired=kept,
        observed=move.observed,
        diagnostics=problems,
        scope=scope,
    )
    return reconciler.weighed(proposal, after, snapshot, move.names)


def _look(reconciler: Reconciler, intent: Intent, names: Names) -> tuple[Snapshot, Scope]:
    """What there is, with what is wanted to be known of namespaces under their old names, too.

    Namespaces of others are seen under the names they have, not under those they are to have.
    """
    old = {new: old for old, new in names.spaces.items()}
    inner = frozenset((old.get(netns, netns), key) for netns, key in intent.inner)
    snapshot, scope = reconciler.look(replace(intent, references=(), inner=intent.inner | inner))
    if not intent.references:
        return snapshot, scope
    return replace(snapshot, references=reconciler.look(intent)[0].references), scope


@dataclass(frozen=True)
class _Move:
    """What is to be called otherwise, on a host as it is; `wanted` is what the spec wants there."""

    intent: Intent
    source: str
    target: str
    snapshot: Snapshot
    wanted: State

    @cached_property
    def observed(self) -> State:
        """The resources that there are."""
        return observed_state(self.snapshot)

    @cached_property
    def old(self) -> tuple[Resource, ...]:
        """Those of the object that is moved."""
        ours = owned_by(self.intent.stack)
        return tuple(each for each in self.observed.values() if ours(each) and each.owner == self.source)

    @cached_property
    def new(self) -> tuple[Resource, ...]:
        """Those that it is to have."""
        return tuple(each for each in self.wanted.values() if each.owner == self.target)

    @cached_property
    def renames(self) -> tuple[Rename, ...]:
        """Links first, then namespaces."""
        pairs = (*_pairs(self.old, self.new, Bridge), *_pairs(self.old, self.new, Veth))
        found = [Rename(old.key(), new.key()) for old, new in pairs]
        for old, new in _pairs(self.old, self.new, Veth):
            assert isinstance(old, Veth) and isinstance(new, Veth), "pairs are alike"  # noqa: PT018  one thing
            ends = Key("link", old.peer_netns, old.peer_name), Key("link", old.peer_netns, new.peer_name)
            found.append(Rename(*ends))
        found += _shapers(self.old, self.new, {old.name: new.name for old, new in found if not old.netns})
        spaces = chain(_pairs(self.old, self.new, Netns), _pairs(self.old, self.new, AttachedNetns))
        found += [Rename(old.key(), new.key()) for old, new in spaces]
        return tuple(dict.fromkeys(each for each in found if each.old != each.new))

    @cached_property
    def names(self) -> Names:
        """The new names."""
        return Names.of(self.renames)

    @cached_property
    def there(self) -> frozenset[Key]:
        """All that can be stood upon, under the new names."""
        return frozenset(self.names.key(key) for each in self.observed.values() for key in provided(each))


def _pairs(old: Iterable[Resource], new: Iterable[Resource], sort: type[Resource]) -> Iterator[tuple[Resource, ...]]:
    """What becomes what: pairs of links by their interface; otherwise the one and only."""
    before = {_interface(each): each for each in old if isinstance(each, sort)}
    after = {_interface(each): each for each in new if isinstance(each, sort)}
    for interface in sorted(before.keys() & after.keys()):
        yield before.pop(interface), after.pop(interface)
    if len(before) == len(after) == 1:
        yield (*before.values(), *after.values())


def _interface(resource: Resource) -> str:
    return resource.peer_name if isinstance(resource, Veth) else ""


def _shapers(old: Iterable[Resource], new: Iterable[Resource], links: Mapping[str, str]) -> Iterator[Rename]:
    """Links that shape what others receive are known by these."""
    after = {each.link: each.to for each in new if isinstance(each, Redirect)}
    for each in old:
        to = after.get(links.get(each.link, each.link)) if isinstance(each, Redirect) else None
        if isinstance(each, Redirect) and each.to and to:
            yield Rename(Key("link", "", each.to), Key("link", "", to))


def _concerns(change: Change, move: _Move, rest: Iterable[Change]) -> bool:
    """Whether a change follows from the new name: it is of the object, or names what is renamed."""
    if change.resource.owner in (move.source, move.target):
        return True
    if change.key.kind in ("element", "table", "flows") and any(each.key.kind == "table" for each in rest):
        return True  # the table is loaded again as a whole
    if change.key.kind == "flows":
        return True
    words = {name for pair in move.renames for name in (pair.old.name, pair.new.name)}
    if isinstance(change.resource, NatElement):
        text = f"{change.resource.element} {change.resource.value}"
        return any(f'"{word}"' in text for word in words)
    return change.key.netns in words or change.key.name.partition("/")[0] in words


def _moves(move: _Move, after: State, own: Iterable[Change]) -> Iterator[Change]:
    """What goes on under another key, or for another object, by itself."""
    ours = owned_by(move.intent.stack)
    changing = {each.key for each in own}
    for key, before in sorted(move.observed.items()):
        new = move.names.key(key)
        same = after.get(new)
        if not ours(before) or same is None:
            continue
        if new != key or (key not in changing and serves_another(before, same)):
            yield Change(key, Action.MOVE, before, same)


def _plan(move: _Move, changes: tuple[Change, ...], own: tuple[Change, ...]) -> Plan:
    """First what new names need in nftables, or they would be nobody's for a moment; then the names; then the rest."""
    whole = any(each.key.kind == "table" for each in own)
    first = tuple(each for each in own if each.key.kind == "element" and each.action is Action.CREATE and not whole)
    comments = tuple(
        replace(each, action=Action.UPDATE)
        for each in changes
        if each.action is Action.MOVE and isinstance(each.after, NatElement) and not whole
    )
    rest = tuple(each for each in own if each not in first)
    steps = (
        *make_plan(first).steps,
        *(Step(Verb.RENAME, each.old, move.observed.get(each.old), None, rename=each) for each in move.renames),
        *make_plan((*rest, *comments)).steps,
    )
    return Plan(changes, steps, move.renames)


def _kept(after: State, own: Iterable[Change], stack: str) -> State:
    """All that is ours then."""
    ours = owned_by(stack)
    found = {key: each for key, each in after.items() if ours(each)}
    for each in own:
        found.pop(each.key, None)
        if each.after is not None:
            found[each.key] = each.after
    return found


def _problems(move: _Move, own: Iterable[Change]) -> Iterator[Diagnostic]:
    source, target = move.source, move.target
    if not move.new:
        hint = f"rename {source} to {target} in the spec first, then move it; the plan is empty then"
        yield _refusal(move, "NS0705", f"the spec has no {target}", hint)
        return
    if source != target and any(each.owner == source for each in move.wanted.values()):
        hint = f"rename it to {target} there first, then move it; the plan is empty then"
        yield _refusal(move, "NS0705", f"the spec still has {source}", hint)
        return
    links = {(row.netns, name) for row in move.snapshot.links for name in (row.name, *row.altnames)}
    taken = [new for _, new in move.renames if (new.netns, new.name) in links or new in move.observed]
    for key in taken:
        yield _refusal(move, "NS0706", f"{key} is there already", "remove it, or choose another name")
    for change in () if taken else own:
        lost = _groundless(change, move)
        if lost is not None:
            yield _refusal(move, "NS0707", f"{target} is to stand on {lost}, which is not there", "move that first")
            return
        if change.key.kind in GROUNDS and change.action in (Action.REPLACE, Action.CREATE, Action.DELETE):
            why = change.reason or "the spec changes more than its name"
            message = f"{source} cannot become {target} as it lives: {change.key} is to be {change.action}d: {why}"
            hint = "rename it alone, and change the rest afterwards; or let an apply delete it and make it anew"
            yield _refusal(move, "NS0707", message, hint)
            return


def _groundless(change: Change, move: _Move) -> Key | None:
    """What a change needs and what is not there, and does not come with it: as a bridge that has its old name yet."""
    required = change.after.requires() if change.after is not None else ()
    links = (key for key in required if key.kind in GROUNDS and not key.netns)
    return next((key for key in links if key not in move.there), None)


def _refusal(move: _Move, code: str, message: str, hint: str) -> Diagnostic:
    return Diagnostic(code, message, move.intent.place_of(move.target), hint=hint, address=move.target)
