"""What the fake kernel holds: links, addresses, routes, sysctls and tables of a host, as frozen values in dicts.

Links are known by index, as in Linux, so that a rename touches nothing else. Refusals are OSErrors.
"""

import errno
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from netspec.kernel.operations import Address, Interface, Network, RuleAdd
from netspec.kernel.snapshot import AttachedRow, ElementRow, FileRow

NOWHERE = 0
"""The index of no link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeLink:
    """A link; `master`, `parent` and `peer` are indexes. `mtu_set` and `mac_set`: a bridge keeps what was set."""

    index: int
    netns: str
    name: str
    kind: str = ""
    mac: str = "00:00:00:00:00:00"
    mac_set: bool = True
    mtu: int = 1500
    mtu_set: bool = False
    up: bool = False
    group: int = 0
    alias: str = ""
    txqlen: int = 1000
    promisc: bool = False
    allmulti: bool = False
    altnames: tuple[str, ...] = ()
    master: int = NOWHERE
    parent: int = NOWHERE
    peer: int = NOWHERE
    addr_gen_mode: int = 0
    conf4: dict[int, int] = field(default_factory=dict)
    conf6: dict[str, str] = field(default_factory=dict)
    data: dict[int, bytes] = field(default_factory=dict)
    port_data: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An address of a link. `secondary`: another one of its subnet came first and holds the connected route."""

    address: Interface
    broadcast: IPv4Address | None = None
    protocol: int = 0
    scope: int = 0
    secondary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbor:
    """A permanent neighbour of a link."""

    address: Address
    mac: str
    protocol: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One of several next hops; `link` is an index."""

    via: Address | None
    link: int
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One route to a destination of a table; `link` is an index, NOWHERE for blackholes and several hops."""

    via: Address | None = None
    link: int = NOWHERE
    metric: int = 0
    protocol: int = 0
    source: Address | None = None
    type: int = 1
    scope: int = 0
    mtu: int = 0
    onlink: bool = False
    hops: tuple[Hop, ...] = ()

    @property
    def links(self) -> frozenset[int]:
        """The links it leads over."""
        return frozenset({hop.link for hop in self.hops} or ({self.link} - {NOWHERE}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """An nftables table; `elements` by set and key. It is replaced, never changed."""

    text: str
    written: str
    elements: dict[tuple[str, str], ElementRow] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A conntrack entry: sent to `destination`, translated to `target`; `source` where it matters who sent it."""

    netns: str = ""
    protocol: str
    destination: Address
    port: int
    target: Address
    source: Address | None = None


Destination = tuple[Network, int]
"""Prefix and table of routes."""


@dataclass(slots=True)
class Space:
    """A network namespace, without its links."""

    routes: dict[Destination, tuple[Path, ...]] = field(default_factory=dict)
    sysctls: dict[str, str] = field(default_factory=dict)
    tables: dict[tuple[str, str], Table] = field(default_factory=dict)
    rules: tuple[RuleAdd, ...] = ()

    def paths(self, destination: Destination) -> tuple[Path, ...]:
        """The routes to a destination, in the kernel's order: by metric, then as they came."""
        return self.routes.get(destination, ())

    def put_paths(self, destination: Destination, paths: tuple[Path, ...]) -> None:
        """Set the routes to a destination; none of them removes it."""
        if paths:
            self.routes[destination] = tuple(sorted(paths, key=lambda path: path.metric))
        else:
            self.routes.pop(destination, None)

    def copy(self) -> "Space":
        """An equal one that changes on its own."""
        return Space(dict(self.routes), dict(self.sysctls), dict(self.tables), self.rules)


@dataclass(slots=True)
class Host:
    """All of it; the host's own namespace is `""`. `dead` are names with nothing mounted, and what the files hold.

    A namespace that others have made goes by the path where it is found, or by the name in `attached`.
    """

    spaces: dict[str, Space] = field(default_factory=dict)
    dead: dict[str, str] = field(default_factory=dict)
    links: dict[int, FakeLink] = field(default_factory=dict)
    names: dict[tuple[str, str], int] = field(default_factory=dict)
    addresses: dict[int, tuple[Held, ...]] = field(default_factory=dict)
    neighbors: dict[int, tuple[Neighbor, ...]] = field(default_factory=dict)
    flows: tuple[Flow, ...] = ()
    files: dict[tuple[str, str], FileRow] = field(default_factory=dict)
    directories: dict[str, bool] = field(default_factory=dict)
    """Those below `/etc/netns`, and that one as `""`, and whether netspec made them."""
    last_index: int = 0
    inodes: dict[str, int] = field(default_factory=dict)
    attached: dict[str, AttachedRow] = field(default_factory=dict)
    containers: dict[str, int] = field(default_factory=dict)
    announced: tuple[tuple[str, str, Address], ...] = ()
    buckets: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    redirects: dict[int, int] = field(default_factory=dict)
    unsupported: frozenset[str] = frozenset()

    def copy(self) -> "Host":
        """An equal one that changes on its own."""
        return Host(
            spaces={name: space.copy() for name, space in self.spaces.items()},
            dead=dict(self.dead),
            links=dict(self.links),
            names=dict(self.names),
            addresses=dict(self.addresses),
            neighbors=dict(self.neighbors),
            flows=self.flows,
            files=dict(self.files),
            directories=dict(self.directories),
            last_index=self.last_index,
            inodes=dict(self.inodes),
            attached=dict(self.attached),
            containers=dict(self.containers),
            announced=self.announced,
            buckets=dict(self.buckets),
            redirects=dict(self.redirects),
            unsupported=self.unsupported,
        )

    def space(self, netns: str) -> Space:
        """The namespace; ENOENT where there is none."""
        found = self.spaces.get(netns)
        if found is None:
            raise OSError(errno.ENOENT, f"there is no network namespace {netns}")
        return found

    def find(self, netns: str, name: str) -> FakeLink | None:
        """The link, or None."""
        index = self.names.get((netns, name))
        return None if index is None else self.links[index]

    def link(self, netns: str, name: str) -> FakeLink:
        """The link; ENODEV where there is none, ENOENT where there is no such namespace."""
        found = self.find(netns, name)
        if found is None:
            self.space(netns)
            raise OSError(errno.ENODEV, "")
        return found

    def is_named(self, netns: str, name: str) -> bool:
        """Whether a link of the namespace has the name, be it a further one."""
        return (netns, name) in self.names or any(
            name in each.altnames for each in self.links.values() if each.altnames and each.netns == netns
        )

    def next_index(self) -> int:
        """A number no link has had."""
        self.last_index += 1
        return self.last_index

    def put(self, link: FakeLink) -> None:
        """Make a link what it is now, or make a new one."""
        before = self.links.get(link.index)
        if before is None or before.name != link.name:
            if before is not None:
                del self.names[before.netns, before.name]
            self.names[link.netns, link.name] = link.index
        self.links[link.index] = link

    def forget(self, link: FakeLink) -> None:
        """Take a link out."""
        del self.names[link.netns, link.name]
        del self.links[link.index]
        self.addresses.pop(link.index, None)
        self.neighbors.pop(link.index, None)
        self.buckets.pop(link.index, None)
        self.redirects.pop(link.index, None)

    def held(self, link: FakeLink) -> tuple[Held, ...]:
        """The addresses of a link, in the kernel's order."""
        return self.addresses.get(link.index, ())

    def name_of(self, index: int) -> str:
        """A link's name; empty for NOWHERE."""
        return self.links[index].name if index else ""
