"""The lines below an object of a plan: what it is made of, what changes, and what that does to traffic."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from netspec.core.change import Action, Change, FieldChange
from netspec.core.resource import Disruption, Resource
from netspec.counting import counted
from netspec.kinds.address import Address
from netspec.kinds.admission import Admission
from netspec.kinds.nat_element import NatElement
from netspec.kinds.nat_table import NatTable
from netspec.kinds.port import Port
from netspec.kinds.sysctl import Sysctl
from netspec.kinds.veth import Veth
from netspec.report.objects import ADD, CHANGE, REBUILD, REMOVE, ObjectChange, brief, is_loaded_again, is_set_again
from netspec.report.rebuilds import Exchange
from netspec.report.style import Style
from netspec.report.words import field_move, field_name, field_value, is_derived, words_of

_MARKS = frozenset({"alias", "group", "marked"})
"""Fields that only say whose an object is."""
_SIGNS = {Action.CREATE: "+", Action.DELETE: "-", Action.UPDATE: "~", Action.REPLACE: "!"}
_SIGNS |= dict.fromkeys((Action.ADOPT, Action.FORGET, Action.MOVE), "~")
_LABEL = 16


@dataclass(frozen=True, slots=True)
class Line:
    """`label` and `words` in columns, or a `sign` and words."""

    words: str
    label: str = ""
    sign: str = ""


def below(each: ObjectChange, parts: Iterable[Resource], style: Style, *, verbose: bool) -> Iterator[str]:
    """The lines of one object, indented."""
    resources = tuple(parts)
    found: list[Line] = []
    if each.symbol in (ADD, REMOVE):
        found += [Line(words, label) for label, words in brief(each.address, resources).more]
    if verbose:
        found += [line for change in each.changes for line in _whole(change)]
    elif each.symbol not in (ADD, REMOVE):
        found += _details(each, several=sum(isinstance(one, Veth) for one in resources) > 1)
    found += [Line(words, "interrupts") for words in interrupted(each)]
    found += [Line(words, "lockout risk") for words in each.lockout]
    width = max((len(line.label) for line in found), default=0)
    for line in dict.fromkeys(found):
        head = style.paint(line.sign, line.sign) if line.sign else f"{line.label:<{max(width, _LABEL)}} "
        yield f"      {head} {line.words}"


def interrupted(each: ObjectChange) -> Iterator[str]:
    """What an object's change does to traffic, with the number of connections where that is known and not zero."""
    level, cut = each.disruption, each.cut
    if each.symbol != ADD and level is Disruption.FLAP:
        yield "all traffic, while the link goes down and up"
    elif cut or cut is None:
        connection = "established connection"
        yield f"an unknown number of {connection}s" if cut is None else counted(len(cut), connection)
    elif each.symbol == REBUILD:
        yield "all its connections"
    elif each.symbol == CHANGE and level >= Disruption.RESET and any(_is_beneath(one) for one in each.changes):
        yield "established connections through it"


def _is_beneath(change: Change) -> bool:
    """Whether it is about what connection tracking of the host does not see, too: what passes within a bridge."""
    return change.disruption >= Disruption.RESET and not isinstance(change.resource, (NatElement, Admission, Sysctl))


def _whole(change: Change) -> Iterator[Line]:
    """A kernel object with all its fields, by the names that JSON has."""
    yield Line(f"{change.key}  {change.reason}".rstrip(), sign=_SIGNS[change.action])
    for field in change.fields:
        if field.name != "rules":
            values = (field_value(change.resource, field, value) for value in (field.before, field.after))
            yield Line(" -> ".join(values), field.name)


def _details(each: ObjectChange, *, several: bool) -> list[Line]:
    """What changes, in words of the spec. What only follows from that is counted where there is nothing else."""
    told = [change for change in each.changes if each.drift or not is_loaded_again(change)]
    visible = [change for change in told if not is_derived(change.resource) or _shows_value(change)]
    found = [*_addresses(visible, several=several)] if each.symbol == CHANGE else []
    beside = Exchange.of(each.changes).beside
    for change in visible:
        if each.symbol == CHANGE or _is_told_of_rebuilt(change) or change.key in beside:
            found += _lines(change, several=several)
    if not found and each.symbol == CHANGE:
        found = list(_why(each.changes) if each.address.startswith("sysctl/") else _counted(each.changes))
    return found


