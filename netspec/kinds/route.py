"""A route."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from netspec.core.resource import ANY, Disruption, Key, Resource, carried, identity, in_place
from netspec.kernel.operations import Address, Network, NextHop, Operation, RouteAdd, RouteDelete
from netspec.kernel.snapshot import RouteRow, Snapshot
from netspec.kinds._contract import PROTOCOL, Kind
from netspec.kinds._links import marks, space_marks
from netspec.kinds.address import address_key

MAIN = 254
"""RT_TABLE_MAIN."""
UNICAST = 1
"""RTN_UNICAST."""
TYPES = {6: "blackhole", 7: "unreachable", 8: "prohibit", 9: "throw"}
"""RTN_* that lead nowhere, as `ip route` calls them."""
IPV6_METRIC = 1024
"""What the kernel gives an IPv6 route without a metric (IP6_RT_PRIO_USER)."""
FROM_KERNEL = frozenset({2, 9})
"""RTPROT_KERNEL and RTPROT_RA: they follow addresses and router advertisements."""

Somewhere = Address | Literal[""]
"""An address, or none: None is no opinion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Resource):
    """A route to `to`: over a gateway, straight over a link, over several next hops, or nowhere.

    `stands_on` are the keys of addresses that its gateways are near to, or that it sends from; `over` are routes
    that lead to its gateways, and the only addresses of IPv4 on its links: both are there first, and need not stay.
    `metric` is RTA_PRIORITY; `type` and `scope` are RTN_* and RT_SCOPE_* numbers; `mtu` 0 is that of the link.
    """

    netns: str = identity()
    to: Network = identity()
    table: int = identity()
    metric: int = identity()
    via: Somewhere | None = in_place()
    link: str | None = in_place(disruption=Disruption.RESET)
    nexthops: tuple[NextHop, ...] | None = in_place((), disruption=Disruption.RESET)
    type: int | None = in_place(UNICAST, disruption=Disruption.RESET, harmless=(UNICAST,))
    source: Somewhere | None = in_place("")
    scope: int | None = in_place(0)
    mtu: int | None = in_place(0)
    onlink: bool | None = in_place(default=False)
    marked: bool | None = in_place(default=True, disruption=Disruption.NONE)
    protocol: int = carried(PROTOCOL)
    stands_on: tuple[Key, ...] = carried(())
    over: tuple[Key, ...] = carried(())

    rank: ClassVar[int] = 6

    def key(self) -> Key:
        """`route/NETNS/DESTINATION`, with table and metric where they are not the usual ones."""
        return route_key(self.netns, self.to, self.table, self.metric)

    def requires(self) -> Iterator[Key]:
        """Its links, and addresses."""
        for link in self.links:
            yield Key("link", self.netns, link)
        yield from self.stands_on

    def follows(self) -> Iterator[Key]:
        """What it is over: gateways are looked up once, when it is made."""
        return iter(self.over)

    def swept_by(self) -> Iterator[tuple[Key, str]]:
        """The addresses: without any, a link has no routes of IPv4."""
        return ((key, ANY) for key in (*self.stands_on, *self.over) if key.kind == "address")

    def cascades(self) -> Iterator[Key]:
        """The kernel drops routes with their link; of several next hops IPv6 drops only one."""
        if self.link:
            yield Key("link", self.netns, self.link)

    @property
    def links(self) -> tuple[str, ...]:
        """The links it leads over."""
        hops = tuple(dict.fromkeys(hop.link for hop in self.nexthops or () if hop.link))
        return (self.link,) if self.link else hops

    def title(self) -> str:
        """Where it leads."""
        if self.nexthops:
            return "via " + ", ".join(f"{hop.via or hop.link} weight {hop.weight}" for hop in self.nexthops)
        if self.type != UNICAST:
            return TYPES.get(self.type or UNICAST, f"type {self.type}")
        return f"via {self.via}" if self.via else f"on {self.link}"


