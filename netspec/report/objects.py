"""Changes gathered by the object of the spec that they belong to: what people think in."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from netspec.core.change import Action, Change
from netspec.core.consequence import Consequence, Consequences
from netspec.core.resource import Disruption, Key, Resource
from netspec.core.state import State
from netspec.kinds.address import Address
from netspec.kinds.admission import Admission
from netspec.kinds.nat_element import NatElement
from netspec.kinds.nat_table import NatTable
from netspec.kinds.port import Port
from netspec.report.rebuilds import is_rebuilt, reason
from netspec.report.words import element_words, is_derived, words_of

_ORDER = {"bridge": 0, "endpoint": 1, "nat": 2, "sysctl": 3}

ADD, CHANGE, REBUILD, REMOVE = "+", "~", "!", "-"


def object_of(resource: Resource) -> str:
    """The address of the object of the spec a resource belongs to: `endpoint/redis`, `nat`."""
    if resource.origin.startswith("element/") and is_derived(resource):
        return "nat"  # it serves several objects, and names none
    return resource.owner or str(resource.key())


@dataclass(slots=True)
class ObjectChange:
    """All changes of one object, and what they come to."""

    address: str
    changes: list[Change] = field(default_factory=list)
    symbol: str = CHANGE
    drift: bool = False
    consequences: Consequences = field(default_factory=dict)

    @property
    def disruption(self) -> Disruption:
        """The worst of its changes, without those that only follow from others and cut nothing."""
        return max((each.disruption for each in self._weighed()), default=Disruption.NONE)

    @property
    def cut(self) -> frozenset[int] | None:
        """The established flows that it ends; None where they cannot be told."""
        found = [each.cut for each in self._weighed() if each.disruption >= Disruption.RESET]
        known = [each for each in found if each is not None]
        return frozenset[int]().union(*known) if len(known) == len(found) else None

    @property
    def lockout(self) -> tuple[str, ...]:
        """Why this session may end with it."""
        return tuple(dict.fromkeys(each.lockout for each in self._weighed() if each.lockout))

    def _weighed(self) -> Iterator[Consequence]:
        for each in self.changes:
            found = self.consequences.get(each.key) or Consequence(each.disruption)
            if not is_derived(each.resource) or found.cut or found.lockout:
                yield found

    @property
    def reason(self) -> str:
        """Why it is rebuilt."""
        return reason(self.changes)


TABLE = "nat"
"""The object that tables of nftables are told with."""


def by_object(
    changes: Iterable[Change], desired: State, observed: State, drift: frozenset[Key]
) -> tuple[ObjectChange, ...]:
    """Gather changes, in the order in which people read them."""
    wanted = {object_of(resource) for resource in desired.values()}
    there = {object_of(resource) for resource in observed.values() if resource.mark is not None}
    found: dict[str, ObjectChange] = {}
    # Who may talk to whom follows from the other changes, and is told with one of them.
    for change in sorted(changes, key=lambda each: isinstance(each.resource, Admission)):
        address = object_of(change.resource)
        if is_loaded_again(change) and change.key not in drift:
            address = TABLE
        if isinstance(change.resource, Admission) and found:
            address = address if address in found else next(iter(found))
        found.setdefault(address, ObjectChange(address)).changes.append(change)
    for each in found.values():
        each.symbol = _symbol(each, in_spec=each.address in wanted, in_kernel=each.address in there)
        each.drift = all(change.key in drift for change in each.changes)
    return tuple(sorted(found.values(), key=_reading_order))


def is_loaded_again(change: Change) -> bool:
    """Whether it is as it shall be, but that its table is loaded again as a whole."""
    return change.action is Action.REPLACE and isinstance(change.resource, NatElement) and not change.fields


def is_set_again(change: Change) -> bool:
    """Whether it is as it shall be, but for what another change will do to it."""
    return change.action is Action.UPDATE and not change.fields


def _is_lent(changes: Iterable[Change]) -> bool:
    """Whether it is about a link that is there already."""
    kinds = {change.key.kind for change in changes}
    return "field" in kinds and "link" not in kinds


def _symbol(each: ObjectChange, *, in_spec: bool, in_kernel: bool) -> str:
    if {change.action for change in each.changes} & {Action.ADOPT, Action.FORGET, Action.MOVE}:
        return CHANGE
    if not in_spec:
        return REMOVE
    if (
        not in_kernel
        and not _is_lent(each.changes)
        and not (each.address.startswith("sysctl/") and _moves(each.changes))
    ):
        return ADD  # what stands there is a stranger's, and in the way
    return REBUILD if is_rebuilt(each.changes) else CHANGE


def _moves(changes: Iterable[Change]) -> bool:
    return any(change.action is Action.UPDATE for change in changes)


def _reading_order(each: ObjectChange) -> tuple[int, str]:
    kind = each.address.partition("/")[0]
    return (_ORDER.get(kind, 9), each.address)


@dataclass(frozen=True, slots=True)
class Brief:
    """An object in a few words, and what more there is to say of it, by label."""

    words: str
    more: tuple[tuple[str, str], ...] = ()


def brief(address: str, resources: Iterable[Resource]) -> Brief:
    """What an object comes to, from the resources it is made of."""
    there = tuple(resources)
    named: dict[str, dict[str, None]] = {}
    for each in there:
        if isinstance(each, NatElement) and not is_derived(each):
            label, words = _labelled(each, of_nat=address == "nat")
            named.setdefault(label, {})[words] = None
    if address.startswith("element/"):
        return Brief(_some([words_of(each) for each in there]))
    words = _nat_words(there, list(named.pop("masquerade", ()))) if address == "nat" else _place_words(address, there)
    words += ", internal" if named.pop("internal", None) else ""
    return Brief(words, tuple((label, _some(list(found))) for label, found in named.items() if label))


def _nat_words(resources: Iterable[Resource], masqueraded: list[str]) -> str:
    if masqueraded:
        return f"masquerade {_some(masqueraded)}"
    tables = [each for each in resources if isinstance(each, NatTable)]
    families = ", ".join(sorted((each.family for each in tables), reverse=True))
    return f"nftables table {tables[0].name} ({families})" if tables else ""


def _place_words(address: str, resources: Iterable[Resource]) -> str:
    """Where in the network an object is: its addresses, and what it is joined to."""
    there = tuple(resources)
    addresses = [str(each.address) for each in there if isinstance(each, Address)]
    bridges = [f"bridge/{each.bridge}" for each in there if isinstance(each, Port) and not each.lent]
    where = f"on {_some(bridges)}" if bridges else ""
    lent = [each.link for each in there if isinstance(each, Port) and each.lent]
    ports = f"port{'' if len(lent) == 1 else 's'} {_some(lent)}" if lent else ""
    words = ", ".join(filter(None, (" ".join(word for word in (_some(addresses), where) if word), ports)))
    return words or {"bridge": "no address", "endpoint": "no interface"}.get(address.partition("/")[0], "")


def _labelled(element: NatElement, *, of_nat: bool) -> tuple[str, str]:
    """What an element says of its object, and under which label; no label for what is not worth a line."""
    name, value = element_words(element)
    label, _, key = name.partition(" ")
    match label:
        case "publish":
            return "publishes", f"{key} -> {value}" if of_nat else key
        case "open":
            *_, protocol, ports = key.split(" . ")
            return "publishes", f"{ports}/{protocol}"
        case "masquerade" | "snat" | "netmap":
            return label, f"{key} -> {value}" if value else key
    return ("internal", "") if element.set == "internal" else ("", "")


def _some(items: list[str], limit: int = 4) -> str:
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more


def counts(objects: Iterable[ObjectChange]) -> Mapping[str, int]:
    """How many objects of each sort: add, change, rebuild, remove, drifted."""
    tally = {"add": 0, "change": 0, "rebuild": 0, "remove": 0, "drifted": 0}
    names = {ADD: "add", CHANGE: "change", REBUILD: "rebuild", REMOVE: "remove"}
    for each in objects:
        tally["drifted" if each.drift else names[each.symbol]] += 1
    return tally
