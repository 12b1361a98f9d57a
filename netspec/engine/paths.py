"""The way from this host to a peer: what of the host packets pass on it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from netspec.engine.peers import Peer, addresses_of
from netspec.engine.renaming import Names
from netspec.kernel.operations import Address, Network
from netspec.kernel.port import Kernel
from netspec.kernel.sightings import Way
from netspec.kernel.snapshot import LinkRow, Snapshot
from netspec.kinds._links import mark_of
from netspec.kinds.route import MAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The way to one address of a peer.

    `links` are those of the host that it leads over: the one of the route, what that is a port of or stands on, and so
    on. `prefixes` are the lengths of those that the kernel has taken for it, and for its gateway; `local` are the
    host's own addresses.
    """

    peer: Peer
    address: Address
    way: Way
    links: frozenset[str]
    prefixes: Mapping[Address, int]
    local: frozenset[Address] = field(default_factory=frozenset)

    def meets(self, network: Network) -> bool:
        """Whether the peer or the gateway is in a prefix."""
        return any(each in network for each in self.prefixes)

    def is_best(self, network: Network) -> bool:
        """Whether a prefix is the one that is taken for either, or would be."""
        return any(each in network and network.prefixlen >= length for each, length in self.prefixes.items())

    @property
    def own(self) -> Address | None:
        """The host's address that the peer talks to."""
        return self.peer.local or self.way.source

    def under(self, names: Names) -> "Path":
        """The same way, once links have other names; the old ones are on it as well."""
        way = replace(self.way, link=names.link("", self.way.link), port=names.link("", self.way.port))
        return replace(self, way=way, links=self.links | {names.link("", each) for each in self.links})


def paths(kernel: Kernel, snapshot: Snapshot, peers: Iterable[Peer]) -> Iterator[Path]:
    """The ways to all peers that are reached over some link."""
    known: list[Network] = [row.to for row in snapshot.routes if not row.netns]
    known += [row.address.network for row in snapshot.addresses if not row.netns]
    local = frozenset(row.address.ip for row in snapshot.addresses if not row.netns)
    for peer in peers:
        for address in addresses_of(peer, known):
            way = kernel.way_to(address, peer.link)
            if way is None or way.link == "lo":
                continue
            targets = (address, way.via) if way.via is not None else (address,)
            prefixes = {each: _prefix(each, way, snapshot) for each in targets}
            links = frozenset(_links(way, snapshot))
            yield Path(peer=peer, address=address, way=way, links=links, prefixes=prefixes, local=local)


def _links(way: Way, snapshot: Snapshot) -> set[str]:
    """The link of a route, and from each one on: its master, its parent, the members of a bond, a bridge's port."""
    rows = {row.name: row for row in snapshot.links if not row.netns}
    found: set[str] = set()
    waiting = [way.link, way.port]
    while waiting:
        row = rows.get(waiting.pop())
        if row is None or row.name in found:
            continue
        found.add(row.name)
        waiting += [row.master, row.parent]
        members = [each for each in rows.values() if each.master == row.name]
        if row.kind != "bridge":
            waiting += [each.name for each in members]
        elif row.name != way.link or not way.port:
            # The bridge has not learned where the peer is: by a port that is not ours, sooner than by an endpoint.
            waiting += [each.name for each in members if _is_foreign(each, snapshot)]
    return found


def _is_foreign(row: LinkRow, snapshot: Snapshot) -> bool:
    return mark_of(row, snapshot.stack) is None


def _prefix(address: Address, way: Way, snapshot: Snapshot) -> int:
    """The longest prefix that leads to an address by the link of its way."""
    routes = (row for row in snapshot.routes if not row.netns and row.table == MAIN)
    found = [row.to.prefixlen for row in routes if address in row.to]
    held = (row.address for row in snapshot.addresses if not row.netns and row.link == way.link)
    found += [each.network.prefixlen for each in held if address in each.network]
    return max(found, default=0)
