"""Routes, rules and neighbours inside the namespaces of endpoints."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from netspec.core.resource import Key, Mark, Resource
from netspec.kernel.operations import Address, Network, NextHop
from netspec.kinds._contract import Finding, Place
from netspec.kinds._intent import Attachment
from netspec.kinds._routing_specs import ACTIONS, SCOPES, TYPES, NextHopSpec, RouteSpec, RuleSpec
from netspec.kinds.address import address_key
from netspec.kinds.neighbor import Neighbor
from netspec.kinds.route import IPV6_METRIC, MAIN, Route, route_key
from netspec.kinds.rule import ALL_BITS, Rule

FIRST_PRIORITY = 1000
"""Of rules that say none."""


@dataclass(frozen=True, slots=True)
class Inside:
    """What there is in the namespace of an endpoint: its own interfaces, and its routes."""

    netns: str
    attachments: tuple[Attachment, ...]
    routes: tuple[RouteSpec, ...]

    def link_of(self, address: Address, dev: str | None, *, onlink: bool = False) -> str:
        """The interface on which an address is a neighbour; empty where there is none."""
        names = [each.interface for each in self.attachments if dev in (None, each.interface)]
        if onlink or address.is_link_local:
            return dev if dev in names else ""
        for each in self.attachments:
            if each.interface in names and any(address in own.network for own in each.addresses):
                return each.interface
        direct = (each.dev for each in self._direct() if address in each.network)
        return next((link for link in direct if link in names), None) or ""

    def hop(self, hop: NextHopSpec, *, onlink: bool) -> NextHop:
        """A next hop with its link."""
        link = hop.dev if hop.via is None else self.link_of(hop.via, hop.dev, onlink=onlink)
        return NextHop(via=hop.via, link=link or "", weight=hop.weight)

    def ground(self, spec: RouteSpec, hops: tuple[NextHop, ...]) -> Iterator[Key]:
        """The addresses that a route stands on."""
        for each in self.attachments:
            for address in each.addresses:
                near = any(hop.via in address.network for hop in hops if hop.via and hop.link == each.interface)
                if near or address.ip == spec.source:
                    yield address_key(self.netns, each.interface, address)

    def way(self, spec: RouteSpec, hops: tuple[NextHop, ...]) -> Iterator[Key]:
        """The routes that lead to its gateways, and the only address of IPv4 on each of its links."""
        links = {hop.link for hop in hops} if spec.version == 4 else ()
        for each in self.attachments:
            addresses = [address for address in each.addresses if address.version == 4]
            if each.interface in links and len(addresses) == 1:
                yield address_key(self.netns, each.interface, addresses[0])
        for other in self._direct() if not spec.onlink else ():
            if any(hop.via in other.network for hop in hops if hop.via):
                yield route_key(self.netns, other.network, other.table, metric_of(other))

    def _direct(self) -> Iterator[RouteSpec]:
        """The routes to neighbours."""
        return (each for each in self.routes if each.dev and each.via is None and each.scope in (None, "link", "host"))


def metric_of(spec: RouteSpec) -> int:
    """The metric that the kernel gives it."""
    return spec.metric or (0 if spec.version == 4 else IPV6_METRIC)


def replaces_default(routes: tuple[RouteSpec, ...], version: int, metric: int) -> bool:
    """Whether a spec has a default route of its own where there would be an automatic one."""
    wanted = (version, 0, MAIN, metric)
    return any((each.version, each.network.prefixlen, each.table, metric_of(each)) == wanted for each in routes)


def routed(spec: Any, inside: Inside, mark: Mark, ends: Mapping[str, str]) -> Iterator[Resource]:  # noqa: ANN401  an EndpointSpec
    """The routes, rules and neighbours of an endpoint; `ends` are the host ends of its interfaces."""
    for each in spec.routes:
        yield _route(each, inside, mark)
    for index, each in enumerate(spec.rules):
        yield from _rules(each, FIRST_PRIORITY + index, inside, mark)
    for each in spec.neighbors:
        link = inside.link_of(each.address, each.dev, onlink=each.dev is not None)
        pair = ends.get(link, "")
        yield Neighbor(mark=mark, netns=inside.netns, link=link, address=each.address, mac=each.mac, pair=pair)


def _route(spec: RouteSpec, inside: Inside, mark: Mark) -> Route:
    hops = tuple(inside.hop(each, onlink=spec.onlink) for each in spec.hops)
    only = hops[0] if len(hops) == 1 else NextHop()
    usual = "link" if spec.type == "unicast" and not any(hop.via for hop in hops) else "global"
    return Route(
        mark=mark,
        netns=inside.netns,
        to=spec.network,
        table=spec.table,
        metric=metric_of(spec),
        via=only.via or "",
        link=only.link,
        nexthops=hops if len(hops) > 1 else (),
        type=TYPES[spec.type],
        source=spec.source or "",
        scope=SCOPES[spec.scope or usual] if spec.version == 4 else 0,
        mtu=spec.mtu or 0,
        onlink=spec.onlink,
        stands_on=tuple(inside.ground(spec, hops)),
        over=tuple(inside.way(spec, hops)),
    )


def _rules(spec: RuleSpec, position: int, inside: Inside, mark: Mark) -> Iterator[Rule]:
    own = {address.version for each in inside.attachments for address in each.addresses}
    for version in spec.versions:
        if len(spec.versions) > 1 and own and version not in own:
            continue
        mark_, mask = spec.fwmark or (None, ALL_BITS)
        yield Rule(
            mark=mark,
            netns=inside.netns,
            version=version,
            priority=spec.priority or position,
            source=_said(spec.from_),
            to=_said(spec.to),
            iif=spec.iif or "",
            oif=spec.oif or "",
            fwmark=mark_,
            mask=mask,
            table=spec.table or 0,
            action=ACTIONS[spec.action],
        )


def _said(network: Network | None) -> Network | None:
    """A prefix of no length says nothing."""
    return network if network is not None and network.prefixlen else None


def check_routing(document: Any, attachments: Mapping[str, tuple[Attachment, ...]]) -> Iterator[Finding]:  # noqa: ANN401
    """What is wrong with routes, rules and neighbours now that all addresses are known."""
    seen: dict[tuple[object, ...], Place] = {}
    for name, spec in document.endpoints.items():
        inside = Inside(spec.space(name), attachments.get(name, ()), spec.routes)
        place: Place = ("endpoints", name)
        for index, route in enumerate(spec.routes):
            where = (*place, "routes", index)
            yield from _check_route(route, inside, where)
            known = ("route", inside.netns, route.network, route.table, metric_of(route))
            yield from _twice(f"a route to {route.to} with this table and metric", known, where, seen)
        for index, rule in enumerate(spec.rules):
            priority = rule.priority or FIRST_PRIORITY + index
            where = (*place, "rules", index)
            for version in rule.versions:
                what = f"an IPv{version} rule of priority {priority}"
                yield from _twice(what, ("rule", inside.netns, version, priority), where, seen)
        for index, neighbor in enumerate(spec.neighbors):
            where = (*place, "neighbors", index)
            link = inside.link_of(neighbor.address, neighbor.dev, onlink=neighbor.dev is not None)
            yield from _check_link(neighbor.address, neighbor.dev, link, inside, where)
            yield from _twice(f"{neighbor.address}", ("neighbor", inside.netns, link, neighbor.address), where, seen)


def _twice(
    what: str, known: tuple[object, ...], where: Place, seen: dict[tuple[object, ...], Place]
) -> Iterator[Finding]:
    first = seen.setdefault(known, where)
    if first != where:
        hint = "leave one of them away, or tell them apart"
        yield Finding("NS0272", f"{what} is wanted twice", where, hint=hint, related=((first, "wanted here first"),))


def _check_route(spec: RouteSpec, inside: Inside, where: Place) -> Iterator[Finding]:
    names = {each.interface for each in inside.attachments}
    for index, hop in enumerate(spec.hops):
        place = (*where, "nexthops", index) if spec.nexthops else where
        if hop.via is not None:
            link = inside.link_of(hop.via, hop.dev, onlink=spec.onlink)
            yield from _check_link(hop.via, hop.dev, link, inside, place)
        elif hop.dev not in names:
            yield _no_interface(str(hop.dev), inside, place)
    own = [address.ip for each in inside.attachments for address in each.addresses]
    if spec.source is not None and spec.source not in own:
        hint = f"its addresses: {', '.join(map(str, own)) or 'none'}"
        yield Finding("NS0273", f"{spec.source} is no address of the endpoint", (*where, "source"), hint=hint)


def _check_link(address: Address, dev: str | None, link: str, inside: Inside, where: Place) -> Iterator[Finding]:
    names = [each.interface for each in inside.attachments]
    if dev is not None and dev not in names:
        yield _no_interface(dev, inside, where)
    elif not link:
        subnets = ", ".join(str(own.network) for each in inside.attachments for own in each.addresses) or "none"
        message = f"{address} is on no subnet of {f'interface {dev}' if dev else 'the endpoint'}"
        if address.is_link_local:
            message = f"{address} is link-local, and no interface is named"
        yield Finding(
            "NS0271", message, where, hint=f"its subnets: {subnets}; or name dev, and onlink: true for a route"
        )


def _no_interface(name: str, inside: Inside, where: Place) -> Finding:
    names = ", ".join(each.interface for each in inside.attachments) or "none"
    return Finding(
        "NS0270", f'the endpoint has no interface "{name}"', (*where, "dev"), hint=f"its interfaces: {names}"
    )
