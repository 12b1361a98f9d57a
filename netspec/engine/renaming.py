"""A host as it would look if links and namespaces had other names: rows of a snapshot, renamed. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from netspec.core.plan import Rename
from netspec.core.resource import Key
from netspec.kernel.snapshot import ElementRow, LinkRow, RouteRow, Snapshot
from netspec.kinds.nat_element import digest_of

_OF_LINKS = frozenset({"port", "qdisc", "redirect"})
"""Classes of keys whose name is that of a link."""
_BELOW_LINKS = frozenset({"address", "neighbor", "field"})
"""Those that begin with the name of one."""


@dataclass(frozen=True, slots=True)
class Names:
    """New names by old ones: of links, within the namespaces as they were called, and of namespaces."""

    links: Mapping[tuple[str, str], str]
    spaces: Mapping[str, str]

    @staticmethod
    def of(renames: Iterable[Rename]) -> "Names":
        """Those of a list of renames, in which links come before namespaces."""
        found = tuple(renames)
        links = {(old.netns, old.name): new.name for old, new in found if old.kind == "link"}
        return Names(links, {old.name: new.name for old, new in found if old.kind == "netns"})

    def link(self, netns: str, name: str) -> str:
        """What a link is called."""
        return self.links.get((netns, name), name)

    def space(self, netns: str) -> str:
        """What a namespace is called."""
        return self.spaces.get(netns, netns)

    def key(self, key: Key) -> Key:
        """The key of what had another one."""
        if key.kind == "netns":
            return Key(key.kind, "", self.space(key.name))
        name = key.name
        if key.kind == "link" or key.kind in _OF_LINKS:
            name = self.link(key.netns, name)
        elif key.kind in _BELOW_LINKS:
            link, slash, rest = name.partition("/")
            name = f"{self.link(key.netns, link)}{slash}{rest}"
        return Key(key.kind, self.space(key.netns), name)


NO_NAMES = Names({}, {})


def renamed(snapshot: Snapshot, names: Names, source: str, target: str) -> Snapshot:
    """The same host with other names; what says that it serves the object `source` says `target`."""
    return replace(
        snapshot,
        netns=tuple(replace(row, name=names.space(row.name)) for row in snapshot.netns),
        links=tuple(_link(row, names) for row in snapshot.links),
        addresses=tuple(
            replace(row, netns=names.space(row.netns), link=names.link(row.netns, row.link))
            for row in snapshot.addresses
        ),
        routes=tuple(_route(row, names) for row in snapshot.routes),
        rules=tuple(replace(row, netns=names.space(row.netns)) for row in snapshot.rules),
        neighbors=tuple(
            replace(row, netns=names.space(row.netns), link=names.link(row.netns, row.link))
            for row in snapshot.neighbors
        ),
        sysctls=tuple(replace(row, netns=names.space(row.netns)) for row in snapshot.sysctls),
        tables=tuple(
            replace(table, elements=tuple(_element(row, names, source, target) for row in table.elements))
            for table in snapshot.tables
        ),
        qdiscs=tuple(replace(row, link=names.link("", row.link)) for row in snapshot.qdiscs),
        redirects=tuple(
            replace(row, link=names.link("", row.link), to=names.link("", row.to)) for row in snapshot.redirects
        ),
    )


def _link(row: LinkRow, names: Names) -> LinkRow:
    peer = row.peer
    if peer is not None:
        peer = names.space(peer[0]), names.link(*peer)
    return replace(
        row,
        netns=names.space(row.netns),
        name=names.link(row.netns, row.name),
        master=names.link(row.netns, row.master),
        parent=names.link(row.netns, row.parent),
        peer=peer,
    )


def _route(row: RouteRow, names: Names) -> RouteRow:
    hops = tuple(replace(hop, link=names.link(row.netns, hop.link)) for hop in row.nexthops)
    return replace(row, netns=names.space(row.netns), link=names.link(row.netns, row.link), nexthops=hops)


def _element(row: ElementRow, names: Names, source: str, target: str) -> ElementRow:
    comment = row.comment
    if row.set == "former":
        digest, colon, rest = comment.partition(":")
        spaces = {digest_of(old): digest_of(new) for old, new in names.spaces.items()}
        return replace(row, comment=f"{spaces.get(digest, digest)}{colon}{rest}")
    if comment == source or comment.startswith(f"{source}."):
        return replace(row, comment=target + comment.removeprefix(source))
    return row
