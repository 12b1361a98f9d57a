"""Renames that a plan would carry out as deletions and creations: what goes looks like what comes for it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from netspec.core.change import Action
from netspec.core.resource import Resource
from netspec.core.state import State, owned_by
from netspec.kinds.address import Address
from netspec.kinds.inner_sysctl import InnerSysctl
from netspec.kinds.nat_element import NatElement
from netspec.kinds.port import Port
from netspec.kinds.route import Route
from netspec.kinds.rule import Rule
from netspec.kinds.veth import Veth
from netspec.report.objects import ADD, REBUILD, REMOVE, ObjectChange
from netspec.report.rebuilds import Exchange
from netspec.report.words import is_derived

GROUNDS = ("link", "netns")
Shape = frozenset[tuple[object, ...]]
"""What an object is, without names that follow from its own, and without automatic addresses."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An object that could go on as another one, or under other names."""

    old: str
    new: str

    @property
    def command(self) -> str:
        """What does it."""
        return f"netspec move {self.old}" + (f" {self.new}" if self.new != self.old else "")

    @property
    def label(self) -> str:
        """What `words` are about."""
        return "instead" if self.old == self.new else "looks like"

    @property
    def words(self) -> str:
        """What to say of it."""
        how = f"`{self.command}` renames it without a rebuild"
        return how if self.old == self.new else f"{self.old}: {how}"


def suggestions(objects: Iterable[ObjectChange], desired: State, observed: State, stack: str) -> tuple[Suggestion, ...]:
    """Bridges first: endpoints may have moved along."""
    shown = tuple(objects)
    gone = [each.address for each in shown if each.symbol == REMOVE]
    come = [each.address for each in shown if each.symbol == ADD]
    if not gone or not come:
        return tuple(_under_other_names(shown))
    ours = owned_by(stack)
    before = _by_owner(each for each in observed.values() if ours(each))
    after = _by_owner(desired.values())
    bridges = _pairs(
        {each: _bridge(before.get(each, ())) for each in gone if each.startswith("bridge/")},
        {each: _bridge(after.get(each, ())) for each in come if each.startswith("bridge/")},
    )
    names = {old.removeprefix("bridge/"): new.removeprefix("bridge/") for old, new in bridges.items()}
    endpoints = _pairs(
        {each: _endpoint(before.get(each, ()), names) for each in gone if each.startswith("endpoint/")},
        {each: _endpoint(after.get(each, ()), {}) for each in come if each.startswith("endpoint/")},
    )
    found = (Suggestion(old, new) for old, new in {**bridges, **endpoints}.items())
    return (*found, *_under_other_names(shown))


def _by_owner(resources: Iterable[Resource]) -> Mapping[str, list[Resource]]:
    found: dict[str, list[Resource]] = {}
    for each in resources:
        found.setdefault(each.owner, []).append(each)
    return found


def _pairs(gone: Mapping[str, Shape], come: Mapping[str, Shape]) -> Mapping[str, str]:
    """Those that are alike, where nothing else is."""
    old, new = _by_shape(gone), _by_shape(come)
    alike = ((old[shape], new.get(shape, ())) for shape in old)
    return {before[0]: after[0] for before, after in alike if len(before) == len(after) == 1}


def _by_shape(shapes: Mapping[str, Shape]) -> Mapping[Shape, list[str]]:
    found: dict[Shape, list[str]] = {}
    for address, shape in shapes.items():
        found.setdefault(shape, []).append(address)
    return found


def _bridge(resources: Iterable[Resource]) -> Shape:
    return frozenset((each.address,) for each in resources if isinstance(each, Address))


def _endpoint(resources: Iterable[Resource], bridges: Mapping[str, str]) -> Shape:
    there = tuple(resources)
    ends = {each.name: each.peer_name for each in there if isinstance(each, Veth)}
    return frozenset(part for each in there for part in _parts(each, ends, bridges))


def _parts(each: Resource, ends: Mapping[str, str], bridges: Mapping[str, str]) -> Iterator[tuple[object, ...]]:
    match each:
        case Veth():
            yield "interface", each.peer_name, each.peer_mtu
        case Port():
            yield "port", ends.get(each.link, ""), bridges.get(each.bridge or "", each.bridge)
        case Route():
            yield "route", each.to, each.table, each.metric, each.link
        case Rule():
            yield "rule", each.title()
        case InnerSysctl():
            yield "sysctl", each.name, each.value
        case NatElement() if not is_derived(each) and each.set != "apart":
            yield "element", each.set, each.element, each.value.rpartition(" . ")[2]


def _under_other_names(objects: Iterable[ObjectChange]) -> Iterator[Suggestion]:
    """Endpoints that are rebuilt because a link or the namespace of theirs has another name."""
    for each in objects:
        if each.symbol != REBUILD or not each.address.startswith("endpoint/"):
            continue
        actions = [[change.action for change in each.changes if change.key.kind == kind] for kind in GROUNDS]
        if any(map(_is_renamed, actions)) and Exchange.of(each.changes).unambiguous:
            yield Suggestion(each.address, each.address)


def _is_renamed(actions: Sequence[Action]) -> bool:
    """Whether as many go as come."""
    return Action.CREATE in actions and actions.count(Action.CREATE) == actions.count(Action.DELETE)