def _is_told_of_rebuilt(change: Change) -> bool:
    """Whether it is no part of a rebuild: what it publishes, and interfaces that live on."""
    living = change.action is Action.UPDATE and isinstance(change.resource, (Veth, Port))
    return living or isinstance(change.resource, (NatElement, NatTable))


def _shows_value(change: Change) -> bool:
    """A derived element whose value changes says something that nothing else does."""
    return change.action is Action.UPDATE and isinstance(change.resource, NatElement)


def _addresses(changes: Iterable[Change], *, several: bool) -> Iterator[Line]:
    """An address for another one of the same family at the same link is one line."""
    of_links = [change for change in changes if isinstance(change.resource, Address)]
    for _, group in groupby(of_links, key=_place):
        together = tuple(group)
        gone = [each for each in together if each.action is Action.DELETE]
        made = [each for each in together if each.action is Action.CREATE]
        if len(gone) == len(made) == 1 and len(together) == len(gone + made):
            old, new = (words_of(each.resource, several=several).partition(" ") for each in (gone[0], made[0]))
            yield Line(f"{old[2].partition(' ')[0]} -> {new[2]}", "address")
            continue
        for each in together:
            yield from _line_of(each, several=several)


def _place(change: Change) -> tuple[str, str, int]:
    assert isinstance(change.resource, Address), "only addresses are grouped"
    return change.key.netns, change.resource.link, change.resource.address.version


def _lines(change: Change, *, several: bool) -> Iterator[Line]:
    if not isinstance(change.resource, (Address, Sysctl)):
        yield from _line_of(change, several=several)
    if change.action is Action.REPLACE and isinstance(change.resource, NatTable):
        return
    for field in _shown(change):
        yield Line(field_move(change.resource, field), _label(change, field, several=several))
    if change.fields and all(field.name in _MARKS for field in change.fields):
        yield Line(f"set on {change.key}", "mark")


def _line_of(change: Change, *, several: bool) -> Iterator[Line]:
    words = words_of(change.resource, several=several)
    if change.action is not Action.REPLACE:
        if change.action is not Action.UPDATE:
            yield Line(words, sign=_SIGNS[change.action])
    elif isinstance(change.resource, NatTable):
        yield Line(f"{words}  its rules differ: loaded again, in one transaction", sign="!")
    elif isinstance(change.resource, NatElement):
        yield Line(f"{words}  loaded again with its table", sign="!")
    else:
        yield Line(f"{words}  {change.reason}", sign="!")


def _shown(change: Change) -> Iterator[FieldChange]:
    """The fields worth a line: of two ends of a pair that change alike, one."""
    if isinstance(change.resource, Sysctl):
        return
    values: Mapping[str, tuple[object, object]] = {each.name: (each.before, each.after) for each in change.fields}
    for each in change.fields:
        if each.name not in _MARKS and values.get(f"peer_{each.name}") != values[each.name]:
            yield each


def _label(change: Change, field: FieldChange, *, several: bool) -> str:
    name, resource = field_name(change.resource, field), change.resource
    if isinstance(resource, Veth) and not field.name.startswith("peer_"):
        return f"{name} of {resource.name}"
    if isinstance(resource, (Veth, Port)) and several:
        return f"{name} of {resource.peer_name if isinstance(resource, Veth) else resource.link}"
    return name


def _counted(changes: Iterable[Change]) -> Iterator[Line]:
    """Elements that only follow from others, by what happens to them."""
    tally = Counter(change.action for change in changes if isinstance(change.resource, NatElement))
    for action, number in sorted(tally.items()):
        words = f"{counted(number, 'element')} of nftables"
        yield Line(words + ("  loaded again with the table" if action is Action.REPLACE else ""), sign=_SIGNS[action])


def _why(changes: Iterable[Change]) -> Iterator[Line]:
    """Why a sysctl is touched whose value is right."""
    told = tuple(changes)
    if any(change.fields and isinstance(change.resource, Sysctl) for change in told):
        return
    for change in told:
        if is_set_again(change):
            yield Line(change.reason, "set again")
        elif change.action is not Action.UPDATE:
            yield Line("the record of its former value", sign=_SIGNS[change.action])
