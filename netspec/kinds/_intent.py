"""What a document means once references are resolved: pools, segments, and who is attached where."""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from netspec.kernel.operations import Address, Interface, Network
from netspec.kernel.snapshot import AttachedRow, LinkRow, ReferenceRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One subnet: its CIDR, the default gateway of its endpoints, the host's own address, and what may be handed out.

    `gateway` and `host` are None where there is none; they differ where another router is the gateway.
    `first` and `last` bound automatic addresses; `reserved` are never handed out automatically.
    """

    name: str
    cidr: Network
    gateway: Address | None
    host: Address | None
    first: Address
    last: Address
    reserved: frozenset[Address] = frozenset()

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.cidr.version

    @property
    def own_address(self) -> Interface | None:
        """The host's address on the segment, with prefix; None where the host has none."""
        return None if self.host is None else self.interface(self.host)

    def interface(self, address: Address) -> Interface:
        """An address of this pool with the pool's prefix length."""
        return ipaddress.ip_interface((address, self.cidr.prefixlen))

    def withheld(self, address: Address) -> str:
        """Why an address of the subnet is never handed out automatically; empty for one that may be."""
        if address == self.gateway:
            return f"{address} is the gateway"
        if address == self.host:
            return f"{address} is the host's own"
        if address in self.reserved:
            return f"{address} is reserved"
        if not int(self.first) <= int(address) <= int(self.last):
            return f"{address} is outside the range {self.first}-{self.last}"
        return ""

    def automatic(self) -> Iterator[Address]:
        """The addresses that may be handed out automatically, lowest first."""
        make, withheld = type(self.first), self._withheld()
        for number in range(int(self.first), int(self.last) + 1):
            if number not in withheld:
                yield make(number)

    @property
    def size(self) -> int:
        """How many addresses may be handed out automatically."""
        first, last = int(self.first), int(self.last)
        return last - first + 1 - sum(first <= number <= last for number in self._withheld())

    def _withheld(self) -> set[int]:
        never = (*self.reserved, self.gateway, self.host)
        return {int(each) for each in never if each is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A layer-2 segment that endpoints join; `kind` is the word for it in addresses, `bridge`.

    `publishes` is true where an endpoint on it publishes a port. `access` is `published`, `routed` or `open`;
    `host_access` `open` or `closed`. `existing` where the link is not ours, and others use it too.
    """

    kind: str
    name: str
    pools: tuple[Pool, ...] = ()
    mtu: int = 1500
    publishes: bool = False
    access: str = "published"
    internal: bool = False
    host_access: str = "open"
    port_isolation: bool = False
    antispoof: bool = True
    existing: bool = False

    @property
    def address(self) -> str:
        """How people name it: `bridge/docker0`."""
        return f"{self.kind}/{self.name}"

    def has(self, version: int) -> bool:
        """Whether the segment carries this IP version."""
        return any(pool.version == version for pool in self.pools)

    def pool_of(self, address: Address) -> Pool | None:
        """The pool whose CIDR holds the address."""
        return next((pool for pool in self.pools if address in pool.cidr), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One interface of an endpoint on a segment, its addresses decided.

    `default_routes` are the gateways of the default routes this interface supplies, at `metric` where it has one.
    `link_local` are addresses outside of the subnets, written by hand.
    """

    endpoint: str
    netns: str
    interface: str
    segment: Segment
    addresses: tuple[Interface, ...] = ()
    default_routes: tuple[Address, ...] = ()
    metric: int | None = None
    link_local: tuple[Interface, ...] = ()


Held = Mapping[tuple[str, str], tuple[Interface, ...]]
"""Addresses that interfaces already have, by (netns, interface)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What `netspec.lock` says: automatic addresses by (endpoint, interface).

    `strict` where an automatic address that is not in it is an error.
    """

    addresses: Mapping[tuple[str, str], tuple[Address, ...]] = field(default_factory=dict)
    strict: bool = False


UNLOCKED = Lock()
"""Where there is no lock file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What of the host a desired state depends on.

    `held` are addresses that interfaces have, `leases` those that they had after the last apply;
    `uplink_mtu` is that of the link with the default route;
    `sysctls` are present values of host sysctls, `former` the recorded ones from before us, `shared` those that other
    stacks have on record;
    `inner` and `inner_former` the same by (netns, key) of namespaces, and what new ones have;
    `links` and `addresses` are those of the host, `records` all that is recorded of the time before us.
    `references` say where namespaces of others are, by endpoint, `attached` where those with a name of ours were.
    """

    held: Held = field(default_factory=dict)
    leases: Held = field(default_factory=dict)
    uplink_mtu: int = 1500
    sysctls: Mapping[str, str] = field(default_factory=dict)
    former: Mapping[str, str] = field(default_factory=dict)
    shared: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, LinkRow] = field(default_factory=dict)
    addresses: frozenset[tuple[str, Interface]] = frozenset()
    records: Mapping[str, str] = field(default_factory=dict)
    inner: Mapping[tuple[str, str], str] = field(default_factory=dict)
    inner_former: Mapping[tuple[str, str], str] = field(default_factory=dict)
    references: Mapping[str, ReferenceRow] = field(default_factory=dict)
    attached: Mapping[str, AttachedRow] = field(default_factory=dict)