def route_key(netns: str, to: Network, table: int, metric: int) -> Key:
    """The key of a route."""
    name = "default" if to.prefixlen == 0 and to.version == 4 else str(to)
    name += f" table {table}" if table != MAIN else ""
    name += f" metric {metric}" if metric != (0 if to.version == 4 else IPV6_METRIC) else ""
    return Key("route", netns, name)


def observe(snapshot: Snapshot) -> Iterator[Route]:
    """All routes that somebody set; connected ones follow their address."""
    marked_links = marks(snapshot)
    spaces = space_marks(snapshot)
    rows = [row for row in snapshot.routes if row.protocol not in FROM_KERNEL]
    ground = _Ground(snapshot, rows)
    for row in rows:
        mine = row.protocol == PROTOCOL
        link = row.link or next((hop.link for hop in row.nexthops), "")
        mark = marked_links.get((row.netns, link)) if link else spaces.get(row.netns)
        yield Route(
            mark=mark if mine else None,
            netns=row.netns,
            to=row.to,
            table=row.table,
            metric=row.metric,
            via=row.via or "",
            link=row.link,
            nexthops=row.nexthops,
            type=row.type,
            source=row.source or "",
            scope=row.scope,
            mtu=row.mtu,
            onlink=row.onlink,
            marked=mine,
            protocol=row.protocol,
            stands_on=tuple(ground.addresses(row)),
            over=tuple(ground.routes(row)),
        )


class _Ground:
    """What routes of a snapshot stand on besides links: the addresses they send from, and other routes."""

    def __init__(self, snapshot: Snapshot, routes: list[RouteRow]) -> None:
        sources = {(row.netns, row.source) for row in routes if row.source}
        self._addresses: dict[tuple[str, Address], Key] = {}
        for row in snapshot.addresses if sources else ():
            if (row.netns, row.address.ip) in sources:
                self._addresses[row.netns, row.address.ip] = address_key(row.netns, row.link, row.address)
        self._direct: dict[str, list[RouteRow]] = {}
        for route in routes:
            if route.link and not route.via and route.type == UNICAST:
                self._direct.setdefault(route.netns, []).append(route)

    def addresses(self, row: RouteRow) -> Iterator[Key]:
        """The one that a route sends from."""
        if row.source and (row.netns, row.source) in self._addresses:
            yield self._addresses[row.netns, row.source]

    def routes(self, row: RouteRow) -> Iterator[Key]:
        """Those that lead to its gateways."""
        gateways = [via for via in (row.via, *(hop.via for hop in row.nexthops)) if via]
        for direct in self._direct.get(row.netns, ()) if gateways and not row.onlink else ():
            if any(via in direct.to for via in gateways):
                yield route_key(direct.netns, direct.to, direct.table, direct.metric)


def obstacle(row: RouteRow) -> str:
    """A route in the words of `ip route`."""
    words = [str(row.to) if row.to.prefixlen else "default"]
    words += ["via", str(row.via)] if row.via else []
    words += ["dev", row.link] if row.link else []
    words += ["table", str(row.table)] if row.table != MAIN else []
    return " ".join(words)


def create(new: Route) -> Iterator[Operation]:
    """Add it, or put it in the place of the one with the same destination, table and metric."""
    yield RouteAdd(
        netns=new.netns,
        to=new.to,
        via=new.via or None,
        link=new.link or None,
        table=new.table,
        metric=new.metric,
        protocol=PROTOCOL if new.marked else new.protocol,
        source=new.source or None,
        type=UNICAST if new.type is None else new.type,
        scope=new.scope or 0,
        mtu=new.mtu or 0,
        onlink=bool(new.onlink),
        nexthops=new.nexthops or (),
    )


def update(_old: Route, new: Route) -> Iterator[Operation]:
    """Replace it, which the kernel does in one move."""
    yield from create(new)


def delete(old: Route) -> Iterator[Operation]:
    """Remove it."""
    yield RouteDelete(
        netns=old.netns,
        to=old.to,
        link=old.link or None,
        table=old.table,
        metric=old.metric,
        protocol=PROTOCOL if old.marked else old.protocol,
    )


KIND = Kind(Route, observe, create, update, delete)
