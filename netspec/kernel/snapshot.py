"""Raw rows of one look at the kernel; kinds decode them. Plain values, no opinion."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Literal, NamedTuple

from netspec.kernel.routing import NextHop
from netspec.kernel.values import Address, Interface, Network


class Reference(NamedTuple):
    """A namespace that others have made: by process id, path, or container."""

    sort: Literal["pid", "path", "container"]
    value: str

    def __str__(self) -> str:
        return {"pid": "process ", "container": "container "}.get(self.sort, "") + self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRow:
    """Where a reference leads: the `inode` of the namespace at `path`, and when the process behind it began.

    `name` is what it is to be called under `/run/netns`, `known_as` what it is called there already.
    `problem` says why it leads nowhere.
    """

    name: str
    reference: Reference
    path: str = ""
    inode: int = 0
    started: int = 0
    known_as: tuple[str, ...] = ()
    problem: str = ""


class AttachedRow(NamedTuple):
    """What is on record of a name that we gave to a namespace of others: our mark, and where it was found."""

    alias: str
    path: str
    inode: int
    started: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What to look at: the stack whose table is read, and the sysctls wanted, as (netns, key).

    `references` are namespaces of others by the name they are to have: each is read under it, named already or not.
    `netns` are the namespaces that matter beside the host's; None: all. Of others a kernel may show nothing,
    not even where the far ends of pairs are that lie in them. `named` are links of the host that are not ours, and
    that the spec names. `claimed` are links of the host that kinds decode as they do ours, marked or not.
    """

    stack: str
    sysctls: frozenset[tuple[str, str]] = frozenset()
    netns: frozenset[str] | None = None
    references: tuple[tuple[str, Reference], ...] = ()
    named: frozenset[str] = frozenset()
    claimed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetnsRow:
    """One entry of `/run/netns`.

    `alias` is that of its `lo` (our mark lives there), `readable` false where we lack the privilege to
    enter it, `alive` false where nothing is mounted on the file. `content` is what such a dead file holds.
    `attached` is our record, where the namespace is that of others and only the name is ours.
    """

    name: str
    alias: str = ""
    readable: bool = True
    alive: bool = True
    content: str = ""
    attached: AttachedRow | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """One link of RTM_GETLINK.

    `kind` is IFLA_INFO_KIND (empty for physical links and `lo`); `master` and `parent` are names in the same
    namespace; `peer` is (netns, name) of the other end of a veth where it lies in a namespace we can see;
    `conf4` are the IPV4_DEVCONF_* values by number; `forwarding6` and `disabled6` are IPv6's
    DEVCONF_*, None where the link has no IPv6; `data` and `port_data` as in LinkSet; `up` is IFF_UP.
    """

    netns: str
    name: str
    index: int
    kind: str = ""
    mac: str = ""
    mtu: int = 0
    up: bool = False
    group: int = 0
    alias: str = ""
    txqlen: int = 0
    promisc: bool = False
    allmulti: bool = False
    altnames: tuple[str, ...] = ()
    master: str = ""
    parent: str = ""
    peer: tuple[str, str] | None = None
    addr_gen_mode: int | None = None
    conf4: Mapping[int, int] = field(default_factory=dict)
    forwarding6: int | None = None
    disabled6: bool | None = None
    data: Mapping[int, bytes] = field(default_factory=dict)
    port_kind: str = ""
    port_data: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRow:
    """One address of RTM_GETADDR; `protocol` is IFA_PROTO (0 where the kernel has none), `scope` RT_SCOPE_*."""

    netns: str
    link: str
    address: Interface
    broadcast: IPv4Address | None = None
    protocol: int = 0
    scope: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRow:
    """One route of RTM_GETROUTE, local table excepted. `link` is empty for blackholes and multipath routes.

    `mtu` is 0 where the route has none of its own.
    """

    netns: str
    to: Network
    via: Address | None = None
    link: str = ""
    table: int = 254
    metric: int = 0
    protocol: int = 0
    source: Address | None = None
    type: int = 1
    scope: int = 0
    mtu: int = 0
    onlink: bool = False
    nexthops: tuple[NextHop, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """One rule of RTM_GETRULE, the kernel's own excepted; fields as in RuleAdd."""

    netns: str
    version: int
    priority: int
    source: Network | None = None
    to: Network | None = None
    iif: str = ""
    oif: str = ""
    fwmark: int | None = None
    mask: int = 0xFFFFFFFF
    table: int = 0
    action: int = 1
    protocol: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighborRow:
    """One permanent neighbour of RTM_GETNEIGH; `protocol` is NDA_PROTOCOL, 0 where there is none."""

    netns: str
    link: str
    address: Address
    mac: str
    protocol: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A file below `/etc/netns`; `text` only of one that has a `mark` in its first line, and without that line.

    `sort` is `file`, `symlink` or `other`.
    """

    netns: str
    name: str
    mark: str = ""
    text: str = ""
    mode: int = 0
    sort: str = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class SysctlRow:
    """The present value of one wanted sysctl; None where the key does not exist."""

    netns: str
    key: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementRow:
    """One element of a set or map of our table, key and value as `nft list` prints them."""

    set: str
    key: str
    value: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterRow:
    """One named counter of our table; `comment` says what it counts."""

    name: str
    comment: str
    packets: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """Our nftables table. `text` is what `nft -s -t list table` prints; it can be loaded as it stands.

    `written` is the digest of the text that was loaded, where the listing still is the one seen right
    after loading it, else empty: somebody has changed chains, rules or set definitions.
    """

    netns: str
    family: str
    name: str
    text: str
    written: str = ""
    elements: tuple[ElementRow, ...] = ()
    counters: tuple[CounterRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QdiscRow:
    """A qdisc that somebody has put at the root of a host link; numbers as in QdiscAdd, 0 where it is no token bucket.

    `major` is that of its handle.
    """

    link: str
    kind: str
    major: int
    rate: int = 0
    burst: int = 0
    queue: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectRow:
    """Where what a host link receives is sent by a filter of ours; `?` for a link that is gone."""

    link: str
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A socket that a process listens on (TCP) or has bound (UDP). `pid` 0 where it cannot be told."""

    protocol: str
    address: Address
    port: int
    pid: int = 0
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All rows of one look. `beside`: what other stacks have on record; `fixed_marks`: IPv4 addresses keep theirs."""

    stack: str
    netns: tuple[NetnsRow, ...] = ()
    links: tuple[LinkRow, ...] = ()
    addresses: tuple[AddressRow, ...] = ()
    routes: tuple[RouteRow, ...] = ()
    rules: tuple[RuleRow, ...] = ()
    neighbors: tuple[NeighborRow, ...] = ()
    sysctls: tuple[SysctlRow, ...] = ()
    files: tuple[FileRow, ...] = ()
    tables: tuple[TableRow, ...] = ()
    beside: tuple[TableRow, ...] = ()
    references: tuple[ReferenceRow, ...] = ()
    qdiscs: tuple[QdiscRow, ...] = ()
    redirects: tuple[RedirectRow, ...] = ()
    named: frozenset[str] = frozenset()
    claimed: frozenset[str] = frozenset()
    fixed_marks: bool = False

    def links_of(self, kind: str) -> Iterator[LinkRow]:
        """The links of one IFLA_INFO_KIND, in all namespaces."""
        return (link for link in self.links if link.kind == kind)
