"""What a document means once references are resolved: pools, segments, and who is attached where."""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from netspec.kernel.operations import Address, Interface, Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One subnet: its CIDR, the gateway's address (None for no gateway), and what may be handed out.

    `first` and `last` bound automatic addresses; `reserved` are never handed out automatically.
    `own_gateway` is true where the gateway is this host's own address on the segment.
    """

    name: str
    cidr: Network
    gateway: Address | None
    first: Address
    last: Address
    reserved: frozenset[Address] = frozenset()
    own_gateway: bool = True

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.cidr.version

    @property
    def own_address(self) -> Interface | None:
        """The host's address on the segment, with prefix; None where the host has none."""
        if self.gateway is None or not self.own_gateway:
            return None
        return ipaddress.ip_interface((self.gateway, self.cidr.prefixlen))

    def interface(self, address: Address) -> Interface:
        """An address of this pool with the pool's prefix length."""
        return ipaddress.ip_interface((address, self.cidr.prefixlen))

    def automatic(self) -> Iterator[Address]:
        """The addresses that may be handed out automatically, lowest first."""
        make = type(self.first)
        for number in range(int(self.first), int(self.last) + 1):
            address = make(number)
            if address != self.gateway and address not in self.reserved:
                yield address


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A layer-2 segment that endpoints join; `kind` is the word for it in addresses, `bridge`.

    `publishes` is true where an endpoint on it publishes a port. `access` is `published`, `routed` or `open`;
    `host_access` `open` or `closed`.
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

    `default_routes` are the gateways of the default routes this interface supplies.
    """

    endpoint: str
    netns: str
    interface: str
    segment: Segment
    addresses: tuple[Interface, ...] = ()
    default_routes: tuple[Address, ...] = ()


Held = Mapping[tuple[str, str], tuple[Interface, ...]]
"""Addresses that interfaces already have, by (netns, interface)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What of the host a desired state depends on.

    `held` are addresses that interfaces have; `uplink_mtu` is that of the link with the default route;
    `sysctls` are present values of host sysctls, `former` the recorded ones from before us.
    """

    held: Held = field(default_factory=dict)
    uplink_mtu: int = 1500
    sysctls: Mapping[str, str] = field(default_factory=dict)
    former: Mapping[str, str] = field(default_factory=dict)
