"""A route."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from netspec.core.resource import Disruption, Key, Resource, carried, identity, in_place
from netspec.kernel.operations import Address, Network, Operation, RouteAdd, RouteDelete
from netspec.kernel.snapshot import RouteRow, Snapshot
from netspec.kinds._contract import PROTOCOL, Kind
from netspec.kinds._links import marks

MAIN = 254
"""RT_TABLE_MAIN."""
UNICAST = 1
"""RTN_UNICAST."""
FROM_KERNEL = frozenset({2, 9})
"""RTPROT_KERNEL and RTPROT_RA: they follow addresses and router advertisements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Resource):
    """A route to `to`, over a gateway or straight over a link.

    `stands_on` are the keys of the addresses that make `via` reachable; `metric` is RTA_PRIORITY.
    """

    netns: str = identity()
    to: Network = identity()
    table: int = identity()
    metric: int = identity()
    via: Address | None = in_place()
    link: str | None = in_place()
    marked: bool | None = in_place(default=True, disruption=Disruption.NONE)
    protocol: int = carried(PROTOCOL)
    source: Address | None = carried()
    type: int = carried(UNICAST)
    scope: int = carried(0)
    stands_on: tuple[Key, ...] = carried(())

    rank: ClassVar[int] = 6

    def key(self) -> Key:
        """`route/NETNS/DESTINATION`, with table and metric where they are not the usual ones."""
        name = "default" if self.to.prefixlen == 0 and self.to.version == 4 else str(self.to)
        name += f" table {self.table}" if self.table != MAIN else ""
        name += f" metric {self.metric}" if self.metric not in (0, 1024) else ""
        return Key("route", self.netns, name)

    def requires(self) -> Iterator[Key]:
        """The link, and the addresses that make its gateway reachable."""
        if self.link:
            yield Key("link", self.netns, self.link)
        yield from self.stands_on

    def cascades(self) -> Iterator[Key]:
        """The kernel drops routes with their link."""
        if self.link:
            yield Key("link", self.netns, self.link)

    def title(self) -> str:
        """Where it leads."""
        return f"via {self.via}" if self.via else f"on {self.link}"


def observe(snapshot: Snapshot) -> Iterator[Route]:
    """All routes that somebody set; connected ones follow their address."""
    marked_links = marks(snapshot)
    for row in snapshot.routes:
        if row.protocol in FROM_KERNEL:
            continue
        mine = row.protocol == PROTOCOL
        yield Route(
            mark=marked_links.get((row.netns, row.link)) if mine else None,
            netns=row.netns,
            to=row.to,
            table=row.table,
            metric=row.metric,
            via=row.via,
            link=row.link,
            marked=mine,
            protocol=row.protocol,
            source=row.source,
            type=row.type,
            scope=row.scope,
        )


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
        via=new.via,
        link=new.link or None,
        table=new.table,
        metric=new.metric,
        protocol=PROTOCOL if new.marked else new.protocol,
        source=new.source,
        type=new.type,
        scope=new.scope,
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
