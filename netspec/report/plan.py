"""A plan as people read it: a line for each object that changes, its fields below, and what it does to traffic."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from netspec.core.change import Action, Change, FieldChange
from netspec.core.plan import Plan
from netspec.core.resource import Disruption, Key, Resource
from netspec.core.state import State, owned_by
from netspec.diagnostics import Place
from netspec.kinds.nat_element import NatElement
from netspec.kinds.sysctl import Sysctl
from netspec.report.objects import ADD, REBUILD, REMOVE, ObjectChange, by_object, counts, object_of, summary
from netspec.report.style import PLAIN, Style

_WIDTH = 78
_CONSEQUENCE = {
    Disruption.RESET: "established flows through it are cut",
    Disruption.FLAP: "the link goes down and up",
    Disruption.REBUILD: "interrupts all connections of this object",
    Disruption.LOCKOUT_RISK: "touches the path of this session",
}
_MARKS = frozenset({"alias", "group", "marked"})
"""Fields that only say whose an object is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """What a report of a plan needs to know."""

    host: str
    stack: str
    plan: Plan
    desired: State
    observed: State
    drift: frozenset[Key] = frozenset()
    place_of: Callable[[str], Place | None] = lambda _address: None

    @property
    def objects(self) -> tuple[ObjectChange, ...]:
        """The objects that change."""
        return by_object(self.plan.changes, self.desired, self.observed, self.drift)

    @property
    def known(self) -> frozenset[str]:
        """All objects of the stack, in the spec or in the kernel."""
        ours = owned_by(self.stack)
        there = (resource for resource in self.observed.values() if ours(resource))
        return frozenset(map(object_of, (*self.desired.values(), *there)))


def render(view: PlanView, style: Style = PLAIN, *, verbose: bool = False) -> str:
    """The whole plan as text, ending in a newline."""
    objects = view.objects
    total = len(view.known)
    if not objects:
        return f"No changes. The kernel equals the spec ({_many(total, 'object')}).\n"
    head = f"{view.host}  stack {view.stack}  {_many(total, 'object')}, {total - len(objects)} in sync"
    lines = [style.paint("bold", head), ""]
    parts = _parts(objects, view)
    for each in objects:
        if not each.drift:
            lines.append(_headline(each, parts[each.address], view, style))
            lines.extend(_below(each, style, verbose=verbose))
    drifted = [each for each in objects if each.drift]
    if drifted:
        lines.append("  drift, will be corrected")
        for each in drifted:
            lines.append(_headline(each, parts[each.address], view, style))
            lines.extend(_below(each, style, verbose=verbose))
    lines += ["", f"Plan: {_tally(objects)}."]
    return "\n".join(lines) + "\n"


def _many(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


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


def _below(each: ObjectChange, style: Style, *, verbose: bool) -> Iterator[str]:
    if each.symbol not in (ADD, REMOVE) or verbose:
        yield from _details(each, style, verbose=verbose)
    consequence = _CONSEQUENCE.get(each.disruption)
    if consequence and each.symbol != REMOVE:
        yield f"      {'interrupts':<18}{consequence}"


def _headline(each: ObjectChange, resources: Iterable[Resource], view: PlanView, style: Style) -> str:
    words = summary(resources)
    if each.symbol == REMOVE and each.address.startswith("sysctl/"):
        words = _restored(each)
    elif each.symbol == REBUILD:
        words = f"rebuilt: {each.reason}"
    elif each.symbol not in (ADD, REMOVE):
        words = ""
    place = view.place_of(each.address)
    where = "no longer in the spec" if each.symbol == REMOVE else f"{place.file}:{place.line}" if place else ""
    left = f"  {each.symbol} {each.address:<24}  {words}".rstrip()
    line = f"{left:<{_WIDTH}}  {style.paint('dim', where)}".rstrip()
    return line.replace(f"  {each.symbol} ", f"  {style.paint(each.symbol, each.symbol)} ", 1)


def _restored(each: ObjectChange) -> str:
    values = (change.before for change in each.changes)
    return next((f"{one.value} -> {one.former}" for one in values if isinstance(one, Sysctl)), "")


def _details(each: ObjectChange, style: Style, *, verbose: bool) -> Iterator[str]:
    shown: dict[str, None] = {}
    for change in each.changes:
        for line in _change_lines(change, each, style, verbose=verbose):
            shown[line] = None
    yield from shown


def _change_lines(change: Change, each: ObjectChange, style: Style, *, verbose: bool) -> Iterator[str]:
    if verbose:
        yield f"      {_sign(change, style)} {change.key}  {change.reason}".rstrip()
    elif change.action in (Action.CREATE, Action.DELETE) and not _bookkeeping(change):
        yield f"      {_sign(change, style)} {change.resource.title() or change.key}"
    elif change.action is Action.REPLACE and each.symbol != REBUILD:
        yield f"      {_sign(change, style)} {change.key}  {change.reason}"
    for field in change.fields:
        if verbose or field.name not in _MARKS:
            yield _field_line(change, field)
    if change.fields and not verbose and all(field.name in _MARKS for field in change.fields):
        yield f"      {'mark':<18}set on {change.key}"


def _bookkeeping(change: Change) -> bool:
    """The record of a former value is shown by the value itself."""
    return isinstance(change.resource, NatElement) and change.resource.set == "former"


def _sign(change: Change, style: Style) -> str:
    signs = {Action.CREATE: "+", Action.DELETE: "-", Action.UPDATE: "~", Action.REPLACE: "!"}
    sign = signs[change.action]
    return style.paint(sign, sign)


def _field_line(change: Change, field: FieldChange) -> str:
    name = field.name.removeprefix("peer_")
    if change.key.kind in ("element", "route"):
        name = str(change.key)
    return f"      {name:<18}{_value(field.before)} -> {_value(field.after)}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value in (None, "") else str(value)
