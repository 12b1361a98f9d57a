"""Which established flows a change cuts: those that its operations delete, and those of the addresses that it takes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from netspec.core.change import Action, Change
from netspec.core.elements import PROTOCOLS
from netspec.core.judge import Flow
from netspec.core.resource import Disruption, Resource
from netspec.core.state import State
from netspec.engine.observation import kind_of
from netspec.kernel.operations import Address as IpAddress
from netspec.kernel.operations import FlowDelete, FlowsCut, Network
from netspec.kernel.sightings import FlowRow
from netspec.kinds.address import Address
from netspec.kinds.admission import Admission
from netspec.kinds.nat_element import NatElement
from netspec.kinds.port import Port
from netspec.kinds.route import Route
from netspec.kinds.rule import Rule
from netspec.kinds.sysctl import Sysctl
from netspec.kinds.veth import Veth

Test = Callable[[FlowRow], bool]
_NUMBERS = {name: number for number, name in PROTOCOLS.items()}


@dataclass(frozen=True, slots=True)
class Sight:
    """The flows of the host, and what decides whose they are; `local` are the host's own addresses."""

    flows: Sequence[FlowRow]
    observed: State
    local: frozenset[IpAddress]


def is_counted(change: Change) -> bool:
    """Whether it cuts flows, or may do so."""
    return change.disruption >= Disruption.RESET or isinstance(change.after, Admission)


def cut_by(change: Change, sight: Sight) -> frozenset[int]:
    """The flows that a change cuts, by their numbers in the sight."""
    tests = tuple(_tests(change, sight))
    return frozenset(number for number, flow in enumerate(sight.flows) if any(test(flow) for test in tests))


def _tests(change: Change, sight: Sight) -> Iterator[Test]:
    before = change.before
    match change.resource:
        case NatElement() | Admission():
            yield from _deleted(change, sight.local)
        case Address() if isinstance(before, Address):
            yield _of({before.address.ip})
        case Port() if isinstance(before, Port):
            yield _of_port(before, change, sight.observed)
        case Route() if isinstance(before, Route):
            yield _over(before.to, _held(before.netns, sight.observed), _narrower(before, sight.observed))
        case Rule() if isinstance(before, Rule):
            yield _over(before.to, _held(before.netns, sight.observed), (), source=before.source)
        case Sysctl(netns="") as sysctl:
            version = 4 if sysctl.name.startswith("net.ipv4.") else 6
            yield (
                lambda flow: (
                    flow.source.version == version and not {flow.source, flow.destination, flow.answering} & sight.local
                )
            )


def _deleted(change: Change, local: frozenset[IpAddress]) -> Iterator[Test]:
    """What the change deletes from conntrack by itself."""
    before, after = change.before, change.after
    kind = kind_of(change.resource)
    if before is None or isinstance(after, Admission):
        operations = kind.create(after)
    elif change.action is Action.REPLACE:
        operations = kind.aftermath(before, after)
    else:
        operations = kind.delete(before) if after is None else kind.update(before, after)
    for operation in operations:
        if isinstance(operation, FlowDelete):
            yield _published(operation)
        elif isinstance(operation, FlowsCut):
            yield _not_admitted(operation, local)


def _published(operation: FlowDelete) -> Test:
    number, (first, last) = _NUMBERS.get(operation.protocol), operation.ports
    return lambda flow: (
        flow.protocol == number
        and first <= flow.port <= last
        and operation.listen in (None, flow.destination)
        and flow.answering == operation.target
    )


def _not_admitted(operation: FlowsCut, local: frozenset[IpAddress]) -> Test:
    return lambda flow: not operation.judge.admits(_seen(flow), local)


def _seen(flow: FlowRow) -> Flow:
    return Flow(flow.protocol, flow.source, flow.answering, flow.answering_port, flow.translated)


def _of(addresses: Iterable[IpAddress]) -> Test:
    """The flows of which an end is one of these."""
    ends = frozenset(addresses)
    return lambda flow: bool(ends & {flow.source, flow.destination, flow.answering})


def _of_port(before: Port, change: Change, observed: State) -> Test:
    """Those of whoever is behind a port; of an option of it, those that pass between two such."""
    own = set(_behind(before.link, observed))
    names = {each.name for each in change.fields}
    if change.action is not Action.UPDATE or "bridge" in names:
        return _of(own)
    if "isolated" not in names:
        return lambda flow: {flow.source, flow.answering} <= own
    mates = {
        address
        for each in observed.values()
        if isinstance(each, Port) and each.bridge == before.bridge and each.isolated and each.link != before.link
        for address in _behind(each.link, observed)
    }
    return lambda flow: bool({flow.source, flow.answering} & own and {flow.source, flow.answering} & mates)


def _behind(link: str, observed: State) -> Iterator[IpAddress]:
    """The addresses of the far end of a pair."""
    for pair in observed.values():
        if isinstance(pair, Veth) and pair.name == link:
            for each in observed.values():
                if isinstance(each, Address) and (each.netns, each.link) == (pair.peer_netns, pair.peer_name):
                    yield each.address.ip


def _held(netns: str, observed: State) -> frozenset[IpAddress] | None:
    """The addresses in a namespace; None for the host, whose flows all are."""
    if not netns:
        return None
    return frozenset(each.address.ip for each in _in(netns, observed) if isinstance(each, Address))


def _in(netns: str, observed: State) -> Iterator[Resource]:
    return (each for key, each in observed.items() if key.netns == netns)


def _narrower(route: Route, observed: State) -> tuple[Network, ...]:
    """The prefixes within a route's own that lead elsewhere."""
    found: list[Network] = []
    for each in _in(route.netns, observed):
        to = each.to if isinstance(each, Route) else each.address.network if isinstance(each, Address) else None
        if to is not None and to.version == route.to.version and to.prefixlen > route.to.prefixlen:
            found.append(to)
    return tuple(found)


def _over(
    to: Network | None,
    held: frozenset[IpAddress] | None,
    elsewhere: tuple[Network, ...],
    source: Network | None = None,
) -> Test:
    """The flows between `held`, of which `source` is asked, and `to`, without what leads elsewhere."""

    def passes(flow: FlowRow) -> bool:
        ends = (flow.source, flow.answering)
        for near, far in (ends, ends[::-1]):
            own = (held is None or near in held) and (source is None or near in source)
            if own and (to is None or far in to) and not any(far in each for each in elsewhere):
                return True
        return False

    return passes
