"""Changes gathered by the object of the spec that they belong to: what people think in."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from netspec.core.change import Action, Change
from netspec.core.resource import Disruption, Key, Resource
from netspec.core.state import State
from netspec.kinds.address import Address
from netspec.kinds.nat_element import NatElement
from netspec.kinds.netns import Netns
from netspec.kinds.port import Port

_PART = re.compile(r"\.[a-z_]+\[[0-9]+\]$")
_ORDER = {"bridge": 0, "endpoint": 1, "nat": 2, "sysctl": 3}

ADD, CHANGE, REBUILD, REMOVE = "+", "~", "!", "-"


def object_of(resource: Resource) -> str:
    """The address of the object of the spec a resource belongs to: `endpoint/redis`, `nat`."""
    return _PART.sub("", resource.origin) or str(resource.key())


@dataclass(slots=True)
class ObjectChange:
    """All changes of one object, and what they come to."""

    address: str
    changes: list[Change] = field(default_factory=list)
    symbol: str = CHANGE
    drift: bool = False

    @property
    def disruption(self) -> Disruption:
        """The worst of its changes."""
        return max(change.disruption for change in self.changes)

    @property
    def reason(self) -> str:
        """Why it is rebuilt; the first cause, not what went with it."""
        own = [change.reason for change in self.changes if change.reason]
        causes = [reason for reason in own if not reason.startswith("goes with")]
        return (causes or own or [""])[0]


def by_object(
    changes: Iterable[Change], desired: State, observed: State, drift: frozenset[Key]
) -> tuple[ObjectChange, ...]:
    """Gather changes, in the order in which people read them."""
    wanted = {object_of(resource) for resource in desired.values()}
    there = {object_of(resource) for resource in observed.values() if resource.mark is not None}
    found: dict[str, ObjectChange] = {}
    for change in changes:
        address = object_of(change.resource)
        found.setdefault(address, ObjectChange(address)).changes.append(change)
    for each in found.values():
        each.symbol = _symbol(each, in_spec=each.address in wanted, in_kernel=each.address in there)
        each.drift = all(change.key in drift for change in each.changes)
    return tuple(sorted(found.values(), key=_reading_order))


def _symbol(each: ObjectChange, *, in_spec: bool, in_kernel: bool) -> str:
    if not in_spec:
        return REMOVE
    if not in_kernel and all(change.action is Action.CREATE for change in each.changes):
        return ADD
    rebuilt = any(change.action is Action.REPLACE and change.key.kind in ("netns", "link") for change in each.changes)
    return REBUILD if rebuilt else CHANGE


def _reading_order(each: ObjectChange) -> tuple[int, str]:
    kind = each.address.partition("/")[0]
    return (_ORDER.get(kind, 9), each.address)


def summary(resources: Iterable[Resource]) -> str:
    """An object in a few words, from the resources it is made of."""
    addresses, bridges, published, others = [], [], [], []
    for resource in resources:
        match resource:
            case Address():
                addresses.append(str(resource.address))
            case Port():
                bridges.append(f"on bridge/{resource.bridge}")
            case NatElement() if resource.set.startswith("publish"):
                published.append(resource.title().removeprefix("publish ").partition(" ->")[0])
            case NatElement() if resource.set.startswith("masquerade"):
                others.append(resource.title())
            case Netns():
                pass
            case _ if resource.key().kind == "sysctl":
                others.append(resource.title())
    words = [", ".join(addresses), " ".join(bridges)]
    if published:
        words.append("publishes " + _some(published))
    words.extend(others)
    return " ".join(word for word in words if word)


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
