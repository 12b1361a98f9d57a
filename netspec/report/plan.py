"""A plan as people read it: a line for each object that changes, its fields below, and what it does to traffic."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from netspec.core.change import Change
from netspec.core.consequence import Consequences
from netspec.core.plan import Plan
from netspec.core.resource import Key, Resource
from netspec.core.state import State, owned_by
from netspec.counting import counted
from netspec.diagnostics import Place
from netspec.kinds.sysctl import Sysctl
from netspec.report.lines import below
from netspec.report.objects import ADD, REBUILD, REMOVE, ObjectChange, brief, by_object, counts, is_set_again, object_of
from netspec.report.renames import Suggestion, suggestions
from netspec.report.style import PLAIN, Style

_NARROWEST, _WIDEST = 24, 96
"""Columns of the shortest address column, and of the longest line before its place."""


@dataclass(frozen=True, kw_only=True)
class PlanView:
    """What a report of a plan needs to know. What is at the keys `aside` has drifted, and is left alone.

    Without slots: what takes long for a large plan is worked out once.
    """

    host: str
    stack: str
    plan: Plan
    desired: State
    observed: State
    drift: frozenset[Key] = frozenset()
    consequences: Consequences = field(default_factory=dict)
    place_of: Callable[[str], Place | None] = lambda _address: None
    aside: frozenset[Key] = frozenset()

    @cached_property
    def objects(self) -> tuple[ObjectChange, ...]:
        """The objects that change."""
        found = by_object(self.plan.changes, self.desired, self.observed, self.drifted)
        for each in found:
            each.consequences = self.consequences
        return found

    def suggestions(self, objects: Iterable[ObjectChange]) -> tuple[Suggestion, ...]:
        """What of the objects that change could be renamed instead."""
        return suggestions(objects, self.desired, self.observed, self.stack)

    @property
    def drifted(self) -> frozenset[Key]:
        """What has moved in the kernel since the last apply; not what this plan will move, and sets again."""
        return self.drift - {change.key for change in self.plan.changes if is_set_again(change)}

    @property
    def in_sync(self) -> int:
        """How many objects are as the spec wants them."""
        differing = {each.address for each in self.objects}
        resources = (self.desired.get(key) or self.observed.get(key) for key in self.aside)
        return len(self.known - differing - {object_of(each) for each in resources if each is not None})

    @cached_property
    def known(self) -> frozenset[str]:
        """All objects of the stack, in the spec or in the kernel."""
        ours = owned_by(self.stack)
        there = (resource for resource in self.observed.values() if ours(resource))
        return frozenset(map(object_of, (*self.desired.values(), *there)))


def render(view: PlanView, style: Style = PLAIN, *, verbose: bool = False) -> str:
    """The whole plan as text, ending in a newline."""
    objects = view.objects
    total = len(view.known)
    if not objects and not total:
        return f"No changes. Stack {view.stack} owns nothing on this host.\n"
    if not objects and view.aside:
        return "No changes. What the plan is about is as planned.\n"
    if not objects:
        return f"No changes. The kernel equals the spec ({counted(total, 'object')}).\n"
    head = f"{view.host}  stack {view.stack}  {counted(total, 'object')}, {view.in_sync} in sync"
    lines = [style.paint("bold", head), ""]
    parts = _parts(objects, view)
    headlines = _headlines(objects, parts, view, style)
    renames = {each.new: each for each in view.suggestions(objects)}
    for drifted in (False, True):
        shown = [each for each in objects if each.drift is drifted]
        if drifted and shown:
            lines.append("  drift, will be corrected")
        for each in shown:
            lines.append(headlines[each.address])
            lines.extend(below(each, parts[each.address], style, verbose=verbose))
            if each.address in renames:
                lines.append(f"      {renames[each.address].label:<16}  {renames[each.address].words}")
    lines += ["", f"Plan: {_tally(objects)}."]
    return "\n".join(lines) + "\n"


def _tally(objects: Iterable[ObjectChange]) -> str:
    tally = counts(objects)
    words = [f"{tally[name]} to {name}" for name in ("add", "change", "rebuild", "remove")]
    return ", ".join(words) + (f", {tally['drifted']} drifted" if tally["drifted"] else "")


def _parts(objects: Iterable[ObjectChange], view: PlanView) -> Mapping[str, list[Resource]]:
    """The resources that each object consists of: those in the kernel of what is removed, else those wanted."""
    removed = {each.address for each in objects if each.symbol == REMOVE}
    found: dict[str, list[Resource]] = {each.address: [] for each in objects}
    for side, there in ((view.desired, False), (view.observed, True)):
        for resource in side.values():
            address = object_of(resource)
            if address in found and (address in removed) is there:
                found[address].append(resource)
    return found


def _headlines(
    objects: Iterable[ObjectChange], parts: Mapping[str, list[Resource]], view: PlanView, style: Style
) -> Mapping[str, str]:
    """The line of each object: what it is, what becomes of it, and its place in the spec, in columns."""
    shown = tuple(objects)
    width = max(_NARROWEST, *(len(each.address) for each in shown))
    left = {each.address: f"{each.address:<{width}}  {_words(each, parts[each.address])}".rstrip() for each in shown}
    column = max((len(line) for line in left.values() if len(line) <= _WIDEST), default=0)
    found = {}
    for each in shown:
        place = view.place_of(each.address)
        where = f"{place.file}:{place.line}" if place else ""
        if each.symbol == REMOVE:
            where = "not in the spec" if each.address.startswith(("element/", "port/")) else "no longer in the spec"
        line = f"{left[each.address]:<{column}}  {style.paint('dim', where)}".rstrip()
        found[each.address] = f"  {style.paint(each.symbol, each.symbol)} {line}"
    return found


def _words(each: ObjectChange, resources: Iterable[Resource]) -> str:
    if each.symbol == REBUILD:
        return f"rebuilt: {each.reason}"
    if each.address.startswith("sysctl/"):
        there = (one.value for one in resources if isinstance(one, Sysctl) and one.value is not None)
        moves = (words for change in each.changes if (words := _sysctl(change)))
        return next(moves, " ".join(next(there, "").split()))
    return brief(each.address, resources).words if each.symbol in (ADD, REMOVE) else ""


def _sysctl(change: Change) -> str:
    """The move of a value; empty where only its record moves."""
    match change.before, change.after:
        case (Sysctl(holders=(_, *_)) as before, None):
            return f"stays {' '.join((before.value or '').split())} for {before.held_by()}"
        case (Sysctl() as before, None):
            values: tuple[str | None, ...] = (before.value, before.former)
        case (before, Sysctl() as after):
            values = (before.value if isinstance(before, Sysctl) else None, after.value)
        case _:
            return ""
    words = [" ".join(value.split()) for value in values if value is not None]
    return " -> ".join(dict.fromkeys(words))
