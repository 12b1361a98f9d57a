"""An IP address of a link."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import ClassVar

from netspec.core.resource import Disruption, Key, Mark, Resource, carried, identity, in_place
from netspec.kernel.operations import AddressAdd, AddressDelete, Announce, Interface, Operation
from netspec.kernel.snapshot import AddressRow, Snapshot
from netspec.kinds._contract import PROTOCOL, Kind
from netspec.kinds._links import marks
from netspec.kinds._records import former_record, former_values

ADDED_BY_KERNEL = frozenset({1, 2, 3})
"""IFAPROT_KERNEL_LO, _RA, _LL (`linux/if_addr.h`): come and go with the link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address(Resource):
    """An address with its prefix length on a link; `marked` where it carries our IFA_PROTO.

    `lent` where the link is not ours: a record says that the address is. `pair` is the host end of the veth pair that
    `link` is the far end of; empty where there is none. `fixed` where the kernel does not change its IFA_PROTO.
    """

    netns: str = identity()
    link: str = identity()
    address: Interface = identity()
    marked: bool | None = in_place(default=True, disruption=Disruption.NONE)
    broadcast: IPv4Address | None = carried()
    protocol: int = carried(PROTOCOL)
    lent: bool = carried(default=False)
    pair: str = carried("")
    fixed: bool = carried(default=False)

    rank: ClassVar[int] = 5
    # Promotion of secondaries is on: the new one stands before the old one goes, and connections
    # to what has not changed go on.
    make_before_break: ClassVar[bool] = True

    def key(self) -> Key:
        """`address/NETNS/LINK/ADDRESS`."""
        return address_key(self.netns, self.link, self.address)

    def stuck(self) -> Collection[str]:
        """The mark, where it is fixed."""
        return ("marked",) if self.fixed else ()

    def requires(self) -> Iterator[Key]:
        """The link."""
        yield Key("link", self.netns, self.link)

    def provides(self) -> Iterator[Key]:
        """Its IP, where the kernel tells addresses apart by it alone: one goes before the other comes."""
        if self.address.version == 6:
            yield Key("ip", self.netns, f"{self.link}/{self.address.ip}")

    def recorded_in(self) -> Iterator[Key]:
        """The element that says that it is ours, on a link that is not."""
        if self.lent and self.mark is not None:
            yield former_record(self.mark, record_of(self.link, self.address), "").key()

    def cascades(self) -> Iterator[Key]:
        """The kernel drops addresses with their link."""
        return self.requires()

    def swept_by(self) -> Iterator[tuple[Key, str]]:
        """Without IPv6 on the link there is none, nor can it be added."""
        if self.address.version == 6:
            yield (Key("link", "", self.pair), "peer_ipv6") if self.pair else (Key("link", "", self.link), "ipv6")
            yield Key("field", "", f"{self.link}/ipv6"), "value"


def address_key(netns: str, link: str, address: Interface) -> Key:
    """The key of an address."""
    return Key("address", netns, f"{link}/{address}")


def record_of(link: str, address: Interface) -> str:
    """What the record of our address on a link of somebody else is called."""
    return f"address/{link}/{address}"


def broadcast_of(address: Interface) -> IPv4Address | None:
    """The broadcast address that `ip addr add … brd +` sets: IPv4 prefixes up to 30 have one."""
    if isinstance(address, IPv4Interface) and address.network.prefixlen < 31:
        return address.network.broadcast_address
    return None


def observe(snapshot: Snapshot) -> Iterator[Address]:
    """All addresses that somebody set; loopback's and link-local ones follow their link."""
    marked_links = marks(snapshot)
    records = former_values(snapshot)
    pairs = {row.peer: row.name for row in snapshot.links if row.peer is not None and row.peer[0] and not row.netns}
    for row in snapshot.addresses:
        if row.protocol in ADDED_BY_KERNEL or row.link == "lo" or _automatic(row):
            continue
        mine = row.protocol == PROTOCOL
        lent = not row.netns and bool(records) and record_of(row.link, row.address) in records
        mark = Mark(snapshot.stack, f"bridge/{row.link}") if lent else marked_links.get((row.netns, row.link))
        yield Address(
            mark=mark if mine else None,
            netns=row.netns,
            link=row.link,
            address=row.address,
            marked=mine,
            broadcast=row.broadcast,
            protocol=row.protocol,
            lent=lent and mine,
            pair=pairs.get((row.netns, row.link), ""),
            # Where a link is not ours, what stands on the address may not be ours either.
            fixed=snapshot.fixed_marks and row.address.version == 4 and (row.netns, row.link) in marked_links,
        )


def _automatic(row: AddressRow) -> bool:
    return row.address.version == 6 and row.address.is_link_local and row.protocol != PROTOCOL


def create(new: Address) -> Iterator[Operation]:
    """Add it; without duplicate address detection, as netspec knows who has what."""
    protocol = PROTOCOL if new.marked else new.protocol
    yield AddressAdd(netns=new.netns, link=new.link, address=new.address, broadcast=new.broadcast, protocol=protocol)
    if new.netns:
        # Neighbours may know it under the MAC of whoever had it before.
        yield Announce(netns=new.netns, link=new.link, address=new.address.ip)


def update(old: Address, new: Address) -> Iterator[Operation]:
    """Only the mark can differ."""
    protocol = PROTOCOL if new.marked else new.protocol
    yield AddressAdd(netns=new.netns, link=new.link, address=new.address, broadcast=old.broadcast, protocol=protocol)


def delete(old: Address) -> Iterator[Operation]:
    """Remove it."""
    yield AddressDelete(netns=old.netns, link=old.link, address=old.address)


KIND = Kind(Address, observe, create, update, delete)
